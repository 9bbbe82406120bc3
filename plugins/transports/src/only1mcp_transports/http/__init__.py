"""Streamable HTTP, both ways. Whoever imports from here at module level pays for aiohttp, the configurations aside."""
