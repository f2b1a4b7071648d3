"""Conditions of ALB's rules as matches: values of one condition are alternatives, several conditions all have to hold.

Counterpart: `rules`, which finds them.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Iterable
from typing import Any

from msgspec import structs

from gatewright.kinds import syntax
from gatewright.kinds.intents.routing import (
    HostKind,
    HostMatch,
    Match,
    MethodMatch,
    PathKind,
    PathMatch,
    SourceMatch,
    ValueKind,
    ValueMatch,
)

_MOST = 64
_WILD = frozenset("*?")


def searched(pattern: str) -> str:
    """A full match for what ALB looks for anywhere in the text."""
    return f".*(?:{pattern}).*"


def path(value: str) -> PathMatch:
    """A path pattern: * stands for any characters, ? for one."""
    if not set(value) & _WILD:
        return PathMatch(PathKind.EXACT, value)
    return PathMatch(PathKind.REGEX, _wildcards(value))


def matches(conditions: list[Any], given: tuple[Match, ...]) -> tuple[Match, ...] | str:
    """The matches that fulfil the rule's own host and path, or the others of the conditions, and all the rest.

    A text says why conditions cannot be used.
    """
    hosts: list[HostMatch] = []
    paths: list[PathMatch] = []
    others: list[list[Match]] = []
    for one in conditions:
        field = one.get("field") if isinstance(one, dict) else None
        config = one.get(f"{str(field).title().replace('-', '').lower()}config") if isinstance(one, dict) else None
        if not isinstance(config, dict):
            return f"a condition of the field {str(field)[:30]!r} is not understood"
        alternatives = _alternatives(str(field), config, hosts, paths)
        if isinstance(alternatives, str):
            return alternatives
        others += [alternatives] if alternatives else []
    bases = given or (Match(),)
    if hosts and bases[0].hosts:
        bases = (*bases, *(structs.replace(bases[0], hosts=(host,)) for host in hosts))
    elif hosts:
        bases = tuple(structs.replace(base, hosts=(host,)) for base in bases for host in hosts)
    bases = (*bases, *(structs.replace(base, paths=(other,)) for base in bases for other in paths))
    made = [_together((base, *chosen)) for base in bases for chosen in itertools.product(*others)]
    return tuple(dict.fromkeys(made)) if len(made) <= _MOST else f"it has more than {_MOST} alternatives"


def _alternatives(
    field: str, config: dict[str, Any], hosts: list[HostMatch], paths: list[PathMatch]
) -> list[Match] | str:
    """The alternatives of one condition; those of hosts and paths join the rule's own."""
    values, regexes = config.get("values") or [], config.get("regexvalues") or []
    if not isinstance(values, list) or not isinstance(regexes, list) or not (values or regexes):
        return f"the condition {field} has no values"
    texts = [str(value) for value in values if isinstance(value, str)]
    if bad := next((why for one in regexes if (why := syntax.regex_error(str(one)))), ""):
        return f"a regular expression is not one that RE2 takes ({bad})"
    match field:
        case "host-header":
            hosts += [*map(_host, texts), *(HostMatch(HostKind.REGEX, searched(f"(?i:{one})")) for one in regexes)]
            return []
        case "path-pattern":
            paths += [*map(path, texts), *(PathMatch(PathKind.REGEX, searched(str(one))) for one in regexes)]
            return []
        case "http-header":
            return _headers(str(config.get("httpheadername", "")), texts, [str(one) for one in regexes])
        case "http-request-method":
            return [Match(methods=(MethodMatch(text.upper()),)) for text in texts]
        case "query-string":
            return _query(values)
        case "source-ip":
            return _sources(texts)
    return f"a condition of the field {field[:30]!r} is not understood"


def _host(value: str) -> HostMatch:
    value = value.lower()
    if not set(value) & _WILD:
        return HostMatch(HostKind.EXACT, value)
    return HostMatch(HostKind.REGEX, _wildcards(value))


def _headers(name: str, texts: list[str], regexes: list[str]) -> list[Match] | str:
    if not syntax.is_header_name(name):
        return "its httpHeaderName is no name of a header"
    pattern = "|".join([*map(_wildcards, texts), *map(searched, regexes)])
    return [Match(headers=(ValueMatch(name.lower(), ValueKind.REGEX, f"(?i:{pattern})"),))]


def _query(values: list[Any]) -> list[Match] | str:
    found = []
    for one in values:
        key, value = (one.get("key"), one.get("value")) if isinstance(one, dict) else (None, None)
        if not isinstance(key, str) or not key or set(key) & _WILD or not isinstance(value, str):
            return "a query-string needs a key without wildcards and a value"
        found.append(Match(query=(ValueMatch(key, ValueKind.REGEX, f"(?i:{_wildcards(value)})"),)))
    return found


def _sources(texts: list[str]) -> list[Match] | str:
    try:
        cidrs = tuple(str(ipaddress.ip_network(text, strict=False)) for text in texts)
    except ValueError:
        return "a source-ip is no CIDR"
    return [Match(sources=(SourceMatch(cidrs),))]


def _wildcards(value: str) -> str:
    """A full match for a text with * and ?."""
    return re.escape(value).replace(r"\*", ".*").replace(r"\?", ".")


def _together(parts: Iterable[Match]) -> Match:
    first, *others = parts
    for one in others:
        first = structs.replace(
            first,
            methods=first.methods + one.methods,
            headers=first.headers + one.headers,
            query=first.query + one.query,
            sources=first.sources + one.sources,
        )
    return first
