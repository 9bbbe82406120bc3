import os
from pathlib import Path

import pytest

from only1mcp_sdk import SecretMissing
from only1mcp_sdk.testing import check_secret
from only1mcp_secrets.file import LIMIT, FileSecret
from only1mcp_secrets.plugin import only1mcp_register_secret

_, FILE = only1mcp_register_secret()


async def test_keeps_the_contract() -> None:
    def prepare(base: Path) -> None:
        (base / "secrets").mkdir(exist_ok=True)
        (base / "secrets/token").write_text("s3cret-value\n")

    await check_secret(FILE, {}, "secrets/token", "s3cret-value", missing="secrets/tokens", prepare=prepare)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"plain", "plain"),
        (b"line\n", "line"),
        (b"dos\r\n", "dos"),
        (b"two\n\n", "two\n"),
        (b"kept \t", "kept \t"),
        (b"only a carriage\r", "only a carriage\r"),
        (b"", ""),
        ("schön\n".encode(), "schön"),
    ],
)
def test_one_line_ending_is_no_part_of_the_value(tmp_path: Path, content: bytes, value: str) -> None:
    (tmp_path / "token").write_bytes(content)
    assert FileSecret(tmp_path).resolve("token") == value


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("value")
    elsewhere = FileSecret(Path("/nowhere"))
    assert elsewhere.resolve(str(tmp_path / "token")) == "value"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert elsewhere.resolve("~/token") == "value"


def test_names_the_neighbours_as_references(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/one").touch()
    (tmp_path / "keys/two").touch()
    (tmp_path / "token").touch()
    secret = FileSecret(tmp_path)
    assert _refusal(secret, "keys/three").known == ("keys/one", "keys/two")
    assert _refusal(secret, "tokens").known == ("token",)
    assert _refusal(secret, "no/such/directory").known == ()


def test_only_regular_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    secret = FileSecret(tmp_path)
    assert "regular file" in str(_refusal(secret, "pipe"))
    assert "regular file" in str(_refusal(secret, "."))
    assert "regular file" in str(_refusal(secret, "/dev/zero"))


def test_bounded(tmp_path: Path) -> None:
    (tmp_path / "most").write_bytes(b"x" * LIMIT)
    (tmp_path / "more").write_bytes(b"x" * (LIMIT + 1))
    assert len(FileSecret(tmp_path).resolve("most")) == LIMIT
    assert str(LIMIT) in str(_refusal(FileSecret(tmp_path), "more"))


def test_text_only_and_never_quoted(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"s3cret\xff")
    refusal = _refusal(FileSecret(tmp_path), "binary")
    assert "UTF-8" in str(refusal)
    assert "s3cret" not in str(refusal)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_says_why_a_file_can_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "locked").touch(mode=0o000)
    assert "ermission" in str(_refusal(FileSecret(tmp_path), "locked"))


def test_a_home_nobody_has(tmp_path: Path) -> None:
    assert "no path" in str(_refusal(FileSecret(tmp_path), "~no-such-user-here/token"))


def _refusal(secret: FileSecret, reference: str) -> SecretMissing:
    with pytest.raises(SecretMissing) as caught:
        secret.resolve(reference)
    return caught.value
