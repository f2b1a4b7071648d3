"""dnsmasq.conf: every option that changes an answer."""

from __future__ import annotations

import pytest

from gatewright.base.origin import Origin
from gatewright.kinds.programs import dnsmasqconf
from support.resolved import noted, said

ORIGIN = Origin("dnsmasq.conf", "1")

ROUTER = """\
# /etc/dnsmasq.conf
domain-needed
bogus-priv
no-resolv
strict-order
server=192.168.178.1
server=9.9.9.9#53   # only if the first is silent
server=/corp.example/10.1.0.53@wg0
address=/.k8s.example.com/10.0.0.50
address=/.konnectivity.example.com/10.0.0.50
address=/app.example.com/10.0.0.50
address=/app.example.com/fd00::50
address=/app.example.com/10.0.0.51
host-record=nas,nas.lan,10.0.0.3,fd00::3,300
cname=www.lan,media.lan,nas.lan
listen-address=127.0.0.1
cache-size=1000
"""


def test_a_router() -> None:
    config, problems = dnsmasqconf.parse(ROUTER, ORIGIN)
    assert problems == ()
    assert said(config) == [
        "*.k8s.example.com+ A 10.0.0.50 forward",
        "*.konnectivity.example.com+ A 10.0.0.50 forward",
        "*.app.example.com+ A 10.0.0.50 10.0.0.51 forward",
        "*.app.example.com+ AAAA fd00::50 forward",
        "nas A 10.0.0.3 forward",
        "nas AAAA fd00::3 forward",
        "nas.lan A 10.0.0.3 forward",
        "nas.lan AAAA fd00::3 forward",
        "www.lan CNAME nas.lan empty",
        "media.lan CNAME nas.lan empty",
        "corp.example -> 10.1.0.53 first",
    ]
    assert (config.upstreams, config.order) == (("192.168.178.1", "9.9.9.9"), "first")
    assert config.overrides[0].origin.path == ("line", 9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("address=/x.lan/10.0.0.1\nlocal=/x.lan/", ["*.x.lan+ A 10.0.0.1 empty", "x.lan own"]),
        ("address=/a.x.lan/10.0.0.1\nlocal=/x.lan/", ["*.a.x.lan+ A 10.0.0.1 empty", "x.lan own"]),
        (
            "address=/a.x.lan/10.0.0.1\nlocal=/x.lan/\nserver=/a.x.lan/10.0.0.2",
            ["*.a.x.lan+ A 10.0.0.1 forward", "a.x.lan -> 10.0.0.2 any", "x.lan own"],
        ),
        ("server=/x.lan/", ["x.lan own"]),
        ("address=/ads.com/", ["*.ads.com+ NXDOMAIN empty"]),
        ("address=/a.com/b.com/10.0.0.1", ["*.a.com+ A 10.0.0.1 forward", "*.b.com+ A 10.0.0.1 forward"]),
        ("address=/ads.com/#", ["*.ads.com+ A 0.0.0.0 forward", "*.ads.com+ AAAA :: forward"]),
        ("address=/#/10.0.0.1", ["* A 10.0.0.1 forward"]),
        ("address=/*.x.lan/10.0.0.1", ["*.x.lan A 10.0.0.1 forward"]),
        (
            "address=/x.lan/10.0.0.1\nserver=/s.x.lan/10.0.0.2",
            ["*.x.lan+ A 10.0.0.1 forward", "*.s.x.lan+ PASS empty", "s.x.lan -> 10.0.0.2 any"],
        ),
        ("server=1.1.1.1\nserver=/x.lan/#", ["x.lan -> 1.1.1.1 any"]),
        (
            "server=/a.lan/b.lan/10.0.0.1\nserver=/a.lan/10.0.0.2",
            ["a.lan -> 10.0.0.1 10.0.0.2 any", "b.lan -> 10.0.0.1 any"],
        ),
        ("filter-AAAA", ["no AAAA"]),
        ("cname=*.x.lan,x.lan", ["*.x.lan CNAME x.lan empty"]),
        ("--address=/x.lan/10.0.0.1", ["*.x.lan+ A 10.0.0.1 forward"]),
        ("address=/X.Lan./10.0.0.1\r", ["*.x.lan+ A 10.0.0.1 forward"]),
        ("mx-host=x.lan,m.lan\ndhcp-range=10.0.0.1,10.0.0.9\nlog-queries", []),
    ],
)
def test_one_option(text: str, expected: list[str]) -> None:
    config, problems = dnsmasqconf.parse(f"no-resolv\n{text}", ORIGIN)
    assert said(config) == expected
    assert problems == ()


def test_resolv_conf_is_asked_beside_the_named_servers() -> None:
    config, problems = dnsmasqconf.parse("server=10.0.0.1\nresolv-file=/etc/r\n", ORIGIN)
    assert config.upstreams == ("10.0.0.1", "public")
    assert noted(problems) == [("info", "assumed-upstream", 2)]


def test_private_answers_from_upstream() -> None:
    config, _ = dnsmasqconf.parse("stop-dns-rebind\nrebind-domain-ok=/x.lan/y.lan/\nrebind-domain-ok=z.lan", ORIGIN)
    assert (config.rebind_protection, config.rebind_exceptions) == (True, ("x.lan", "y.lan", "z.lan"))


@pytest.mark.parametrize(
    ("line", "severity", "problem_id", "hint"),
    [
        ("adress=/x/10.0.0.1", "error", "unknown-option", "did you mean address?"),
        ("address=x.lan", "error", "invalid-value", ""),
        ("address=/x.lan/10.0.0.300", "error", "invalid-value", ""),
        ("address=/a b/10.0.0.1", "error", "invalid-value", ""),
        ("server=::::", "error", "invalid-value", ""),
        ("host-record=nas", "error", "invalid-value", ""),
        ("cname=a.lan", "error", "invalid-value", ""),
        ("addn-hosts=/etc/more", "warning", "unsupported-option", ""),
        ("conf-dir=/etc/dnsmasq.d", "warning", "unsupported-option", ""),
        ("alias=1.2.3.4,5.6.7.8", "warning", "unsupported-option", ""),
        ("port=0", "warning", "disabled", ""),
        ("server=/*.x.lan/10.0.0.1", "info", "assumed-domain", ""),
    ],
)
def test_what_is_noted(line: str, severity: str, problem_id: str, hint: str) -> None:
    _, problems = dnsmasqconf.parse(f"no-resolv\n\n{line}\n", ORIGIN)
    assert noted(problems) == [(severity, problem_id, 3)]
    assert problems[0].hint == hint
