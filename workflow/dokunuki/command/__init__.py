"""The command `dokunuki`: one module a subcommand, which imports what is heavy when it runs."""
