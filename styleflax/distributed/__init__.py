"""Processes that work together: hosts, consensus and signals."""
