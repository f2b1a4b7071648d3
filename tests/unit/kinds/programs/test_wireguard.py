"""WireGuard configurations; above all, that no key is ever shown."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.kinds import lower
from gatewright.kinds.intents.programs import LinkFileIntent
from gatewright.kinds.programs import wireguard
from support.resolved import noted

ORIGIN = Origin("wg0.conf", "1")


def keys() -> tuple[str, str]:
    """A new private key and its public one, as `wg` writes them."""
    private = X25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    return base64.b64encode(private.private_bytes_raw()).decode(), base64.b64encode(public).decode()


def test_an_end() -> None:
    private, public = keys()
    _, peer = keys()
    preshared, _ = keys()
    text = f"""\
# edge
[Interface]
PrivateKey = {private}
Address = 10.8.0.1/24, fd00:8::1/64
Address = 10.9.0.1/32
listenport=51820
MTU = 1380
DNS = 10.8.0.1
PostUp = iptables -A FORWARD -i %i -j ACCEPT

[peer]
# home
PublicKey = {peer}
PresharedKey = {preshared}
Endpoint = home.example.com:51820
AllowedIPs = 10.8.0.2/32, 192.168.178.5/24
AllowedIPs = fd00::/8
PersistentKeepalive = 25

[Peer]
PublicKey = {public}
Endpoint = [2001:db8::1]:51820
"""
    intent, problems = wireguard.parse(text, ORIGIN)
    assert noted(problems) == [("info", "unsupported-option", 9)]
    assert (intent.addresses, intent.mtu, intent.listen_port) == (("10.8.0.1", "fd00:8::1", "10.9.0.1"), 1380, 51820)
    assert intent.public_key == public
    first, second = intent.peers
    assert (first.public_key, first.endpoint, first.preshared) == (peer, "home.example.com:51820", True)
    assert first.allowed_ips == ("10.8.0.2/32", "192.168.178.0/24", "fd00::/8")
    assert first.origin.path == ("line", 11)
    assert (second.endpoint, second.preshared, second.allowed_ips) == ("[2001:db8::1]:51820", False, ())
    assert private not in repr(intent) + repr(problems)
    assert preshared not in repr(intent) + repr(problems)


@pytest.mark.parametrize(
    "lines",
    [
        "[Interface]\nPrivateKey = {}x",
        "[Interface]\nPrivateKey {}",
        "[Interface]\n{}",
        "[Interface]\nPrivateKye = {}",
        "[Interface]\nAddress = {}",
        "[Interface]\nMTU = {}",
        "[{}]",
        "{}",
        "[Peer]\nPrivateKey = {}",
        "[Peer]\nPublicKey = {}=\n",
        "[Peer]\nAllowedIPs = {}\nEndpoint = {}",
        "[Interface]\nPostUp = wg set %i private-key {}\nTable = {}",
    ],
)
def test_a_key_is_shown_nowhere(lines: str) -> None:
    private, _ = keys()
    intent, problems = wireguard.parse(lines.replace("{}", private), ORIGIN)
    assert problems
    assert private[:20].lower() not in (repr(intent) + repr(problems)).lower()


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("Adress = 10.0.0.1/24", ("error", "unknown-option", 2)),
        ("PublicKey = x", ("error", "invalid-value", 2)),
        ("Address = 10.0.0.1/33", ("error", "invalid-value", 2)),
        ("MTU = 100", ("error", "invalid-value", 2)),
        ("ListenPort = 70000", ("error", "invalid-value", 2)),
        ("PrivateKey = <your key>", ("info", "placeholder", 2)),
        ("Table = off", ("info", "unsupported-option", 2)),
        ("[Peers]", ("error", "unknown-section", 2)),
        ("[Peer]", ("error", "missing-field", 2)),
        ("[Peer]\nPublicKey = x", ("error", "invalid-value", 3)),
    ],
)
def test_what_is_noted(lines: str, problem: tuple[str, str, object]) -> None:
    _, problems = wireguard.parse(f"[Interface]\n{lines}\n", ORIGIN)
    assert noted(problems) == [problem]


def test_the_nearest_option_is_suggested() -> None:
    _, problems = wireguard.parse("[Interface]\nAdress = 10.0.0.1/24", ORIGIN)
    assert problems[0].hint == "did you mean Address?"


@pytest.mark.parametrize("endpoint", ["home.example.com", "2001:db8::1", "home example:1", ":51820", "x:port"])
def test_endpoints_that_are_none(endpoint: str) -> None:
    _, public = keys()
    intent, problems = wireguard.parse(f"[Interface]\n[Peer]\nPublicKey = {public}\nEndpoint = {endpoint}", ORIGIN)
    assert intent.peers[0].endpoint == ""
    assert noted(problems) == [("error", "invalid-value", 4)]


def test_as_a_document() -> None:
    document = Document(ORIGIN, "files.gatewright.dev/v1", "WireGuardConfig", "", "net/wg0.conf", {"text": ""})
    lowered = lower(document)
    assert lowered is not None
    assert isinstance(lowered.intent, LinkFileIntent)
    assert lowered.intent.key.name == "net/wg0.conf"
    assert noted(lowered.problems) == [("error", "missing-field", 1)]
