"""Where described addresses are on this machine, when gateways listen on loopback: what names should lead to here.

A gateway is described at an address, by a load balancer's name or behind a tunnel; on loopback it listens somewhere
else.  The DNS server replaces the one by the other, so that a client on this machine gets where the request would have
got.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from gatewright.engines.envoy.bindings import PortKey, Socket
from gatewright.graph.analysis import Analysis
from gatewright.graph.names.resolvers import TUNNEL_DOMAIN
from gatewright.graph.names.servers import CLUSTER_DOMAIN
from gatewright.graph.network.addresses import service_of
from gatewright.graph.network.doors import door_addresses
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.programs import TunnelIntent
from gatewright.trace.tunnels import cloudflareds

Locals = Mapping[str, tuple[str, ...]]
"""Described address or hostname → the addresses here that stand for it."""


class Localities:
    """The addresses here, made anew only when gateways or their sockets are others."""

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis
        for question in (_described, _tunnels):
            analysis.keep(question)
        self._made_of: tuple[object, object, object] = (None, None, None)
        self._locals: Locals = {}

    def now(self, sockets: Mapping[PortKey, tuple[Socket, ...]]) -> Locals:
        """For gateways that listen at these sockets."""
        described, tunnels = self._analysis.answer(_described), self._analysis.answer(_tunnels)
        if self._made_of != (described, tunnels, sockets):
            self._made_of = (described, tunnels, sockets)
            self._locals = _locals(described, tunnels, sockets)
        return self._locals


def _locals(
    described: Mapping[str, tuple[str, ...]],
    tunnels: Mapping[str, tuple[str, ...]],
    sockets: Mapping[PortKey, tuple[Socket, ...]],
) -> Locals:
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for key, where in sorted(sockets.items()):
        for name in described.get(key.gateway, ()):
            found[name].update((socket.address, None) for socket in where)
    for tunnel, hosts in tunnels.items():
        behind = {address: None for host in hosts for address in found.get(host, ())}
        if behind:
            found[tunnel].update(behind)
    return {name: tuple(addresses) for name, addresses in found.items()}


def _described(sight: Sight) -> Mapping[str, tuple[str, ...]]:
    """A question: the addresses and hostnames of every gateway, its Service's name in the cluster among them."""
    found = {}
    for gateway_id in sight.gateways():
        names = dict.fromkeys(sight.ask(door_addresses, gateway_id))
        service = sight.ask(service_of, gateway_id)
        if service is not None:
            names[f"{service.name}.{service.namespace}.svc.{CLUSTER_DOMAIN}"] = None
        found[gateway_id] = tuple(names)
    return found


def _tunnels(sight: Sight) -> Mapping[str, tuple[str, ...]]:
    """A question: the names of tunnels at their provider, with the hosts that the rules of each lead to."""
    return {
        f"{tunnel}{TUNNEL_DOMAIN}": tuple(dict.fromkeys(host for item in items for host in _hosts(item.intent)))
        for tunnel, items in sight.ask(cloudflareds).items()
    }


def _hosts(tunnel: TunnelIntent) -> Iterator[str]:
    for rule in tunnel.rules:
        try:
            host = urlsplit(rule.service).hostname
        except ValueError:
            continue  # the document's own Problem says so
        if host:
            yield host
