"""Issuers, wanted certificates and obtainers for tests of ACME."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from gatewright.base.origin import Origin
from gatewright.base.sensitive import Sensitive
from gatewright.engines.certificates.challenge import ChallengeSolver
from gatewright.engines.certificates.orders import AcmeObtainer, AcmeOptions
from gatewright.engines.certificates.request import names_of
from gatewright.graph.issuing import Issuer, Wanted
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.issuance import AcmeSettings, IssuerIntent, Solver
from support import keys
from support.pebble import Pebble

HERE = Origin("issuers.yaml")
ISSUER = Key("ClusterIssuer", "", "local")
EVERYTHING = Solver("dns01", HERE, provider="ours")
HTTP = Solver("http01", HERE)


def issuer(
    *solvers: Solver,
    server: str = "https://ca.test/dir",
    acme: AcmeSettings | None = None,
    secrets: dict[tuple[Key, str], bytes] | None = None,
) -> Issuer:
    intent = IssuerIntent(ISSUER, HERE, "acme", server, solvers or (EVERYTHING,), acme=acme or AcmeSettings())
    return Issuer(intent, tuple((where, Sensitive(value)) for where, value in (secrets or {}).items()))


def wanted(*names: str, id: str = "", labels: dict[str, str] | None = None) -> Wanted:
    name = id or f"shop/{names[0].replace('*', 'star')}"
    target = Key("Secret", *name.split("/"))
    return Wanted(name, target, HERE, names, ISSUER, labels=tuple((labels or {}).items()))


def new_key() -> Sensitive:
    return Sensitive(keys.key_pem(ec.generate_private_key(ec.SECP256R1())))


def obtainer(
    folder: Path,
    ca: Pebble | tuple[str, Path],
    solver: ChallengeSolver,
    by: Issuer | None = None,
    *,
    patience: float = 60.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.time,
    tell: Callable[[str], None] = lambda _message: None,
) -> AcmeObtainer:
    """From pebble, or from a directory with the file of whom to trust for it."""
    directory, trust = (ca.directory, ca.trust_file) if isinstance(ca, Pebble) else ca
    options = AcmeOptions(directory, trust, patience=patience, tell=tell)
    return AcmeObtainer(folder, by or issuer(), options, lambda *_: solver, clock=clock, sleep=sleep)


def names_in(chain: bytes) -> frozenset[str]:
    return names_of(x509.load_pem_x509_certificate(chain))
