"""Model against data plane: the same requests to `trace.walk` and to a real Envoy with the same graph.

A disagreement is a line that says what was asked, what the model says and what Envoy did.  Counterpart: the tests that
demand that there be none.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random

import msgspec

from gatewright.base import hostnames
from gatewright.base.sensitive import Sensitive
from gatewright.engines.envoy.bindings import PortKey
from gatewright.engines.envoy.names import listener
from gatewright.engines.envoy.secrets import Issue, KeyPair
from gatewright.engines.envoy.types import LISTENER
from gatewright.graph.nodes import Forward, Graph, RedirectTo, Rule
from gatewright.kinds.intents.filters import BodyLimit, HeaderEdit, Variable
from gatewright.trace import answer
from gatewright.trace.hops import HopKind, Outcome, OutcomeKind, Trace
from gatewright.trace.request import Request, request
from gatewright.trace.walk import walk
from support import compiled
from support.answers import Told, echoed, edited, foretold, is_compressed
from support.handmade import DEADLINE, eventually
from support.keepalive import Connections, Seen
from support.keys import pair
from support.modelled import Modelled
from support.random_challenges import asked_of_challenges, challenged
from support.random_dialects import DOORS, asked_of_dialects, dialects
from support.random_filters import asked_of_filters, filtered
from support.random_paths import asked_oddly, oddly
from support.random_routes import GATEWAYS, Asked, asked, installation
from support.random_streams import UDP, asked_to_connect, streaming
from support.random_tls import certified, pairs, secrets

CONNECTIONS = 8
CLOSINGS = 10
REFUSALS = frozenset({0, 403, 404, 500})
"""What may be answered in place of what cannot be carried over: 500, or first of all by its access lists."""
OF_ENVOY = frozenset({"host", "server", "date", "x-forwarded-proto", "x-forwarded-for", "x-request-id"})
"""Headers that Envoy has a hand in, whatever a rule says."""


# --- comparison -----------------------------------------------------------------------------------


def as_traced(one: Asked) -> Request:
    """The request in the model's words."""
    scheme = "https" if one.secure else "http"
    headers = [f"host: {one.host}", *(f"{name}: {value}" for name, value in one.headers)]
    if one.body:
        headers.append(f"content-length: {one.body}")
    url = f"{scheme}://gateway:{one.port}{one.target}"
    return request(url, one.method, tuple(headers), sni=one.sni, client=one.client)


def disagreement(one: Asked, graph: Graph, seen: Seen, local_port: int) -> str:
    """What differs between model and data plane; "" when nothing does."""
    asking = as_traced(one)
    trace = walk(graph, graph.gateways[one.gateway], asking)
    end = foretold(graph, trace, asking)
    if _is_passed_on(trace):
        seen = replace(seen, host=hostnames.normalize(seen.host))
    seen = replace(seen, location=_described(seen.location, local_port, one.port))
    why = _page_differs(one, end, seen) if end.page else _differs(one, end, seen)
    why = why or _certificate_differs(graph, trace, seen)
    if not why and end.page is None and trace.rule is not None:
        why = (
            _headers_differ(one, trace.rule, end.outcome, seen)
            or _request_headers_differ(one, trace, end, seen)
            or _compression_differs(one, trace.rule, seen)
        )
    return f"{why}\n  asked: {one}\n  model: {end.outcome}\n  envoy: {seen}" if why else ""


def _headers_differ(one: Asked, rule: Rule, told: Outcome, seen: Seen) -> str:
    """The headers of an answer that a rule gave: its own, and the permission for another origin."""
    if told.kind is OutcomeKind.REFUSED or one.method == "HEAD" or not seen.status:
        return ""
    if told.shares and not seen.backend:
        return ""  # whose answer it is does not show
    asking = as_traced(one)
    origin = asking.header("origin")
    cors = rule.cors if answer.is_forwarded(rule.action) else None
    permitted = cors is not None and origin is not None and answer.origin_allowed(cors, origin)
    if permitted != any(name == "access-control-allow-origin" for name, _ in seen.headers):
        return f"another permission for {origin}: {cors}"
    if cors is not None and answer.is_preflight(asking):
        return ""
    expected = {"x-content-type-options": ["nosniff"], "content-type": ["application/json"]} if seen.backend else {}
    if told.kind is OutcomeKind.DELIVERED and asking.header("x-echo-set-header") is not None:
        expected |= {"x-r-one": ["backend"], "x-r-two": ["backend"]}
    for edit in _edits(rule, seen, to_client=True):
        expected = edited(expected, edit)
    compared = {"x-r-one", "x-r-two"} | _named(_edits(rule, seen, to_client=True)) - OF_ENVOY
    wanted = sorted((name, value) for name, values in expected.items() for value in values if name in compared)
    got = sorted(pair for pair in seen.headers if pair[0] in compared)
    return "" if wanted == got else f"other headers than {wanted}: {got}"


def _request_headers_differ(one: Asked, trace: Trace, end: Told, seen: Seen) -> str:
    """The headers that rules and those whom they asked gave to a request."""
    if not seen.backend or one.method == "HEAD" or trace.rule is None or _is_passed_on(trace):
        return ""
    expected: dict[str, list[str]] = {}
    for name, value in one.headers:
        expected.setdefault(name.lower(), []).append(value)
    expected |= {name: [*values] for name, values in end.told}
    edits = _edits(trace.rule, seen, to_client=False)
    for edit in edits:
        expected = edited(expected, edit)
    compared = _named(edits) - OF_ENVOY | {name for name, _ in end.told}
    # The echo shows each octet of a header as a character.
    sent = {name: [value.encode().decode("latin-1") for value in values] for name, values in expected.items()}
    wanted = sorted((name, value) for name, values in sent.items() for value in values if name in compared)
    got = sorted(pair for pair in seen.echo if pair[0] in compared)
    return "" if wanted == got else f"other request headers than {wanted}: {got}"


def _edits(rule: Rule, seen: Seen, *, to_client: bool) -> list[HeaderEdit]:
    """What a rule, and the backend that was chosen, do with headers."""
    edits = [*(rule.response_headers if to_client else rule.request_headers)]
    shares = rule.action.backends if isinstance(rule.action, Forward) else ()
    for share in shares:
        key = share.backend
        if key is not None and f"{key.namespace}/{key.name}:{key.port}" == seen.backend:
            edits += share.response_headers if to_client else share.request_headers
            break
    return edits


def _named(edits: Sequence[HeaderEdit]) -> set[str]:
    names = [name for edit in edits for name in (*edit.remove, *(n for n, _ in edit.set), *(n for n, _ in edit.add))]
    return {name.lower() for name in names}


def _compression_differs(one: Asked, rule: Rule, seen: Seen) -> str:
    if not seen.backend or one.method == "HEAD":
        return ""
    accepted = next((value for name, value in one.headers if name.lower() == "accept-encoding"), "")
    expected = is_compressed(rule, accepted, seen.octets)
    return "" if expected == (("content-encoding", "gzip") in seen.headers) else f"compressed? expected {expected}"


def _is_passed_on(trace: Trace) -> bool:
    """Does the backend get the bytes as they were sent?"""
    untouched = any(hop.kind is HopKind.TLS and "passed through" in hop.summary for hop in trace.hops)
    return untouched or (trace.outcome.rule or "").startswith(("TLSRoute", "TCPRoute", "IngressRouteTCP"))


def _certificate_differs(graph: Graph, trace: Trace, seen: Seen) -> str:
    """The certificate that was served.  Where the connection is closed anyway, it may be so before the handshake."""
    hop = next((hop for hop in trace.hops if hop.kind is HopKind.TLS), None)
    if hop is None or "terminated with" not in hop.summary:
        own = bool(trace.outcome.backend or trace.outcome.shares)  # the backend's own
        return "a handshake where there is none" if seen.certificate and not own else ""
    if not seen.certificate:
        return "" if seen.status == 0 else "no handshake"
    found = next((c for c in graph.certificates.values() if c.facts.fingerprint == seen.certificate), None)
    served = found.key if found is not None else "a certificate of the private CA"
    return "" if hop.summary.partition("terminated with ")[2].startswith(str(served)) else f"served {served}: {hop}"


def _differs(one: Asked, end: Told, seen: Seen) -> str:
    told = end.outcome
    wanted = told.status or (echoed(told.sent.path) if told.sent else 200)
    if told.shares:
        expected = {f"{s.backend.namespace}/{s.backend.name}:{s.backend.port}" for s in told.shares if s.backend}
        statuses = {s.status for s in told.shares if not s.backend}
        if seen.status in statuses or (seen.status == wanted and (one.method == "HEAD" or wanted != 200)):
            return ""
        if seen.backend not in expected:
            return "another backend"
        return _request_differs(told, seen) if told.sent else ""
    if told.kind is not OutcomeKind.DELIVERED:
        if seen.status != told.status or seen.backend:
            return "another status"
        return "another location" if seen.location != told.location else ""
    if seen.status != wanted:
        return "another status of the backend"
    if one.method == "HEAD" or wanted != 200:
        return ""
    assert told.backend is not None
    if seen.backend != f"{told.backend.namespace}/{told.backend.name}:{told.backend.port}":
        return "another backend"
    return _request_differs(told, seen)


def _page_differs(one: Asked, end: Told, seen: Seen) -> str:
    """An error page in place of an answer: whose it is, and the status that it has."""
    assert end.page is not None
    pages, key = end.page.pages, end.page.backend
    status = end.outcome.status
    status = next((to for first, last, to in pages.rewrites if first <= status <= last), status)
    written = "".join(str(status) if isinstance(piece, Variable) else piece for piece in pages.path)
    wanted = echoed(written) if pages.passes_status else status
    if one.body and not seen.backend and seen.status == status:
        return ""  # Envoy gets no page while the body of the request is still on its way
    if seen.status != wanted:
        return f"another status than {wanted} of a page"
    if one.method != "HEAD" and echoed(written) == 200 and seen.backend != f"{key.namespace}/{key.name}:{key.port}":
        return f"not the page of {key}"
    return ""


def _described(location: str | None, local: int, described: int) -> str | None:
    """A Location as it would be at the described port, its host in lower case."""
    if location is None or "://" not in location:
        return location
    scheme, _, rest = location.replace(f"%3A{local}", "").partition("://")
    authority, slash, path = rest.partition("/")
    own = authority.removesuffix(f":{local}")
    if own != authority and described != answer.DEFAULT_PORTS.get(scheme):
        own = f"{own}:{described}"
    return f"{scheme}://{own.lower()}{slash}{path}"


def _request_differs(told: Outcome, seen: Seen) -> str:
    assert told.sent is not None
    if seen.path != told.sent.path:
        return "another path at the backend"
    return "another Host at the backend" if seen.host.lower() != told.sent.host.lower() else ""


# --- runs -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Installations:
    """Random installations of one sort: their graphs by seed, their doors, and who asks them what."""

    graph: Callable[[int], Graph]
    doors: Sequence[str]
    questions: Sequence[Callable[[Random], Asked]]
    weights: Sequence[int]


def _routes(seed: int) -> Graph:
    model = Modelled(certified(seed, filtered(seed, streaming(seed, installation(seed))), pairs()))
    model.apply(challenged(seed))
    return _waiting(model.graph)


def _dialects(seed: int) -> Graph:
    return _waiting(Modelled([*dialects(seed), *secrets(pairs())]).graph)


def _waiting(built: Graph) -> Graph:
    """The graph with all backends waiting for endpoints."""
    backends = built.backends
    for key, backend in backends.items():
        backends = backends.set(key, msgspec.structs.replace(backend, reason=""))
    return msgspec.structs.replace(built, backends=backends)


ROUTES = Installations(
    _routes, GATEWAYS, [asked, asked_of_filters, asked_to_connect, asked_of_challenges], [4, 3, 3, 2]
)
"""All kinds of routes, streams, certificates and challenges."""
DIALECTS = Installations(_dialects, DOORS, [asked_of_dialects], [1])
"""What annotations, middlewares and policies say, at a door of each implementation."""
ENCODED_ROUTES = Installations(
    lambda seed: _waiting(Modelled(certified(seed, oddly(installation(seed), seed), pairs())).graph),
    GATEWAYS,
    [asked_oddly(asked)],
    [1],
)
"""All kinds of routes with paths that can be written in several ways."""
ENCODED_DIALECTS = Installations(
    lambda seed: _waiting(Modelled([*oddly(dialects(seed), seed), *secrets(pairs())]).graph),
    DOORS,
    [asked_oddly(asked_of_dialects)],
    [1],
)
"""Such paths where annotations, middlewares and policies say something of them."""


def _common_names(doors: Sequence[str], seed: int) -> PortKey:
    """The port whose certificates go by SNI alone: another with every seed."""
    return PortKey(doors[seed % len(doors)], 443)


def _issuer() -> Issue:
    issued = pair("issued.test")
    return lambda gateway, port, hostname: KeyPair(issued.cert_pem, Sensitive(issued.key_pem))


async def _is_open(port: int) -> bool:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    return True


async def disagreements(of: Installations, seed: int, requests: int, most: int = 10) -> list[str]:
    """Ask one random installation so many random questions, in the model and for real."""
    random = Random(seed)
    kinds = random.choices(of.questions, of.weights, k=requests)
    questions = [kind(random) for kind in kinds]
    async with compiled.running(of.graph(seed), _issuer(), common_names=_common_names(of.doors, seed)) as world:
        connections = Connections(world)
        for port in _open_ports(world):
            await eventually(partial(_is_open, port))
        try:
            return await _compare(world, connections, questions, most) + await _datagrams(world)
        finally:
            await connections.close()


async def _datagrams(world: compiled.World) -> list[str]:
    """Where the model sends a datagram to a backend, its echo comes back; where not, nothing listens."""
    assert world.graph is not None
    found = []
    for name in world.graph.gateways:
        if not world.listens(UDP, name, udp=True):
            continue
        told = walk(world.graph, world.graph.gateways[name], request(f"udp://gateway:{UDP}")).outcome
        echoed = await _echo(world.port(UDP, name, udp=True))
        if echoed != (told.kind is OutcomeKind.DELIVERED):
            found.append(f"datagrams to {name}\n  model: {told}\n  envoy: {'an' if echoed else 'no'} echo")
    return found


async def _echo(port: int) -> bool:
    """Does a datagram come back?  Where nothing listens, the kernel says so."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect(("127.0.0.1", port))
        try:
            async with asyncio.timeout(DEADLINE):
                await loop.sock_sendall(client, b"ping")
                return await loop.sock_recv(client, 64) == b"ping"
        except ConnectionRefusedError:
            return False


def _open_ports(world: compiled.World) -> list[int]:
    """The TCP ports that something is served at."""
    assert world.plan is not None
    listeners = {change.name for change in world.plan.changes if change.type_url == LISTENER and change.value}
    return [
        sockets[0].port
        for key, sockets in world.bindings.sockets.items()
        if not key.udp and listener(key.gateway, key.port, udp=False) in listeners
    ]


def _refused(world: compiled.World, one: Asked, seen: Seen) -> bool:
    """Did the compiler say that it cannot do what this rule describes, and refuses it?"""
    assert world.plan is not None
    assert world.graph is not None
    if seen.status == 0:
        told = world.plan.problems.get(listener(one.gateway, one.port, udp=False), ())
        return any(problem.id == "tcp-match" for problem in told)
    trace = walk(world.graph, world.graph.gateways[one.gateway], as_traced(one))
    if trace.host is None or trace.rule is None:
        return False
    told = world.plan.problems.get(f"{trace.host.key.family} {trace.host.key}", ())
    places = {trace.rule.origin, trace.rule.action.origin if isinstance(trace.rule.action, RedirectTo) else None}
    return any(problem.id == "not-carried-over" and problem.origin in places for problem in told)


def _too_long(graph: Graph, one: Asked, seen: Seen) -> bool:
    """Was a body refused by the limit that all rules of its host have?  Whatever answers by itself refuses it, too."""
    host = walk(graph, graph.gateways[one.gateway], as_traced(one)).host
    if seen.status != 413 or host is None:
        return False
    steps = [step for entry in host.entries for step in entry.rule.steps]
    limits = {step.octets if isinstance(step, BodyLimit) else 0 for step in steps}
    return len(limits) == 1 and 0 < limits.pop() < one.body


async def _compare(world: compiled.World, connections: Connections, questions: Sequence[Asked], most: int) -> list[str]:
    found: list[str] = []
    pending = iter(questions)
    assert world.graph is not None
    served = world.graph

    async def worker() -> None:
        for one in pending:
            if len(found) >= most:
                return
            if why := await answered(one):
                found.append(why)

    async def answered(one: Asked) -> str:
        """What differs.  A backend that Envoy asks for by name has a second to come, which is little on a busy machine:
        who is closed to instead of being passed on is asked about again."""
        why, tries = "", CLOSINGS if _is_passed_on(walk(served, served.gateways[one.gateway], as_traced(one))) else 1
        while tries:
            tries -= 1
            seen = await connections.ask(one)
            if (seen.status in REFUSALS and _refused(world, one, seen)) or _too_long(served, one, seen):
                return ""
            local = world.port(one.port, one.gateway) if world.listens(one.port, one.gateway) else 0
            why = disagreement(one, served, seen, local)
            if not why or seen.status:
                break
        return why

    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
    return found
