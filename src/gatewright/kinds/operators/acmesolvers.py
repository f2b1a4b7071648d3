"""The solvers of cert-manager's ACME issuers: their schema, and what they lower to.  Not a kind; `certmanager` uses it.

A DNS provider's fields become `Solver.settings` and `Solver.secrets` under cert-manager's own names, nested ones joined
by a dot.  Which providers can be spoken to is the engines' business.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec import field

from gatewright.base.document import Document
from gatewright.kinds.decode import Ignored, Lenient, Path, Report, Schema
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.issuance import SecretEntry, Solver


class SecretRef(Schema, frozen=True):
    """One entry of a Secret of the issuer's namespace."""

    name: str
    key: str = ""


class _Parent(Lenient, frozen=True):
    name: str
    namespace: str = ""
    kind: str = "Gateway"


class _ViaIngress(Schema, frozen=True):
    ingress_class_name: str | None = ""
    class_: str | None = field(default="", name="class")
    name: str = ""
    ingress_template: Ignored = None
    pod_template: Ignored = None
    service_type: Ignored = None


class _ViaGateway(Schema, frozen=True):
    parent_refs: tuple[_Parent, ...] | None = ()
    labels: Ignored = None
    pod_template: Ignored = None
    service_type: Ignored = None


class _Http01(Schema, frozen=True):
    ingress: _ViaIngress | None = None
    gateway_http_route: _ViaGateway | None = field(default=None, name="gatewayHTTPRoute")


class _AcmeDns(Schema, frozen=True):
    host: str = ""
    account_secret_ref: SecretRef | None = None


class _Akamai(Schema, frozen=True):
    service_consumer_domain: str = ""
    client_token_secret_ref: SecretRef | None = None
    client_secret_secret_ref: SecretRef | None = None
    access_token_secret_ref: SecretRef | None = None


class _AzureDns(Schema, frozen=True):
    client_id: str = field(default="", name="clientID")
    client_secret_secret_ref: SecretRef | None = None
    subscription_id: str = field(default="", name="subscriptionID")
    tenant_id: str = field(default="", name="tenantID")
    resource_group_name: str = ""
    hosted_zone_name: str = ""
    environment: str = ""
    zone_type: str = ""
    managed_identity: Any = None


class _CloudDns(Schema, frozen=True):
    project: str = ""
    hosted_zone_name: str = ""
    service_account_secret_ref: SecretRef | None = None


class _Cloudflare(Schema, frozen=True):
    email: str = ""
    api_key_secret_ref: SecretRef | None = None
    api_token_secret_ref: SecretRef | None = None


class _DigitalOcean(Schema, frozen=True):
    token_secret_ref: SecretRef | None = None


class _Rfc2136(Schema, frozen=True):
    nameserver: str = ""
    tsig_key_name: str = ""
    tsig_algorithm: str = ""
    tsig_secret_secret_ref: SecretRef | None = None
    protocol: str = ""


class _Route53(Schema, frozen=True):
    region: str = ""
    access_key_id: str = field(default="", name="accessKeyID")
    access_key_id_secret_ref: SecretRef | None = field(default=None, name="accessKeyIDSecretRef")
    secret_access_key_secret_ref: SecretRef | None = None
    hosted_zone_id: str = field(default="", name="hostedZoneID")
    role: str = ""
    auth: Any = None


class _Webhook(Schema, frozen=True):
    group_name: str = ""
    solver_name: str = ""
    config: Ignored = None


class _Dns01(Schema, frozen=True):
    """One provider, under today's name or an older one."""

    acme_dns: _AcmeDns | None = field(default=None, name="acmeDNS")
    acmedns: _AcmeDns | None = None
    akamai: _Akamai | None = None
    azure_dns: _AzureDns | None = field(default=None, name="azureDNS")
    azuredns: _AzureDns | None = None
    cloud_dns: _CloudDns | None = field(default=None, name="cloudDNS")
    clouddns: _CloudDns | None = None
    cloudflare: _Cloudflare | None = None
    digitalocean: _DigitalOcean | None = None
    rfc2136: _Rfc2136 | None = None
    route53: _Route53 | None = None
    webhook: _Webhook | None = None
    cname_strategy: Literal["None", "Follow", ""] | None = None


class _Selector(Schema, frozen=True):
    match_labels: dict[str, str] | None = field(default_factory=dict)
    dns_names: tuple[str, ...] | None = ()
    dns_zones: tuple[str, ...] | None = ()


class SolverSpec(Schema, frozen=True):
    """One entry of spec.acme.solvers."""

    selector: _Selector | None = None
    http01: _Http01 | None = None
    dns01: _Dns01 | None = None


def lower(specs: tuple[SolverSpec, ...], namespace: str, document: Document, report: Report) -> tuple[Solver, ...]:
    """The solvers; `namespace` is that of their Secrets."""
    solvers = []
    for index, spec in enumerate(specs):
        path: Path = ("spec", "acme", "solvers", index)
        if (spec.http01 is None) == (spec.dns01 is None):
            report.invalid("a solver is either http01 or dns01", *path)
            continue
        selector = spec.selector or _Selector()
        chosen: dict[str, Any] = {
            "names": tuple(name.lower() for name in selector.dns_names or ()),
            "zones": tuple(zone.lower() for zone in selector.dns_zones or ()),
            "labels": tuple(sorted((selector.match_labels or {}).items())),
        }
        origin = document.origin.at(*path)
        if spec.dns01 is not None:
            chosen |= _dns(spec.dns01, namespace, path, report)
            solvers.append(Solver("dns01", origin, **chosen))
            continue
        http = spec.http01 or _Http01()
        ingress, gateway = http.ingress, http.gateway_http_route
        if (ingress is None) == (gateway is None):
            report.invalid("http01 goes either through an ingress or a gatewayHTTPRoute", *path, "http01")
        class_name = (ingress.ingress_class_name or ingress.class_ or "") if ingress else ""
        gateways = tuple(
            Key(parent.kind, parent.namespace or document.namespace, parent.name)
            for parent in (gateway.parent_refs if gateway else None) or ()
        )
        solvers.append(Solver("http01", origin, class_name=class_name, gateways=gateways, **chosen))
    return tuple(solvers)


_OLD_NAMES = {"acmedns": "acmeDNS", "azuredns": "azureDNS", "clouddns": "cloudDNS"}


def _dns(dns: _Dns01, namespace: str, path: Path, report: Report) -> dict[str, Any]:
    """The provider of a solver and what is said of it, as fields of a Solver."""
    named = [
        (one.encode_name, config)
        for one in msgspec.structs.fields(_Dns01)
        if one.name != "cname_strategy" and (config := getattr(dns, one.name)) is not None
    ]
    if len(named) != 1:
        report.invalid("dns01 has exactly one provider", *path, "dns01")
        return {}
    (name, config) = named[0]
    settings, secrets = [], []
    for key, value in _said(config):
        if isinstance(value, SecretRef):
            secrets.append((key, SecretEntry(Key("Secret", namespace, value.name), value.key)))
        else:
            settings.append((key, value))
    return {
        "provider": _OLD_NAMES.get(name, name),
        "settings": tuple(settings),
        "secrets": tuple(secrets),
        "follow_cname": dns.cname_strategy == "Follow",
    }


def _said(config: Any) -> Iterator[tuple[str, str | SecretRef]]:
    """The fields of a provider that somebody has set, in the order of the schema."""
    for one in msgspec.structs.fields(config):
        value = getattr(config, one.name)
        if isinstance(value, SecretRef) or (isinstance(value, str) and value):
            yield one.encode_name, value
        elif isinstance(value, dict):
            yield from ((f"{one.encode_name}.{key}", text) for key, text in _flat(value))


def _flat(value: dict[Any, Any]) -> Iterator[tuple[str, str]]:
    """The texts in nested mappings (`auth.kubernetes.serviceAccountRef.name`); there are no secrets in them."""
    pending: list[tuple[str, Any]] = [(str(key), item) for key, item in value.items()]
    while pending:
        name, item = pending.pop(0)
        if isinstance(item, dict):
            pending[:0] = [(f"{name}.{key}", below) for key, below in item.items()]
        elif isinstance(item, (str, int, float)):
            yield name, str(item)
