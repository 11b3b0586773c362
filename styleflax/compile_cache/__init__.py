"""Compiled programs that are kept between runs of a command."""
