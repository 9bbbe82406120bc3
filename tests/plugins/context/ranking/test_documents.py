from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from only1mcp_context.ranking.documents import DEEPEST, MOST_PARAMETERS, MOST_TEXT, document

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["properties", "items", "anyOf", "$defs", "enum", "description", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


def test_a_document_holds_what_a_schema_says() -> None:
    schema = {
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "Where to look"},
            "filter": {
                "anyOf": [
                    {"type": "object", "properties": {"author": {"enum": ["me", "others", 3]}}},
                    {"$ref": "#/$defs/Range"},
                ]
            },
            "tags": {"type": "array", "items": {"type": "string", "description": "One label"}},
        },
        "$defs": {"Range": {"properties": {"since": {"description": "First day"}}}},
    }
    found = document("files", "find", "Finds files", schema, "Local files")
    assert found.parameters == ("path", "filter", "author", "tags", "since")
    assert found.parameter_text.split("\n") == ["Where to look", "me", "others", "One label", "First day"]
    assert (found.server, found.name, found.description) == ("files", "find", "Finds files")
    assert found.server_text == "Local files"


def test_depth_number_and_length_are_bounded() -> None:
    deep: dict[str, Any] = {"properties": {"bottom": {}}}
    for level in range(DEEPEST + 2):
        deep = {"properties": {f"level{level}": deep}}
    wide = {"properties": {f"p{number}": {"description": "x" * 1000} for number in range(1000)}}
    assert "bottom" not in document("s", "t", input_schema=deep).parameters
    found = document("s", "t", "d" * 100_000, wide, "i" * 100_000)
    assert len(found.parameters) == MOST_PARAMETERS
    assert len(found.description) == len(found.parameter_text) == len(found.server_text) == MOST_TEXT


def test_references_in_a_circle_end() -> None:
    circle: dict[str, Any] = {"properties": {"next": {"description": "again"}}}
    circle["properties"]["next"]["items"] = circle
    assert document("s", "t", input_schema=circle).parameters == ("next",)


@given(JSON)
def test_no_schema_is_refused(schema: object) -> None:
    found = document("s", "t", input_schema=schema)
    assert all(isinstance(name, str) for name in found.parameters)
