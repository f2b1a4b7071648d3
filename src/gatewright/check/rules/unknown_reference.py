"""The site map names a vantage, resolver, gateway, place, link or view that is not there.

A slip of a letter makes a client that asks nobody, an Expectation that nobody can hold, a zone that nobody sees: the
answers stay silent about it, or say "unknown", and everything looks well.

    kind: Vantage
    metadata: {name: phone}
    spec: {network: home/lan, resolvers: [fritzbx]}     # the Resolver is called fritzbox

Correct the name, or add what it names to what is checked.  A resolver may also be an address, a URL of one, `public` or
`cluster-dns`; whoever they are, addresses are no fault.  Names in configuration files of other programs are not looked
at: they may be of machines that the map does not describe.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.graph.names import servers
from gatewright.graph.names.nodes import PUBLIC
from gatewright.graph.names.routed import is_called
from gatewright.graph.names.servers import ServerKind
from gatewright.graph.names.zones import OURS
from gatewright.graph.network import cidrs
from gatewright.graph.network.spots import known_names
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.asking import ExpectationIntent, VantageIntent
from gatewright.kinds.intents.naming import ALL_GATEWAYS, ResolverIntent, ViewIntent, ZoneIntent
from gatewright.kinds.intents.places import LinkIntent, SiteIntent, Spot

ID = "unknown-reference"
PUBLIC_VIEW = "public"
MOST = 8
"""How many names a fix lists."""

Subject = VantageIntent | ResolverIntent | ViewIntent | ZoneIntent | ExpectationIntent | SiteIntent


def check(sight: Sight, subject: Subject) -> Iterable[Finding]:
    """All names in one object of the site map."""
    match subject:
        case VantageIntent():
            yield from _place(sight, subject.at, subject)
            yield from _resolvers(sight, subject.resolvers, subject, subject.origin.at("spec", "resolvers"))
        case ResolverIntent():
            yield from _of_resolver(sight, subject)
        case ZoneIntent():
            yield from _of_zone(sight, subject)
        case ViewIntent():
            yield from _of_view(sight, subject)
        case ExpectationIntent():
            yield from _of_expectation(sight, subject)
        case SiteIntent():
            for cluster in subject.clusters:
                if cluster.resolver:
                    yield from _resolvers(sight, (cluster.resolver,), subject, cluster.origin)


def _place(sight: Sight, spot: Spot, subject: VantageIntent | ResolverIntent | ViewIntent) -> Iterator[Finding]:
    _, problems = sight.ask(known_names).look_up(spot, subject.origin, str(subject.key))
    for problem in problems:
        yield Finding(
            ID,
            Severity.ERROR,
            problem.message,
            "nobody can say which way its packets go",
            problem.hint,
            (subject.origin,),
        )


def _of_resolver(sight: Sight, resolver: ResolverIntent) -> Iterator[Finding]:
    if resolver.at is not None:
        yield from _place(sight, resolver.at, resolver)
    config = resolver.config
    yield from _resolvers(sight, config.upstreams, resolver, resolver.origin.at("spec", "upstreams"))
    for forward in config.forwards:
        yield from _resolvers(sight, forward.to, resolver, forward.origin)
    views = _views(sight)
    for view in resolver.views:
        if view != PUBLIC_VIEW and view not in views:
            what = f"{resolver.key} serves the view {view}, which no Zone has"
            yield _finding(what, view, views, "the names of that view are not known to its clients", resolver.origin)


def _of_zone(sight: Sight, zone: ZoneIntent) -> Iterator[Finding]:
    if ALL_GATEWAYS not in zone.gateways:
        for index, name in enumerate(zone.gateways):
            if not any(is_called(gateway_id, name) for gateway_id in sight.gateways()):
                what = f"{zone.key} leads names to the gateway {name}, which there is not"
                origin = zone.origin.at("spec", "gateways", index)
                yield _finding(what, name, sight.gateways(), "names of its routes are not in the zone", origin)
    if zone.view == PUBLIC_VIEW or zone.provider == OURS:
        return  # our server serves every view of ours, to whom its View says
    served = {view for resolver in sight.all("Resolver", ResolverIntent) for view in resolver.views}
    if zone.view not in served:
        what = f"{zone.key} is of the view {zone.view}, which no Resolver serves"
        yield _finding(what, zone.view, served, "nobody sees its records", zone.origin, Severity.WARNING)


def _of_view(sight: Sight, view: ViewIntent) -> Iterator[Finding]:
    for spot in view.spots:
        yield from _place(sight, spot, view)
    views = _views(sight)
    if view.key.name not in views:
        what = f"{view.key} is of no Zone: none has the view {view.key.name}"
        consequence = "its clients are refused every name"
        yield _finding(what, view.key.name, views, consequence, view.origin, Severity.WARNING)


def _views(sight: Sight) -> set[str]:
    return {zone.view for zone in sight.all("Zone", ZoneIntent)}


def _resolvers(sight: Sight, refs: Iterable[str], subject: Subject, origin: Origin) -> Iterator[Finding]:
    """Whom a list of resolvers names; what looks like an address, a URL or a hostname is not looked for."""
    for ref in refs:
        if any(mark in ref for mark in ".:/") or sight.ask(servers.server, ref).kind is not ServerKind.UNKNOWN:
            continue
        known = [resolver.key.name for resolver in sight.all("Resolver", ResolverIntent)]
        what = f"{subject.key} names the resolver {ref}, which there is not"
        yield _finding(what, ref, known, "nobody can say what it answers", origin)


def _of_expectation(sight: Sight, wanted: ExpectationIntent) -> Iterator[Finding]:
    holds = "the Expectation cannot hold"
    if wanted.vantages:
        vantages = [vantage.key.name for vantage in sight.all("Vantage", VantageIntent)]
        for name in wanted.vantages:
            if name not in vantages:
                what = f"{wanted.key} asks from the vantage {name}, which there is not"
                yield _finding(what, name, vantages, holds, wanted.origin.at("spec", "from"))
    if wanted.gateway and sight.gateway(wanted.gateway) is None:
        what = f"{wanted.key} expects the gateway {wanted.gateway}, which there is not"
        origin = wanted.origin.at("spec", "expect", "gateway")
        yield _finding(what, wanted.gateway, sight.gateways(), holds, origin, Severity.WARNING)
    for field, passed, consequence in (
        ("via", wanted.via, holds),
        ("notVia", wanted.not_via, "the Expectation holds whatever the way is"),
    ):
        if passed:
            hops = [link.key.name for link in sight.all("Link", LinkIntent)]
            hops += [resolver.key.name for resolver in sight.all("Resolver", ResolverIntent)]
            for name in passed:
                if name not in hops and name != PUBLIC and cidrs.address(name) is None:
                    what = f"{wanted.key} speaks of {name} in {field}, which is neither a Link nor a Resolver"
                    yield _finding(what, name, hops, consequence, wanted.origin.at("spec", "expect", field))


def _finding(
    what: str,
    name: str,
    known: Iterable[str],
    consequence: str,
    origin: Origin,
    severity: Severity = Severity.ERROR,
) -> Finding:
    names = sorted(set(known) - {PUBLIC_VIEW})
    close = difflib.get_close_matches(name, names, 1, 0.5)
    if close:
        fix = f"did you mean {close[0]}?"
    elif names:
        fix = f"write one of {', '.join(names[:MOST])}, or describe it"
    else:
        fix = "describe it in the site map"
    return Finding(ID, severity, what, consequence, fix, (origin,))


RULE = Rule(
    ID,
    "a name in the site map of something that is not there",
    Severity.ERROR,
    Scope.OBJECT,
    __doc__,
    check,
    (VantageIntent, ResolverIntent, ViewIntent, ZoneIntent, ExpectationIntent, SiteIntent),
)
