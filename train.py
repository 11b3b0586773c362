"""Trains a style transfer network: `python train.py --config=FILE --workdir=DIR`."""

from styleflax.cli.train import main

if __name__ == "__main__":
    main()
