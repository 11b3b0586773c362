"""Training sets: sources of pictures, their builders and pipelines."""
