"""One decoded document of the input: what `sources` produce and `kinds` consume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from gatewright.base.origin import Origin


class Document(Struct, frozen=True):
    """One decoded YAML/JSON document that looks like an object (it has apiVersion and kind).

    `namespace` is the effective one as far as the source knows (metadata, Kustomize, Flux), "" when nobody
    says; the kind decides whether that means "default" or cluster-scoped.  `data` is the raw mapping and is
    never mutated.
    """

    origin: Origin
    api_version: str
    kind: str
    namespace: str
    name: str
    data: Mapping[str, Any]

    def __repr__(self) -> str:
        """Without `data`: a Secret or a WireGuard configuration holds keys, and a repr ends up in logs."""
        return f"Document({self.api_version} {self.kind} {self.namespace}/{self.name}, {self.origin!r})"

    @property
    def group(self) -> str:
        """The API group ("" for core)."""
        group, slash, _ = self.api_version.rpartition("/")
        return group if slash else ""
