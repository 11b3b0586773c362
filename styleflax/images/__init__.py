"""Images: reading, writing, resizing and arranging them."""
