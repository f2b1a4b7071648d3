"""Expectation: a request, and what has to become of it."""

from __future__ import annotations

from typing import Any

import pytest

from gatewright.kinds.identity import Key
from gatewright.kinds.intents.asking import ExpectationIntent
from support.lowering import good
from support.sitemaps import changed, refused, written

SPEC: dict[str, Any] = {
    "request": {
        "url": "https://grafana.example.com/",
        "method": "post",
        "headers": {"X-B": "2", "X-A": "1"},
        "sni": "other.example.com",
        "body": "10Mi",
    },
    "from": ["phone-at-home"],
    "families": [4, 6],
    "expect": {
        "outcome": "delivered",
        "status": 200,
        "gateway": "traefik/internal",
        "backend": "apps/grafana:80",
        "location": "https://x/",
        "via": ["wg-home", "192.168.178.1"],
        "notVia": ["fritzbox"],
        "idleTimeout": "1h",
        "resolvesTo": ["192.168.178.10"],
    },
}


def test_everything_said() -> None:
    intent = good(written("Expectation", SPEC), ExpectationIntent)
    assert (intent.key, intent.url, intent.method) == (
        Key("Expectation", "", "x"), "https://grafana.example.com/", "POST",
    )  # fmt: skip
    assert (intent.headers, intent.sni, intent.body) == ((("X-A", "1"), ("X-B", "2")), "other.example.com", 10 * 2**20)
    assert (intent.vantages, intent.families) == (("phone-at-home",), ("4", "6"))
    assert (intent.outcome, intent.status, intent.location) == ("delivered", 200, "https://x/")
    assert (intent.gateway, intent.backend) == ("traefik/internal", "apps/grafana:80")
    assert (intent.via, intent.not_via) == (("wg-home", "192.168.178.1"), ("fritzbox",))
    assert (intent.idle_timeout, intent.resolves_to) == (3600.0, ("192.168.178.10",))


def test_the_shortest() -> None:
    spec = {"request": "https://grafana.example.com/", "expect": {"outcome": "absent"}}
    intent = good(written("Expectation", spec), ExpectationIntent)
    assert (intent.url, intent.method, intent.sni, intent.body) == ("https://grafana.example.com/", "GET", None, 0)
    assert (intent.vantages, intent.families, intent.outcome, intent.status) == ((), (), "absent", 0)


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.1:8080/x", "https://[fd00::1]/", "tls://a.example.com:6443", "wss://a.example.com", "udp://a:53"],
)
def test_urls(url: str) -> None:
    assert good(written("Expectation", changed(SPEC, "request", url)), ExpectationIntent).url == url


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("grafana.example.com", "'grafana.example.com' does not start with one of http://, "),
        ("ftp://a.example.com", "'ftp://a.example.com' does not start with one of http://, "),
        ("https:///x", "'https:///x' names no host"),
        ("https://*.example.com/", "'https://*.example.com/' names no host"),
        ("https://a.example.com:99999/", "'https://a.example.com:99999/' is not a URL"),
        ("https://[fd00::1/", "'https://[fd00::1/' is not a URL"),
        ("tcp://a.example.com", "'tcp://a.example.com' names no port"),
        ("https://${HOST}/", "'https://${HOST}/' holds a variable that was not substituted"),
    ],
)
def test_urls_refused(url: str, message: str) -> None:
    ((where, told),) = refused("Expectation", changed(SPEC, "request", url))
    assert where == "request"
    assert told.startswith(message)
    ((where, _),) = refused("Expectation", changed(SPEC, "request.url", url))
    assert where == "request.url"


@pytest.mark.parametrize(
    ("path", "value", "where", "message"),
    [
        ("request.method", "GET /", "request.method", "'GET /' is no method"),
        ("request.headers", {"A B": "c"}, "request.headers.A B", "is no HTTP header"),
        ("request.sni", "*.example.com", "request.sni", "'*.example.com' is not a hostname"),
        ("request.body", "huge", "request.body", "'huge' is not a size"),
        ("from.0", "home/phone", "from.0", "'home/phone' is not a name"),
        ("expect", {}, "expect", "expects nothing"),
        ("expect.outcome", "ok", "expect.outcome",
         "expected one of delivered, answered, refused, unreachable, absent, got 'ok'"),
        ("expect.status", 42, "expect.status", "expected a number >= 100, got the number 42"),
        ("expect.gateway", "a/b/c", "expect.gateway", "'a/b/c' is not the name of an object"),
        ("expect.backend", "grafana:80", "expect.backend", "'grafana:80' does not say of which namespace"),
        ("expect.backend", "apps/grafana:http", "expect.backend", "'http' is not a port or a range of ports"),
        ("expect.idleTimeout", "long", "expect.idleTimeout", "'long' is not a duration"),
        ("expect.resolvesTo.0", "home", "expect.resolvesTo.0", "'home' is not an IP address"),
    ],
)  # fmt: skip
def test_refused(path: str, value: Any, where: str, message: str) -> None:
    assert refused("Expectation", changed(SPEC, path, value)) == [(where, message)]
