"""Configurations: each file's `get_config()` gives one."""
