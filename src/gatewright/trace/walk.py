"""One request through one graph: gateway → listener → TLS → VirtualHost → rule → filters → backend → endpoints.

The walk decides nothing: order and references were settled when the graph was built.  It reads them aloud.
"""

from __future__ import annotations

from msgspec import structs

from gatewright.base import hostnames
from gatewright.base.origin import Origin
from gatewright.graph import lookup
from gatewright.graph.nodes import (
    Access,
    BackendKey,
    Entry,
    Family,
    Forward,
    Gateway,
    Graph,
    Port,
    RedirectTo,
    Respond,
    Rule,
    VirtualHost,
)
from gatewright.graph.paths import matched_prefix
from gatewright.kinds.intents.routing import Dialect
from gatewright.trace import answer
from gatewright.trace.client import arrived, known, scheme
from gatewright.trace.hops import BackendName, Hop, HopKind, Outcome, OutcomeKind, Share, Trace
from gatewright.trace.match import failing, in_ranges
from gatewright.trace.paths import normalise
from gatewright.trace.request import STREAMS, Request, is_address
from gatewright.trace.spoken import in_words
from gatewright.trace.steps import error_page, judge

NEAR_MISSES = 5
UNLISTED = " (no EndpointSlice lists them)"
"""Of pods that are taken to be there."""

CLIENTS = {
    "require": "a client without a valid certificate is refused in the handshake; this one is taken to have one",
    "any": "a client without a certificate is answered 400; this one is taken to have one",
    "verify": "a client with an invalid certificate is refused in the handshake",
    "answer": "a client without a valid certificate is answered 400; this one is taken to have one",
    "optional": "a client with an invalid certificate is answered 400",
}
"""What client certificates mean for a walk, by `TlsSettings.client_mode`; requests do not say which one they have."""


def gateways_for(graph: Graph, request: Request) -> list[Gateway]:
    """The gateways whose VirtualHosts cover this request best, sorted by id; all that listen there when none does."""
    best: list[Gateway] = []
    rank = (-1, -1)
    listening = []
    for gateway in sorted(graph.gateways.values(), key=lambda g: g.id):
        port = port_of(gateway, request)
        if port is None:
            continue
        listening.append(gateway)
        found = _select(graph, gateway, port, request)
        if found is None or not found.entries:
            continue
        specific = hostnames.specificity(found.key.hostname)
        if specific > rank:
            best, rank = [], specific
        if specific == rank:
            best.append(gateway)
    return best or listening


def port_of(gateway: Gateway, request: Request) -> Port | None:
    """The socket of a gateway that the request arrives at."""
    udp = request.scheme == "udp"
    return next((port for port in gateway.ports if port.number == request.port and port.udp == udp), None)


def _select(graph: Graph, gateway: Gateway, port: Port, request: Request) -> VirtualHost | None:
    if request.encrypted:
        host = lookup.by_sni(graph, gateway, port.number, request.sni)
        if host is not None and host.key.family is Family.HTTPS and request.scheme not in STREAMS:
            return lookup.virtual_host(graph, gateway, port.number, Family.HTTPS, request.host)
        return host
    family = Family.UDP if port.udp else Family.TCP if request.scheme in STREAMS or not port.http else Family.HTTP
    return lookup.virtual_host(graph, gateway, port.number, family, request.host)


def walk(graph: Graph, gateway: Gateway, request: Request) -> Trace:
    """Trace one request through one gateway."""
    return _Walk(graph, gateway, arrived(gateway, request)).run()


class _Walk:
    """The state of one walk: the hops so far, and what the outcome already knows."""

    def __init__(self, graph: Graph, gateway: Gateway, request: Request) -> None:
        self._graph = graph
        self._gateway = gateway
        self._request = request
        self._outcome = Outcome(OutcomeKind.REFUSED, gateway=gateway.id)
        self._trace = Trace(self._outcome)
        self._hops = self._trace.hops

    def run(self) -> Trace:
        self._trace.outcome = self._through_gateway()
        return self._trace

    def _hop(self, kind: HopKind, summary: str, origin: Origin | None = None, details: tuple[str, ...] = ()) -> None:
        self._hops.append(Hop(kind, summary, origin, details))

    def _refuse(self, status: int, reason: str) -> Outcome:
        self._hop(HopKind.RESPONSE, f"{status} {reason}" if status else reason)
        grpc = answer.grpc_status(status) if status and self._request.is_grpc else None
        return structs.replace(self._outcome, kind=OutcomeKind.REFUSED, status=status, reason=reason, grpc_status=grpc)

    # --- gateway, listener, TLS -------------------------------------------------------------

    def _through_gateway(self) -> Outcome:
        gateway, request = self._gateway, self._request
        label = f"{gateway.id} ({gateway.implementation})"
        where = f" at {', '.join(gateway.addresses)}" if gateway.addresses else ""
        self._hop(HopKind.GATEWAY, label + where, gateway.origin)
        port = port_of(gateway, request)
        if port is None:
            open_ = ", ".join(f"{p.number}/udp" if p.udp else str(p.number) for p in gateway.ports) or "none"
            return self._refuse(0, f"nothing listens on port {request.port} (open: {open_})")
        if request.encrypted and not self._expects_tls(port):
            if not port.http:
                return self._stream(port, Family.TCP)  # TLS is what the bytes are, and nobody looks
            return self._refuse(0, f"TLS handshake fails: port {port.number} speaks plain text")
        if not request.encrypted and not port.plain and request.scheme != "udp":
            return self._refuse(0, f"plain text on port {port.number}, which expects TLS: connection closed")
        if request.encrypted:
            return self._through_tls(port)
        if port.udp or not port.http or request.scheme in STREAMS or self._is_taken(port):
            return self._stream(port, Family.UDP if port.udp else Family.TCP)
        return self._through_http(port, Family.HTTP)

    def _expects_tls(self, port: Port) -> bool:
        """Does the port look into TLS?  One of a Traefik does as soon as a route there asks for it."""
        if not port.tls:
            return False
        promised = port.http or any(item.tls for item in self._gateway.listeners if item.name in port.listeners)
        return promised or (self._gateway.id, port.number) in self._graph.tls_sockets

    def _is_taken(self, port: Port) -> bool:
        """Does a TCP route take all plain connections of a port that could speak HTTP?"""
        host = lookup.virtual_host(self._graph, self._gateway, port.number, Family.TCP, "")
        return host is not None and bool(host.entries)

    def _through_tls(self, port: Port) -> Outcome:
        sni = self._request.sni
        host = lookup.by_sni(self._graph, self._gateway, port.number, sni)
        named = f"SNI {sni}" if sni else "no SNI"
        if host is None or (not sni and not self._gateway.allow_no_sni and host.key.hostname != hostnames.ANY):
            self._hop(HopKind.TLS, f"{named}: no listener takes it")
            return self._refuse(0, f"TLS handshake fails: nothing on port {port.number} serves {sni or 'no SNI'}")
        if host.key.family is Family.PASSTHROUGH:
            self._hop(HopKind.TLS, f"{named}: passed through, not terminated", host.origin)
            return self._stream(port, Family.PASSTHROUGH)
        certificate = lookup.certificate(self._graph, self._gateway, port.number, sni)
        self._trace.terminated, self._trace.certificate, self._trace.host = True, certificate, host
        asked = CLIENTS.get((host.tls or port.settings).client_mode)
        details = (asked,) if asked else ()
        if certificate is not None:
            names = ", ".join(certificate.facts.names)
            self._hop(HopKind.TLS, f"{named}: terminated with {certificate.key} ({names})", certificate.origin, details)
        else:
            self._hop(HopKind.TLS, f"{named}: terminated with a certificate of the private CA", host.origin, details)
        if host.key.family is Family.TERMINATED:
            return self._stream(port, Family.TERMINATED)
        return self._through_http(port, Family.HTTPS)

    # --- streams: the first rule takes all ---------------------------------------------------

    def _stream(self, port: Port, family: Family) -> Outcome:
        self._trace.streaming = True
        name = self._request.sni if family in (Family.PASSTHROUGH, Family.TERMINATED) else ""
        host = lookup.virtual_host(self._graph, self._gateway, port.number, family, name)
        if host is None:
            return self._refuse(0, f"no {family} route on port {port.number}: connection closed")
        self._enter(host)
        stream = structs.replace(self._request, host=name)
        for entry in host.entries:
            if failing(entry.match, stream, "", self._gateway.depth) is None:
                return self._apply_stream(entry)
        return self._refuse(0, "no rule takes the connection: closed")

    def _apply_stream(self, entry: Entry) -> Outcome:
        rule = self._trace.rule = entry.rule
        self._hop(HopKind.RULE, rule.id, entry.origin)
        self._outcome = structs.replace(self._outcome, rule=rule.id)
        for access in rule.access:
            if in_ranges(self._request.client, access.cidrs) == access.deny:
                self._hop(HopKind.FILTER, f"client {self._request.client} is not allowed", access.origin)
                return self._refuse(0, "connection closed: the client's address is not allowed")
        if not isinstance(rule.action, Forward):
            return self._refuse(0, getattr(rule.action, "reason", "no backend"))
        return self._deliver(rule, rule.action, "")

    # --- HTTP ---------------------------------------------------------------------------------

    def _enter(self, host: VirtualHost) -> None:
        self._trace.host = host
        listener = next((item for item in self._gateway.listeners if item.name == host.listener), None)
        if listener is not None:
            self._hop(HopKind.LISTENER, f"{listener.name}: {listener.protocol} {listener.port}", listener.origin)
        rules = "1 rule" if len(host.entries) == 1 else f"{len(host.entries)} rules"
        self._hop(HopKind.VIRTUAL_HOST, f"{host.key.hostname} ({rules})", host.origin)
        self._outcome = structs.replace(self._outcome, listener=host.listener, virtual_host=host.key.hostname)

    def _through_http(self, port: Port, family: Family) -> Outcome:
        request = self._request
        if "%00" in request.path:
            return self._refuse(400, "a NUL in the path, which no gateway takes")
        path, redirected = normalise(request.path)
        if redirected:  # before anything else is looked at
            query = request.target[len(request.path) :]
            self._hop(HopKind.RESPONSE, f"307 to {path}{query}: escaped slashes are unescaped first")
            return structs.replace(self._outcome, kind=OutcomeKind.RESPONSE, status=307, location=path + query)
        host = lookup.virtual_host(self._graph, self._gateway, port.number, family, request.host)
        if host is None:
            return self._refuse(404, f"no VirtualHost for {request.host} on port {port.number}")
        self._enter(host)
        if family is Family.HTTPS and lookup.misdirected(host, request.sni, self._gateway.depth):
            return self._refuse(421, f"misdirected: SNI {request.sni or '(none)'} belongs to another listener")
        if lookup.other_tls(self._graph, self._gateway, host, request.sni):
            return self._refuse(421, f"misdirected: TLS for SNI {request.sni or '(none)'} has other settings")
        entry = self._choose(host, path)
        if entry is None:
            return self._refuse(404, "no rule matches")
        return self._apply(entry, path)

    def _choose(self, host: VirtualHost, path: str) -> Entry | None:
        """The first entry that matches, with the reasons of the nearest ones before it."""
        lost: list[str] = []
        for entry in host.entries:
            why = failing(entry.match, self._request, path, self._gateway.depth)
            if why is None:
                details = tuple(lost[-NEAR_MISSES:])
                self._hop(HopKind.RULE, entry.rule.id, entry.origin, details)
                return entry
            lost.append(f"not {entry.rule.id}: {why}")
        self._hop(HopKind.RULE, "none matches", host.origin, tuple(lost[-NEAR_MISSES:]))
        return None

    def _apply(self, entry: Entry, path: str) -> Outcome:
        outcome = self._admit(entry.rule)  # before anything else that the rule does
        if outcome is None:
            outcome = self._act(entry, path)
        elif self._gateway.dialect is Dialect.TRAEFIK:
            return outcome  # its middlewares have an order, in which such lists come first here
        shown = outcome.status and self._request.method != "HEAD"
        page = error_page(entry.rule.steps, outcome.status) if shown else None
        if page is not None:
            self._hop(
                HopKind.FILTER,
                f"the answer {outcome.status} is shown as {BackendName.of(page.backend)} has it",
                page.pages.origin,
            )
        return outcome

    def _act(self, entry: Entry, path: str) -> Outcome:
        rule = entry.rule
        denied = self._protect(rule)
        if denied is not None:
            return denied
        action = rule.action
        if isinstance(action, Respond):
            self._hop(HopKind.FILTER, f"answers {action.status}: {action.reason}", action.origin)
            outcome = self._refuse(action.status, action.reason)
            return outcome if action.refused else structs.replace(outcome, kind=OutcomeKind.RESPONSE)
        prefix = matched_prefix(entry.match)
        matched = prefix.value if prefix is not None else ""
        if isinstance(action, RedirectTo):
            return self._redirect(action, path, matched)
        return self._deliver(rule, action, matched)

    def _admit(self, rule: Rule) -> Outcome | None:
        """Access lists, which look at where a client comes from."""
        self._trace.rule = rule
        self._outcome = structs.replace(self._outcome, rule=rule.id)
        for access in rule.access:
            client = _client(self._request, access)
            if client is None or in_ranges(client, access.cidrs) == access.deny:
                where = f"{'in' if access.deny else 'not in'} {', '.join(access.cidrs)}"
                self._hop(HopKind.FILTER, f"client {client or 'unknown'} is {where}", access.origin)
                return self._refuse(access.status, "the client's address is not allowed")
            self._hop(HopKind.FILTER, f"client {client} is allowed", access.origin)
        return None

    def _protect(self, rule: Rule) -> Outcome | None:
        """CORS preflight (which carries no credentials) and authentication: what may answer first."""
        if rule.cors is not None and answer.is_preflight(self._request) and answer.is_forwarded(rule.action):
            allowed = answer.origin_allowed(rule.cors, self._request.header("origin") or "")
            reason = "CORS preflight" if allowed else "CORS preflight: the origin is not allowed"
            self._hop(HopKind.FILTER, reason, rule.cors.origin)
            return structs.replace(self._outcome, kind=OutcomeKind.RESPONSE, status=200, reason=reason)
        asking = structs.replace(self._request, client=known(self._gateway, self._request))
        for step in rule.steps:
            verdict = judge(step, asking)
            if verdict is not None:
                self._hop(HopKind.FILTER, verdict.summary, verdict.origin)
                if verdict.status:
                    return self._refuse(verdict.status, verdict.reason)
        return None

    def _redirect(self, action: RedirectTo, path: str, matched: str) -> Outcome:
        request = self._request
        status = action.status
        if action.status_other is not None and request.method != "GET":
            status = action.status_other
        location = answer.location(action, request, path, matched, scheme(self._gateway, request))
        self._hop(HopKind.FILTER, f"redirects ({status}) to {location}", action.origin)
        return structs.replace(self._outcome, kind=OutcomeKind.RESPONSE, status=status, location=location)

    # --- backends ------------------------------------------------------------------------------

    def _deliver(self, rule: Rule, action: Forward, matched: str) -> Outcome:
        for edit in rule.request_headers:
            self._hop(HopKind.FILTER, f"request headers: {answer.describe(edit)}", rule.origin)
        for edit in rule.response_headers:
            self._hop(HopKind.FILTER, f"response headers: {answer.describe(edit)}", rule.origin)
        total = sum(share.weight for share in action.backends)
        if not total:
            return self._refuse(0 if self._trace.streaming else action.status, "all backends have weight 0")
        shares = tuple(
            Share(
                BackendName.of(s.backend) if s.backend else None,
                0 if self._trace.streaming else s.status,
                round(100 * s.weight / total, 2),
            )
            for s in action.backends
            if s.weight
        )
        chosen = max(action.backends, key=lambda share: share.weight)
        self._outcome = structs.replace(self._outcome, shares=shares if len(shares) > 1 else ())
        self._trace.backend = chosen.backend
        if chosen.backend is None:
            self._hop(HopKind.BACKEND, chosen.reason, chosen.origin)
            return self._refuse(0 if self._trace.streaming else chosen.status, chosen.reason)
        if self._trace.streaming:
            sent = answer.untouched(self._request)
        else:
            sent = answer.sent(rule, action, chosen, self._request, matched)
        name = BackendName.of(chosen.backend)
        self._outcome = structs.replace(self._outcome, backend=name, sent=sent)
        percent = 100 * chosen.weight / total
        part = f" ({percent:g} % of the requests)" if percent != 100 else ""
        seen = f" as {sent.host}{sent.path}" if sent.path else ""
        backend = self._graph.backends.get(chosen.backend)
        spoken = in_words(backend) if backend is not None else ""
        self._hop(HopKind.BACKEND, f"{name}{part}{seen}", chosen.origin, (spoken,) if spoken else ())
        return self._endpoints(chosen.backend, bool(sent.path))

    def _endpoints(self, key: BackendKey, http: bool) -> Outcome:
        backend = self._graph.backends.get(key)
        kind = OutcomeKind.DELIVERED
        if backend is not None and backend.pods:
            self._hop(HopKind.ENDPOINTS, f"{backend.pods}{UNLISTED}", backend.origins[0])
            return structs.replace(self._outcome, kind=kind, status=200 if http else 0)
        if backend is None or not (backend.endpoints or backend.dns_name):
            status = 503 if http and not self._trace.streaming else 0
            return self._refuse(status, backend.reason if backend else f"{BackendName.of(key)} is gone")
        places = tuple(f"{e.address}:{e.port}" for e in backend.endpoints) or (f"{backend.dns_name}:{key.port}",)
        self._hop(HopKind.ENDPOINTS, ", ".join(places), backend.origins[-1])
        return structs.replace(self._outcome, kind=kind, status=200 if http else 0, endpoints=places)


def _nearest(request: Request, trusted: tuple[str, ...]) -> str | None:
    """The last address on the way here that is no believed peer's; the first one when all are."""
    if not in_ranges(request.client, trusted):
        return request.client
    chain = [part.strip() for part in (request.header("x-forwarded-for") or "").split(",") if part.strip()]
    for found in reversed(chain):
        if not is_address(found):
            return None
        if not in_ranges(found, trusted):
            return found
    return chain[0] if chain else request.client


def _client(request: Request, access: Access) -> str | None:
    """The address that an access list looks at: the peer, or an entry of X-Forwarded-For, where that is believed."""
    if access.nearest:
        return _nearest(request, access.trusted)
    if not access.depth:
        return request.client
    if not in_ranges(request.client, access.trusted):  # nobody, where none are named
        return None
    chain = [part.strip() for part in (request.header("x-forwarded-for") or "").split(",")]
    found = chain[-access.depth] if access.depth <= len(chain) else ""
    return found if is_address(found) else None
