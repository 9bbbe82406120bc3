"""Secret sources for Only1MCP configuration."""
