"""Stylized data sets: every picture of a source, each in a style drawn for it."""
