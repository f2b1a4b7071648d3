"""Is a document as a JSON Schema says?  As much of draft 7 as the schemas of reports use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "integer": (int,), "number": (int, float),
    "null": (type(None),),
}  # fmt: skip
KEYWORDS = {
    "$schema", "$ref", "title", "description", "type", "enum", "required", "properties", "additionalProperties",
    "items", "allOf", "definitions",
}  # fmt: skip


def faults(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str = "$") -> Iterator[str]:
    """What is wrong with a value, in words.  Fields that the schema does not name are wrong, too."""
    assert set(schema) <= KEYWORDS, f"not understood: {set(schema) - KEYWORDS}"
    if "$ref" in schema:
        yield from faults(value, root["definitions"][schema["$ref"].rpartition("/")[2]], root, at)
        return
    for part in schema.get("allOf", ()):
        yield from (fault for fault in faults(value, part, root, at) if "not in the schema" not in fault)
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {schema['enum']}"
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(isinstance(value, _TYPES[name]) for name in types):
        yield f"{at}: {value!r} is not {types}"
    elif isinstance(value, dict):
        yield from _object(value, schema, root, at)
    elif isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            yield from faults(item, schema["items"], root, f"{at}[{number}]")


def _object(value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any], at: str) -> Iterator[str]:
    yield from (f"{at}: {name} is missing" for name in schema.get("required", ()) if name not in value)
    properties, others = schema.get("properties", {}), schema.get("additionalProperties")
    for name, item in value.items():
        if name in properties:
            yield from faults(item, properties[name], root, f"{at}.{name}")
        elif others is not None:
            yield from faults(item, others, root, f"{at}.{name}")
        elif properties:
            yield f"{at}.{name}: not in the schema"
