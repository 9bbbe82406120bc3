"""Fixtures for the tests of plugins, found by pytest through its entry-point group `pytest11`.

Imports the SDK only when a fixture is used, so that it costs other test-suites nothing and hides no coverage.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from only1mcp_sdk.testing.harness import Harness


@pytest.fixture
def only1mcp_harness() -> Iterator[Harness]:
    """A `Harness`; what its components spawned must not have failed, and nothing they shared may be held."""
    from only1mcp_sdk.testing.harness import Harness

    with Harness() as harness:
        yield harness
        assert not harness.failures, f"spawned work failed: {harness.failures[0]!r}"
        assert not harness.pool.keys, f"shared resources are still held: {harness.pool.keys}"
