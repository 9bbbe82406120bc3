"""Which replica of a server takes a call."""
