"""A route asks for more time or larger bodies than something before it bears.

Every hop ends a connection that is idle for too long, and some refuse large bodies; the smallest of them counts.  An
owner sets the value at one hop, and the WebSocket still closes after a minute.  Usual limits: an AWS load balancer 60 s
(`idle_timeout.timeout_seconds`), ingress-nginx 60 s and 1 MiB, HAProxy 50 s (but an hour for WebSockets, by the
`timeout tunnel` of its Ingress controller), Traefik 180 s (between the requests of a connection), Cloudflare 100 s
(120 s by its newer documentation) and 100 MB (Free and Pro; not to be changed there).

    kind: Ingress
    metadata:
      annotations:
        nginx.ingress.kubernetes.io/proxy-read-timeout: "3600"     # and the ALB before it ends it after 60 s

Raise the limit of the hop that the finding names, or send keep-alives (WebSocket pings, gRPC keepalive) more often than
the smallest timeout.  What a CDN does not take has to go around it: a name of its own that is not proxied, or uploads
in parts.

It is no fault when nobody who comes that way needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import structs

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.matrix import Fate, Row, serving
from gatewright.check.rule import Rule, Scope
from gatewright.graph.nodes import Gateway
from gatewright.graph.nodes import Rule as Served
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.trace import limits, tunnels
from gatewright.trace.branches import Limit
from gatewright.trace.hops import OutcomeKind

ID = "limit-too-small"
MOST = 20
"""How many rules of one name are looked at behind another gateway."""


def check(sight: Sight, row: Row) -> Iterable[Finding]:
    """A branch whose smallest limit is set by another hop than the route, which asks for more."""
    seen: set[tuple[str, str, Limit | None, Limit | None]] = set()
    for cell in row.cells:
        for fate in cell.fates:
            idle, body = fate.limits.idle_timeout, fate.limits.body
            for door in _next(sight, fate):
                yield from _of_branch(sight, row, cell.vantage, structs.replace(fate, gateway=door, rule=""))
            if not fate.rule or not (_elsewhere(idle, fate) or _elsewhere(body, fate)):
                continue
            identity = (cell.vantage, fate.rule, idle, body)
            if identity not in seen:
                seen.add(identity)
                yield from _of_branch(sight, row, cell.vantage, fate)


def _next(sight: Sight, fate: Fate) -> tuple[str, ...]:
    """The gateways behind the Service that a branch was delivered to: where the name's own route is."""
    if fate.kind != OutcomeKind.DELIVERED or not fate.backend:
        return ()
    namespace, _, name = fate.backend.rpartition(":")[0].partition("/")
    found = sight.ask(tunnels.behind).get(Key("Service", namespace, name), ())
    return tuple(door for door in found if door not in fate.gateways)


def _elsewhere(limit: Limit | None, fate: Fate) -> bool:
    """Is a limit set by something that is neither the rule nor its gateway?"""
    return limit is not None and limit.value > 0 and limit.hop != fate.rule and not limit.hop.endswith(fate.gateway)


def _of_branch(sight: Sight, row: Row, vantage: str, fate: Fate) -> Iterator[Finding]:
    gateway = sight.gateway(fate.gateway)
    for rule in _rules(sight, row.host, fate):
        if gateway is not None:
            yield from _of_rule(sight, row, vantage, fate, gateway, rule)


def _of_rule(sight: Sight, row: Row, vantage: str, fate: Fate, gateway: Gateway, rule: Served) -> Iterator[Finding]:
    asked = limits.of_gateway(sight, gateway, rule)
    own = (str(rule.route), rule.id)
    for wanted, given, what in (
        (asked.idle_timeout, fate.limits.idle_timeout, "idle"),
        (asked.body, fate.limits.body, "body"),
    ):
        if wanted is None or given is None or wanted.hop not in own or given.hop in own or not given.value:
            continue
        if wanted.value and wanted.value <= given.value:
            continue
        yield _finding(row.host, vantage, rule, wanted, given, what)


def _rules(sight: Sight, host: str, fate: Fate) -> list[Served]:
    """The rule by which a branch ended; all of the name's at a gateway whose rule is not known."""
    entries = (entry for one in serving(sight, host) if one.key.gateway == fate.gateway for entry in one.entries)
    found = {entry.rule.id: entry.rule for entry in entries if fate.rule in ("", entry.rule.id)}
    return list(found.values())[:MOST]


def _finding(host: str, vantage: str, rule: Served, wanted: Limit, given: Limit, what: str) -> Finding:
    if what == "idle":
        asks = f"allows {_time(wanted.value)} without traffic" if wanted.value else "sets no timeout"
        bears = f"ends connections after {_time(given.value)}"
        consequence = f"WebSockets and slow answers are cut off after {_time(given.value)}"
        fix = f"raise the idle timeout of {given.hop}, or send something more often than every {_time(given.value)}"
    else:
        asks = f"takes bodies of {_size(wanted.value)}" if wanted.value else "takes bodies of any size"
        bears = f"refuses those above {_size(given.value)}"
        consequence = f"uploads of more than {_size(given.value)} get 413"
        fix = f"raise the limit of {given.hop}, or let large uploads go around it"
    origins = tuple(item for item in (given.origin, wanted.origin or rule.origin) if item is not None)
    return Finding(
        ID,
        Severity.WARNING if wanted.value else Severity.INFO,
        f"{rule.route} {asks}, but {given.hop} before it {bears}",
        consequence,
        fix,
        origins,
        vantages=(vantage,) if vantage else (),
        hosts=(host,),
    )


def _time(seconds: float) -> str:
    return f"{seconds:g} s"


def _size(octets: float) -> str:
    for unit, size in (("GiB", 1024**3), ("MiB", 1024**2), ("GB", 1000**3), ("MB", 1000**2), ("KiB", 1024)):
        if octets >= size and not octets % size:
            return f"{octets / size:g} {unit}"
    return f"{octets:g} octets"


RULE = Rule(
    ID, "a limit on the way that is smaller than what was asked for", Severity.WARNING, Scope.NAME, __doc__, check
)
