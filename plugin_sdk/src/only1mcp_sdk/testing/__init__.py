"""For the tests of plugins: open a component alone, stand-ins for what it meets, and one check per kind.

Free of pytest: everything raises `AssertionError`, so any test runner will do. For pytest there is the fixture
`only1mcp_harness`, which comes with the distribution.
"""

from only1mcp_sdk.testing.authenticator import check_authenticator
from only1mcp_sdk.testing.balancer import check_balancer
from only1mcp_sdk.testing.connector import check_connector
from only1mcp_sdk.testing.economy import check_economy
from only1mcp_sdk.testing.fakes import (
    FakeCandidate,
    FakeClock,
    FakeGate,
    RecordingAnswer,
    RecordingChannel,
    RecordingInbox,
    make_caller,
    make_exchange,
    raw_members,
)
from only1mcp_sdk.testing.filter import check_filter, check_outcome
from only1mcp_sdk.testing.harness import Harness, open_alone, read_options
from only1mcp_sdk.testing.lifecycle import nothing_left
from only1mcp_sdk.testing.listener import check_listener
from only1mcp_sdk.testing.middleware import check_middleware
from only1mcp_sdk.testing.secret import check_secret
from only1mcp_sdk.testing.transform import check_transform

__all__ = [
    "FakeCandidate",
    "FakeClock",
    "FakeGate",
    "Harness",
    "RecordingAnswer",
    "RecordingChannel",
    "RecordingInbox",
    "check_authenticator",
    "check_balancer",
    "check_connector",
    "check_economy",
    "check_filter",
    "check_listener",
    "check_middleware",
    "check_outcome",
    "check_secret",
    "check_transform",
    "make_caller",
    "make_exchange",
    "nothing_left",
    "open_alone",
    "raw_members",
    "read_options",
]
