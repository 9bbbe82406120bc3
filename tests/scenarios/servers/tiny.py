"""A small MCP server over stdio, in both eras, that starts fast and misbehaves on request.

Run as `python -S -I tiny.py NAME [OPTION...]`; the standard library only, and little of it.

    delay=S     wait S seconds before reading anything
    silent      read everything, answer nothing
    linger      stay after stdin ended
    deaf        ignore SIGTERM
    grandchild  start a process in a session of its own that lingers and is deaf
    tools=N     offer N more tools, each like `echo`

Tools: `echo` {text}, `pid`, `wait` {seconds} and `count` {steps, pause} (which reports progress) answer from threads;
`ask` {message} asks the client to fill in a form; `crash` ends the process.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

MODERN = "2026-07-28"
STATIC = {"type": "object", "properties": {"text": {"type": "string"}}}
FORM = {"type": "object", "properties": {"name": {"type": "string"}}}
Message = dict[str, Any]


class Tiny:
    """The server. One thread reads; a call that takes time has a thread of its own."""

    def __init__(self, name: str, options: list[str]) -> None:
        self.name = name
        self.options = options
        self.writing = threading.Lock()
        self.asked: dict[str, Message] = {}
        extra = next((int(o[6:]) for o in options if o.startswith("tools=")), 0)
        self.tools = ["echo", "pid", "wait", "count", "ask", "crash"] + [f"echo{n}" for n in range(extra)]

    def serve(self) -> None:
        for line in sys.stdin.buffer:
            message = json.loads(line)
            if "method" not in message:
                self.answered(message)
            elif "id" in message and "silent" not in self.options:
                self.request(message)

    def say(self, message: Message) -> None:
        with self.writing:
            sys.stdout.buffer.write(
                json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")).encode() + b"\n"
            )
            sys.stdout.buffer.flush()

    def request(self, message: Message) -> None:
        method, params = message["method"], message.get("params", {})
        modern = "io.modelcontextprotocol/protocolVersion" in params.get("_meta", {})
        head: Message = {"resultType": "complete"} if modern else {}
        cache: Message = {"ttlMs": 0, "cacheScope": "private"} if modern else {}
        result: Message
        if method == "initialize":
            result = {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {"listChanged": True}},
                "serverInfo": {"name": self.name, "version": "1"},
            }
        elif method == "server/discover" and modern:
            result = {
                **head,
                **cache,
                "supportedVersions": [MODERN],
                "capabilities": {"tools": {"listChanged": True}},
                "_meta": {"io.modelcontextprotocol/serverInfo": {"name": self.name, "version": "1"}},
            }
        elif method == "tools/list":
            tools = [
                {"name": t, "description": f"{t} of {self.name}", "inputSchema": STATIC, "x-tiny": [1, None]}
                for t in self.tools
            ]
            result = {**head, **cache, "tools": tools}
        elif method == "ping":
            result = {}
        elif method == "tools/call":
            self.call(message, params, modern, head)
            return
        else:
            self.say({"id": message["id"], "error": {"code": -32601, "message": f"no method {method}"}})
            return
        self.say({"id": message["id"], "result": result})

    def call(self, message: Message, params: Message, modern: bool, head: Message) -> None:
        number, tool, arguments = message["id"], params["name"], params.get("arguments", {})
        token = params.get("_meta", {}).get("progressToken")

        def text(value: str) -> None:
            self.say({"id": number, "result": {**head, "content": [{"type": "text", "text": value}]}})

        if tool.startswith("echo"):
            text(arguments.get("text", ""))
        elif tool == "pid":
            text(str(os.getpid()))
        elif tool == "wait":
            threading.Timer(arguments["seconds"], text, [f"waited in {self.name}"]).start()
        elif tool == "count":
            threading.Thread(target=self.count, args=(arguments, token, text)).start()
        elif tool == "crash":
            os._exit(3)
        elif tool == "ask":
            self.ask(message, params, arguments, modern, text)
        else:
            self.say({"id": number, "error": {"code": -32602, "message": f"no tool {tool}"}})

    def count(self, arguments: Message, token: Any, text: Any) -> None:
        for step in range(1, arguments["steps"] + 1):
            time.sleep(arguments.get("pause", 0.01))
            if token is not None:
                params = {"progressToken": token, "progress": step, "total": arguments["steps"]}
                self.say({"method": "notifications/progress", "params": params})
        text(f"counted to {arguments['steps']}")

    def ask(self, message: Message, params: Message, arguments: Message, modern: bool, text: Any) -> None:
        form = {"message": arguments.get("message", "who?"), "requestedSchema": FORM}
        if not modern:
            key = f"ask-{message['id']}"
            self.asked[key] = message
            self.say({"id": key, "method": "elicitation/create", "params": form})
        elif "inputResponses" in params:
            text(json.dumps(params["inputResponses"]["form"], sort_keys=True))
        else:
            question = {"form": {"method": "elicitation/create", "params": {"mode": "form", **form}}}
            result = {"resultType": "input_required", "inputRequests": question, "requestState": "tiny"}
            self.say({"id": message["id"], "result": result})

    def answered(self, message: Message) -> None:
        call = self.asked.pop(message["id"], None)
        if call is not None:
            value = json.dumps(message.get("result", message.get("error")), sort_keys=True)
            self.say({"id": call["id"], "result": {"content": [{"type": "text", "text": value}]}})


def main() -> None:
    name, options = sys.argv[1], sys.argv[2:]
    for option in options:
        if option.startswith("delay="):
            time.sleep(float(option[6:]))
    if "deaf" in options:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "grandchild" in options:
        subprocess.Popen(
            [sys.executable, "-S", "-I", __file__, "grandchild", "linger", "deaf"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
    with contextlib.suppress(BrokenPipeError):
        Tiny(name, options).serve()
    if "linger" in options:
        time.sleep(600)
    os._exit(0)


main()
