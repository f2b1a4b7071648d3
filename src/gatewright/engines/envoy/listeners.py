"""One Envoy listener for each port of a gateway.

A listener's filter chains say what a port can do, not which names it does it for: names are scopes,
secrets and clusters on demand, so a new name changes no listener.  Exceptions are names whose rule needs
more than "this backend" (weights, access lists): they have a chain of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from envoy.config.core.v3 import base_pb2, substitution_format_string_pb2
from envoy.config.listener.v3 import listener_components_pb2 as components
from envoy.config.listener.v3 import listener_pb2
from envoy.config.rbac.v3 import rbac_pb2
from envoy.extensions.filters.common.set_filter_state.v3 import value_pb2
from envoy.extensions.filters.listener.tls_inspector.v3 import tls_inspector_pb2
from envoy.extensions.filters.network.rbac.v3 import rbac_pb2 as network_rbac
from envoy.extensions.filters.network.set_filter_state.v3 import set_filter_state_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2
from envoy.extensions.filters.udp.udp_proxy.v3 import route_pb2 as udp_route
from envoy.extensions.filters.udp.udp_proxy.v3 import udp_proxy_pb2
from msgspec import Struct
from xds.core.v3 import extension_pb2 as xds_extension
from xds.type.matcher.v3 import matcher_pb2

from gatewright.base.hostnames import Depth
from gatewright.base.problem import Problem, Severity
from gatewright.engines.envoy import chains, forwarded, names, proxied
from gatewright.engines.envoy.bindings import Bindings, PortKey, Socket
from gatewright.engines.envoy.clusters import socket_address
from gatewright.engines.envoy.forwarded import Peers
from gatewright.engines.envoy.http_manager import Taken, manager, tcp_access_log
from gatewright.engines.envoy.match import host_pattern
from gatewright.engines.envoy.tls import terminate
from gatewright.engines.envoy.wire import ads, pack, seconds, serialise
from gatewright.graph.nodes import (
    Entry,
    Family,
    Forward,
    Gateway,
    Listener,
    Port,
    TlsSettings,
    VirtualHost,
    WeightedBackend,
)
from gatewright.kinds.intents.routing import Dialect, HostMatch, Match, Protocol

_BUFFER_BYTES: Final = 32 * 1024
_INSPECT_SECONDS: Final = 5.0
_IDLE_SECONDS: Final = 3600.0
_UDP_IDLE_SECONDS: Final = 60.0
_DEMAND_SECONDS: Final = 1.0
"""Envoy asks once for a name that is not there; later connections with that name wait this long in vain."""
_PLAIN: Final = ("tcp", "http", "http|believed")
"""The chains of connections without TLS."""
_TLS_FAMILIES: Final = (Family.HTTPS, Family.TERMINATED, Family.PASSTHROUGH)


class PortHosts(Struct, frozen=True):
    """What is served at one port: the hostnames by family, and the VirtualHosts of the byte-forwarding ones.

    `special` holds the PASSTHROUGH and TERMINATED VirtualHosts that need a chain of their own, `catch_all` the
    TCP or UDP one; `apart` the HTTPS hostnames whose TLS is ended otherwise than the port's.
    """

    hostnames: Mapping[Family, tuple[str, ...]]
    apart: Mapping[str, TlsSettings] = {}
    special: tuple[VirtualHost, ...] = ()
    catch_all: VirtualHost | None = None


class Compiled(Struct, frozen=True):
    """A listener and what could not be carried over; no value when the port serves nothing yet."""

    value: bytes | None
    problems: tuple[Problem, ...] = ()


def compile_listener(gateway: Gateway, port: Port, hosts: PortHosts, bindings: Bindings) -> Compiled:
    """The listener of one port, bound as `bindings` say."""
    sockets = bindings.sockets.get(PortKey(gateway.id, port.number, port.udp), ())
    if not sockets:
        return Compiled(None)
    made = _bound(gateway, port, sockets)
    if port.udp:
        return _udp(made, hosts)
    made.per_connection_buffer_limit_bytes.value = _BUFFER_BYTES
    build = _Chains(gateway, port, hosts, bindings)
    build.fill(made)
    if not made.filter_chains:
        return Compiled(None, tuple(build.problems))
    return Compiled(serialise(made), tuple(build.problems))


def _bound(gateway: Gateway, port: Port, sockets: tuple[Socket, ...]) -> listener_pb2.Listener:
    name = names.listener(gateway.id, port.number, udp=port.udp)
    first, *others = sockets
    made = listener_pb2.Listener(
        name=name,
        stat_prefix=name.replace("|", "_"),
        address=socket_address(first.address, first.port, udp=port.udp),
    )
    for other in others:
        made.additional_addresses.add(address=socket_address(other.address, other.port, udp=port.udp))
    return made


def is_special(host: VirtualHost) -> bool:
    """Does a PASSTHROUGH or TERMINATED VirtualHost need more than its one backend?"""
    if len(host.entries) != 1 or host.tls is not None:
        return bool(host.entries)
    entry = host.entries[0]
    return entry.match != Match() or bool(entry.rule.access) or only_backend(entry) is None


def only_backend(entry: Entry) -> WeightedBackend | None:
    """The one backend that gets everything, if that is what the rule says."""
    action = entry.rule.action
    if not isinstance(action, Forward):
        return None
    shares = [b for b in action.backends if b.weight > 0]
    return shares[0] if len(shares) == 1 and shares[0].backend is not None else None


class _Chains:
    """Builds the filter chains of one TCP port."""

    def __init__(self, gateway: Gateway, port: Port, hosts: PortHosts, bindings: Bindings) -> None:
        self._gateway, self._port, self._hosts, self._bindings = gateway, port, hosts, bindings
        self.problems: list[Problem] = []
        self._listeners = [one for one in gateway.listeners if one.port == port.number and not one.conflict]

    def fill(self, made: listener_pb2.Listener) -> None:
        """Add the chains, and a matcher where there is more than one."""
        believed = forwarded.forwarded_from(self._gateway, self._port.number)
        hops = forwarded.trusted_hops(self._gateway, self._port.number, self._bindings.trusted_hops)
        if hops or (believed and forwarded.everybody(believed)):
            way = self._ways(made, Peers.BELIEVED)
        elif believed:
            other = self._ways(made, Peers.OTHERS)
            way = self._ways(made, Peers.BELIEVED)
            if way is not None and way != other:
                # nginx asks who really connects; to Traefik the peer is whom PROXY protocol speaks of.
                direct = self._gateway.dialect is not Dialect.TRAEFIK
                way = chains.by_peer(believed, way, other, direct=direct)
        else:
            way = self._ways(made, Peers.ANYBODY)
        proxies = forwarded.proxy_protocol_from(self._gateway, self._port.number)
        optional = self._gateway.implementation not in proxied.ALWAYS
        if proxies and made.filter_chains:
            proxied.expect(made, proxies, optional=optional)
        if self._port.tls:
            inspector = made.listener_filters.add(name="envoy.filters.listener.tls_inspector")
            inspector.typed_config.CopyFrom(pack(tls_inspector_pb2.TlsInspector()))
        if made.listener_filters:
            made.listener_filters_timeout.CopyFrom(seconds(_INSPECT_SECONDS))
            # A port that also speaks plainly may wait for protocols in which the server speaks first.
            plainly = any(not one.HasField("transport_socket") and one.name in _PLAIN for one in made.filter_chains)
            made.continue_on_listener_filters_timeout = plainly and (optional or not proxies)
        if isinstance(way, matcher_pb2.Matcher):
            made.filter_chain_matcher.CopyFrom(way)

    def _ways(self, made: listener_pb2.Listener, peers: Peers) -> chains.Way | None:
        """Add the chains for such peers; returns how a connection comes to one of them, None: there is none."""
        plain = self._plain(peers) if self._port.plain or not self._port.tls else None
        way = self._tls(made, peers) if self._port.tls else None
        # A chain that ends TLS closes what is no TLS itself; one that passes it on would pass on anything.
        unlocked = plain is not None or any(not one.HasField("transport_socket") for one in made.filter_chains)
        if plain is not None:
            _add(made, plain)
        if way is None:
            return plain.name if plain is not None else None
        return chains.by_transport(way, plain.name if plain is not None else None) if unlocked else way

    # --- plain ----------------------------------------------------------------------------------

    def _plain(self, peers: Peers) -> components.FilterChain | None:
        """Without TLS: bytes where a TCP rule takes the port, else HTTP."""
        host = self._hosts.catch_all
        if host is not None and host.entries:
            return self._bytes(host, "tcp")
        if not self._port.http:
            return None
        http = manager(self._gateway, self._port.number, Family.HTTP, self._bindings, Taken(peers))
        return components.FilterChain(name=_for("http", peers), filters=[self._remember(), http])

    # --- TLS ------------------------------------------------------------------------------------

    def _tls(self, made: listener_pb2.Listener, peers: Peers) -> chains.Way | None:
        """A chain for each thing that is done with TLS, and the way to them by SNI."""
        special = {host.key: f"{host.key.family}|{host.key.hostname}" for host in self._hosts.special}
        kept_apart = {_apart(settings): settings for settings in self._hosts.apart.values()}
        owners: dict[str, list[str]] = {family.value: [] for family in self._families()}
        taken: set[str] = set()
        # One name for two purposes: what somebody wanted untouched is never opened (as in `lookup.by_sni`).
        for family in reversed(_TLS_FAMILIES):
            for pattern in self._hosts.hostnames.get(family, ()):
                if pattern not in taken:
                    taken.add(pattern)
                    owners.setdefault(self._owner(family, pattern), []).append(pattern)
        for key, chain in special.items():
            if key.hostname in owners.get(key.family.value, ()):
                owners[key.family.value].remove(key.hostname)
                owners[chain] = [key.hostname]
        if not owners:
            return None
        for family in _TLS_FAMILIES:
            if family.value in owners:
                _add(made, self._family(family, peers))
        for name, settings in sorted(kept_apart.items()):
            _add(made, self._https(_for(name, peers), peers, settings))
        for host in self._hosts.special:
            chain_made = self._bytes(host, special[host.key])
            if host.key.family is Family.TERMINATED:
                chain_made.transport_socket.CopyFrom(self._terminate(host.tls or self._port.settings, http=False))
            _add(made, chain_made)
        web = {Family.HTTPS.value, *kept_apart}
        owners = {_for(chain, peers) if chain in web else chain: patterns for chain, patterns in owners.items()}
        families = [_for(f.value, peers) if f is Family.HTTPS else f.value for f in _TLS_FAMILIES]
        default = chains.default_chain(owners, families)
        if len(owners) == 1:
            return default
        depth = self._gateway.depth
        return chains.by_sni(chains.exceptions(owners, default, depth), default, depth) or chains.always(default)

    def _owner(self, family: Family, pattern: str) -> str:
        """The chain that a name has by itself."""
        settings = self._hosts.apart.get(pattern) if family is Family.HTTPS else None
        return _apart(settings) if settings is not None else family.value

    def _families(self) -> list[Family]:
        """What the port's listeners promise, whether or not a route uses it yet."""
        found = {_promised(one) for one in self._listeners if one.tls}
        if self._port.http and not found:
            found.add(Family.HTTPS)
        return [family for family in _TLS_FAMILIES if family in found]

    def _family(self, family: Family, peers: Peers) -> components.FilterChain:
        if family is Family.HTTPS:
            return self._https(_for(family.value, peers), peers, None)
        prefix = names.scope_prefix(self._gateway.id, self._port.number, family)
        made = components.FilterChain(name=family.value, filters=[_choose(prefix), self._on_demand(family)])
        if family is Family.TERMINATED:
            made.transport_socket.CopyFrom(self._terminate(self._port.settings, http=False))
        return made

    def _https(self, name: str, peers: Peers, apart: TlsSettings | None) -> components.FilterChain:
        """HTTP after TLS was ended as the port does it, or otherwise."""
        settings = apart or self._port.settings
        taken = Taken(peers, settings, apart=apart is not None)
        http = manager(self._gateway, self._port.number, Family.HTTPS, self._bindings, taken)
        made = components.FilterChain(name=name, filters=[self._remember(), http])
        made.transport_socket.CopyFrom(self._terminate(settings, http=True))
        return made

    def _terminate(self, settings: TlsSettings, *, http: bool) -> base_pb2.TransportSocket:
        key = PortKey(self._gateway.id, self._port.number)
        common = self._bindings.common_names in (None, key)
        place = "" if common else names.place(key.gateway, key.port)
        termination = terminate(settings, http=http, place=place)
        rest = "TLS 1.3 alone is spoken" if termination.only_newest else "the others are used"
        for name in termination.unknown_ciphers:
            message = f"Envoy does not have the cipher suite {name}; {rest}"
            problem = Problem("unknown-cipher", message, self._gateway.origin, Severity.WARNING)
            if problem not in self.problems:
                self.problems.append(problem)
        return termination.socket

    def _remember(self) -> components.Filter:
        """What routes may ask about the connection: its peer (PROXY protocol has the last word) and its SNI."""
        spoken_of = forwarded.proxy_protocol_from(self._gateway, self._port.number)
        peer = "%DOWNSTREAM_REMOTE_ADDRESS%" if spoken_of else "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%"
        return _set_state(
            _state(names.PEER_STATE, "envoy.filters.listener.original_dst.remote_ip", peer),
            _state(names.SNI_STATE, "envoy.string", "%REQUESTED_SERVER_NAME%"),
        )

    # --- bytes ----------------------------------------------------------------------------------

    def _on_demand(self, family: Family) -> components.Filter:
        """The cluster whose name the connection carries is asked for when it is first needed."""
        prefix = names.scope_prefix(self._gateway.id, self._port.number, family)
        made = self._tcp_proxy(family.value)
        made.cluster = prefix + names.REFUSED
        made.on_demand.odcds_config.CopyFrom(ads())
        made.on_demand.timeout.CopyFrom(seconds(_DEMAND_SECONDS))
        return components.Filter(name="envoy.filters.network.tcp_proxy", typed_config=pack(made))

    def _bytes(self, host: VirtualHost, name: str) -> components.FilterChain:
        """A chain for one VirtualHost whose bytes are passed on: its first entry decides."""
        made = components.FilterChain(name=name)
        entry = host.entries[0]
        access = [(one.cidrs, one.deny) for one in entry.rule.access]
        access += [(one.cidrs, False) for one in entry.match.sources if not one.negate]
        if entry.match.alpn or any(one.negate for one in entry.match.sources) or len(host.entries) > 1:
            reason = f"{host.key} chooses between rules by more than the name"
            self.problems.append(Problem("tcp-match", f"{reason}; its connections are closed", entry.origin))
            made.filters.append(_deny())
            access = []
        if entry.match.hosts:
            made.filters.append(_named(entry.match.hosts, self._gateway.depth))
        for number, (cidrs, deny) in enumerate(access):
            made.filters.append(_only(cidrs, f"access_{number}", deny=deny))
        made.filters.append(self._weighted(host, entry))
        return made

    def _weighted(self, host: VirtualHost, entry: Entry) -> components.Filter:
        made = self._tcp_proxy(host.key.family.value)
        action = entry.rule.action
        shares = [b for b in action.backends if b.weight > 0] if isinstance(action, Forward) else []
        only = only_backend(entry)
        if only is not None and only.backend is not None:
            made.cluster = names.cluster(only.backend)
        elif any(b.backend is not None for b in shares):
            for share in shares:
                name = names.cluster(share.backend) if share.backend else names.REFUSED
                made.weighted_clusters.clusters.add(name=name, weight=share.weight)
        else:
            made.cluster = names.REFUSED
        return components.Filter(name="envoy.filters.network.tcp_proxy", typed_config=pack(made))

    def _tcp_proxy(self, what: str) -> tcp_proxy_pb2.TcpProxy:
        gateway, port = self._gateway.id, self._port.number
        made = tcp_proxy_pb2.TcpProxy(stat_prefix=f"{gateway}_{port}_{what}")
        made.idle_timeout.CopyFrom(seconds(_IDLE_SECONDS))
        if self._bindings.access_log:
            made.access_log.append(tcp_access_log(gateway, port, self._bindings.access_log))
        return made


def _promised(one: Listener) -> Family:
    if one.passthrough:
        return Family.PASSTHROUGH
    return Family.HTTPS if one.protocol in (Protocol.HTTPS, Protocol.HTTP) else Family.TERMINATED


def _for(chain: str, peers: Peers) -> str:
    """A chain's name: those of believed peers stand beside the others."""
    return f"{chain}|{peers.value}" if peers is Peers.BELIEVED else chain


def _apart(settings: TlsSettings) -> str:
    return f"{Family.HTTPS.value}{names.SETTINGS_MARK}{names.settings(settings)}"


def _add(made: listener_pb2.Listener, chain: components.FilterChain) -> None:
    """One more chain, unless it is there: what only passes bytes on is the same for all peers."""
    if all(one.name != chain.name for one in made.filter_chains):
        made.filter_chains.append(chain)


# --- network filters ----------------------------------------------------------------------------


def _text(template: str) -> substitution_format_string_pb2.SubstitutionFormatString:
    return substitution_format_string_pb2.SubstitutionFormatString(
        text_format_source=base_pb2.DataSource(inline_string=template), omit_empty_values=True
    )


def _state(key: str, factory: str, template: str) -> value_pb2.FilterStateValue:
    return value_pb2.FilterStateValue(
        object_key=key, factory_key=factory, format_string=_text(template), skip_if_empty=True
    )


def _set_state(*values: value_pb2.FilterStateValue) -> components.Filter:
    made = set_filter_state_pb2.Config(on_new_connection=values)
    return components.Filter(name="envoy.filters.network.set_filter_state", typed_config=pack(made))


def _choose(prefix: str) -> components.Filter:
    """The cluster is the one of this name at this port; behind the prefix, no SNI reaches any other."""
    template = prefix.replace("%", "%%") + "%REQUESTED_SERVER_NAME%"
    return _set_state(_state("envoy.tcp_proxy.cluster", "envoy.tcp_proxy.cluster", template))


def _only(cidrs: tuple[str, ...], name: str, *, deny: bool = False) -> components.Filter:
    """Connections from elsewhere, or from there (`deny`), are closed; PROXY protocol, where it is spoken, says whence
    they are."""
    ranges = [rbac_pb2.Principal(remote_ip=one) for one in forwarded.ranges(cidrs)]
    if deny:
        there = rbac_pb2.Principal(or_ids=rbac_pb2.Principal.Set(ids=ranges))
        ranges = [rbac_pb2.Principal(not_id=there) if ranges else rbac_pb2.Principal(any=True)]
    policy = rbac_pb2.Policy(permissions=[rbac_pb2.Permission(any=True)], principals=ranges)
    return _rbac({"allowed": policy} if ranges else {}, name)


def _named(hosts: Iterable[HostMatch], depth: Depth) -> components.Filter:
    """Connections with other SNIs are closed: what a name leaves open, such as a HostSNIRegexp."""
    conditions = []
    for host in hosts:
        pattern = host_pattern(host, depth)
        named = rbac_pb2.Permission(requested_server_name=pattern)
        conditions.append(rbac_pb2.Permission(not_rule=named) if host.negate else named)
    both = rbac_pb2.Permission(and_rules=rbac_pb2.Permission.Set(rules=conditions))
    policy = rbac_pb2.Policy(permissions=[both], principals=[rbac_pb2.Principal(any=True)])
    return _rbac({"named": policy}, "names")


def _deny() -> components.Filter:
    return _rbac({}, "refused")


def _rbac(policies: Mapping[str, rbac_pb2.Policy], name: str) -> components.Filter:
    made = network_rbac.RBAC(rules=rbac_pb2.RBAC(action=rbac_pb2.RBAC.ALLOW), stat_prefix=name)
    for key, policy in policies.items():
        made.rules.policies[key].CopyFrom(policy)
    return components.Filter(name="envoy.filters.network.rbac", typed_config=pack(made))


# --- UDP ----------------------------------------------------------------------------------------


def _udp(made: listener_pb2.Listener, hosts: PortHosts) -> Compiled:
    """Datagrams to the rule's backend; shares by weight are not possible and are said to be so."""
    host = hosts.catch_all
    if host is None or not host.entries:
        return Compiled(None)
    entry = host.entries[0]
    only = only_backend(entry)
    if only is None or only.backend is None or entry.match != Match() or entry.rule.access:
        reason = "a UDP rule can have one backend, and no conditions; its datagrams are dropped"
        return Compiled(None, (Problem("udp-rule", reason, entry.origin),))
    route = udp_route.Route(cluster=names.cluster(only.backend))
    proxy = udp_proxy_pb2.UdpProxyConfig(stat_prefix=made.stat_prefix, idle_timeout=seconds(_UDP_IDLE_SECONDS))
    action = xds_extension.TypedExtensionConfig(name="route", typed_config=pack(route))
    proxy.matcher.on_no_match.action.CopyFrom(action)
    made.udp_listener_config.SetInParent()
    proxied = made.listener_filters.add(name="envoy.filters.udp_listener.udp_proxy")
    proxied.typed_config.CopyFrom(pack(proxy))
    return Compiled(serialise(made))
