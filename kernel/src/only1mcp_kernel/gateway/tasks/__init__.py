"""Tasks of MCP, long-running requests of both kinds: their ids, and whom they belong to."""
