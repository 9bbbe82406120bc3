"""What every connector keeps to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from only1mcp_sdk.errors import ConnectFailed
from only1mcp_sdk.kinds import Connection, Connector
from only1mcp_sdk.offer import Offer
from only1mcp_sdk.testing.fakes import RecordingInbox
from only1mcp_sdk.testing.lifecycle import check_lifecycle, checked, nothing_left, quick

PATIENCE = 20.0
"""Seconds an endpoint gets to start or answer."""
LARGE = 1 << 20
"""Bytes of a message that fits into no pipe and no socket buffer."""


async def check_connector(
    offer: Offer[Connector],
    options: Mapping[str, Any],
    broken: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] = {},
    prepare: Callable[[Path], None] = lambda base: None,
) -> None:
    """Assert that messages go there and back whole, that connections are independent of each other, that nothing of
    one is left after `close` or a cancelled `connect`, and that no call blocks or raises.

    `options` lead to an endpoint that answers every JSON-RPC request, of whatever method and size, also before a
    handshake; `headers` are what it wants to see. `broken` are options that lead nowhere.
    """
    await check_lifecycle(offer, options, prepare)
    async with checked(offer, options, prepare) as connector:
        assert connector.target, "target is empty; name the endpoint for people"
        await _check_messages(connector, headers)
        await _check_independence(connector, headers)
        await _check_closing(connector, headers)
        await _check_cancelling(connector)
    if broken is not None:
        async with checked(offer, broken, prepare) as nowhere:
            await _check_failure(nowhere, headers)


class Ping:
    """One connection, and requests sent over it one after another."""

    def __init__(self, connection: Connection, inbox: RecordingInbox, headers: Mapping[str, str]) -> None:
        self.connection = connection
        self.inbox = inbox
        self._headers = headers
        self._last = 0

    def send(self, padding: int = 0) -> int:
        self._last += 1
        params = {"_meta": {"padding": "ü" * (padding // 2)}} if padding else {}
        message = msgspec.json.encode(
            {"jsonrpc": "2.0", "id": self._last, "method": "ping", "params": params}
        )
        self.connection.send(message, self._headers, self._last)
        return self._last

    async def answered(self, *ids: int) -> None:
        """Wait until each of these was answered, and check on what stream."""

        def all_in() -> bool:
            return self.lost or {number for number, _ in self.answers()} >= set(ids)

        try:
            await self.inbox.wait_for(all_in, PATIENCE)
        except TimeoutError:
            raise AssertionError(f"no answer to requests {ids} within {PATIENCE:.0f} s") from None
        assert not self.lost, f"requests {ids} were not answered: {self.inbox.closings or self.inbox.endings}"
        for number, stream in self.answers():
            expected = None if self.connection.duplex else number
            assert stream == expected, (
                f"the answer to request {number} came with stream={stream}, not {expected}"
            )

    @property
    def lost(self) -> bool:
        return bool(self.inbox.closings) or any(problem for _, problem in self.inbox.endings)

    def answers(self) -> list[tuple[int, int | None]]:
        found = []
        for message, stream in self.inbox.messages:
            try:
                answer = msgspec.json.decode(message, type=dict[str, Any])
            except msgspec.DecodeError as error:
                raise AssertionError(
                    f"what was received is not one whole message ({error}): {message[:80]!r}"
                ) from None
            if "method" not in answer and isinstance(answer.get("id"), int):
                found.append((answer["id"], stream))
        return found


@asynccontextmanager
async def _connected(connector: Connector, headers: Mapping[str, str]) -> AsyncIterator[Ping]:
    inbox = RecordingInbox()
    async with nothing_left(f"a closed connection to {connector.target}"):
        async with asyncio.timeout(PATIENCE):
            connection = await connector.connect(inbox)
        try:
            yield Ping(connection, inbox, headers)
        finally:
            await connection.close()


async def _check_messages(connector: Connector, headers: Mapping[str, str]) -> None:
    async with _connected(connector, headers) as ping:
        await ping.answered(ping.send())
        await ping.answered(*(ping.send() for _ in range(20)))
        ids = [number for number, _ in ping.answers()]
        assert len(ids) == len(set(ids)), "an answer was delivered twice"
        await ping.answered(ping.send(LARGE), ping.send())
        quick("send", ping.send, limit=0.05)
        quick("abandon", lambda: ping.connection.abandon(10_000))
        quick("listen", lambda: ping.connection.listen(headers))
        await ping.answered(ping.send())


async def _check_independence(connector: Connector, headers: Mapping[str, str]) -> None:
    async with _connected(connector, headers) as staying:
        leaving = RecordingInbox()
        connection = await connector.connect(leaving)
        await connection.close()
        await staying.answered(staying.send())
        assert not leaving.messages, "a connection received another one's message"


async def _check_closing(connector: Connector, headers: Mapping[str, str]) -> None:
    async with _connected(connector, headers) as ping:
        await ping.answered(ping.send())
        ping.send()
        ping.connection.abandon(ping.send())
        await ping.connection.close()
        seen = len(ping.inbox.messages), len(ping.inbox.closings)
        await ping.connection.close()
        ping.send()
        ping.connection.abandon(1)
        ping.connection.listen(headers)
        await asyncio.sleep(0.05)
        assert (len(ping.inbox.messages), len(ping.inbox.closings)) == seen, (
            "something was delivered after close() had returned"
        )


async def _check_cancelling(connector: Connector) -> None:
    """Cancel at every stage of a connect, as near as one can get from outside."""
    for ticks in (0, 1, 2, 3, 5, 8, 13):
        async with nothing_left(f"a connect to {connector.target} cancelled after {ticks} steps"):
            task = asyncio.create_task(connector.connect(RecordingInbox()))  # noqa: TID251  (awaited below)
            for _ in range(ticks):
                await asyncio.sleep(0)
            task.cancel()
            try:
                await (await task).close()
            except asyncio.CancelledError:
                continue


async def _check_failure(connector: Connector, headers: Mapping[str, str]) -> None:
    """An endpoint that can't be reached is reported in words, by connect or to the inbox."""
    inbox = RecordingInbox()
    async with nothing_left("a connection that failed"):
        try:
            async with asyncio.timeout(PATIENCE):
                connection = await connector.connect(inbox)
        except ConnectFailed as failed:
            assert str(failed), "ConnectFailed without a reason"
            return
        ping = Ping(connection, inbox, headers)
        ping.send()
        assert not ping.lost, "send reported a failure from within the call; report it later"
        try:
            await inbox.wait_for(lambda: ping.lost, PATIENCE)
        except TimeoutError:
            raise AssertionError(
                "a request that leads nowhere was not reported (Inbox.ended or closed)"
            ) from None
        finally:
            await connection.close()
