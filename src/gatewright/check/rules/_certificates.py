"""What rules about certificates share: which certificate the clients of a hostname meet, and what they make of it.

Counterparts: `trace.trust`, which judges one certificate; `_names`, which says where a name leads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from gatewright.base import hostnames
from gatewright.base.origin import Origin
from gatewright.check import matrix
from gatewright.check.matrix import Fate, Row, serving
from gatewright.check.rules import _names
from gatewright.graph import lookup
from gatewright.graph.names import resolvers
from gatewright.graph.names.nodes import Edge, Resolution
from gatewright.graph.nodes import Family, Gateway
from gatewright.graph.objects import ALL
from gatewright.graph.sight import Sight
from gatewright.kinds.decode import has_variable
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import ControllerIntent
from gatewright.kinds.intents.issuance import CertificateIntent
from gatewright.kinds.intents.material import TlsStoreIntent
from gatewright.kinds.intents.naming import ZoneIntent
from gatewright.kinds.intents.routing import Dialect
from gatewright.trace import edges, tunnels
from gatewright.trace.hops import OutcomeKind
from gatewright.trace.journey import Trust
from gatewright.trace.request import request as make_request
from gatewright.trace.trust import BROWSER, Shown, judge, shown
from gatewright.trace.vantages import INTERNET_PLACE

TERMINATING = (Family.HTTPS, Family.TERMINATED)
SOME = 4
"""How many names of a certificate a sentence lists."""


class Met(Struct, frozen=True):
    """A certificate that clients of a hostname meet, at a gateway or a CDN's edge.

    `label` says which and where; `names` those on it; `vantage` "" everybody; `fate` what came of it, None
    where the map does not say who comes.
    """

    label: str
    names: tuple[str, ...]
    origins: tuple[Origin, ...]
    vantage: str = ""
    fate: Fate | None = None
    shown: Shown | None = None
    zone: ZoneIntent | None = None


def named(names: tuple[str, ...]) -> str:
    """The names of a certificate in a sentence."""
    if not names:
        return "no names"
    more = f" and {len(names) - SOME} more" if len(names) > SOME else ""
    return ", ".join(names[:SOME]) + more if more else _names.listing(names)


def too_deep(names: tuple[str, ...], name: str) -> str:
    """The wildcard among the names that would cover this one if it stood for several labels; "" when none would."""
    return next((own for own in names if hostnames.is_wildcard(own) and name.endswith(own[1:])), "")


def above(host: str) -> str:
    """The wildcard that covers a hostname."""
    return host if hostnames.is_wildcard(host) else f"*.{host.partition('.')[2]}"


def mismatched(sight: Sight, row: Row) -> tuple[Met, ...]:
    """The certificates without this name that its clients meet."""
    judged = any(fate.trust is Trust.NAME_MISMATCH for cell in row.cells for fate in cell.fates)
    if has_variable(row.host) or not (judged or nobody_comes(row)):
        return ()
    return sight.ask(_mismatched, row.host)


def _mismatched(sight: Sight, host: str) -> tuple[Met, ...]:
    """A question, since two rules ask it."""
    asked = sight.ask(matrix.row, host)
    if asked is None:
        return ()
    if nobody_comes(asked):
        return (*_at_its_gateways(sight, asked), *_at_edge(sight, asked, public_answers(sight, host), "", None))
    found: list[Met] = []
    for vantage, family, fate in _judged(asked, Trust.NAME_MISMATCH):
        if fate.gateways:
            found += _refused(sight, asked, vantage, fate, Trust.NAME_MISMATCH)
        else:
            who = _names.client(sight, vantage)
            answers = _names.answers(sight, who, host, family) if who is not None else ()
            found += _at_edge(sight, asked, answers, vantage, fate)
    return tuple(found)


def untrusted(sight: Sight, row: Row) -> Iterator[Met]:
    """The certificates of gateways that its clients do not trust, whatever their names."""
    for vantage, _, fate in _judged(row, Trust.UNTRUSTED):
        if fate.gateways:
            yield from _refused(sight, row, vantage, fate, Trust.UNTRUSTED)


def nobody_comes(row: Row) -> bool:
    """Does the map say nothing of how clients come to the name?"""
    return all(
        not cell.vantage or (fate.kind == OutcomeKind.UNKNOWN and not fate.gateways)
        for cell in row.cells
        for fate in cell.fates
    )


def _judged(row: Row, trust: Trust) -> Iterator[tuple[str, str, Fate]]:
    """The fates in which a client judged a certificate so, each kind of them once for a vantage."""
    seen: set[tuple[str, tuple[str, ...]]] = set()
    for cell in row.cells:
        for fate in cell.fates:
            if fate.trust is trust and (cell.vantage, fate.gateways) not in seen:
                seen.add((cell.vantage, fate.gateways))
                yield cell.vantage, cell.family, fate


def port_of(row: Row) -> int:
    """The port at which a name is asked for."""
    return make_request(row.url).port


# --- at gateways --------------------------------------------------------------------------------


def _at_its_gateways(sight: Sight, row: Row) -> Iterator[Met]:
    """Where the map does not say how clients come: the gateways that serve the name."""
    name = _names.asked(row.host)
    for host in serving(sight, row.host):
        if host.key.family not in TERMINATING:
            continue
        gateway = sight.gateway(host.key.gateway)
        if gateway is None:
            continue
        certificate = sight.served_certificate(gateway, host.key.port, name)
        found = shown(sight, gateway, host, certificate, name)
        if judge(found, name, BROWSER)[0] is Trust.NAME_MISMATCH and not _has_another(sight, gateway, name):
            yield _met(gateway, found)


def _refused(sight: Sight, row: Row, vantage: str, fate: Fate, trust: Trust) -> Iterator[Met]:
    """What the last gateway of a fate showed; nothing where a redirect had led to another name, which is asked too."""
    who = _names.client(sight, vantage)
    gateway = sight.gateway(fate.gateways[-1])
    if who is None or gateway is None:
        return
    name = _names.asked(row.host)
    found = at_gateway(sight, gateway, name, port_of(row))
    if found is None or judge(found, name, who.roots)[0] is not trust:
        return
    if trust is not Trust.NAME_MISMATCH or not _has_another(sight, gateway, name):
        yield _met(gateway, found, vantage, fate)


def defaults(sight: Sight, gateway: Gateway) -> Iterator[Key]:
    """The Secrets of the certificates that a door shows where no other fits, perhaps not there yet."""
    described = sight.get(gateway.key, ControllerIntent)
    for listener in described.listeners if described is not None else ():
        if listener.tls is not None:
            yield from listener.tls.certificates
    for store in sight.listed("tls-stores", ALL, TlsStoreIntent) if gateway.dialect is Dialect.TRAEFIK else ():
        if store.key.name == "default":
            yield from (store.default_certificate,) if store.default_certificate is not None else ()
            yield from store.certificates


def _has_another(sight: Sight, gateway: Gateway, name: str) -> bool:
    """May a door that chooses among all of its certificates have one for this name that is not there yet?"""
    if gateway.dialect is Dialect.GATEWAY_API:
        return False
    made = [item for own in (name, above(name)) for item in sight.listed("certificates-naming", own, CertificateIntent)]
    return bool(made) and (
        gateway.pools_certificates or not {item.secret for item in made}.isdisjoint(defaults(sight, gateway))
    )


def at_gateway(sight: Sight, gateway: Gateway, name: str, port: int) -> Shown | None:
    """What a gateway shows for a name, on the port that is asked or, behind address translation, on another."""
    graph = sight.graph_for(gateway, name)
    others = (item.number for item in gateway.ports if item.tls and item.number != port)
    for number in (port, *others):
        host = lookup.by_sni(graph, gateway, number, name)
        if host is not None and host.key.family in TERMINATING:
            return shown(sight, gateway, host, sight.served_certificate(gateway, number, name), name)
    return None


def _met(gateway: Gateway, found: Shown, vantage: str = "", fate: Fate | None = None) -> Met:
    own = found.label.startswith("the certificate of ")  # not a Secret, but what the door has from elsewhere
    label = found.label if own else f"{found.label} at gateway {gateway.id}"
    return Met(label, found.names or (), _names.places(found.origin, gateway.origin), vantage, fate, found)


# --- at edges -----------------------------------------------------------------------------------


def proxying(sight: Sight) -> tuple[tuple[str, ZoneIntent], ...]:
    """A question: the zones of CDNs, by domain."""
    return tuple((zone.domain, zone) for zone in sight.all("Zone", ZoneIntent) if zone.provider in edges.ENTRANCES)


def public_answers(sight: Sight, host: str) -> tuple[Resolution, ...]:
    """What the public DNS answers for a name of a CDN's zone; nothing for other names."""
    name = _names.asked(host)
    zones = sight.ask(proxying)
    if not any(name == domain or name.endswith(f".{domain}") for domain, _ in zones):
        return ()
    return resolvers.resolutions(sight, (), name, "A", INTERNET_PLACE)


def _at_edge(sight: Sight, row: Row, answers: Iterable[Resolution], vantage: str, fate: Fate | None) -> Iterator[Met]:
    for item in answers:
        zone = sight.get(item.edge.zone, ZoneIntent) if item.edge is not None else None
        if zone is None or item.edge is None or edges.covered(zone, _names.asked(row.host)):
            continue
        names = edges.certificate_names(zone)
        label = f"the certificate of {_names.edge_name(item.edge.provider)} for {zone.domain}"
        yield Met(label, names, _names.places(item.edge.origin, zone.origin), vantage, fate, zone=zone)
        return


def only_edges(sight: Sight, row: Row) -> Iterator[tuple[str, Edge]]:
    """The vantages, "" for everybody, that come to a name through CDN edges alone, with the first edge of each."""
    if nobody_comes(row):
        edge = next((item.edge for item in public_answers(sight, row.host) if item.edge is not None), None)
        if edge is not None:
            yield "", edge
        return
    for vantage in dict.fromkeys(cell.vantage for cell in row.cells):
        cells = [cell for cell in row.cells if cell.vantage == vantage]
        arriving = [fate for cell in cells for fate in cell.fates if fate.kind != OutcomeKind.ABSENT]
        who = _names.client(sight, vantage)
        if who is None or not arriving or any(fate.address not in edges.ENTRANCES for fate in arriving):
            continue
        answers = (item for cell in cells for item in _names.answers(sight, who, row.host, cell.family))
        edge = next((item.edge for item in answers if item.edge is not None), None)
        if edge is not None:
            yield vantage, edge


def speaks_http(sight: Sight, edge: Edge, row: Row, *schemes: str) -> bool:
    """Does the tunnel behind an edge carry the name as HTTP, in one of the schemes where some are given?"""
    request = make_request(row.url)
    for daemon in sight.ask(tunnels.cloudflareds).get(edge.tunnel, ()):
        rule = tunnels.choose(daemon.intent, request)
        service = tunnels.service(rule, request) if rule is not None else None
        if service is not None and service.scheme in (schemes or ("http", "https")):
            return True
    return False
