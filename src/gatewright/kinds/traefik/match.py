"""What Traefik's rules mean: an expression lowered to matches in disjunctive normal form.

Negations are pushed onto the matchers, terms that contradict themselves are dropped, and a rule that
would need too many terms is refused rather than cut.  The grammar is `rule`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from msgspec import structs

from gatewright.base import hostnames
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity
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
from gatewright.kinds.syntax import regex_error
from gatewright.kinds.traefik.regex import full_match
from gatewright.kinds.traefik.rule import Expression, Matcher, Not, Or, Syntax, parse

MAX_TERMS = 64

Terms = tuple[Match, ...]
"""Any of these.  No terms: never; an empty term: always."""

_ALWAYS = Match()
_HOST = re.compile(r"[a-z0-9_.-]+")
_ACME_ALPN = "acme-tls/1"


class UnusableError(Exception):
    """A matcher or rule that cannot be lowered; becomes a Problem before it leaves this module."""


def lower_rule(rule: str, syntax: Syntax, origin: Origin) -> tuple[Terms | None, tuple[Problem, ...]]:
    """The matches of a rule, None when it can never match or cannot be used, and why.  Never raises."""
    expression, problems = parse(rule, syntax, origin)
    return (None, problems) if expression is None else lower(expression, syntax, origin)


def lower(expression: Expression, syntax: Syntax, origin: Origin) -> tuple[Terms | None, tuple[Problem, ...]]:
    """The matches of a parsed rule, as `lower_rule`."""
    lowering = _Lowering(syntax, origin)
    try:
        terms = lowering.terms(expression, negate=False)
    except UnusableError as refused:
        return None, (*lowering.problems, Problem("traefik-rule-unusable", str(refused), origin))
    if not terms:
        lowering.warn("traefik-rule-never-matches", "no request can match this rule")
    return terms or None, tuple(lowering.problems)


def default_priority(rule: str, syntax: Syntax) -> int:
    """The priority of a rule without one: its length in bytes, -1 for the TCP catch-all HostSNI(`*`)."""
    if syntax in (Syntax.TCP, Syntax.TCP_V2):
        expression, _ = parse(rule, syntax, Origin(""))
        if isinstance(expression, Matcher) and (expression.name, expression.values) == ("HostSNI", ("*",)):
            return -1
    return len(rule.encode("utf-8", "surrogatepass"))


class _Lowering:
    """One walk over an expression; collects warnings on the way."""

    def __init__(self, syntax: Syntax, origin: Origin) -> None:
        self.syntax = syntax
        self._origin = origin
        self.problems: list[Problem] = []

    def terms(self, expression: Expression, *, negate: bool) -> Terms:
        if isinstance(expression, Not):
            return self.terms(expression.part, negate=not negate)
        if isinstance(expression, Matcher):
            return self._matcher(expression, negate)
        parts = [self.terms(part, negate=negate) for part in expression.parts]
        return _any(parts) if isinstance(expression, Or) is not negate else _all(parts)

    def _matcher(self, matcher: Matcher, negate: bool) -> Terms:
        try:
            if not matcher.values or "" in matcher.values:
                raise UnusableError("its values must not be empty")
            meaning = _MEANINGS[self.syntax][matcher.name](self, matcher)
            return _all([_negated(term) for term in meaning]) if negate else _any([meaning])
        except UnusableError as refused:
            raise UnusableError(f"{matcher.name} at column {matcher.column}: {refused}") from None

    def warn(self, problem_id: str, message: str) -> None:
        self.problems.append(Problem(problem_id, message, self._origin, Severity.WARNING))


# --- boolean algebra over terms -------------------------------------------------------------------


def _any(parts: list[Terms]) -> Terms:
    """Any of the parts; terms that another term covers are left out."""
    kept: list[Match] = []
    for term in (term for part in parts for term in part):
        if any(_covers(other, term) for other in kept):
            continue
        kept = [other for other in kept if not _covers(term, other)]
        kept.append(term)
        if len(kept) > MAX_TERMS:
            raise UnusableError(f"the rule has more than {MAX_TERMS} alternatives; split it into several routes")
    return tuple(kept)


def _all(parts: list[Terms]) -> Terms:
    """All of the parts: their product without the terms that contradict themselves."""
    product: Terms = (_ALWAYS,)
    for part in parts:
        joined = (_join(left, right) for left in product for right in part)
        product = _any([tuple(term for term in joined if term is not None)])
    return product


def _negated(term: Match) -> Terms:
    """The opposite of a term: any of its parts fails."""
    if term.alpn:
        raise UnusableError("ALPN protocols that a client must not offer cannot be matched")
    return (
        *(Match(hosts=(structs.replace(host, negate=not host.negate),)) for host in term.hosts),
        *(Match(paths=(structs.replace(path, negate=not path.negate),)) for path in term.paths),
        *(Match(methods=(structs.replace(method, negate=not method.negate),)) for method in term.methods),
        *(Match(headers=(structs.replace(header, negate=not header.negate),)) for header in term.headers),
        *(Match(query=(structs.replace(value, negate=not value.negate),)) for value in term.query),
        *(Match(sources=(structs.replace(source, negate=not source.negate),)) for source in term.sources),
    )


def _covers(outer: Match, inner: Match) -> bool:
    """Does every request that `inner` matches also match `outer`, seen from their parts alone?"""
    return (
        set(outer.hosts) <= set(inner.hosts)
        and set(outer.paths) <= set(inner.paths)
        and set(outer.methods) <= set(inner.methods)
        and set(outer.headers) <= set(inner.headers)
        and set(outer.query) <= set(inner.query)
        and set(outer.sources) <= set(inner.sources)
        and set(outer.alpn) <= set(inner.alpn)
    )


def _join(left: Match, right: Match) -> Match | None:
    """Both terms at once, None if they contradict each other."""
    joined = Match(
        tuple(dict.fromkeys(left.hosts + right.hosts)),
        tuple(dict.fromkeys(left.paths + right.paths)),
        tuple(dict.fromkeys(left.methods + right.methods)),
        tuple(dict.fromkeys(left.headers + right.headers)),
        tuple(dict.fromkeys(left.query + right.query)),
        tuple(dict.fromkeys(left.sources + right.sources)),
        tuple(dict.fromkeys(left.alpn + right.alpn)),
    )
    if len(joined.alpn) > 1:
        raise UnusableError("a connection that must offer several ALPN protocols at once cannot be matched")
    return None if _contradicts(joined) else joined


def _contradicts(term: Match) -> bool:
    """Is it plain that no request can match?  Headers and queries repeat: two values may both be there."""
    groups = (term.hosts, term.paths, term.methods, term.headers, term.query, term.sources)
    if any(structs.replace(part, negate=True) in group for group in groups for part in group if not part.negate):
        return True
    methods = [method for method in term.methods if not method.negate]
    hosts = [host.value for host in term.hosts if host.kind is HostKind.EXACT and not host.negate]
    paths = [path for path in term.paths if path.kind is not PathKind.REGEX and not path.negate]
    return (
        len(methods) > 1
        or any(hostnames.intersect(a, b, hostnames.Depth.ONE) is None for a in hosts for b in hosts)
        or not all(_meet(a, b) for a in paths for b in paths)
    )


def _meet(a: PathMatch, b: PathMatch) -> bool:
    """Can one path match both of these exact paths or raw prefixes?"""
    longer, shorter = (a, b) if len(a.value) >= len(b.value) else (b, a)
    if shorter.kind is PathKind.EXACT:
        return longer.value == shorter.value
    return longer.value.startswith(shorter.value)


# --- matchers: the terms that each of them means --------------------------------------------------


def _arguments(matcher: Matcher, least: int, most: int) -> tuple[str, ...]:
    if not least <= len(matcher.values) <= most:
        wanted = str(least) if least == most else f"{least} or {most}"
        raise UnusableError(f"takes {wanted} value{'s' if most > 1 else ''}, not {len(matcher.values)}")
    return matcher.values


def _regex(pattern: str) -> str:
    whole = full_match(pattern)
    if why := regex_error(pattern) or regex_error(whole):
        raise UnusableError(f"the regular expression `{pattern}` is not valid: {why}")
    return whole


def _hosts(lowering: _Lowering, matcher: Matcher) -> Terms:
    wildcards = lowering.syntax is Syntax.HTTP
    if lowering.syntax not in (Syntax.HTTP_V2, Syntax.TCP_V2):
        _arguments(matcher, 1, 1)
    terms: list[Match] = []
    for value in matcher.values:
        host = value.lower().removesuffix(".")
        if host == "*" and matcher.name == "HostSNI":
            return (_ALWAYS,)
        if host == "*" and wildcards:
            # A star is one label in Traefik, here too: hosts without a dot.
            terms.append(Match(hosts=(HostMatch(HostKind.REGEX, "[^.]+"),)))
            continue
        if not value.isascii():
            raise UnusableError(f"`{value}` has to be written in ASCII (punycode)")
        host = _bracketed(host)
        if _HOST.fullmatch(host.removeprefix("*.") if wildcards else host) or host.startswith("["):
            terms.append(Match(hosts=(HostMatch(HostKind.EXACT, host),)))
        else:
            message = f"{matcher.name} at column {matcher.column}: no request has the host `{value}`"
            lowering.warn("traefik-host-never-matches", message)
    return tuple(terms)


def _bracketed(host: str) -> str:
    """An IPv6 address in brackets, as it stands in a request; anything else as it is."""
    try:
        return f"[{ipaddress.IPv6Address(host)}]"
    except ValueError:
        return host


def _host_regexp(_: _Lowering, matcher: Matcher) -> Terms:
    (pattern,) = _arguments(matcher, 1, 1)
    if not pattern.isascii():
        raise UnusableError(f"`{pattern}` has to be written in ASCII (punycode)")
    return (Match(hosts=(HostMatch(HostKind.REGEX, _regex(pattern)),)),)


def _path(_: _Lowering, matcher: Matcher) -> Terms:
    (path,) = _arguments(matcher, 1, 1)
    kind = PathKind.EXACT if matcher.name == "Path" else PathKind.RAW_PREFIX
    return (Match(paths=(PathMatch(kind, _rooted(path)),)),)


def _rooted(path: str) -> str:
    if not path.startswith("/"):
        raise UnusableError(f"the path `{path}` has to start with a slash")
    return path


def _path_regexp(_: _Lowering, matcher: Matcher) -> Terms:
    (pattern,) = _arguments(matcher, 1, 1)
    return (Match(paths=(PathMatch(PathKind.REGEX, _regex(pattern)),)),)


def _header(lowering: _Lowering, matcher: Matcher) -> Terms:
    name, value = _arguments(matcher, 2, 2)
    if name.lower() == "host":  # Go keeps it apart from the other headers
        message = f"{matcher.name} at column {matcher.column}: Traefik never finds Host among the headers"
        lowering.warn("traefik-host-never-matches", f"{message}; use Host or HostRegexp")
        return ()
    if matcher.name == "Header":
        return (Match(headers=(ValueMatch(name.lower(), ValueKind.EXACT, value),)),)
    return (Match(headers=(ValueMatch(name.lower(), ValueKind.REGEX, _regex(value)),)),)


def _query(_: _Lowering, matcher: Matcher) -> Terms:
    name, *rest = _arguments(matcher, 1, 2)
    if not rest:  # a bare key matches `?key` and `?key=`, not `?key=value`
        return (Match(query=(ValueMatch(name, ValueKind.EXACT, ""),)),)
    if matcher.name == "Query":
        return (Match(query=(ValueMatch(name, ValueKind.EXACT, rest[0]),)),)
    return (Match(query=(ValueMatch(name, ValueKind.REGEX, _regex(rest[0])),)),)


def _method(lowering: _Lowering, matcher: Matcher) -> Terms:
    if lowering.syntax is Syntax.HTTP:
        _arguments(matcher, 1, 1)
    return tuple(Match(methods=(MethodMatch(value.upper()),)) for value in matcher.values)


def _client_ip(lowering: _Lowering, matcher: Matcher) -> Terms:
    if lowering.syntax in (Syntax.HTTP, Syntax.TCP):
        _arguments(matcher, 1, 1)
    try:
        cidrs = tuple(str(ipaddress.ip_network(value, strict=False)) for value in matcher.values)
    except ValueError as error:
        raise UnusableError(f"{error}; expected an IP address or a CIDR") from None
    return (Match(sources=(SourceMatch(cidrs),)),)


def _alpn(lowering: _Lowering, matcher: Matcher) -> Terms:
    if lowering.syntax is Syntax.TCP:
        _arguments(matcher, 1, 1)
    if _ACME_ALPN in matcher.values:
        raise UnusableError(f"{_ACME_ALPN} is not allowed")
    return tuple(Match(alpn=(value,)) for value in matcher.values)


# --- matchers of syntax v2 ------------------------------------------------------------------------


def _template(template: str, default: str) -> str | None:
    """A pattern for text with `{name}` (any of `default`) and `{name:regex}` in it, None if it has none."""
    out: list[str] = []
    level = start = end = 0
    for at, char in enumerate(template):
        level += (char == "{") - (char == "}")
        if char == "{" and level == 1:
            out.append(re.escape(template[end:at]))
            start = at + 1
        elif char == "}" and level == 0:
            name, colon, pattern = template[start:at].partition(":")
            if not name or (colon and not pattern):
                raise UnusableError(f"`{template}` has a placeholder without a name or a pattern")
            _regex(pattern or default)
            out.append(f"(?:{pattern or default})")
            end = at + 1
        elif level < 0:
            break
    if level != 0:
        raise UnusableError(f"the braces of `{template}` are not balanced")
    return "".join(out) + re.escape(template[end:]) if out else None


def _host_regexp_v2(_: _Lowering, matcher: Matcher) -> Terms:
    terms: list[Match] = []
    for value in matcher.values:
        pattern = _template(value, "[^.]+")
        if not value.isascii():
            raise UnusableError(f"`{value}` has to be written in ASCII (punycode)")
        if pattern is None:
            terms.append(Match(hosts=(HostMatch(HostKind.EXACT, value.lower()),)))
        else:
            terms.append(Match(hosts=(HostMatch(HostKind.REGEX, _checked(f"(?i){pattern}")),)))
    return tuple(terms)


def _checked(pattern: str) -> str:
    if why := regex_error(pattern):
        raise UnusableError(f"the regular expression `{pattern}` is not valid: {why}")
    return pattern


def _path_v2(_: _Lowering, matcher: Matcher) -> Terms:
    prefix = matcher.name == "PathPrefix"
    terms: list[Match] = []
    for value in matcher.values:
        pattern = _template(_rooted(value), "[^/]+")
        if pattern is None:
            path = PathMatch(PathKind.RAW_PREFIX if prefix else PathKind.EXACT, value)
        else:
            path = PathMatch(PathKind.REGEX, _checked(f"{pattern}(?s:.*)" if prefix else pattern))
        terms.append(Match(paths=(path,)))
    return tuple(terms)


def _headers_v2(_: _Lowering, matcher: Matcher) -> Terms:
    if len(matcher.values) % 2:
        raise UnusableError("takes names and values in pairs")
    regex = matcher.name == "HeadersRegexp"
    pairs = zip(matcher.values[::2], matcher.values[1::2], strict=True)
    headers = [
        ValueMatch(name.lower(), ValueKind.REGEX, _regex(value))
        if regex
        else ValueMatch(name.lower(), ValueKind.EXACT, value)
        for name, value in pairs
    ]
    return (Match(headers=tuple(dict.fromkeys(headers))),)


def _query_v2(_: _Lowering, matcher: Matcher) -> Terms:
    query: list[ValueMatch] = []
    for value in matcher.values:
        name, equals, wanted = value.partition("=")
        if not equals or not name:
            raise UnusableError(f"`{value}` has to be written as `name=value`")
        pattern = _template(wanted, ".*")
        if not wanted:
            query.append(ValueMatch(name, ValueKind.PRESENT))
        elif pattern is None:
            query.append(ValueMatch(name, ValueKind.EXACT, wanted))
        else:
            query.append(ValueMatch(name, ValueKind.REGEX, _checked(pattern)))
    return (Match(query=tuple(dict.fromkeys(query))),)


Meaning = Callable[[_Lowering, Matcher], Terms]

_TCP: dict[str, Meaning] = {
    "ALPN": _alpn,
    "ClientIP": _client_ip,
    "HostSNI": _hosts,
    "HostSNIRegexp": _host_regexp,
}
_MEANINGS: dict[Syntax, dict[str, Meaning]] = {
    Syntax.HTTP: {
        "ClientIP": _client_ip,
        "Header": _header,
        "HeaderRegexp": _header,
        "Host": _hosts,
        "HostRegexp": _host_regexp,
        "Method": _method,
        "Path": _path,
        "PathPrefix": _path,
        "PathRegexp": _path_regexp,
        "Query": _query,
        "QueryRegexp": _query,
    },
    Syntax.HTTP_V2: {
        "ClientIP": _client_ip,
        "Headers": _headers_v2,
        "HeadersRegexp": _headers_v2,
        "Host": _hosts,
        "HostHeader": _hosts,
        "HostRegexp": _host_regexp_v2,
        "Method": _method,
        "Path": _path_v2,
        "PathPrefix": _path_v2,
        "Query": _query_v2,
    },
    Syntax.TCP: _TCP,
    Syntax.TCP_V2: {**_TCP, "HostSNIRegexp": _host_regexp_v2},
}
