"""What all scenarios share: the seven servers, a page to fetch, and one gateway in front of the seven."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.scenarios import farm
from tests.scenarios.gateway import Gateway
from tests.scenarios.tools import why_missing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/scenarios" in str(item.path):
            item.add_marker(pytest.mark.scenario)


@pytest.fixture(scope="session")
def page() -> Iterator[str]:
    """The URL of a small text. Beside it nothing is found, robots.txt neither."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/page.txt"
            body = b"Hello from a page.\n" if found else b"nothing here"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/page.txt"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory, page: str) -> dict[str, farm.Server]:
    """The seven real servers."""
    if reason := why_missing("node", "servers"):
        pytest.skip(reason)
    return farm.build(tmp_path_factory.mktemp("farm"), page)


@pytest.fixture(scope="session")
def seven(servers: dict[str, farm.Server], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway in front of the seven, for tests that leave it as it was."""
    config = {"servers": {name: server.entry() for name, server in servers.items()}}
    with Gateway(tmp_path_factory.mktemp("seven"), config) as gateway:
        yield gateway.start()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a test's own gateway keeps its file, state and log."""
    return tmp_path / "gateway"
