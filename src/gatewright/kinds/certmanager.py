"""cert-manager: Issuer and ClusterIssuer say how certificates are got, Certificate which Secret will hold one.

The names of a Certificate are its dnsNames, its commonName where that is a hostname (an ACME order asks for it too) and
its ipAddresses.  Older groups and versions are read alike; what changes nothing about requests (key sizes, renewal) is
accepted unread.  Counterpart: the graph, which asks whether names are covered and challenges can succeed.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import field

from gatewright.base.document import Document
from gatewright.kinds import syntax
from gatewright.kinds.decode import Ignored, Lenient, Object, Path, Report, Schema, decode, has_variable, key_of
from gatewright.kinds.intents import Key, Lowered
from gatewright.kinds.kind import Kind
from gatewright.kinds.world import CertificateIntent, IssuerIntent, Solver

GROUP = "cert-manager.io"
_VERSIONS = (
    *(f"{GROUP}/{version}" for version in ("v1", "v1beta1", "v1alpha3", "v1alpha2")),
    "certmanager.k8s.io/v1alpha1",
)


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


class _Dns01(Schema, frozen=True):
    """One provider; how it is spoken to is between cert-manager and it."""

    acme_dns: Ignored = field(default=None, name="acmeDNS")
    acmedns: Ignored = None
    akamai: Ignored = None
    azure_dns: Ignored = field(default=None, name="azureDNS")
    azuredns: Ignored = None
    cloud_dns: Ignored = field(default=None, name="cloudDNS")
    clouddns: Ignored = None
    cloudflare: Ignored = None
    digitalocean: Ignored = None
    rfc2136: Ignored = None
    route53: Ignored = None
    webhook: Ignored = None
    cname_strategy: Ignored = None


class _Selector(Schema, frozen=True):
    match_labels: dict[str, str] | None = field(default_factory=dict)
    dns_names: tuple[str, ...] | None = ()
    dns_zones: tuple[str, ...] | None = ()


class _Solver(Schema, frozen=True):
    selector: _Selector | None = None
    http01: _Http01 | None = None
    dns01: _Dns01 | None = None


class _Acme(Schema, frozen=True):
    server: str
    solvers: tuple[_Solver, ...] | None = ()
    ca_bundle: Ignored = None
    disable_account_key_generation: Ignored = None
    dns01: Ignored = None  # certmanager.k8s.io had its providers here
    email: Ignored = None
    enable_duration_feature: Ignored = None
    external_account_binding: Ignored = None
    http01: Ignored = None
    preferred_chain: Ignored = None
    private_key_secret_ref: Ignored = None
    profile: Ignored = None
    skip_tls_verify: Ignored = field(default=None, name="skipTLSVerify")


class _Ca(Schema, frozen=True):
    secret_name: str
    crl_distribution_points: Ignored = None
    issuing_certificate_urls: Ignored = field(default=None, name="issuingCertificateURLs")
    ocsp_servers: Ignored = None


class _IssuerSpec(Schema, frozen=True):
    acme: _Acme | None = None
    ca: _Ca | None = None
    self_signed: Ignored = None
    vault: Ignored = None
    venafi: Ignored = None


class Issuer(Object, frozen=True, kw_only=True):
    spec: _IssuerSpec


class _IssuerRef(Schema, frozen=True):
    name: str
    kind: str = "Issuer"
    group: str = ""


class _CertificateSpec(Schema, frozen=True):
    """Of the last block the older versions know the first five."""

    secret_name: str
    issuer_ref: _IssuerRef
    common_name: str = ""
    dns_names: tuple[str, ...] | None = ()
    ip_addresses: tuple[str, ...] | None = ()
    acme: Ignored = None
    key_algorithm: Ignored = None
    key_encoding: Ignored = None
    key_size: Ignored = None
    organization: Ignored = None
    additional_output_formats: Ignored = None
    duration: Ignored = None
    email_addresses: Ignored = None
    email_sans: Ignored = field(default=None, name="emailSANs")
    encode_usages_in_request: Ignored = None
    is_ca: Ignored = field(default=None, name="isCA")
    keystores: Ignored = None
    literal_subject: Ignored = None
    name_constraints: Ignored = None
    other_names: Ignored = None
    private_key: Ignored = None
    renew_before: Ignored = None
    renew_before_percentage: Ignored = None
    revision_history_limit: Ignored = None
    secret_template: Ignored = None
    signature_algorithm: Ignored = None
    subject: Ignored = None
    uri_sans: Ignored = field(default=None, name="uriSANs")
    uris: Ignored = None
    usages: Ignored = None


class Certificate(Object, frozen=True, kw_only=True):
    spec: _CertificateSpec


def _lower_issuer(document: Document) -> Lowered:
    issuer, problems = decode(document, Issuer)
    report = Report(document, problems)
    if issuer is None:
        return report.lowered(None)
    spec = issuer.spec
    kinds = {
        "acme": spec.acme,
        "ca": spec.ca,
        "selfSigned": spec.self_signed,
        "vault": spec.vault,
        "other": spec.venafi,
    }
    named = [kind for kind, config in kinds.items() if config is not None]
    if len(named) != 1:
        report.invalid("an issuer is of exactly one type", "spec", hint="one of acme, ca, selfSigned, vault, venafi")
    acme = spec.acme
    intent = IssuerIntent(
        key=key_of(document),
        origin=document.origin,
        type=named[0] if named else "other",
        server=acme.server if acme else "",
        solvers=_solvers(acme, document, report) if acme else (),
        # A ClusterIssuer's Secret is in cert-manager's own namespace, which is mostly called so.
        ca=Key("Secret", document.namespace or "cert-manager", spec.ca.secret_name) if spec.ca else None,
    )
    return report.lowered(intent)


def _solvers(acme: _Acme, document: Document, report: Report) -> tuple[Solver, ...]:
    solvers = []
    for index, solver in enumerate(acme.solvers or ()):
        path: Path = ("spec", "acme", "solvers", index)
        if (solver.http01 is None) == (solver.dns01 is None):
            report.invalid("a solver is either http01 or dns01", *path)
            continue
        selector = solver.selector or _Selector()
        chosen: dict[str, Any] = {
            "names": tuple(name.lower() for name in selector.dns_names or ()),
            "zones": tuple(zone.lower() for zone in selector.dns_zones or ()),
            "labels": tuple(sorted((selector.match_labels or {}).items())),
        }
        origin = document.origin.at(*path)
        if solver.dns01 is not None:
            solvers.append(Solver("dns01", origin, provider=_provider(solver.dns01, path, report), **chosen))
            continue
        http = solver.http01 or _Http01()
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


def _provider(dns: _Dns01, path: Path, report: Report) -> str:
    named = [
        one.encode_name
        for one in msgspec.structs.fields(_Dns01)
        if one.name != "cname_strategy" and getattr(dns, one.name) is not None
    ]
    if len(named) != 1:
        report.invalid("dns01 has exactly one provider", *path, "dns01")
        return ""
    return _OLD_NAMES.get(named[0], named[0])


def _lower_certificate(document: Document) -> Lowered:
    certificate, problems = decode(document, Certificate)
    report = Report(document, problems)
    if certificate is None:
        return report.lowered(None)
    spec = certificate.spec
    intent = CertificateIntent(
        key=key_of(document),
        origin=document.origin,
        secret=Key("Secret", document.namespace, spec.secret_name),
        names=_names(spec),
        issuer=_issuer(spec.issuer_ref, document, report),
        labels=tuple(sorted(certificate.metadata.labels.items())),
        created=certificate.metadata.created,
    )
    return report.lowered(intent)


def _names(spec: _CertificateSpec) -> tuple[str, ...]:
    found = [name.lower().removesuffix(".") for name in spec.dns_names or ()]
    common = spec.common_name.lower()
    if "." in common and syntax.is_hostname(common) and not has_variable(common):
        found.append(common)
    return tuple(dict.fromkeys((*found, *(spec.ip_addresses or ()))))


def _issuer(reference: _IssuerRef, document: Document, report: Report) -> Key:
    """Issuers of other groups keep their group in the name, since they are none of ours."""
    if reference.group not in ("", GROUP, "certmanager.k8s.io"):
        return Key(f"{reference.kind}.{reference.group}", document.namespace, reference.name)
    if reference.kind not in ("Issuer", "ClusterIssuer"):
        message = f"expected Issuer or ClusterIssuer, got {reference.kind[:60]!r}"
        report.invalid(message, "spec", "issuerRef", "kind")
    return Key(reference.kind, "" if reference.kind == "ClusterIssuer" else document.namespace, reference.name)


KINDS = (
    Kind("Issuer", _VERSIONS, _lower_issuer),
    Kind("ClusterIssuer", _VERSIONS, _lower_issuer, namespaced=False),
    Kind("Certificate", _VERSIONS, _lower_certificate),
)
