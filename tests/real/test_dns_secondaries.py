"""BIND, Knot and NSD copy our zones, each view its own, and follow one change by one incremental transfer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode
import pytest

from gatewright.engines.dns.content import Plan, RRset, SecondaryConfig
from gatewright.engines.dns.server import DnsServer
from support import secondaries
from support.dnsserver import serving
from support.ports import free_port
from support.secondaries import Secondary
from support.zonal import BASIC, DOMAIN, client_key, key, names, rrset, view, zone_config

pytestmark = pytest.mark.real

SECONDS = 60.0
KEYS = {"public": key("public-key", secret=b"p" * 32), "home": key("home-key", secret=b"h" * 32)}
HOSTS = 300
OCTETS = 16
"""One record takes at least so many."""

Starter = Callable[..., AbstractContextManager[Secondary]]


def content(number: int) -> dict[str, Sequence[RRset]]:
    """A zone that is large beside one change; `number` tells views apart."""
    hosts = {f"host-{host}": (rrset("A", f"10.{number}.{host // 256}.{host % 256}"),) for host in range(HOSTS)}
    return {**BASIC, **hosts, "www": (rrset("A", f"192.0.2.{number}"),)}


def described(ports: dict[str, int]) -> Plan:
    views = tuple(
        view(name, keys=(each,), grants=(), secondaries=(SecondaryConfig("127.0.0.1", ports[name], each.name),))
        for name, each in KEYS.items()
    )
    zones = tuple(zone_config(name) for name in KEYS)
    return Plan(views, zones, {zone.id: names(content(number)) for number, zone in enumerate(zones, 1)})


def changed(plan: Plan, name: str, address: str) -> Plan:
    """One name of one view has another address."""
    return Plan(plan.views, plan.zones, {f"{DOMAIN}/{name}": names({"www": (rrset("A", address),)})})


async def asked(secondary: Secondary, name: str, kind: str, host: str = f"www.{DOMAIN}") -> list[str]:
    """What the secondary answers for this view; nothing while it does not know."""
    query = dns.message.make_query(host, kind)
    if secondary.signed:
        query.use_tsig(client_key(KEYS[name]))
    try:
        answer = await dns.asyncquery.udp(query, "127.0.0.1", timeout=1, port=secondary.ports[name])
    except (dns.exception.Timeout, OSError):
        return []
    return [str(rdata) for rrset in answer.answer for rdata in rrset] if answer.rcode() == dns.rcode.NOERROR else []


async def until_it_answers(secondary: Secondary, name: str, expected: str) -> None:
    try:
        async with asyncio.timeout(SECONDS):
            while await asked(secondary, name, "A") != [expected]:  # noqa: ASYNC110  (it is another process)
                await asyncio.sleep(0.05)
    except TimeoutError:
        told = [line for line in secondary.logged().splitlines() if "client @" not in line]
        pytest.fail("\n".join([f"{secondary.program} does not have {expected}:", *told[-40:]]))


def incremental(secondary: Secondary) -> int:
    """How many incremental transfers it has logged.  NSD tells only how many octets came: few for one change."""
    match secondary.program:
        case "named":
            return secondary.logged().count("got incremental response")
        case "knotd":
            return len(re.findall(r"IXFR, incoming, remote 127\.0\.0\.1\S*,? .*finished", secondary.logged()))
    sizes = re.findall(r"received update .* of (\d+) bytes", secondary.logged())
    return sum(int(size) < HOSTS * OCTETS // 10 for size in sizes)


async def story(server: DnsServer, plan: Plan, copies: dict[str, Secondary]) -> None:
    """Each view is copied; then one name changes, first in one view and then in the other, with a server of two
    workers, either of which may be asked."""
    for number, name in enumerate(KEYS, 1):
        await until_it_answers(copies[name], name, f"192.0.2.{number}")
    for number, name in enumerate(KEYS, 101):
        before = incremental(copies[name])
        other = next(each for each in KEYS if each != name)
        serial = server.primary.zones[f"{DOMAIN}/{other}"].serial
        server.apply(changed(plan, name, f"192.0.2.{number}"))
        await until_it_answers(copies[name], name, f"192.0.2.{number}")
        assert incremental(copies[name]) > before, copies[name].logged()[-4000:]
        assert await asked(copies[name], name, "A", f"host-{HOSTS - 1}.{DOMAIN}") != []
        assert server.primary.zones[f"{DOMAIN}/{other}"].serial == serial
    for name in KEYS:
        (soa,) = await asked(copies[name], name, "SOA", DOMAIN)
        assert int(soa.split()[2]) == server.primary.zones[f"{DOMAIN}/{name}"].serial
    async with asyncio.timeout(SECONDS):
        while any(status.acknowledged != status.serial for status in server.notified()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("start", [secondaries.named, secondaries.knotd, secondaries.nsd])
def test_a_secondary_follows_each_view(tmp_path: Path, start: Starter) -> None:
    async def run() -> None:
        together = start is secondaries.named
        ports = dict.fromkeys(KEYS, free_port()) if together else {name: free_port() for name in KEYS}
        plan = described(ports)
        async with serving(tmp_path / "state", plan, workers=2) as server:
            with ExitStack() as stack:
                copies = {}
                for group in [KEYS] if together else [{name: each} for name, each in KEYS.items()]:
                    folder = tmp_path / "-".join(group)
                    folder.mkdir()
                    copy = stack.enter_context(start(folder, DOMAIN, server.bound[0].port, ports, group))
                    copies.update(dict.fromkeys(group, copy))
                await story(server, plan, copies)

    asyncio.run(run())


def test_a_secondary_follows_over_a_restart(tmp_path: Path) -> None:
    """What was transferred is not known any more, and the serial is later in any case: BIND copies the whole zone."""

    async def run() -> None:
        ports = dict.fromkeys(KEYS, free_port())
        plan = described(ports)
        async with serving(tmp_path / "state", plan) as server:
            at = server.bound
            copies = stack.enter_context(secondaries.named(tmp_path, DOMAIN, at[0].port, ports, KEYS))
            await until_it_answers(copies, "public", "192.0.2.1")
        public = {**content(1), "www": (rrset("A", "192.0.2.77"),)}
        again = Plan(plan.views, plan.zones, {**plan.changes, f"{DOMAIN}/public": names(public)})
        async with serving(tmp_path / "state", again, at) as server:
            await until_it_answers(copies, "public", "192.0.2.77")
            server.apply(changed(plan, "public", "192.0.2.78"))
            await until_it_answers(copies, "public", "192.0.2.78")
            assert incremental(copies) == 1

    with ExitStack() as stack:
        asyncio.run(run())
