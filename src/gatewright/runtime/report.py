"""What is live, as values: the ready file, `gatewright status`, and the table that `run` prints.

`Listening` is one described port of one gateway with its local sockets; the JSON of `Live` is a stable interface:
fields are added, never renamed or removed, within one `version`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dns.name
import dns.rcode
from msgspec import Struct, field, structs

from gatewright.base import hostnames, percent
from gatewright.base.origin import Locator, Origin, Place
from gatewright.base.problem import Problem, Severity
from gatewright.engines.certificates.issued import CertificateStatus
from gatewright.engines.dns.content import Listen
from gatewright.engines.dns.zone import Zone
from gatewright.engines.envoy.bindings import Bindings, PortKey, Socket
from gatewright.graph import lookup
from gatewright.graph.builder import empty_graph
from gatewright.graph.nodes import Family, Gateway, Graph, Listener, VirtualHost, VirtualHostKey
from gatewright.kinds.intents.routing import PathKind

if TYPE_CHECKING:
    from gatewright.engines.dns.notify import NotifyStatus

VERSION = 1
STAYS = ("held", "held-back")
"""Problems that only say that a last good version stays live."""


class Described(Struct, frozen=True):
    """The listener as its manifest describes it."""

    addresses: tuple[str, ...]
    port: int


class Listening(Struct, frozen=True, rename="camel"):
    """A listener that is served here.  `local` are the sockets that stand for it on this machine.

    `ca_file`: our CA, or "" where a certificate of a Secret or an issuer is served.  `example` is a path (of the first
    hostname) that a plain GET may be tried with.
    """

    gateway: str
    listener: str
    protocol: str
    described: Described
    local: tuple[Socket, ...]
    hostnames: tuple[str, ...]
    tls: str  # "", "terminate" or "passthrough"
    ca_file: str
    example: str = "/"


class Fault(Struct, frozen=True):
    """A Problem as it is printed."""

    id: str
    severity: str
    message: str
    file: str
    line: int
    hint: str


class Refusal(Struct, frozen=True, order=True):
    """A resource that Envoy refused, as the engine knows it.  `served`: its last good version stands in for it."""

    type_url: str
    name: str
    message: str
    served: bool


class Refused(Struct, frozen=True):
    """A Refusal in the user's terms: what it is about and where that is described."""

    name: str
    message: str
    file: str = ""
    line: int = 0
    served: bool = False


class Envoy(Struct, frozen=True):
    """The Envoy of a run.  `connected`: it listens to the control plane."""

    pid: int
    connected: bool


class CertificateLine(Struct, frozen=True, rename="camel"):
    """A certificate of an issuer.  `state` as in `CertificateStatus`; times None for none; `failures` in a row."""

    id: str
    names: tuple[str, ...]
    issuer: str
    state: str
    not_after: datetime | None = None
    next_attempt: datetime | None = None
    failures: int = 0
    message: str = ""
    serial: str = ""


class DnsSecondary(Struct, frozen=True, rename="camel"):
    """Who is told of a zone.  `serial`: the last that it has acknowledged, None for none; `wrong` what keeps it."""

    address: str
    port: int
    serial: int | None = None
    wrong: str = ""


class DnsZone(Struct, frozen=True):
    """A zone of a view as it is answered from."""

    name: str
    serial: int
    names: int
    secondaries: tuple[DnsSecondary, ...] = ()


class DnsView(Struct, frozen=True):
    """A view ("" for clients without one): the sockets where everybody sees it, and its zones.  Sockets where the
    client's address decides are those of the view ""."""

    view: str
    listening: tuple[Socket, ...] = ()
    zones: tuple[DnsZone, ...] = ()


class Live(Struct, frozen=True, rename="camel"):
    """Everything that is served, everything held back and why.

    `started`: since when this control plane runs; `changed`: when it last applied one of its `changes`.
    `pid_started` (clock ticks after boot) tells the process from a later one with the same `pid`.
    """

    version: int
    pid: int
    ca_file: str
    listeners: tuple[Listening, ...]
    virtual_hosts: int = 0
    backends: int = 0
    stand_ins: int = 0
    problems: tuple[Fault, ...] = ()
    held_back: tuple[Refused, ...] = ()
    started: datetime | None = None
    changed: datetime | None = None
    changes: int = 0
    envoy: Envoy | None = None
    pid_started: int = 0
    certificates: tuple[CertificateLine, ...] = ()
    dns: tuple[DnsView, ...] = ()


class Facts(Struct, frozen=True):
    """What a report is made of: immutable, so that it can be made beside the work."""

    started: datetime
    pid: int
    pid_started: int
    graph: Graph = field(default_factory=empty_graph)
    bindings: Bindings = Bindings()
    ca_file: str = ""
    problems: tuple[Problem, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    stand_ins: int = 0
    changed: datetime | None = None
    changes: int = 0
    envoy: Envoy | None = None
    certificates: tuple[CertificateStatus, ...] = ()
    dns: tuple[DnsView, ...] = ()


def live(facts: Facts, faults: tuple[Fault, ...], refused: tuple[Refused, ...]) -> Live:
    """The report of these facts; costs as much as there are VirtualHosts."""
    graph = facts.graph
    served = {key.gateway for key in facts.bindings.sockets}
    return Live(
        version=VERSION,
        pid=facts.pid,
        ca_file=facts.ca_file,
        listeners=listening(graph, facts.bindings, facts.ca_file),
        virtual_hosts=sum(key.gateway in served and bool(host.entries) for key, host in graph.virtual_hosts.items()),
        backends=len(graph.backends),
        stand_ins=facts.stand_ins,
        problems=faults,
        held_back=refused,
        started=facts.started,
        changed=facts.changed,
        changes=facts.changes,
        envoy=facts.envoy,
        pid_started=facts.pid_started,
        certificates=certificate_lines(facts.certificates),
        dns=facts.dns,
    )


def certificate_lines(statuses: Iterable[CertificateStatus]) -> tuple[CertificateLine, ...]:
    """Certificates in order of id, as they are reported."""
    return tuple(
        CertificateLine(
            id=one.id,
            names=one.names,
            issuer=str(one.issuer),
            state=one.state.value,
            not_after=_moment(one.not_after),
            next_attempt=_moment(one.next_attempt),
            failures=one.failures,
            message=one.message,
            serial=one.serial,
        )
        for one in sorted(statuses, key=lambda one: one.id)
    )


def dns_views(
    listening: Iterable[Listen], zones: Iterable[Zone], notified: Iterable[NotifyStatus]
) -> tuple[DnsView, ...]:
    """What the DNS server answers, by view; from the loop that changes the zones."""
    told: dict[str, list[DnsSecondary]] = {}
    for status in notified:
        told.setdefault(status.zone, []).append(_secondary(status))
    sockets: dict[str, list[Socket]] = {}
    for place in listening:
        sockets.setdefault(place.view, []).append(Socket(place.address, place.port))
    served: dict[str, list[DnsZone]] = {}
    for zone in zones:
        config = zone.config
        name = dns.name.from_wire(config.domain, 0)[0].to_text(omit_final_dot=True)
        secondaries = tuple(sorted(told.get(config.id, ()), key=lambda one: (one.address, one.port)))
        served.setdefault(config.view, []).append(DnsZone(name, zone.serial, len(zone.names), secondaries))
    return tuple(
        DnsView(
            view,
            tuple(sorted(sockets.get(view, ()))),
            tuple(sorted(served.get(view, ()), key=lambda one: one.name)),
        )
        for view in sorted({*sockets, *served})
    )


def _secondary(status: NotifyStatus) -> DnsSecondary:
    wrong = ""
    if status.rcode:
        wrong = f"answers {dns.rcode.to_text(dns.rcode.Rcode(status.rcode))}"
    elif status.given_up:
        wrong = "does not answer"
    return DnsSecondary(status.address, status.port, status.acknowledged, wrong)


def _moment(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def listening(graph: Graph, bindings: Bindings, ca_file: str) -> tuple[Listening, ...]:
    """The listeners of every bound port, in order of gateway and name."""
    served = _served(graph)
    found = []
    for gateway in sorted(graph.gateways.values(), key=lambda item: item.id):
        for item in gateway.listeners:
            key = PortKey(gateway.id, item.port, item.protocol.value == "UDP")
            sockets = bindings.sockets.get(key)
            if sockets and not item.conflict:
                found.append(_trusted(graph, gateway, _listening(gateway, item, sockets, served, ca_file)))
    return tuple(found)


def _served(graph: Graph) -> Mapping[tuple[str, str], list[VirtualHost]]:
    """The VirtualHosts with rules by (gateway, listener)."""
    found: dict[tuple[str, str], list[VirtualHost]] = {}
    for host in graph.virtual_hosts.values():
        if host.entries:
            found.setdefault((host.key.gateway, host.listener), []).append(host)
    return found


def _listening(
    gateway: Gateway,
    item: Listener,
    sockets: tuple[Socket, ...],
    served: Mapping[tuple[str, str], list[VirtualHost]],
    ca_file: str,
) -> Listening:
    hosts = served.get((gateway.id, item.name), [])
    by_name = {host.key.hostname: host for host in hosts}
    names = sorted(by_name, key=lambda name: (-hostnames.specificity(name)[0], name))
    passthrough = item.passthrough or any(host.key.family is Family.PASSTHROUGH for host in hosts)
    return Listening(
        gateway=gateway.id,
        listener=item.name,
        protocol=item.protocol.value,
        described=Described(gateway.addresses, item.port),
        local=sockets,
        hostnames=tuple(names),
        tls="" if not item.tls else "passthrough" if passthrough else "terminate",
        ca_file=ca_file,
        example=_example(by_name[names[0]]) if names else "/",
    )


def _trusted(graph: Graph, gateway: Gateway, item: Listening) -> Listening:
    """The same without our CA where a certificate of somebody else is served, to its first hostname at least."""
    name = item.hostnames[0] if item.hostnames else ""
    sni = "any" + name[1:] if hostnames.is_wildcard(name) else "" if name == hostnames.ANY else name
    if item.tls == "terminate" and lookup.certificate(graph, gateway, item.described.port, sni) is not None:
        return structs.replace(item, ca_file="")
    return item


def _example(host: VirtualHost) -> str:
    """A path that some rule of the host takes from a plain GET, as far as that can be told from its first condition."""
    for entry in host.entries:
        match = entry.match
        if match.methods or match.headers or match.query or match.sources or len(match.paths) > 1:
            continue
        path = match.paths[0] if match.paths else None
        if path is None:
            return "/"
        if path.kind is not PathKind.REGEX and not path.negate:
            return percent.written(path.value, path.reading) or "/"
    return "/"


def faults(problems: Iterable[Problem], locator: Locator) -> tuple[Fault, ...]:
    """Problems with their lines found.  That a last good version stays live is told with the mistake that caused it."""
    found = list(problems)
    causes = [
        one
        for severity in (Severity.ERROR, Severity.WARNING)
        for one in found
        if one.severity is severity and one.id not in STAYS
    ]
    explained: set[Problem] = set()
    stays: set[Problem] = set()
    for one in found:
        if one.id in STAYS and (cause := next((other for other in causes if _is_cause(other, one)), None)):
            explained.add(one)
            stays.add(cause)
    note = "; its last good version stays live"
    return tuple(fault(one, locator, note if one in stays else "") for one in found if one not in explained)


def _is_cause(one: Problem, note: Problem) -> bool:
    if one.origin is None or note.origin is None or one.origin.file != note.origin.file:
        return False
    return not note.origin.document or one.origin.document == note.origin.document


def fault(problem: Problem, locator: Locator, note: str = "") -> Fault:
    """A Problem with its line found."""
    place = locator.locate(problem.origin) if problem.origin else None
    file, line = (place.file, place.line) if place else ("", 0)
    return Fault(problem.id, problem.severity.value, problem.message + note, file, line, problem.hint)


def refused(refusals: Iterable[Refusal], graph: Graph, locator: Locator) -> tuple[Refused, ...]:
    """Refusals in the user's terms."""
    found = []
    for one in refusals:
        name, origin = _subject(one, graph)
        place = locator.locate(origin) if origin else Place("", 0)
        found.append(Refused(name, " ".join(one.message.split()), place.file, place.line, one.served))
    return tuple(found)


def refused_fault(item: Refused) -> Fault:
    """A refusal as it is printed."""
    now = "its last good version stays live" if item.served else "it is not served"
    message = f"Envoy refuses {item.name}; {now}: {item.message}"
    return Fault("refused", Severity.ERROR.value, message, item.file, item.line, "")


def _subject(refusal: Refusal, graph: Graph) -> tuple[str, Origin | None]:
    """What a resource is called by the user, and where it comes from."""
    gateway, _, rest = refusal.name.partition("|")
    if gateway in graph.gateways and rest:
        number, _, rest = rest.partition("|")
        family, _, hostname = rest.partition("|")
        if family in set(Family) and hostname and number.isdigit():
            key = VirtualHostKey(gateway, int(number), Family(family), hostname)
            host = graph.virtual_hosts.get(key)
            origin = host.entries[0].origin if host and host.entries else host.origin if host else None
            return str(key), origin
        return f"port {number} of {gateway}", graph.gateways[gateway].origin
    for backend_key in graph.backends:
        if str(backend_key) == refusal.name:
            return f"backend {refusal.name}", next(iter(graph.backends[backend_key].origins), None)
    return refusal.name, None


def curl(item: Listening) -> str | None:
    """A curl command for a listener's first hostname that works as pasted, or None for what curl does not speak."""
    if item.protocol not in ("HTTP", "HTTPS") or item.tls == "passthrough" or not item.hostnames:
        return None
    host = item.hostnames[0]
    name = "any" + host[1:] if hostnames.is_wildcard(host) else "localhost" if host == hostnames.ANY else host
    where = item.local[0]
    secure = item.protocol == "HTTPS"
    scheme, usual = ("https", 443) if secure else ("http", 80)
    port = "" if item.described.port == usual else f":{item.described.port}"
    address = f"[{where.address}]" if ":" in where.address else where.address
    trust = f"--cacert {item.ca_file} " if secure and item.ca_file else ""
    return f"curl {trust}--connect-to ::{address}:{where.port} {scheme}://{name}{port}{item.example}"
