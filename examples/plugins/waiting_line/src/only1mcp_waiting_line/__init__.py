"""An example Only1MCP plugin: a middleware that has calls wait in line."""
