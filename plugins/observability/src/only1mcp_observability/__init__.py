"""Logs, metrics and traces for Only1MCP."""
