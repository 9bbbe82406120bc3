"""JSON-RPC on the wire: envelopes, raw members, sealed tokens. Knows nothing of MCP's methods or revisions."""
