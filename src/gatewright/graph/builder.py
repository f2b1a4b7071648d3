"""Keeps a Graph current: one change recomputes the nodes that read what changed, and nothing else.

Nodes are resolved in stages (certificates on demand, then gateways, attachments, pooled certificates, VirtualHosts,
backends).  Each resolution goes through a `View` that records what it read; the builder turns that around into
"who read this?".  A node whose value comes out the same stops the change there.  Counterparts: `objects` (what is
read), `resolve` (the resolutions, which are pure), `nodes` (what comes out), `stages` (where it is kept).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from immutables import Map

from gatewright.base.problem import Problem, Severity
from gatewright.graph import lookup
from gatewright.graph.listeners import Listeners, differing, door
from gatewright.graph.nodes import (
    BY_TLS,
    Attachment,
    Backend,
    BackendKey,
    Certificate,
    Change,
    Family,
    Gateway,
    Graph,
    Listener,
    VirtualHost,
    VirtualHostKey,
)
from gatewright.graph.objects import Objects, Placement, Token, View
from gatewright.graph.resolve import certificates, virtual_hosts
from gatewright.graph.resolve.doors import controllers, gateways
from gatewright.graph.resolve.placement import attachment as attaching
from gatewright.graph.resolve.placement import classes
from gatewright.graph.resolve.placement.classes import Brought
from gatewright.graph.resolve.placement.placing import Placed
from gatewright.graph.resolve.upstreams import backends
from gatewright.graph.stages import Relation, Stage
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.doors import ControllerIntent, GatewayIntent, RouteIntent
from gatewright.kinds.intents.routing import Dialect, Protocol

NO_LISTENERS = Listeners()

V = TypeVar("V")


class Builder:
    """Applies changes of intents and hands out immutable Graphs.  `now` is asked for certificates' validity."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._objects = Objects()
        self._certificates: Stage[Key, Certificate] = Stage()
        self._gateways: Stage[str, Gateway] = Stage()
        self._attachments: Stage[Key, Attachment] = Stage()
        self._hosts: Stage[VirtualHostKey, VirtualHost] = Stage()
        self._backends: Stage[BackendKey, Backend] = Stage()
        self._served: dict[str, ControllerIntent] = {}
        self._served_reads: set[Token] = set()
        self._doors: dict[str, Gateway] = {}
        self._listeners: dict[str, Listeners] = {}
        self._placed: dict[Key, set[tuple[VirtualHostKey, Placement]]] = {}
        self._placements: Relation[VirtualHostKey, Placement] = Relation()
        self._brought: dict[Key, Brought] = {}
        self._pool: Relation[tuple[str, str], Key] = Relation()
        self._pool_map: Map[tuple[str, str], tuple[Key, ...]] = Map()
        self._repooled: set[tuple[str, str]] = set()
        self._touched: set[Token] = set()
        self._own_hosts: dict[str, set[VirtualHostKey]] = {}
        self._own_count: Counter[VirtualHostKey] = Counter()
        self._tls_count: Counter[tuple[str, int]] = Counter()
        self._tls_sockets: frozenset[tuple[str, int]] = frozenset()
        self._used: dict[VirtualHostKey, frozenset[BackendKey]] = {}
        self._users: Counter[BackendKey] = Counter()
        self._problems: Map[str, tuple[Problem, ...]] = Map()

    # --- what resolutions may ask of earlier stages (objects.Nodes) ---

    def certificate(self, key: Key) -> Certificate | None:
        """Resolved on first demand; kept until its Secret changes."""
        if not self._certificates.knows(key):
            self._resolve_certificate(key)
        return self._certificates.values.get(key)

    def gateway(self, gateway_id: str) -> Gateway | None:
        return self._gateways.values.get(gateway_id)

    def door(self, gateway_id: str) -> Gateway | None:
        return self._doors.get(gateway_id)

    def listeners(self, gateway_id: str) -> Listeners:
        return self._listeners.get(gateway_id, NO_LISTENERS)

    def served(self) -> tuple[str, ...]:
        return tuple(sorted(self._served))

    def placements(self, host: VirtualHostKey) -> tuple[Placement, ...]:
        return self._placements.of(host)

    def pooled(self, gateway_id: str, name: str) -> tuple[Key, ...]:
        return self._pool.of((gateway_id, name))

    @property
    def objects(self) -> Objects:
        """The objects as they are now."""
        return self._objects

    # --- applying a change ---

    def apply(self, changes: Mapping[Key, Intent | None]) -> tuple[Graph, Change]:
        """Put or remove (None) intents and bring every concerned node up to date."""
        touched = self._objects.update(changes)
        self._touched |= touched
        return self._bring_up_to_date(touched, self._certificates.concerned(touched))

    def recheck_certificates(self) -> tuple[Graph, Change]:
        """Bring up to date what time has changed: certificates that expired, or were not valid yet."""
        now = self._now()
        over = {key for key, value in self._certificates.values.items() if not _is_valid(value, now)}
        return self._bring_up_to_date(set(), over | self._certificates.without_value())

    def _bring_up_to_date(self, touched: set[Token], dirty: set[Key]) -> tuple[Graph, Change]:
        keys = {token for token in touched if isinstance(token, Key)}
        for key in dirty:
            if self._resolve_certificate(key):
                touched.add(("certificate", key))
        touched |= self._refresh_gateways(touched, keys)
        touched |= self._refresh_attachments(touched, keys)
        hosts = self._refresh_hosts(touched)
        self._refresh_backends(touched, hosts)
        self._drop_certificates()
        return self._graph(), self._change()

    def _resolve_certificate(self, key: Key) -> bool:
        view = View(self._objects, self)
        found, problems = certificates.certificate(view, key, self._now())
        self._report(str(key), problems)
        return self._certificates.put(key, found, view.reads)

    def _drop_certificates(self) -> None:
        """Forget the certificates that nothing refers to any more."""
        stages: tuple[Stage[Any, Any], ...] = (self._gateways, self._attachments, self._hosts, self._backends)
        abandoned = {token for stage in stages for token in stage.abandoned}
        for stage in stages:
            stage.abandoned.clear()
        for token in abandoned:
            if isinstance(token, tuple) and token[0] == "certificate" and not any(s.is_read(token) for s in stages):
                self._certificates.forget(token[1])
                self._report(str(token[1]), ())

    def _refresh_gateways(self, touched: set[Token], keys: set[Key]) -> set[Token]:
        changed: set[Token] = set()
        changed |= self._refresh_served(touched)
        dirty = self._gateways.concerned(touched)
        dirty |= {controllers.gateway_id(key) for key in keys if key.kind in ("Gateway", "IngressController")}
        dirty |= {token[1] for token in changed if isinstance(token, tuple) and token[0] == "gateway"}
        for gateway_id in sorted(dirty):
            view = View(self._objects, self)
            resolved = self._resolve_gateway(view, gateway_id)
            problems = tuple(p for item in resolved.listeners for p in item.problems) if resolved else ()
            intent = view.get(_gateway_key(gateway_id), GatewayIntent)
            problems += gateways.turned_away(view, intent) if intent else _adds_to_nothing(view, gateway_id)
            self._report(f"Gateway {gateway_id}", problems + self._name_taken(gateway_id, resolved))
            if self._gateways.put(gateway_id, resolved, view.reads):
                changed.add(("gateway", gateway_id))
                changed |= self._index(gateway_id, resolved)
                changed |= self._refresh_own_hosts(gateway_id, resolved)
        return changed

    def _index(self, gateway_id: str, gateway: Gateway | None) -> set[Token]:
        """Index a gateway's listeners, so that only who reads a listener that changed is concerned."""
        before, after = self.listeners(gateway_id), Listeners(gateway.listeners if gateway else ())
        changed: set[Token] = set(differing(gateway_id, before, after))
        front = door(gateway) if gateway else None
        if front != self._doors.get(gateway_id):
            changed.add(("door", gateway_id))
        if front is None:
            self._doors.pop(gateway_id, None)
            self._listeners.pop(gateway_id, None)
        else:
            self._doors[gateway_id], self._listeners[gateway_id] = front, after
        return changed

    def _resolve_gateway(self, view: View, gateway_id: str) -> Gateway | None:
        intent = view.get(_gateway_key(gateway_id), GatewayIntent)
        if intent is not None:
            return gateways.gateway(view, intent)
        return controllers.gateway(view, self._served[gateway_id]) if gateway_id in self._served else None

    def _name_taken(self, gateway_id: str, gateway: Gateway | None) -> tuple[Problem, ...]:
        """Both kinds of doors have one space of names; a Gateway of the same name goes first."""
        served = self._served.get(gateway_id)
        if gateway is None or served is None or gateway.key == served.key:
            return ()
        message = f"{served.key} is not served: there is a Gateway of that name"
        return (Problem("gateway-name-taken", message, served.origin, Severity.ERROR, "rename one of them"),)

    def _refresh_served(self, touched: set[Token]) -> set[Token]:
        """Which controllers there are, described or inferred; re-read only when classes or controllers changed."""
        if self._served_reads and not self._served_reads & touched:
            return set()
        view = View(self._objects, self)
        served = {**controllers.inferred(view), **controllers.described(view)}
        self._served_reads = view.reads
        differing = {g for g in served.keys() | self._served.keys() if served.get(g) != self._served.get(g)}
        changed: set[Token] = {("gateway", gateway_id) for gateway_id in differing}
        if served.keys() != self._served.keys():
            changed.add(("served",))
        self._served = served
        return changed

    def _refresh_own_hosts(self, gateway_id: str, gateway: Gateway | None) -> set[Token]:
        """Each listener that goes by names has a VirtualHost of its own hostname, also without routes."""
        own = (
            set()
            if gateway is None
            else {
                VirtualHostKey(gateway_id, item.port, family, item.hostname)
                for item in gateway.listeners
                for family in _own_families(gateway, item)
            }
        )
        before = self._own_hosts.get(gateway_id, set())
        self._own_count.update(own - before)
        self._own_count.subtract(before - own)
        self._own_hosts[gateway_id] = own
        return {("placements", key) for key in own ^ before}

    def _refresh_attachments(self, touched: set[Token], keys: set[Key]) -> set[Token]:
        changed: set[Token] = set()
        dirty = self._attachments.concerned(touched)
        for key in keys:
            if isinstance(self._objects.intent(key), RouteIntent) or self._attachments.knows(key):
                dirty.add(key)
        for key in sorted(dirty):
            changed |= self._resolve_attachment(key)
        return changed

    def _resolve_attachment(self, key: Key) -> set[Token]:
        view = View(self._objects, self)
        route = view.get(key, RouteIntent)
        placed: Placed = []
        pairs: Brought = set()
        if route is None:
            self._report(str(key), ())
            self._attachments.forget(key)
        else:
            node, placed = attaching.attachment(view, route)
            pairs = classes.brought(view, route, placed)
            self._report(str(key), (*attaching.problems(node), *classes.missing_certificates(view, route)))
            self._attachments.put(key, node, view.reads)
        return self._place(key, set(placed)) | self._bring(key, pairs)

    def _place(self, route: Key, placed: set[tuple[VirtualHostKey, Placement]]) -> set[Token]:
        before = self._placed.pop(route, set())
        if placed:
            self._placed[route] = placed
        return {("placements", host) for host in self._placements.replace(before, placed)}

    def _bring(self, key: Key, pairs: Brought) -> set[Token]:
        """Pool the certificates that a route brings."""
        before = self._brought.pop(key, set())
        if pairs:
            self._brought[key] = pairs
        differing = self._pool.replace(before, pairs)
        self._repooled |= differing
        for pool in differing:
            members = self._pool.of(pool)
            if members:
                self._pool_map = self._pool_map.set(pool, members)
            else:
                self._pool_map = self._pool_map.delete(pool)
        return {("pooled", *pool) for pool in differing}

    def _refresh_hosts(self, touched: set[Token]) -> set[VirtualHostKey]:
        dirty = self._hosts.concerned(touched)
        for token in touched:
            if isinstance(token, tuple) and token[0] == "placements":
                dirty.add(token[1])
        changed = set()
        for key in sorted(dirty):
            wanted = key in self._placements.members or self._own_count[key] > 0
            view = View(self._objects, self)
            host, problems = virtual_hosts.virtual_host(view, key) if wanted else (None, ())
            self._report(f"{key.family} {key}", problems)
            before = key in self._hosts.values
            if host is None:
                if self._hosts.forget(key):
                    changed.add(key)
            elif self._hosts.put(key, host, view.reads):
                changed.add(key)
            if key.family in BY_TLS and (host is not None) != before:
                self._count_tls((key.gateway, key.port), -1 if before else 1)
        return changed

    def _count_tls(self, socket: tuple[str, int], more: int) -> None:
        self._tls_count[socket] += more
        if not self._tls_count[socket]:
            del self._tls_count[socket]
        if (socket in self._tls_count) != (socket in self._tls_sockets):
            self._tls_sockets ^= {socket}

    def _refresh_backends(self, touched: set[Token], hosts: set[VirtualHostKey]) -> None:
        dirty = self._backends.concerned(touched)
        for key in hosts:
            host = self._hosts.values.get(key)
            used = frozenset(lookup.upstreams(host)) if host else frozenset()
            before = self._used.pop(key, frozenset())
            if used:
                self._used[key] = used
            self._users.update(used - before)
            self._users.subtract(before - used)
            dirty |= used ^ before
        for upstream in sorted(dirty):
            if self._users[upstream] <= 0:
                del self._users[upstream]
                self._backends.forget(upstream)
                self._report(f"Backend {upstream}", ())
                continue
            view = View(self._objects, self)
            resolved, problems = backends.backend(view, upstream)
            self._report(f"Backend {upstream}", problems)
            self._backends.put(upstream, resolved, view.reads)

    def _report(self, node: str, problems: tuple[Problem, ...]) -> None:
        if problems:
            self._problems = self._problems.set(node, problems)
        elif node in self._problems:
            self._problems = self._problems.delete(node)

    def _graph(self) -> Graph:
        return Graph(
            gateways=self._gateways.values,
            virtual_hosts=self._hosts.values,
            backends=self._backends.values,
            certificates=self._certificates.values,
            certificate_names=self._pool_map,
            attachments=self._attachments.values,
            problems=self._problems,
            tls_sockets=self._tls_sockets,
        )

    def _change(self) -> Change:
        return Change(
            gateways=self._gateways.take_changed(),
            virtual_hosts=self._hosts.take_changed(),
            backends=self._backends.take_changed(),
            certificates=self._certificates.take_changed(),
            attachments=self._attachments.take_changed(),
            pooled=self._take(self._repooled),
            objects=self._take(self._touched),
        )

    @staticmethod
    def _take(changed: set[V]) -> frozenset[V]:
        taken = frozenset(changed)
        changed.clear()
        return taken


def _gateway_key(gateway_id: str) -> Key:
    namespace, _, name = gateway_id.rpartition("/")
    return Key("Gateway", namespace, name)


def _is_valid(certificate: Certificate, now: datetime) -> bool:
    end = certificate.facts.not_after
    return end is None or now < end


def _adds_to_nothing(view: View, gateway_id: str) -> tuple[Problem, ...]:
    """A Problem for an IngressController that describes a Gateway which is not there."""
    added = gateways.addition(view, _gateway_key(gateway_id))
    if added is None:
        return ()
    message = f"{added.key} has no effect: there is no Gateway {gateway_id}"
    hint = "give it the namespace and name of the Gateway, or another implementation"
    return (Problem("gateway-missing", message, added.origin, Severity.WARNING, hint),)


def _own_families(gateway: Gateway, listener: Listener) -> tuple[Family, ...]:
    """Traefik looks on every entry point whether TLS is spoken; elsewhere the protocol decides.

    A name under a TLS listener of Gateway API is its own even without a route: no HTTPS listener may open it.
    """
    if listener.protocol is Protocol.TLS and gateway.dialect is Dialect.GATEWAY_API and not listener.conflict:
        return (Family.PASSTHROUGH if listener.passthrough else Family.TERMINATED,)
    if listener.conflict or listener.protocol not in (Protocol.HTTP, Protocol.HTTPS):
        return ()
    if gateway.dialect is Dialect.TRAEFIK:
        return (Family.HTTP, Family.HTTPS)
    return (Family.HTTPS,) if listener.protocol is Protocol.HTTPS else (Family.HTTP,)


def empty_graph() -> Graph:
    """A graph of nothing."""
    nothing: Map[Any, Any] = Map()
    return Graph(nothing, nothing, nothing, nothing, nothing, nothing, nothing)
