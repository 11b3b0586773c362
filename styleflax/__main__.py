"""`python -m styleflax`: the same as the `styleflax` command."""

from styleflax.cli import main

if __name__ == "__main__":
    main()
