"""The Only1MCP gateway without its plugins: wire, protocol, routing, process life, command line."""
