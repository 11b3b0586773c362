"""Scores models on folders of pictures; `python eval.py --help`."""

from styleflax.cli.evaluate import main

if __name__ == "__main__":
    main()
