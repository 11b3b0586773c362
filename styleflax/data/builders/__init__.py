"""TFDS builders that write array_record; `styleflax.data.sources` opens them."""
