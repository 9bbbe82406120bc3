"""WebSocket, both ways (RFC 6455): one JSON-RPC message per text frame, subprotocol `mcp`. Whoever imports from here at
module level pays for aiohttp, the configuration aside."""
