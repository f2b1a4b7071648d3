"""The authority that speaks ACME on the rehearsal's internet: pebble, where it may be used and somebody asks for it.

Only for issuers of directories that everybody trusts: those of staging and of private ones are stood in for by
`certificates`.  Counterparts: `acme`, which orders; `proving`, by which it resolves names.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, time, timedelta
from ipaddress import ip_network
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gatewright.engines.certificates import keys, signing
from gatewright.graph import issuing
from gatewright.graph.sight import Sight
from gatewright.rehearsal.acme import CERTIFICATE, CONFIGURATION, DIRECTORY_PORT, KEY, MANAGEMENT_PORT, SPACE, is_public
from gatewright.rehearsal.proving import ADDRESS, PORT
from gatewright.rehearsal.world import INTERNET, Daemon, Draft, File, Role, default_routes

PROGRAM: Final = "pebble"
NETWORK: Final = ip_network("198.18.0.0/15")
"""For networks that are no part of the internet (RFC 2544), so that nobody's description needs them."""

LIFE: Final = timedelta(days=30)


def plan(draft: Draft, sight: Sight) -> None:
    """A server on the internet, where `draft.programs` has pebble and a certificate is wanted of a public directory."""
    if PROGRAM not in draft.programs or not _is_wanted(sight):
        return
    space = draft.space(SPACE, Role.SERVER)
    address = draft.free(NETWORK)
    device, _ = draft.uplink(space, draft.spaces[INTERNET], [address])
    default_routes(space, device)
    certificate, key = _pair(address, sight)
    draft.daemon(
        Daemon(
            SPACE,
            SPACE,
            (PROGRAM, "-config", CONFIGURATION, "-dnsserver", f"{ADDRESS}:{PORT}"),
            ready=tuple(f"tcp:{address}:{port}" for port in (DIRECTORY_PORT, MANAGEMENT_PORT)),
            concerns=SPACE,
            environment={"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"},
        ),
        File(CONFIGURATION, _configuration(address)),
        File(CERTIFICATE, certificate),
        File(KEY, key, secret=True),
    )


def _is_wanted(sight: Sight) -> bool:
    for target in sight.ask(issuing.targets):
        for wanted in sight.ask(issuing.wanted, target):
            issuer = sight.ask(issuing.issuer, wanted.issuer)
            if issuer is not None and is_public(issuer.intent):
                return True
    return False


def _configuration(address: str) -> bytes:
    settings = {
        "listenAddress": f"{address}:{DIRECTORY_PORT}",
        "managementListenAddress": f"{address}:{MANAGEMENT_PORT}",
        "certificate": CERTIFICATE,
        "privateKey": KEY,
        "httpPort": 80,
        "tlsPort": 443,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
    }
    return json.dumps({"pebble": settings}).encode()


def _pair(address: str, sight: Sight) -> tuple[bytes, bytes]:
    """What it shows to those who order: a certificate of its own, which they are told of."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = signing.common_name("the ACME server of the rehearsal")
    today = datetime.combine(sight.today(), time(), UTC)
    validity = (today - timedelta(days=1), today + LIFE)
    certificate: x509.Certificate = signing.certificate(name, key, (address,), signing.Signer(name, key), validity)
    return certificate.public_bytes(serialization.Encoding.PEM), keys.pem(key)
