"""JSON-RPC on the wire: envelopes and sealed tokens. Knows nothing of MCP's methods or revisions."""
