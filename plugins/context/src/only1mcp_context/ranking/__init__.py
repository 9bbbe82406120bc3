"""Search over tools with no dependencies: documents, an index of them, and queries to hits.

    index = build([document("git", "git_log", "Shows the commit logs", schema), ...])
    hits = search(index, ["show recent commits"], load())

Everything here is a pure function of its arguments; nothing is kept between calls.
"""

from only1mcp_context.ranking.documents import ToolDocument, document
from only1mcp_context.ranking.hits import Hit, Opinion, search
from only1mcp_context.ranking.index import Index, build
from only1mcp_context.ranking.related import Related, load

__all__ = ["Hit", "Index", "Opinion", "Related", "ToolDocument", "build", "document", "load", "search"]
