"""Published checkpoints: read, converted and written."""
