"""How the servers of this folder that have no SDK speak: both eras, or one, over stdio or Streamable HTTP.

    SERVER.py stdio ERA            ERA: both, legacy or modern
    SERVER.py http PORT ERA        serves http://127.0.0.1:PORT/mcp

What they say is their own: results and errors are JSON texts, written as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sys
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiohttp import web

META = "io.modelcontextprotocol/"
MODERN = "2026-07-28"
Message = dict[str, Any]
Say = Callable[[str], Awaitable[None]]


class Problem(Exception):
    """A JSON-RPC error; the error object as text."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


def problem(code: int, message: str, data: Any = None) -> Problem:
    return Problem(json.dumps({"code": code, "message": message, **({} if data is None else {"data": data})}))


class Client:
    """Everybody at the other end of a pipe, or one session, or whoever sends stateless requests."""

    def __init__(self, say: Say) -> None:
        self.tell = say
        """Say something that belongs to no request."""
        self.id = uuid.uuid4().hex
        self.memory: dict[str, Any] = {}
        self.asked: dict[str, asyncio.Future[Message]] = {}
        self.requests: dict[Any, asyncio.Task[None]] = {}
        self._ids = itertools.count(1)

    def question(self) -> tuple[str, asyncio.Future[Message]]:
        id = f"q{next(self._ids)}"
        self.asked[id] = asyncio.get_running_loop().create_future()
        return id, self.asked[id]


class Request:
    """One request at work."""

    def __init__(self, message: Message, text: str, client: Client, say: Say) -> None:
        self.id = message["id"]
        self.method: str = message["method"]
        self.params: Message = message.get("params", {})
        self.text = text
        """The message as it came."""
        self.meta: Message = self.params.get("_meta", {})
        self.modern = META + "protocolVersion" in self.meta
        self.client = client
        self._say = say

    async def say(self, method: str, params: str) -> None:
        """A notification on this request's own stream."""
        await self._say(f'{{"jsonrpc":"2.0","method":"{method}","params":{params}}}')

    async def ask(self, method: str, params: Message | None = None) -> Message:
        """A question on this request's own stream, and the whole message that answers it: its `text`, too."""
        return await self.ask_text(method, "" if params is None else json.dumps(params))

    async def ask_text(self, method: str, params: str) -> Message:
        """The same, with params written like this."""
        id, answered = self.client.question()
        tail = f',"params":{params}' if params else ""
        await self._say(f'{{"jsonrpc":"2.0","id":"{id}","method":"{method}"{tail}}}')
        try:
            return await answered
        except asyncio.CancelledError:
            await self._say(
                json.dumps(
                    {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}}
                )
            )
            raise


class Server(Protocol):
    """What is served."""

    async def serve(self, request: Request) -> str:
        """The result as text. Raises `Problem`."""

    async def notified(self, client: Client, message: Message) -> None: ...


class Speaker:
    def __init__(self, server: Server, eras: str) -> None:
        self._server = server
        self._eras = eras

    def refusal(self, message: Message) -> str | None:
        """The error for a message of the era that is not spoken."""
        params = message.get("params") or {}
        modern = META + "protocolVersion" in params.get("_meta", {})
        if self._eras == "legacy" and (modern or message.get("method") == "server/discover"):
            return '{"code":-32601,"message":"Method not found"}'
        if self._eras == "modern" and message.get("method") == "initialize":
            data = f'{{"supported":["{MODERN}"],"requested":"{params.get("protocolVersion")}"}}'
            return f'{{"code":-32022,"message":"Unsupported protocol version","data":{data}}}'
        return None

    async def take(self, message: Message, text: str, client: Client, say: Say) -> None:
        """Serve one message; what comes of it is said."""
        if "method" not in message:
            answered = client.asked.pop(message["id"], None)
            if answered is not None and not answered.done():
                answered.set_result({**message, "text": text})
        elif "id" not in message:
            if message["method"] == "notifications/cancelled":
                request = client.requests.get(message["params"]["requestId"])
                if request is not None:
                    request.cancel()
            await self._server.notified(client, message)
        else:
            await self._request(message, text, client, say)

    async def _request(self, message: Message, text: str, client: Client, say: Say) -> None:
        id = json.dumps(message["id"])
        task = asyncio.current_task()
        if task is not None:
            client.requests[message["id"]] = task
        try:
            refused = self.refusal(message)
            if refused is not None:
                raise Problem(refused)
            result = await self._server.serve(Request(message, text, client, say))
            await say(f'{{"jsonrpc":"2.0","id":{id},"result":{result}}}')
        except Problem as error:
            await say(f'{{"jsonrpc":"2.0","id":{id},"error":{error.error}}}')
        finally:
            client.requests.pop(message["id"], None)

    # -- stdio

    async def over_stdio(self) -> None:
        async def say(text: str) -> None:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

        reader = asyncio.StreamReader(limit=1 << 26)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        client, tasks = Client(say), set()
        while line := await reader.readline():
            task = asyncio.create_task(self.take(json.loads(line), line.decode().strip(), client, say))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    # -- HTTP

    async def over_http(self, port: int) -> None:
        sessions: dict[str, Client] = {}
        streams: dict[str, asyncio.Queue[str]] = {}
        stateless = Client(lambda text: asyncio.sleep(0))
        tasks: set[asyncio.Task[None]] = set()

        async def post(request: web.Request) -> web.StreamResponse:
            text = await request.text()
            message = json.loads(text)
            named = request.headers.get("MCP-Protocol-Version") == MODERN
            if self._eras == "legacy" and named:
                return web.json_response({"error": "unsupported protocol version"}, status=400)
            refused = self.refusal(message)
            if refused is not None:
                body = f'{{"jsonrpc":"2.0","id":{json.dumps(message.get("id"))},"error":{refused}}}'
                return web.Response(text=body, status=400, content_type="application/json")
            headers = {}
            if named:
                client = stateless
            elif message.get("method") == "initialize":
                queue: asyncio.Queue[str] = asyncio.Queue()
                client = Client(queue.put)
                sessions[client.id], streams[client.id] = client, queue
                headers["Mcp-Session-Id"] = client.id
            elif request.headers.get("Mcp-Session-Id", "") in sessions:
                client = sessions[request.headers["Mcp-Session-Id"]]
            else:
                return web.json_response({"error": "no such session"}, status=404)
            said: asyncio.Queue[str | None] = asyncio.Queue()
            task = asyncio.create_task(self.take(message, text, client, said.put))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            task.add_done_callback(lambda _: said.put_nowait(None))
            if "id" not in message or "method" not in message:
                await task
                return web.Response(status=202)
            try:
                return await respond(request, said, headers)
            except asyncio.CancelledError:
                if named:  # closing the stream is the cancellation
                    task.cancel()
                raise

        async def respond(
            request: web.Request, said: asyncio.Queue[str | None], headers: dict[str, str]
        ) -> web.StreamResponse:
            first = await said.get()
            if first is not None and '"method"' not in first.partition('"result"')[0]:
                status = 404 if '"code":-32601' in first.replace(" ", "") else 200
                return web.Response(
                    text=first, status=status, content_type="application/json", headers=headers
                )
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **headers})
            await response.prepare(request)
            while first is not None:
                await response.write(f"data: {first}\n\n".encode())
                first = await said.get()
            return response

        async def get(request: web.Request) -> web.StreamResponse:
            session = request.headers.get("Mcp-Session-Id", "")
            if self._eras == "modern" or session not in streams:
                return web.Response(status=405)
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            while True:
                await response.write(f"data: {await streams[session].get()}\n\n".encode())

        async def delete(request: web.Request) -> web.StreamResponse:
            known = sessions.pop(request.headers.get("Mcp-Session-Id", ""), None)
            return web.Response(status=405 if self._eras == "modern" else 200 if known else 404)

        app = web.Application(client_max_size=1 << 26)
        app.add_routes([web.post("/mcp", post), web.get("/mcp", get), web.delete("/mcp", delete)])
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()


def main(server: Server) -> None:
    """Serve as the command line says, until stdin ends or the process is terminated."""
    speaker = Speaker(server, sys.argv[-1])
    serving = speaker.over_stdio() if sys.argv[1] == "stdio" else speaker.over_http(int(sys.argv[2]))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serving)
