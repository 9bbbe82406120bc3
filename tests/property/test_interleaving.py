"""Two principals, many windows, servers of every kind, and a hundred thousand operations, all at once: nothing ever
reaches the wrong one. `OPERATIONS=100000` runs them all."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from tests.property.clock import run
from tests.property.crowd import Crowd
from tests.property.leftovers import open_connections

OPERATIONS = int(os.environ.get("OPERATIONS", "5000"))
SEED = int(os.environ.get("SEED", "1"))


def test_nothing_reaches_the_wrong_principal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    crowd = Crowd(tmp_path, OPERATIONS, SEED)
    began = time.monotonic()
    run(crowd.run())
    seconds = time.monotonic() - began
    print(f"{OPERATIONS} operations in {seconds:.1f} s, {OPERATIONS / seconds:.0f} a second")
    print(f"{crowd.heard} messages with {crowd.tagged} secrets; {dict(crowd.done)}")
    print(f"{sum(server.answered for server in crowd.servers)} questions answered")
    assert not crowd.wrong, "\n".join(crowd.wrong)
    assert not open_connections(crowd.servers)
    assert not [record.getMessage() for record in caplog.records]
    assert sum(server.answered for server in crowd.servers) > OPERATIONS / 20
    assert crowd.tagged > OPERATIONS / 2
