import pytest
from pydantic import ValidationError

from only1mcp_hello_filter.plugin import NOT_ALLOWED, only1mcp_register_filter
from only1mcp_sdk import Failure, Outcome
from only1mcp_sdk.testing import check_filter, make_exchange, open_alone, read_options

[OFFER] = only1mcp_register_filter()


async def asked(name: str, method: str = "tools/call") -> Outcome | None:
    async with open_alone(OFFER, allow=["search", "read_*"], greeting="Hi!") as hello:
        return hello.before(make_exchange(method, {"name": name}))


async def test_keeps_the_contract() -> None:
    await check_filter(OFFER, {"allow": ["search"]})


@pytest.mark.parametrize("name", ["search", "read_file"])
async def test_what_is_on_the_list_passes(name: str) -> None:
    assert await asked(name) is None


@pytest.mark.parametrize("name", ["delete_file", "Search", "a search", ""])
async def test_the_rest_is_refused_with_a_greeting(name: str) -> None:
    answer = await asked(name)
    assert isinstance(answer, Failure)
    assert (answer.code, answer.message) == (NOT_ALLOWED, f"Hi! The tool {name!r} is not open to calls here.")


async def test_only_tools_are_looked_at() -> None:
    assert await asked("delete_file", "prompts/get") is None


@pytest.mark.parametrize("bad", [{}, {"allow": "search"}, {"allow": [1]}, {"allow": [], "deny": []}])
def test_bad_options_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        read_options(OFFER, bad)
