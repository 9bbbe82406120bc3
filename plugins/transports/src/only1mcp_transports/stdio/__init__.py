"""MCP over standard input and output: servers as child processes, and the gateway as one."""
