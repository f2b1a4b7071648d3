"""What a name server does, as values.

Counterparts: `answering`, which does it; `plan.names`, which writes it from what is described of a resolver.
"""

from __future__ import annotations

from msgspec import Struct


class RecordSet(Struct, frozen=True, array_like=True):
    """Records of one name and type, values as in a zone file with absolute names; ALIAS for a flattened CNAME."""

    name: str
    type: str
    values: tuple[str, ...]
    ttl: int = 60


class ZoneData(Struct, frozen=True):
    """A domain with all that it has; "" is the root: whatever no other zone has does not exist.

    `of_routes`: it answers as k8s_gateway does: a wildcard covers one label, and there are no empty non-terminals;
    with `falls_through` names that it does not have are asked elsewhere.
    """

    domain: str
    records: tuple[RecordSet, ...] = ()
    of_routes: bool = False
    falls_through: bool = False


class Rewrite(Struct, frozen=True):
    """A local answer, as `kinds.intents.naming.Override` describes it."""

    name: str
    type: str
    values: tuple[str, ...] = ()
    apex: bool = False
    forwards_others: bool = False


class Forward(Struct, frozen=True):
    """Queries for a domain ("" everything) and below go to one of `to`: addresses of one server each, to be tried in
    order.  `in_order`: the first server that answers, else they take turns."""

    domain: str
    to: tuple[tuple[str, ...], ...]
    in_order: bool = False


class Behaviour(Struct, frozen=True):
    """What a resolver or authoritative server does.

    Rewrites go first, then host lists (`hosts`), then whoever has the longest domain: a zone, a forward, or `domains`,
    of which it never asks others.  Everything else goes to the forward of "", without one it is REFUSED.
    `filters_ipv6`: AAAA queries get nothing, with `own_ipv6` only those that others would answer.
    `keeps_names`: names with a rewrite exist, also where those who are asked for the other family deny it.
    """

    zones: tuple[ZoneData, ...] = ()
    hosts: tuple[RecordSet, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    forwards: tuple[Forward, ...] = ()
    domains: tuple[str, ...] = ()
    rebind_protection: bool = False
    rebind_exceptions: tuple[str, ...] = ()
    filters_ipv6: bool = False
    own_ipv6: bool = False
    keeps_names: bool = False
