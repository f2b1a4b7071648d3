"""Is this Secret a usable certificate?  And the CA bundles that ConfigMaps and Secrets hold."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from cryptography import x509

from gatewright.base.keypair import Fault, inspect
from gatewright.base.problem import Problem, Severity
from gatewright.base.sensitive import Sensitive
from gatewright.graph.nodes import Certificate
from gatewright.graph.objects import View
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.issuance import CertificateIntent
from gatewright.kinds.intents.material import SecretIntent

# Faults that do not keep clients from accepting the certificate for the right name.
TOLERABLE = frozenset({Fault.CHAIN_ORDER, Fault.NO_NAMES})
CA_KEYS = ("ca.crt", "ca.pem", "tls.ca")
"""A server's own chain (tls.crt) is none of them: whoever its issuer has certified would be let in as a client."""


def certificate(view: View, key: Key, now: datetime) -> tuple[Certificate | None, tuple[Problem, ...]]:
    """The certificate in a TLS Secret; None with a Problem when it is missing, expired, mismatched or unreadable."""
    secret = view.get(key, SecretIntent)
    if secret is None:
        return None, ()  # who refers to it reports it, at the reference
    chain, private = secret.get("tls.crt") or b"", secret.get("tls.key") or b""
    facts = inspect(chain, private, now)
    renewed = bool(view.listed("certificates-for", key, CertificateIntent)) if facts.faults else False
    problems = tuple(_problem(key, secret, fault, renewed) for fault in facts.faults)
    if not TOLERABLE.issuperset(facts.faults):
        return None, problems
    return Certificate(key, secret.origin, chain, Sensitive(private), facts), problems


def _problem(key: Key, secret: SecretIntent, fault: Fault, renewed: bool) -> Problem:
    """What is wrong with a pair.  `renewed`: a Certificate makes it, so an old copy says little."""
    if fault is Fault.EXPIRED and renewed:
        hint = "drop the copy from the manifests: its Certificate makes it"
        return Problem("certificate-expired", f"{key}: {fault}", secret.origin, Severity.INFO, hint)
    hint, severity = "replace tls.crt and tls.key", Severity.WARNING
    if fault not in TOLERABLE:
        hint, severity = f"{hint}; until then a certificate of the private CA is served", Severity.ERROR
    if fault is Fault.EXPIRED:
        return Problem("certificate-expired", f"{key}: {fault}", secret.origin, severity, hint)
    return Problem("unusable-certificate", f"{key}: {fault}", secret.origin, severity, hint)


def authorities(view: View, keys: tuple[Key, ...], entry: str = "") -> tuple[bytes, tuple[Key, ...]]:
    """The PEM bundle of CA references, and those that are missing or empty.  `entry`: where it is, "" as usual."""
    bundle, missing = b"", []
    for key in keys:
        found = view.get(key, SecretIntent)
        pem = next((value for name in ((entry,) if entry else CA_KEYS) if found and (value := found.get(name))), None)
        if pem is None or not readable(pem):
            missing.append(key)
        else:
            bundle += pem.rstrip() + b"\n"
    return bundle, tuple(missing)


@lru_cache(maxsize=256)
def readable(pem: bytes) -> bool:
    """Are these certificates, at least one and all of them?  With others a data plane would refuse the whole door."""
    try:
        return bool(x509.load_pem_x509_certificates(pem))
    except ValueError:
        return False


# With one of these on an Ingress or a Gateway, cert-manager makes the Secrets that it names (its two shims).
ISSUER_ANNOTATIONS = frozenset({"cert-manager.io/issuer", "cert-manager.io/cluster-issuer", "kubernetes.io/tls-acme"})


def promised(view: View, secret: Key, annotations: tuple[tuple[str, str], ...]) -> bool:
    """Will somebody make this Secret: a Certificate that names it, or the issuer that its owner's annotations name?"""
    return any(name in ISSUER_ANNOTATIONS for name, _ in annotations) or bool(
        view.listed("certificates-for", secret, CertificateIntent)
    )
