"""Servers that run within the gateway's own process: importable Python objects."""
