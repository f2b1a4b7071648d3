"""What Traefik's kinds share: API groups, references to other objects, durations.

A reference is a name, an optional namespace (the referring object's by default) and possibly a provider
after `@`.  Objects of other providers (`auth@file`) are nowhere in the manifests; who refers to one is
refused, as Traefik refuses it when the provider does not have it.
"""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta

from gatewright.kinds.decode import Path, Report, Schema
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import ClassRef
from gatewright.kinds.intents.filters import Filter, FilterRef, Refuse

API_VERSIONS = ("traefik.io/v1alpha1", "traefik.containo.us/v1alpha1")
CLASS_ANNOTATION = "kubernetes.io/ingress.class"

NOT_FOUND = 404
"""What Traefik answers where a router cannot be built."""

UNAVAILABLE = 503
"""What we answer where Traefik could do what we cannot."""

IntOrString = int | str

_CRD_PROVIDER = "kubernetescrd"
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|s|m|h))+")
_PART = re.compile(r"([0-9.]+)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class Reference(Schema, frozen=True):
    """A reference to an object whose kind is known from its place."""

    name: str
    namespace: str = ""


class ProxyProtocol(Schema, frozen=True):
    """The PROXY protocol towards a TCP backend."""

    version: Annotated[int, Meta(ge=1, le=2)] = 2


def resolve(kind: str, name: str, namespace: str, own: str, report: Report, *path: str | int) -> Key | None:
    """The Key that a reference means, None (with a Problem) where it names another provider's object.

    `namespace` is the reference's, "" for `own`, that of the referring object.
    """
    if "@" not in name:
        return Key(kind, namespace or own, name)
    plain, _, provider = name.rpartition("@")
    if provider != _CRD_PROVIDER:
        message = f"{name} belongs to Traefik's provider {provider}, which the manifests do not hold"
        report.error("foreign-provider", message, *path, hint=f"describe it as a {kind} and refer to that")
        return None
    if own and plain.startswith(f"{own}-"):
        return Key(kind, own, plain.removeprefix(f"{own}-"))
    found, dash, rest = plain.partition("-")
    if not dash:
        report.error("invalid-value", f"{name} names no namespace: write namespace-name@{provider}", *path)
        return None
    report.warning(
        "ambiguous-reference",
        f"{name} is read as {rest} in the namespace {found}",
        *path,
        hint="give name and namespace in fields of their own",
    )
    return Key(kind, found, rest)


def middlewares(
    kind: str, references: tuple[Reference, ...], own: str, report: Report, *path: str | int
) -> tuple[Filter, ...]:
    """References to middlewares as filters, in order; one that cannot be resolved refuses every request."""
    filters: list[Filter] = []
    for index, reference in enumerate(references):
        where = (*path, index)
        key = resolve(kind, reference.name, reference.namespace, own, report, *where)
        origin = report.origin.at(*where)
        if key is None:
            return (Refuse(origin, NOT_FOUND, f"the middleware {reference.name} does not exist"),)
        filters.append(FilterRef(origin, key))
    return tuple(filters)


def class_ref(name: str, annotations: dict[str, str], entry_points: tuple[str, ...]) -> ClassRef:
    """The attachment of a Traefik route: by its class field, else by the annotation."""
    return ClassRef(name or annotations.get(CLASS_ANNOTATION) or None, "crd", entry_points)


def seconds(value: IntOrString | None, report: Report, *path: str | int) -> float | None:
    """A duration of Traefik: a Go duration (`1m30s`) or a number of seconds; None if absent or wrong."""
    if value is None:
        return None
    found = float(value) if isinstance(value, int) else duration(value)
    if found is None:
        report.invalid(f"{value!r} is not a duration", *path, hint="write for example 30s")
    return found


def duration(text: str) -> float | None:
    """Seconds of a Go duration (`1m30s`) or a number of them; None for what is neither."""
    if text.isdecimal() and text.isascii() and len(text) < 16:
        return float(text)
    if _DURATION.fullmatch(text) is None:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


def port(value: IntOrString | None, report: Report, where: Path) -> int | str | None:
    """A port number or name, None where none is given."""
    if isinstance(value, int) and not 0 <= value <= 65535:
        report.invalid(f"{value} is not a port number", *where)
    return value or None
