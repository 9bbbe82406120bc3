"""What every secret source keeps to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from only1mcp_sdk.errors import SecretMissing
from only1mcp_sdk.kinds import Secret
from only1mcp_sdk.offer import Offer
from only1mcp_sdk.testing.lifecycle import check_lifecycle, checked

ODD = (
    "",
    " ",
    ".",
    "..",
    "/",
    "a" * 100_000,
    "nul\0",
    "line\nbreak",
    "\ud800",
    "${env:HOME}",
    "-",
    "=",
    "a/../b",
)


async def check_secret(
    offer: Offer[Secret],
    options: Mapping[str, Any],
    reference: str,
    value: str,
    missing: str,
    prepare: Callable[[Path], None] = lambda base: None,
) -> None:
    """Assert that `reference` resolves to `value`, that `missing` and odd references raise `SecretMissing` and nothing
    else, and that no message gives the value away. `prepare` is called with the directory of the configuration file
    before anything is opened in it."""
    await check_lifecycle(offer, options, prepare)
    async with checked(offer, options, prepare) as secret:
        for _ in range(2):
            assert secret.resolve(reference) == value, f"{reference!r} did not resolve to the value"
        assert value not in repr(secret), "the value can be read in its repr"
        message = _missing(secret, missing)
        assert message is not None, f"{missing!r} should be missing, and resolved to something"
        for odd in ODD:
            message = _missing(secret, odd)
            assert value not in (message or ""), (
                f"the message for {odd[:20]!r} gives away another secret's value"
            )


def _missing(secret: Secret, reference: str) -> str | None:
    """The message it is missing with; None when it is not."""
    try:
        found = secret.resolve(reference)
    except SecretMissing as error:
        assert str(error), f"{reference[:20]!r} is missing without a word"
        assert all(isinstance(name, str) for name in error.known), (
            f"known names {error.known!r} are not all text"
        )
        return str(error)
    except Exception as error:
        raise AssertionError(
            f"{reference[:20]!r} raised {error!r} where SecretMissing is expected"
        ) from error
    assert isinstance(found, str), (
        f"{reference[:20]!r} resolved to {type(found).__name__}, and should be text"
    )
    return None
