"""AdGuardHome.yaml: rewrites, forwards, rules."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright.base.origin import Origin
from gatewright.kinds.intents.naming import ResolverConfig
from gatewright.kinds.programs import adguard
from support.resolved import noted, said

ORIGIN = Origin("AdGuardHome.yaml", "1")

HOME = """
http: {address: 0.0.0.0:3000}
users:
  - {name: admin, password: $2a$10$notlookedat}
dns:
  bind_hosts: [0.0.0.0]
  port: 53
  upstream_dns:
    - https://dns10.quad9.net/dns-query
    - "# the cluster"
    - "[/ragas.cc/]172.16.1.60"
    - "[/lan/home.arpa/]192.168.1.1:53 192.168.1.2"
    - "[/public.lan/]#"
    - tls://1.1.1.1
  bootstrap_dns: [9.9.9.10]
  upstream_mode: load_balance
  aaaa_disabled: true
filtering:
  rewrites:
    - {domain: "*.ragas.cc", answer: 172.16.1.60}
    - {domain: nas.lan, answer: 10.0.0.3}
    - {domain: nas.lan, answer: fd00::3}
    - {domain: Media.lan, answer: nas.lan}
  filtering_enabled: true
user_rules:
  - "! ads"
  - "||doubleclick.net^"
  - "||x.lan^$dnsrewrite=10.0.0.9"
schema_version: 28
"""


def parsed(text: str) -> tuple[ResolverConfig, list[tuple[str, str, object]]]:
    data: Any = yaml.safe_load(text)
    config, problems = adguard.parse(data, ORIGIN)
    assert config is not None
    return config, noted(problems)


def test_a_home() -> None:
    config, problems = parsed(HOME)
    assert problems == []
    assert said(config) == [
        "*.ragas.cc A 172.16.1.60 empty",
        "nas.lan A 10.0.0.3 empty",
        "nas.lan AAAA fd00::3 empty",
        "media.lan CNAME nas.lan empty",
        "*.doubleclick.net+ NXDOMAIN empty",
        "*.x.lan+ A 10.0.0.9 empty",
        "ragas.cc -> 172.16.1.60 any",
        "lan -> 192.168.1.1 192.168.1.2 any",
        "home.arpa -> 192.168.1.1 192.168.1.2 any",
        "public.lan -> public 1.1.1.1 any",
        "no AAAA",
    ]
    assert (config.upstreams, config.order) == (("public", "1.1.1.1"), "any")
    assert config.overrides[0].origin.path == ("filtering", "rewrites", 0)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["A"], ["x.lan AAAA forward"]),
        (["AAAA"], ["x.lan A forward"]),
        (["A", "AAAA"], ["x.lan PASS empty"]),
        (["10.0.0.1", "AAAA"], ["x.lan A 10.0.0.1 forward"]),
        (["10.0.0.1", "10.0.0.2"], ["x.lan A 10.0.0.1 10.0.0.2 empty"]),
        (["10.0.0.1", "y.lan"], ["x.lan CNAME y.lan empty"]),
        (["x.lan"], ["x.lan PASS empty"]),
    ],
)
def test_rewrites_of_one_name(answers: list[str], expected: list[str]) -> None:
    rewrites = [{"domain": "x.lan", "answer": answer} for answer in answers]
    config, problems = adguard.parse({"dns": {"rewrites": rewrites}}, ORIGIN)
    assert config is not None
    assert (said(config), problems) == (expected, ())


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("|x.lan^$dnsrewrite=10.0.0.1", ["x.lan A 10.0.0.1 empty"]),
        ("||x.lan^$dnsrewrite=NOERROR;A;10.0.0.1", ["*.x.lan+ A 10.0.0.1 empty"]),
        ("||x.lan^$dnsrewrite=NOERROR;AAAA;fd00::1,important", ["*.x.lan+ AAAA fd00::1 empty"]),
        ("|x.lan^$dnsrewrite=NOERROR;CNAME;y.lan", ["x.lan CNAME y.lan empty"]),
        ("|x.lan^$dnsrewrite=y.lan", ["x.lan CNAME y.lan empty"]),
        ("||x.lan^$dnsrewrite=NXDOMAIN;;", ["*.x.lan+ NXDOMAIN empty"]),
        ("||x.lan^$important", ["*.x.lan+ NXDOMAIN empty"]),
        ("||*.x.lan^", ["*.x.lan NXDOMAIN empty"]),
        ("x.lan", ["x.lan NXDOMAIN empty"]),
        ("10.0.0.1 x.lan", ["x.lan A 10.0.0.1 empty"]),
        ("@@||x.lan^", []),
        ("! a comment", []),
        ("# a comment", []),
    ],
)
def test_rules(rule: str, expected: list[str]) -> None:
    config, problems = adguard.parse({"user_rules": [rule]}, ORIGIN)
    assert config is not None
    assert (said(config), problems) == (expected, ())


@pytest.mark.parametrize(
    "rule",
    [
        "/ads[0-9]/",
        "||x.lan^$dnsrewrite=NOERROR;MX;10 y",
        "||x.lan^$dnsrewrite=NOERROR;A;y.lan",
        "||x.lan^$dnstype=AAAA",
        "||x.lan^$client=10.0.0.1",
        "@@||x.lan^$dnsrewrite",
        "||x.lan/path",
    ],
)
def test_rules_that_are_not_followed(rule: str) -> None:
    config, problems = adguard.parse({"user_rules": [rule]}, ORIGIN)
    assert config is not None
    assert said(config) == []
    assert noted(problems) == [("warning", "unsupported-field", 0)]


def test_what_is_switched_off() -> None:
    config, problems = parsed(
        """
filtering:
  filtering_enabled: false
  rewrites:
  - {domain: x.lan, answer: 10.0.0.1, enabled: false}
user_rules: ["||y.lan^"]
"""
    )
    assert (said(config), problems) == ([], [])
    config, problems = parsed("filtering: {rewrites_enabled: false, rewrites: [{domain: x.lan, answer: 10.0.0.1}]}")
    assert (said(config), problems) == ([], [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("dns: {rewrites: [{domain: 'a*.lan', answer: 10.0.0.1}]}", ("error", "invalid-value", "domain")),
        ("dns: {rewrites: [{domain: a.lan, answer: '10.0.0.1/24'}]}", ("error", "invalid-value", "answer")),
        ("dns: {upstream_dns: ['::::']}", ("error", "invalid-value", 0)),
        ("dns: {upstream_dns: ['[/x.lan/]']}", ("error", "invalid-value", 0)),
        ("dns: {upstream_dns: ['[/*.x.lan/]10.0.0.1']}", ("info", "assumed-domain", 0)),
        ("dns: {upstream_dns_file: /x}", ("warning", "unsupported-field", "upstream_dns_file")),
        ("dns: {upstream_mode: fastest}", ("warning", "unsupported-field", "upstream_mode")),
        ("dns: {use_dns64: true}", ("warning", "unsupported-field", "use_dns64")),
        ("dns: {allowed_clients: [10.0.0.1]}", ("warning", "unsupported-field", "allowed_clients")),
        ("clients: {persistent: [{name: x, upstreams: [10.0.0.1]}]}", ("warning", "unsupported-field", 0)),
    ],
)
def test_what_is_noted(text: str, problem: tuple[str, str, object]) -> None:
    assert parsed(text)[1] == [problem]


def test_a_wrong_type_costs_the_file() -> None:
    config, problems = adguard.parse({"dns": {"upstream_dns": "10.0.0.1"}}, ORIGIN)
    assert config is None
    assert noted(problems) == [("error", "wrong-type", "upstream_dns")]
