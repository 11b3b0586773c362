"""Stylizing pictures with trained weights."""
