"""Breaks the model on purpose, one decision at a time, while a world that was built as it should be stands.

A mutation takes the decision from one function; whoever has imported that keeps the old one, so each is replaced where
it is asked for.  Run inside of namespaces (`worlds.run`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from msgspec import structs

from gatewright.graph import reach
from gatewright.graph.names import filtering, resolvers, servers, table
from gatewright.graph.network import carriers, forwarding
from gatewright.graph.network.firewalls import Guard, Ruling
from gatewright.graph.network.policies import OPEN
from gatewright.graph.resolve.rules import precedence
from gatewright.rehearsal.asking import Observation, Question
from gatewright.rehearsal.compare import Landmarks, Verdict, compare, landmarks
from gatewright.rehearsal.questions import all_predicted
from gatewright.rehearsal.rehearsal import Listener, Options, Rehearsal
from gatewright.rehearsal.standing import WORLD
from gatewright.trace import answer, edges, trust, walk
from gatewright.trace.branches import Trust

Changed = Callable[..., Any]
Mutation = tuple[Any, str, Callable[[Any], Changed]]
"""Where the decision is asked for, its name there, and what becomes of it."""


def _default(ruling: Changed) -> Changed:
    return lambda *given: r if (r := ruling(*given)).explicit else Ruling(True, r.name, r.origin, explicit=False)


def _last_rule(ruling: Changed) -> Changed:
    def judged(guard: Guard, direction: Any, traffic: Any) -> Ruling:
        backwards = {way: tuple(reversed(rules)) for way, rules in guard.rules.items()}
        return ruling(structs.replace(guard, rules=backwards), direction, traffic)

    return judged


def _no_leak(overrides: Changed) -> Changed:
    return lambda *given: tuple(structs.replace(one, others="empty") for one in overrides(*given))


def _with_apex(overrides: Changed) -> Changed:
    def found(sight: Any, query: Any, who: Any) -> Any:
        return overrides(sight, query, who) or servers.override_of(sight, who.key, "*." + query.name)

    return found


def _owner_with_apex(owner: Changed) -> Changed:
    def found(node: Any, domain: str, name: str) -> Any:
        at, what = owner(node, domain, name)
        wild = node("*." + domain) if name == domain and not what else None
        return (f"*.{domain}", wild) if wild else (at, what)

    return found


def _backwards(upstreams: Changed) -> Changed:
    return lambda sight, query, who, refs, *, any_order: upstreams(
        sight, query, who, tuple(reversed(refs)), any_order=any_order
    )


def _comes_up(carrier: Changed) -> Changed:
    return lambda *given: structs.replace(carrier(*given), failed=None)


def _moved(redirect: Changed) -> Changed:
    return lambda *given: structs.replace(redirect(*given), status=308)


def _in_tls(leg: Changed) -> Changed:
    return lambda zone, provider, request: leg(structs.replace(zone, ssl_mode="full"), provider, request)


def _always(value: Any) -> Callable[[Changed], Changed]:
    return lambda _: lambda *_, **__: value


MUTATIONS: dict[str, Mutation] = {
    "a firewall's default lets everything in": (Guard, "ruling", _default),
    "the last rule of a firewall decides": (Guard, "ruling", _last_rule),
    "port forwards are not looked at": (forwarding, "fits", _always(False)),
    "links always come up": (carriers.Carriers, "carrier", _comes_up),
    "network policies admit everybody": (reach, "admitted", _always(OPEN)),
    "overrides of one family hide the other": (resolvers, "_override", _no_leak),
    "wildcards of overrides cover their apex": (resolvers, "_override", _with_apex),
    "wildcards of zones cover their apex": (table, "owner", _owner_with_apex),
    "the last upstream is asked first": (resolvers, "_upstreams", _backwards),
    "upstreams are always reached": (resolvers, "unreached", lambda _: _reached),
    "private addresses pass rebind protection": (filtering, "filtered", lambda _: lambda *given: given[2]),
    "private views are not looked at": (resolvers, "_view_zone", _always(None)),
    "certificates are always trusted": (trust, "judge", _always((Trust.TRUSTED, ""))),
    "the shortest path goes first": (precedence, "_path", lambda path: lambda match: tuple(-n for n in path(match))),
    "redirects have another status": (walk._Walk, "_redirect", _moved),
    "prefixes are not replaced": (answer, "edit", lambda _: lambda path, *_: path),
    "access lists let everybody in": (walk, "in_ranges", _always(True)),
    "a CDN connects with TLS whatever it is told": (edges, "leg", _in_tls),
}


def _reached(_: Any, __: Any, ___: str) -> str:
    """In place of a question, which is remembered by what it is called."""
    return ""


@contextmanager
def mutated(name: str) -> Iterator[None]:
    """The model with one decision taken otherwise."""
    where, what, change = MUTATIONS[name]
    with mock.patch.object(where, what, change(getattr(where, what))):
        yield


def all_of(folder: str) -> dict[str, list[str]]:
    """Stand a world up, ask it once, and hold every mutation against what was met: its differences; "" for none."""
    return asyncio.run(_held(folder))


async def _held(folder: str) -> dict[str, list[str]]:
    rehearsal = _read(folder, WORLD)
    world = rehearsal.plan()
    await rehearsal.stand()
    questions = rehearsal.questions()
    seen = await rehearsal.ask(questions)
    known = landmarks(world, rehearsal.model.graph.backends.values())
    found = {"": _differences(rehearsal, questions, seen, known)}
    for number, name in enumerate(MUTATIONS):
        with mutated(name):
            again = _read(folder, WORLD / f"again-{number}")
            found[name] = _differences(again, questions, seen, known)
    return found


def _read(folder: str, state: Path) -> Rehearsal:
    rehearsal = Rehearsal(Options((folder,), state), Listener(lambda _: None, lambda _: None, lambda *_: None))
    rehearsal.read()
    return rehearsal


def _differences(
    rehearsal: Rehearsal, asked: tuple[Question, ...], seen: list[tuple[Observation, ...]], known: Landmarks
) -> list[str]:
    said = rehearsal.model.analysis.answer(all_predicted, asked)
    compared = [compare(q, branches, met, known) for q, branches, met in zip(asked, said, seen, strict=True)]
    return [
        f"{one.question.vantage} v{one.question.family} {one.question.request.url}: {difference}"
        for one in compared
        if one.verdict is Verdict.DIFFERS
        for difference in one.differences
    ]
