"""espnet-sentiment completion: let the shell complete commands and options."""

import argparse

HELP = "print a script that completes commands, options and files in a shell"
SHELLS = ("bash", "zsh", "tcsh", "fish")
# What takes files and folders, in any command.
PATHS = (
    *("inputs", "model", "named_model", "encoder_model", "asr_model", "cluster", "out"),
    *("turns", "speaker_statistics"),
    *("pack", "folder", "experiment", "data_dir", "dump", "exp"),
    *("encoder", "alignment", "check"),
)
EPILOG = """\
bash: espnet-sentiment completion bash > ~/.espnet-sentiment.bash
      echo '. ~/.espnet-sentiment.bash' >> ~/.bashrc
zsh:  espnet-sentiment completion zsh > DIR/_espnet-sentiment      with DIR in $fpath
tcsh: espnet-sentiment completion tcsh >> ~/.tcshrc
fish: espnet-sentiment completion fish \\
        > ~/.config/fish/completions/espnet-sentiment.fish
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("shell", choices=SHELLS)


def run(args: argparse.Namespace) -> int:
    """Print the script; return the exit status."""
    import shtab

    from espnet_sentiment.cli.main import get_parser
    from espnet_sentiment.compat import parser_actions

    parser = get_parser()
    for action in parser_actions(parser):
        if action.dest in PATHS:
            # Where shtab looks for it.
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, args.shell))
    return 0
