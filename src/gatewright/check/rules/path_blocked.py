"""A firewall, security group or network policy lets one hop of a request through and not the next.

Each of them is right on its own: the name leads to the gateway, the route to the Service, the policy protects the
pods.  Together they keep out the one that has to come in.  A policy that admits `app: frontend` and was written before
there was a gateway is the classic; another is one that names the port of the Service, for policies see the port of the
pod.  A dropped packet gives no answer: clients and gateways wait until their patience ends.

    kind: NetworkPolicy
    metadata: {name: allow-web, namespace: shop}
    spec:
      podSelector: {matchLabels: {app: web}}
      ingress:
        - from: [{podSelector: {matchLabels: {app: frontend}}}]     # and the gateway's pods?
          ports: [{port: 80}]                                       # the Service's; the pods listen on 8080

Admit the gateway: its pods by namespace (`kubernetes.io/metadata.name`) and labels, or for Cilium's own Gateway API and
Ingress, which have no pods, `fromEntities: [ingress]` in a CiliumNetworkPolicy.  In a firewall, allow the port to which
the name leads; or do not lead the name there for those who are not meant to use it.

Nobody is told of what an Expectation wants to be refused or unreachable, of a gateway of which nothing says who its
pods are where somebody is admitted at all, nor of a cluster whose network plugin enforces no policies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.matrix import Cell, Fate, Row, serving
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _names
from gatewright.check.rules._admission import Denial, denials, rule_for
from gatewright.graph.network.nodes import StepKind
from gatewright.graph.nodes import BackendKey, Forward, VirtualHost
from gatewright.graph.reach import Reach, reach
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.asking import ExpectationIntent
from gatewright.kinds.intents.material import ServiceIntent
from gatewright.trace.hops import HopKind, OutcomeKind

ID = "path-blocked"
CLOSED = frozenset({OutcomeKind.UNREACHABLE.value, OutcomeKind.REFUSED.value})
WORKING = frozenset({OutcomeKind.DELIVERED.value, OutcomeKind.RESPONSE.value})
BARRIERS = (StepKind.POLICY, StepKind.FIREWALL)


def check(sight: Sight, row: Row) -> Iterable[Finding]:
    """What is closed before the gateway, then what is closed behind it."""
    for cell in row.cells:
        for fate in cell.fates:
            if fate.kind in CLOSED and not fate.rule and fate.origins:
                barrier = fate.at.partition(" ")[0]
                if barrier in (HopKind.FIREWALL, HopKind.POLICY) and not _meant(sight, row, cell):
                    yield _before(row, cell, fate, barrier)
    if row.served:
        for host in serving(sight, row.host):
            for key in _backends(host):
                way = sight.ask(reach, host.key.gateway, key)
                if not way.reached:
                    yield from _behind(sight, row, host, key, way)


# --- before the gateway -------------------------------------------------------------------------


def _before(row: Row, cell: Cell, fate: Fate, barrier: str) -> Finding:
    others = (one for other in row.cells if other.vantage == cell.vantage for one in other.fates)
    works = any(one.kind in WORKING for one in others)
    reason = fate.reason.rpartition("cannot be reached: ")[2]
    if barrier == HopKind.POLICY:
        fix = "admit this client to the port in the policy, or do not lead the name there for it"
    else:
        fix = "allow this port in the firewall, or do not lead the name there for these clients"
    return Finding(
        ID,
        Severity.WARNING if works else Severity.ERROR,
        reason,
        "clients lose time before they try another address" if works else "connections hang until the client gives up",
        fix,
        (fate.origins[-1],),
        (cell.vantage,),
        (row.host,),
        snippet=_allow(reason) if barrier == HopKind.FIREWALL else "",
    )


def _allow(reason: str) -> str:
    """The rule that lets through what a reason says is not."""
    words = reason.split()
    for protocol, port in pairwise(words):
        if protocol in ("tcp", "udp") and port.isdigit():
            direction = "outbound" if " out" in reason else "inbound"
            return f"{direction}:\n  - {{allow: {protocol}, ports: [{port}]}}\n"
    return ""


def _meant(sight: Sight, row: Row, cell: Cell) -> bool:
    """Does an Expectation say that this vantage has no way to the name?"""
    wanted = sight.ask(_expected_closed).get(_names.asked(row.host), ())
    return any(
        (not vantages or cell.vantage in vantages) and (not families or cell.family in families)
        for vantages, families in wanted
    )


def _expected_closed(sight: Sight) -> Mapping[str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]]:
    """A question: the names that are expected to be closed, with the vantages and families for which."""
    found: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = defaultdict(list)
    for item in sight.all("Expectation", ExpectationIntent):
        if item.outcome in CLOSED:
            found[_host(item.url)].append((item.vantages, item.families))
    return {host: tuple(wanted) for host, wanted in found.items()}


def _host(url: str) -> str:
    """The hostname in a URL that its kind has read already."""
    rest = url.partition("://")[2].partition("/")[0].partition("?")[0]
    return rest.partition(":")[0].lower().rstrip(".")


# --- behind the gateway -------------------------------------------------------------------------


def _backends(host: VirtualHost) -> Iterable[BackendKey]:
    actions = (entry.rule.action for entry in host.entries)
    return dict.fromkeys(
        one.backend
        for action in actions
        if isinstance(action, Forward)
        for one in action.backends
        if one.backend is not None and one.weight
    )


def _behind(sight: Sight, row: Row, host: VirtualHost, key: BackendKey, way: Reach) -> Iterator[Finding]:
    if not any(step.kind in BARRIERS and step.summary in way.reason for step in way.steps):
        return  # it is not a barrier that ends it
    service = sight.get(Key("Service", key.namespace, key.name), ServiceIntent)
    gateway = sight.gateway(host.key.gateway)
    others = (
        *((service.origin,) if service is not None else ()),
        *((gateway.origin,) if gateway is not None else ()),
    )
    denied = list(denials(sight, host.key.gateway, key))
    for denial in denied:
        yield Finding(
            ID,
            Severity.ERROR,
            denial.verdict.reason,
            f"gateway {host.key.gateway} gets no answer from Service {key.namespace}/{key.name}, and clients get 503 "
            "or 504",
            _fix(denial),
            _names.places(*denial.verdict.origins, *others),
            hosts=(row.host,),
            snippet="" if denial.by_service_port else rule_for(denial),
        )
    if not denied:
        yield Finding(
            ID,
            Severity.ERROR,
            f"gateway {host.key.gateway} does not reach Service {key.namespace}/{key.name}: {way.reason}",
            "clients get 503 or 504 from the gateway",
            "allow this in the firewall",
            _names.places(*reversed(way.origins), *others),
            hosts=(row.host,),
            snippet=_allow(way.reason),
        )


def _fix(denial: Denial) -> str:
    if denial.by_service_port:
        return (
            f"write port {denial.target.port} in the policy: {denial.by_service_port} is the Service's, and policies "
            "see that of the pods"
        )
    if denial.isolating:
        return f"admit {denial.gateway} on port {denial.target.port} in {denial.isolating[0].key}"
    return f"let {denial.gateway} out to port {denial.target.port}, or drop the rule that denies it"


RULE = Rule(ID, "a way that a firewall or network policy closes", Severity.ERROR, Scope.NAME, __doc__, check)
