"""Formats by name, and every configuration file as a document."""

from __future__ import annotations

import pytest

from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.kinds import lower
from gatewright.kinds.intents.naming import ResolverConfig, ResolverFileIntent
from gatewright.kinds.intents.programs import TunnelIntent
from gatewright.kinds.programs.formats import PARSERS
from support.resolved import noted

ORIGIN = Origin("cm.yaml", "1", ("data", "file"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("corefile", ". {\n forward . 10.0.0.1\n}"),
        ("dnsmasq", "no-resolv\nserver=10.0.0.1"),
        ("hosts", "10.0.0.1 a.lan"),
        ("zone", "$ORIGIN x.lan.\na A 10.0.0.1"),
        ("adguard", "dns:\n  upstream_dns: [10.0.0.1]\n"),
    ],
)
def test_a_resolver(name: str, text: str) -> None:
    meaning, problems = PARSERS[name](text, ORIGIN)
    assert isinstance(meaning, ResolverConfig)
    assert meaning != ResolverConfig()
    assert problems == ()


def test_a_tunnel() -> None:
    meaning, problems = PARSERS["cloudflared"]("tunnel: x\ningress: [{service: http://a}]", ORIGIN)
    assert isinstance(meaning, TunnelIntent)
    assert problems == ()


@pytest.mark.parametrize(("text", "problem_id"), [("a: [", "yaml-syntax"), ("- 1", "wrong-type"), ("", "wrong-type")])
def test_text_that_is_no_mapping(text: str, problem_id: str) -> None:
    meaning, problems = PARSERS["adguard"](text, ORIGIN)
    assert meaning is None
    assert [(p.id, p.origin) for p in problems] == [(problem_id, ORIGIN)]


@pytest.mark.parametrize(
    ("kind", "data", "form"),
    [
        ("Corefile", {"text": ". {\n forward . 10.0.0.1\n}"}, "corefile"),
        ("DnsmasqConfig", {"text": "no-resolv"}, "dnsmasq"),
        ("ZoneFile", {"text": "$ORIGIN x.lan.\na A 10.0.0.1"}, "zone"),
        ("AdGuardConfig", {"dns": {}}, "adguard"),
    ],
)
def test_a_resolver_s_file(kind: str, data: dict[str, object], form: str) -> None:
    lowered = lower(Document(Origin("dns/x", "1"), "files.gatewright.dev/v1", kind, "", "dns/x", data))
    assert lowered is not None
    assert isinstance(lowered.intent, ResolverFileIntent)
    assert (lowered.intent.format, lowered.intent.key.name, lowered.problems) == (form, "dns/x", ())


@pytest.mark.parametrize("kind", ["CloudflaredConfig", "NebulaConfig", "AdGuardConfig"])
def test_a_file_of_the_wrong_shape(kind: str) -> None:
    data = {"ingress": "x", "tun": "x", "dns": "x"}
    lowered = lower(Document(Origin("x", "1"), "files.gatewright.dev/v1", kind, "", "x", data))
    assert lowered is not None
    assert lowered.intent is None
    assert "wrong-type" in [problem_id for _, problem_id, _ in noted(lowered.problems)]
