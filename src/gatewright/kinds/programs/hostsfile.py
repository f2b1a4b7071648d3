"""hosts(5): an address and its names on each line; inside a Corefile, beside a dnsmasq, or Pi-hole's custom.list."""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.origin import Origin
from gatewright.base.problem import Problem
from gatewright.kinds.intents.naming import Override, ResolverConfig
from gatewright.kinds.programs import configtext
from gatewright.kinds.programs.configtext import Notes


def parse(text: str, origin: Origin) -> tuple[ResolverConfig, tuple[Problem, ...]]:
    """The names of a hosts file as a dnsmasq answers them: what it lacks of a name is asked upstream."""
    long = configtext.too_long(text, origin)
    if long:
        return ResolverConfig(), long
    notes = Notes(origin)
    lines = ((number, line.partition("#")[0].split()) for number, line in configtext.lines_of(text))
    return ResolverConfig(overrides=overrides(lines, "forward", notes)), notes.problems()


def overrides(lines: Iterable[tuple[int, list[str]]], others: str, notes: Notes) -> tuple[Override, ...]:
    """The answers of lines already cut into words; `others` is what the missing family of a name gets."""
    values: dict[tuple[str, str], list[str]] = {}
    first: dict[tuple[str, str], int] = {}
    for line, words in lines:
        if not words:
            continue
        ip = configtext.address(words[0])
        if not ip:
            notes.error("invalid-value", f"{configtext.clip(words[0])} is no address", line)
            continue
        for word in words[1:]:
            host = configtext.name(word)
            if not host or host.startswith("*"):
                hint = "a wildcard has no meaning in hosts" if word.startswith("*") else ""
                notes.error("invalid-value", f"{configtext.clip(word)} is no name", line, hint)
                continue
            key = (host, configtext.family(ip))
            values.setdefault(key, []).append(ip)
            first.setdefault(key, line)
    return tuple(
        Override(host, type_, tuple(dict.fromkeys(ips)), notes.at(first[host, type_]), others=others)
        for (host, type_), ips in values.items()
    )
