"""Stdio and HTTP, both ways."""
