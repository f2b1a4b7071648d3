"""`${VAR}` in the text of a manifest, replaced as Flux's postBuild does it, before the text is parsed.

Supported are `${VAR}`, `${VAR:=default}`, `${VAR:-default}`, `${VAR=default}`, `${VAR-default}` and
the escape `$${VAR}`.  A variable without a value, and an operator that is not supported, stay in
the text as they are and are reported: Flux would put in nothing, which is never what was meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

USE = re.compile(r"\$?\$\{([A-Za-z_][A-Za-z0-9_]*)(:?[=-])?([^{}]*)\}")
_DISABLED = re.compile(
    r"kustomize\.toolkit\.fluxcd\.io/substitute[\"']?[ \t]*:[ \t]*[\"']?disabled[\"']?[ \t]*(?:#.*|[,}].*)?$",
    re.MULTILINE,
)


def may_substitute(text: str) -> bool:
    """Does the text use variables, and does its owner allow that?"""
    return "${" in text and _DISABLED.search(text) is None


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """The text with every variable replaced that has a value or a default."""

    def replace(use: re.Match[str]) -> str:
        if use.group().startswith("$$"):
            return use.group()[1:]
        name, operator, rest = use.groups()
        value = variables.get(name)
        if operator is None:
            return value if value is not None and not rest else use.group()
        if value is None or (value == "" and operator.startswith(":")):
            return str(rest)
        return value

    return USE.sub(replace, text)


def uses(value: Any) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    """Every variable that a value still uses, and the path of the field; in the value's own order."""
    pending: list[tuple[Any, tuple[str | int, ...]]] = [(value, ())]
    while pending:
        node, path = pending.pop()
        if isinstance(node, str):
            if "${" in node:
                for use in USE.finditer(node):
                    if not use.group().startswith("$$"):
                        yield use.group(1), path
        elif isinstance(node, dict):
            pending.extend((child, (*path, key)) for key, child in reversed(node.items()))
            for key in node:
                if "${" in key:
                    yield from ((use.group(1), (*path, key)) for use in USE.finditer(key))
        elif isinstance(node, list):
            pending.extend((child, (*path, index)) for index, child in reversed(list(enumerate(node))))
