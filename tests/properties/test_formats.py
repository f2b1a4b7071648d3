"""Whatever a configuration file holds, reading it is total: a value and Problems, never an exception, never slow."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.kinds import lower
from gatewright.kinds.programs import wireguard
from gatewright.kinds.programs.configtext import MAX_PROBLEMS
from gatewright.kinds.programs.formats import PARSERS

ORIGIN = Origin("db.example.com", "1")
TEXTS: dict[str, Any] = {**PARSERS, "wireguard": wireguard.parse}
WORDS = st.sampled_from(
    r"""
    { } ( ) [ ] " ; # = / , . : @ * $ \ \" { {{ }} import (a) a x.lan *.x.lan 10.0.0.1 fd00::1 10.0.0.0/8 300 1h IN A
    AAAA CNAME SOA TXT MX SRV $ORIGIN $TTL $INCLUDE forward hosts template rewrite name exact k8s_gateway kubernetes
    file fallthrough match answer rcode NXDOMAIN policy except resources .:53 tls://1.1.1.1 address= server=
    local= host-record= cname=
    address=/x/10.0.0.1 server=/x/# /etc/resolv.conf [Interface] [Peer] PrivateKey Address AllowedIPs Endpoint MTU {$V}
    ||x.lan^$dnsrewrite= é ٣ ²
    """.split()  # noqa: SIM905
)
LINES = st.lists(st.lists(WORDS, max_size=6).map(" ".join), max_size=12).map("\n".join)
ANY_TEXT = st.text() | LINES | st.lists(WORDS | st.characters(), max_size=40).map("".join)


@pytest.mark.parametrize("name", sorted(TEXTS))
@given(text=ANY_TEXT)
def test_any_text_is_read(name: str, text: str) -> None:
    _, problems = TEXTS[name](text, ORIGIN)
    assert len(problems) <= MAX_PROBLEMS + 5
    for problem in problems:
        assert problem.message
        assert problem.origin is not None
        assert problem.origin.file == ORIGIN.file


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | WORDS
FIELDS = st.sampled_from(
    """
    dns upstream_dns rewrites domain answer enabled filtering user_rules clients persistent upstreams aaaa_disabled
    tunnel ingress hostname service path originRequest noTLSVerify url pki static_host_map lighthouse listen
    port tun mtu
    unsafe_routes route via firewall inbound outbound proto host cidr groups text
    """.split()  # noqa: SIM905
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS | st.text(max_size=4), inner, max_size=5),
    max_leaves=25,
)
KINDS = (
    "Corefile",
    "DnsmasqConfig",
    "ZoneFile",
    "WireGuardConfig",
    "AdGuardConfig",
    "CloudflaredConfig",
    "NebulaConfig",
)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.dictionaries(FIELDS | st.text(max_size=4), ANYTHING, max_size=6))
def test_any_document_is_lowered(kind: str, data: dict[str, Any]) -> None:
    lowered = lower(Document(ORIGIN, "files.gatewright.dev/v1", kind, "", ORIGIN.file, data))
    assert lowered is not None
    assert lowered.intent is not None or lowered.problems


REPEATED = [
    '"',
    "(",
    ")",
    "{\n",
    "}\n",
    "{",
    "\\",
    '\\"',
    "a ",
    "a.",
    "/",
    "=",
    "[",
    "#",
    ";",
    " ",
    "\n",
    "||",
    ",",
    "import a\n",
]


@pytest.mark.parametrize("name", sorted(set(TEXTS) - {"adguard", "cloudflared"}))
@pytest.mark.parametrize("unit", REPEATED)
def test_long_monotonous_text_is_read(name: str, unit: str) -> None:
    """A quadratic reader would not come back from this."""
    for text in (unit * 20_000, "a " + unit * 20_000, unit * 20_000 + "\nx A 10.0.0.1"):
        TEXTS[name](text, ORIGIN)
