"""Locks in the words of one controller, at a gateway of another that does not read them.

Each controller passes over what is written for others, so an Ingress that was given another class, or none, is served
to everybody.  Counterpart: `options`, which takes the words that a gateway does read.
"""

from __future__ import annotations

from collections.abc import Iterator

from gatewright.base.problem import Problem, Severity
from gatewright.graph.nodes import Gateway
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.filters import BasicAuth, ForwardAuth, Jwt
from gatewright.kinds.intents.options import Options


def unread_locks(route: RouteIntent, gateway: Gateway) -> Iterator[Problem]:
    """A Problem for each other controller in whose words, and in no others, a route says who may pass."""
    own = ("", gateway.implementation)
    if any(_locks(said) for implementation, said in route.options if implementation in own):
        return
    for implementation, said in route.options:
        if implementation in own or not _locks(said):
            continue
        message = (
            f"{route.key} says who may pass in annotations of {implementation}, which {gateway.id} "
            f"({gateway.implementation}) does not read"
        )
        hint = f"say it in the words of {gateway.implementation}, or give it the class of {implementation}"
        yield Problem("annotation-without-effect", message, route.origin, Severity.WARNING, hint)


def _locks(said: Options) -> bool:
    asked = any(isinstance(one, BasicAuth | ForwardAuth | Jwt) for one in said.filters)
    return asked or any(one is not None for one in (said.allow, said.deny, said.auth, said.client))
