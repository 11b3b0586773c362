"""The `styleflax` command, one file per subcommand."""
