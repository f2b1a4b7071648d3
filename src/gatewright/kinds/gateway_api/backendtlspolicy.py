"""BackendTLSPolicy (Gateway API): TLS from the gateway to Services, and what their certificates must prove.

A part that we cannot honour stays in the intent as something that never resolves: connections then fail
rather than go unverified.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from gatewright.base.document import Document
from gatewright.kinds import syntax
from gatewright.kinds.decode import Object, Report, Schema, decode, key_of
from gatewright.kinds.gateway_api import gatewayapi
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.material import BackendTlsIntent
from gatewright.kinds.kind import Kind


class _Target(Schema, frozen=True):
    name: gatewayapi.Name
    kind: str
    group: str = ""
    section_name: str = ""


class _LocalReference(Schema, frozen=True):
    name: gatewayapi.Name
    kind: str
    group: str = ""


class _AltName(Schema, frozen=True):
    type: Literal["Hostname", "URI"]
    hostname: str = ""
    uri: str = ""


class _Validation(Schema, frozen=True):
    hostname: str
    ca_certificate_refs: Annotated[tuple[_LocalReference, ...], Meta(max_length=8)] = ()
    well_known: str = field(default="", name="wellKnownCACertificates")
    subject_alt_names: Annotated[tuple[_AltName, ...], Meta(max_length=5)] = ()


class _Spec(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "options": "TLS options belong to one implementation and have no effect"
    }

    target_refs: Annotated[tuple[_Target, ...], Meta(min_length=1, max_length=16)]
    validation: _Validation


class BackendTLSPolicy(Object, frozen=True, kw_only=True):
    spec: _Spec


def lower(document: Document) -> Lowered:
    """Lower a BackendTLSPolicy."""
    policy, problems = decode(document, BackendTLSPolicy)
    report = Report(document, problems)
    if policy is None:
        return report.lowered(None)
    validation = policy.spec.validation
    where = ("spec", "validation")
    if not syntax.is_hostname(validation.hostname) or validation.hostname.startswith("*"):
        message = f"{validation.hostname!r} is not a hostname; it is the SNI that the backend gets"
        report.invalid(message, *where, "hostname")
    if bool(validation.ca_certificate_refs) == bool(validation.well_known):
        report.invalid("give either caCertificateRefs or wellKnownCACertificates", *where)
    if validation.well_known not in ("", "System"):
        message = f"the certificates {validation.well_known!r} are not known; connections will be refused"
        report.error("unsupported-value", message, *where, "wellKnownCACertificates", hint="use System")
    intent = BackendTlsIntent(
        key=key_of(document),
        origin=document.origin,
        targets=_targets(policy.spec.target_refs, document.namespace, report),
        hostname=validation.hostname,
        ca=_authorities(validation.ca_certificate_refs, document.namespace, report),
        well_known=validation.well_known,
        subject_alt_names=_alt_names(validation.subject_alt_names, report),
        created=policy.metadata.created,
    )
    return report.lowered(intent)


def _targets(targets: tuple[_Target, ...], namespace: str, report: Report) -> tuple[tuple[Key, str], ...]:
    lowered = []
    for index, target in enumerate(targets):
        key = gatewayapi.target_key(target.group, target.kind, namespace, target.name)
        if key.kind in ("Service", "Backend"):
            lowered.append((key, target.section_name))
        else:
            message = f"a policy for a {key.kind} is not supported; it only applies to Services and Backends"
            report.error("unsupported-reference", message, "spec", "targetRefs", index)
    return tuple(lowered)


def _authorities(references: tuple[_LocalReference, ...], namespace: str, report: Report) -> tuple[Key, ...]:
    lowered = []
    for index, reference in enumerate(references):
        key = gatewayapi.target_key(reference.group, reference.kind, namespace, reference.name)
        if key.kind not in ("ConfigMap", "Secret"):
            message = f"certificates in a {key.kind} are not supported; connections will be refused"
            report.error("unsupported-reference", message, "spec", "validation", "caCertificateRefs", index)
        lowered.append(key)
    return tuple(lowered)


def _alt_names(names: tuple[_AltName, ...], report: Report) -> tuple[tuple[str, str], ...]:
    lowered = []
    for index, name in enumerate(names):
        value, other = (name.hostname, name.uri) if name.type == "Hostname" else (name.uri, name.hostname)
        if not value or other:
            message = f"type {name.type} goes with the field {name.type.lower()} alone"
            report.invalid(message, "spec", "validation", "subjectAltNames", index)
        lowered.append((name.type, value))
    return tuple(lowered)


KIND = Kind("BackendTLSPolicy", (f"{gatewayapi.GROUP}/v1", f"{gatewayapi.GROUP}/v1alpha3"), lower)
