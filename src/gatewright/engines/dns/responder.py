"""The hot path: a query's octets to an answer's octets, from answers that are kept for each view.

What depends on one name alone is kept until that name changes, so the content of the zones bounds it.  All else (what
does not exist, wildcards, aliases, referrals, anything with a serial) is kept in a bounded table that every change of
the view empties; a flood of random names can fill it, but nothing more.  Counterparts: `answers`, which makes them;
`udp` and `tcp`, which carry them; `privileged`, which answers what is no plain query.
"""

from __future__ import annotations

import functools
import struct
import time
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from gatewright.engines.dns import wire
from gatewright.engines.dns.answers import MESSAGE_OCTETS, answer
from gatewright.engines.dns.content import Listen, Push, ViewConfig
from gatewright.engines.dns.limits import Limiter, Verdict
from gatewright.engines.dns.tree import Tree
from gatewright.engines.dns.views import Views
from gatewright.engines.dns.zone import Zone

MOST_DERIVED: Final = 10_000
MOST_CLIENTS: Final = 20_000
MOST_SPELLINGS: Final = 1_000
SPECIAL: Final = b""
"""In place of an answer: this is for `privileged`."""

_OPT_OCTETS: Final = 11

Heads = tuple[bytes, bytes, bytes, bytes]
"""Octets 2 to 12 of an answer, by the shape of the query."""

Ready = tuple[Heads, bytes, bytes, int]
"""Header, records, identity for rate limiting, rcode."""

# Octets 2 to 12 of the queries that nearly everybody sends: RD or not, AD and CD or not, with one OPT or nothing.
_SHAPES: Final = {
    struct.pack("!BBHHHH", rd, bits, 1, 0, 0, edns): rd + 2 * edns
    for rd in (0, 1)
    for bits in (0x00, 0x10, 0x20, 0x30)
    for edns in (0, 1)
}


class ViewStats(Struct):
    """What was answered in a view ("" for clients without one), counted from the start of a worker."""

    queries: int = 0
    rcodes: dict[int, int] = {}
    limited: int = 0
    truncated: int = 0
    transfers: int = 0


class Lane:
    """One view: its zones, what is ready to be sent, and what was sent."""

    def __init__(self, config: ViewConfig) -> None:
        self.config = config
        self.zones: dict[bytes, Tree] = {}
        self.own: dict[bytes, Ready] = {}
        self.derived: dict[bytes, Ready] = {}
        self.limiter = Limiter(config.rate, time.monotonic) if config.rate is not None else None
        self.counts = [0] * (wire.BADVERS + 1)
        self.limited = self.truncated = self.transfers = 0

    def reconfigure(self, config: ViewConfig) -> None:
        """Take another configuration of the same view; buckets of an unchanged rate stay."""
        if config.rate != self.config.rate:
            self.limiter = Limiter(config.rate, time.monotonic) if config.rate is not None else None
        self.config = config

    def forget(self) -> None:
        """Zones came or went: anything may be answered differently."""
        self.own.clear()
        self.derived.clear()

    def change(self, push: Push, tree: Tree) -> None:
        """Take a zone's next state and forget the answers that it concerns."""
        delta = tree.zone.apply(push)
        self.derived.clear()
        if tree.apply(delta):
            self.own.clear()
            return
        own = self.own
        for name, sets in delta.before.items():
            for rrset in sets:
                own.pop(name + rrset.type.to_bytes(2) + b"\0\1", None)
            own.pop(name + b"\0\xff\0\1", None)

    def find(self, query: wire.Query) -> Ready | None:
        """The answer for a query of class IN, kept or made; None: not our name."""
        key = query.name + query.type.to_bytes(2) + query.qclass.to_bytes(2)
        ready = self.own.get(key) or self.derived.get(key)
        if ready is not None:
            return ready
        found = answer(self.zones, query.name, query.type)
        if found is None:
            return None
        ready = (_heads(found.rcode, found.authoritative, found.counts), found.tail, found.identity, found.rcode)
        if found.is_own:
            self.own[key] = ready
        elif len(found.tail) <= wire.UDP_PAYLOAD:
            if len(self.derived) >= MOST_DERIVED:
                self.derived.clear()
            self.derived[key] = ready
        return ready

    def stats(self) -> ViewStats:
        rcodes = {rcode: count for rcode, count in enumerate(self.counts) if count}
        return ViewStats(sum(self.counts), rcodes, self.limited, self.truncated, self.transfers)


class Client(Struct, frozen=True):
    """What is known of a client address: its view, and the key of its network where it is limited."""

    lane: Lane | None
    network: bytes | None
    address: str = ""

    def seeing(self, lane: Lane | None) -> Client:
        """The same client as it is treated in another view."""
        limiter = lane.limiter if lane is not None else None
        return Client(lane, limiter.network(self.address) if limiter is not None else None, self.address)


class Responder:
    """All views of a worker.  `configure` first; then `respond` as often as wanted."""

    def __init__(self) -> None:
        self.views = Views(())
        self.lanes: dict[str, Lane] = {}
        self.trees: dict[str, Tree] = {}
        self.zones: dict[str, Zone] = {}
        self._clients: dict[tuple[Listen, str], Client] = {}
        self._opts: dict[bytes, tuple[int, bytes]] = {}
        self._stranger = Lane(ViewConfig("", ()))

    # --- what is served -------------------------------------------------------------------------

    def configure(self, views: Sequence[ViewConfig], zones: Iterable[Zone]) -> None:
        """Serve these views and zones from now on; a Zone that is the very same keeps its tree."""
        self.views = Views(views)
        self._clients.clear()
        lanes = {config.name: self.lanes.get(config.name) or Lane(config) for config in views}
        for config in views:
            lanes[config.name].reconfigure(config)
        self.lanes = lanes
        trees: dict[str, Tree] = {}
        for zone in zones:
            old = self.trees.get(zone.config.id)
            trees[zone.config.id] = old if old is not None and old.zone is zone else Tree(zone)
        self.trees = trees
        self.zones = {id: tree.zone for id, tree in trees.items()}
        for lane in lanes.values():
            lane.zones = {tree.apex: tree for tree in trees.values() if tree.zone.config.view == lane.config.name}
            lane.forget()

    def change(self, push: Push) -> None:
        """Apply a push.  One for a zone that is not served (any more) is nothing."""
        tree = self.trees.get(push.zone)
        if tree is None:
            return
        lane = self.lanes.get(tree.zone.config.view)
        if lane is None:
            tree.apply(tree.zone.apply(push))
        else:
            lane.change(push, tree)

    def stats(self) -> dict[str, ViewStats]:
        """Counts by view, "" for clients without one."""
        return {"": self._stranger.stats()} | {name: lane.stats() for name, lane in self.lanes.items()}

    # --- answering ------------------------------------------------------------------------------

    def client(self, listen: Listen, address: str) -> Client:
        """Whom an address is for us; remembered."""
        found = self._clients.get((listen, address))
        if found is None:
            if len(self._clients) >= MOST_CLIENTS:
                self._clients.clear()
            view = self.views.of_socket(listen)
            if view is None and not listen.view:
                view = self.views.of_client(address)
            lane = None if view is None else self.lanes[view.name]
            found = self._clients[listen, address] = Client(None, None, address).seeing(lane)
        return found

    def respond(self, message: bytes, client: Client, listen: Listen, over_tcp: bool = False) -> bytes | None:
        """The answer; None for none; SPECIAL for what is no plain query."""
        shape = _SHAPES.get(message[2:12])
        lane = client.lane
        if shape is None or lane is None:
            return self._slowly(message, client, listen, over_tcp)
        if shape < 2:
            question, most, opt = message[12:], wire.UDP_PLAIN, b""
        else:
            found = self._opts.get(message[-_OPT_OCTETS:])
            if found is None:
                return self._slowly(message, client, listen, over_tcp)
            question = message[12:-_OPT_OCTETS]
            most, opt = found
        # Types such as HTTPS (65) have octets that lower() would change.
        key = question[:-4].lower() + question[-4:]
        ready = lane.own.get(key) or lane.derived.get(key)
        if ready is None:
            return self._slowly(message, client, listen, over_tcp)
        heads, tail, identity, rcode = ready
        reply = message[:2] + heads[shape] + question + tail + opt
        if len(reply) > most or client.network is not None:
            return self._weigh(message[: 12 + len(question)], reply, opt, (client, identity), 0 if over_tcp else most)
        lane.counts[rcode] += 1
        return reply

    def as_seen_by(self, message: bytes, view: ViewConfig, over_tcp: bool) -> bytes:
        """The answer to a query that proved by its key to be meant for this view."""
        client = Client(self.lanes.get(view.name), None)
        return self.respond(message, client, Listen("", 0, view.name), over_tcp) or b""

    def _slowly(self, message: bytes, client: Client, listen: Listen, over_tcp: bool) -> bytes | None:
        """What was not ready: read it strictly."""
        query = wire.parse(message)
        if query is None:
            return None
        lane = client.lane or self._stranger
        if query == wire.NOTIMP or (isinstance(query, wire.Query) and not query.is_plain):
            return SPECIAL
        if isinstance(query, int):
            return self._refuse(message, query, None, client, over_tcp)
        edns = query.edns
        if edns is not None and (edns.version or edns.is_bad):
            return self._refuse(message, wire.BADVERS if edns.version else wire.FORMERR, query, client, over_tcp)
        scope = 0
        if edns is not None and edns.subnet is not None:
            if self.views.read_subnets and not listen.view and self.views.of_socket(listen) is None:
                view, scope = self.views.of_subnet(edns.subnet)
                lane = self.lanes[view.name] if view is not None else lane
        elif edns is not None:
            self._learn(message, query, edns)
        ready = lane.find(query) if query.qclass == wire.IN else None
        if ready is None:
            return self._refuse(message, wire.REFUSED, query, client, over_tcp)
        heads, tail, identity, _ = ready
        opt = wire.opt_record(edns, 0, scope) if edns is not None else b""
        head = heads[(message[2] & 1) + (2 if opt else 0)]
        reply = message[:2] + head + message[12 : query.end] + tail + opt
        most = 0 if over_tcp else wire.limit(edns)
        if lane is not client.lane:
            client = client.seeing(lane)
        return self._weigh(message[: query.end], reply, opt, (client, identity), most)

    def _weigh(self, asked: bytes, reply: bytes, opt: bytes, to: tuple[Client, bytes], most: int) -> bytes | None:
        """Count, limit and truncate an answer; `most` octets fit, 0 over TCP, where nobody is limited."""
        client, identity = to
        lane = client.lane or self._stranger
        lane.counts[reply[3] & 0xF] += 1
        verdict = Verdict.SEND
        if most and client.network is not None and lane.limiter is not None:
            verdict = lane.limiter.judge(client.network, identity)
        if verdict is not Verdict.SEND:
            lane.limited += 1
        if verdict is Verdict.DROP:
            return None
        if verdict is Verdict.SEND and len(reply) <= (most or MESSAGE_OCTETS):
            return reply
        lane.truncated += 1
        flags = int.from_bytes(reply[2:4]) | wire.TC
        counts = struct.pack("!HHHHH", flags, 1, 0, 0, 1 if opt else 0)
        return asked[:2] + counts + asked[12:] + opt

    def _refuse(
        self, message: bytes, rcode: int, query: wire.Query | None, client: Client, over_tcp: bool
    ) -> bytes | None:
        reply = wire.refusal(message, rcode, query)
        lane = client.lane or self._stranger
        lane.counts[rcode] += 1
        if client.network is None or lane.limiter is None or over_tcp:
            return reply
        # A truncated refusal helps nobody: it is sent or not.
        if lane.limiter.judge(client.network, b"refused") is Verdict.SEND:
            return reply
        lane.limited += 1
        return None

    def _learn(self, message: bytes, query: wire.Query, edns: wire.Edns) -> None:
        """Remember the OPT record of a query, if it is all that follows the question and has no options."""
        if len(message) == query.end + _OPT_OCTETS and message[-2:] == b"\0\0":
            if len(self._opts) >= MOST_SPELLINGS:
                self._opts.clear()
            self._opts[message[query.end :]] = (wire.limit(edns), wire.opt_record(edns))


@functools.lru_cache(4096)
def _heads(rcode: int, authoritative: bool, counts: tuple[int, int, int]) -> Heads:
    """The headers for an answer; the same few for all of them."""
    flags = wire.QR | (wire.AA if authoritative else 0) | rcode
    answers, authorities, additionals = counts
    packed = [
        struct.pack("!HHHHH", flags | rd, 1, answers, authorities, additionals + edns)
        for edns in (0, 1)
        for rd in (0, wire.RD)
    ]
    return packed[0], packed[1], packed[2], packed[3]
