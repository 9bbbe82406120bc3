"""The suite as the server, and the SDK's own client: alone, behind the gateway, and behind it in the other era."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.conformance.legs import DIRECT, LEGACY, MODERN
from tests.conformance.processes import CLIENT, PYTHON
from tests.conformance.suite import Results, against_client

THROUGH, ACROSS = "through", "across"
WAYS = (DIRECT, THROUGH, ACROSS)

SCENARIOS = {
    LEGACY: (
        "initialize",
        "tools_call",
        "elicitation-sep1034-client-defaults",
        "sse-retry",
        "json-schema-2020-12-preservation",
    ),
    MODERN: (
        "tools_call",
        "request-metadata",
        "sep-2322-client-request-state",
        "http-standard-headers",
        "http-custom-headers",
        "http-invalid-tool-headers",
        "json-schema-ref-no-deref",
        "json-schema-2020-12-preservation",
    ),
}
"""Those that are not about authorization."""

OTHER = {LEGACY: MODERN, MODERN: LEGACY}
NOT_CROSSED = "json-schema-ref-no-deref"  # its server speaks of 2026-07-28 and knows only `initialize`


def run_client(way: str, folder: Path, scenario: str = "") -> dict[str, Results]:
    """Revision -> what came out."""
    found: dict[str, Results] = {}
    for revision, scenarios in SCENARIOS.items():
        results = found[revision] = {}
        for each in scenarios:
            if scenario in ("", each) and not (way == ACROSS and each == NOT_CROSSED):
                command = _command(way, revision, folder)
                results.update(against_client(command, each, revision, folder / revision / each))
    return found


def expected(direct: dict[str, Results], way: str) -> dict[str, Results]:
    """What is to come out this way."""
    return {
        revision: {
            name: outcome for name, outcome in results.items() if not (way == ACROSS and name == NOT_CROSSED)
        }
        for revision, results in direct.items()
    }


def _command(way: str, revision: str, folder: Path) -> str:
    client = f"{PYTHON} {CLIENT}"
    if way == DIRECT:
        return client
    through = f"{sys.executable} -m tests.conformance.through {folder}"
    if way == THROUGH:
        return f"{through} auto {client}"
    # Some of these servers speak both eras, and would be spoken to in the client's.
    era = "modern" if revision == MODERN else "legacy"
    return f"{through} {era} env MCP_CONFORMANCE_PROTOCOL_VERSION={OTHER[revision]} {client}"
