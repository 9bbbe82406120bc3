"""Results of tools in fewer tokens, with nothing lost: what is left out is kept, and read by handle.

Results and texts go in and come out as bytes. Nothing here knows a profile or a configuration.
"""

from only1mcp_context.results.budget import LEAST_TOKENS, PRESETS, READER, Keep, reading, shorten, shown_of
from only1mcp_context.results.compact import compact
from only1mcp_context.results.project import BadPath, Path, project, read_path
from only1mcp_context.results.reader import DEFINITION, Reader
from only1mcp_context.results.store import Bounds, Store, open_store
from only1mcp_context.results.structured import as_text
from only1mcp_context.results.tokens import estimate

__all__ = [
    "DEFINITION",
    "LEAST_TOKENS",
    "PRESETS",
    "READER",
    "BadPath",
    "Bounds",
    "Keep",
    "Path",
    "Reader",
    "Store",
    "as_text",
    "compact",
    "estimate",
    "open_store",
    "project",
    "read_path",
    "reading",
    "shorten",
    "shown_of",
]
