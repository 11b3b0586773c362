"""Measuring stylizations."""
