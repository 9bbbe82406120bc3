"""A whole gateway in memory, and clients of both eras."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from only1mcp_kernel.config.model import Component, Config, Limits, ProfileConfig, ReplicaConfig, ServerConfig
from only1mcp_kernel.gateway.gateway import Gateway
from only1mcp_kernel.offers import Offers, PluginInfo
from only1mcp_sdk import (
    Arrival,
    Authenticator,
    Context,
    Economy,
    Filter,
    Middleware,
    PluginConfig,
    Posting,
    Principal,
    Source,
    Transform,
    offer,
)
from tests.kernel.gateway.servers import META, FakeConnector, FakeServer, Json

SDK_CAPS: Json = {"sampling": {}, "elicitation": {"form": {}}, "roots": {"listChanged": True}}


class Named(PluginConfig):
    name: str = ""


class ByToken:
    """An authenticator: the bearer token is the principal's name; `wrong` is refused."""

    challenge = "Bearer"

    def authenticate(self, arrival: Arrival) -> Principal | None:
        from only1mcp_sdk import AccessDenied

        token = arrival.headers.get("authorization", "").removeprefix("Bearer ")
        if token == "wrong":
            raise AccessDenied("Unauthorized: this key is not known")
        return Principal(token, "test") if token else None


class FirstInTurn:
    """A balancer."""

    def __init__(self) -> None:
        self.learned: list[tuple[str, str]] = []
        self._turn = itertools.count()

    def pick(self, exchange: Any, candidates: Any) -> Any:
        return candidates[next(self._turn) % len(candidates)]

    def learn(self, candidate: Any, outcome: Any, seconds: float) -> None:
        self.learned.append((candidate.key, type(outcome).__name__))


class World:
    """Fake servers behind a gateway. Change `config` and call `reload`."""

    def __init__(self, directory: Path, servers: Mapping[str, FakeServer | list[FakeServer]]) -> None:
        self.directory = directory
        self.servers = {name: each if isinstance(each, list) else [each] for name, each in servers.items()}
        self.filters: dict[str, Filter] = {}
        self.middleware: dict[str, Middleware] = {}
        self.transforms: dict[str, Transform] = {}
        self.economies: dict[str, Economy] = {}
        self.authenticated = False
        self.options: Json = {}
        self.limits: dict[str, int] = {}
        self.server_options: dict[str, Json] = {}
        self.profiles: dict[str, Json] = {"default": {}}
        self.fingerprints: dict[str, str] = {}
        self.balancer = FirstInTurn()
        self.gateway: Gateway

    def offers(self) -> Offers:
        def opening(find: Any) -> Any:
            @asynccontextmanager
            async def open(config: Named, context: Context) -> AsyncIterator[Any]:
                yield find(config.name)

            return open

        def connector(name: str) -> FakeConnector:
            server, index = name.split("/")
            return FakeConnector(self.servers[server][int(index)])

        plugin = PluginInfo("fakes", "fakes", "1", "tests")
        authenticator: Authenticator = ByToken()
        made = {
            "connector": [offer("memory", Named, opening(connector))],
            "filter": [offer("filter", Named, opening(lambda name: self.filters[name]))],
            "middleware": [offer("middleware", Named, opening(lambda name: self.middleware[name]))],
            "economy": [offer("economy", Named, opening(lambda name: self.economies[name]))],
            "transform": [offer("transform", Named, opening(lambda name: self.transforms[name]))],
            "authenticator": [offer("by_token", Named, opening(lambda name: authenticator))],
            "balancer": [offer("turns", Named, opening(lambda name: self.balancer))],
        }
        return Offers().with_plugin(plugin, made, defaultdict(frozenset))

    def config(self) -> Config:
        servers = {name: self._server(name, len(replicas)) for name, replicas in self.servers.items()}
        profiles = {}
        for name, options in self.profiles.items():
            options = dict(options)
            transforms = tuple(self._component("transform", each) for each in options.pop("transforms", ()))
            chosen = tuple(options.pop("servers", servers))
            if "context" in options:
                options["context"] = self._component("economy", options["context"])
            values = {"names": "auto", "safe_names": False, **options}
            profiles[name] = ProfileConfig(name=name, servers=chosen, transforms=transforms, **values)
        return Config(
            path=self.directory / "only1mcp.yaml",
            listen=(),
            authenticate=(Component("authenticator", "by_token", Named(), "authenticate[0]"),)
            * self.authenticated,
            servers=servers,
            disabled=(),
            profiles=profiles,
            filters=tuple(self._component("filter", each) for each in self.filters),
            middleware=tuple(self._component("middleware", each) for each in self.middleware),
            limits=Limits(**{"message_bytes": 4 << 20, "buffer_bytes": 64 << 20, **self.limits}),
            startup_wait=self.options.get("startup_wait", 0.3),
            drain=self.options.get("drain", 0.2),
            log_level="info",
            effective={},
        )

    def _component(self, kind: str, name: str) -> Component:
        return Component(kind, kind, Named(name=name), f"{kind}s.{name}")

    def _server(self, name: str, replicas: int) -> ServerConfig:
        options = {
            "isolation": "auto", "era": "auto", "connect_timeout": 2.0, "list_timeout": 1.0, "call_timeout": 5.0,
            "idle_stop": 300.0, "trusted": False, **self.server_options.get(name, {}),
        }  # fmt: skip
        transforms = tuple(self._component("transform", each) for each in options.pop("transforms", ()))
        return ServerConfig(
            name=name,
            replicas=tuple(
                ReplicaConfig(
                    Component("connector", "memory", Named(name=f"{name}/{index}"), f"servers.{name}"),
                    1,
                    f"r{index}",
                )
                for index in range(replicas)
            ),
            balance=Component("balancer", "turns", Named(), f"servers.{name}.balance")
            if replicas > 1
            else None,
            transforms=transforms,
            fingerprint=self.fingerprints.get(name, "1"),
            **options,
        )

    async def reload(self) -> None:
        await self.gateway.reload(self.config())

    def http(self, **kwargs: Any) -> HttpClient:
        return HttpClient(self.gateway, **kwargs)


@asynccontextmanager
async def world(directory: Path, **servers: FakeServer | list[FakeServer]) -> AsyncIterator[World]:
    """A started gateway over these servers, with nothing special configured."""
    made = World(directory, servers)
    async with started(made):
        yield made


@asynccontextmanager
async def started(made: World) -> AsyncIterator[World]:
    made.gateway = Gateway(made.offers(), made.directory, made.directory / "state")
    await made.gateway.start(made.config())
    try:
        yield made
    finally:
        await made.gateway.stop()


async def until(condition: Callable[[], object], seconds: float = 2.0) -> None:
    """Wait until this holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


class Recorder:
    """An `Answer` that keeps everything."""

    def __init__(self) -> None:
        self.sent: list[Json] = []
        self.events: list[tuple[str, Json | None]] = []
        """Event ids and messages; a message is None where the event is there for its id."""
        self.last: Any = None
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.finished = asyncio.Event()
        self.changed = asyncio.Event()

    def send(self, message: bytes, event: str = "") -> None:
        if self.finished.is_set():
            return
        self.events.append((event, json.loads(message) if message else None))
        if message:
            self.sent.append(json.loads(message))
        self.changed.set()

    def pour(self, source: Source, headers: Mapping[str, str] = {}) -> None:
        """Everything whole, please."""

    def finish(self, message: bytes = b"", status: int = 200, headers: Mapping[str, str] = {}) -> None:
        if not self.finished.is_set():
            self.last = json.loads(message) if message else None
            if not message and self.sent and "method" not in self.sent[-1]:
                self.last = self.sent.pop()  # the answer came as an event
            self.status, self.headers = status, headers
            self.finished.set()
            self.changed.set()

    async def until_sent(self, method: str, count: int = 1) -> Json:
        """The last of `count` messages of this method."""
        async with asyncio.timeout(5):
            while len(found := [each for each in self.sent if each.get("method") == method]) < count:
                self.changed.clear()
                await self.changed.wait()
        return found[-1]

    async def done(self) -> Any:
        async with asyncio.timeout(8):
            await self.finished.wait()
        return self.last


class HttpClient:
    """A client over Streamable HTTP, of either era, without the HTTP."""

    def __init__(
        self,
        gateway: Gateway,
        *,
        token: str = "",
        profile: str = "default",
        capabilities: Json | None = None,
        context: str = "",
    ) -> None:
        self.gateway = gateway
        self.profile = profile
        self.context = context
        self.capabilities = capabilities or {}
        self.headers = {"host": "127.0.0.1", **({"authorization": f"Bearer {token}"} if token else {})}
        self.session: dict[str, str] = {}
        self._ids = itertools.count(1)

    def post(self, message: Any, **headers: str) -> tuple[Recorder, Posting]:
        answer = Recorder()
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        extra = {name.replace("_", "-"): value for name, value in headers.items()}
        headers = {**self.headers, **self.session, **extra}
        arrival = Arrival("http", self.profile, headers, context=self.context)
        return answer, self.gateway.gate.post(arrival, body, answer)

    # -- modern

    def modern(
        self, method: str, params: Json | None = None, *, meta: Json | None = None, id: Any = None
    ) -> Recorder:
        return self.modern_posting(method, params, meta=meta, id=id)[0]

    def modern_posting(
        self, method: str, params: Json | None = None, *, meta: Json | None = None, id: Any = None
    ) -> tuple[Recorder, Posting]:
        params = dict(params or {})
        params["_meta"] = {
            META + "protocolVersion": "2026-07-28",
            META + "clientCapabilities": self.capabilities,
            **(meta or {}),
        }
        headers = {"mcp_protocol_version": "2026-07-28", "mcp_method": method}
        member = "taskId" if method.startswith("tasks/") else "uri" if method == "resources/read" else "name"
        name = params.get(member)
        if isinstance(name, str):
            headers["mcp_name"] = name
        message = {
            "jsonrpc": "2.0",
            "id": next(self._ids) if id is None else id,
            "method": method,
            "params": params,
        }
        return self.post(message, **headers)

    async def modern_result(self, method: str, params: Json | None = None, **kwargs: Any) -> Json:
        last = await self.modern(method, params, **kwargs).done()
        assert "result" in last, last
        result: Json = last["result"]
        return result

    # -- legacy

    async def initialize(self, revision: str = "2025-11-25") -> Json:
        params = {"protocolVersion": revision, "capabilities": self.capabilities, "clientInfo": {"name": "t"}}
        answer, _ = self.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
        last = await answer.done()
        self.session = {"mcp-session-id": answer.headers["Mcp-Session-Id"], "mcp-protocol-version": revision}
        self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        result: Json = last["result"]
        return result

    def legacy(self, method: str, params: Json | None = None, id: Any = None) -> Recorder:
        message = {"jsonrpc": "2.0", "id": next(self._ids) if id is None else id, "method": method}
        return self.post({**message, **({"params": params} if params is not None else {})})[0]

    async def legacy_result(self, method: str, params: Json | None = None) -> Json:
        last = await self.legacy(method, params).done()
        assert "result" in last, last
        result: Json = last["result"]
        return result

    def answer(self, question: Json, result: Json | None = None, error: Json | None = None) -> None:
        body = {"result": result} if error is None else {"error": error}
        self.post({"jsonrpc": "2.0", "id": question["id"], **body})

    def stream(self, last_event_id: str | None = None) -> tuple[Recorder, Posting]:
        answer = Recorder()
        missed = {"last-event-id": last_event_id} if last_event_id is not None else {}
        arrival = Arrival("http", self.profile, {**self.headers, **self.session, **missed})
        return answer, self.gateway.gate.stream(arrival, answer)
