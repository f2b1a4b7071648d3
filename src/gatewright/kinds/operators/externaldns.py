"""DNSEndpoint (externaldns.k8s.io/v1alpha1): records that external-dns writes as they are.

Whether a CDN stands before a record is said per endpoint by `providerSpecific`; annotations of the object say nothing
of it.  A value that still holds a `${VAR}` is left out.  Counterpart: the zones of `zone`, where the records go.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from gatewright.base.document import Document
from gatewright.kinds import addressing
from gatewright.kinds.annotations import names as annotationnames
from gatewright.kinds.decode import Ignored, Object, Path, Report, Schema, decode, has_variable, key_of
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.naming import Record, RecordsIntent
from gatewright.kinds.kind import Kind
from gatewright.kinds.site_map import sitemap

PROXIED = frozenset(f"{prefix}cloudflare-proxied" for prefix in annotationnames.EXTERNAL_DNS)


class _Property(Schema, frozen=True):
    name: str = ""
    value: str = ""


class _Endpoint(Schema, frozen=True):
    dns_name: str = ""
    record_type: str = ""
    targets: tuple[str, ...] | None = ()
    record_ttl: Annotated[int, Meta(ge=0)] = field(default=0, name="recordTTL")
    provider_specific: tuple[_Property, ...] | None = ()
    labels: Ignored = None
    set_identifier: Ignored = None


class _Spec(Schema, frozen=True):
    endpoints: tuple[_Endpoint, ...] | None = ()


class DNSEndpoint(Object, frozen=True):
    spec: _Spec = _Spec()


def lower(document: Document) -> Lowered:
    """Lower a DNSEndpoint; an endpoint that external-dns would pass over is left out with a Problem."""
    endpoint, problems = decode(document, DNSEndpoint)
    report = Report(document, problems)
    if endpoint is None:
        return report.lowered(None)
    records = (
        _record(one, ("spec", "endpoints", index), report) for index, one in enumerate(endpoint.spec.endpoints or ())
    )
    found = tuple(record for record in records if record is not None)
    return report.lowered(RecordsIntent(key_of(document), document.origin, found))


def _record(endpoint: _Endpoint, path: Path, report: Report) -> Record | None:
    kind = endpoint.record_type.upper()
    for name, value in (("dnsName", endpoint.dns_name), ("recordType", kind), ("targets", endpoint.targets)):
        if not value:
            report.error("missing-field", "an endpoint needs it; this one is passed over", *path, name)
            return None
    values = []
    for index, target in enumerate(endpoint.targets or ()):
        where = (*path, "targets", index)
        if has_variable(target):
            continue
        if kind in ("A", "AAAA"):
            address = addressing.address(target)
            if address is None or (":" in address) != (kind == "AAAA"):
                family = "IPv6" if kind == "AAAA" else "IPv4"
                message = f"{target[:60]!r} is not an {family} address; the endpoint is passed over"
                report.error("unusable-record", message, *where)
                return None
            values.append(address)
        else:
            values.append(target.lower().removesuffix(".") if kind in ("CNAME", "NS") else target)
    if not values:
        return None
    said = [one.value for one in endpoint.provider_specific or () if one.name in PROXIED]
    return Record(
        name=sitemap.ascii_name(endpoint.dns_name.lower().removesuffix(".")),
        type=kind,
        values=tuple(values),
        origin=report.origin.at(*path),
        ttl=endpoint.record_ttl,
        proxied=bool(said) and said[-1].strip().lower() == "true",
        default_proxy=not said,
    )


KIND = Kind("DNSEndpoint", ("externaldns.k8s.io/v1alpha1",), lower)
