"""A modern MCP server over stdio that makes tasks of its calls, after the extension `io.modelcontextprotocol/tasks`.

Run as `python -S -I jobs.py`; the standard library only. Its tools are those that the official conformance suite's
scenarios for tasks call. No task has a thread: what state it is in is worked out when somebody asks.
"""

import json
import sys
import time
from typing import Any

MODERN = "2026-07-28"
EXTENSION = "io.modelcontextprotocol/tasks"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
NEEDED: "Message" = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
COMPLETE = {"resultType": "complete"}
LISTED = {**COMPLETE, "ttlMs": 0, "cacheScope": "private"}
ANYTHING = {"type": "object"}
TOOLS = (
    "greet",
    "slow_compute",
    "failing_job",
    "protocol_error_job",
    "confirm_delete",
    "multi_input",
    "test_tool_with_task",
)
Message = dict[str, Any]


class Refused(Exception):
    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message, **({"data": data} if data is not None else {})}


class Job:
    """One task: done `seconds` after it has all the answers it asks for."""

    def __init__(self, id: str, seconds: float, end: Message, questions: Message | None = None) -> None:
        self.id = id
        self.seconds = seconds
        self.end = end
        self.questions = questions or {}
        self.answers: Message = {}
        self.since = time.monotonic()
        self.created = self.updated = now()
        self.cancelled = False

    @property
    def status(self) -> str:
        if self.cancelled:
            return "cancelled"
        if self.questions:
            return "input_required"
        if time.monotonic() - self.since < self.seconds:
            return "working"
        return "failed" if "error" in self.end else "completed"

    def told(self, answers: Message) -> None:
        for key in answers.keys() & self.questions.keys():
            del self.questions[key]
            self.answers[key] = answers[key]
            self.since, self.updated = time.monotonic(), now()

    def brief(self) -> Message:
        return {
            "taskId": self.id,
            "status": self.status,
            "createdAt": self.created,
            "lastUpdatedAt": self.updated,
            "ttlMs": 300_000,
            "pollIntervalMs": 100,
        }

    def detailed(self) -> Message:
        brief = self.brief()
        if brief["status"] == "input_required":
            return {**brief, "inputRequests": self.questions}
        return {**brief, **self.end} if brief["status"] in ("completed", "failed") else brief


class Jobs:
    """The server."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}

    def serve(self) -> None:
        for line in sys.stdin.buffer:
            message = json.loads(line)
            if "id" not in message or "method" not in message:
                continue
            try:
                answer = {"result": self.answer(message["method"], message.get("params", {}))}
            except Refused as refused:
                answer = {"error": refused.error}
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer}) + "\n")
            sys.stdout.flush()

    def answer(self, method: str, params: Message) -> Message:
        able = EXTENSION in params.get("_meta", {}).get(CAPABILITIES, {}).get("extensions", {})
        if method == "server/discover":
            capabilities: Message = {"tools": {}, "extensions": {EXTENSION: {}}}
            return {**LISTED, "supportedVersions": [MODERN], "capabilities": capabilities}
        if method == "tools/list":
            return {**LISTED, "tools": [{"name": name, "inputSchema": ANYTHING} for name in TOOLS]}
        if method == "tools/call":
            return self.call(params, able)
        if method in ("tasks/get", "tasks/update", "tasks/cancel"):
            if not able:
                raise Refused(-32021, "Missing required client capability", NEEDED)
            return self.about(method, params)
        raise Refused(-32601, f"Method not found: {method}")

    def call(self, params: Message, able: bool) -> Message:
        name, arguments = params["name"], params.get("arguments", {})
        if name == "greet":
            return {**COMPLETE, **text(f"Hello, {arguments['name']}!")}
        if name == "slow_compute":
            seconds = arguments.get("seconds", 0)
            if able:
                return self.start(seconds, {"result": text(f"{arguments.get('label')} is done")})
            time.sleep(min(seconds, 5))
            return {**COMPLETE, **text(f"{arguments.get('label')} is done")}
        if name == "test_tool_with_task" and "inputResponses" not in params:
            return {"resultType": "input_required", "inputRequests": {"user_name": asking("name")}}
        if not able:
            raise Refused(-32021, "Missing required client capability", NEEDED)
        if name == "test_tool_with_task":
            given = params["inputResponses"].get("user_name", {}).get("content", {}).get("name")
            return self.start(0.3, {"result": text(f"Hello, {given}!")})
        if name == "failing_job":
            return self.start(1, {"result": {**text("it went wrong"), "isError": True}})
        if name == "protocol_error_job":
            return self.start(0.3, {"error": {"code": -32603, "message": "it broke"}})
        if name == "confirm_delete":
            return self.start(0.1, {"result": text("deleted")}, {"confirm": asking("confirm")})
        if name == "multi_input":
            questions = {"first": asking("first"), "second": asking("second")}
            return self.start(0.1, {"result": text("both are here")}, questions)
        raise Refused(-32602, f"Unknown tool: {name}")

    def start(self, seconds: float, end: Message, questions: Message | None = None) -> Message:
        job = Job(f"job-{len(self.jobs) + 1}", seconds, end, questions)
        self.jobs[job.id] = job
        brief = job.brief()
        return {"resultType": "task", **brief, "status": "working"}

    def about(self, method: str, params: Message) -> Message:
        job = self.jobs.get(params.get("taskId", ""))
        if job is None:
            raise Refused(-32602, f"Failed to retrieve task: {params.get('taskId')}")
        if method == "tasks/get":
            return {**COMPLETE, **job.detailed()}
        if method == "tasks/update":
            job.told(params.get("inputResponses", {}))
        elif job.status in ("working", "input_required"):
            job.cancelled = True
        return COMPLETE


def text(value: str) -> Message:
    return {"content": [{"type": "text", "text": value}]}


def asking(member: str) -> Message:
    schema = {"type": "object", "properties": {member: {"type": "string"}}}
    params = {"mode": "form", "message": f"What is {member}?", "requestedSchema": schema}
    return {"method": "elicitation/create", "params": params}


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


if __name__ == "__main__":
    Jobs().serve()
