"""The smallest useful Only1MCP plugin: a filter."""
