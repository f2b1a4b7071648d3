"""Random challenges (HTTP-01), which gateways answer whatever their routes do.  Counterpart: `random_routes`."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from gatewright.base.origin import made
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.doors import AtDoors, RouteIntent
from gatewright.kinds.intents.filters import Respond
from gatewright.kinds.intents.routing import (
    Dialect,
    HostKind,
    HostMatch,
    Match,
    PathKind,
    PathMatch,
    Protocol,
    RuleIntent,
)
from support.random_routes import ASKED, GATEWAYS, TARGETS, Asked, asked

ORIGIN = made("a random challenge")
PATHS = ("/.well-known/acme-challenge/token", *(target for target in TARGETS if target.startswith("/")))


def challenged(seed: int) -> dict[Key, Intent | None]:
    """Some answers to be given before all routes, at some or all doors."""
    random = Random(f"challenges {seed}")
    return {one.key: one for one in (_route(random, number) for number in range(4))}


def asked_of_challenges(random: Random) -> Asked:
    """A request that may be a challenge's."""
    one = asked(random)
    return replace(one, target=PATHS[0] if random.random() < 0.7 else random.choice(PATHS))


def _route(random: Random, number: int) -> RouteIntent:
    name = random.choice([one for one in ASKED if one and not one.startswith("[")]).lower()
    path = PATHS[0] if random.random() < 0.7 else random.choice(PATHS)
    match = Match(hosts=(HostMatch(HostKind.EXACT, name),), paths=(PathMatch(PathKind.EXACT, path),))
    answer = Respond(ORIGIN, random.choice([200, 204, 410]), random.choice([b"", b"token.print", bytes(5000)]))
    doors = AtDoors() if random.random() < 0.5 else AtDoors(gateways=(random.choice(GATEWAYS),))
    rules = (RuleIntent(0, ORIGIN, (match,), filters=(answer,)),)
    key = Key("Challenge", "", f"{name}/{number}")
    return RouteIntent(key, ORIGIN, Dialect.GATEWAY_API, Protocol.HTTP, (), rules, (name,), doors=doors)
