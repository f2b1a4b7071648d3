"""Resolver (gatewright.dev/v1alpha1): a DNS server that clients ask, whichever program it is.

What the program does where its configuration does not say is filled in here: which of several upstreams answers, what a
query for the other address family gets, whether private addresses are dropped.  A configuration of the program beside
the document (`config`) says more; where there is one, its own defaults hold.  Counterpart: Zone, the records.
docs/site-map.md explains each field.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field, structs

from gatewright.base.document import Document
from gatewright.kinds.decode import Object, Path, Report, Schema, decode, key_of
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.naming import Forwarding, GatewayNames, Override, ResolverConfig, ResolverIntent
from gatewright.kinds.kind import Kind
from gatewright.kinds.site_map import sitemap

PUBLIC = "public"
"""The upstream that stands for the DNS of the internet."""

OURS = "Gatewright"
"""The implementation that answers from Zones alone."""
_OF_RESOLVERS = (
    "overrides", "other_family", "forwards", "upstreams", "order", "domains", "gateway_names", "rebind_protection",
    "filters_ipv6",
)  # fmt: skip

NOTHING = "NXDOMAIN"
"""The type of an override that says that there is no such name."""

Order = Literal["first", "any"]
Other = Literal["forward", "empty"]


class _Program(Struct, frozen=True):
    """What an implementation does by default, and the kind of its configuration file ("" when we read none)."""

    order: str = "any"
    others: str = "empty"
    rebind_protection: bool = False
    wildcard_apex: bool = False
    file: str = ""


# FritzBox and Pi-hole ask upstream for the address family that a local name lacks; dnsmasq's address=/x/ is x and all
# below.  Only FritzBox and CoreDNS choose upstreams by a rule of their own: in order, and at random.
PROGRAMS = {
    "FritzBox": _Program("first", "forward", rebind_protection=True),
    "AdGuardHome": _Program(file=sitemap.ADGUARD),
    "PiHole": _Program(others="forward", wildcard_apex=True, file=sitemap.DNSMASQ),
    "dnsmasq": _Program(wildcard_apex=True, file=sitemap.DNSMASQ),
    "CoreDNS": _Program(file=sitemap.COREFILE),
    "k8s_gateway": _Program(file=sitemap.COREFILE),
    "Unbound": _Program(),
    "BIND": _Program(),
    "Technitium": _Program(),
    "Gatewright": _Program(),
    "public": _Program(),
    "other": _Program(),
}


class _Override(Schema, frozen=True):
    """`type` is for NXDOMAIN; addresses and names tell of themselves."""

    name: sitemap.Name
    values: tuple[str, ...] = ()
    type: Literal["A", "AAAA", "CNAME", "NXDOMAIN"] | None = None
    other_family: Other | None = None
    apex: bool | None = None


class _Forward(Schema, frozen=True):
    domain: sitemap.Name
    to: tuple[str, ...]
    order: Order | None = None


class _GatewayNames(Schema, frozen=True):
    domains: tuple[str, ...]
    gateways: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    resources: tuple[
        Literal["Ingress", "Service", "HTTPRoute", "TLSRoute", "GRPCRoute", "VirtualServer", "DNSEndpoint"], ...
    ] = ()
    fallthrough: bool = False


class _Except(Schema, frozen=True):
    """`except`: domains whose private addresses pass."""

    except_: tuple[str, ...] = field(name="except")


class _Spec(Schema, frozen=True):
    implementation: Literal[
        "FritzBox", "AdGuardHome", "PiHole", "dnsmasq", "CoreDNS", "k8s_gateway", "Unbound", "BIND", "Technitium",
        "Gatewright", "public", "other",
    ] = "other"  # fmt: skip
    addresses: tuple[str, ...] = ()
    runs_on: sitemap.Place | None = None
    overrides: tuple[_Override, ...] = ()
    other_family: Other | None = None
    forwards: tuple[_Forward, ...] = ()
    upstreams: tuple[str, ...] | None = None
    order: Order | None = None
    domains: tuple[str, ...] = ()
    gateway_names: _GatewayNames | None = None
    views: tuple[str, ...] = ()
    rebind_protection: bool | _Except | None = None
    filters_ipv6: bool = field(default=False, name="filtersIPv6")
    config: sitemap.Config | None = None


class Resolver(Object, frozen=True, kw_only=True):
    spec: _Spec


def lower(document: Document) -> Lowered:
    """Lower a Resolver, filling in what its implementation does by default."""
    resolver, problems = decode(document, Resolver)
    report = Report(document, problems)
    if resolver is None:
        return report.lowered(None)
    spec = resolver.spec
    program = PROGRAMS[spec.implementation]
    protection = program.rebind_protection if spec.rebind_protection is None else spec.rebind_protection
    spared = () if isinstance(protection, bool) else protection.except_
    file, entry = _config(spec, program, document, report)
    if spec.implementation == OURS:
        spec = _authoritative(spec, report)
    intent = ResolverIntent(
        key=key_of(document),
        origin=document.origin,
        implementation=spec.implementation.lower(),
        addresses=sitemap.each(spec.addresses, sitemap.address, report, "spec", "addresses"),
        at=sitemap.spot(spec.runs_on, report, "spec", "runsOn") if spec.runs_on is not None else None,
        config=_said(spec, program, report),
        file=file,
        file_entry=entry,
        views=sitemap.each(spec.views, sitemap.name_of_thing, report, "spec", "views"),
        rebind_protection=protection is not False,
        rebind_exceptions=sitemap.each(spared, sitemap.hostname, report, "spec", "rebindProtection", "except"),
    )
    return report.lowered(intent)


def _authoritative(spec: _Spec, report: Report) -> _Spec:
    """What is left of a Resolver that only answers from Zones; what does not belong to one is refused."""
    bare = _Spec()
    for info in structs.fields(_Spec):
        if info.name in _OF_RESOLVERS and getattr(spec, info.name) != getattr(bare, info.name):
            hint = "records belong to a Zone with provider: Gatewright; let another Resolver forward to this one"
            report.invalid("Gatewright answers from Zones, and asks nobody", "spec", info.encode_name, hint=hint)
    return structs.replace(spec, upstreams=())


def _config(spec: _Spec, program: _Program, document: Document, report: Report) -> tuple[Key | None, str]:
    if spec.config is None:
        return None, ""
    if not program.file:
        hint = "list its overrides, forwards and upstreams here; records of a BIND zone file belong to a Zone"
        message = f"no configuration of the implementation {spec.implementation} is read"
        report.invalid(message, "spec", "config", hint=hint)
        return None, ""
    return sitemap.config(spec.config, program.file, document, report, "spec", "config") or (None, "")


def _said(spec: _Spec, program: _Program, report: Report) -> ResolverConfig:
    """What the document itself says.  Defaults of the program only without a configuration, which has its own."""
    alone = spec.config is None
    upstreams = ((PUBLIC,) if alone else ()) if spec.upstreams is None else spec.upstreams
    names = spec.gateway_names
    return ResolverConfig(
        overrides=tuple(
            override
            for index, item in enumerate(spec.overrides)
            for override in _override(item, spec, program, report, ("spec", "overrides", index))
        ),
        forwards=tuple(_forward(item, report, ("spec", "forwards", i)) for i, item in enumerate(spec.forwards)),
        gateway_names=(_gateway_names(names, report),) if names is not None else (),
        domains=sitemap.each(spec.domains, sitemap.hostname, report, "spec", "domains"),
        upstreams=sitemap.each(upstreams, sitemap.address_or_name, report, "spec", "upstreams"),
        order=spec.order or (program.order if alone else ""),
        filters_ipv6=spec.filters_ipv6,
    )


def _override(item: _Override, spec: _Spec, program: _Program, report: Report, path: Path) -> list[Override]:
    """One Override per record type that the values amount to."""
    name = sitemap.pattern(item.name, report, *path, "name")
    if (item.type == NOTHING) == bool(item.values):
        message = "NXDOMAIN has no values" if item.values else "an override has at least one value"
        report.invalid(message, *path, "values", hint="" if item.values else "or type: NXDOMAIN, for no such name")
    by_type: dict[str, list[str]] = {NOTHING: []} if item.type == NOTHING else {}
    for index, text in enumerate(item.values):
        where = (*path, "values", index)
        kind = sitemap.record_type(text)
        value = sitemap.target(text, report, *where) if kind == "CNAME" else sitemap.address(text, report, *where)
        if item.type not in (None, NOTHING, kind):
            report.invalid(f"{text} is no value of type {item.type}", *where, hint=f"it is of type {kind}")
        if value is not None:
            by_type.setdefault(kind, []).append(value)
    if "CNAME" in by_type and sum(map(len, by_type.values())) > 1:
        report.invalid("a hostname stands alone", *path, "values")
    if item.apex and not item.name.startswith("*."):
        report.invalid("only a wildcard can cover its apex too", *path, "apex")
    wildcard = item.name.startswith("*.")
    others = item.other_family or spec.other_family or program.others
    apex = program.wildcard_apex if item.apex is None else item.apex
    return [
        Override(name, kind, tuple(values), report.origin.at(*path), wildcard and apex, others)
        for kind, values in by_type.items()
        if name is not None
    ]


def _forward(item: _Forward, report: Report, path: Path) -> Forwarding:
    domain = "" if item.domain == "." else sitemap.hostname(item.domain, report, *path, "domain") or ""
    if not item.to:
        report.invalid("forwards to nobody", *path, "to", hint="list addresses, names of Resolvers, or public")
    to = sitemap.each(item.to, sitemap.address_or_name, report, *path, "to")
    return Forwarding(domain, to, report.origin.at(*path), item.order or "")


def _gateway_names(names: _GatewayNames, report: Report) -> GatewayNames:
    path: Path = ("spec", "gatewayNames")
    if not names.domains:
        report.invalid("answers for no domain", *path, "domains")
    domains = sitemap.each(names.domains, sitemap.hostname, report, *path, "domains")
    for index, gateway in enumerate(names.gateways):
        sitemap.reference(gateway, report, *path, "gateways", index)
    return GatewayNames(
        domains, report.origin.at(*path), names.resources, names.gateways, names.classes, names.fallthrough
    )


KIND = Kind("Resolver", (sitemap.API_VERSION,), lower, namespaced=False)
