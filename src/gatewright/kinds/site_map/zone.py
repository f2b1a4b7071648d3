"""Zone (gatewright.dev/v1alpha1): a DNS zone as one provider or server has it, for the internet or for a private view.

Records are written relative to the domain or in full; a record set without a `type` is told by its values.  A zone file
beside the document, and what external-dns would write, add to it.  Counterpart: Resolver, which answers from Zones.
docs/site-map.md explains each field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, field, structs

from gatewright.base.document import Document
from gatewright.kinds.decode import Object, Path, Report, Schema, decode, key_of
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.naming import ALL_GATEWAYS, Record, ZoneIntent
from gatewright.kinds.kind import Kind
from gatewright.kinds.site_map import sitemap

Type = Literal[
    "A", "AAAA", "ALIAS", "CAA", "CNAME", "DS", "HTTPS", "MX", "NAPTR", "NS", "PTR", "SRV", "SVCB", "TLSA", "TXT"
]  # fmt: skip
_Ttl = Annotated[int, Meta(ge=0, le=2**31 - 1)]
_NAMES = ("ALIAS", "CNAME", "NS", "PTR")
_PROXIED = ("A", "AAAA", "CNAME")
_SECRET = re.compile(r"token|password|passwd|secret|credential|key(?!.*(?:name|algorithm)$)", re.IGNORECASE)
"""What options with secrets are called; the name and algorithm of a key are none."""
OURS = "gatewright"
"""The provider of the zones that we serve ourselves."""
_VARIABLE = re.compile(r"env/[A-Za-z_][A-Za-z0-9_]*")
_OWNER = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?")


class _Record(Schema, frozen=True):
    """`name` is relative to the domain, "@" the domain itself."""

    name: sitemap.Name
    values: tuple[str, ...]
    type: Type | None = None
    ttl: _Ttl = 0
    proxied: bool | None = None


class _ExternalDns(Schema, frozen=True):
    """`proxied`: what external-dns does where an annotation does not say (--cloudflare-proxied)."""

    proxied: bool = False


class _Spec(Schema, frozen=True):
    domain: sitemap.Name
    provider: str = ""
    view: sitemap.Name = "public"
    ssl_mode: Literal["off", "flexible", "full", "strict"] | None = None
    universal_certificate: bool = True
    edge_certificates: tuple[str, ...] = ()
    always_https: bool = field(default=False, name="alwaysHTTPS")
    external_dns: bool | _ExternalDns = field(default=False, name="externalDNS")
    file: str | None = None
    records: tuple[_Record, ...] = ()
    gateways: bool | tuple[str, ...] = ()
    nameservers: tuple[str, ...] = ()
    ttl: _Ttl = 300
    negative_ttl: _Ttl = field(default=60, name="negativeTTL")
    settings: dict[str, str | int | float | bool] = field(default_factory=dict)
    owner: str = "gatewright"


class Zone(Object, frozen=True, kw_only=True):
    spec: _Spec


def lower(document: Document) -> Lowered:
    """Lower a Zone."""
    zone, problems = decode(_worded(document), Zone)
    report = Report(document, problems)
    if zone is None:
        return report.lowered(None)
    spec = zone.spec
    domain = sitemap.hostname(spec.domain, report, "spec", "domain") or ""
    sitemap.name_of_thing(spec.view, report, "spec", "view")
    external = spec.external_dns
    file = sitemap.config(spec.file, sitemap.ZONE_FILE, document, report, "spec", "file") if spec.file else None
    intent = ZoneIntent(
        key=key_of(document),
        origin=document.origin,
        domain=domain,
        view=spec.view,
        provider=_provider(spec),
        records=_records(spec, domain, report) if domain else (),
        ssl_mode=spec.ssl_mode or "",
        universal_certificate=spec.universal_certificate,
        edge_names=sitemap.each(spec.edge_certificates, sitemap.pattern, report, "spec", "edgeCertificates"),
        external_dns=external is not False,
        proxied_default=not isinstance(external, bool) and external.proxied,
        file=file[0] if file else None,
        always_https=spec.always_https,
        gateways=_gateways(spec.gateways, report),
        nameservers=sitemap.each(spec.nameservers, sitemap.hostname, report, "spec", "nameservers"),
        ttl=spec.ttl,
        negative_ttl=spec.negative_ttl,
        settings=_settings(spec.settings, report),
        owner=_owner_mark(spec.owner, report),
    )
    return report.lowered(intent)


def _provider(spec: _Spec) -> str:
    return spec.provider.strip().lower()


def _gateways(said: bool | tuple[str, ...], report: Report) -> tuple[str, ...]:
    """The gateways that names of routes lead to."""
    if isinstance(said, bool):
        return (ALL_GATEWAYS,) if said else ()
    return sitemap.each(said, sitemap.reference, report, "spec", "gateways")


def _settings(said: Mapping[str, str | int | float | bool], report: Report) -> tuple[tuple[str, str], ...]:
    """The provider's options in their one order.  Manifests are no place for secrets."""
    found: dict[str, str] = {}
    for name, value in sorted(said.items()):
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if _SECRET.search(name) and not _VARIABLE.fullmatch(text) and not isinstance(value, bool):
            hint = f"write env/NAME, and put it into the environment variable NAME; {name} has to be replaced now"
            report.invalid("a secret does not belong into a manifest", "spec", "settings", name, hint=hint)
            continue
        found[name] = text
    return tuple(found.items())


def _owner_mark(text: str, report: Report) -> str:
    if _OWNER.fullmatch(text) is None:
        report.invalid("is no mark", "spec", "owner", hint="lower-case letters, digits, '-', '_' and '.', at most 63")
    return text


def _worded(document: Document) -> Document:
    """An `sslMode: off` without quotes is false in YAML 1.1, and means the word."""
    data: object = document.data  # which may be anything; `decode` says so
    spec = data.get("spec") if isinstance(data, Mapping) else None
    if not isinstance(spec, Mapping) or spec.get("sslMode") is not False:
        return document
    return structs.replace(document, data={**document.data, "spec": {**spec, "sslMode": "off"}})


def _records(spec: _Spec, domain: str, report: Report) -> tuple[Record, ...]:
    records: list[Record] = []
    for index, item in enumerate(spec.records):
        records += _record(item, domain, report, ("spec", "records", index), ours=_provider(spec) == OURS)
    _check_sets(records, domain, report)
    return tuple(records)


def _record(item: _Record, domain: str, report: Report, path: Path, *, ours: bool) -> list[Record]:
    """The record sets of one entry: one, or two where untyped values are of both address families."""
    name = _owner(item.name, domain, report, path)
    if not item.values:
        report.invalid("a record has at least one value", *path, "values")
    by_type: dict[str, list[str]] = {}
    for index, text in enumerate(item.values):
        kind = item.type or sitemap.record_type(text)
        value = _value(kind, text, domain, report, (*path, "values", index))
        if value is not None:
            by_type.setdefault(kind, []).append(value)
    if "CNAME" in by_type and (len(by_type) > 1 or len(by_type["CNAME"]) > 1):
        report.invalid("a CNAME has one value, a hostname, and nothing beside it", *path, "values")
    if item.proxied and ours:
        message = "nobody stands before a record of a zone that we serve; it leads to its values"
        report.unsupported(message, *path, "proxied", hint="remove proxied")
    if item.proxied and not set(by_type) <= set(_PROXIED):
        report.invalid(f"a record of type {item.type} cannot be proxied", *path, "proxied")
    origin = report.origin.at(*path)
    return [
        Record(name, kind, tuple(values), origin, item.ttl, bool(item.proxied) and not ours)
        for kind, values in by_type.items()
        if name is not None
    ]


def _owner(text: str, domain: str, report: Report, path: Path) -> str | None:
    """A record's name in full."""
    if text in ("@", "*"):
        return domain if text == "@" else f"*.{domain}"
    name = sitemap.owner(text, report, *path, "name")
    if name is None or name == domain or name.endswith(f".{domain}"):
        return name
    if text.endswith("."):
        report.invalid(f"{text} is not in the zone {domain}", *path, "name")
    return f"{name}.{domain}"


def _value(kind: str, text: str, domain: str, report: Report, path: Path) -> str | None:
    if kind in ("A", "AAAA"):
        value = sitemap.address(text, report, *path)
        if value is not None and sitemap.family(value) != (6 if kind == "AAAA" else 4):
            hint = f"write type: {sitemap.record_type(value)}, or leave the type out"
            report.invalid(f"{value} is no value of a record of type {kind}", *path, hint=hint)
            return None
        return value
    if kind in _NAMES:
        return domain if text == "@" else sitemap.target(text, report, *path)
    return text


def _check_sets(records: list[Record], domain: str, report: Report) -> None:
    """One record set per name and type, and a CNAME alone at its name (providers flatten the one of the domain)."""
    seen: dict[tuple[str, str], Record] = {}
    names: dict[str, Record] = {}
    for record in records:
        if (record.name, record.type) in seen:
            message = f"{record.name} {record.type} is listed twice"
            report.invalid(message, *_path(record, report), hint="put all values into one")
        elif _crowds(record, names.get(record.name)) and record.name != domain:
            report.invalid(f"{record.name} has a CNAME, beside which there is nothing", *_path(record, report))
        seen.setdefault((record.name, record.type), record)
        names.setdefault(record.name, record)


def _path(record: Record, report: Report) -> Path:
    return record.origin.path[len(report.origin.path) :]


def _crowds(record: Record, first: Record | None) -> bool:
    """Is one of two record sets of a name a CNAME?  Those of one entry were looked at already."""
    return first is not None and first.origin != record.origin and "CNAME" in (record.type, first.type)


KIND = Kind("Zone", (sitemap.API_VERSION,), lower, namespaced=False)
