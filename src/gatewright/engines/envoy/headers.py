"""Header edits, composed: several lists of removals, settings and additions become one, in order.

Envoy runs removals first and then one list of settings and additions, so a sequence of edits is first
evaluated symbolically, name by name: is the original kept, and which values stand after it?
"""

from __future__ import annotations

from collections.abc import Iterable

from envoy.config.core.v3 import base_pb2
from msgspec import Struct

from gatewright.kinds.intents.filters import HeaderEdit

_SET = base_pb2.HeaderValueOption.HeaderAppendAction.Value("OVERWRITE_IF_EXISTS_OR_ADD")
_ADD = base_pb2.HeaderValueOption.HeaderAppendAction.Value("APPEND_IF_EXISTS_OR_ADD")
_HOST = "host"


class Headers(Struct, frozen=True):
    """The outcome: names to remove, options to add, and a Host to send instead (None: unchanged)."""

    remove: tuple[str, ...] = ()
    add: tuple[base_pb2.HeaderValueOption, ...] = ()
    host: str | None = None
    removes_host: bool = False


class _Name(Struct):
    """What becomes of one header."""

    written: str
    kept: bool = True
    values: list[str] = []


def compose(edits: Iterable[HeaderEdit]) -> Headers:
    """All edits in order, as one."""
    names: dict[str, _Name] = {}
    for edit in edits:
        for name in edit.remove:
            names[name.lower()] = _Name(name, kept=False)
        for name, value in edit.set:
            names[name.lower()] = _Name(name, kept=False, values=[value])
        for name, value in edit.add:
            names.setdefault(name.lower(), _Name(name)).values.append(value)
    if not names:
        return Headers()
    host = names.pop(_HOST, None)
    return Headers(
        remove=tuple(n.written for n in names.values() if not n.kept and not n.values),
        add=tuple(option for n in names.values() for option in _options(n)),
        host=host.values[-1] if host and host.values else None,
        removes_host=host is not None and not host.values,
    )


def _options(name: _Name) -> list[base_pb2.HeaderValueOption]:
    return [
        base_pb2.HeaderValueOption(
            header=base_pb2.HeaderValue(key=name.written, value=literal(value)),
            append_action=_SET if number == 0 and not name.kept else _ADD,
            keep_empty_value=True,
        )
        for number, value in enumerate(name.values)
    ]


def literal(value: str) -> str:
    """Text for a place where Envoy expands %COMMANDS%."""
    return value.replace("%", "%%")
