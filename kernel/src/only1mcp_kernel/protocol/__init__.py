"""The five revisions of MCP: what each says at each edge, and how the eras are bridged.

Pure functions and tables: no sockets, no tasks, no clocks. Nothing outside this package asks "which revision?".
"""
