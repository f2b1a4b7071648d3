"""Configurations of resolvers and tunnels by the name of their format, for those that stand in ConfigMaps or site maps.

`PARSERS` turns text into what it means.  Counterpart: the `KIND` of each format, which does it for a file of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gatewright.base import yaml
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem
from gatewright.kinds.intents.naming import ResolverConfig
from gatewright.kinds.intents.programs import TunnelIntent
from gatewright.kinds.programs import adguard, cloudflared, corefile, dnsmasqconf, hostsfile, zonefile

Meaning = ResolverConfig | TunnelIntent
Parsed = tuple[Meaning | None, tuple[Problem, ...]]
Parser = Callable[[str, Origin], Parsed]


def _mapping(parse: Callable[[Mapping[str, Any], Origin], Parsed]) -> Parser:
    """A parser of text of one that takes a mapping.  Problems are placed at the text: it has no fields of its own."""

    def of_text(text: str, origin: Origin) -> Parsed:
        read = yaml.parse(text)
        faults = tuple(Problem(fault.id, fault.message, origin, fault.severity, fault.hint) for fault in read.faults)
        if read.value is None and faults:
            return None, faults
        if not isinstance(read.value, dict):
            return None, (*faults, Problem("wrong-type", "expected a mapping", origin))
        meaning, problems = parse(read.value, origin)
        return meaning, (*faults, *problems)

    return of_text


def _zone(text: str, origin: Origin) -> Parsed:
    return zonefile.parse(text, origin)


PARSERS: Mapping[str, Parser] = {
    "corefile": corefile.parse,
    "dnsmasq": dnsmasqconf.parse,
    "hosts": hostsfile.parse,
    "zone": _zone,
    "adguard": _mapping(adguard.parse),
    "cloudflared": _mapping(cloudflared.parse),
}
"""By format; the answer's first part is None when the text cannot be used at all."""
