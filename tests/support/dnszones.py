"""Zones as people write them, as the DNS engine's content; and BIND as a server of the same text."""

import contextlib
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import dns.message
import dns.name
import dns.query
import dns.zone

from gatewright.engines.dns.content import Names, Plan, Push, RRset, RRsets, SoaConfig, ViewConfig, ZoneConfig
from gatewright.engines.dns.responder import Client, Responder
from gatewright.engines.dns.zone import Zone
from support.needs import binary
from support.ports import free_port

HEADER = "$TTL 300\n@ SOA ns1 hostmaster 1 3600 600 86400 60\n@ NS ns1\nns1 A 192.0.2.53\n"


def wire(name: str) -> bytes:
    """A name as the engine has it."""
    return dns.name.from_text(name).to_wire().lower()


def names_of(text: str, domain: str) -> dict[bytes, RRsets]:
    """Everything in a zone file but the SOA."""
    read = dns.zone.from_text(HEADER + text, origin=domain, relativize=False, check_origin=False)
    found: dict[bytes, RRsets] = {}
    for name, node in read.nodes.items():
        sets = [
            RRset(int(each.rdtype), each.ttl, tuple(sorted(rdata.to_wire() for rdata in each)))
            for each in node.rdatasets
            if each.rdtype != 6
        ]
        if sets:
            found[name.to_wire().lower()] = tuple(sorted(sets, key=lambda rrset: rrset.type))
    return found


def frame(domain: str, view: str = "lan") -> ZoneConfig:
    """A zone without its names, with the SOA of HEADER."""
    soa = SoaConfig(wire(f"ns1.{domain}"), wire(f"hostmaster.{domain}"), 3600, 600, 86400, 60)
    return ZoneConfig(f"{domain}/{view}", wire(domain), view, soa, 300)


EVERYBODY = ("0.0.0.0/0", "::/0")


def plan(zones: Mapping[str, str], views: tuple[ViewConfig, ...] = (ViewConfig("lan", EVERYBODY),)) -> Plan:
    """Zone files by "domain" or "domain/view" as a plan, whole."""
    configs, changes = [], dict[str, Names]()
    for key, text in zones.items():
        domain, _, view = key.partition("/")
        config = frame(domain, view or views[0].name)
        configs.append(config)
        changes[config.id] = names_of(text, domain)
    return Plan(views, tuple(configs), changes, whole=True)


def responder(wanted: Plan) -> Responder:
    """What a worker has in memory for a plan."""
    made = Responder()
    zones = [Zone(config, 1) for config in wanted.zones]
    made.configure(wanted.views, zones)
    for zone in zones:
        made.change(Push(zone.config.id, 1, dict(wanted.changes[zone.config.id])))
    return made


def ask(made: Responder, query: dns.message.Message, view: str = "lan", tcp: bool = True) -> dns.message.Message:
    """The answer of a Responder, read strictly."""
    from gatewright.engines.dns.content import Listen

    reply = made.respond(query.to_wire(), Client(made.lanes.get(view), None), Listen("", 0, view), tcp)
    assert reply is not None
    return dns.message.from_wire(reply)


@contextlib.contextmanager
def bind(folder: Path, zones: Mapping[str, str], extra: str = "") -> Iterator[int]:
    """BIND as an authoritative server of these zones on 127.0.0.1; gives its port."""
    program = binary("named")
    listed = []
    for domain, text in zones.items():
        (folder / f"{domain}.zone").write_text(f"$ORIGIN {domain}.\n{HEADER}{text}")
        checks = "check-integrity no; check-names ignore; zero-no-soa-ttl no;"
        listed.append(f'zone "{domain}" {{ type primary; file "{folder}/{domain}.zone"; {checks} }};')
    port = free_port()
    (folder / "named.conf").write_text(
        f'options {{ directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile none;\n'
        f"listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; allow-query {{ any; }};\n"
        f"minimal-responses yes; dnssec-validation no; notify no; empty-zones-enable no; {extra} }};\n"
        "controls { };\n" + "\n".join(listed) + "\n"
    )
    with (folder / "named.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "-g", "-c", str(folder / "named.conf"), "-n", "1"], stdout=log, stderr=log, cwd=folder
        )
    try:
        deadline = time.monotonic() + 60
        while b"all zones loaded" not in (folder / "named.log").read_bytes():
            assert process.poll() is None, (folder / "named.log").read_text()
            assert time.monotonic() < deadline, (folder / "named.log").read_text()
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(60)
