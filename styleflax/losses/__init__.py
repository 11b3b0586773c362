"""Scalars computed from features or images."""
