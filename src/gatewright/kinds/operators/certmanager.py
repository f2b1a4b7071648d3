"""cert-manager: Issuer and ClusterIssuer say how certificates are got, Certificate which Secret will hold one.

The names of a Certificate are its dnsNames, its commonName where that is a hostname (an ACME order asks for it too) and
its ipAddresses.  Older groups and versions are read alike.  Counterparts: `acmesolvers` and `certificatespec`, which
read parts of them; the graph, which asks whether names are covered and challenges can succeed.
"""

from __future__ import annotations

import base64
import ipaddress
from typing import Any

from msgspec import field, structs

from gatewright.base.document import Document
from gatewright.base.problem import Severity
from gatewright.kinds import syntax
from gatewright.kinds.decode import Ignored, Object, Report, Schema, decode, has_variable, key_of
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.issuance import AcmeSettings, CertificateIntent, IssuerIntent, PrivateKey, SecretEntry
from gatewright.kinds.kind import Kind
from gatewright.kinds.operators import acmesolvers, certificatespec
from gatewright.kinds.operators.acmesolvers import SecretRef, SolverSpec

GROUP = "cert-manager.io"
OWN_NAMESPACE = "cert-manager"
_VERSIONS = (
    *(f"{GROUP}/{version}" for version in ("v1", "v1beta1", "v1alpha3", "v1alpha2")),
    "certmanager.k8s.io/v1alpha1",
)


class _ExternalAccount(Schema, frozen=True):
    key_id: str = field(name="keyID")
    key_secret_ref: SecretRef
    key_algorithm: Ignored = None  # deprecated: cert-manager signs with HS256, whatever it says


class _Acme(Schema, frozen=True):
    server: str
    solvers: tuple[SolverSpec, ...] | None = ()
    ca_bundle: str | None = None
    disable_account_key_generation: Ignored = None
    dns01: Ignored = None  # certmanager.k8s.io had its providers here
    email: str | None = ""
    enable_duration_feature: Ignored = None
    external_account_binding: _ExternalAccount | None = None
    http01: Ignored = None
    preferred_chain: str | None = ""
    private_key_secret_ref: SecretRef | None = None
    profile: str | None = ""
    skip_tls_verify: bool = field(default=False, name="skipTLSVerify")


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


class _PrivateKeySpec(Schema, frozen=True):
    algorithm: str = ""
    size: int = 0
    encoding: str = ""
    rotation_policy: str = ""


class _CertificateSpec(Schema, frozen=True):
    """`key_algorithm` to `organization` are those of older versions."""

    secret_name: str
    issuer_ref: _IssuerRef
    common_name: str = ""
    dns_names: tuple[str, ...] | None = ()
    ip_addresses: tuple[str, ...] | None = ()
    acme: Ignored = None
    key_algorithm: str = ""
    key_encoding: str = ""
    key_size: int = 0
    organization: Ignored = None
    additional_output_formats: tuple[Any, ...] | None = ()
    duration: str = ""
    email_addresses: tuple[str, ...] | None = ()
    email_sans: tuple[str, ...] | None = field(default=(), name="emailSANs")
    encode_usages_in_request: Ignored = None
    is_ca: bool = field(default=False, name="isCA")
    keystores: Any = None
    literal_subject: str = ""
    name_constraints: Any = None
    other_names: tuple[Any, ...] | None = ()
    private_key: _PrivateKeySpec | None = None
    renew_before: str = ""
    renew_before_percentage: int = 0
    revision_history_limit: Ignored = None
    secret_template: Ignored = None
    signature_algorithm: str = ""
    subject: Ignored = None
    uri_sans: tuple[str, ...] | None = field(default=(), name="uriSANs")
    uris: tuple[str, ...] | None = ()
    usages: tuple[str, ...] | None = ()


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
    intent = IssuerIntent(
        key=key_of(document),
        origin=document.origin,
        type=named[0] if named else "other",
        # A ClusterIssuer's Secrets are in cert-manager's own namespace, which is mostly called so.
        ca=Key("Secret", document.namespace or OWN_NAMESPACE, spec.ca.secret_name) if spec.ca else None,
    )
    if spec.acme is not None:
        intent = _with_acme(intent, spec.acme, document, report)
    return report.lowered(intent)


def _with_acme(intent: IssuerIntent, acme: _Acme, document: Document, report: Report) -> IssuerIntent:
    namespace = document.namespace or OWN_NAMESPACE
    binding = acme.external_account_binding
    account = acme.private_key_secret_ref
    return structs.replace(
        intent,
        server=acme.server,
        solvers=acmesolvers.lower(acme.solvers or (), namespace, document, report),
        acme=AcmeSettings(
            email=acme.email or "",
            ca_bundle=_bundle(acme.ca_bundle or "", report),
            skip_tls_verify=acme.skip_tls_verify,
            account=SecretEntry(Key("Secret", namespace, account.name), account.key or "tls.key") if account else None,
            external_key_id=binding.key_id if binding else "",
            external_key=_entry(binding.key_secret_ref, namespace) if binding else None,
            preferred_chain=acme.preferred_chain or "",
            profile=acme.profile or "",
        ),
    )


def _entry(reference: SecretRef, namespace: str) -> SecretEntry:
    return SecretEntry(Key("Secret", namespace, reference.name), reference.key)


def _bundle(text: str, report: Report) -> bytes:
    """caBundle: PEM in base64."""
    if not text or has_variable(text):
        return b""
    try:
        bundle = base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        bundle = b""
    if b"-----BEGIN CERTIFICATE-----" not in bundle:
        report.invalid("expected PEM certificates in base64", "spec", "acme", "caBundle")
    return bundle


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
        common_name=spec.common_name,
        private_key=_private_key(spec, report),
        is_ca=spec.is_ca,
    )
    _tell_unfollowed(spec, report)
    return report.lowered(_with_lifetimes(intent, spec, report))


def _private_key(spec: _CertificateSpec, report: Report) -> PrivateKey:
    said = spec.private_key
    if said is None:
        said, path = _PrivateKeySpec(spec.key_algorithm, spec.key_size, spec.key_encoding), _OLD_KEY_FIELDS
    else:
        path = {name: ("privateKey", name) for name in ("algorithm", "size", "encoding", "rotationPolicy")}
    if any(map(has_variable, (said.algorithm, said.encoding, said.rotation_policy))):
        return PrivateKey()
    try:
        return certificatespec.private_key(said.algorithm, said.size, said.encoding, said.rotation_policy)
    except certificatespec.SpecError as error:
        report.invalid(str(error), "spec", *path[error.field])
        return PrivateKey()


_OLD_KEY_FIELDS: dict[str, tuple[str, ...]] = {
    "algorithm": ("keyAlgorithm",),
    "size": ("keySize",),
    "encoding": ("keyEncoding",),
}


def _with_lifetimes(intent: CertificateIntent, spec: _CertificateSpec, report: Report) -> CertificateIntent:
    if has_variable(spec.duration) or has_variable(spec.renew_before):
        return intent
    try:
        duration, before, percentage = certificatespec.lifetimes(
            spec.duration, spec.renew_before, spec.renew_before_percentage
        )
    except certificatespec.SpecError as error:
        report.invalid(str(error), "spec", error.field)
        return intent
    return structs.replace(intent, duration=duration, renew_before=before, renew_percentage=percentage)


_UNFOLLOWED = {
    "additionalOutputFormats": "the Secret has tls.crt, tls.key and ca.crt alone",
    "emailAddresses": "certificates are made for hostnames and addresses alone",
    "emailSANs": "certificates are made for hostnames and addresses alone",
    "keystores": "no keystores are made: the Secret has tls.crt, tls.key and ca.crt alone",
    "literalSubject": "the subject is the first name alone",
    "nameConstraints": "not put into the certificate",
    "otherNames": "certificates are made for hostnames and addresses alone",
    "signatureAlgorithm": "the issuer chooses it",
    "uriSANs": "certificates are made for hostnames and addresses alone",
    "uris": "certificates are made for hostnames and addresses alone",
}
"""Fields that cert-manager follows and the certificates of `gatewright run` do not, and what they have instead."""


def _tell_unfollowed(spec: _CertificateSpec, report: Report) -> None:
    for one in structs.fields(spec):
        if one.encode_name in _UNFOLLOWED and getattr(spec, one.name):
            _note(report, f"{_UNFOLLOWED[one.encode_name]}, where Gatewright makes it", one.encode_name)
    if spec.usages and "server auth" not in spec.usages and not spec.is_ca:
        _note(report, "every certificate that Gatewright makes is for a server", "usages")


def _note(report: Report, message: str, field: str) -> None:
    """A field that cert-manager follows and we do not: no fault of a document that cert-manager is given."""
    report.add(Severity.INFO, "unsupported-field", f"spec.{field}: {message}", ("spec", field))


def _names(spec: _CertificateSpec) -> tuple[str, ...]:
    found = [name.lower().removesuffix(".") for name in spec.dns_names or ()]
    common = spec.common_name.lower()
    if "." in common and syntax.is_hostname(common) and not has_variable(common):
        found.append(common)
    return tuple(dict.fromkeys((*found, *map(_address, spec.ip_addresses or ()))))


def _address(text: str) -> str:
    """An address as `ipaddress` prints it; what is none stays as it is."""
    return str(ipaddress.ip_address(text)) if syntax.is_ip(text) else text


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
