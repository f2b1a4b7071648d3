"""The resource cache: what every Envoy should hold, per type URL and name, serialised exactly once.

Not a protocol: who has which version is kept per stream in `delta`, its counterpart.  Versions are
hashes of the bytes, so a restarted control plane that computes the same bytes tells Envoy nothing
new.  The cache also remembers, per resource, the last version that an Envoy accepted: a refused
version is replaced by it until its bytes change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from envoy.service.discovery.v3 import discovery_pb2 as discovery
from google.protobuf.any_pb2 import Any
from msgspec import Struct, field


class Change(Struct, frozen=True, gc=False):
    """Set a resource to these bytes (the `value` of its protobuf Any), or remove it (`value` None).

    An `on_demand` resource is no part of a wildcard subscription: Envoy gets it when it asks by name.
    """

    type_url: str
    name: str
    value: bytes | None = None
    on_demand: bool = False


class Resource(Struct, frozen=True, gc=False):
    """One serialised resource.  `frame` is a DeltaDiscoveryResponse that holds only this resource:

    concatenated protobuf messages merge, so a response is its frames joined, and nothing is parsed
    or serialised again when it is sent.
    """

    name: str
    version: str
    frame: bytes
    on_demand: bool = False


def serialise(change: Change) -> Resource:
    """The resource that an upsert stands for."""
    assert change.value is not None
    version = blake2b(change.value, digest_size=8).hexdigest()
    body = Any(type_url=change.type_url, value=change.value)
    wire = discovery.Resource(name=change.name, version=version, resource=body)
    frame = discovery.DeltaDiscoveryResponse(resources=[wire]).SerializeToString()
    return Resource(change.name, version, frame, change.on_demand)


class Held(Struct, frozen=True, gc=False):
    """A refused version that is held back; `serving` is the version that stands in for it, if any."""

    type_url: str
    name: str
    version: str
    serving: str | None


class _Store(Struct):
    """The resources of one type."""

    live: dict[str, Resource] = field(default_factory=dict)
    good: dict[str, Resource] = field(default_factory=dict)
    refused: dict[str, Resource] = field(default_factory=dict)


class Resources:
    """All resources by type URL.  Every method costs what it is given, whatever the cache holds."""

    def __init__(self) -> None:
        self._stores: dict[str, _Store] = {}
        self.epoch = 0
        """How often `apply` was called.  0: nothing is known yet, so nothing may be said to be gone."""

    def apply(self, changes: Iterable[Change]) -> dict[str, list[str]]:
        """Make the changes; the names that really differ now, by type URL."""
        self.epoch += 1
        changed: dict[str, list[str]] = {}
        for change in changes:
            store = self._stores.setdefault(change.type_url, _Store())
            differs = _remove(store, change.name) if change.value is None else _set(store, serialise(change))
            if differs:
                changed.setdefault(change.type_url, []).append(change.name)
        return changed

    def get(self, type_url: str, name: str) -> Resource | None:
        """What an Envoy should hold under this name."""
        store = self._stores.get(type_url)
        return store.live.get(name) if store else None

    def all(self, type_url: str) -> Iterable[Resource]:
        """Every resource of a type."""
        store = self._stores.get(type_url)
        return store.live.values() if store else ()

    def is_held(self, type_url: str, name: str) -> bool:
        """Is a refused version of this resource held back?  Then its absence is no wish to remove it."""
        store = self._stores.get(type_url)
        return store is not None and name in store.refused

    def held(self) -> list[Held]:
        """Everything that is held back, for status reports."""
        return [
            Held(type_url, name, bad.version, live.version if (live := store.live.get(name)) else None)
            for type_url, store in self._stores.items()
            for name, bad in store.refused.items()
        ]

    @property
    def held_count(self) -> int:
        """How many resources are held back."""
        return sum(len(store.refused) for store in self._stores.values())

    def accept(self, type_url: str, versions: Mapping[str, str]) -> None:
        """An Envoy took these versions: they are what a later, refused one falls back to."""
        store = self._stores.get(type_url)
        if store is None:
            return
        for name, version in versions.items():
            live = store.live.get(name)
            if live is not None and live.version == version:
                store.good[name] = live

    def refuse(self, type_url: str, name: str, version: str) -> bool:
        """An Envoy refused this version: hold it back.  False if it is not the current one."""
        store = self._stores.get(type_url)
        live = store.live.get(name) if store else None
        if store is None or live is None or live.version != version:
            return False
        store.refused[name] = live
        good = store.good.get(name)
        if good is None or good.version == version:
            del store.live[name]
        else:
            store.live[name] = good
        return True

    def forgive(self, type_url: str, name: str) -> bool:
        """Offer a held-back version again (its cause was outside, such as a port that was taken)."""
        store = self._stores.get(type_url)
        bad = store.refused.pop(name, None) if store else None
        if store is None or bad is None:
            return False
        store.live[name] = bad
        return True


def _set(store: _Store, resource: Resource) -> bool:
    name = resource.name
    refused = store.refused.get(name)
    if refused is not None and refused.version == resource.version:
        return False
    if refused is not None:
        del store.refused[name]
    live = store.live.get(name)
    if live == resource:
        return refused is not None
    store.live[name] = resource
    return True


def _remove(store: _Store, name: str) -> bool:
    store.good.pop(name, None)
    held = store.refused.pop(name, None)
    return store.live.pop(name, None) is not None or held is not None
