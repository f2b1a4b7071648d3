"""Hostname arithmetic: normal form, matching, intersection, specificity.

A hostname here is lower-case ASCII without a trailing dot or port: exact (`a.example.com`), a
wildcard (`*.example.com`) or the catch-all `*`.  How many labels a wildcard stands for differs by
dialect (Ingress and Traefik: exactly one; Gateway API: one or more), so every function that cares
takes `Depth`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator

ANY = "*"


class Depth(enum.StrEnum):
    """How many labels the `*` of a wildcard hostname stands for."""

    ONE = "one"
    MANY = "many"


def normalize(host: str) -> str:
    """Lower-case `host` without port, IPv6 brackets' port or trailing dot: what scopes are keyed by."""
    host = host.strip().lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    host = host.partition(":")[0]
    return host[:-1] if host.endswith(".") else host


def is_wildcard(pattern: str) -> bool:
    """True for `*.x` (not for the catch-all `*`)."""
    return pattern.startswith("*.")


def matches(pattern: str, host: str, depth: Depth) -> bool:
    """Does the hostname pattern cover the concrete `host`?  `*` covers everything, also an empty host."""
    if pattern == ANY or pattern == host:
        return True
    if not is_wildcard(pattern):
        return False
    suffix = pattern[1:]
    if not host.endswith(suffix) or len(host) <= len(suffix):
        return False
    return depth is Depth.MANY or "." not in host[: -len(suffix)]


def covers(outer: str, inner: str, depth: Depth) -> bool:
    """Is every host that pattern `inner` matches also matched by `outer`?"""
    if outer == ANY or outer == inner:
        return True
    if not is_wildcard(outer) or inner == ANY:
        return False
    if is_wildcard(inner):
        return depth is Depth.MANY and inner[1:].endswith(outer[1:])
    return matches(outer, inner, depth)


def intersect(a: str, b: str, depth: Depth) -> str | None:
    """The pattern that matches exactly what both match (one of the two), or None (HTTPRoute.spec.hostnames)."""
    if covers(a, b, depth):
        return b
    if covers(b, a, depth):
        return a
    return None


def parents(host: str, depth: Depth) -> Iterator[str]:
    """The patterns that can cover `host`, most specific first: itself, its wildcards, then `*`."""
    yield host
    if host != ANY:
        rest = host[2:] if is_wildcard(host) else host
        levels = 0 if is_wildcard(host) and depth is Depth.ONE else 1 if depth is Depth.ONE else len(rest)
        while "." in rest and levels:
            rest = rest.partition(".")[2]
            yield "*." + rest
            levels -= 1
        yield ANY


def specificity(pattern: str) -> tuple[int, int]:
    """Sort key, larger is more specific: exact before wildcard before `*`, then by length."""
    if pattern == ANY:
        return (0, 0)
    return (1 if is_wildcard(pattern) else 2, len(pattern))
