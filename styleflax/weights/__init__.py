"""Outside weight files and our own model files, as parameter trees."""
