"""ACME with pebble as the authority: what users ask for, as the server sees it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from gatewright.engines.certificates.obtaining import IssueError
from support.acme_issuing import issuer, names_in, new_key, obtainer, wanted
from support.acme_names import TxtServer, txt_server
from support.pebble import pebble

pytestmark = pytest.mark.real


@pytest.fixture
def names() -> Iterator[TxtServer]:
    with txt_server() as server:
        yield server


def test_a_wildcard_and_its_apex(tmp_path: Path, names: TxtServer) -> None:
    with pebble(tmp_path, dns=names.address) as ca:
        key = new_key()
        issued = obtainer(tmp_path / "state", ca, names).obtain(wanted("shop.test", "*.shop.test"), key)
        root = x509.load_pem_x509_certificate(ca.roots()[0])
    assert names_in(issued.chain) == {"shop.test", "*.shop.test"}
    assert issued.key == key
    assert x509.load_pem_x509_certificates(issued.chain)[-1].issuer == root.subject
    # One name, two values, and nothing is left behind.
    assert {challenge.record for challenge in names.put_up} == {"_acme-challenge.shop.test"}
    assert len({challenge.value for challenge in names.put_up}) == 2
    assert names.records == {}
    assert list((tmp_path / "state" / "orders").iterdir()) == []
