"""The checks of the kinds that are plain calls: each finds each fault. That they pass what is right is shown by the
tests of the plugins."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel, ConfigDict

from only1mcp_sdk import (
    AccessDenied,
    Arrival,
    Candidate,
    Context,
    Entry,
    Exchange,
    Failure,
    Offer,
    Outcome,
    PluginConfig,
    Principal,
    Result,
    SecretMissing,
    offer,
)
from only1mcp_sdk.testing import (
    FakeCandidate,
    check_authenticator,
    check_balancer,
    check_filter,
    check_secret,
    check_transform,
    lifecycle,
)


class NoOptions(PluginConfig):
    """None."""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "GRACE", 0.1)


def offering(make: Callable[[], Any]) -> Offer[Any]:
    @asynccontextmanager
    async def open(config: NoOptions, context: Context) -> AsyncIterator[Any]:
        yield make()

    return offer("faulty", NoOptions, open)


def finds(pattern: str) -> Any:
    return pytest.raises(AssertionError, match=pattern)


class First:
    """A balancer without fault."""

    def pick(self, exchange: Exchange, candidates: Sequence[Candidate]) -> Candidate:
        return candidates[0]

    def learn(self, candidate: Candidate, outcome: Outcome, seconds: float) -> None:
        pass


class PicksTheFormer(First):
    former: Candidate | None = None

    def pick(self, exchange: Exchange, candidates: Sequence[Candidate]) -> Candidate:
        self.former = self.former or candidates[0]
        return self.former


class PicksACopy(First):
    def pick(self, exchange: Exchange, candidates: Sequence[Candidate]) -> Candidate:
        return FakeCandidate(candidates[0].key)


class Forgets(First):
    known: frozenset[str] = frozenset()

    def pick(self, exchange: Exchange, candidates: Sequence[Candidate]) -> Candidate:
        self.known = frozenset(each.key for each in candidates)
        return candidates[0]

    def learn(self, candidate: Candidate, outcome: Outcome, seconds: float) -> None:
        assert candidate.key in self.known, "who is that?"


class Decodes(First):
    def pick(self, exchange: Exchange, candidates: Sequence[Candidate]) -> Candidate:
        exchange.params = {}
        return candidates[0]


class Slow(First):
    def learn(self, candidate: Candidate, outcome: Outcome, seconds: float) -> None:
        if seconds == 0.1:
            time.sleep(0.01)


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (PicksTheFormer, "none of the"),
        (PicksACopy, "none of the 1 candidates"),
        (Forgets, "who is that"),
        (Decodes, "changed the exchange"),
        (Slow, r"learn took .* must not block"),
    ],
)
async def test_balancers(fault: type[First], found: str) -> None:
    await check_balancer(offering(First), {})
    with finds(found):
        await check_balancer(offering(fault), {})


class Passes:
    """A filter without fault."""

    place: Any = "server"

    def before(self, exchange: Exchange) -> Any:
        return None

    def after(self, exchange: Exchange, outcome: Outcome) -> Any:
        return outcome


class Elsewhere(Passes):
    place = "client"


class ReturnsNothing(Passes):
    def after(self, exchange: Exchange, outcome: Outcome) -> Any:
        return None


class AnswersText(Passes):
    def before(self, exchange: Exchange) -> Any:
        return Result(b"no", "modern")


class AnswersList(Passes):
    def before(self, exchange: Exchange) -> Any:
        return Result(b"[]", "modern")


class Contradicts(Passes):
    def before(self, exchange: Exchange) -> Any:
        return Failure(1, "no", Failure.of(2, "no").raw)


class WritesText(Passes):
    def before(self, exchange: Exchange) -> Any:
        exchange.params = {"name": b"search"}


class NeedsParams(Passes):
    def before(self, exchange: Exchange) -> Any:
        assert exchange.params is not None, "no params"


class Keeps(Passes):
    def __init__(self) -> None:
        self.running: list[Exchange] = []

    def before(self, exchange: Exchange) -> Any:
        self.running.append(exchange)

    def after(self, exchange: Exchange, outcome: Outcome) -> Any:
        self.running.remove(exchange)
        return outcome


class Stack(Passes):
    """Takes exchanges for nested ones."""

    def __init__(self) -> None:
        self.running: list[str] = []

    def before(self, exchange: Exchange) -> Any:
        self.running.insert(0, exchange.name)

    def after(self, exchange: Exchange, outcome: Outcome) -> Any:
        assert self.running.pop() == exchange.name, "mixed up"
        return outcome


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (Elsewhere, "place is 'client'"),
        (ReturnsNothing, "None is no outcome"),
        (AnswersText, "a result is no JSON"),
        (AnswersList, "a result should be a JSON dict"),
        (Contradicts, "code differs"),
        (WritesText, r"params.name after the filter is no JSON"),
        (NeedsParams, "no params"),
        (Keeps, "1000 of 1000 cancelled exchanges are still kept"),
        (Stack, "mixed up"),
    ],
)
async def test_filters(fault: type[Passes], found: str) -> None:
    await check_filter(offering(Passes), {})
    with finds(found):
        await check_filter(offering(fault), {})


class Shows:
    """A transform without fault."""

    def apply(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        return entries


class InPlace(Shows):
    def apply(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        for entry in entries:
            entry.members.pop("description", None)
        return entries


class Counts(Shows):
    calls = 0

    def apply(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        Counts.calls += 1
        return [msgspec.structs.replace(entry, shown=f"{entry.shown}{Counts.calls}") for entry in entries]


class PerProcess(Shows):
    made = 0

    def __init__(self) -> None:
        PerProcess.made += 1
        self.number = PerProcess.made

    def apply(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        return [msgspec.structs.replace(entry, shown=f"{entry.shown}{self.number}") for entry in entries]


class Invents(Shows):
    def apply(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        return [*entries, Entry("tool", "nowhere", "help", "help", {})]


class Unquoted(Shows):
    def apply(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        return [msgspec.structs.replace(entry, members={"description": b"new"}) for entry in entries]


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (InPlace, "changed an entry in place"),
        (Counts, "two different lists"),
        (PerProcess, "same after a restart"),
        (Invents, "was not among the entries"),
        (Unquoted, "description is no JSON"),
    ],
)
async def test_transforms(fault: type[Shows], found: str) -> None:
    await check_transform(offering(Shows), {})
    with finds(found):
        await check_transform(offering(fault), {})


VALUE = "s3cret-value"


class Safe:
    """A secret source without fault."""

    def resolve(self, reference: str) -> Any:
        if reference == "token":
            return VALUE
        raise SecretMissing("no such secret", ["token"])


class RaisesKeyError(Safe):
    def resolve(self, reference: str) -> Any:
        return {"token": VALUE}[reference]


class Dump(Safe):
    def resolve(self, reference: str) -> Any:
        if reference == "":
            raise SecretMissing(f"not among {{'token': {VALUE!r}}}")
        return super().resolve(reference)


class Bytes(Safe):
    def resolve(self, reference: str) -> Any:
        return b"" if reference == "-" else super().resolve(reference)


class Open(Safe):
    def __repr__(self) -> str:
        return VALUE


class Generous(Safe):
    def resolve(self, reference: str) -> Any:
        return VALUE


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (RaisesKeyError, "KeyError"),
        (Dump, "gives away"),
        (Bytes, "should be text"),
        (Open, "repr"),
        (Generous, "should be missing"),
    ],
)
async def test_secrets(fault: type[Safe], found: str) -> None:
    await check_secret(offering(Safe), {}, "token", VALUE, missing="tokens")
    with finds(found):
        await check_secret(offering(fault), {}, "token", VALUE, missing="tokens")


class Door:
    """An authenticator without fault."""

    challenge = "Bearer"

    def authenticate(self, arrival: Arrival) -> Any:
        sent = arrival.headers.get("authorization")
        if sent is None:
            return None
        if sent == f"Bearer {VALUE}":
            return Principal("alice", "door")
        raise AccessDenied("Unauthorized")


class WideOpen(Door):
    def authenticate(self, arrival: Arrival) -> Any:
        return Principal("alice") if "authorization" in arrival.headers else None


class Mistaken(Door):
    def authenticate(self, arrival: Arrival) -> Any:
        return super().authenticate(arrival) and Principal("bob")


class Quotes(Door):
    def authenticate(self, arrival: Arrival) -> Any:
        try:
            return super().authenticate(arrival)
        except AccessDenied as denied:
            raise AccessDenied(f"{arrival.headers} is wrong") from denied


class Stumbles(Door):
    def authenticate(self, arrival: Arrival) -> Any:
        if "authorization" in arrival.headers:
            arrival.headers["authorization"].split(" ", 1)[1].encode()
        return super().authenticate(arrival)


class Lazy(Door):
    def authenticate(self, arrival: Arrival) -> Any:
        try:
            return super().authenticate(arrival)
        except AccessDenied:
            return None


class Jealous(Door):
    def authenticate(self, arrival: Arrival) -> Any:
        return super().authenticate(arrival) or Principal("nobody")


class Splits(Door):
    challenge = "Bearer\r\nX-Injected: 1"


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (WideOpen, "wrong credentials were let in"),
        (Mistaken, "'bob' instead of 'alice'"),
        (Quotes, "read in the refusal"),
        (Stumbles, "where AccessDenied is expected"),
        (Lazy, "were left to others"),
        (Jealous, "for others to judge"),
        (Splits, "can't stand in a WWW-Authenticate"),
    ],
)
async def test_authenticators(fault: type[Door], found: str) -> None:
    right, wrong = {"authorization": f"Bearer {VALUE}"}, {"authorization": f"Bearer x{VALUE}"}
    await check_authenticator(offering(Door), {}, right, "alice", wrong)
    with finds(found):
        await check_authenticator(offering(fault), {}, right, "alice", wrong)


# What is asked of every kind


@asynccontextmanager
async def open_leaving_a_task(config: NoOptions, context: Context) -> AsyncIterator[First]:
    forgotten = asyncio.create_task(asyncio.sleep(1), name="forgotten")
    yield First()
    assert not forgotten.done()


@asynccontextmanager
async def open_leaving_a_file(config: NoOptions, context: Context) -> AsyncIterator[First]:
    os.open(context.base_dir, os.O_RDONLY)
    yield First()


@asynccontextmanager
async def open_failing_later(config: NoOptions, context: Context) -> AsyncIterator[First]:
    async def fail() -> None:
        raise ValueError("later")

    context.spawn(fail(), name="to fail")
    await asyncio.sleep(0)
    yield First()


@asynccontextmanager
async def open_only_once(config: NoOptions, context: Context) -> AsyncIterator[First]:
    lock = context.base_dir / "lock"
    lock.mkdir()
    yield First()
    lock.rmdir()


@pytest.mark.parametrize(
    ("open", "found"),
    [
        (open_leaving_a_task, "left behind: task 'forgotten'"),
        (open_leaving_a_file, r"left behind: descriptor \d+ .*config"),
        (open_failing_later, "spawned work failed: ValueError"),
    ],
)
async def test_what_is_left_behind(open: Any, found: str) -> None:
    with finds(found):
        await check_balancer(offer("faulty", NoOptions, open), {})


async def test_a_component_that_can_not_be_reloaded() -> None:
    with pytest.raises(FileExistsError):
        await check_balancer(offer("faulty", NoOptions, open_only_once), {})


class Tolerant(PluginConfig):
    model_config = ConfigDict(extra="ignore")


async def test_unknown_options_have_to_be_refused() -> None:
    @asynccontextmanager
    async def open(config: BaseModel, context: Context) -> AsyncIterator[First]:
        yield First()

    with finds("unknown option was accepted"):
        await check_balancer(offer("faulty", Tolerant, open), {})
