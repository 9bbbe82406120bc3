"""The fast lane: plain requests of MCP, answered on the connection itself.

What is plain is a POST with a Content-Length, or a GET for an event stream, at a path that is served here, of HTTP/1.1,
that passes every check and asks for nothing special. Anything else goes to aiohttp, from its first byte: there is one
implementation of every refusal.
"""
