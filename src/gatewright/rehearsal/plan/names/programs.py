"""Resolvers that are the real program: BIND, dnsmasq and Unbound with their own configuration, or one made of the map.

A program is used where it can do all that is described; otherwise a name server of ours stands in, with a note that
says what for.  Counterpart: `behaviours`, which describes that one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct

from gatewright.graph.names.servers import BUILT_IN
from gatewright.rehearsal.nameserving.answering import PRIVATE
from gatewright.rehearsal.nameserving.behaviour import Behaviour, RecordSet, Rewrite, ZoneData
from gatewright.rehearsal.plan.names.behaviours import Described
from gatewright.rehearsal.world import Daemon, Draft, File

POLICY: Final = "rewrites.invalid"
"""The response policy zone of a BIND that has overrides."""

ABOUT_NAMES: Final = frozenset(
    """
    address alias all-servers bogus-nxdomain bogus-priv caa-record cname dns-forward-max dns-loop-detect dns-rr domain
    domain-needed edns-packet-max expand-hosts filter-A filter-AAAA filter-rr filterwin2k host-record ignore-address
    local local-ttl localise-queries localmx max-cache-ttl max-ttl min-cache-ttl mx-host mx-target naptr-record neg-ttl
    no-negcache no-round-robin ptr-record rebind-domain-ok rebind-localhost-ok rev-server selfmx server srv-host
    stop-dns-rebind strict-order synth-domain txt-record
    """.split()  # noqa: SIM905
)
"""Options of dnsmasq that only say how it answers.  No other is used: the rest concern the machine that it is on, read
and write files there, or run programs (`conf-script`, `dhcp-script`), which no input may have us do."""


class Secondary(Struct, frozen=True):
    """A zone that a BIND copies: its domain and the address of the primary."""

    domain: str
    primary: str


class Wanted(Struct, frozen=True):
    """What a program has to do.  `text` its own configuration, "" for none; `secondaries` are zones that it copies, and
    `needs` the daemons that serve these."""

    what: Described
    behaviour: Behaviour
    text: str = ""
    secondaries: tuple[Secondary, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.what.intent.key.name

    @property
    def folder(self) -> str:
        return f"names/{self.name}"


def realised(draft: Draft, wanted: Wanted) -> bool:
    """Have the real program do it, if it is installed and can; False when something else has to."""
    found = _MAKERS.get(wanted.what.intent.implementation)
    if found is None:
        return False
    program, lacking, make = found
    missing = f"{program} is not installed" if program not in draft.programs else lacking(wanted)
    if missing:
        draft.note(f"{wanted.name} is stood in for: {missing}", wanted.what.intent.origin)
        return False
    make(draft, wanted)
    return True


def _daemon(draft: Draft, wanted: Wanted, command: tuple[str, ...], *files: File, ready: tuple[str, ...] = ()) -> None:
    """`ready`: conditions beside the one that it is bound wherever it listens."""
    bound = (f"udp:{address}:53" for address in wanted.what.spot.listens)
    draft.daemon(
        Daemon(
            name=f"resolver:{wanted.name}",
            space=wanted.what.spot.space,
            command=command,
            ready=(*bound, *ready),
            concerns=f"resolver:{wanted.name}",
            needs=wanted.needs,
        ),
        *files,
    )


def _keeps_order(wanted: Wanted) -> bool:
    """Is the first of several servers to be asked for as long as it answers?"""
    return any(forward.in_order and len(forward.to) > 1 for forward in wanted.what.forwards)


# --- dnsmasq --------------------------------------------------------------------------------------


def _dnsmasq_lacks(wanted: Wanted) -> str:
    """Its protection against rebinding takes the documentation's addresses for private, with which maps are made."""
    said, config = wanted.what.intent.config, wanted.what.config
    if wanted.behaviour.rebind_protection:
        return "the addresses of documentation would count as private for its rebind protection"
    if wanted.what.intent.views or said.overrides or said.domains or said.gateway_names:
        return "the map says more of it than its configuration does"
    if (config.overrides or config.domains) and not wanted.text:
        return "its own configuration is not at hand"
    return ""


def _dnsmasq(draft: Draft, wanted: Wanted) -> None:
    what, own = wanted.what, wanted.what.intent.config
    lines = [
        "user=root", "pid-file=", "port=53", "bind-interfaces", "no-hosts", "no-resolv", "cache-size=0",
        "log-facility=-", *(f"listen-address={address}" for address in what.spot.listens),
    ]  # fmt: skip
    asks_others = False
    for line in wanted.text.splitlines():
        name, _, value = line.strip().partition("=")
        name = name.strip().removeprefix("--")
        usual = name == "server" and not value.strip().startswith("/")
        if name not in ABOUT_NAMES or (usual and own.upstreams):
            continue
        asks_others = asks_others or usual
        lines.append(line)
    for forward in what.forwards:
        said = (
            own.upstreams if not forward.domain else [f for f in own.forwards if f.domain.strip(".") == forward.domain]
        )
        is_resolv = not forward.domain and "no-resolv" not in wanted.text.split()
        if said or is_resolv or not wanted.text:
            to = f"/{forward.domain}/" if forward.domain else ""
            servers = [server[0] for server in forward.to]
            lines += [f"server={to}{address}" for address in servers if f"server={to}{address}" not in lines]
    file = File(f"{wanted.folder}/dnsmasq.conf", "\n".join([*lines, ""]).encode())
    # As for debugging, so that it gives up no rights: root of a user namespace has no other users to become.
    command = ("dnsmasq", "--no-daemon", f"--conf-file={{folder}}/{file.path}")
    _daemon(draft, wanted, command, file)


# --- Unbound --------------------------------------------------------------------------------------


def _unbound_lacks(wanted: Wanted) -> str:
    behaviour = wanted.behaviour
    if _keeps_order(wanted):
        return "Unbound asks the faster of several, not the first"
    if behaviour.zones or behaviour.hosts or behaviour.filters_ipv6:
        return "what it serves is not exported to Unbound"
    for rewrite in behaviour.rewrites:
        is_exact = not rewrite.name.startswith("*")
        if rewrite.type not in ("A", "AAAA") or not rewrite.values or not (is_exact or rewrite.apex):
            return f"the override {rewrite.name} is none of local-data"
    return ""


def _unbound(draft: Draft, wanted: Wanted) -> None:
    what, behaviour = wanted.what, wanted.behaviour
    lines = [
        "server:", "do-daemonize: no", 'chroot: ""', 'username: ""', 'pidfile: ""', 'directory: ""', "num-threads: 1",
        "use-syslog: no", 'logfile: ""', 'module-config: "iterator"', "cache-max-ttl: 0", "cache-max-negative-ttl: 0",
        "infra-host-ttl: 1", "do-not-query-localhost: no",
        "access-control: 0.0.0.0/0 allow", "access-control: ::/0 allow",
        *(f"interface: {address}" for address in what.spot.listens),
        *(f'local-zone: "{forward.domain}." {_let(forward.domain)}' for forward in what.forwards if forward.domain),
        *(f'local-zone: "{domain}." static' for domain in what.config.domains),
    ]  # fmt: skip
    if behaviour.rebind_protection:
        lines += [f"private-address: {net}" for net in PRIVATE]
        lines += [f'private-domain: "{domain}."' for domain in behaviour.rebind_exceptions]
    for name, rewrites in _grouped(behaviour.rewrites).items():
        kind = "redirect" if name.startswith("*.") else "transparent"
        if any(rewrite.forwards_others for rewrite in rewrites):
            kind = "typetransparent"
        bare = name.removeprefix("*.")
        lines.append(f'local-zone: "{bare}." {kind}')
        lines += [f'local-data: "{bare}. 60 IN {item.type} {value}"' for item in rewrites for value in item.values]
    for forward in what.forwards:
        lines += ["forward-zone:", f'name: "{forward.domain}."', "forward-no-cache: yes"]
        lines += [f"forward-addr: {server[0]}" for server in forward.to]
    file = File(f"{wanted.folder}/unbound.conf", "\n".join([*lines, ""]).encode())
    _daemon(draft, wanted, ("unbound", "-d", "-p", "-c", f"{{folder}}/{file.path}"), file)


def _let(domain: str) -> str:
    """How a domain is asked for that Unbound may answer itself: its own ones are ended, what is below let through."""
    own = BUILT_IN["unbound"]
    return "transparent" if any(domain.endswith(f".{one}") for one in own) else "nodefault"


# --- BIND -----------------------------------------------------------------------------------------


def _bind_lacks(wanted: Wanted) -> str:
    behaviour = wanted.behaviour
    if _keeps_order(wanted):
        return "BIND asks the faster of several, not the first"
    if behaviour.rebind_protection or behaviour.filters_ipv6 or behaviour.hosts:
        return "what it filters is not exported to BIND"
    if any(rewrite.forwards_others or rewrite.type == "PASS" for rewrite in behaviour.rewrites):
        return "a response policy zone says nothing of single families"
    records = [record for zone in behaviour.zones for record in zone.records]
    if any(record.type == "ALIAS" for record in records):
        return "BIND has no ALIAS"
    if any(not value.isprintable() for record in records for value in record.values):
        return "a zone file has no line breaks in records"
    if any(zone.of_routes for zone in behaviour.zones):
        return "BIND finds no names in routes"
    if wanted.what.forwards and all(forward.domain for forward in wanted.what.forwards):
        return "it asks some for their domains, and nobody else"
    return ""


def _bind(draft: Draft, wanted: Wanted) -> None:
    what, behaviour = wanted.what, wanted.behaviour
    copied = {secondary.domain: secondary.primary for secondary in wanted.secondaries}
    files: list[File] = []
    usual = next((forward for forward in what.forwards if not forward.domain), None)
    v4, v6 = (" ".join(f"{a};" for a in what.spot.listens if (":" in a) == is6) for is6 in (False, True))
    lines = [
        "options {", 'directory ".";', "pid-file none;", "session-keyfile none;", "dnssec-validation no;",
        "allow-query { any; };", "allow-recursion { any; };", "max-cache-ttl 0;", "max-ncache-ttl 0;",
        f"listen-on {{ {v4 or 'none;'} }};", f"listen-on-v6 {{ {v6 or 'none;'} }};",
        f"recursion {'yes' if what.forwards else 'no'};",
    ]  # fmt: skip
    if usual is not None:
        lines += ["forward only;", f"forwarders {{ {_list(usual.to)} }};"]
    if behaviour.rewrites:
        lines.append(f'response-policy {{ zone "{POLICY}"; }} qname-wait-recurse no;')
    lines += ["};", "controls { };"]
    zones = [*behaviour.zones, *(ZoneData(domain) for domain in behaviour.domains)]
    if behaviour.rewrites:
        zones.append(ZoneData(POLICY, tuple(_policy(behaviour.rewrites))))
    for number, zone in enumerate(zones):
        path = f"{number}.zone"
        if zone.domain in copied:
            lines.append(
                f'zone "{zone.domain}" {{ type secondary; primaries {{ {copied[zone.domain]}; }}; file "{path}"; }};'
            )
        else:
            lines.append(f'zone "{zone.domain}" {{ type primary; file "{path}"; }};')
            files.append(File(f"{wanted.folder}/{path}", zone_file(zone).encode()))
    lines += [
        f'zone "{forward.domain}" {{ type forward; forward only; forwarders {{ {_list(forward.to)} }}; }};'
        for forward in what.forwards
        if forward.domain and all(zone.domain != forward.domain for zone in zones)  # what it has itself goes first
    ]
    files.append(File(f"{wanted.folder}/named.conf", "\n".join([*lines, ""]).encode()))
    command = ("sh", "-c", 'cd "$0" && exec named -g -n 1 -c named.conf', f"{{folder}}/{wanted.folder}")
    # It listens before it has read its zones, and answers SERVFAIL meanwhile.
    serials = (f"says:zone {re.escape(domain)}/IN: (loaded|transferred) serial" for domain in copied)
    _daemon(draft, wanted, command, *files, ready=("says:all zones loaded", *serials))


def _policy(rewrites: Iterable[Rewrite]) -> Iterator[RecordSet]:
    for name, items in _grouped(rewrites).items():
        for item in items:
            values = (".",) if item.type == "NXDOMAIN" else item.values
            kind = "CNAME" if item.type == "NXDOMAIN" else item.type
            yield RecordSet(f"{name}.{POLICY}", kind, values or ("*.",))
            if item.apex and name.startswith("*."):
                yield RecordSet(f"{name[2:]}.{POLICY}", kind, values)


def zone_file(zone: ZoneData) -> str:
    """A zone as BIND reads it."""
    mine = {record.type for record in zone.records if record.name == zone.domain}
    lines = ["$TTL 60"]
    if "SOA" not in mine:
        lines.append(f"{zone.domain}. SOA ns.invalid. hostmaster.invalid. 1 3600 900 604800 60")
    if "NS" not in mine:
        lines.append(f"{zone.domain}. NS ns.invalid.")
    for record in zone.records:
        for value in record.values:
            name = record.type in ("CNAME", "NS", "PTR") and not value.endswith(".")
            lines.append(f"{record.name}. {record.ttl} {record.type} {value}{'.' if name else ''}")
    return "\n".join([*lines, ""])


def _list(servers: Iterable[tuple[str, ...]]) -> str:
    return " ".join(f"{server[0]};" for server in servers)


def _grouped(rewrites: Iterable[Rewrite]) -> dict[str, list[Rewrite]]:
    found: dict[str, list[Rewrite]] = {}
    for rewrite in rewrites:
        found.setdefault(rewrite.name, []).append(rewrite)
    return found


_MAKERS: Final[Mapping[str, tuple[str, Callable[[Wanted], str], Callable[[Draft, Wanted], None]]]] = {
    "dnsmasq": ("dnsmasq", _dnsmasq_lacks, _dnsmasq),
    "unbound": ("unbound", _unbound_lacks, _unbound),
    "bind": ("named", _bind_lacks, _bind),
}
"""By implementation: the program, what it could not do (a sentence, "" for nothing), and how it is made to do it."""
