"""View (gatewright.dev/v1alpha1): who sees which of the Zones that we serve, who copies them and who may change them.

A View is called like the `view` of its Zones.  Its clients are CIDRs and places of the map in one list:

    apiVersion: gatewright.dev/v1alpha1
    kind: View
    metadata: {name: house}
    spec:
      clients: [{network: home/lan}, 10.8.0.0/24]

Counterparts: Zone, the names; Resolver, which says whom clients ask.  docs/site-map.md explains each field.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, structs

from gatewright.base.document import Document
from gatewright.kinds.decode import Object, Path, Report, Schema, decode, key_of, suggest
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.naming import RateLimit, Secondary, TsigKey, UpdateGrant, ViewIntent
from gatewright.kinds.intents.places import Spot
from gatewright.kinds.kind import Kind
from gatewright.kinds.site_map import sitemap

Algorithm = Literal[
    "hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha256-128", "hmac-sha384", "hmac-sha384-192", "hmac-sha512",
    "hmac-sha512-256",
]  # fmt: skip
Type = Literal["A", "AAAA", "CAA", "CNAME", "HTTPS", "MX", "NAPTR", "NS", "PTR", "SRV", "SSHFP", "SVCB", "TLSA", "TXT"]


class _SecretEntry(Schema, frozen=True):
    name: sitemap.Name
    key: str
    namespace: str = "default"


class _Key(Schema, frozen=True):
    name: sitemap.Name
    secret: _SecretEntry
    algorithm: Algorithm = "hmac-sha256"


class _Secondary(Schema, frozen=True):
    address: str
    port: sitemap.Port = 53
    key: str | None = None


class _Update(Schema, frozen=True):
    key: str
    names: tuple[str, ...] = ()
    types: tuple[Type, ...] = ()


class _RateLimit(Schema, frozen=True):
    """`slip`: every how many-th answer above the limit is truncated rather than left out; 0 none."""

    per_second: Annotated[int, Meta(ge=1, le=1_000_000)] = 200
    slip: Annotated[int, Meta(ge=0, le=100)] = 2
    exempt: tuple[str, ...] = ()


class _Spec(Schema, frozen=True):
    clients: tuple[str | sitemap.Place, ...] = ()
    listen: tuple[str, ...] = ()
    client_subnet: bool = False
    tsig_keys: tuple[_Key, ...] = ()
    transfer_to: tuple[str, ...] = ()
    secondaries: tuple[_Secondary, ...] = ()
    updates: tuple[_Update, ...] = ()
    rate_limit: bool | _RateLimit = True


class View(Object, frozen=True, kw_only=True):
    spec: _Spec


def lower(document: Document) -> Lowered:
    """Lower a View.  Without one a view is for all private addresses, so a View that is unusable is for nobody."""
    lowered = _lower(document)
    if lowered.intent is not None:
        return lowered
    return structs.replace(lowered, instead=ViewIntent(key_of(document), document.origin, unusable=True))


def _lower(document: Document) -> Lowered:
    view, problems = decode(document, View)
    report = Report(document, problems)
    if view is None:
        return report.lowered(None)
    spec = view.spec
    clients, spots = _clients(spec.clients, report)
    keys = _keys(spec.tsig_keys, report)
    known = [key.name for key in keys]
    intent = ViewIntent(
        key=key_of(document),
        origin=document.origin,
        clients=clients,
        spots=spots,
        listen=sitemap.each(spec.listen, sitemap.address, report, "spec", "listen"),
        client_subnet=spec.client_subnet,
        keys=keys,
        transfer_to=sitemap.each(spec.transfer_to, sitemap.cidr, report, "spec", "transferTo"),
        secondaries=_secondaries(spec.secondaries, known, report),
        updates=_updates(spec.updates, known, report),
        rate_limit=_rate_limit(spec.rate_limit, report),
    )
    return report.lowered(intent)


def _clients(clients: Iterable[str | sitemap.Place], report: Report) -> tuple[tuple[str, ...], tuple[Spot, ...]]:
    """The CIDRs among the clients, and the places."""
    cidrs: list[str] = []
    spots: list[Spot] = []
    for index, client in enumerate(clients):
        path = ("spec", "clients", index)
        if isinstance(client, str):
            cidr = sitemap.cidr(client, report, *path)
            cidrs += () if cidr is None else (cidr,)
        else:
            spot = sitemap.spot(client, report, *path)
            spots += () if spot is None else (spot,)
    return tuple(cidrs), tuple(spots)


def _keys(keys: Iterable[_Key], report: Report) -> tuple[TsigKey, ...]:
    found: dict[str, TsigKey] = {}
    for index, key in enumerate(keys):
        path: Path = ("spec", "tsigKeys", index)
        name = sitemap.owner(key.name, report, *path, "name")
        if name is None:
            continue
        if name in found:
            report.invalid(f"the key {name} is listed twice", *path, "name")
        secret = Key("Secret", key.secret.namespace, key.secret.name)
        found[name] = TsigKey(name, key.algorithm, secret, key.secret.key, report.origin.at(*path))
    return tuple(found.values())


def _key(text: str, known: list[str], report: Report, path: Path) -> str:
    """The name of one of the keys."""
    name = text.strip().lower().removesuffix(".")
    if name not in known:
        hint = suggest(name, known) or "list it in tsigKeys"
        report.invalid(f"there is no key {text!r}", *path, "key", hint=hint)
    return name


def _secondaries(secondaries: Iterable[_Secondary], known: list[str], report: Report) -> tuple[Secondary, ...]:
    found = []
    for index, other in enumerate(secondaries):
        path: Path = ("spec", "secondaries", index)
        address = sitemap.address(other.address, report, *path, "address")
        key = _key(other.key, known, report, path) if other.key is not None else ""
        if address is not None:
            found.append(Secondary(address, report.origin.at(*path), other.port, key))
    return tuple(found)


def _updates(updates: Iterable[_Update], known: list[str], report: Report) -> tuple[UpdateGrant, ...]:
    found = []
    for index, grant in enumerate(updates):
        path: Path = ("spec", "updates", index)
        names: list[str] = []
        for number, text in enumerate(grant.names):
            name = sitemap.owner(text, report, *path, "names", number)
            names += () if name is None else (name,)
        key = _key(grant.key, known, report, path)
        found.append(UpdateGrant(key, report.origin.at(*path), tuple(names), grant.types))
    return tuple(found)


def _rate_limit(said: bool | _RateLimit, report: Report) -> RateLimit | None:
    if isinstance(said, bool):
        return RateLimit() if said else None
    exempt = sitemap.each(said.exempt, sitemap.cidr, report, "spec", "rateLimit", "exempt")
    return RateLimit(said.per_second, said.slip, exempt)


KIND = Kind("View", (sitemap.API_VERSION,), lower, namespaced=False)
