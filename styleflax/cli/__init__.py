"""The `styleflax` command, one file per subcommand."""


def main() -> None:
    """Entry point of the `styleflax` command."""
    from styleflax.cli.app import run  # noqa: PLC0415  (typer is slow to import)

    run()
