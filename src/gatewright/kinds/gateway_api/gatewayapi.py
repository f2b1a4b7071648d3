"""What the kinds of the Gateway API share: references to parents and backends, hostnames, timeouts.

Not a kind itself.  Field limits follow the CRDs of v1.6: what their validation refuses, we refuse too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from msgspec import Meta, field

from gatewright.kinds import syntax
from gatewright.kinds.decode import Path, Report, Schema
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import ParentRef
from gatewright.kinds.intents.filters import Filter
from gatewright.kinds.intents.routing import BackendRef, SessionPersistence

GROUP = "gateway.networking.k8s.io"
EXPERIMENTAL_GROUP = "gateway.networking.x-k8s.io"

Port = Annotated[int, Meta(ge=1, le=65535)]
Name = Annotated[str, Meta(min_length=1, max_length=253)]

# Kinds are unique among those we know, so a Key has no group; anything else keeps its group in the name.
_ROUTES = ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute")
_POLICIES = ("SecurityPolicy", "BackendTrafficPolicy", "ClientTrafficPolicy")
_KNOWN_TARGETS = {
    ("", "Service"): "Service",
    ("", "Secret"): "Secret",
    ("", "ConfigMap"): "ConfigMap",
    ("traefik.io", "Middleware"): "Middleware",
    ("traefik.io", "TraefikService"): "TraefikService",
    **{("gateway.envoyproxy.io", kind): kind for kind in ("HTTPRouteFilter", "Backend", *_POLICIES)},
    (EXPERIMENTAL_GROUP, "XListenerSet"): "ListenerSet",
    **{(GROUP, kind): kind for kind in ("Gateway", "ListenerSet", "BackendTLSPolicy", *_ROUTES)},
}


class ParentReference(Schema, frozen=True):
    name: Name
    group: str = GROUP
    kind: str = "Gateway"
    namespace: str = ""
    section_name: str = ""
    port: Port | None = None


class BackendObjectReference(Schema, frozen=True):
    name: Name
    group: str = ""
    kind: str = "Service"
    namespace: str = ""
    port: Port | None = None


class WeightedBackendReference(BackendObjectReference, frozen=True):
    weight: Annotated[int, Meta(ge=0, le=1_000_000)] = 1


class ObjectReference(Schema, frozen=True):
    """A reference to any object; `group` and `kind` default to a Secret as in SecretObjectReference."""

    name: Name
    group: str = ""
    kind: str = "Secret"
    namespace: str = ""


class CookieConfig(Schema, frozen=True):
    lifetime_type: str = "Session"


class SessionPersistenceConfig(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "idleTimeout": "sessions end by absoluteTimeout only; the idle timeout has no effect"
    }

    session_name: Annotated[str, Meta(max_length=128)] = ""
    absolute_timeout: str = ""
    type: str = "Cookie"
    cookie_config: CookieConfig = CookieConfig()


class RouteSpec(Schema, frozen=True):
    """The part of a route's spec that every kind of route has."""

    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "useDefaultGateways": "default Gateways are not supported; name the Gateway in parentRefs"
    }

    parent_refs: Annotated[tuple[ParentReference, ...], Meta(max_length=32)] = field(default=())


def kind_name(group: str, kind: str) -> str:
    """What a Key calls the kind; one that we do not know is written with its group, and never resolves."""
    group = "" if group == "core" else group
    return _KNOWN_TARGETS.get((group, kind)) or f"{kind}.{group or 'core'}"


def target_key(group: str, kind: str, namespace: str, name: str) -> Key:
    """The Key of a referenced object."""
    return Key(kind_name(group, kind), namespace, name)


def lower_parents(parents: tuple[ParentReference, ...], namespace: str, report: Report) -> tuple[ParentRef, ...]:
    """The Gateways and ListenerSets that a route asks to attach to."""
    if not parents:
        report.warning("no-parent", "the route names no Gateway, so nothing serves it", "spec", "parentRefs")
    lowered = []
    for index, parent in enumerate(parents):
        path = ("spec", "parentRefs", index)
        key = target_key(parent.group, parent.kind, parent.namespace or namespace, parent.name)
        if key.kind not in ("Gateway", "ListenerSet"):
            message = f"a parent of kind {parent.kind} is not supported; the route attaches only to Gateways"
            report.unsupported(message, *path, "kind")
            continue
        lowered.append(ParentRef(key, report.origin.at(*path), parent.section_name, parent.port or 0))
    return tuple(lowered)


def lower_hostnames(hostnames: tuple[str, ...], report: Report) -> tuple[str, ...]:
    """The route's hostnames, each once."""
    for index, hostname in enumerate(hostnames):
        check_hostname(hostname, report, ("spec", "hostnames", index))
    return tuple(dict.fromkeys(hostnames))


def check_hostname(hostname: str, report: Report, path: Path) -> None:
    """Refuse what is not a lower-case hostname or `*.` wildcard."""
    if syntax.is_hostname(hostname):
        return
    if "://" in hostname:
        hint = "leave out the scheme"
    elif ":" in hostname:
        hint = "leave out the port"
    elif hostname == "*":
        hint = "leave the hostname out to match every host"
    elif syntax.is_hostname(hostname.lower().rstrip(".")):
        hint = f"write {hostname.lower().rstrip('.')}"
    else:
        hint = "a name such as shop.example.com or *.example.com"
    report.invalid(f"{hostname!r} is not a hostname", *path, hint=hint)


def lower_backend(
    backend: BackendObjectReference,
    namespace: str,
    report: Report,
    path: Path,
    filters: tuple[Filter, ...] = (),
) -> BackendRef:
    """A backend reference.  One to a kind that is no backend stays: the graph refuses its share of requests."""
    key = target_key(backend.group, backend.kind, backend.namespace or namespace, backend.name)
    if key.kind == "Service" and backend.port is None:
        hint = "add port: with the Service's port"
        report.invalid("a reference to a Service needs a port", *path, hint=hint)
    weight = backend.weight if isinstance(backend, WeightedBackendReference) else 1
    return BackendRef(key, backend.port, report.origin.at(*path), weight, filters=filters)


def lower_persistence(config: SessionPersistenceConfig | None, report: Report, path: Path) -> SessionPersistence | None:
    """Session persistence by cookie or header."""
    if config is None:
        return None
    if config.type not in ("Cookie", "Header"):
        report.invalid(f"expected Cookie or Header, got {config.type!r}", *path, "type")
    lifetime = config.cookie_config.lifetime_type
    if lifetime not in ("Session", "Permanent"):
        report.invalid(f"expected Session or Permanent, got {lifetime!r}", *path, "cookieConfig", "lifetimeType")
    limit = lower_duration(config.absolute_timeout, report, (*path, "absoluteTimeout"))
    if lifetime == "Permanent" and limit is None:
        report.invalid("a Permanent cookie needs an absoluteTimeout", *path)
    if limit is not None and lifetime == "Session":
        report.unsupported("only a Permanent cookie's lifetime is limited", *path, "absoluteTimeout")
    permanent = lifetime == "Permanent" and config.type == "Cookie"
    return SessionPersistence(
        kind=config.type.lower(),
        name=config.session_name,
        max_age=int(limit or 0) if permanent else 0,
        http_only=config.type == "Cookie",
    )


def lower_duration(text: str, report: Report, path: Path) -> float | None:
    """A duration in seconds; None if it is not given (or not one: then the document is refused)."""
    if not text:
        return None
    seconds = syntax.duration(text)
    if seconds is None:
        hint = "write it as 10s, 500ms or 1h30m"
        report.invalid(f"{text!r} is not a duration", *path, hint=hint)
    return seconds
