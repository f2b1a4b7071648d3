"""Is this Secret a usable certificate?  And the CA bundles that ConfigMaps and Secrets hold."""

from __future__ import annotations

from datetime import datetime

from gatewright.base.keypair import Fault, inspect
from gatewright.base.problem import Problem, Severity
from gatewright.base.sensitive import Sensitive
from gatewright.graph.nodes import Certificate
from gatewright.graph.objects import View
from gatewright.kinds.intents import Key, SecretIntent
from gatewright.kinds.world import CertificateIntent

# Faults that do not keep clients from accepting the certificate for the right name.
TOLERABLE = frozenset({Fault.CHAIN_ORDER, Fault.NO_NAMES})
CA_KEYS = ("ca.crt", "ca.pem", "tls.ca", "tls.crt")


def certificate(view: View, key: Key, now: datetime) -> tuple[Certificate | None, tuple[Problem, ...]]:
    """The certificate in a TLS Secret; None with a Problem when it is missing, expired, mismatched or unreadable."""
    secret = view.get(key, SecretIntent)
    if secret is None:
        return None, ()  # who refers to it reports it, at the reference
    chain, private = secret.get("tls.crt") or b"", secret.get("tls.key") or b""
    facts = inspect(chain, private, now)
    problems = tuple(
        Problem(
            "unusable-certificate",
            f"{key}: {fault}",
            secret.origin,
            Severity.WARNING if fault in TOLERABLE else Severity.ERROR,
            "replace tls.crt and tls.key"
            if fault in TOLERABLE
            else "replace tls.crt and tls.key; until then a certificate of the private CA is served",
        )
        for fault in facts.faults
    )
    if not TOLERABLE.issuperset(facts.faults):
        return None, problems
    return Certificate(key, secret.origin, chain, Sensitive(private), facts), problems


def authorities(view: View, keys: tuple[Key, ...]) -> tuple[bytes, tuple[Key, ...]]:
    """The PEM bundle of CA references, and those that are missing or empty."""
    bundle, missing = b"", []
    for key in keys:
        found = view.get(key, SecretIntent)
        pem = next((value for name in CA_KEYS if found and (value := found.get(name))), None)
        if pem is None:
            missing.append(key)
        else:
            bundle += pem.rstrip() + b"\n"
    return bundle, tuple(missing)


# With one of these on an Ingress or a Gateway, cert-manager makes the Secrets that it names (its two shims).
ISSUER_ANNOTATIONS = frozenset({"cert-manager.io/issuer", "cert-manager.io/cluster-issuer", "kubernetes.io/tls-acme"})


def promised(view: View, secret: Key, annotations: tuple[tuple[str, str], ...]) -> bool:
    """Will somebody make this Secret: a Certificate that names it, or the issuer that its owner's annotations name?"""
    return any(name in ISSUER_ANNOTATIONS for name, _ in annotations) or bool(
        view.listed("certificates-for", secret, CertificateIntent)
    )
