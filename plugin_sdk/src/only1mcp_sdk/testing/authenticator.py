"""What every authenticator keeps to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from only1mcp_sdk.errors import AccessDenied
from only1mcp_sdk.kinds import Authenticator
from only1mcp_sdk.messages import Arrival, Principal
from only1mcp_sdk.offer import Offer
from only1mcp_sdk.testing.harness import read_options
from only1mcp_sdk.testing.lifecycle import check_lifecycle, checked, quick

ODD = (
    "",
    " ",
    ",",
    "Bearer",
    "Bearer ",
    "bearer\tx",
    "Bearer  ",
    "Bearer a b",
    "Basic Og==",
    "Basic !!!!",
    "Digest username=,",
    "Bearer " + "x" * 100_000,
    "Bearer sch\xf6n",
    "Bearer \ud800\udcff",
    "Bearer nul\0",
    "Bearer x\r\nX-Injected: 1",
)


async def check_authenticator(
    offer: Offer[Authenticator],
    options: Mapping[str, Any],
    right: Mapping[str, str],
    principal: str,
    wrong: Mapping[str, str],
) -> None:
    """Assert that the header fields `right` make the caller `principal`, that `wrong` ones are refused, that a request
    without credentials is left to others and odd ones never get in, and that no message or repr quotes them."""
    await check_lifecycle(offer, options)
    secrets = [value.split()[-1] for value in right.values() if value.split()]
    _check_silence(repr(read_options(offer, options)), secrets, "the repr of its options")
    async with checked(offer, options) as authenticator:
        _check_silence(repr(authenticator), secrets, "its repr")
        challenge = authenticator.challenge
        assert challenge.strip(), "challenge is empty; tell refused clients the scheme to use"
        fits = challenge.isascii() and challenge.isprintable()
        assert fits, f"challenge {challenge!r} can't stand in a WWW-Authenticate header field"
        for _ in range(2):
            found = authenticator.authenticate(_arrival(right))
            assert isinstance(found, Principal), f"the right credentials gave {found!r} and no principal"
            assert found.id == principal, f"the right credentials gave {found.id!r} instead of {principal!r}"
        assert authenticator.authenticate(_arrival({})) is None, (
            "a request without credentials is for others to judge"
        )
        assert not _let_in(authenticator, wrong, may_pass=False), "the wrong credentials were let in"
        for name in {"authorization", *right}:
            for odd in ODD:
                found = _let_in(authenticator, {name: odd})
                assert found is None, f"{name}: {odd[:30]!r} was let in as {found!r}"
        quick(f"{offer.name}: authenticate", lambda: authenticator.authenticate(_arrival(right)))


def _let_in(
    authenticator: Authenticator, headers: Mapping[str, str], *, may_pass: bool = True
) -> Principal | None:
    """Who came in with these; None for nobody. Unless they `may_pass` to other authenticators, they are denied."""
    try:
        found = authenticator.authenticate(_arrival(headers))
    except AccessDenied as denied:
        sent = [value.split()[-1] for value in headers.values() if len(value.split()) > 1]
        _check_silence(str(denied), [part for part in sent if len(part) > 3], "the refusal")
        return None
    except Exception as error:
        raise AssertionError(f"credentials raised {error!r} where AccessDenied is expected") from error
    assert may_pass or found is not None, (
        "wrong credentials of its own sort were left to others; raise AccessDenied"
    )
    return found


def _arrival(headers: Mapping[str, str]) -> Arrival:
    return Arrival(transport="testing", headers=dict(headers), peer="192.0.2.1")


def _check_silence(text: str, secrets: list[str], where: str) -> None:
    assert not any(secret in text for secret in secrets), f"credentials can be read in {where}"
