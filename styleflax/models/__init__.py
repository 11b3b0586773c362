"""Linen modules: no loss, no files."""
