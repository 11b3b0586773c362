"""Color: what a result takes from the photo or the painting."""
