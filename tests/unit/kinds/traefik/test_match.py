"""What Traefik's rules mean: matchers, boolean algebra, priorities and what is refused."""

from __future__ import annotations

import pytest

from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
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
from gatewright.kinds.traefik.match import MAX_TERMS, default_priority, lower_rule
from gatewright.kinds.traefik.rule import Syntax

HERE = Origin("routes.yaml")


def host(value: str, negate: bool = False) -> Match:
    return Match(hosts=(HostMatch(HostKind.EXACT, value, negate),))


def host_regex(value: str) -> Match:
    return Match(hosts=(HostMatch(HostKind.REGEX, value),))


def path(kind: PathKind, value: str, negate: bool = False) -> Match:
    return Match(paths=(PathMatch(kind, value, negate),))


def header(name: str, kind: ValueKind, value: str = "") -> Match:
    return Match(headers=(ValueMatch(name, kind, value),))


def query(name: str, kind: ValueKind, value: str = "") -> Match:
    return Match(query=(ValueMatch(name, kind, value),))


MATCHERS = [
    ("Host(`A.Example.COM`)", [host("a.example.com")]),
    ("Host(`a.example.com.`)", [host("a.example.com")]),
    ("Host(`*.Example.com`)", [host("*.example.com")]),
    ("Host(`*`)", [host_regex("[^.]+")]),
    ("Host(`::1`)", [host("[::1]")]),
    ("HostRegexp(`^a`)", [host_regex("(?:^a)(?s:.*)")]),
    ("HostRegexp(`^a$`)", [host_regex("^a$")]),
    ("HostRegexp(`a|b$`)", [host_regex("(?s:.*)(?:a|b$)(?s:.*)")]),
    ("Path(`/a`)", [path(PathKind.EXACT, "/a")]),
    ("PathPrefix(`/a`)", [path(PathKind.RAW_PREFIX, "/a")]),
    ("PathRegexp(`\\.php$`)", [path(PathKind.REGEX, "(?s:.*)(?:\\.php$)")]),
    ("Header(`X-A`, `b`)", [header("x-a", ValueKind.EXACT, "b")]),
    ("HeaderRegexp(`X-A`, `^b$`)", [header("x-a", ValueKind.REGEX, "^b$")]),
    ("Query(`Key`)", [query("Key", ValueKind.EXACT, "")]),
    ("Query(`key`, `v`)", [query("key", ValueKind.EXACT, "v")]),
    ("QueryRegexp(`key`)", [query("key", ValueKind.EXACT, "")]),
    ("QueryRegexp(`key`, `^v`)", [query("key", ValueKind.REGEX, "(?:^v)(?s:.*)")]),
    ("Method(`get`)", [Match(methods=(MethodMatch("GET"),))]),
    ("ClientIP(`10.1.2.3/8`)", [Match(sources=(SourceMatch(("10.0.0.0/8",)),))]),
    ("ClientIP(`::1`)", [Match(sources=(SourceMatch(("::1/128",)),))]),
]

MATCHERS_V2 = [
    ("Host(`a`, `B`)", [host("a"), host("b")]),
    ("HostHeader(`a`)", [host("a")]),
    ("HostRegexp(`{sub:[a-z]+}.a.com`)", [host_regex("(?i)(?:[a-z]+)\\.a\\.com")]),
    ("HostRegexp(`a.com`, `{any}.a.com`)", [host("a.com"), host_regex("(?i)(?:[^.]+)\\.a\\.com")]),
    ("Path(`/a`, `/b/{id:[0-9]{2}}`)", [path(PathKind.EXACT, "/a"), path(PathKind.REGEX, "/b/(?:[0-9]{2})")]),
    ("PathPrefix(`/a`, `/{x}/b`)",
     [path(PathKind.RAW_PREFIX, "/a"), path(PathKind.REGEX, "/(?:[^/]+)/b(?s:.*)")]),
    ("Method(`GET`, `PUT`)", [Match(methods=(MethodMatch("GET"),)), Match(methods=(MethodMatch("PUT"),))]),
    ("Headers(`A`, `b`)", [header("a", ValueKind.EXACT, "b")]),
    ("HeadersRegexp(`A`, `b`)", [header("a", ValueKind.REGEX, "(?s:.*)(?:b)(?s:.*)")]),
    ("Query(`a=b`, `c=`)",
     [Match(query=(ValueMatch("a", ValueKind.EXACT, "b"), ValueMatch("c", ValueKind.PRESENT)))]),
    ("Query(`a={v:[0-9]+}`)", [query("a", ValueKind.REGEX, "(?:[0-9]+)")]),
    ("ClientIP(`10.0.0.0/8`, `::1`)", [Match(sources=(SourceMatch(("10.0.0.0/8", "::1/128")),))]),
]  # fmt: skip

MATCHERS_TCP = [
    ("HostSNI(`*`)", [Match()]),
    ("HostSNI(`A.b`)", [host("a.b")]),
    ("HostSNIRegexp(`^a$`)", [host_regex("^a$")]),
    ("ClientIP(`10.0.0.1`)", [Match(sources=(SourceMatch(("10.0.0.1/32",)),))]),
    ("ALPN(`h2`)", [Match(alpn=("h2",))]),
    ("HostSNI(`a`) && ALPN(`h2`)", [Match(hosts=(HostMatch(HostKind.EXACT, "a"),), alpn=("h2",))]),
]

MATCHERS_TCP_V2 = [
    ("HostSNI(`a`, `b`)", [host("a"), host("b")]),
    ("HostSNI(`a`, `*`)", [Match()]),
    ("HostSNIRegexp(`{x}.a`)", [host_regex("(?i)(?:[^.]+)\\.a")]),
    ("ALPN(`h2`, `http/1.1`)", [Match(alpn=("h2",)), Match(alpn=("http/1.1",))]),
]


@pytest.mark.parametrize(
    ("syntax", "rule", "expected"),
    [(Syntax.HTTP, *row) for row in MATCHERS]
    + [(Syntax.HTTP_V2, *row) for row in MATCHERS_V2]
    + [(Syntax.TCP, *row) for row in MATCHERS_TCP]
    + [(Syntax.TCP_V2, *row) for row in MATCHERS_TCP_V2],
)
def test_matchers(syntax: Syntax, rule: str, expected: list[Match]) -> None:
    assert lower_rule(rule, syntax, HERE) == (tuple(expected), ())


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("!Host(`a`)", [host("a", negate=True)]),
        ("!(Host(`a`) || Path(`/b`))", [
            Match(hosts=host("a", negate=True).hosts, paths=path(PathKind.EXACT, "/b", negate=True).paths)
        ]),
        ("!(Host(`a`) && Path(`/b`))", [host("a", negate=True), path(PathKind.EXACT, "/b", negate=True)]),
        ("(Host(`a`) || Host(`b`)) && Path(`/`)", [
            Match(hosts=(HostMatch(HostKind.EXACT, "a"),), paths=(PathMatch(PathKind.EXACT, "/"),)),
            Match(hosts=(HostMatch(HostKind.EXACT, "b"),), paths=(PathMatch(PathKind.EXACT, "/"),)),
        ]),
        ("Host(`a`) || Host(`a`) && Path(`/b`)", [host("a")]),
        ("Host(`a`) && Path(`/b`) || Host(`a`)", [host("a")]),
        ("Host(`a`) && Host(`b`) || Host(`c`)", [host("c")]),
        ("Path(`/ab`) && PathPrefix(`/a`)", [
            Match(paths=(PathMatch(PathKind.EXACT, "/ab"), PathMatch(PathKind.RAW_PREFIX, "/a")))
        ]),
        ("Header(`A`, `1`) && Header(`A`, `2`)", [
            Match(headers=(ValueMatch("a", ValueKind.EXACT, "1"), ValueMatch("a", ValueKind.EXACT, "2")))
        ]),
    ],
)  # fmt: skip
def test_booleans_become_disjunctive_normal_form(rule: str, expected: list[Match]) -> None:
    assert lower_rule(rule, Syntax.HTTP, HERE) == (tuple(expected), ())


@pytest.mark.parametrize(
    "rule",
    [
        "Host(`a`) && Host(`b`)",
        "Host(`a`) && !Host(`a`)",
        "Host(`a.b.c`) && Host(`*.c`)",
        "Method(`GET`) && Method(`PUT`)",
        "Path(`/a`) && Path(`/b`)",
        "Path(`/a`) && PathPrefix(`/ab`)",
        "PathPrefix(`/a`) && PathPrefix(`/b`)",
    ],
)
def test_contradictions_never_match_and_never_become_match_all(rule: str) -> None:
    terms, (problem,) = lower_rule(rule, Syntax.HTTP, HERE)
    assert terms is None
    assert (problem.id, problem.severity) == ("traefik-rule-never-matches", Severity.WARNING)


@pytest.mark.parametrize("value", ["a.com:8080", "a/b", "*x.com", "**.x.com", "a b"])
def test_hosts_that_no_request_has_are_reported(value: str) -> None:
    terms, (problem,) = lower_rule(f"Host(`{value}`) || Host(`b`)", Syntax.HTTP, HERE)
    assert terms == (host("b"),)
    assert problem.id == "traefik-host-never-matches"


@pytest.mark.parametrize("rule", ["Header(`Host`, `a`)", "HeaderRegexp(`host`, `a`)"])
def test_the_host_is_no_header(rule: str) -> None:
    terms, (problem,) = lower_rule(f"!{rule} && Host(`b`)", Syntax.HTTP, HERE)
    assert terms == (host("b"),)
    assert problem.id == "traefik-host-never-matches"
    assert lower_rule(rule, Syntax.HTTP, HERE)[0] is None


@pytest.mark.parametrize(
    ("syntax", "rule", "said"),
    [
        (Syntax.HTTP, "Host(`a`, `b`)", "takes 1 value, not 2"),
        (Syntax.HTTP, "Header(`a`)", "takes 2 values, not 1"),
        (Syntax.HTTP, "Query(`a`, `b`, `c`)", "takes 1 or 2 values, not 3"),
        (Syntax.HTTP, "Host()", "must not be empty"),
        (Syntax.HTTP, "Path(``)", "must not be empty"),
        (Syntax.HTTP, "Path(`a`)", "start with a slash"),
        (Syntax.HTTP, "Host(`ä.de`)", "ASCII"),
        (Syntax.HTTP, "HostRegexp(`ä`)", "ASCII"),
        (Syntax.HTTP, "PathRegexp(`a(?=b)`)", "not valid: invalid perl operator"),
        (Syntax.HTTP, "PathRegexp(`)(`)", "not valid"),
        (Syntax.HTTP, "ClientIP(`10.0.0.0/33`)", "expected an IP address or a CIDR"),
        (Syntax.TCP, "!ALPN(`h2`)", "cannot be matched"),
        (Syntax.TCP, "ALPN(`h2`) && ALPN(`h3`)", "cannot be matched"),
        (Syntax.TCP, "ALPN(`acme-tls/1`)", "not allowed"),
        (Syntax.HTTP_V2, "Headers(`a`)", "in pairs"),
        (Syntax.HTTP_V2, "Query(`a`)", "`name=value`"),
        (Syntax.HTTP_V2, "HostRegexp(`{a.com`)", "not balanced"),
        (Syntax.HTTP_V2, "HostRegexp(`a}.com`)", "not balanced"),
        (Syntax.HTTP_V2, "HostRegexp(`{a:}.com`)", "without a name or a pattern"),
        (Syntax.HTTP_V2, "Path(`/{a:(}`)", "not valid"),
    ],
)
def test_unusable_matchers_are_refused(syntax: Syntax, rule: str, said: str) -> None:
    terms, (problem,) = lower_rule(rule, syntax, HERE)
    assert terms is None
    assert problem.id == "traefik-rule-unusable"
    assert said in problem.message


def test_refused_matchers_name_their_column() -> None:
    _, (problem,) = lower_rule("Host(`a`) && Path(`b`)", Syntax.HTTP, HERE)
    assert problem.message.startswith("Path at column 14: ")


def test_too_many_alternatives_are_refused_not_cut() -> None:
    def product(width: int) -> str:
        hosts = " || ".join(f"Host(`h{i}`)" for i in range(8))
        paths = " || ".join(f"Path(`/{i}`)" for i in range(width))
        return f"({hosts}) && ({paths})"

    terms, problems = lower_rule(product(8), Syntax.HTTP, HERE)
    assert terms is not None
    assert (len(terms), problems) == (MAX_TERMS, ())
    terms, (problem,) = lower_rule(product(9), Syntax.HTTP, HERE)
    assert terms is None
    assert "more than 64 alternatives" in problem.message


@pytest.mark.parametrize(
    ("syntax", "rule", "priority"),
    [
        (Syntax.HTTP, "Host(`a`)", 9),
        (Syntax.HTTP, "Host(`ä`)", 10),
        (Syntax.HTTP, "Host(`*`)", 9),
        (Syntax.TCP, "HostSNI(`*`)", -1),
        (Syntax.TCP_V2, 'hostsni( "*" )', -1),
        (Syntax.TCP, "HostSNI(`*`) && ALPN(`h2`)", 26),
        (Syntax.TCP, "!HostSNI(`*`)", 13),
    ],
)
def test_priority_is_the_length_of_the_rule_as_written(syntax: Syntax, rule: str, priority: int) -> None:
    assert default_priority(rule, syntax) == priority
