"""Tiles: windows of large pictures and what passes over them."""
