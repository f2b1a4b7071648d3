"""A request from a vantage to its end: names, ways, edges, gateways, backends, on every branch.

The contract of `gatewright trace --from` and of `check`'s matrix.  `journey` composes `graph.names`, `graph.network`
and `trace.walk`; it decides nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from urllib.parse import urljoin, urlsplit

from msgspec import Struct, structs

from gatewright.base import hostnames
from gatewright.base.errors import UsageError
from gatewright.base.hostnames import Depth
from gatewright.graph.names.kept import kept
from gatewright.graph.names.nodes import Edge, Resolution, Status
from gatewright.graph.network import reach
from gatewright.graph.network.entry import entered
from gatewright.graph.network.nodes import Place
from gatewright.graph.network.outages import links_down
from gatewright.graph.network.policies import Verdict
from gatewright.graph.network.starts import starts
from gatewright.graph.network.topology import topology
from gatewright.graph.nodes import Backend, BackendKey, Gateway
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.material import ServiceIntent
from gatewright.kinds.intents.naming import ZoneIntent
from gatewright.trace import answer, edges, limits, passages, tunnels, vantages
from gatewright.trace.branches import Branch as Branch  # noqa: PLC0414  (the one place that others import them from)
from gatewright.trace.branches import Journey as Journey  # noqa: PLC0414
from gatewright.trace.branches import Limit as Limit  # noqa: PLC0414
from gatewright.trace.branches import Limits as Limits  # noqa: PLC0414
from gatewright.trace.branches import Trail, tightest
from gatewright.trace.branches import Trust as Trust  # noqa: PLC0414
from gatewright.trace.hops import Hop, HopKind, Outcome, OutcomeKind
from gatewright.trace.request import Request, is_address
from gatewright.trace.request import request as make_request
from gatewright.trace.stopped import stopped
from gatewright.trace.trust import BROWSER, Roots
from gatewright.trace.tunnels import Cloudflared
from gatewright.trace.vantages import ANYBODY, INTERNET_PLACE, Standing
from gatewright.trace.walk import gateways_for
from gatewright.trace.walks import Walked, direct
from gatewright.trace.walks import Walks as Walks  # noqa: PLC0414

MAX_BRANCHES = 256
MAX_REDIRECTS = 5
MAX_GATEWAYS = 8
"""How many gateways one request passes before it is said to go round in circles."""

MAX_WAYS = 2000
"""How many addresses one journey connects to, over all redirects and proxies."""

TYPES = {"4": "A", "6": "AAAA"}
AT_GATEWAY = ""

ENDINGS = {
    Status.NODATA: OutcomeKind.ABSENT,
    Status.NXDOMAIN: OutcomeKind.ABSENT,
    Status.REFUSED: OutcomeKind.UNREACHABLE,
    Status.LOOP: OutcomeKind.UNREACHABLE,
    Status.UNREACHED: OutcomeKind.UNREACHABLE,
    Status.UNKNOWN: OutcomeKind.UNKNOWN,
}
BAD = {Trust.UNTRUSTED, Trust.NAME_MISMATCH, Trust.EXPIRED}

REDIRECTING = (HopKind.FILTER, HopKind.EDGE)

Visited = tuple[tuple[str, ...], ...]
"""The gateways, each with host, target and scheme, that a request passed since its client sent it."""


class Client(Struct, frozen=True):
    """Who sends the request on this leg: the vantage itself, or an edge, a cloudflared, a gateway on its behalf.

    `place` None: the map does not say where it is.  `roots` None: it verifies no certificate; `name` is what it
    verifies where that is not the SNI.  `refusal`: the status that a proxy answers when it does not trust the next
    one, 0 for the vantage itself; `vantage` its name.  `gateway`: the id of one, which keeps what it was answered.
    """

    place: Place | None
    resolvers: tuple[str, ...] = ()
    roots: Roots | None = None
    name: str = ""
    refusal: int = 0
    vantage: str = ""
    gateway: str = ""


def journey(
    sight: Sight, vantage_id: str, request: Request, families: tuple[str, ...] = (), walks: Walks | None = None
) -> Journey:
    """All branches of a request from a vantage; "" starts at the gateways themselves.

    `families`: those of the vantage.  `walks` is shared by the journeys of one question.  UsageError when there is no
    such vantage.
    """
    walks = walks if walks is not None else Walks()
    if vantage_id == AT_GATEWAY:
        branches = [b for family in families or ("4",) for b in _from_gateways(sight, request, family, walks)]
        return Journey(vantage_id, request.url, tuple(branches))
    start = sight.ask(vantages.standing, vantage_id)
    if start is None:
        known = ", ".join(vantages.names(sight)) or "none: add a document of kind Vantage"
        raise UsageError(f"there is no vantage {vantage_id} (known: {known})")
    traveller = _Traveller(sight, start, walks)
    found: list[Branch] = []
    for family in families or start.families:
        some = list(islice(traveller.set_out(request, family), MAX_BRANCHES + 1))
        if len(some) > MAX_BRANCHES:
            some[-1] = Trail(family).fails(
                OutcomeKind.UNKNOWN, f"more than {MAX_BRANCHES} branches; these are the first"
            )
        found += some
    return Journey(vantage_id, request.url, tuple(found))


def _from_gateways(sight: Sight, request: Request, family: str, walks: Walks) -> Iterator[Branch]:
    """From whoever already stands before a gateway: no names, no ways, no judgement of certificates."""
    for gateway in _serving(sight, request):
        trail = Trail(family)
        walked = walks.walk(sight, gateway, request)
        trail.gateways = (gateway.id,)
        trail.passed(walked.hops, walked.limits, walked.links)
        yield trail.end(walked.outcome)


def _serving(sight: Sight, request: Request) -> list[Gateway]:
    """The gateways that serve the name best, as `walk.gateways_for` has it, read by name as far as that goes."""
    names = {request.host, request.sni} - {""}
    served = {
        key.gateway
        for name in names or {hostnames.ANY}
        for pattern in hostnames.parents(name, Depth.MANY)
        for key in sight.serving(pattern)
        if key.port == request.port
    }
    gateways = [gateway for gateway_id in sorted(served or sight.gateways()) if (gateway := sight.gateway(gateway_id))]
    if not gateways:
        return []
    for gateway in gateways:
        for name in names:
            sight.graph_for(gateway, name)
    graph = structs.replace(sight.graph_for(gateways[0], request.host), gateways={g.id: g for g in gateways})
    return gateways_for(graph, request)


class _Traveller:
    """One journey's way: each method takes a Trail so far and yields the branches that it grows into."""

    def __init__(self, sight: Sight, start: Standing, walks: Walks) -> None:
        self._sight = sight
        self._start = start
        self._walks = walks
        self._ways = 0
        self._client = Client(start.place, start.resolvers, start.roots, vantage=start.name)

    def set_out(self, request: Request, family: str) -> Iterator[Branch]:
        trail = Trail(family)
        start = self._start
        trail.hop(HopKind.VANTAGE, f"{start.name} at {start.where}", start.origin)
        if start.place is None:
            yield trail.fails(OutcomeKind.UNKNOWN, f"the map has no {start.where}")
        elif family not in start.families:
            yield trail.fails(OutcomeKind.UNREACHABLE, f"{start.name} has no IPv{family}")
        else:
            sent = structs.replace(request, client=start.public[family])
            yield from self._send(trail, sent, frozenset({_identity(request)}), "")

    # --- names ------------------------------------------------------------------------------

    def _send(self, trail: Trail, request: Request, seen: frozenset[str], resolver: str) -> Iterator[Branch]:
        """The vantage asks for the URL's host.  `resolver`: the one that answers, if an earlier answer settled it."""
        host = _host(request)
        if is_literal(host):
            family = "6" if ":" in host else "4"
            if family == trail.family:
                trail.address = host
                yield from self._seen(self._connect(trail, host, request, self._client, ()), request, seen)
            elif family not in self._start.families:
                yield trail.fails(OutcomeKind.UNREACHABLE, f"{self._start.name} has no IPv{family}, and {host} is one")
            return
        unreachable: set[str] = set()
        for item in self._resolutions(host, trail.family, self._client):
            if (resolver and item.resolver != resolver) or item.resolver in unreachable:
                continue
            branch = trail.fork()
            branch.resolver = item.resolver
            failure = self._ask_resolver(branch, item)
            if failure is not None:
                unreachable.add(item.resolver)
                yield failure
                continue
            yield from self._seen(self._answered(branch, item, request, self._client, ()), request, seen)

    def _resolutions(self, name: str, family: str, client: Client) -> tuple[Resolution, ...]:
        place = client.place or INTERNET_PLACE
        now = self._walks.resolutions(self._sight, client.resolvers, name, TYPES[family], place)
        if not client.gateway:
            return now
        return kept(self._sight, client.gateway, (client.resolvers, name, TYPES[family], place), now)

    def _ask_resolver(self, trail: Trail, item: Resolution) -> Branch | None:
        """Can the vantage reach the resolver at all?  The failed branch when not."""
        asking = self._sight.ask(vantages.to_resolver, self._start.name, item.resolver)
        if asking is None:
            return None
        trail.passed((asking.hop,), links=asking.passage.way.links)
        if asking.passage.way.reached:
            return None
        reason = f"resolver {item.resolver} cannot be reached: {asking.passage.way.reason}"
        return trail.fails(OutcomeKind.UNREACHABLE, reason)

    def _answered(
        self, trail: Trail, item: Resolution, request: Request, client: Client, visited: Visited
    ) -> Iterator[Branch]:
        """Every address of one answer, or why there is none."""
        for step in item.steps:
            trail.hop(HopKind.RESOLVER, step.summary, step.origin)
        trail.resolvers += item.asked
        if item.status is Status.EDGE and item.edge is not None:
            yield from self._at_edge(trail, item.edge, request, client, visited)
        elif item.status in (Status.ANSWER, Status.UNKNOWN) and (key := self._own_service(request, client)):
            trail.address = trail.address or next(iter(item.addresses), "")
            yield from self._to_service(trail, key, request, client, visited)
        elif item.status is Status.ANSWER and item.addresses:
            for address in item.addresses:
                branch = trail.fork()
                branch.address = trail.address or address
                branch.hop(HopKind.ADDRESS, address, item.origin)
                yield from self._connect(branch, address, request, client, visited)
        else:
            kind = ENDINGS.get(item.status, OutcomeKind.ABSENT)
            said = item.steps[-1].summary if item.steps else item.status.value
            yield trail.fails(kind, said)

    def _own_service(self, request: Request, client: Client) -> Key | None:
        """The Service of the vantage's own cluster that a name is; its address need not be among the input."""
        if client.refusal or client.place is None or client.place.kind != "cluster" or ".svc" not in request.host:
            return None
        key = tunnels.service_key(_host(request), "")
        service = self._sight.get(key, ServiceIntent) if key is not None else None
        return key if service is not None and service.type != "ExternalName" else None

    # --- addresses --------------------------------------------------------------------------

    def _connect(
        self, trail: Trail, address: str, request: Request, client: Client, visited: Visited
    ) -> Iterator[Branch]:
        """From the client's place to an address, and into the gateways that answer there."""
        protocol = "udp" if request.scheme == "udp" else "tcp"
        self._ways += 1
        if self._ways > MAX_WAYS:
            yield trail.fails(OutcomeKind.UNKNOWN, f"more than {MAX_WAYS} ways to go; this one is not followed")
            return
        if client.place is None:
            yield trail.fails(OutcomeKind.UNKNOWN, f"the map does not say from where {address} is reached")
            return
        passage = self._sight.ask(passages.passage, client.place, address, request.port, protocol)
        way = passage.way
        trail.passed(passage.hops, passage.limits, way.links)
        if not way.reached:
            kind = OutcomeKind.UNKNOWN if way.unknown else OutcomeKind.UNREACHABLE
            yield trail.fails(kind, way.reason, 0 if way.unknown else edges.UNREACHED if client.refusal else 0)
            return
        port = way.port or request.port
        if not passage.gateways:
            services = self._sight.ask(tunnels.handed_out).get(way.address or address, ()) if not passage.others else ()
            for key in services:
                yield from self._to_service(trail.fork(), key, structs.replace(request, port=port), client, visited)
            if services:
                return
            if passage.others:
                names = ", ".join(passage.others)
                yield trail.fails(OutcomeKind.REFUSED, f"connection refused: {names} does not listen on port {port}")
            else:
                yield trail.fails(OutcomeKind.UNKNOWN, f"nothing is known to answer at {way.address or address}:{port}")
            return
        source = way.source or ANYBODY["6" if ":" in address else "4"]
        arrived = structs.replace(request, client=source, port=port)
        closed = dict(passage.closed)
        for gateway_id in passage.gateways:
            branch = trail.fork() if len(passage.gateways) > 1 else trail
            if gateway_id in closed:
                yield _kept_out(branch, gateway_id, closed[gateway_id], client)
            else:
                yield from self._at_gateway(branch, gateway_id, arrived, client, visited)

    def _at_gateway(
        self, trail: Trail, gateway_id: str, request: Request, client: Client, visited: Visited
    ) -> Iterator[Branch]:
        """Through a gateway: its certificate, its rules, its backend."""
        gateway = self._sight.gateway(gateway_id)
        assert gateway is not None, gateway_id
        here = (gateway_id, request.scheme, request.host, request.target)
        if here in visited or len(visited) >= MAX_GATEWAYS:
            trail.hop(HopKind.GATEWAY, f"{gateway_id} again", gateway.origin)
            names = " → ".join((*(item[0] for item in visited), gateway_id))
            yield trail.fails(OutcomeKind.REFUSED, f"the request goes round in circles: {names}", 508)
            return
        trail.gateways += (gateway_id,)
        ended = self._sight.ask(stopped, gateway_id)
        if ended is not None:
            trail.hop(HopKind.GATEWAY, ended.reason, gateway.origin)
            lost = ended.kind is OutcomeKind.UNREACHABLE
            yield trail.fails(ended.kind, ended.reason, (edges.UNREACHED if lost else 502) if client.refusal else 0)
            return
        walked = self._walks.walk(self._sight, gateway, request)
        failure, stations = self._greet(trail, walked, request, client)
        if failure is not None:
            yield failure
            return
        trail.passed(stations, walked.limits, walked.links)
        if walked.external is not None:
            yield from self._external(trail, gateway, walked, walked.external, request, (*visited, here))
        else:
            yield trail.end(walked.outcome)

    def _greet(
        self, trail: Trail, walked: Walked, request: Request, client: Client
    ) -> tuple[Branch | None, tuple[Hop, ...]]:
        """What the client makes of the certificate: the failed branch when it goes away, else the walk's stations."""
        if walked.passed_through and not client.refusal:
            trail.trust = Trust.UNKNOWN
        if walked.shown is None or client.roots is None:
            return None, walked.hops
        trust, why = self._walks.judge(walked.shown, client.name or request.sni or _host(request), client.roots)
        if not client.refusal:
            trail.trust = trust
        stations = self._walks.told(walked, why)
        if trust not in BAD:
            return None, stations
        trail.passed(stations[: walked.greeting], walked.limits)
        kind = OutcomeKind.REFUSED if client.refusal else OutcomeKind.UNTRUSTED
        return trail.fails(kind, why, client.refusal), ()

    # --- redirects --------------------------------------------------------------------------

    def _seen(self, branches: Iterator[Branch], request: Request, seen: frozenset[str]) -> Iterator[Branch]:
        """Follow the redirects among branches as the client would."""
        for branch in branches:
            if branch.outcome.location is None:
                yield branch
            else:
                yield from self._redirected(branch, request, seen)

    def _redirected(self, branch: Branch, request: Request, seen: frozenset[str]) -> Iterator[Branch]:
        outcome = branch.outcome
        location, target = _followed(request, outcome.location or "", outcome.status)
        if target is None:
            yield branch
            return
        trail = _resumed(branch)
        by = next((hop.origin for hop in reversed(branch.hops) if hop.kind in REDIRECTING), None)
        trail.hop(HopKind.RESPONSE, f"{outcome.status} to {location}, which the client follows", by)
        trail.redirects += ((outcome.status, location),)
        if _identity(target) in seen:
            reason = f"redirect loop: {request.url} is redirected to {location}, which was asked for already"
            yield trail.end(structs.replace(outcome, kind=OutcomeKind.REFUSED, reason=reason))
        elif len(branch.redirects) >= MAX_REDIRECTS:
            reason = f"more than {MAX_REDIRECTS} redirects, the last to {location}"
            yield trail.end(structs.replace(outcome, kind=OutcomeKind.REFUSED, reason=reason))
        else:
            trail.address = ""
            further = self._send(trail, target, seen | {_identity(target)}, branch.resolver)
            found = list(islice(further, MAX_BRANCHES))
            # To where the map does not reach: the redirect is the answer.
            known = any(item.outcome.kind is not OutcomeKind.UNKNOWN for item in found)
            yield from found if known else [branch]

    # --- edges and tunnels ------------------------------------------------------------------

    def _at_edge(
        self, trail: Trail, edge: Edge, request: Request, client: Client, visited: Visited
    ) -> Iterator[Branch]:
        """A CDN answers: its certificate, its settings, then from its own place to the origin."""
        zone = self._sight.get(edge.zone, ZoneIntent)
        assert zone is not None, edge.zone
        failure = self._reach_edge(trail, edge, request, client)
        if failure is not None:
            yield failure
            return
        trail.hop(HopKind.EDGE, f"{edge.provider} answers for {edge.name}", edge.origin)
        trail.limits = tightest(
            trail.limits, limits.of_implementation(edge.provider, f"{edge.provider} edge", edge.origin)
        )
        if request.encrypted and not edges.covered(zone, request.sni):
            names = ", ".join(edges.certificate_names(zone)) or "none"
            reason = f"TLS handshake fails: {edge.provider} has no certificate for {request.sni} (it has: {names})"
            if not client.refusal:
                trail.trust = Trust.NAME_MISMATCH
            trail.hop(HopKind.TLS, reason, zone.origin)
            yield trail.fails(OutcomeKind.REFUSED, reason)
            return
        if request.encrypted and not client.refusal:
            trail.trust = Trust.TRUSTED if client.roots is None or client.roots.public else Trust.UNTRUSTED
            if trail.trust is Trust.UNTRUSTED:
                yield trail.fails(OutcomeKind.UNTRUSTED, "the client does not trust public authorities")
                return
        leg = edges.leg(zone, edge.provider, request)
        if isinstance(leg, edges.EdgeAnswer):
            trail.hop(HopKind.EDGE, leg.reason, zone.origin)
            kind = OutcomeKind.RESPONSE if leg.location else OutcomeKind.REFUSED
            yield trail.end(Outcome(kind, leg.status, leg.reason, leg.location or None))
        elif edge.tunnel:
            yield from self._through_tunnel(trail, edge, _forwarded(request), visited)
        else:
            trail.hop(HopKind.EDGE, leg.summary, zone.origin)
            onward = structs.replace(
                _forwarded(request), scheme=leg.scheme, port=leg.port, sni=request.host if leg.scheme == "https" else ""
            )
            place = structs.replace(INTERNET_PLACE, addresses=edges.ADDRESSES.get(edge.provider, ()))
            roots = Roots(cdn=edge.provider == "cloudflare") if leg.verify else None
            origin = Client(place, (), roots, refusal=edges.BAD_SSL)
            for name in edge.origins:
                yield from self._to_name(trail.fork(), name, onward, origin, visited)

    def _reach_edge(self, trail: Trail, edge: Edge, request: Request, client: Client) -> Branch | None:
        """The way to the CDN; the failed branch when there is none."""
        trail.address = trail.address or edge.provider
        address = edges.entrance(edge.provider, trail.family)
        if client.place is None or not address:
            return None
        passage = self._sight.ask(passages.passage, client.place, address, request.port, "tcp")
        if passage.way.unknown:  # out on the internet, where the map ends
            return None
        trail.passed(passage.hops, passage.limits, passage.way.links)
        if passage.way.reached:
            return None
        return trail.fails(OutcomeKind.UNREACHABLE, f"{edge.provider} cannot be reached: {passage.way.reason}")

    def _to_name(self, trail: Trail, name: str, request: Request, client: Client, visited: Visited) -> Iterator[Branch]:
        """A proxy connects to a name or address: whichever family there is."""
        if is_literal(name):
            yield from self._connect(trail, name, request, client, visited)
            return
        found = [item for family in ("4", "6") for item in self._resolutions(name, family, client)]
        useful = [item for item in found if item.status in (Status.ANSWER, Status.EDGE)]
        branches = [
            branch
            for item in useful or found[:1]
            for branch in islice(self._answered(trail.fork(), item, request, client, visited), MAX_BRANCHES)
        ]
        # A proxy that has only one family does not try the other.
        arrived = [item for item in branches if item.outcome.kind is not OutcomeKind.UNREACHABLE]
        yield from arrived or branches

    def _through_tunnel(self, trail: Trail, edge: Edge, request: Request, visited: Visited) -> Iterator[Branch]:
        """To every cloudflared of the tunnel, and from there where its rules say."""
        daemons = self._sight.ask(tunnels.cloudflareds).get(edge.tunnel, ())
        if not daemons:
            yield trail.fails(OutcomeKind.UNKNOWN, f"the configuration of tunnel {edge.tunnel} is not among the input")
        broken = self._sight.ask(links_down)
        connected = [daemon for daemon in daemons if daemon.link not in broken]
        if daemons and not connected:
            yield trail.fails(OutcomeKind.UNREACHABLE, f"{daemons[0].link} is down: nobody dials", edges.UNCONNECTED)
        for daemon in connected:
            branch = trail.fork()
            if daemon.link:
                branch.links += (daemon.link,)
            branch.hop(HopKind.TUNNEL, f"cloudflared of tunnel {edge.tunnel}", daemon.intent.origin)
            yield from self._from_daemon(branch, daemon, request, visited)

    def _from_daemon(self, trail: Trail, daemon: Cloudflared, request: Request, visited: Visited) -> Iterator[Branch]:
        rule = tunnels.choose(daemon.intent, request)
        if rule is None:
            yield trail.fails(OutcomeKind.REFUSED, "no rule of the tunnel takes the request", 404)
            return
        trail.hop(HopKind.TUNNEL, f"rule {rule.hostname or '*'}{rule.path} → {rule.service}", rule.origin)
        service = tunnels.service(rule, request)
        if service is None:
            yield trail.fails(OutcomeKind.UNKNOWN, f"{rule.service} carries no HTTP")
            return
        if service.status:
            kind = OutcomeKind.REFUSED if service.status >= 400 else OutcomeKind.RESPONSE
            yield trail.fails(kind, f"the tunnel answers {service.status} itself", service.status)
            return
        onward = structs.replace(
            request,
            scheme=service.scheme,
            host=hostnames.normalize(rule.host_header) if rule.host_header else request.host,
            port=service.port,
            sni=service.server_name,
        )
        roots = BROWSER if service.scheme == "https" and rule.verify else None
        for place in daemon.places or (None,):
            client = Client(place, (), roots, service.server_name or rule.server_name or service.host, 502)
            key = tunnels.service_key(service.host, daemon.intent.key.namespace)
            if key is not None and self._sight.get(key, ServiceIntent) is not None:
                yield from self._to_service(trail.fork(), key, onward, client, visited)
            elif service.host == "localhost" and place is not None:
                machine = self._sight.ask(topology).machines.get(place.id)
                address = machine.addresses[0] if machine is not None and machine.addresses else "127.0.0.1"
                yield from self._connect(trail.fork(), address, onward, client, visited)
            else:
                yield from self._to_name(trail.fork(), service.host, onward, client, visited)

    def _to_service(
        self, trail: Trail, key: Key, request: Request, client: Client, visited: Visited
    ) -> Iterator[Branch]:
        """To a Service from inside its cluster: the gateways behind it, or else its own pods."""
        service = self._sight.get(key, ServiceIntent)
        target = tunnels.target_port(service, request.port) if service is not None else None
        if service is None or (service.ports and target is None):
            yield trail.fails(OutcomeKind.REFUSED, f"{key} has no port {request.port}", client.refusal)
            return
        gateways = self._sight.ask(tunnels.behind).get(key, ())
        for gateway_id in gateways:
            gateway = self._sight.gateway(gateway_id)
            numbers = {port.number for port in gateway.ports if not port.udp} if gateway is not None else set()
            port = next((number for number in (request.port, target) if number in numbers), request.port)
            source = client.place.addresses[0] if client.place and client.place.addresses else ANYBODY["4"]
            arrived = structs.replace(request, port=port, client=source)
            known = "" if source == ANYBODY["4"] else source
            verdict = self._sight.ask(entered, gateway_id, client.place, known, port, "tcp")
            if verdict.allowed:
                yield from self._at_gateway(trail.fork(), gateway_id, arrived, client, visited)
            else:
                yield _kept_out(trail.fork(), gateway_id, verdict, client)
        if not gateways:
            trail.hop(HopKind.BACKEND, f"{key.namespace}/{key.name}:{request.port}", service.origin)
            backend = BackendKey(key.namespace, key.name, request.port)
            walked = direct(self._sight, client.place, backend, request, edges.UNREACHED if client.refusal else 0)
            trail.passed(walked.hops, walked.limits, walked.links)
            yield trail.end(walked.outcome)

    # --- ExternalName -----------------------------------------------------------------------

    def _external(
        self, trail: Trail, gateway: Gateway, walked: Walked, backend: Backend, request: Request, visited: Visited
    ) -> Iterator[Branch]:
        """The backend is a name: perhaps that of another gateway, perhaps of this very one."""
        sent = walked.outcome.sent
        tls = backend.tls
        onward = structs.replace(
            _forwarded(request),
            scheme="https" if tls is not None else "http" if sent is not None and sent.path else "tcp",
            host=hostnames.normalize(sent.host) if sent is not None and sent.host else backend.dns_name,
            port=backend.key.port,
            target=sent.path if sent is not None and sent.path else request.target,
            sni=(tls.server_name or backend.dns_name) if tls is not None else "",
        )
        start = self._sight.ask(starts, gateway.id)[0]
        client = Client(start.place, reach.resolvers_of(self._sight, start), None, refusal=502, gateway=gateway.id)
        key = tunnels.service_key(backend.dns_name, backend.key.namespace)
        further: Iterator[Branch] = iter(())
        if key is not None and self._sight.get(key, ServiceIntent) is not None:
            if key in self._sight.ask(tunnels.behind):
                further = self._to_service(trail.fork(), key, onward, client, visited)
        elif start.place is not None:
            further = self._to_name(trail.fork(), backend.dns_name, onward, client, visited)
        found = list(islice(further, MAX_BRANCHES))
        if any(item.outcome.kind is not OutcomeKind.UNKNOWN for item in found):
            yield from (_without_address(item, walked, gateway) for item in found)
        else:  # what answers there is not on the map: that is where it was sent on purpose
            way = self._sight.ask(reach.reach, gateway.id, backend.key)
            own = dict.fromkeys(step for one in way.resolved for step in one.steps if step.resolver == gateway.id)
            for step in own:
                trail.hop(HopKind.RESOLVER, step.summary, step.origin)
            trail.passed(passages.hops(way.steps), links=way.links)
            yield trail.end(walked.outcome)


def _without_address(branch: Branch, walked: Walked, gateway: Gateway) -> Branch:
    """A gateway that is told no address of its backend says so itself: the name that its client asked for exists."""
    said = branch.outcome
    if said.status or said.kind not in (OutcomeKind.ABSENT, OutcomeKind.UNREACHABLE):
        return branch
    status = answer.unreached(gateway.implementation) if walked.outcome.status and not walked.passed_through else 0
    refused = structs.replace(walked.outcome, kind=OutcomeKind.REFUSED, status=status, reason=said.reason)
    return structs.replace(branch, outcome=refused)


def _kept_out(trail: Trail, gateway_id: str, verdict: Verdict, client: Client) -> Branch:
    """Packets to the gateway's pods are dropped: a proxy answers for that, others wait in vain."""
    trail.gateways += (gateway_id,)
    trail.hop(HopKind.POLICY, verdict.reason, verdict.origins[0] if verdict.origins else None)
    return trail.fails(OutcomeKind.UNREACHABLE, verdict.reason, edges.UNREACHED if client.refusal else 0)


def _host(request: Request) -> str:
    """The host of the URL, which is what clients look up; mostly the Host header's too."""
    start = len(request.scheme) + 3
    end = start + len(request.host)
    if request.url[start:end] == request.host and request.url[end : end + 1] in ("", "/", ":", "?"):
        return request.host.strip("[]")
    return urlsplit(request.url).hostname or request.host


def is_literal(host: str) -> bool:
    """Is it an address?  Most names end in no digit, which is cheaper to see than to parse."""
    return (":" in host or host[-1:].isdigit()) and is_address(host)


def _identity(request: Request) -> str:
    return f"{request.scheme}://{request.host}:{request.port}{request.target}"


def _forwarded(request: Request) -> Request:
    """The request as a proxy passes it on: with the client's address."""
    return structs.replace(request, headers=(*request.headers, ("x-forwarded-for", request.client)))


def _followed(request: Request, location: str, status: int) -> tuple[str, Request | None]:
    """Where a redirect leads, and the request that a client makes of it; None when it does not follow it."""
    method = "GET" if status == 303 or (status in (301, 302) and request.method == "POST") else request.method
    try:
        location = urljoin(request.url, location)
        made = make_request(location, method, client=request.client)
    except (ValueError, UsageError):
        return location, None
    return location, structs.replace(made, headers=request.headers) if made.scheme in ("http", "https") else None


def _resumed(branch: Branch) -> Trail:
    """A Trail that goes on where a branch ended."""
    trail = Trail(branch.family)
    for name in Trail.__slots__:
        setattr(trail, name, getattr(branch, name))
    return trail
