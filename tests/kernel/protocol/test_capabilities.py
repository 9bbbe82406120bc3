"""What a client may be asked, by what it declared."""

from __future__ import annotations

import json
from typing import Any

import pytest

from only1mcp_kernel.protocol.capabilities import lacking, may_ask, read_client
from only1mcp_sdk import Question

FORM = Question("elicitation/create", b'{"message":"?"}')
URL = Question("elicitation/create", b'{"mode":"url","url":"https://example.org"}')
SAMPLE = Question("sampling/createMessage", b'{"messages":[]}')
WITH_TOOLS = Question("sampling/createMessage", b'{"messages":[],"tools":[]}')
WITH_CHOICE = Question("sampling/createMessage", b'{"toolChoice":{"mode":"auto"}}')
ROOTS = Question("roots/list")


@pytest.mark.parametrize(
    ("declared", "question", "needed"),
    [
        ({"elicitation": {}}, FORM, None),
        ({"elicitation": {}}, URL, {"elicitation": {"url": {}}}),
        ({"elicitation": {"url": {}}}, URL, None),
        ({"elicitation": {"url": {}}}, FORM, {"elicitation": {"form": {}}}),
        ({"elicitation": {"form": {}, "url": {}}}, FORM, None),
        ({"elicitation": {"form": {}}}, URL, {"elicitation": {"url": {}}}),
        ({}, FORM, {"elicitation": {"form": {}}}),
        ({"sampling": {}}, SAMPLE, None),
        ({"sampling": {}}, WITH_TOOLS, {"sampling": {"tools": {}}}),
        ({"sampling": {}}, WITH_CHOICE, {"sampling": {"tools": {}}}),
        ({"sampling": {"tools": {}}}, WITH_TOOLS, None),
        ({}, SAMPLE, {"sampling": {}}),
        ({"roots": {}}, ROOTS, None),
        ({}, ROOTS, {"roots": {}}),
        ({"roots": {}}, Question("vendor/ask"), {}),
        ({"elicitation": {}}, Question("elicitation/create", b"[]"), None),
    ],
)
def test_what_a_question_needs(
    declared: dict[str, Any], question: Question, needed: dict[str, Any] | None
) -> None:
    capabilities = read_client(json.dumps(declared).encode())
    assert lacking(capabilities, question) == needed
    assert may_ask(capabilities, question) is (needed is None)
