"""Which entries of a Secret are authorities, for clients' certificates and for backends'."""

from __future__ import annotations

import pytest

from gatewright.base.origin import Origin
from gatewright.base.sensitive import Sensitive
from gatewright.graph.builder import Builder
from gatewright.graph.objects import View
from gatewright.graph.resolve.certificates import authorities
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.material import SecretIntent
from support.keys import NOW, pair

ROOT = pair(ca=True, subject="root").cert_pem
SECRET = Key("Secret", "web", "app-tls")


@pytest.mark.parametrize(
    ("entries", "bundle"),
    [
        ({"tls.crt": b"chain", "tls.key": b"key"}, b""),  # as an ACME issuer leaves it
        ({"tls.crt": b"chain", "tls.key": b"key", "ca.crt": ROOT}, ROOT),
        ({"tls.ca": ROOT}, ROOT),
        ({"ca.crt": b"no certificate"}, b""),
    ],
)
def test_a_servers_own_chain_vouches_for_no_client(entries: dict[str, bytes], bundle: bytes) -> None:
    data = tuple((name, Sensitive(value)) for name, value in entries.items())
    builder = Builder(lambda: NOW)
    builder.apply({SECRET: SecretIntent(SECRET, Origin("input.yaml"), "kubernetes.io/tls", data)})
    found = authorities(View(builder.objects, builder), (SECRET,))
    assert found == (bundle, () if bundle else (SECRET,))
