"""The JSON Schema (draft 2020-12) of configuration files, for editors: it knows every plugin that is installed.

Put together from the schemas of the gateway's own settings and of the plugins' options; the checks that decide are
those of `load`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel

from only1mcp_kernel.config.settings import ProfileSettings, ReplicaSettings, RootSettings, ServerSettings
from only1mcp_kernel.offers import Offers, Registered, required_options

Schema: TypeAlias = dict[str, Any]

_NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$"
_REFERENCE: Schema = {
    "title": "Reference",
    "type": "string",
    "pattern": r"\$\{[^{}]+:[^{}]*\}",
    "description": "A value taken from elsewhere, e.g. `${env:NAME}` or `${env:NAME:-default}`.",
}
_REFERABLE = frozenset({"integer", "number", "boolean"})


def json_schema(offers: Offers) -> Schema:
    """The schema for what is installed. Equal for equal offers."""
    return _Writer(offers).root()


_LISTS = {
    "listener": "listen",
    "authenticator": "authenticate",
    "filter": "filters",
    "middleware": "middleware",
}
"""The kinds of which a configuration has a list, and what it is called."""


class _Writer:
    def __init__(self, offers: Offers) -> None:
        self._offers = offers
        self._defs: dict[str, Schema] = {"reference": _REFERENCE}
        self._inline: dict[str, Schema] = {}
        for found in offers.inline_transforms():
            self._inline.update(self._model(found.offer.config, _label(found))["properties"])

    def root(self) -> Schema:
        root = self._model(RootSettings, "gateway")
        self._components("transform")
        keys = root["properties"]
        for kind, key in _LISTS.items():
            keys[key]["items"] = self._components(kind)
        keys["servers"].update(_named(self._server()))
        keys["profiles"].update(_named(self._profile()))
        keys["mcpServers"] = {**keys["servers"], "title": "mcpServers", "description": "Same as `servers`."}
        root["not"] = {"required": ["servers", "mcpServers"]}
        root["title"] = "Only1MCP configuration"
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **root,
            "$defs": dict(sorted(self._defs.items())),
        }

    # Places

    def _components(self, kind: str) -> Schema:
        """One of the components of a kind, told apart by `use`."""
        if kind not in self._defs:
            self._defs[kind] = {"oneOf": [self._component(found) for found in self._offers.of(kind).values()]}
            if not self._offers.of(kind):
                self._defs[kind] = {"not": {}, "description": f"No {kind} is installed."}
        return {"$ref": f"#/$defs/{kind}"}

    def _component(self, found: Registered) -> Schema:
        schema = self._model(found.offer.config, _label(found))
        schema["properties"] = {"use": _use(found), **schema["properties"]}
        schema["required"] = ["use", *schema["required"]]
        return {**schema, "title": f"{found.kind} {found.offer.name}"}

    def _server(self) -> Schema:
        """A server, once per connector, and once for replicas."""
        own = self._model(ServerSettings, "server")
        keys = self._with_transforms(own["properties"])
        keys["balance"].update(anyOf=[self._components("balancer"), {"type": "null"}])
        replicas = keys.pop("replicas")
        several: Schema = {
            **own,
            "title": "server with replicas",
            "properties": {
                "replicas": {
                    **{key: replicas[key] for key in ("title", "description")},
                    "type": "array",
                    "minItems": 1,
                    "items": self._alternatives(self._model(ReplicaSettings, "replica"), "replica"),
                },
                **keys,
            },
            "required": ["replicas"],
        }
        single = self._alternatives({**own, "properties": keys}, "server")
        return {"anyOf": [*single["anyOf"], several]}

    def _alternatives(self, own: Schema, title: str) -> Schema:
        """A mapping that has keys of its own beside the options of some connector."""
        connectors = self._offers.of("connector").values()
        return {"anyOf": [self._reached_by(found, own, title) for found in connectors]}

    def _reached_by(self, found: Registered, own: Schema, title: str) -> Schema:
        options = self._model(found.offer.config, _label(found))
        word = _use(found)
        schema: Schema = {
            **own,
            "title": f"{title} by {found.offer.name}",
            "properties": {"use": word, "type": word, **options["properties"], **own["properties"]},
            "required": options["required"],
        }
        if not required_options(found.offer.config):
            schema["anyOf"] = [{"required": ["use"]}, {"required": ["type"]}]
        return schema

    def _profile(self) -> Schema:
        own = self._model(ProfileSettings, "profile")
        keys = self._with_transforms(own["properties"])
        keys["context"].update(anyOf=[self._components("economy"), {"type": "null"}])
        return {**own, "title": "profile", "properties": keys}

    def _with_transforms(self, keys: Mapping[str, Any]) -> dict[str, Any]:
        steps = {**keys["transforms"], "items": self._components("transform")}
        return {**keys, "transforms": steps, **self._inline}

    # Models

    def _model(self, model: type[BaseModel], label: str) -> Schema:
        """A model's schema, with the definitions it needs put among ours under names of their own."""
        schema = model.model_json_schema(ref_template=f"#/$defs/{label}.{{model}}")
        for name, inner in schema.pop("$defs", {}).items():
            self._defs[f"{label}.{name}"] = _referable(inner)
        schema.setdefault("properties", {})
        schema.setdefault("required", [])
        made: Schema = _referable(schema)
        return made


def _label(found: Registered) -> str:
    return f"{found.kind}.{found.offer.name}"


def _use(found: Registered) -> Schema:
    words = [found.offer.name, *found.offer.aliases]
    where = f"{found.plugin.distribution} {found.plugin.version}".strip()
    return {"enum": words, "description": f"Provided by {where}."}


def _named(schema: Schema) -> Schema:
    """A mapping by names of the user's choice."""
    return {
        "type": "object",
        "propertyNames": {"pattern": _NAME_PATTERN},
        "additionalProperties": schema,
    }


def _referable(schema: Any) -> Any:
    """The same schema, with a reference allowed wherever it wants something else than any text."""
    if isinstance(schema, list):
        return [_referable(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if _wants_no_reference(schema):
        outside = {key: schema[key] for key in ("title", "description", "default") if key in schema}
        inside = {key: value for key, value in schema.items() if key not in outside}
        return {**outside, "anyOf": [inside, {"$ref": "#/$defs/reference"}]}
    return {
        key: value if key in ("default", "examples", "enum", "const") else _referable_members(key, value)
        for key, value in schema.items()
    }


def _referable_members(key: str, value: Any) -> Any:
    if key == "properties":
        return {name: _referable(each) for name, each in value.items()}
    return _referable(value)


def _wants_no_reference(schema: Mapping[str, Any]) -> bool:
    if "enum" in schema or "const" in schema:
        return True
    restricted: Iterable[str] = ("pattern", "format", "minLength", "maxLength")
    kind = schema.get("type")
    if kind == "string":
        return any(key in schema for key in restricted)
    return isinstance(kind, str) and kind in _REFERABLE
