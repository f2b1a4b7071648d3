"""Traefik's rules against the plainest reading of them.

The oracle walks the parsed expression and asks each matcher about one request, as Traefik does; the product
lowers the expression to disjunctive normal form.  Both have to say the same of every request.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

from hypothesis import assume, example, given
from hypothesis import strategies as st
from msgspec import Struct

from gatewright.base import hostnames
from gatewright.base.origin import Origin
from gatewright.kinds.intents.routing import (
    HostKind,
    HostMatch,
    Match,
    PathKind,
    PathMatch,
    ValueKind,
    ValueMatch,
)
from gatewright.kinds.traefik.match import MAX_TERMS, default_priority, lower, lower_rule
from gatewright.kinds.traefik.rule import And, Expression, Matcher, Not, Or, Syntax, parse

HERE = Origin("routes.yaml")


class Request(Struct, frozen=True):
    host: str
    path: str
    method: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    source: str


# --- the oracle -----------------------------------------------------------------------------------


def holds(expression: Expression, request: Request) -> bool:
    match expression:
        case Not(part):
            return not holds(part, request)
        case And(parts):
            return all(holds(part, request) for part in parts)
        case Or(parts):
            return any(holds(part, request) for part in parts)
        case Matcher(name, values):
            return asks(name, values, request)


def asks(name: str, values: tuple[str, ...], request: Request) -> bool:
    value = values[-1]
    match name:
        case "Host" if value.startswith("*"):
            return value.lower() == ".".join(("*", *request.host.split(".")[1:]))
        case "Host":
            return request.host == value.lower()
        case "HostRegexp":
            return re.search(value, request.host) is not None
        case "Path":
            return request.path == value
        case "PathPrefix":
            return request.path.startswith(value)
        case "PathRegexp":
            return re.search(value, request.path) is not None
        case "Method":
            return request.method == value.upper()
        case "Header":
            return request.headers.get(values[0].lower()) == value
        case "HeaderRegexp":
            found = request.headers.get(values[0].lower())
            return found is not None and re.search(value, found) is not None
        case "Query":
            return request.query.get(values[0]) == (value if len(values) == 2 else "")
        case "QueryRegexp":
            found = request.query.get(values[0])
            return found is not None and re.search(value, found) is not None
        case _:
            network = ipaddress.ip_network(value, strict=False)
            return ipaddress.ip_address(request.source) in network


# --- what the lowered form says -------------------------------------------------------------------


def satisfies(term: Match, request: Request) -> bool:
    return (
        all(host_matches(host, request.host) is not host.negate for host in term.hosts)
        and all(path_matches(path, request.path) is not path.negate for path in term.paths)
        and all((request.method == method.method) is not method.negate for method in term.methods)
        and all(value_matches(header, request.headers) is not header.negate for header in term.headers)
        and all(value_matches(query, request.query) is not query.negate for query in term.query)
        and all(
            any(ipaddress.ip_address(request.source) in ipaddress.ip_network(cidr) for cidr in source.cidrs)
            is not source.negate
            for source in term.sources
        )
    )


def host_matches(match: HostMatch, host: str) -> bool:
    if match.kind is HostKind.EXACT:
        return hostnames.matches(match.value, host, hostnames.Depth.ONE)
    return re.fullmatch(match.value, host) is not None


def path_matches(match: PathMatch, path: str) -> bool:
    if match.kind is PathKind.EXACT:
        return path == match.value
    if match.kind is PathKind.RAW_PREFIX:
        return path.startswith(match.value)
    return re.fullmatch(match.value, path) is not None


def value_matches(match: ValueMatch, values: Mapping[str, str]) -> bool:
    found = values.get(match.name)
    if found is None:
        return False
    return found == match.value if match.kind is ValueKind.EXACT else re.fullmatch(match.value, found) is not None


# --- random rules and requests --------------------------------------------------------------------

HOSTS = ("a.com", "b.com", "x.a.com", "y.x.a.com", "local")
PATHS = ("/", "/a", "/ab", "/a/b", "/b")
VALUES = ("", "1", "12")

# Few enough that the same matcher often stands in one rule twice.
COMMON = st.sampled_from(
    [
        Matcher("Host", ("a.com",)),
        Matcher("Path", ("/a",)),
        Matcher("PathPrefix", ("/",)),
        Matcher("PathPrefix", ("/a",)),
        Matcher("Method", ("GET",)),
    ]
)

RARE = st.one_of(
    st.builds(lambda v: Matcher("Host", (v,)), st.sampled_from((*HOSTS, "A.com", "*.a.com", "*.com", "*"))),
    st.builds(lambda v: Matcher("HostRegexp", (v,)), st.sampled_from(("^a", "com$", "a|b", r"^x\.a\.com$", "x"))),
    st.builds(lambda v: Matcher("Path", (v,)), st.sampled_from(PATHS)),
    st.builds(lambda v: Matcher("PathPrefix", (v,)), st.sampled_from(PATHS)),
    st.builds(lambda v: Matcher("PathRegexp", (v,)), st.sampled_from(("^/a", "b$", "/a|/b", "^/$"))),
    st.builds(lambda v: Matcher("Method", (v,)), st.sampled_from(("GET", "post"))),
    st.builds(lambda v: Matcher("Header", ("X-A", v)), st.sampled_from(("1", "2"))),
    st.builds(lambda v: Matcher("HeaderRegexp", ("x-a", v)), st.sampled_from(("1", "^1$", "2$"))),
    st.builds(lambda v: Matcher("Query", v), st.sampled_from((("q",), ("q", "1"), ("Q", "1")))),
    st.builds(lambda v: Matcher("QueryRegexp", ("q", v)), st.sampled_from(("1", "^12"))),
    st.builds(lambda v: Matcher("ClientIP", (v,)), st.sampled_from(("10.0.0.1/8", "10.0.0.1", "::1"))),
)

EXPRESSIONS = st.recursive(
    st.one_of(COMMON, RARE),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(lambda parts: And(tuple(parts)), st.lists(inner, min_size=2, max_size=3)),
        st.builds(lambda parts: Or(tuple(parts)), st.lists(inner, min_size=2, max_size=3)),
    ),
    max_leaves=8,
)

REQUESTS = st.builds(
    Request,
    host=st.sampled_from(HOSTS),
    path=st.sampled_from(PATHS),
    method=st.sampled_from(("GET", "POST")),
    headers=st.dictionaries(st.just("x-a"), st.sampled_from(VALUES)),
    query=st.dictionaries(st.sampled_from(("q", "Q")), st.sampled_from(VALUES)),
    source=st.sampled_from(("10.0.0.1", "10.9.9.9", "192.0.2.1", "::1")),
)


def written(expression: Expression) -> str:
    """A rule that means the expression, with parentheses around every part."""
    match expression:
        case Not(part):
            return f"!({written(part)})"
        case And(parts):
            return " && ".join(f"({written(part)})" for part in parts)
        case Or(parts):
            return " || ".join(f"({written(part)})" for part in parts)
        case Matcher(name, values):
            return f"{name}({', '.join(f'`{value}`' for value in values)})"


def without_columns(expression: Expression) -> Expression:
    match expression:
        case Not(part):
            return Not(without_columns(part))
        case And(parts):
            return And(tuple(without_columns(part) for part in parts))
        case Or(parts):
            return Or(tuple(without_columns(part) for part in parts))
        case Matcher(name, values):
            return Matcher(name, values)


@given(EXPRESSIONS, st.lists(REQUESTS, min_size=20, max_size=40))
def test_disjunctive_normal_form_means_the_same(expression: Expression, requests: list[Request]) -> None:
    terms, problems = lower(expression, Syntax.HTTP, HERE)
    assume(not any("alternatives" in problem.message for problem in problems))
    assert terms is None or 0 < len(terms) <= MAX_TERMS
    for request in requests:
        assert any(satisfies(term, request) for term in terms or ()) == holds(expression, request)


@given(EXPRESSIONS)
def test_a_written_rule_reads_as_itself(expression: Expression) -> None:
    parsed, problems = parse(written(expression), Syntax.HTTP, HERE)
    assert problems == ()
    assert parsed is not None
    assert without_columns(parsed) == expression


FRAGMENTS = st.sampled_from(
    ("Host", "HostSNI", "Headers", "PathRegexp", "(", ")", "`", '"', "\\", "!", "&&", "||", ",", "\n", " ",
     "`a`", "`{a:b}`", "`/{`", '"\\u12"', "`*`", "Query", "`a=b`", "ClientIP", "`::1`", "ä", "\ud800", "'")
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(FRAGMENTS).map("".join)), st.sampled_from(Syntax))
@example("(" * 100_000, Syntax.HTTP)
@example("!" * 100_000 + "Host(`a`)", Syntax.HTTP)
@example(" && ".join(["Host(`a`)"] * 10_000), Syntax.HTTP)
@example("HostRegexp(`\ud800`)", Syntax.HTTP)
@example("PathRegexp(`\ud800`)", Syntax.HTTP)
@example("Path(`/{a:\ud800}`)", Syntax.HTTP_V2)
def test_any_text_is_read_without_an_exception(rule: str, syntax: Syntax) -> None:
    terms, problems = lower_rule(rule, syntax, HERE)
    assert terms is None or terms
    assert terms is not None or problems
    assert default_priority(rule, syntax) >= -1
