"""Whose question is it? What a server asks is put to the client it is meant for, or to nobody.

It belongs to the call on whose stream it came; else to the task it names, which is to say to whoever waits for its
result or made it; else to the only call in flight; else to the newest one whose client declared the capability; else,
outside of any call, to the session the link belongs to, unless a call was given up just now: then only roots are asked
for. Where the calls in flight are of several principals (a call that was given up is in flight until the server answers
it) nobody can tell, and the question is declined: never does one principal answer for another.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeAlias

from only1mcp_kernel.gateway.servers.call import Call
from only1mcp_kernel.gateway.servers.link import Link
from only1mcp_kernel.gateway.tasks.ids import Task
from only1mcp_kernel.protocol import bridge
from only1mcp_kernel.protocol.capabilities import may_ask
from only1mcp_sdk import Failure, Json, Question

AskSession: TypeAlias = Callable[[str, Question, Callable[[bytes, bytes], None]], Callable[[], None] | None]
"""Put a question to a legacy session; None when it can't be asked, else what withdraws the question."""

ANSWER_SECONDS = 600.0
"""How long a session may think about a question that belongs to no call."""
MAX_ASKED = 64
"""How many questions that belong to no call a server may have open over one link."""
GIVEN_UP_SECONDS = 60.0
"""How long a server may take to notice that a call was given up. Most never say that they did."""
LATE = Failure.of(-32603, "The client did not answer in time")


def asking_call(link: Link, question: Question, stream: int | None, task: Task | None = None) -> Call | None:
    """The call a question belongs to. `task` is what the question says it is for."""
    if stream is not None:
        waiting = link.waiting.get(stream)
        if isinstance(waiting, Call) and (task is None or _same_principal(waiting, task)):
            return waiting
        if waiting is None and task is None:
            return None  # it was about a request that is over
    calls = calls_in_flight(link)
    if task is not None:
        results = [call for call in calls if call.exchange.method == "tasks/result"]
        mine = [call for call in results if call.exchange.target == task.own and _same_principal(call, task)]
        return mine[-1] if mine else None
    if len({*(call.principal for call in calls), *link.given_up.values()}) > 1:
        return None
    if len(calls) == 1:
        return calls[0]
    for call in reversed(calls):
        if may_ask(call.exchange.caller.capabilities, question):
            return call
    return None


def calls_in_flight(link: Link) -> list[Call]:
    """Oldest first."""
    return [waiting for waiting in link.waiting.values() if isinstance(waiting, Call)]


def _same_principal(call: Call, task: Task) -> bool:
    return call.exchange.caller.principal == task.caller.principal


def put(
    link: Link,
    id: Json,
    question: Question,
    call: Call | None,
    task: Task | None,
    ask_session: AskSession,
    log: logging.Logger,
) -> None:
    """Put a question to the client of `call`, else to the session of `task`, else to the link's; decline it where there
    is none."""
    if call is not None:
        if may_ask(call.exchange.caller.capabilities, question) and not call.asks_too_much:
            call.asked(id, question)
        else:
            decline(link, id, question)
        return
    if task is not None:
        session: str | None = task.caller.session
    else:
        anybody = not (calls_in_flight(link) or len(link.users) > 1 or _of_a_call_given_up(link, question))
        session = (link.owner or link.opener) if anybody else None
    if session and len(link.asked) < MAX_ASKED and _put_to_session(link, id, question, session, ask_session):
        return
    log.warning("asks %s of nobody in particular; declined", question.method)
    decline(link, id, question)


def _of_a_call_given_up(link: Link, question: Question) -> bool:
    """Whether a server may ask this for a call whose client wants to hear nothing more of it."""
    recent = asyncio.get_running_loop().time() - link.given_up_at < GIVEN_UP_SECONDS
    return bool(link.given_up) and recent and question.method != "roots/list"


def _put_to_session(link: Link, id: Json, question: Question, session: str, ask_session: AskSession) -> bool:
    def answered(result: bytes, error: bytes) -> None:
        timer.cancel()
        link.asked.pop(id, None)
        link.reply(id, result=result, error=error)

    withdraw = ask_session(session, question, answered)
    if withdraw is None:
        return False

    def give_up() -> None:
        timer.cancel()
        withdraw()

    def late() -> None:
        if link.asked.pop(id, None) is not None:
            withdraw()
            link.reply(id, error=LATE.raw)

    timer = asyncio.get_running_loop().call_later(ANSWER_SECONDS, late)
    link.asked[id] = give_up
    return True


def decline(link: Link, id: Json, question: Question) -> None:
    """Answer on behalf of a client that can't be asked."""
    kind, raw = bridge.decline(question)
    if kind == "result":
        link.reply(id, result=raw)
    else:
        link.reply(id, error=raw)
