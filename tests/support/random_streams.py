"""Random routes for whole connections: TLS passed through or ended, plain TCP, UDP; in all dialects.

Counterpart: `random_routes`, whose documents they complete, so that they share ports with HTTP where they may.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from support.random_routes import API, CIDRS, SERVICES, TRAEFIK, Asked, Manifest, asked, meta

TCP, TLS, UDP = 9000, 8443, 9001
NAMES = ("a.example.com", "b.example.com", "c.test", "*.example.com", "*.test", "example.com")
ASKED_FOR = ("a.example.com", "b.example.com", "c.test", "x.a.example.com", "d.test", "")
PASSTHROUGH = {"mode": "Passthrough"}


def streaming(seed: int, documents: list[Manifest]) -> list[Manifest]:
    """The installation with routes for connections beside those for requests."""
    random = Random(f"streams {seed}")
    made = _Streams(random)
    for document in documents:
        if document["kind"] == "Gateway":
            document["spec"]["listeners"] += made.listeners()
        elif document["kind"] == "IngressController" and document["metadata"]["name"] == "tr":
            points = [("web", 80, "HTTP"), ("websecure", 443, "HTTPS"), ("tcp", TCP, "TCP"), ("mixed", TLS, "TCP")]
            points.append(("udp", UDP, "UDP"))
            described = [{"name": name, "port": port, "protocol": protocol} for name, port, protocol in points]
            document["spec"].update(entryPoints=described, defaultEntryPoints=["web", "websecure"])
            described[1]["tls"] = True
    return documents + made.routes()


def asked_to_connect(random: Random) -> Asked:
    """A connection to one of the ports that do more than HTTP; HTTP is spoken in it, so the backend tells its name."""
    one = asked(random)
    port = random.choice([443, 443, 443, 80] if one.gateway == "infra/ng" else [443, 443, TLS, TLS, TCP, 80])
    secure = port == 443 or random.random() < (0.8 if port == TLS else 0.2)
    return replace(one, at=port, secure=secure, sni=random.choice(ASKED_FOR) if secure else "")


class _Streams:
    def __init__(self, random: Random) -> None:
        self._r = random

    def _one(self, chance: float) -> bool:
        return self._r.random() < chance

    def listeners(self) -> list[Manifest]:
        """Listeners for a Gateway, some on ports that have others."""
        everywhere = {"namespaces": {"from": "All"}}
        made: list[Manifest] = [
            {"name": "tcp", "port": TCP, "protocol": "TCP"},
            {"name": "udp", "port": UDP, "protocol": "UDP"},
        ]
        for number, hostname in enumerate(self._r.sample(["*.example.com", "c.test", "b.example.com", ""], 3)):
            tls = PASSTHROUGH if self._one(0.6) else {"certificateRefs": [{"name": "tls"}]}
            port = self._r.choice([443, TLS])
            one: Manifest = {"name": f"t{number}", "port": port, "protocol": "TLS", "tls": tls}
            made.append({**one, **({"hostname": hostname} if hostname else {})})
        return [{**one, "allowedRoutes": everywhere} for one in made]

    def routes(self) -> list[Manifest]:
        """Routes of every kind that is about connections."""
        made = [self._tls_route(f"s{n}") for n in range(self._r.randint(1, 4))]
        made += [self._plain_route("TCPRoute"), self._plain_route("UDPRoute")]
        made += [self._ingress_route_tcp(f"c{n}") for n in range(self._r.randint(1, 5))]
        made.append(
            {
                "apiVersion": TRAEFIK,
                "kind": "IngressRouteUDP",
                "metadata": meta("u"),
                "spec": {"entryPoints": ["udp"], "routes": [{"services": self._services(1)}]},
            }
        )
        inside = {"ipAllowList": {"sourceRange": self._r.sample(CIDRS, 2)}}
        made.append({"apiVersion": TRAEFIK, "kind": "MiddlewareTCP", "metadata": meta("near"), "spec": inside})
        return made + [self._ingress(f"p{n}") for n in range(self._r.randint(0, 2))]

    def _services(self, most: int = 2) -> list[Manifest]:
        chosen = self._r.sample([*SERVICES, "missing"], self._r.randint(1, most))
        return [{"name": name, "port": 80, "weight": self._r.choice([0, 1, 1, 2])} for name in chosen]

    def _tls_route(self, name: str) -> Manifest:
        parent: Manifest = {"name": "gw", "namespace": "infra"}
        if self._one(0.3):
            parent["sectionName"] = self._r.choice(["t0", "t1"])
        rules = [{"backendRefs": self._services()}]
        spec = {"parentRefs": [parent], "hostnames": self._r.sample(NAMES, self._r.randint(1, 2)), "rules": rules}
        return {"apiVersion": API, "kind": "TLSRoute", "metadata": meta(name), "spec": spec}

    def _plain_route(self, kind: str) -> Manifest:
        parent = {"name": "gw", "namespace": "infra", "sectionName": kind[:3].lower()}
        spec = {"parentRefs": [parent], "rules": [{"backendRefs": self._services(1 if kind == "UDPRoute" else 2)}]}
        return {"apiVersion": f"{API}alpha2", "kind": kind, "metadata": meta("plain"), "spec": spec}

    def _ingress_route_tcp(self, name: str) -> Manifest:
        r = self._r
        spec: Manifest = {"entryPoints": r.sample(["websecure", "tcp", "mixed", "mixed"], r.randint(1, 2))}
        spec["ingressClassName"] = "traefik"
        match = "HostSNI(`*`)"
        if self._one(0.75):
            spec["tls"] = r.choice([{}, {"passthrough": True}, {"secretName": "wide"}])
            kind = r.random()
            if kind < 0.7:
                match = f"HostSNI(`{r.choice(NAMES[:3])}`)"
            elif kind < 0.85:
                match = "HostSNIRegexp(`^[ab]\\.example\\.com$`)"
        if self._one(0.2):
            match += f" && ClientIP(`{r.choice(CIDRS)}`)"
        rule: dict[str, Any] = {"match": match, "services": self._services()}
        if self._one(0.2):
            rule["middlewares"] = [{"name": "near"}]
        return {
            "apiVersion": TRAEFIK,
            "kind": "IngressRouteTCP",
            "metadata": meta(name),
            "spec": {**spec, "routes": [rule]},
        }

    def _ingress(self, name: str) -> Manifest:
        service = {"name": self._r.choice(SERVICES), "port": {"number": 80}}
        paths = [{"path": "/", "pathType": "Prefix", "backend": {"service": service}}]
        rules = [{"host": self._r.choice(NAMES), "http": {"paths": paths}}]
        metadata: Manifest = {**meta(name), "annotations": {"nginx.ingress.kubernetes.io/ssl-passthrough": "true"}}
        spec = {"ingressClassName": "nginx", "rules": rules}
        return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}
