"""HTTP+SSE, the transport of revision 2024-11-05: servers reached by it, and clients that still use it."""
