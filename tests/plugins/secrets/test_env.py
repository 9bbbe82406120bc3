import pytest

from only1mcp_sdk import SecretMissing
from only1mcp_sdk.testing import check_secret
from only1mcp_secrets.env import EnvSecret
from only1mcp_secrets.plugin import only1mcp_register_secret

ENV, _ = only1mcp_register_secret()


async def test_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTING_TOKEN", "s3cret-value")
    await check_secret(ENV, {}, reference="TESTING_TOKEN", value="s3cret-value", missing="TESTING_TOKENS")


def test_names_what_there_is() -> None:
    with pytest.raises(SecretMissing, match="'B' is not set") as caught:
        EnvSecret({"C": "1", "A": "2"}).resolve("B")
    assert caught.value.known == ("A", "C")


def test_an_empty_variable_is_a_value() -> None:
    assert EnvSecret({"A": ""}).resolve("A") == ""


def test_bytes_that_are_no_text_are_refused_without_showing_them() -> None:
    with pytest.raises(SecretMissing, match="UTF-8") as caught:
        EnvSecret({"A": "secret\udcff"}).resolve("A")
    assert "secret\udcff" not in str(caught.value)
    assert EnvSecret({"A": "schön"}).resolve("A") == "schön"
