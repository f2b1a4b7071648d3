"""What the engines saw happen: acknowledgements and refusals, as immutable input of the next pass.

Engines report progress as these values; nothing in the graph is ever mutated by an engine.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class Ack(Struct, frozen=True):
    """The data plane accepted these resources (name -> version) of one type URL."""

    type_url: str
    versions: Mapping[str, str]


class Nack(Struct, frozen=True):
    """The data plane refused one resource; `message` is its own explanation."""

    type_url: str
    name: str
    version: str
    message: str


Observed = Ack | Nack
