"""Certificates for a random installation: several for one name, names without one, Secrets that do not exist.

Counterpart: `random_routes`, whose documents these functions take and complete; what a seed names there stays the same.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from random import Random

from support.keys import Pair, pair
from support.random_routes import Manifest, meta

NAMES = {
    "tls": ("gateway.test", "*.example.com", "*.test"),
    "wide": ("*.example.com", "*.a.example.com", "example.com"),
    "narrow": ("a.example.com", "c.test"),
    "other": ("other.test",),
}
"""The Secrets of each namespace, and what their certificates are made out to."""
NAMESPACES = ("infra", "apps")
REFERRED = (*NAMES, "gone")


def pairs() -> dict[tuple[str, str], Pair]:
    """A pair for each Secret, by namespace and name; no two are equal."""
    return {(namespace, name): pair(*names) for namespace in NAMESPACES for name, names in NAMES.items()}


def secrets(made: Mapping[tuple[str, str], Pair]) -> list[Manifest]:
    """The Secrets that hold the pairs."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": meta(name, namespace),
            "type": "kubernetes.io/tls",
            "data": {
                "tls.crt": base64.b64encode(one.cert_pem).decode(),
                "tls.key": base64.b64encode(one.key_pem).decode(),
            },
        }
        for (namespace, name), one in made.items()
    ]


def certified(seed: int, documents: list[Manifest], made: Mapping[tuple[str, str], Pair]) -> list[Manifest]:
    """The installation with other certificates at its listeners, controllers and routes."""
    random = Random(f"certificates {seed}")
    kept = [document for document in documents if document.get("type") != "kubernetes.io/tls"]
    for document in kept:
        _refer(random, document)
    return [*kept, *secrets(made)]


def _refer(random: Random, document: Manifest) -> None:
    spec = document.get("spec", {})
    match document["kind"]:
        case "Gateway":
            for listener in spec["listeners"]:
                if listener["protocol"] == "HTTPS":
                    chosen = random.sample(REFERRED, random.randint(1, 2))
                    listener["tls"] = {"certificateRefs": [{"name": name} for name in chosen]}
        case "IngressController":
            spec["defaultCertificate"] = {"name": random.choice(REFERRED)}
            if random.random() < 0.4:
                del spec["defaultCertificate"]
        case "IngressRoute" if "tls" in spec and random.random() < 0.7:
            spec["tls"] = {"secretName": random.choice(REFERRED)}
        case "Ingress" if random.random() < 0.6:
            hosts = [rule["host"] for rule in spec["rules"] if "host" in rule]
            spec["tls"] = [{"hosts": hosts[:1], "secretName": random.choice(REFERRED)}]
