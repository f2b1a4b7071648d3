"""What a rule file exports: a `Rule`.  The visible list of all of them is `gatewright.check.rules.RULES`.

A rule looks at one subject at a time, through a Sight, and only reads what decides: its answer is remembered until
something that it read changes.  The docstring of its module is its page in `gatewright explain`: a first line that
says what is wrong, then why it hurts, how it looks, and how it is mended.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.graph.sight import Sight


class Scope(enum.StrEnum):
    """What a rule looks at, and the second argument that its `check` gets.

    WORLD: nothing (once for the whole map); OBJECT: an intent of one of `kinds`; GATEWAY: a graph.nodes.Gateway;
    VIRTUAL_HOST: a graph.nodes.VirtualHost; BACKEND: a graph.nodes.Backend; NAME: a check.matrix.Row (one hostname from
    everywhere); PROBLEM: none, the rule only lifts Problems.
    """

    WORLD = "world"
    OBJECT = "object"
    GATEWAY = "gateway"
    VIRTUAL_HOST = "virtual-host"
    BACKEND = "backend"
    NAME = "name"
    PROBLEM = "problem"


class Rule(Struct, frozen=True):
    """One rule.  `id` is stable and kebab-case; `title` a few words for tables; `severity` its usual one.

    `check(sight, subject)` yields Findings (`check(sight)` for WORLD).  `kinds`: the types of intents for OBJECT.
    `lifts`: ids of Problems that are this rule's findings; `consequence` is what they lead to, `fix` what to do where
    the Problem has no hint, and `at_most` how bad they may be here.
    """

    id: str
    title: str
    severity: Severity
    scope: Scope
    page: str
    check: Callable[..., Iterable[Finding]] | None = None
    kinds: tuple[type[Any], ...] = ()
    lifts: tuple[str, ...] = ()
    consequence: str = ""
    fix: str = ""
    at_most: Severity | None = None


Check = Callable[[Sight, Any], Iterable[Finding]]
