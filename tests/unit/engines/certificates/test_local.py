"""Issuers that are Secrets of the manifests: what they sign is what OpenSSL would accept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509 import verification
from msgspec import structs

from gatewright.base.keypair import inspect
from gatewright.base.sensitive import Sensitive
from gatewright.engines.certificates import keys
from gatewright.engines.certificates.issued import Issued
from gatewright.engines.certificates.local import local_obtainer
from gatewright.engines.certificates.obtaining import IssueError
from gatewright.graph.issuing import Issuer, Wanted
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.issuance import IssuerIntent, PrivateKey
from support.issuing import AT, DAY, EC, ISSUER, wanted
from support.keys import NOW, Pair, pair

CA = Key("Secret", "web", "ca")


def of_ca(chain: bytes, key: bytes) -> Issuer:
    entries = ((CA, "tls.crt"), Sensitive(chain)), ((CA, "tls.key"), Sensitive(key))
    return Issuer(IssuerIntent(ISSUER, AT, "ca", ca=CA), entries)


def self_signed() -> Issuer:
    return Issuer(IssuerIntent(ISSUER, AT, "selfSigned"))


def obtained(issuer: Issuer, item: Wanted) -> Issued:
    return local_obtainer(issuer, lambda: NOW).obtain(item, keys.new(item.private_key))


def verified(issued: Issued, name: str) -> int:
    """How long the chain is that a client finds; raises VerificationError."""
    leaf, *others = x509.load_pem_x509_certificates(issued.chain)
    store = verification.Store(x509.load_pem_x509_certificates(issued.ca))
    verifier = verification.PolicyBuilder().store(store).time(NOW).build_server_verifier(x509.DNSName(name))
    return len(verifier.verify(leaf, others))


ROOT = wanted("root", private_key=EC, is_ca=True, common_name="our root")


@pytest.mark.parametrize("key", [EC, PrivateKey(), PrivateKey("ECDSA", 384)], ids=str)
def test_from_self_signed_to_ca_to_leaf(key: PrivateKey) -> None:
    root = obtained(self_signed(), structs.replace(ROOT, names=(), private_key=key))
    leaf = obtained(of_ca(root.chain, root.key.reveal()), wanted("a", private_key=key))
    assert verified(leaf, "a.example.com") == 2
    assert leaf.ca == root.chain
    assert inspect(leaf.chain, leaf.key.reveal(), NOW).faults == ()


def test_an_intermediate_is_part_of_the_chain() -> None:
    root = obtained(self_signed(), structs.replace(ROOT, names=()))
    middle = obtained(of_ca(root.chain, root.key.reveal()), structs.replace(ROOT, id="web/middle", common_name="m"))
    leaf = obtained(of_ca(middle.chain + root.chain, middle.key.reveal()), wanted())
    assert len(x509.load_pem_x509_certificates(leaf.chain)) == 2
    assert leaf.ca == root.chain
    assert verified(leaf, "a.example.com") == 3


def test_a_self_signed_server() -> None:
    issued = obtained(self_signed(), wanted("a", "a.example.com", "192.0.2.1", private_key=PrivateKey("Ed25519")))
    facts = inspect(issued.chain, issued.key.reveal(), NOW)
    assert (facts.faults, facts.names, facts.addresses) == ((), ("a.example.com",), ("192.0.2.1",))
    assert issued.ca == issued.chain


@pytest.mark.parametrize(("duration", "days"), [(0.0, 29), (10 * DAY, 10)])
def test_it_lives_as_long_as_it_is_to_and_no_longer_than_its_ca(duration: float, days: int) -> None:
    root = pair(ca=True, days=29)
    issued = obtained(of_ca(root.cert_pem, root.key_pem), wanted("a", duration=duration))
    facts = inspect(issued.chain, issued.key.reveal(), NOW)
    assert facts.not_after == NOW + timedelta(days=days)
    assert facts.not_before is not None
    assert facts.not_before < NOW


def _no_longer(_root: Pair) -> tuple[bytes, bytes]:
    old = pair(ca=True, now=NOW - timedelta(days=99), days=10)
    return old.cert_pem, old.key_pem


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda root: (root.cert_pem, pair().key_pem), "does not belong"),
        (lambda root: (b"x", root.key_pem), "not readable"),
        (_no_longer, "has expired"),
        (lambda _: ((leaf := pair("a.example.com")).cert_pem, leaf.key_pem), "is no CA"),
    ],
)
def test_a_ca_that_is_none(spoil: Any, says: str) -> None:
    root = pair(ca=True)
    with pytest.raises(IssueError, match=says) as told:
        obtained(of_ca(*spoil(root)), wanted())
    assert told.value.permanent


def test_a_ca_that_is_not_there_yet_is_waited_for() -> None:
    with pytest.raises(IssueError, match=r"Secret web/ca has no CA") as told:
        obtained(Issuer(IssuerIntent(ISSUER, AT, "ca", ca=CA)), wanted())
    assert not told.value.permanent
