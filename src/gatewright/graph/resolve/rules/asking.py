"""Who is meant by the URL of something that is asked about requests: an authentication server, a set of keys.

A Service of the cluster by its DNS name; a name that the gateway itself serves, then the backend of the rule that takes
that path there; else a host outside.  Counterpart: `filters`, which asks for it while it folds a rule.
"""

from __future__ import annotations

import re

from msgspec import Struct, structs

from gatewright.base import hostnames
from gatewright.base.origin import Origin
from gatewright.graph.nodes import BackendKey, Family, VirtualHostKey
from gatewright.graph.objects import View
from gatewright.graph.resolve.rules.where import Where
from gatewright.graph.resolve.upstreams.backends import Failure, external, target
from gatewright.kinds import syntax
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.filters import Template, Variable
from gatewright.kinds.intents.material import ServiceIntent
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
    Upstream,
    UpstreamTls,
)

CLUSTER_DOMAIN = "cluster.local"
PORTS = {"http": 80, "https": 443}
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:/?#@\[\]]+)(?::([0-9]{1,5}))?")
NO_FIT = (-1, 0)
_RANKS = {PathKind.EXACT: 2, PathKind.PREFIX: 1, PathKind.RAW_PREFIX: 1}


class Question(Struct, frozen=True):
    """What is asked where.  `namespace` is the one that short names are looked up in ("" the route's own).

    `backend`, `referrer`: as in `ForwardAuth`.
    """

    url: Template
    origin: Origin
    namespace: str = ""
    tls: UpstreamTls | None = None
    backend: BackendRef | None = None
    referrer: Key | None = None


class Asked(Struct, frozen=True):
    """An upstream, with Host and path of the question.  `tls`: it is asked by HTTPS."""

    backend: BackendKey
    host: Template
    path: Template
    tls: bool


class _Url(Struct, frozen=True):
    """A URL in pieces.  `host` is a Variable where each request decides."""

    tls: bool
    host: str | Variable
    port: int
    authority: Template
    path: Template


def asked(view: View, where: Where, route: RouteIntent, question: Question) -> Asked | Failure:
    """The upstream that is asked, or why nobody can be."""
    url = _parse(question.url, where)
    if url is None:
        shown = "".join(f"{{{piece}}}" if isinstance(piece, Variable) else piece for piece in question.url)
        return Failure("protection-unbuildable", 503, f"{shown[:80]!r} is no URL that can be asked")
    if question.backend is not None:
        named = structs.replace(route, key=question.referrer or route.key, protocol=Protocol.HTTP)
        found = target(view, where.gateway, named, question.backend)
        if isinstance(found, Failure) and question.referrer is not None:
            found = structs.replace(found, status=503)  # a policy's answer, whatever the route's would be
    else:
        found = _backend(view, where, route, question, url)
    if isinstance(found, Failure):
        return found
    return Asked(found, url.authority, url.path, url.tls)


def _backend(view: View, where: Where, route: RouteIntent, question: Question, url: _Url) -> BackendKey | Failure:
    if isinstance(url.host, Variable):
        if url.host is not Variable.HOST:
            return Failure("protection-unbuildable", 503, f"a host by {url.host} cannot be asked")
        return _served(view, where, where.hostname, url) or _unserved(where.hostname, url)
    name = "" if syntax.is_ip(url.host) else url.host
    # Traefik verifies whom it asks; nginx and HAProxy do not unless they are told to.
    usual = UpstreamTls(verify=where.gateway.dialect is not Dialect.INGRESS, server_name=name)
    upstream = Upstream(tls=question.tls or usual) if url.tls else None
    service = _service(view, url.host, question.namespace or route.key.namespace)
    if service is not None:
        ref = BackendRef(service, url.port, question.origin, scheme="https" if url.tls else "http", upstream=upstream)
        # Whoever asks by DNS name needs nobody's leave to name a Service of another namespace.
        door = structs.replace(where.gateway, allow_cross_namespace=True, dialect=Dialect.INGRESS)
        return target(view, door, structs.replace(route, dialect=Dialect.INGRESS), ref)
    return _served(view, where, url.host, url) or external(url.host, url.port, tls=url.tls, upstream=upstream)


# --- URLs ---------------------------------------------------------------------------------------


def _parse(url: Template, where: Where) -> _Url | None:
    """The pieces of a URL; None when they are none."""
    pieces = list(url)
    scheme = "https" if where.family is Family.HTTPS else "http"
    if pieces and pieces[0] is Variable.SCHEME:
        pieces[0] = scheme
    joined: list[str | Variable] = []
    for piece in pieces:  # texts that follow one another become one
        if joined and not isinstance(piece, Variable) and not isinstance(joined[-1], Variable):
            joined[-1] += piece
        else:
            joined.append(piece)
    if not joined or isinstance(joined[0], Variable):
        return None
    scheme, separator, rest = joined[0].partition("://")
    if not separator or scheme.lower() not in PORTS:
        return None
    authority, path = _cut([rest, *joined[1:]] if rest else joined[1:])
    return _with_authority(scheme.lower(), authority, path)


def _cut(pieces: list[str | Variable]) -> tuple[list[str | Variable], list[str | Variable]]:
    """Authority and path: cut at the first slash or question mark, or before a variable that begins with a slash."""
    for number, piece in enumerate(pieces):
        if isinstance(piece, Variable):
            if piece in (Variable.URI, Variable.PATH):
                return pieces[:number], pieces[number:]
            continue
        at = min((found for found in (piece.find("/"), piece.find("?")) if found >= 0), default=-1)
        if at >= 0:
            rest = piece[at:] if piece[at] == "/" else "/" + piece[at:]
            return [*pieces[:number], *([piece[:at]] if at else [])], [rest, *pieces[number + 1 :]]
    return pieces, ["/"]


def _with_authority(scheme: str, authority: list[str | Variable], path: list[str | Variable]) -> _Url | None:
    tls, usual = scheme == "https", PORTS[scheme]
    if not authority:
        return None
    first, *more = authority
    if isinstance(first, Variable):
        port = "".join(more).removeprefix(":") if more and not any(isinstance(p, Variable) for p in more) else ""
        if more and not (port.isdigit() and 0 < int(port) < 65536):
            return None
        return _Url(tls, first, int(port or usual), (first,), tuple(path))
    found = _AUTHORITY.fullmatch(first)
    if more or found is None or not 0 < int(found[2] or usual) < 65536:
        return None
    host = found[1].strip("[]")
    if not (syntax.is_ip(host) or syntax.is_hostname(host.lower().rstrip("."))):
        return None
    return _Url(tls, host.lower().rstrip("."), int(found[2] or usual), (first,), tuple(path))


# --- who answers --------------------------------------------------------------------------------


def _service(view: View, host: str, namespace: str) -> Key | None:
    """The Service that a DNS name of the cluster means; a name of two labels only where there is such a Service."""
    if syntax.is_ip(host):
        return None
    labels = host.removesuffix(f".{CLUSTER_DOMAIN}").split(".")
    if len(labels) == 1:
        return Key("Service", namespace, host)
    if len(labels) == 3 and labels[2] == "svc":
        return Key("Service", labels[1], labels[0])
    key = Key("Service", labels[1], labels[0])
    return key if len(labels) == 2 and view.get(key, ServiceIntent) is not None else None


def _served(view: View, where: Where, host: str, url: _Url) -> BackendKey | Failure | None:
    """The backend of the rule by which the gateway itself serves the URL; None when it does not serve that host."""
    family = Family.HTTPS if url.tls else Family.HTTP
    port = url.port if not isinstance(url.host, Variable) else where.port
    family = family if not isinstance(url.host, Variable) else where.family
    key = VirtualHostKey(where.gateway.id, port, family, host)
    placed = view.placements(key)
    path = "".join(piece for piece in url.path if not isinstance(piece, Variable)).partition("?")[0]
    best: tuple[tuple[int, int], RouteIntent, RuleIntent] | None = None
    for placement in placed:
        route = view.get(placement.route, RouteIntent)
        for rule in route.rules if route is not None else ():
            ranks = [_rank(match.paths, path) for match in rule.matches or (Match(),) if _is_at(match.hosts, host)]
            rank = max(ranks, default=NO_FIT)
            if route is not None and rank > (best[0] if best else NO_FIT):
                best = (rank, route, rule)
    if best is None:
        return None
    _, route, rule = best
    if not rule.backends:
        return Failure("backend-missing", 503, f"{route.key} has no backend for {path}")
    return target(view, where.gateway, route, rule.backends[0])


def _is_at(hosts: tuple[HostMatch, ...], host: str) -> bool:
    values = [item.value for item in hosts if item.kind is HostKind.EXACT]
    return not values or host in values or host == hostnames.ANY


def _rank(paths: tuple[PathMatch, ...], path: str) -> tuple[int, int]:
    """How well a rule's path fits."""
    if not paths:
        return (0, 0)
    wanted = paths[0]
    bare = wanted.value.rstrip("/")
    fits = {
        PathKind.EXACT: path == wanted.value,
        PathKind.PREFIX: path == bare or path.startswith(bare + "/"),
        PathKind.RAW_PREFIX: path.startswith(wanted.value),
    }.get(wanted.kind, False)
    return (_RANKS[wanted.kind], len(wanted.value)) if fits else NO_FIT


def _unserved(host: str, url: _Url) -> Failure:
    path = "".join(piece for piece in url.path if not isinstance(piece, Variable)).partition("?")[0]
    why = f"no rule of {host} takes {path}, which would have to be asked"
    return Failure("protection-unbuildable", 503, why, "write the URL with the Service of the authentication server")
