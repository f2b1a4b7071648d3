"""Ingress (networking.k8s.io/v1 and its beta shapes): hosts and paths to Services.

Every path becomes a rule whose matches carry the host, since an Ingress has no hostnames of its own.
`ImplementationSpecific` paths go by characters, as ingress-nginx, Traefik and HAProxy all do; under an ALB
`*` and `?` are wildcards.  With an ssl-passthrough annotation the Ingress becomes a TLS route by SNI.
Controllers' annotations are read in `annotations`; which controller serves the Ingress is the
graph's business.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from msgspec import Struct, field

from gatewright.base.document import Document
from gatewright.kinds import syntax
from gatewright.kinds.annotations import foreign, readers
from gatewright.kinds.annotations.alb import rules as alb_rules
from gatewright.kinds.annotations.haproxy import community as haproxy_community
from gatewright.kinds.annotations.names import ALB, HAPROXY, HAPROXY_COMMUNITY, NGINX
from gatewright.kinds.annotations.traefik import ingress as traefik
from gatewright.kinds.decode import Object, Path, Report, Schema, decode, has_variable, key_of
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.doors import ClassRef, RouteIntent, TlsUse
from gatewright.kinds.intents.filters import Refuse
from gatewright.kinds.intents.routing import (
    BackendRef,
    Dialect,
    HostKind,
    HostMatch,
    Match,
    PathKind,
    PathMatch,
    Protocol,
    RuleIntent,
)
from gatewright.kinds.kind import Kind

CLASS_ANNOTATION = "kubernetes.io/ingress.class"

_PATH_TYPES = ("Exact", "Prefix", "ImplementationSpecific")
_PASSTHROUGH = (*(f"{prefix}ssl-passthrough" for prefix in (NGINX, HAPROXY, HAPROXY_COMMUNITY)), foreign.PASSTHROUGH)
_TRAPS = ("//", "/./", "/../", "%2f", "%2F")


class _ServicePort(Schema, frozen=True):
    name: str = ""
    number: int = 0


class _ServiceBackend(Schema, frozen=True):
    name: str
    port: _ServicePort = _ServicePort()


class _Resource(Schema, frozen=True):
    kind: str
    name: str
    api_group: str = ""


class _Backend(Schema, frozen=True):
    service: _ServiceBackend | None = None
    resource: _Resource | None = None
    service_name: str = ""  # the beta shape
    service_port: int | str = 0


class _Path(Schema, frozen=True):
    backend: _Backend
    path: str = ""
    path_type: str = ""


class _Http(Schema, frozen=True):
    paths: tuple[_Path, ...] = ()


class _Rule(Schema, frozen=True):
    host: str = ""
    http: _Http | None = None


class _Tls(Schema, frozen=True):
    hosts: tuple[str, ...] = ()
    secret_name: str = ""


class _Spec(Schema, frozen=True):
    ingress_class_name: str | None = None
    default_backend: _Backend | None = None
    backend: _Backend | None = None  # the beta shape
    rules: tuple[_Rule, ...] = ()
    tls: tuple[_Tls, ...] = ()


class Ingress(Object, frozen=True):
    spec: _Spec = field(default_factory=_Spec)


class _Context(Struct, frozen=True):
    """What holds for all rules of one Ingress."""

    namespace: str
    refusals: tuple[Refuse, ...]
    is_alb: bool
    is_v1: bool
    specific: Callable[[str], PathMatch]


def lower(document: Document) -> Lowered:
    """Lower an Ingress."""
    ingress, problems = decode(document, Ingress)
    report = Report(document, problems)
    if ingress is None:
        return report.lowered(None)
    notes = ingress.metadata.annotations
    spec = ingress.spec
    class_name = spec.ingress_class_name or notes.get(CLASS_ANNOTATION)
    is_alb = class_name == "alb" or any(note.startswith(ALB) for note in notes)
    refusals, foreign_faults = foreign.judge(notes, document.origin, {reader.prefix for reader in readers.READERS})
    report.extend(foreign_faults)
    context = _Context(
        namespace=document.namespace,
        refusals=refusals,
        is_alb=is_alb,
        is_v1=document.api_version == "networking.k8s.io/v1",
        specific=_specific(notes, is_alb=is_alb),
    )
    options, faults = readers.read(notes, key_of(document), document.origin)
    report.extend(faults)
    _check_hosts(spec, report)
    passthrough = any(_is_true(notes.get(note, "")) for note in _PASSTHROUGH)
    rules = _passthrough_rules(spec, context, report) if passthrough else _rules(spec, context, report)
    if not rules:
        message = "the Ingress has neither rules nor a default backend, so it serves nothing"
        report.warning("no-rules", message, "spec", "rules")
    lowered, faults = readers.rules(notes, key_of(document), document.origin, tuple(rules))
    report.extend(faults)
    intent = RouteIntent(
        key=key_of(document),
        origin=document.origin,
        dialect=Dialect.INGRESS,
        protocol=Protocol.TLS if passthrough else Protocol.HTTP,
        attach=ClassRef(class_name, "ingress", traefik.entry_points(notes)),
        rules=lowered,
        tls=_tls(spec, notes, passthrough, document, report),
        created=ingress.metadata.created,
        annotations=ingress.metadata.notes,
        options=options,
    )
    return report.lowered(intent)


# --- annotations --------------------------------------------------------------------------------


def _is_true(value: str) -> bool:
    return value.strip().lower() in ("true", "1", "yes", "enabled")


# --- rules --------------------------------------------------------------------------------------


def _check_hosts(spec: _Spec, report: Report) -> None:
    for index, rule in enumerate(spec.rules):
        path = ("spec", "rules", index, "host")
        if rule.host and syntax.is_ip(rule.host):
            report.invalid("a host has to be a name, not an IP address", *path)
        elif rule.host and not syntax.is_hostname(rule.host):
            hint = "a lower-case name such as shop.example.com or *.example.com, without scheme, port or path"
            report.invalid(f"{rule.host!r} is not a hostname", *path, hint=hint)
    for index, tls in enumerate(spec.tls):
        for number, host in enumerate(tls.hosts):
            if not syntax.is_hostname(host):
                report.invalid(f"{host!r} is not a hostname", "spec", "tls", index, "hosts", number)


def _rules(spec: _Spec, context: _Context, report: Report) -> list[RuleIntent]:
    rules: list[RuleIntent] = []
    for number, rule in enumerate(spec.rules):
        hosts = (HostMatch(HostKind.EXACT, rule.host),) if rule.host else ()
        paths = rule.http.paths if rule.http else ()
        for position, path in alb_rules.in_order(paths) if context.is_alb else enumerate(paths):
            where = ("spec", "rules", number, "http", "paths", position)
            match = _path_match(path, context, where, report)
            rules.append(
                RuleIntent(
                    index=len(rules),
                    origin=report.origin.at(*where),
                    matches=(Match(hosts=hosts, paths=(match,)),),
                    filters=context.refusals,
                    backends=_backend(path.backend, context, (*where, "backend"), report),
                )
            )
    name = "defaultBackend" if spec.default_backend else "backend"
    if (default := spec.default_backend or spec.backend) is not None:
        rules += _default_rules(default, spec, context, name, report)
    return rules


def _default_rules(backend: _Backend, spec: _Spec, context: _Context, name: str, report: Report) -> list[RuleIntent]:
    """The default backend: for whatever no rule of the Ingress takes."""
    lowered = _backend(backend, context, ("spec", name), report)
    count = sum(len(rule.http.paths) for rule in spec.rules if rule.http)
    return [
        RuleIntent(
            index=count,
            origin=report.origin.at("spec", name),
            filters=context.refusals,
            backends=lowered,
            default=True,
        )
    ]


def _path_match(path: _Path, context: _Context, where: Path, report: Report) -> PathMatch:
    kind = path.path_type or "ImplementationSpecific"
    if kind not in _PATH_TYPES:
        report.invalid(f"expected one of {', '.join(_PATH_TYPES)}, got {kind!r}", *where, "pathType")
    elif context.is_v1 and not path.path_type:
        report.invalid("pathType is required", *where, hint="add pathType: Prefix")
    value = path.path
    if kind == "ImplementationSpecific":
        return context.specific(value)
    if not value.startswith("/"):
        report.invalid(f"a path starts with '/', got {value[:60]!r}", *where, "path")
    for trap in _TRAPS:
        if trap in value:
            report.invalid(f"a path cannot contain {trap!r}", *where, "path")
    if kind == "Exact":
        return PathMatch(PathKind.EXACT, value)
    return PathMatch(PathKind.PREFIX, value.rstrip("/") or "/")


def _specific(notes: dict[str, str], *, is_alb: bool) -> Callable[[str], PathMatch]:
    """What a path means whose pathType leaves it to the controller; usually the characters that paths start with."""
    if is_alb:
        regex = _is_true(notes.get(f"{ALB}use-regex-path-match", ""))
        return functools.partial(alb_rules.implementation_specific, regex=regex)
    community = {name: value for name, value in notes.items() if name.startswith(HAPROXY_COMMUNITY)}
    if community:
        kind = community.get(f"{HAPROXY_COMMUNITY}path-type", "")
        return functools.partial(haproxy_community.implementation_specific, kind=kind)
    return lambda value: PathMatch(PathKind.RAW_PREFIX, value or "/")


def _backend(backend: _Backend, context: _Context, where: Path, report: Report) -> tuple[BackendRef, ...]:
    """The Service behind a path; none (hence an error response) for what is not a Service."""
    if backend.resource is not None:
        message = f"a backend of kind {backend.resource.kind} is not supported; the path answers with an error"
        report.error("unsupported-backend", message, *where, "resource", hint="refer to a Service")
        return ()
    name, port = backend.service_name, backend.service_port
    if backend.service is not None:
        name, port = backend.service.name, backend.service.port.name or backend.service.port.number
    if isinstance(port, str) and port.isdigit():
        port = int(port)
    if not name:
        report.invalid("a backend names a service", *where)
        return ()
    if not port:
        report.invalid("a backend names a port of its service", *where, hint="port: {number: 80} or {name: http}")
    elif isinstance(port, int) and port > 65535:
        report.invalid(f"{port} is not a port number", *where)
    elif isinstance(port, str) and has_variable(port):
        report.invalid(f"{port!r} was not substituted", *where)
    origin = report.origin.at(*where)
    return (BackendRef(Key("Service", context.namespace, name), port, origin),)


def _passthrough_rules(spec: _Spec, context: _Context, report: Report) -> list[RuleIntent]:
    """One rule per host, to the backend of its first path: inside TLS nobody can see a path."""
    rules: list[RuleIntent] = []
    for number, rule in enumerate(spec.rules):
        where = ("spec", "rules", number)
        paths = rule.http.paths if rule.http else ()
        if not rule.host:
            report.error("passthrough-host", "TLS passthrough needs a host to go by; this rule is left out", *where)
            continue
        if not paths:
            continue
        chosen = next((index for index, path in enumerate(paths) if path.path in ("", "/")), 0)
        if len(paths) > 1 or paths[chosen].path not in ("", "/"):
            message = "with TLS passthrough paths are not seen; all of the host goes to one backend"
            report.warning("passthrough-path", message, *where, "http", "paths")
        origin = (*where, "http", "paths", chosen)
        backend = _backend(paths[chosen].backend, context, (*origin, "backend"), report)
        rules.append(
            RuleIntent(
                index=len(rules),
                origin=report.origin.at(*origin),
                matches=(Match(hosts=(HostMatch(HostKind.EXACT, rule.host),)),),
                filters=context.refusals,
                backends=tuple(BackendRef(ref.target, ref.port, ref.origin) for ref in backend),
            )
        )
    return rules


def _tls(
    spec: _Spec, notes: dict[str, str], passthrough: bool, document: Document, report: Report
) -> tuple[TlsUse, ...]:
    if passthrough:
        hosts = tuple(dict.fromkeys(rule.host for rule in spec.rules if rule.host))
        return (TlsUse(document.origin.at("spec", "rules"), hosts=hosts, passthrough=True),)
    uses = [
        TlsUse(
            document.origin.at("spec", "tls", index),
            Key("Secret", document.namespace, tls.secret_name) if tls.secret_name else None,
            tls.hosts,
        )
        for index, tls in enumerate(spec.tls)
    ]
    if (asked := traefik.tls(notes, key_of(document), document.origin)) is not None:
        uses.append(asked)
    return tuple(uses)


KIND = Kind(
    "Ingress",
    ("networking.k8s.io/v1", "networking.k8s.io/v1beta1", "extensions/v1beta1"),
    lower,
)
