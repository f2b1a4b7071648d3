"""A leg of a request: whoever sends it connects, and it goes on through edges, tunnels and gateways to its end.

The sender is the vantage or a proxy on the way; each proxy sends a leg of its own.  Nothing is followed here that only
the vantage itself follows: redirects, and which of its resolvers answers, are `journey`'s.  Counterparts: `journey`;
`passages` (the way of a leg), `walks` (inside of a gateway), `edges` and `tunnels` (what those do).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from urllib.parse import urlsplit

from msgspec import Struct, structs

from gatewright.base import hostnames
from gatewright.graph import reach
from gatewright.graph.names.kept import kept
from gatewright.graph.names.nodes import Edge, Resolution, Status
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
from gatewright.trace import answer, edges, limits, passages, tunnels
from gatewright.trace.branches import Branch, Trail, Trust, tightest
from gatewright.trace.hops import Hop, HopKind, Outcome, OutcomeKind
from gatewright.trace.request import Request, is_address
from gatewright.trace.stopped import stopped
from gatewright.trace.trust import BROWSER, Roots
from gatewright.trace.tunnels import Cloudflared
from gatewright.trace.vantages import ANYBODY, INTERNET_PLACE
from gatewright.trace.walks import Walked, Walks, direct

MAX_BRANCHES = 256
"""How many ways a question about one request is followed on."""

MAX_GATEWAYS = 8
"""How many gateways one request passes before it is said to go round in circles."""

MAX_WAYS = 2000
"""How many addresses one journey connects to, over all redirects and proxies."""

TYPES = {"4": "A", "6": "AAAA"}

ENDINGS = {
    Status.NODATA: OutcomeKind.ABSENT,
    Status.NXDOMAIN: OutcomeKind.ABSENT,
    Status.REFUSED: OutcomeKind.UNREACHABLE,
    Status.LOOP: OutcomeKind.UNREACHABLE,
    Status.UNREACHED: OutcomeKind.UNREACHABLE,
    Status.UNKNOWN: OutcomeKind.UNKNOWN,
}
BAD = {Trust.UNTRUSTED, Trust.NAME_MISMATCH, Trust.EXPIRED}

Visited = tuple[tuple[str, ...], ...]
"""The gateways, each with host, target and scheme, that a request passed since its client sent it."""


class Client(Struct, frozen=True):
    """Who sends the request on this leg: the vantage itself, or an edge, a cloudflared, a gateway on its behalf.

    `place` None: the map does not say where it is.  `roots` None: it verifies no certificate; `name` is what it
    verifies where that is not the SNI.  `refusal`: the status that a proxy answers when it does not trust the next
    one, 0 for the vantage itself.  `gateway`: the id of one, which keeps what it was answered.
    """

    place: Place | None
    resolvers: tuple[str, ...] = ()
    roots: Roots | None = None
    name: str = ""
    refusal: int = 0
    gateway: str = ""

    @property
    def refused(self) -> int:
        """The status that is answered for a closed port, 0 for the vantage itself."""
        return edges.REFUSED if self.refusal == edges.BAD_SSL else self.refusal

    @property
    def unreached(self) -> int:
        """The status that is answered where packets do not get through, 0 for the vantage itself."""
        return edges.UNREACHED if self.refusal == edges.BAD_SSL else self.refusal

    @property
    def unresolved(self) -> int:
        """The status that a CDN or a cloudflared answers where it is told no address, 0 for everybody else."""
        own = edges.UNRESOLVED if self.refusal == edges.BAD_SSL else self.refusal
        return 0 if self.gateway else own


class Legs:
    """The legs of one journey: each method takes a Trail so far and yields the branches that it grows into."""

    def __init__(self, sight: Sight, walks: Walks) -> None:
        self._sight = sight
        self._walks = walks
        self._ways = 0

    # --- names ------------------------------------------------------------------------------

    def resolutions(self, name: str, family: str, client: Client) -> tuple[Resolution, ...]:
        """What the client's resolvers answer, or what it goes by where they do not."""
        place = client.place or INTERNET_PLACE
        now = self._walks.resolutions(self._sight, client.resolvers, name, TYPES[family], place)
        if not client.gateway:
            return now
        return kept(self._sight, client.gateway, (client.resolvers, name, TYPES[family], place), now)

    def answered(
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
                yield from self.connect(branch, address, request, client, visited)
        else:
            kind = ENDINGS.get(item.status, OutcomeKind.ABSENT)
            said = item.steps[-1].summary if item.steps else item.status.value
            failed = client.unresolved if kind is not OutcomeKind.UNKNOWN else 0
            yield trail.fails(OutcomeKind.REFUSED if failed else kind, said, failed)

    def _own_service(self, request: Request, client: Client) -> Key | None:
        """The Service of the vantage's own cluster that a name is; its address need not be among the input."""
        if client.refusal or client.place is None or client.place.kind != "cluster" or ".svc" not in request.host:
            return None
        key = tunnels.service_key(host_of(request), "")
        service = self._sight.get(key, ServiceIntent) if key is not None else None
        return key if service is not None and service.type != "ExternalName" else None

    # --- addresses and gateways -------------------------------------------------------------

    def connect(
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
            yield trail.fails(kind, way.reason, 0 if way.unknown else client.unreached)
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
                reason = f"connection refused: {names} does not listen on port {port}"
                yield trail.fails(OutcomeKind.REFUSED, reason, client.refused)
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
            yield trail.fails(ended.kind, ended.reason, client.unreached if lost else client.refused)
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
        trust, why = self._walks.judge(walked.shown, client.name or request.sni or host_of(request), client.roots)
        if not client.refusal:
            trail.trust = trust
        stations = self._walks.told(walked, why)
        if trust not in BAD:
            return None, stations
        trail.passed(stations[: walked.greeting], walked.limits)
        kind = OutcomeKind.REFUSED if client.refusal else OutcomeKind.UNTRUSTED
        return trail.fails(kind, why, client.refusal), ()

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
            yield from self.connect(trail, name, request, client, visited)
            return
        found = [item for family in ("4", "6") for item in self.resolutions(name, family, client)]
        useful = [item for item in found if item.status in (Status.ANSWER, Status.EDGE)]
        branches = [
            branch
            for item in useful or found[:1]
            for branch in islice(self.answered(trail.fork(), item, request, client, visited), MAX_BRANCHES)
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
                yield from self.connect(trail.fork(), address, onward, client, visited)
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
            walked = direct(self._sight, client.place, backend, request, client.unreached)
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
        status = answer.unreached(gateway.implementation)
        client = Client(start.place, reach.resolvers_of(self._sight, start), None, refusal=status, gateway=gateway.id)
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
    status = answer.unreached(gateway.implementation) if not walked.streaming else 0
    refused = structs.replace(walked.outcome, kind=OutcomeKind.REFUSED, status=status, reason=said.reason)
    return structs.replace(branch, outcome=refused)


def _kept_out(trail: Trail, gateway_id: str, verdict: Verdict, client: Client) -> Branch:
    """Packets to the gateway's pods are dropped: a proxy answers for that, others wait in vain."""
    trail.gateways += (gateway_id,)
    trail.hop(HopKind.POLICY, verdict.reason, verdict.origins[0] if verdict.origins else None)
    return trail.fails(OutcomeKind.UNREACHABLE, verdict.reason, client.unreached)


def host_of(request: Request) -> str:
    """The host of the URL, which is what clients look up; mostly the Host header's too."""
    start = len(request.scheme) + 3
    end = start + len(request.host)
    if request.url[start:end] == request.host and request.url[end : end + 1] in ("", "/", ":", "?"):
        return request.host.strip("[]")
    return urlsplit(request.url).hostname or request.host


def is_literal(host: str) -> bool:
    """Is it an address?  Most names end in no digit, which is cheaper to see than to parse."""
    return (":" in host or host[-1:].isdigit()) and is_address(host)


def _forwarded(request: Request) -> Request:
    """The request as a proxy passes it on: with the client's address."""
    return structs.replace(request, headers=(*request.headers, ("x-forwarded-for", request.client)))
