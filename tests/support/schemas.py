"""The JSON Schema of the site map, made of the kinds' own Structs and explained by docs/site-map.md.

`scripts/schemas` writes it, a house test holds it current.  What the schema cannot say (a CIDR, one of two fields) the
kinds check.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from gatewright.kinds.decode import Object
from gatewright.kinds.site_map.expectation import Expectation
from gatewright.kinds.site_map.firewall import Firewall
from gatewright.kinds.site_map.ingresscontroller import IngressController
from gatewright.kinds.site_map.link import Link
from gatewright.kinds.site_map.resolver import Resolver
from gatewright.kinds.site_map.site import Site
from gatewright.kinds.site_map.sitemap import API_VERSION
from gatewright.kinds.site_map.vantage import Vantage
from gatewright.kinds.site_map.view import View
from gatewright.kinds.site_map.zone import Zone
from support.needs import REPOSITORY

SHIPPED = REPOSITORY / "src/gatewright/schemas/site-map.json"
PAGE = REPOSITORY / "docs/site-map.md"
STRUCTS: tuple[type[Object], ...] = (
    Site, Link, Firewall, Zone, View, Resolver, IngressController, Vantage, Expectation,
)  # fmt: skip

_ROW = re.compile(r"^\| `(?P<field>[^`]+)` \| (?P<meaning>[^|]*?) \| (?P<absent>[^|]*?) ?\|$")
_HEAD = re.compile(r"^\| field of `spec\.?(?P<prefix>[^`]*)` \|")

Schema = dict[str, Any]


def text() -> str:
    """The file that is shipped."""
    return msgspec.json.format(msgspec.json.encode(whole()), indent=1).decode() + "\n"


def whole() -> Schema:
    """One schema for files that may hold every kind of the site map, and other documents beside them."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Gatewright site map",
        "type": "object",
        "allOf": [
            {
                "if": {
                    "required": ["apiVersion", "kind"],
                    "properties": {"apiVersion": {"const": API_VERSION}, "kind": {"const": struct.__name__}},
                },
                "then": {"$ref": f"#/definitions/{struct.__name__}"},
            }
            for struct in STRUCTS
        ],
        "definitions": {struct.__name__: of(struct) for struct in STRUCTS},
    }


def of(struct: type[Object]) -> Schema:
    """The schema of one kind."""
    (reference,), components = msgspec.json.schema_components([struct])
    schema = _plain(reference, components)
    name = struct.__name__
    properties = schema["properties"]
    del properties["status"]
    properties["apiVersion"] = {"const": API_VERSION}
    properties["kind"] = {"const": name}
    properties["metadata"] = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}, **properties["metadata"]["properties"]},
    }
    del properties["metadata"]["properties"]["creationTimestamp"]
    schema["required"] = ["apiVersion", "kind", "metadata", "spec"]
    schema["title"] = name
    told = descriptions(name)
    for path, field in fields(properties["spec"]):
        if path in told:
            field["description"] = told[path]
    return schema


def fields(schema: Schema, prefix: str = "") -> Iterator[tuple[str, Schema]]:
    """Every field below a schema, as `networks[].cidrs`."""
    for choice in schema.get("anyOf", ()):
        yield from fields(choice, prefix)
    if isinstance(schema.get("items"), dict):
        yield from fields(schema["items"], f"{prefix}[]")
    for name, field in schema.get("properties", {}).items():
        path = f"{prefix}.{name}" if prefix else name
        yield path, field
        yield from fields(field, path)


def descriptions(kind: str) -> dict[str, str]:
    """What the page says of each field of a kind."""
    found: dict[str, str] = {}
    prefix = ""
    for line in section(kind).splitlines():
        if head := _HEAD.match(line):
            prefix = f"{head['prefix']}." if head["prefix"] else ""
        elif row := _ROW.match(line):
            absent = row["absent"].strip()
            usual = "" if absent in ("", "required") else f" (when absent: {absent})"
            found[prefix + row["field"]] = (row["meaning"] + usual).replace("`", "")
    return found


def section(kind: str, page: Path = PAGE) -> str:
    """The part of the page about a kind."""
    return page.read_text(encoding="utf-8").partition(f"\n## {kind}\n")[2].partition("\n## ")[0]


def examples(kind: str) -> list[dict[str, Any]]:
    """The documents that the page shows for a kind."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", section(kind), re.M | re.S)
    return [item for block in blocks for item in yaml.safe_load_all(block)]


def _plain(schema: Any, components: Schema) -> Any:
    """A schema with its references written out, without null (which is as good as absent) and empty defaults."""
    if isinstance(schema, list):
        return [_plain(item, components) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _plain(components[schema["$ref"].rpartition("/")[2]], components)
    result = {
        key: {name: _plain(field, components) for name, field in value.items()}
        if key == "properties"
        else _plain(value, components)
        for key, value in schema.items()
        if key not in ("title", "description") or not isinstance(value, str)
        if key != "default" or (value not in (None, "", [], {}) and not isinstance(value, dict))
    }
    choices = [choice for choice in result.get("anyOf", ()) if choice != {"type": "null"}]
    if "enum" in result:
        result["enum"] = [choice for choice in result["enum"] if choice is not None]
    if len(choices) == 1:
        del result["anyOf"]
        return {**choices[0], **result}
    return {**result, "anyOf": choices} if choices else result
