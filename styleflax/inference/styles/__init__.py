"""Styles: read, encoded, cached and saved."""
