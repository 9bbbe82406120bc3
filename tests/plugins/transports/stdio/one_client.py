"""A process that serves its standard streams with a fake gate. What its gate saw goes to a file, as JSON, at the end.

Run as `python -m tests.plugins.transports.stdio.one_client REPORT [OPTION...]`:

    limit=N     messages of at most N bytes
    slow        answers come after 0.3 s
    hold        answers do not come at all
    reload      a newer listener takes over before each message is answered, and the older one goes
    print       something prints, and a child process too
    stop=S      stop after S seconds, with 0.3 s for draining
    flood=N     send N messages of a MiB at once
    quiet       print nothing when all is over
    uvloop      run on uvloop
    room=N      have room for N bytes of large messages
    patience=S  wait for room for S seconds
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import uvloop

from only1mcp_sdk import Arrival, Channel, Listener, offer
from only1mcp_sdk.testing.fakes import FakeConversation, FakeGate, echo
from only1mcp_sdk.testing.harness import Harness
from only1mcp_transports.stdio import listener as module
from only1mcp_transports.stdio.config import ListenerConfig
from only1mcp_transports.stdio.listener import StdioListener, open_listener

STDIO = offer("stdio", ListenerConfig, open_listener)


class SlowConversation(FakeConversation):
    """Answers later."""

    def __init__(self, gate: FakeGate, channel: Channel) -> None:
        super().__init__(gate, channel)
        self._to = channel
        self._waiting = 0

    @property
    def busy(self) -> bool:
        return self._waiting > 0

    def received(self, message: bytes) -> None:
        self._waiting += 1
        asyncio.get_running_loop().call_later(0.3, self._answer, message)

    def _answer(self, message: bytes) -> None:
        self._waiting -= 1
        self._to.send(echo(message) or b"")


class Gate(FakeGate):
    """Keeps the channels."""

    def __init__(self, message_limit: int, slow: bool) -> None:
        super().__init__(message_limit)
        self.slow = slow
        self.channels: list[Channel] = []

    def connect(self, arrival: Arrival, channel: Channel) -> FakeConversation:
        self.channels.append(channel)
        if not self.slow:
            return super().connect(arrival, channel)
        conversation = SlowConversation(self, channel)
        self.arrivals.append(arrival)
        self.clients.append(conversation)
        return conversation


async def serve(report: Path, options: dict[str, str]) -> None:
    gate = Gate(int(options.get("limit", 1 << 20)), "slow" in options)
    gate.hold = "hold" in options
    with Harness() as harness:
        harness.buffers.limit = int(options.get("room", 1 << 30))
        opening = harness.open(STDIO, {})
        listener: Listener = await opening.__aenter__()
        assert isinstance(listener, StdioListener)
        assert (listener.address, listener.exposed) == ("stdio", False)
        await asyncio.sleep(0.1)  # what is not attached reads nothing
        listener.attach(gate)
        if "print" in options:
            print("stray", flush=True)
            os.write(1, b"raw stray\n")
            subprocess.run(["sh", "-c", "echo child stray; cat"], check=True)
        for _ in range(int(options.get("flood", 0))):
            gate.channels[0].send(b'"' + b"x" * (1 << 20) + b'"')
        ending = time.monotonic()
        if "stop" in options:
            await asyncio.sleep(float(options["stop"]))
        elif "reload" in options:
            for _ in range(3):
                newer = harness.open(STDIO, {})
                after = await newer.__aenter__()
                assert isinstance(after, StdioListener)
                after.attach(gate)
                await listener.drain(0.3)
                await opening.__aexit__(None, None, None)
                opening, listener = newer, after
            await listener.finished()
        else:
            await listener.finished()
        await listener.drain(0.3)
        await opening.__aexit__(None, None, None)
        assert not harness.pool.keys
        assert not harness.buffers.held
    if "quiet" not in options:
        print("normal again", flush=True)
    seen = {
        "bodies": [body.decode(errors="replace") for body in gate.bodies],
        "refused": gate.refused,
        "clients": len(gate.clients),
        "gone": [client.gone.is_set() for client in gate.clients],
        "local": [arrival.local for arrival in gate.arrivals],
        "seconds": time.monotonic() - ending,
    }
    report.write_text(json.dumps(seen))


if __name__ == "__main__":
    words = [word.partition("=") for word in sys.argv[2:]]
    given = {name: value for name, _, value in words}
    module.ROOM_PATIENCE = float(given.get("patience", 10))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if "uvloop" in given else None) as runner:
        runner.run(serve(Path(sys.argv[1]), given))
