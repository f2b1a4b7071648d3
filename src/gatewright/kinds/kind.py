"""What a kind file exports: a `Kind`.  The visible list of all of them is `gatewright.kinds.KINDS`."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from gatewright.base.document import Document
from gatewright.kinds.intents import Lowered


class Kind(Struct, frozen=True):
    """One kind: its name, the API groups and versions it is known by, whether it is namespaced, how to lower it.

    `lower` is pure and total: whatever the document holds, it returns Problems and never raises.
    """

    name: str
    api_versions: tuple[str, ...]
    lower: Callable[[Document], Lowered]
    namespaced: bool = True
