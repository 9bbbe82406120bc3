"""Measures of what the context plugins save and find. Run by hand, not by the tests."""
