"""The console command ``espnet-sentiment``; every subcommand is a module here."""
