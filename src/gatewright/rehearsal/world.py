"""A world as values: which namespaces there are, what joins them and what runs in them.  Nothing is done here.

Planners (`plan/`) write into a `Draft`, each its own part, in the order of `plan.plan`; `Draft.world` is what the
builder (`builder`), the servers (`servers`) and the gateways (`gateways`) then make real.

Spaces are called as users call them: `node:home/k3s-node1`, `site:home` (the router of a site), `vantage:phone`,
`pod:apps/grafana`, `gateway:infra/edge`, `resolver:adguard`, `edge:Cloudflare`, `link:...`, and `internet`, `switch`,
`dns:public`.  Devices are `eth0`, `eth1` ... in the order in which they were added; other names are at most 15 octets
(IFNAMSIZ).
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from msgspec import Struct, field

from gatewright.base.errors import UsageError
from gatewright.base.origin import Origin
from gatewright.engines.echo.service import EchoService
from gatewright.kinds.identity import Key

Net = IPv4Network | IPv6Network

INTERNET: Final = "internet"
SWITCH: Final = "switch"
PUBLIC_DNS: Final = "dns:public"

ROUTER: Final = "fe80::1"
"""The link-local address of whoever routes on a wire or segment: next hop of both families (RFC 8950's idea, which
Linux has as `via inet6`), so that routers take no address of anybody's network."""

LONGEST_NAME: Final = 120
"""Octets of the name of a space in file names, which have at most 255 (NAME_MAX) with what is added to them."""

USUAL_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

DUMMY: Final = "192.0.0.8"
"""The IPv4 source of routers that have no address of their own (RFC 7600)."""


TOO_SMALL: Final = "describe a larger network, or give them addresses"


class Role(enum.StrEnum):
    """What a space is in the world."""

    INTERNET = "internet"
    SWITCH = "switch"
    ROUTER = "router"
    MACHINE = "machine"
    POD = "pod"
    GATEWAY = "gateway"
    VANTAGE = "vantage"
    RESOLVER = "resolver"
    SERVER = "server"
    EDGE = "edge"


class Chain(enum.StrEnum):
    """The chains of nftables that rules may be added to, all in the table `inet gatewright` of a space.

    INPUT, OUTPUT and FORWARD filter (established connections and neighbour discovery always pass); PREROUTING and
    NAT_OUTPUT translate destinations, POSTROUTING sources.
    """

    INPUT = "input"
    OUTPUT = "output"
    FORWARD = "forward"
    PREROUTING = "nat_prerouting"
    NAT_OUTPUT = "nat_output"
    POSTROUTING = "nat_postrouting"


class Rule(Struct, frozen=True, order=True):
    """A line of nftables.  Smaller ranks come first, equal ones in the order in which they were added."""

    rank: int
    number: int
    chain: Chain
    text: str


class End(Struct, frozen=True):
    """One end of a wire: a device in a space.  `addresses` with prefix; `bridge`: the device that it is a port of."""

    space: str
    device: str
    addresses: tuple[str, ...] = ()
    mtu: int = 1500
    bridge: str = ""


class Wire(Struct, frozen=True):
    """A pair of virtual Ethernet devices."""

    one: End
    other: End


class File(Struct, frozen=True):
    """A file in the folder of the world, `path` relative to it.  0600; gone with the world."""

    path: str
    content: bytes
    secret: bool = False


class Daemon(Struct, frozen=True):
    """A program that runs in a space until the world ends, or a fault stops it.

    `command`: `{folder}` in its words stands for the folder of the world. `ready`: how to know that it serves, by
    conditions that `readiness` knows; none: it does as soon as it runs. `before`: commands to run in its space
    before it. `after`: lines for `ip -batch` in its space once it is ready, and `then`: commands to run in its
    space before those (such as `wg setconf`). `concerns`: what of the map it is, as faults name it (`link:wg-home`,
    `resolver:adguard`). `needs`: the names of daemons that have to serve before it starts. `cleanup`: commands to
    run in its space once it has been stopped.
    """

    name: str
    space: str
    command: tuple[str, ...]
    ready: tuple[str, ...] = ()
    before: tuple[tuple[str, ...], ...] = ()
    then: tuple[tuple[str, ...], ...] = ()
    after: tuple[str, ...] = ()
    concerns: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    cleanup: tuple[tuple[str, ...], ...] = ()


class Space(Struct, frozen=True):
    """A network namespace.  `ip`: lines for `ip -batch` after its devices are there; `sysctls` by path below
    /proc/sys/net; `nft` its whole ruleset, "" for none.  `concerns`: what of the map it is, as faults name it."""

    name: str
    role: Role
    ip: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    nft: str = ""
    origin: Origin | None = None
    concerns: str = ""


class Echo(Struct, frozen=True):
    """Somewhere an echo backend answers as `service`: in a space, at an address and port.  `tls`: it speaks TLS only
    where clients begin with it (the echo server finds out)."""

    space: str
    address: str
    port: int
    service: EchoService


class GatewaySpot(Struct, frozen=True):
    """Where the Envoy of a gateway runs: in which space, which addresses it listens at, and the pod address (or those
    of its machine) that its own connections come from."""

    gateway: str
    space: str
    addresses: tuple[str, ...]
    sources: tuple[str, ...] = ()


class VantageSpot(Struct, frozen=True):
    """Where the clients of a Vantage start.  `resolvers`: (id or address of the resolver as the model calls it,
    the address to send queries to), in the client's order.  `sources` by family "4" and "6"."""

    vantage: str
    space: str
    families: tuple[str, ...]
    sources: Mapping[str, str]
    resolvers: tuple[tuple[str, str], ...] = ()


class NameServer(Struct, frozen=True):
    """A resolver or authoritative server that `servers` is to be: at these addresses (port 53, UDP and TCP) of a space.

    `behaviour`: an encoded `rehearsal.nameserver.Behaviour`.
    """

    name: str
    space: str
    addresses: tuple[str, ...]
    behaviour: bytes


class Note(Struct, frozen=True):
    """What of the described world is otherwise in this one, in a sentence; `origin` where it is described."""

    text: str
    origin: Origin | None = None


class World(Struct, frozen=True):
    """All of it."""

    spaces: tuple[Space, ...]
    wires: tuple[Wire, ...]
    bridges: tuple[str, ...]
    daemons: tuple[Daemon, ...]
    files: tuple[File, ...]
    echoes: tuple[Echo, ...]
    name_servers: tuple[NameServer, ...]
    gateways: tuple[GatewaySpot, ...]
    vantages: tuple[VantageSpot, ...]
    notes: tuple[Note, ...]
    networks: Mapping[str, str]
    """The bridge of each network of the map, a device of the space `switch`."""

    links: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """The devices (space, device) that a Link of the map comes to, by its name; their counters tell who took it."""

    resolver_of: Mapping[str, str] = field(default_factory=dict)
    """By space, the address of whom programs in it ask for names (as /etc/resolv.conf has it)."""

    named: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By host that an ExternalName Service names, the addresses that it leads its clusters to."""


class SpaceDraft:
    """A space while it is planned."""

    def __init__(self, draft: Draft, name: str, role: Role, origin: Origin | None, concerns: str) -> None:
        self._draft = draft
        self.name = name
        self.role = role
        self.origin = origin
        self.concerns = concerns
        self.lines: list[str] = []
        self.sysctls: dict[str, str] = {}
        self.rules: list[Rule] = []
        self.policies: dict[Chain, str] = {}
        self.devices: list[str] = []
        self.addresses: list[str] = []
        """Its addresses, without prefix, in the order in which they were given."""

    def ip(self, *lines: str) -> None:
        """Lines for `ip -batch`, run in this space once its devices are there: `route add ...`, `neigh add ...`."""
        self.lines += lines

    def sysctl(self, path: str, value: str) -> None:
        """A setting below /proc/sys/net, such as `ipv4/ip_forward`."""
        self.sysctls[path] = value

    def routes(self) -> None:
        """Let it forward packets of both families."""
        self.sysctls |= {"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1"}

    def rule(self, chain: Chain, text: str, rank: int = 50) -> None:
        """Add a line of nftables."""
        self.rules.append(Rule(rank, len(self.rules), chain, text))

    def refuse_by_default(self, chain: Chain) -> None:
        """What no rule of a filtering chain accepts is dropped."""
        self.policies[chain] = "drop"

    def address(self, device: str, address: str) -> None:
        """Give a device one more address (with prefix)."""
        self.addresses.append(address.partition("/")[0])
        nodad = " nodad" if ":" in address else ""
        self.ip(f"addr add {address} dev {device}{nodad}")

    def next_device(self) -> str:
        name = f"eth{len(self.devices)}"
        self.devices.append(name)
        return name

    def finished(self) -> Space:
        return Space(
            self.name, self.role, tuple(self.lines), dict(self.sysctls), self._ruleset(), self.origin, self.concerns
        )

    def _ruleset(self) -> str:
        used = {rule.chain for rule in self.rules} | self.policies.keys()
        if not used:
            return ""
        lines = ["table inet gatewright {"]
        for chain in Chain:
            if chain in used:
                lines += [f"chain {chain} {{", HOOKS[chain].format(policy=self.policies.get(chain, "accept"))]
                lines += [rule.text for rule in sorted(self.rules) if rule.chain is chain]
                lines.append("}")
        return "\n".join([*lines, "}", ""])


_ALWAYS = """
ct state established,related accept
meta l4proto ipv6-icmp icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert }} accept"""

HOOKS: Final = {
    Chain.INPUT: "type filter hook input priority filter; policy {policy};" + _ALWAYS + '\niifname "lo" accept',
    Chain.OUTPUT: "type filter hook output priority filter; policy {policy};" + _ALWAYS + '\noifname "lo" accept',
    Chain.FORWARD: "type filter hook forward priority filter; policy {policy};" + _ALWAYS,
    Chain.PREROUTING: "type nat hook prerouting priority dstnat; policy accept;",
    Chain.NAT_OUTPUT: "type nat hook output priority -100; policy accept;",
    Chain.POSTROUTING: "type nat hook postrouting priority srcnat; policy accept;",
}


class Draft:
    """The world while it is planned: what the planners have so far, and the few ways of joining things."""

    def __init__(self) -> None:
        self.spaces: dict[str, SpaceDraft] = {}
        self.wires: list[Wire] = []
        self.bridges: list[str] = []
        self.networks: dict[str, str] = {}
        self.daemons: list[Daemon] = []
        self.files: dict[str, File] = {}
        self.echoes: list[Echo] = []
        self.name_servers: list[NameServer] = []
        self.gateways: list[GatewaySpot] = []
        self.vantages: list[VantageSpot] = []
        self.notes: list[Note] = []
        self.taken: set[str] = set()
        """Addresses that mean something on the map, beside those that spaces have: nobody is given them by chance."""
        self._given: dict[Net, int] = {}
        """The lowest address of each network that `free` has given; it goes downwards."""
        self.link_devices: dict[str, list[tuple[str, str]]] = {}
        """By space, the devices that lead into links: (device, name of the Link)."""
        self.programs: frozenset[str] = frozenset()
        """The real servers that may be used for what they are named after, such as "dnsmasq"."""
        self.texts: Mapping[Key, str] = {}
        """The configuration files that resolvers of the map name, as they are (`nameserving.inputs`)."""
        self.resolver_of: dict[str, str] = {}
        self.named: dict[str, tuple[str, ...]] = {}
        self.edges: dict[str, tuple[str, ...]] = {}
        """By provider in lower case ("cloudflare"), the addresses at which its edge answers clients."""
        self.space(INTERNET, Role.INTERNET).routes()
        self.space(SWITCH, Role.SWITCH)

    def space(self, name: str, role: Role, origin: Origin | None = None, concerns: str = "") -> SpaceDraft:
        """A new space; it is our own mistake to make one twice."""
        if name in self.spaces:
            raise ValueError(f"there is a space {name} already")
        self.spaces[name] = SpaceDraft(self, name, role, origin, concerns or name)
        return self.spaces[name]

    def network(self, network: str) -> None:
        """A segment: a bridge in the space `switch`."""
        bridge = f"br{len(self.bridges)}"
        self.bridges.append(bridge)
        self.networks[network] = bridge

    def join(self, network: str, space: SpaceDraft, addresses: Iterable[str], mtu: int = 1500) -> str:
        """Put a space on a segment with these addresses (with prefix); the new device of the space."""
        device, port = space.next_device(), self.spaces[SWITCH].next_device()
        given = tuple(addresses)
        space.addresses += [one.partition("/")[0] for one in given]
        far = End(SWITCH, port, (), mtu, self.networks[network])
        self.wires.append(Wire(End(space.name, device, given, mtu), far))
        return device

    def wire(
        self, one: SpaceDraft, other: SpaceDraft, ones: Iterable[str] = (), others: Iterable[str] = (), mtu: int = 1500
    ) -> tuple[str, str]:
        """Join two spaces directly, with these addresses; the new devices."""
        near, far = one.next_device(), other.next_device()
        for space, given in ((one, tuple(ones)), (other, tuple(others))):
            space.addresses += [each.partition("/")[0] for each in given]
        self.wires.append(Wire(End(one.name, near, tuple(ones), mtu), End(other.name, far, tuple(others), mtu)))
        return near, far

    def uplink(
        self, below: SpaceDraft, above: SpaceDraft, addresses: Iterable[str], mtu: int = 1500
    ) -> tuple[str, str]:
        """Join a space to one that routes for it: host routes above to its addresses, and by `ROUTER` a next hop below.

        The default routes are for the caller: `default_routes`.  Returns (device below, above).
        """
        hosts = tuple(_host(address) for address in addresses)
        device, over = self.wire(below, above, hosts, (f"{ROUTER}/64",), mtu)
        above.ip(*(f"route add {address} dev {over}" for address in hosts))
        return device, over

    def daemon(self, daemon: Daemon, *files: File) -> None:
        """A program, with the files that it reads."""
        self.daemons.append(daemon)
        self.files |= {file.path: file for file in files}

    def free(self, cidr: Net) -> str:
        """An address of a network that nobody has, without prefix; it is taken from then on.

        From the upper half downwards, where neither routers nor pools of load balancers usually are.  UsageError when
        there is none.
        """
        used = self.taken.union(*(space.addresses for space in self.spaces.values()))
        is_point = cidr.prefixlen >= cidr.max_prefixlen - 1  # without addresses of its own (RFC 3021, RFC 6164)
        first, final = int(cidr.network_address) + (not is_point), int(cidr.broadcast_address) - (not is_point)
        last = self._given.get(cidr, min(final, int(cidr.network_address) + 0xFFFF) + 1)
        for number in range(last - 1, first - 1, -1):  # nobody gives an address back
            address = str(ip_address(number) if cidr.version == 4 else IPv6Address(number))
            if address not in used:
                self.taken.add(address)
                self._given[cidr] = number
                return address
        raise UsageError(f"no address of {cidr} is free for those whom the map gives none: {TOO_SMALL}")

    def note(self, text: str, origin: Origin | None = None) -> None:
        """Say what is otherwise than described."""
        self.notes.append(Note(text, origin))

    def world(self) -> World:
        """What has been planned."""
        return World(
            tuple(space.finished() for space in self.spaces.values()),
            tuple(self.wires),
            tuple(self.bridges),
            tuple(self.daemons),
            tuple(self.files.values()),
            tuple(self.echoes),
            tuple(self.name_servers),
            tuple(self.gateways),
            tuple(self.vantages),
            tuple(self.notes),
            dict(self.networks),
            self._links(),
            dict(self.resolver_of),
            dict(self.named),
        )

    def _links(self) -> dict[str, tuple[tuple[str, str], ...]]:
        found: dict[str, list[tuple[str, str]]] = {}
        for space, devices in self.link_devices.items():
            for device, link in devices:
                found.setdefault(link, []).append((space, device))
        return {link: tuple(devices) for link, devices in found.items()}


def node(machine: str) -> str:
    """The space of a machine of the map, by its id "site/name"."""
    return f"node:{machine}"


def site(name: str) -> str:
    """The router of a site."""
    return f"site:{name}"


def pod(namespace: str, name: str) -> str:
    """The space of a pod."""
    return f"pod:{namespace}/{name}"


def gateway(gateway_id: str) -> str:
    """The space of a gateway that is no machine."""
    return f"gateway:{gateway_id}"


def vantage(name: str) -> str:
    """The space of a Vantage that is neither machine nor pod."""
    return f"vantage:{name}"


def resolver(name: str) -> str:
    """The space of a Resolver that runs on no machine of the map."""
    return f"resolver:{name}"


def edge(provider: str) -> str:
    """The space of a CDN."""
    return f"edge:{provider}"


def default_routes(space: SpaceDraft, device: str, families: Iterable[int] = (4, 6)) -> None:
    """Send everything else to whoever routes on this device's wire or segment.

    The families are told by the prefixes: `default` would be that of the next hop's, and batches take no `-4`.
    """
    for family in families:
        via = f"0.0.0.0/0 via inet6 {ROUTER}" if family == 4 else f"::/0 via {ROUTER}"
        space.ip(f"route replace {via} dev {device}")


def netns(space: str) -> str:
    """The name of a space's namespace: a file name (`ip netns`), and no other space's, however they are called."""
    plain = space.replace("/", ".").replace(":", "-")
    is_clear = "/" not in space or "." not in space
    if is_clear and len(plain) <= LONGEST_NAME and USUAL_NAME.fullmatch(plain):
        return plain
    readable = re.sub(r"[^A-Za-z0-9._-]", "_", plain)[:LONGEST_NAME]
    return f"{readable}~{hashlib.sha256(space.encode()).hexdigest()[:12]}"


def _host(address: str) -> str:
    """An address as the prefix that it alone is in."""
    return str(ip_network(ip_address(address.partition("/")[0])))
