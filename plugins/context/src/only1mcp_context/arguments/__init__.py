"""Arguments of tools that a client called without seeing their schema: checked here, and put right where it is plain
what was meant."""

from only1mcp_context.arguments.calls import WrappedCall, repaired_call
from only1mcp_context.arguments.checker import Checker
from only1mcp_context.arguments.faults import Fault

__all__ = ["Checker", "Fault", "WrappedCall", "repaired_call"]
