"""The extension kinds: one Protocol each, one file each. The docstrings are the contract."""

from only1mcp_sdk.kinds.authenticator import Authenticator
from only1mcp_sdk.kinds.balancer import Balancer, Candidate, LearningBalancer
from only1mcp_sdk.kinds.connector import Connection, Connector, Inbox
from only1mcp_sdk.kinds.economy import After, Economy, Toolbox, Vendor, View
from only1mcp_sdk.kinds.filter import Filter, Place
from only1mcp_sdk.kinds.listener import Answer, Channel, Conversation, Gate, Listener, Posting
from only1mcp_sdk.kinds.middleware import Middleware, Next
from only1mcp_sdk.kinds.secret import Secret
from only1mcp_sdk.kinds.transform import Entry, EntryKind, Transform

__all__ = [
    "After",
    "Answer",
    "Authenticator",
    "Balancer",
    "Candidate",
    "Channel",
    "Connection",
    "Connector",
    "Conversation",
    "Economy",
    "Entry",
    "EntryKind",
    "Filter",
    "Gate",
    "Inbox",
    "LearningBalancer",
    "Listener",
    "Middleware",
    "Next",
    "Place",
    "Posting",
    "Secret",
    "Toolbox",
    "Transform",
    "Vendor",
    "View",
]
