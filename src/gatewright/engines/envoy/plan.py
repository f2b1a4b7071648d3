"""From graph to Envoy resources: pure, and only for what changed.

    plan(graph, change, bindings, state) -> Plan(changes, problems, state)

One HTTP VirtualHost is one scope, one backend is one cluster and one load assignment, one port is one
listener.  What one of them needs to know of others (which hostnames a port has) is kept in `State`, a
persistent value that the caller hands from one pass to the next.  Counterparts: `xds` carries the changes
to Envoy; `secrets` and `on_demand` answer what Envoy asks for by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

import immutables
from msgspec import Struct, field, structs

from gatewright.base import hostnames
from gatewright.base.problem import Problem
from gatewright.engines.envoy import names
from gatewright.engines.envoy.bindings import Bindings, PortKey
from gatewright.engines.envoy.clusters import compile_cluster, compile_endpoints
from gatewright.engines.envoy.delta import Resolver
from gatewright.engines.envoy.late_scopes import fallback
from gatewright.engines.envoy.listeners import PortHosts, compile_listener, is_special, only_backend
from gatewright.engines.envoy.resources import Change as Resource
from gatewright.engines.envoy.routes import compile_scope
from gatewright.engines.envoy.secrets import Issue, nothing_issued, resolve_secret
from gatewright.engines.envoy.tls import NO_SNI
from gatewright.engines.envoy.types import CLUSTER, ENDPOINTS, EXTENSION, LISTENER, SCOPE, SECRET
from gatewright.graph import lookup
from gatewright.graph.nodes import (
    BackendKey,
    Change,
    Family,
    Gateway,
    Graph,
    Port,
    TlsSettings,
    VirtualHost,
    VirtualHostKey,
)

_HTTP = (Family.HTTP, Family.HTTPS)
_BY_SNI = (Family.PASSTHROUGH, Family.TERMINATED)
_TERMINATING = (Family.HTTPS, Family.TERMINATED)

Place = tuple[str, int, Family]


class State(Struct, frozen=True):
    """What earlier passes left, all of it persistent.

    `hosts` hostnames by place; `resources` listeners and fallback tables by gateway; `backends` what stands
    behind names that are passed on as bytes, and `users` the reverse; `special` the names that have a filter
    chain of their own, by place; `apart` those whose TLS is ended otherwise than their port's; `others` the scopes
    that rules of a VirtualHost need beside its own; `needs` how many others a backend serves; `graph` and `bindings`
    those of the last pass.
    """

    hosts: immutables.Map[Place, immutables.Map[str, None]] = field(default_factory=immutables.Map)
    resources: immutables.Map[str, frozenset[tuple[str, str]]] = field(default_factory=immutables.Map)
    backends: immutables.Map[VirtualHostKey, BackendKey] = field(default_factory=immutables.Map)
    users: immutables.Map[BackendKey, immutables.Map[VirtualHostKey, None]] = field(default_factory=immutables.Map)
    special: immutables.Map[Place, immutables.Map[str, None]] = field(default_factory=immutables.Map)
    apart: immutables.Map[Place, immutables.Map[str, TlsSettings]] = field(default_factory=immutables.Map)
    others: immutables.Map[VirtualHostKey, tuple[str, ...]] = field(default_factory=immutables.Map)
    needs: immutables.Map[BackendKey, int] = field(default_factory=immutables.Map)
    graph: Graph | None = None
    bindings: Bindings | None = None


class Plan(Struct, frozen=True):
    """What Envoy should hold now instead.  `problems` by node, as in `Graph`; an empty tuple clears them.

    `refresh`: types of which what was resolved on demand has to be resolved again (see `resolver`).
    """

    changes: tuple[Resource, ...]
    problems: Mapping[str, tuple[Problem, ...]]
    state: State
    refresh: frozenset[str] = frozenset()


def plan(graph: Graph, change: Change, bindings: Bindings, state: State) -> Plan:
    """Compile what `change` names, and what other bindings than last time touch."""
    work = _Work(graph, bindings, state)
    gateways = set(change.gateways)
    hosts: Iterable[VirtualHostKey] = change.virtual_hosts
    if state.bindings is not None and state.bindings != bindings:
        moved = _moved(state.bindings, bindings, graph)
        gateways.update(port.gateway for port in moved)
        hosts = {*change.virtual_hosts, *(key for key in graph.virtual_hosts if _port_of(key) in moved)}
    for host in hosts:
        work.virtual_host(host)
    for backend in change.backends | work.toggled():
        work.backend(backend)
    work.settle(gateways)
    if change.certificates or any(key.family in _TERMINATING for key in change.virtual_hosts) or gateways:
        work.refresh.add(SECRET)
    return Plan(tuple(work.changes), work.problems, work.state(), frozenset(work.refresh))


def _moved(before: Bindings, now: Bindings, graph: Graph) -> set[PortKey]:
    """The ports for which other bindings than before make a difference."""
    if structs.replace(before, sockets={}, common_names=None) != structs.replace(now, sockets={}, common_names=None):
        return {PortKey(one.id, port.number, port.udp) for one in graph.gateways.values() for port in one.ports}
    ports = before.sockets.keys() | now.sockets.keys()
    moved = {port for port in ports if before.sockets.get(port) != now.sockets.get(port)}
    if before.common_names != now.common_names:
        one, other = before.common_names, now.common_names
        moved.update(ports if one is None or other is None else (one, other))
    return moved


def _port_of(key: VirtualHostKey) -> PortKey:
    return PortKey(key.gateway, key.port, key.family is Family.UDP)


class _Work:
    """One pass.  Collects; everything it reads is immutable."""

    def __init__(self, graph: Graph, bindings: Bindings, state: State) -> None:
        self._graph, self._bindings, self._before = graph, bindings, state
        self._hosts = state.hosts
        self._open: dict[Place, immutables.MapMutation[str, None]] = {}
        self._resources: dict[str, frozenset[tuple[str, str]]] = {}
        self._wild: set[Place] = set()
        """Places whose fallback table changed."""
        self._stale: set[PortKey] = set()
        """Ports whose listener depends on a host that changed."""
        self._renamed: set[PortKey] = set()
        """Ports with other names to tell by SNI than before."""
        self._users, self._backends, self._special = state.users, state.backends, state.special
        self._apart = state.apart
        self._others = state.others
        self._needs = state.needs.mutate()
        self._counted: set[BackendKey] = set()
        self.refresh: set[str] = set()
        self.changes: list[Resource] = []
        self.problems: dict[str, tuple[Problem, ...]] = {}

    # --- backends -------------------------------------------------------------------------------

    def backend(self, key: BackendKey) -> None:
        """A backend's cluster and endpoints.  Unchanged bytes cost nothing: the cache drops them.

        Envoy is not bothered with it while it stands only behind names that have clusters of their own.
        """
        name = names.cluster(key)
        backend = self._graph.backends.get(key)
        if backend is not None and self._needs.get(key, 0):
            self._put(CLUSTER, name, compile_cluster(backend))
            self._put(ENDPOINTS, name, compile_endpoints(backend))
        else:
            self._put(CLUSTER, name, None)
            self._put(ENDPOINTS, name, None)
        for host in self._users.get(key, _NOBODY):
            self._on_demand(host)

    def toggled(self) -> set[BackendKey]:
        """The backends that need a cluster since this pass, or need none any more."""
        before = self._before.needs
        return {key for key in self._counted if bool(before.get(key, 0)) != bool(self._needs.get(key, 0))}

    def _count(self, host: VirtualHost | None, step: int) -> None:
        """Note what a VirtualHost needs clusters for."""
        if host is None or (host.key.family in _BY_SNI and backend_on_demand(host) is not None):
            return
        for key in lookup.upstreams(host):
            self._counted.add(key)
            left = self._needs.get(key, 0) + step
            if left:
                self._needs[key] = left
            else:
                del self._needs[key]

    # --- virtual hosts --------------------------------------------------------------------------

    def virtual_host(self, key: VirtualHostKey) -> None:
        """A VirtualHost's scope, or its cluster on demand, or the port that it is all of."""
        host = self._graph.virtual_hosts.get(key)
        known = self._index(key, present=host is not None)
        if self._before.graph is not None:
            self._count(self._before.graph.virtual_hosts.get(key), -1)
        self._count(host, 1)
        port = _port_of(key)
        if key.family in _HTTP:
            if not known and (key.hostname == hostnames.ANY or hostnames.is_wildcard(key.hostname)):
                self._wild.add((key.gateway, key.port, key.family))
            if not known and key.family is Family.HTTPS:
                self._renamed.add(port)
            self._keep_apart(key, port, host.tls if host is not None else None, known=known)
            self._scope(key, host)
            return
        if key.family not in _BY_SNI:
            self._stale.add(port)
        else:
            if not known:
                self._renamed.add(port)
            self._single_out(key, port, special=host is not None and is_special(host))
            self._use(key, before=self._backends.get(key), now=backend_on_demand(host))
            self._on_demand(key)

    def _keep_apart(self, key: VirtualHostKey, port: PortKey, settings: TlsSettings | None, *, known: bool) -> None:
        """Remember the names whose TLS is ended otherwise: listener and fallback table follow them."""
        place = (key.gateway, key.port, key.family)
        before = self._apart.get(place, _NONE_APART)
        if before.get(key.hostname) != settings:
            now = before.set(key.hostname, settings) if settings is not None else before.delete(key.hostname)
            self._apart = self._apart.set(place, now)
            self._stale.add(port)
            self._wild.add(place)
        elif before and not known:
            self._wild.add(place)

    def _single_out(self, key: VirtualHostKey, port: PortKey, *, special: bool) -> None:
        """Remember the names that need a filter chain of their own: their listener follows them."""
        place = (key.gateway, key.port, key.family)
        before = self._special.get(place, _NO_HOSTS)
        if special or key.hostname in before:
            self._stale.add(port)
            now = before.set(key.hostname, None) if special else before.delete(key.hostname)
            self._special = self._special.set(place, now)

    def _use(self, key: VirtualHostKey, *, before: BackendKey | None, now: BackendKey | None) -> None:
        """Remember whose endpoints stand behind a name, to follow their changes."""
        if before == now:
            return
        if before is not None:
            self._users = self._users.set(before, self._users[before].delete(key))
            self._backends = self._backends.delete(key)
        if now is not None:
            self._users = self._users.set(now, self._users.get(now, _NOBODY).set(key, None))
            self._backends = self._backends.set(key, now)

    def _on_demand(self, key: VirtualHostKey) -> None:
        """The cluster and endpoints behind a name; Envoy may hold others, for names that a wildcard covers."""
        host, name = self._graph.virtual_hosts.get(key), names.scope(key)
        self._put(CLUSTER, name, resolve_on_demand(self._graph, host, CLUSTER, name), on_demand=True)
        self._put(ENDPOINTS, name, resolve_on_demand(self._graph, host, ENDPOINTS, name), on_demand=True)
        if key.hostname == hostnames.ANY or hostnames.is_wildcard(key.hostname):
            self.refresh |= {CLUSTER, ENDPOINTS}

    def _scope(self, key: VirtualHostKey, host: VirtualHost | None) -> None:
        gateway = self._graph.gateways.get(key.gateway)
        sockets = self._bindings.sockets.get(PortKey(key.gateway, key.port))
        if host is None or gateway is None or not sockets:
            self._put(SCOPE, names.scope_resource(key), None)
            self._other_scopes(key, ())
            self.problems[f"{key.family} {key}"] = ()
            return
        compiled = compile_scope(host, gateway, sockets[0].port)
        self.problems[f"{key.family} {key}"] = compiled.problems
        self._other_scopes(key, compiled.others)
        self._put(SCOPE, names.scope_resource(key), compiled.value)

    def _other_scopes(self, key: VirtualHostKey, scopes: tuple[tuple[str, bytes], ...]) -> None:
        """The scopes that rules of a VirtualHost need beside its own, and no others."""
        before, now = self._others.get(key, ()), tuple(name for name, _ in scopes)
        for name, value in scopes:
            self._put(SCOPE, name, value)
        for name in before:
            if name not in now:
                self._put(SCOPE, name, None)
        if now:
            self._others = self._others.set(key, now)
        elif before:
            self._others = self._others.delete(key)

    def _index(self, key: VirtualHostKey, *, present: bool) -> bool:
        """Note that the hostname is (or is not) served; True if that is no news."""
        place = (key.gateway, key.port, key.family)
        hosts = self._open.get(place)
        if hosts is None:
            hosts = self._open[place] = self._hosts.get(place, _NO_HOSTS).mutate()
        if (key.hostname in hosts) == present:
            return True
        if present:
            hosts[key.hostname] = None
        else:
            del hosts[key.hostname]
        return False

    def _at(self, gateway: str, port: int, family: Family) -> immutables.Map[str, None]:
        return self._hosts.get((gateway, port, family), _NO_HOSTS)

    def _close_index(self) -> None:
        """The hostnames are all known now: a listener whose port tells several things apart by SNI has to know them."""
        for place, mutated in self._open.items():
            self._hosts = self._hosts.set(place, mutated.finish())
        self._open.clear()
        for key in self._renamed:
            families = self._told_apart(self._hosts, key)
            if len(families) > 1 or self._any_special(key) or families != self._told_apart(self._before.hosts, key):
                self._stale.add(key)

    @staticmethod
    def _told_apart(hosts: immutables.Map[Place, immutables.Map[str, None]], port: PortKey) -> list[Family]:
        return [f for f in (Family.HTTPS, *_BY_SNI) if hosts.get((port.gateway, port.port, f), _NO_HOSTS)]

    def _any_special(self, port: PortKey) -> bool:
        return bool(self._apart.get((port.gateway, port.port, Family.HTTPS))) or any(
            self._special.get((port.gateway, port.port, family)) for family in _BY_SNI
        )

    # --- gateways -------------------------------------------------------------------------------

    def settle(self, gateways: set[str]) -> None:
        """The listeners and fallback tables of changed gateways and of places that hosts have changed."""
        self._close_index()
        for gateway_id in sorted(gateways):
            gateway = self._graph.gateways.get(gateway_id)
            made = frozenset(r for port in gateway.ports for r in self._port(gateway, port)) if gateway else _NONE
            for type_url, name in sorted(self._before.resources.get(gateway_id, _NONE) - made):
                self._put(type_url, name, None)
                self.problems.setdefault(name, ())
            self._resources[gateway_id] = made
        for key in sorted(self._stale):
            found = self._find(key)
            if found is not None and key.gateway not in gateways:
                self._listener(*found)
        for gateway_id, number, family in sorted(self._wild):
            gateway = self._graph.gateways.get(gateway_id)
            if gateway is not None and gateway_id not in gateways:
                self._fallback(gateway, number, family)

    def _find(self, key: PortKey) -> tuple[Gateway, Port] | None:
        gateway = self._graph.gateways.get(key.gateway)
        for port in gateway.ports if gateway else ():
            if gateway is not None and (port.number, port.udp) == (key.port, key.udp):
                return gateway, port
        return None

    def _port(self, gateway: Gateway, port: Port) -> list[tuple[str, str]]:
        """Everything that one port consists of; returns what it is called."""
        listener = self._listener(gateway, port)
        made = [(LISTENER, listener)]
        if not port.udp:
            made += [(EXTENSION, self._fallback(gateway, port.number, family)) for family in _HTTP]
        return made

    def _listener(self, gateway: Gateway, port: Port) -> str:
        name = names.listener(gateway.id, port.number, udp=port.udp)
        compiled = compile_listener(gateway, port, self._port_hosts(gateway, port), self._bindings)
        self._put(LISTENER, name, compiled.value)
        self.problems[name] = compiled.problems
        return name

    def _port_hosts(self, gateway: Gateway, port: Port) -> PortHosts:
        served = {f: self._at(gateway.id, port.number, f) for f in (Family.HTTPS, *_BY_SNI)}
        special = [
            host
            for family in _BY_SNI
            for name in sorted(self._special.get((gateway.id, port.number, family), ()))
            if (host := self._graph.virtual_hosts.get(VirtualHostKey(gateway.id, port.number, family, name)))
        ]
        family = Family.UDP if port.udp else Family.TCP
        apart = self._apart.get((gateway.id, port.number, Family.HTTPS), _NONE_APART)
        # Only a port that does several things with TLS has to know the names of each.
        mixed = special or apart or sum(bool(hosts) for hosts in served.values()) > 1
        return PortHosts(
            hostnames={f: tuple(sorted(hosts) if mixed else islice(hosts, 1)) for f, hosts in served.items() if hosts},
            apart=dict(apart),
            special=tuple(special),
            catch_all=self._graph.virtual_hosts.get(VirtualHostKey(gateway.id, port.number, family, hostnames.ANY)),
        )

    def _fallback(self, gateway: Gateway, port: int, family: Family) -> str:
        name = names.fallback(gateway.id, port, family)
        place = (gateway.id, port, family)
        apart = dict(self._apart.get(place, _NONE_APART))
        self._put(EXTENSION, name, fallback(place, gateway.depth, self._at(*place), apart))
        return name

    # --- results --------------------------------------------------------------------------------

    def _put(self, type_url: str, name: str, value: bytes | None, *, on_demand: bool = False) -> None:
        self.changes.append(Resource(type_url, name, value, on_demand))

    def state(self) -> State:
        """What the next pass has to know."""
        resources = self._before.resources
        for gateway, made in self._resources.items():
            resources = resources.set(gateway, made)
        return State(
            hosts=self._hosts,
            resources=resources,
            backends=self._backends,
            users=self._users,
            special=self._special,
            apart=self._apart,
            others=self._others,
            needs=self._needs.finish(),
            graph=self._graph,
            bindings=self._bindings,
        )


# --- on demand ----------------------------------------------------------------------------------


def resolver(graph: Graph, bindings: Bindings, issue: Issue = nothing_issued, place: str = "") -> Resolver:
    """Answers what Envoy asks for by name: certificates by SNI, and what stands behind names under a wildcard.

    `place`: the port that asks, where its certificates have names of their own.
    """

    def resolve(type_url: str, name: str) -> bytes | None:
        if type_url == SECRET:
            return resolve_secret(graph, bindings, name, issue, place)
        return resolve_on_demand(graph, _asked_for(graph, name), type_url, name)

    return resolve


def resolve_on_demand(graph: Graph, host: VirtualHost | None, type_url: str, name: str) -> bytes | None:
    """The cluster or the endpoints `name` of a VirtualHost whose bytes go to one backend; None for any other."""
    key = backend_on_demand(host)
    backend = graph.backends.get(key) if key is not None else None
    if backend is None:
        return None
    return compile_cluster(backend, name) if type_url == CLUSTER else compile_endpoints(backend, name)


def backend_on_demand(host: VirtualHost | None) -> BackendKey | None:
    """The one backend of a VirtualHost that needs nothing else."""
    if host is None or is_special(host) or not host.entries:
        return None
    only = only_backend(host.entries[0])
    return only.backend if only is not None else None


def _asked_for(graph: Graph, name: str) -> VirtualHost | None:
    """The VirtualHost that a client's SNI leads to, at the port and for the purpose that stand before it."""
    gateway_id, _, rest = name.partition("|")
    number, _, rest = rest.partition("|")
    family, _, sni = rest.partition("|")
    gateway = graph.gateways.get(gateway_id)
    if gateway is None or not number.isdigit() or family not in _BY_SNI:
        return None
    asked = hostnames.normalize(sni)
    return lookup.virtual_host(graph, gateway, int(number), Family(family), "" if asked == NO_SNI else asked)


_NOBODY: immutables.Map[VirtualHostKey, None] = immutables.Map()
_NONE_APART: immutables.Map[str, TlsSettings] = immutables.Map()
_NO_HOSTS: immutables.Map[str, None] = immutables.Map()
_NONE: frozenset[tuple[str, str]] = frozenset()
