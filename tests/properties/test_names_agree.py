"""The zone served equals the zone exported equals the graph: by the real server, whole and after every change.

One server with its worker answers for all worlds of this module; each world's plan takes the place of the last one's.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

import dns.flags
import dns.message
import dns.name
import dns.node
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.zone
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from gatewright.cli.dns.export import gathered
from gatewright.engines.dns.content import Listen
from gatewright.engines.dns.export import FORMATS
from gatewright.engines.dns.export.format import Settings
from gatewright.engines.dns.plan import Planner
from gatewright.engines.dns.server import DnsServer
from gatewright.graph.names import serving
from gatewright.graph.sight import Sight
from gatewright.pipeline import Model
from support import named_worlds
from support.named_worlds import CLIENTS, SEEDS, RRs, Told
from support.random_routes import Manifest
from support.random_worlds import text, write

SECONDS = 60.0
TYPES = ("A", "AAAA", "CNAME", "TXT", "MX", "NS", "SOA")
ASKED = 40
"""Questions to each view of a world."""
OTHERS = ("q", "q.r", "*", "q.ent", "q.x.a", "a.q")

Key = tuple[str, str]


class Serving:
    """A server that was started once, and the loop that it lives in."""

    def __init__(self, folder: Path) -> None:
        self._runner = asyncio.Runner()
        self._server = DnsServer(folder, (Listen("127.0.0.1", 0),), 1)
        self._runner.run(self._server.start())
        self.port = self._server.bound[0].port

    def take(self, plan: object) -> None:
        """Answer this plan; returns when the worker does."""
        self._runner.run(self._take(plan))

    async def _take(self, plan: object) -> None:
        if plan is not None:
            self._server.apply(plan)  # type: ignore[arg-type]
        async with asyncio.timeout(SECONDS):
            await self._server.settled()

    def close(self) -> None:
        self._runner.run(self._server.stop())
        self._runner.close()

    def serial(self, zone_id: str) -> int:
        return self._server.primary.zones[zone_id].serial

    # --- as a client of a view ---

    def ask(self, view: str, name: str, kind: str, *, tcp: bool) -> Told:
        query = dns.message.make_query(name, kind, flags=0, use_edns=0, payload=1232)
        send = dns.query.tcp if tcp else dns.query.udp
        reply = send(query, "127.0.0.1", SECONDS, self.port, source=CLIENTS[view])
        if reply.flags & dns.flags.TC:
            return self.ask(view, name, kind, tcp=True)
        code = dns.rcode.to_text(reply.rcode())
        is_own = bool(reply.flags & dns.flags.AA)
        return Told(code, is_own, _section(reply.answer), _section(reply.authority))

    def transfer(self, view: str, zone: dns.zone.Zone) -> None:
        """Fill a zone by AXFR, or bring one with a serial up to date by IXFR."""
        dns.query.inbound_xfr("127.0.0.1", zone, port=self.port, timeout=SECONDS, source=CLIENTS[view])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    made = Serving(tmp_path_factory.mktemp("dns") / "state")
    try:
        yield made
    finally:
        made.close()


# --- one world ------------------------------------------------------------------------------------


class Living:
    """A world in a folder, its model, and the plan that is kept current."""

    def __init__(self, folder: Path, files: dict[str, Manifest], every_zone: bool) -> None:
        self.folder, self.files, self.every_zone = folder, files, every_zone
        write(folder, files)
        self.model = Model()
        self.model.read([str(folder)])
        self.planner = Planner(self.model.analysis, every_zone=every_zone, local={})

    def edit(self, files: dict[str, Manifest]) -> object:
        """Other files take the place of these; gives the plan of what that changes."""
        changed = [name for name in {*files, *self.files} if files.get(name) != self.files.get(name)]
        for name in changed:
            if name in files:
                (self.folder / name).write_text(text(files[name]))
            else:
                (self.folder / name).unlink()
        self.files = files
        state = self.model.refresh([str(self.folder / name) for name in changed])
        return None if state is None else self.planner.changed(state)

    @property
    def sight(self) -> Sight:
        return self.model.analysis  # type: ignore[return-value]

    @property
    def served(self) -> dict[str, dict[str, serving.Zone]]:
        return self.model.analysis.answer(named_worlds.served, self.every_zone)

    def contents(self, zone: serving.Zone) -> dict[Key, tuple[int, frozenset[str]]]:
        """What the graph says is in a zone, an ALIAS in place of which there is nothing left out."""
        analysis = self.model.analysis
        found = {}
        for name in analysis.answer(serving.contents, zone.key):
            for record in analysis.answer(serving.flattened, zone.key, name, self.every_zone):
                if record.type != "ALIAS" and record.values:
                    data = frozenset(named_worlds.text(record.type, value) for value in record.values)
                    found[name, record.type] = (record.ttl, data)
        return found


def _section(section: Iterable[dns.rrset.RRset]) -> RRs:
    return frozenset(
        (_name(one.name), dns.rdatatype.to_text(one.rdtype), one.ttl, _data(data)) for one in section for data in one
    )


def _name(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _data(data: dns.rdata.Rdata) -> str:
    return "" if data.rdtype == dns.rdatatype.SOA else named_worlds.normal(data)


def _sets(zone: dns.zone.Zone) -> dict[Key, tuple[int, frozenset[str]]]:
    """A zone as dnspython has it, without its SOA."""
    return {
        (_name(name), dns.rdatatype.to_text(one.rdtype)): (one.ttl, frozenset(map(_data, one)))
        for name, node in zone.nodes.items()
        for one in node
        if one.rdtype != dns.rdatatype.SOA
    }


def answers_agree(server: Serving, living: Living, random: Random) -> None:
    """Every answer is what a look-up says."""
    for view, own in living.served.items():
        names = {"elsewhere.example.net", "com"}
        for domain, zone in own.items():
            owners = set(living.model.analysis.answer(serving.contents, zone.key))
            names |= owners | {f"{random.choice(OTHERS)}.{name.removeprefix('*.')}" for name in sorted(owners)}
            names |= {f"{other}.{domain}" for other in OTHERS}
            names |= {name.partition(".")[2] for name in owners}
        asked = [(name, kind) for name in sorted(names) for kind in TYPES]
        for name, kind in random.sample(asked, min(ASKED, len(asked))):
            expected = living.model.analysis.answer(_told, view, living.every_zone, name, kind)
            got = server.ask(view, name, kind, tcp=random.random() < 0.1)
            assert got == expected, (view, name, kind)


def _told(sight: Sight, view: str, every_zone: bool, name: str, kind: str) -> Told:
    return named_worlds.told(sight, named_worlds.served(sight, every_zone)[view], name, kind)


def zones_agree(server: Serving, living: Living) -> dict[str, dns.zone.Zone]:
    """A zone transferred is the contents; gives the copies by id."""
    copies = {}
    for view, own in living.served.items():
        for domain, zone in own.items():
            copy = copies[zone.id] = dns.zone.Zone(f"{domain}.", relativize=False)
            server.transfer(view, copy)
            assert _sets(copy) == living.contents(zone), zone.id
            assert copy.get_soa().serial == server.serial(zone.id)
    return copies


def exports_agree(living: Living, copies: dict[str, dns.zone.Zone]) -> None:
    """The exported zone is the one that is served, but for what its target cannot have, which it tells."""
    if not copies:
        return
    exported = FORMATS["bind"].write(gathered(living.model.analysis, (), ()), Settings(serial=7))
    for id_, copy in copies.items():
        domain, _, view = id_.partition("/")
        read = dns.zone.from_text(exported.files[f"zones/{view}/{domain}.zone"], f"{domain}.", relativize=False)
        assert _framed(_sets(read), domain) == _framed(_sets(copy), domain), id_
        ours, theirs = (each.get_soa() for each in (copy, read))
        assert ours.replace(serial=0) == theirs.replace(serial=0)
        lost = {loss.subject for loss in exported.losses if loss.kind in ("nameserver", "no-nameserver")}
        if _sets(read).get((domain, "NS")) != _sets(copy).get((domain, "NS")):
            assert lost, id_


def _framed(sets: dict[Key, tuple[int, frozenset[str]]], domain: str) -> dict[Key, tuple[int, frozenset[str]]]:
    """Without the name servers, of which a zone file has only those with addresses."""
    return {key: value for key, value in sets.items() if key != (domain, "NS")}


def agree(server: Serving, seed: int, every_zone: bool) -> None:
    random = Random(seed)
    with tempfile.TemporaryDirectory() as made:
        living = Living(Path(made), named_worlds.files_of(seed), every_zone)
        plan = living.planner.whole()
        assert plan.whole
        server.take(plan)
        copies = zones_agree(server, living)
        answers_agree(server, living, random)
        exports_agree(living, copies)
        for _ in range(2):
            server.take(living.edit(named_worlds.edited(living.files, random)))
            before, copies = copies, zones_agree(server, living)
            for id_, copy in copies.items():
                if id_ in before:  # IXFR from what was there before the change
                    server.transfer(id_.partition("/")[2], before[id_])
                    assert _sets(before[id_]) == _sets(copy), id_
                    assert before[id_].get_soa() == copy.get_soa()
            answers_agree(server, living, random)
            exports_agree(living, copies)


@given(seed=st.integers(0, SEEDS), every_zone=st.booleans())
@settings(max_examples=25)
def test_served_is_exported_is_the_graph(server: Serving, seed: int, every_zone: bool) -> None:
    agree(server, seed, every_zone)


@pytest.mark.fuzz
@given(seed=st.integers(0, 10**9), every_zone=st.booleans())
@settings(max_examples=400)
def test_served_is_exported_is_the_graph_at_length(server: Serving, seed: int, every_zone: bool) -> None:
    agree(server, seed, every_zone)


# --- order ----------------------------------------------------------------------------------------


@given(seed=st.integers(0, SEEDS), order=st.randoms(use_true_random=False))
@settings(max_examples=15)
def test_the_order_of_documents_does_not_show(seed: int, order: Random) -> None:
    documents = list(named_worlds.files_of(seed).values())
    found = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as made:
            (Path(made) / "all.yaml").write_text("---\n".join(map(text, documents)))
            model = Model()
            model.read([made])
            plan = Planner(model.analysis, every_zone=True, local={}).whole()
        found.append(structs.replace(plan, changes={id_: dict(names) for id_, names in plan.changes.items()}))
        order.shuffle(documents)
    assert found[0] == found[1]
