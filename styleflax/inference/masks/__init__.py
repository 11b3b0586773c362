"""Masks: regions of a photo or of a painting."""
