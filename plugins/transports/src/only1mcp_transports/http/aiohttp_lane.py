"""The lane of the HTTP connector for what is irregular: proxies, and servers that are asked for compressed answers.

It does by aiohttp what `pool` does by itself, with a task for each request.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from only1mcp_sdk import Context
from only1mcp_transports.http.aiohttp_problems import BROKEN, unreachable
from only1mcp_transports.http.lane import EVENTS, JSON, Head, Taker

_LARGE = 1 << 20


class AiohttpLane:
    """A `Lane`. `pool` is closed with it. Raises `ValueError` for a URL that can't be used."""

    def __init__(
        self,
        url: str,
        configured: Mapping[str, str],
        pool: aiohttp.ClientSession,
        context: Context,
    ) -> None:
        self.session: str | None = None
        self._url = url
        self._target = URL(url).with_user(None).with_fragment(None)
        self._configured = CIMultiDict(configured)
        self._decoded = "Accept-Encoding" in self._configured
        """Compressed answers are asked for, and aiohttp decompresses them."""
        self._configured.setdefault("Accept-Encoding", "identity")
        self._pool = pool
        self._context = context
        self._tasks: set[asyncio.Task[None]] = set()

    def post(self, message: bytes, headers: Mapping[str, str], taker: Taker) -> None:
        self._send("POST", {"Accept": f"{JSON}, {EVENTS}", "Content-Type": JSON}, headers, message, taker)

    def get(self, last_id: bytes, headers: Mapping[str, str], taker: Taker) -> None:
        own = {"Accept": EVENTS}
        if last_id:
            own["Last-Event-ID"] = last_id.decode("utf-8", "replace")
        self._send("GET", own, headers, None, taker)

    def delete(self, headers: Mapping[str, str], taker: Taker) -> None:
        self._send("DELETE", {"Accept": f"{JSON}, {EVENTS}"}, headers, None, taker)

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._pool.close()

    def _send(
        self,
        method: str,
        own: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | None,
        taker: Taker,
    ) -> None:
        fields = self._configured.copy()
        for name, value in (*own.items(), *headers.items()):
            fields[name] = value
        if self.session is not None:
            fields["Mcp-Session-Id"] = self.session
        # aiohttp warns of large bodies that are bytes: it would send them in one go.
        data = io.BytesIO(body) if body is not None and len(body) > _LARGE else body
        request = partial(
            self._pool.request, method, self._target, headers=fields, data=data, allow_redirects=False
        )
        errand = _Errand(taker, self._url, self._decoded)
        errand.task = task = self._context.spawn(errand.run(request), name=f"{method} to {self._target.host}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Errand:
    """One request, and the task that sees to it."""

    def __init__(self, taker: Taker, url: str, decoded: bool) -> None:
        self.task: asyncio.Task[None] | None = None
        self._taker = taker
        self._url = url
        self._decoded = decoded
        self._over = False
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._timer: asyncio.TimerHandle | None = None
        taker.errand = self

    async def run(self, request: Callable[[], Awaitable[aiohttp.ClientResponse]]) -> None:
        try:
            response = await request()
            try:
                await self._read(response)
            finally:
                response.close()
        except BROKEN as error:
            if not self._over:
                self._end()
                self._taker.broke(unreachable(self._url, error))
        else:
            if not self._over:
                self._end()
                self._taker.ended()

    async def _read(self, response: aiohttp.ClientResponse) -> None:
        self._taker.begun(self._head(response))
        while not self._over and (chunk := await response.content.readany()):
            if not self._over:
                self._taker.took(chunk)
            await self._may_read.wait()

    def _head(self, response: aiohttp.ClientResponse) -> Head:
        fields, length = response.headers, response.content_length
        encoding = fields.get("Content-Encoding", "").lower()
        return Head(
            response.status,
            response.reason or "",
            response.content_type,
            -1 if length is None or self._decoded else length,
            session=fields.get("Mcp-Session-Id", ""),
            location=fields.get("Location", ""),
            encoding="" if self._decoded or encoding == "identity" else encoding,
        )

    def _end(self) -> None:
        self._over = True
        self._taker.errand = None
        if self._timer is not None:
            self._timer.cancel()

    # -- lane.Errand

    def pause(self) -> None:
        self._may_read.clear()

    def resume(self) -> None:
        self._may_read.set()

    def abort(self) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        if self.task is not None:
            self.task.cancel()

    def limit(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._taker.overdue)
