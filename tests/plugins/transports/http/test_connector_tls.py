"""Servers behind TLS, and behind a proxy that tunnels to them: whom the connectors trust, and what they tell if not."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiohttp.connector
import pytest
from aiohttp import web

from only1mcp_sdk import ConnectFailed
from only1mcp_sdk.testing import open_alone
from only1mcp_sdk.testing.fakes import RecordingInbox
from tests.plugins.transports.http.upstream import ANSWER, LANES, connected
from tests.plugins.transports.sse.upstream import OFFER as SSE
from tests.plugins.transports.sse.upstream import message_event

LOOPS = LANES

FAR = "far.example.invalid"
Certify = Callable[[str], Path]
Problem = Callable[[str], Awaitable[str]]


@pytest.fixture(scope="module")
def certify(tmp_path_factory: pytest.TempPathFactory) -> Certify:
    """Makes a certificate for a name, in one file with its key. It vouches for itself."""
    folder = tmp_path_factory.mktemp("certificates")

    def make(name: str) -> Path:
        made = folder / f"{name}.pem"
        if not made.exists():
            key, certificate = folder / "key", folder / "certificate"
            command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
            command += ["-nodes", "-keyout", str(key), "-out", str(certificate), "-days", "1"]
            command += ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
            try:
                subprocess.run(command, check=True, capture_output=True)
            except FileNotFoundError:
                pytest.skip("openssl is not installed")
            made.write_bytes(key.read_bytes() + certificate.read_bytes())
        return made

    return make


@asynccontextmanager
async def behind_tls(certificate: Path) -> AsyncIterator[tuple[int, list[str]]]:
    """A server of both transports: its port, and the requests that got through."""
    came: list[str] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        came.append(f"{request.method} {request.headers['Host'].partition(':')[0]}")
        if request.method == "POST":
            return web.Response(body=ANSWER, content_type="application/json")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"event: endpoint\ndata: /messages\n\n" + message_event(ANSWER))
        await asyncio.sleep(60)
        return response

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield runner.addresses[0][1], came
    finally:
        await runner.cleanup()


@asynccontextmanager
async def tunnelling(port: int, status: bytes = b"200 OK") -> AsyncIterator[tuple[str, list[bytes]]]:
    """A proxy whose tunnels all lead to a port of this machine: its URL, and the heads of the requests for tunnels."""
    heads: list[bytes] = []

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            while data := await reader.read(1 << 16):
                writer.write(data)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 " + status + b"\r\n\r\n")
            if not status.startswith(b"200"):
                return
            there = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(copy(reader, there[1]), copy(there[0], writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heads
    finally:
        server.close()


async def sse_problem(url: str) -> str:
    async with open_alone(SSE, url=url) as connector:
        with pytest.raises(ConnectFailed) as failed:
            await connector.connect(RecordingInbox())
        return str(failed.value)


async def http_problem(url: str) -> str:
    async with connected(url) as line:
        return await line.ask()


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Makes this machine trust a certificate."""

    def trust(certificate: Path) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        context = ssl.create_default_context(cafile=str(certificate))
        monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", context)

    return trust


@pytest.fixture
def through(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets the proxy of the environment."""

    def use(proxy: str) -> None:
        for name in ("no_proxy", "NO_PROXY", "HTTPS_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("https_proxy", proxy)

    return use


@pytest.mark.parametrize("problem_of", [http_problem, sse_problem])
async def test_a_certificate_nobody_vouches_for(problem_of: Problem, certify: Certify) -> None:
    async with behind_tls(certify("localhost")) as (port, came):
        problem = await problem_of(f"https://localhost:{port}/mcp?key=hidden")
        assert f"cannot reach https://localhost:{port}: its TLS certificate is not accepted: self" in problem
        assert "hidden" not in problem
        assert not came


@pytest.mark.parametrize("problem_of", [http_problem, sse_problem])
async def test_a_certificate_for_somebody_else(
    problem_of: Problem, certify: Certify, trusted: Callable[[Path], None]
) -> None:
    trusted(certify(FAR))
    async with behind_tls(certify(FAR)) as (port, came):
        problem = await problem_of(f"https://localhost:{port}/mcp")
        assert "its TLS certificate is not accepted: Hostname mismatch" in problem
        assert not came


@pytest.mark.parametrize("problem_of", [http_problem, sse_problem])
async def test_a_server_without_tls(problem_of: Problem) -> None:
    async def speaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

    server = await asyncio.start_server(speaks, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert f"cannot reach https://localhost:{port}: TLS failed" in await problem_of(
            f"https://localhost:{port}/mcp"
        )


async def test_a_certificate_the_machine_trusts(certify: Certify, trusted: Callable[[Path], None]) -> None:
    trusted(certify("localhost"))
    async with behind_tls(certify("localhost")) as (port, came):
        assert await http_problem(f"https://localhost:{port}/mcp") == ""
        assert came == ["POST localhost"]


async def test_a_tunnel_through_a_proxy(
    certify: Certify, trusted: Callable[[Path], None], through: Callable[[str], None]
) -> None:
    """The proxy gets its own credentials, and nothing of what is said."""
    trusted(certify(FAR))
    async with behind_tls(certify(FAR)) as (port, came), tunnelling(port) as (proxy, heads):
        through(proxy.replace("http://", "http://me:pw@"))
        async with connected(f"https://{FAR}/mcp?key=hidden", headers={"X-Key": "hidden"}) as line:
            assert await line.ask() == ""
            assert line.messages() == [ANSWER]
        async with open_alone(
            SSE, url=f"https://{FAR}/sse?key=hidden", headers={"X-Key": "hidden"}
        ) as connector:
            inbox = RecordingInbox()
            connection = await connector.connect(inbox)
            await inbox.wait_for(lambda: bool(inbox.messages))
            await connection.close()
    assert came == [f"POST {FAR}", f"GET {FAR}"]
    assert len(heads) == 2
    for head in heads:
        assert head.startswith(f"CONNECT {FAR}:443 HTTP/1.1\r\n".encode())
        assert b"Proxy-Authorization: Basic bWU6cHc=" in head
        assert b"hidden" not in head


@pytest.mark.parametrize("problem_of", [http_problem, sse_problem])
async def test_a_certificate_is_looked_at_behind_a_proxy_too(
    problem_of: Problem, certify: Certify, through: Callable[[str], None]
) -> None:
    async with behind_tls(certify(FAR)) as (port, came), tunnelling(port) as (proxy, _):
        through(proxy)
        assert "its TLS certificate is not accepted" in await problem_of(f"https://{FAR}/mcp")
        assert not came


@pytest.mark.parametrize("problem_of", [http_problem, sse_problem])
async def test_a_proxy_that_refuses_the_tunnel(problem_of: Problem, through: Callable[[str], None]) -> None:
    async with tunnelling(0, b"407 Proxy Authentication Required") as (proxy, _):
        through(proxy)
        assert "the proxy answered HTTP 407" in await problem_of(f"https://{FAR}/mcp")
