"""The kinds of tables that records come in, a module each."""
