"""TFDS builders that write array_record; `styleflax.datasets.sources` opens them."""
