"""Random Ingresses of ingress-nginx with annotations that change what others of their host do.

Counterpart: `random_routes`, whose hosts, Services and doors these are for.
"""

from __future__ import annotations

from random import Random

from support.random_routes import HOSTS, SERVICES, Manifest, meta

PREFIX = "nginx.ingress.kubernetes.io/"
PATHS = ("/", "/a", "/a/", "/a(/|$)(.*)", "/A", "/b")
NAMED = tuple(host for host in HOSTS if "*" not in host)
_CHOICES: tuple[dict[str, str], ...] = (
    {"use-regex": "true"},
    {"rewrite-target": "/$2"},
    {"server-alias": "alias.test"},
    {"server-alias": r"~^w\d+\.test$"},
    {"from-to-www-redirect": "true"},
    {"app-root": "/start"},
    {"force-ssl-redirect": "true"},
    {"whitelist-source-range": "10.0.0.0/8"},
    {"denylist-source-range": "127.0.0.0/8"},
    {"auth-url": "https://$host/a/verify"},
    {"auth-url": "http://one.apps.svc.cluster.local/verify"},
    {"auth-url": "http://missing.apps.svc.cluster.local/verify"},
    {"default-backend": "two"},
    {"default-backend": "missing"},
    {"limit-rps": "5"},
    {"proxy-body-size": "8m"},
    {"proxy-read-timeout": "7"},
)
_CANARIES: tuple[dict[str, str], ...] = (
    {"canary-weight": "20"},
    {"canary-by-header": "X-New"},
    {"canary-by-header": "X-New", "canary-by-header-value": "yes", "canary-weight": "100"},
    {"canary-by-cookie": "new", "canary-weight": "1"},
)


def annotated(seed: int) -> list[Manifest]:
    """Some Ingresses, a few of them canaries of the others."""
    random = Random(f"annotations {seed}")
    plain = [_ingress(f"n{number}", random, _told(random)) for number in range(random.randint(2, 5))]
    canaries = [
        _ingress(f"c{number}", random, {"canary": "true", **random.choice(_CANARIES)})
        for number in range(random.randint(0, 2))
    ]
    return plain + canaries


def _told(random: Random) -> dict[str, str]:
    told: dict[str, str] = {}
    for choice in random.sample(_CHOICES, random.randint(0, 3)):
        told |= choice
    return told


def _ingress(name: str, random: Random, told: dict[str, str]) -> Manifest:
    paths = [
        {
            "path": random.choice(PATHS),
            "pathType": random.choice(["Prefix", "ImplementationSpecific"]),
            "backend": {"service": {"name": random.choice([*SERVICES, "missing"]), "port": {"number": 80}}},
        }
        for _ in range(random.randint(1, 2))
    ]
    host = random.choice(NAMED[:3])
    spec: Manifest = {"ingressClassName": "nginx", "rules": [{"host": host, "http": {"paths": paths}}]}
    if random.random() < 0.3:
        spec["tls"] = [{"hosts": [host], "secretName": "tls"}]
    metadata: Manifest = {**meta(name), "annotations": {PREFIX + key: value for key, value in told.items()}}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}
