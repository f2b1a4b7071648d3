"""The grammar of snippets, and what their statements amount to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.base.origin import Origin
from gatewright.kinds.annotations.names import NGINX
from gatewright.kinds.annotations.nginx import ingress as nginx
from gatewright.kinds.annotations.nginx.snippets import Statement, Unreadable, parse
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.filters import HeaderEdit, Redirect, RequestHeaders, ResponseHeaders
from gatewright.kinds.intents.options import Options

OWNER = Key("Ingress", "apps", "shop")
SNIPPET = "configuration-snippet"


def read(text: str, name: str = SNIPPET) -> tuple[Options, Notes]:
    notes = Notes({NGINX + name: text}, OWNER, Origin("a.yaml"), NGINX)
    return nginx.read(notes), notes


def test_statements_with_quotes_comments_and_blocks() -> None:
    found = parse('# first\nadd_header X "a; b" always;\nif ($host = a) { return 301 "/b"; }\n')
    assert isinstance(found, tuple)
    assert [(s.name, s.arguments, s.number) for s in found] == [
        ("add_header", ("X", "a; b", "always"), 2),
        ("if", ("($host", "=", "a)"), 3),
    ]
    assert found[1].block == (Statement("return", ("301", "/b"), 'return 301 "/b"', 3),)


def test_lua_is_passed_over() -> None:
    found = parse('access_by_lua_block { if x then ngx.say("}") end -- }\n }\nreturn 200;')
    assert isinstance(found, tuple)
    assert [(s.name, s.raw) for s in found] == [("access_by_lua_block", True), ("return", False)]


@pytest.mark.parametrize(
    "text", ["add_header X y", "}", "if (a) {", 'a "b;', 'a "b"c;', ";", "a ${b;", "a {" * 20, "a_by_lua_block {"]
)
def test_what_is_no_configuration(text: str) -> None:
    assert isinstance(parse(text), Unreadable)
    options, notes = read(text)
    assert options.unbuildable
    assert [p.id for p in notes.problems] == ["protection-unbuildable"]


@given(st.text(max_size=200) | st.text(alphabet="ab1 ;{}\"'\\$#\n()=~^/:-", max_size=200))
def test_any_text_is_read(text: str) -> None:
    found = parse(text)
    assert isinstance(found, tuple | Unreadable)
    read(text)
    read(text, "server-snippet")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("add_header X-A b always;", ResponseHeaders(HeaderEdit(add=(("X-A", "b"),)), Origin("a.yaml"))),
        (
            'more_set_headers "X-A: b: c" "X-B:";',
            ResponseHeaders(HeaderEdit(set=(("X-A", "b: c"),), remove=("X-B",)), Origin("a.yaml")),
        ),
        ("more_clear_headers Server;", ResponseHeaders(HeaderEdit(remove=("Server",)), Origin("a.yaml"))),
        ('proxy_set_header Accept-Encoding "";', RequestHeaders(HeaderEdit(remove=("Accept-Encoding",)), Origin("a"))),
        ("proxy_set_header X-Ns $namespace;", RequestHeaders(HeaderEdit(set=(("X-Ns", "apps"),)), Origin("a.yaml"))),
    ],
)
def test_headers(text: str, expected: ResponseHeaders | RequestHeaders) -> None:
    options, notes = read(text)
    assert notes.problems == []
    (made,) = options.filters
    assert type(made) is type(expected)
    assert isinstance(made, ResponseHeaders | RequestHeaders)
    assert made.edit == expected.edit


@pytest.mark.parametrize(
    "text",
    [
        "proxy_set_header Upgrade $http_upgrade;",
        'proxy_set_header Connection "upgrade";',
        "proxy_set_header X-Forwarded-Proto $scheme;",
        "proxy_set_header X-Key $http_x_key;",
        "proxy_buffering off;",
        "proxy_http_version 1.1;",
    ],
)
def test_what_holds_anyhow_is_not_told(text: str) -> None:
    options, notes = read(text)
    assert notes.problems == []
    assert options.filters == ()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("sub_filter a b;", "`sub_filter a b` (line 1)"),
        ("add_header X $upstream_addr;", "`add_header X $upstream_addr` (line 1)"),
        ("proxy_buffering off;\nset $x 1;", "`set $x 1` (line 2)"),
        ("more_set_headers -s 404 X:y;", "`more_set_headers -s 404 X:y` (line 1)"),
    ],
)
def test_what_is_not_carried_over_is_told_with_its_line(text: str, line: str) -> None:
    options, notes = read(text)
    assert not options.unbuildable
    (problem,) = notes.problems
    assert problem.id == "unsupported-annotation"
    assert line in problem.message


@pytest.mark.parametrize(
    "text",
    [
        "auth_basic closed;",
        "limit_except GET { deny all; }",
        "if ($http_x = 1) { return 403; }",
        "location /x { deny all; }",
        "access_by_lua_block { ngx.exit(403) }",
        "deny 192.0.2.1; allow 192.0.2.0/24; deny all;",
        "allow nobody; deny all;",
        "return 301 https://$weird/;",
        "satisfy most;",
    ],
)
def test_what_may_keep_somebody_out_closes_the_rules(text: str) -> None:
    options, notes = read(text)
    assert options.unbuildable
    assert [p.id for p in notes.problems if p.severity == "error"] != []


def test_lists_of_addresses() -> None:
    allowed = read("allow 10.0.0.0/8; allow 192.0.2.7; deny all;")[0].allow
    denied = read("deny 192.0.2.7; deny 192.0.2.8; allow all;")[0].deny
    assert allowed is not None
    assert allowed.cidrs == ("10.0.0.0/8", "192.0.2.7/32")
    assert denied is not None
    assert denied.cidrs == ("192.0.2.7/32", "192.0.2.8/32")
    everybody = read("deny all;")[0].deny
    assert everybody is not None
    assert everybody.cidrs == ("0.0.0.0/0", "::/0")


@pytest.mark.parametrize(
    ("text", "host", "keeps"),
    [
        ("return 301 https://new.test$request_uri;", "new.test", True),
        ("return 301 https://new.test/x;", "new.test", False),
        ("return 308 https://$host$request_uri;", None, True),
    ],
)
def test_redirects(text: str, host: str | None, keeps: bool) -> None:
    (made,) = read(text)[0].first
    assert isinstance(made, Redirect)
    assert (made.scheme, made.host, made.keeps_query) == ("https", host, keeps)


def test_a_condition_on_the_scheme_is_the_redirect_to_tls() -> None:
    found = read("if ($scheme = http) { return 301 https://$host$request_uri; }")[0].tls_redirect
    assert found is not None
    assert (found.when, found.status) == ("always", 301)


def test_a_route_with_snippets_says_so() -> None:
    assert read("add_header X y;")[0].snippets is True
    assert nginx.read(Notes({NGINX + "app-root": "/x"}, OWNER, Origin("a"), NGINX)).snippets is None
