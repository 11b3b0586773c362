"""Rendering: compiled programs for whole pictures, batches, rows and tiles."""
