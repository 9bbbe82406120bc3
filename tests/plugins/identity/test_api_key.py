from typing import Any

import pytest
from pydantic import ValidationError

from only1mcp_identity.api_key import ApiKeys
from only1mcp_identity.plugin import only1mcp_register_authenticator
from only1mcp_sdk import AccessDenied, Arrival, Principal
from only1mcp_sdk.testing import check_authenticator, open_alone, read_options

[OFFER] = only1mcp_register_authenticator()
ALICE, BOB = "alice-0123456789abcdef", "bob-0123456789abcdef=="
OPTIONS: dict[str, Any] = {"keys": [{"key": ALICE, "principal": "alice"}, {"key": BOB, "principal": "bob"}]}


def arrival(authorization: str | None) -> Arrival:
    return Arrival("http", headers={} if authorization is None else {"authorization": authorization})


async def test_keeps_the_contract() -> None:
    right, wrong = {"authorization": f"Bearer {BOB}"}, {"authorization": f"Bearer {BOB}x"}
    await check_authenticator(OFFER, OPTIONS, right, "bob", wrong)


async def test_each_key_has_its_principal() -> None:
    async with open_alone(OFFER, **OPTIONS) as keys:
        assert keys.authenticate(arrival(f"Bearer {ALICE}")) == Principal("alice", "api_key")
        assert keys.authenticate(arrival(f"bEARER   {BOB} ")) == Principal("bob", "api_key")


@pytest.mark.parametrize(
    "sent", ["Bearer", "Bearer ", f"Bearer {ALICE[:-1]}", f"Bearer {ALICE.upper()}", "Bearer \udcff"]
)
def test_wrong_keys_are_refused(sent: str) -> None:
    with pytest.raises(AccessDenied, match="Unauthorized"):
        ApiKeys([(ALICE, "alice")]).authenticate(arrival(sent))


@pytest.mark.parametrize("sent", [None, "", "Basic YTpi", f"Basic {ALICE}", ALICE, f"Bearer{ALICE}"])
def test_other_schemes_are_for_others(sent: str | None) -> None:
    assert ApiKeys([(ALICE, "alice")]).authenticate(arrival(sent)) is None


def test_the_key_is_not_kept() -> None:
    keys = ApiKeys([(ALICE, "alice")])
    assert ALICE not in repr(vars(keys))
    assert ALICE not in repr(read_options(OFFER, OPTIONS))


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ([], "at least 1 item"),
        ([{"key": "", "principal": "a"}], "at least 16 characters"),
        ([{"key": "short-secret-15", "principal": "a"}], "at least 16 characters, and this has 15"),
        ([{"key": "with a space in its middle", "principal": "a"}], "no spaces"),
        ([{"key": "schön-schön-schön-schön", "principal": "a"}], "printable ASCII"),
        ([{"key": "line-break-at-its-end-\n", "principal": "a"}], "printable ASCII"),
        ([{"key": ALICE, "principal": ""}], "at least 1 character"),
        ([{"key": ALICE, "principal": "a\nb"}], "printable"),
        ([{"key": ALICE, "principal": " a"}], "space"),
        ([{"key": ALICE, "principal": "anonymous"}], "choose another"),
        ([{"key": ALICE, "principal": "a"}, {"key": ALICE, "principal": "b"}], "number 1 and 2 are the same"),
        ([{"key": 12345678901234567890, "principal": "a"}], "valid string"),
        ([{"key": ALICE}], "Field required"),
        ([{"key": ALICE, "principal": "a", "admin": True}], "not permitted"),
    ],
)
def test_bad_options_are_refused_without_showing_keys(keys: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason) as caught:
        read_options(OFFER, {"keys": keys})
    for each in keys:
        if each["key"]:
            assert str(each["key"]) not in str(caught.value)


def test_a_principal_may_have_several_keys() -> None:
    keys = ApiKeys([(ALICE, "a"), (BOB, "a")])
    assert keys.authenticate(arrival(f"Bearer {ALICE}")) == keys.authenticate(arrival(f"Bearer {BOB}"))
