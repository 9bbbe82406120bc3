from typing import Any

import pytest
from pydantic import ValidationError

from only1mcp_catalogue.plugin import only1mcp_register_transform
from only1mcp_sdk import Entry, EntryKind
from only1mcp_sdk.testing import check_transform, open_alone, read_options

[OFFER] = only1mcp_register_transform()


def entry(name: str, kind: EntryKind = "tool", shown: str = "", **members: bytes) -> Entry:
    return Entry(kind, "files", name, shown or name, {"name": b'"%s"' % name.encode(), **members})


READ, WRITE, DELETE = entry("read_file"), entry("write_file"), entry("delete_file")
GUIDE = entry("guide", "prompt")
HOME = Entry(
    "resource", "files", "file:///home", "file:///home", {"uri": b'"file:///home"', "name": b'"home"'}
)
TREE = Entry("template", "files", "file:///{path}", "file:///{path}", {"uriTemplate": b'"file:///{path}"'})
ALL = [READ, WRITE, DELETE, GUIDE, HOME, TREE]


async def shown(entries: list[Entry], **options: Any) -> list[Entry]:
    async with open_alone(OFFER, **options) as transform:
        return list(transform.apply(entries))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"include": ["*e*", "file:*"], "exclude": ["search"]},
        {
            "rename": {"search": "find", "not there": "x"},
            "describe": {"search": "ü\n", "file:///a b": "that"},
        },
    ],
)
async def test_keeps_the_contract(options: dict[str, Any]) -> None:
    await check_transform(OFFER, options, ALL)


def test_can_be_written_straight_into_a_server() -> None:
    assert OFFER.inline


async def test_without_options_everything_passes_untouched() -> None:
    assert all(after is before for after, before in zip(await shown(ALL), ALL, strict=True))


async def test_include_and_exclude() -> None:
    assert await shown(ALL, include=["*_file"]) == [READ, WRITE, DELETE]
    assert await shown(ALL, include=["*_file"], exclude=["d*", "w*"]) == [READ]
    assert await shown(ALL, exclude=["*_file"]) == [GUIDE, HOME, TREE]
    assert await shown(ALL, include=["guide", "file:///*"]) == [GUIDE, HOME, TREE]
    assert await shown(ALL, include=["nothing"]) == []


async def test_patterns() -> None:
    assert await shown(ALL, include=["[rw]*_fil?"]) == [READ, WRITE]
    assert await shown(ALL, include=["READ_FILE", "read"]) == []
    assert await shown([entry("a|b"), entry("a"), entry("b")], include=["a|b"]) == [entry("a|b")]


async def test_rename_changes_what_is_shown_only() -> None:
    [tool, prompt, resource] = await shown(
        [READ, GUIDE, HOME], rename={"read_file": "cat", "guide": "help", "file:///home": "x"}
    )
    assert (tool.shown, tool.name, tool.members) == ("cat", "read_file", READ.members)
    assert (prompt.shown, resource) == ("help", HOME)


async def test_every_option_goes_by_the_former_name() -> None:
    before = entry("read_file", shown="files_read_file")
    options = {
        "include": ["files_*"],
        "rename": {"files_read_file": "cat"},
        "describe": {"files_read_file": "Cat."},
    }
    [after] = await shown([before], **options)
    assert (after.shown, after.members["description"]) == ("cat", b'"Cat."')
    assert await shown([before], include=["cat"], rename={"files_read_file": "cat"}) == []


async def test_describe_keeps_every_other_byte() -> None:
    before = entry("read_file", description=b'"old"', inputSchema=b'{ "a" : 1.0 }')
    [tool] = await shown([before], describe={"read_file": 'say "ü"\n'})
    assert list(tool.members.items()) == [
        ("name", b'"read_file"'),
        ("description", '"say \\"ü\\"\\n"'.encode()),
        ("inputSchema", b'{ "a" : 1.0 }'),
    ]
    [home, tree] = await shown([HOME, TREE], describe={"file:///home": "a", "file:///{path}": "b"})
    assert (home.members["description"], tree.members["description"]) == (b'"a"', b'"b"')


async def test_what_is_not_there_does_no_harm() -> None:
    assert await shown([READ], rename={"gone": "x"}, describe={"gone": "y"}, exclude=["gone"]) == [READ]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"include": []}, "at least 1 item"),
        ({"include": "read_*"}, "valid array"),
        ({"include": [""]}, "at least 1 character"),
        ({"exclude": [7]}, "valid string"),
        ({"rename": {"a": ""}}, "at least 1 character"),
        ({"rename": {"a": "c", "b": "c"}}, "2 entries would be called 'c'"),
        ({"describe": {"a": None}}, "valid string"),
        ({"hide": ["a"]}, "not permitted"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        read_options(OFFER, options)
