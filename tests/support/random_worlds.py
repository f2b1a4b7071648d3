"""Random small worlds: the installations of `random_routes` with sites, links, firewalls, DNS, pools and policies.

A seed names a world.  Names are few and the same in all worlds, so that a document of one may take the place of
another's, and what refers to what may go in circles: CNAMEs, ExternalNames, resolvers, links, redirects.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from support.random_routes import API, SERVICES, Manifest, installation, meta

MAP = "gatewright.dev/v1alpha1"
EDGE, EDGE6, HOME, HOME6 = "203.0.113.9", "2001:db8:1::9", "192.168.178.5", "fd00:178::5"
VIP, VIP6, NOWHERE = "192.168.178.60", "fd00:178::60", "203.0.113.77"
ADDRESSES = (EDGE, EDGE6, HOME, HOME6, VIP, VIP6, NOWHERE, "10.9.0.1", "100.64.7.7")
DOORS = (EDGE, EDGE6, HOME, VIP)
NAMES = ("a.example.com", "b.example.com", "x.a.example.com", "example.com", "loop.example.com", "c.test")
TARGETS = (*NAMES, "elsewhere.example.net", "two.apps.svc.cluster.local", "ext.apps.svc.cluster.local", "d.test")


def world(seed: int, chain: bytes = b"", key: bytes = b"", authority: bytes = b"") -> dict[str, Manifest]:
    """The documents of one world, each under the name of a file of its own.  Its vantages trust the authority."""
    made = _World(Random(seed))
    found = [*installation(seed, chain, key), *made.doors(), *made.places(), *made.names(), *made.cluster()]
    ca = {"ca.crt": authority.decode()}
    found.append({"apiVersion": "v1", "kind": "Secret", "metadata": meta("ca", "infra"), "stringData": ca})
    files: dict[str, Manifest] = {}
    for data in found:  # a later document of one identity replaces the earlier one
        files[file_of(data)] = data
    return files


def file_of(data: Manifest) -> str:
    """The file in which a document is kept."""
    about = data["metadata"]
    return f"{data['kind']}-{about.get('namespace', '')}-{about['name']}.yaml".lower()


def write(folder: Path, files: dict[str, Manifest]) -> None:
    """One file each."""
    for name, data in files.items():
        (folder / name).write_text(text(data))


def text(data: Manifest) -> str:
    """A document as YAML, which JSON is."""
    return json.dumps(data, indent=1) + "\n"


class _World:
    def __init__(self, random: Random) -> None:
        self._r = random

    def _one(self, chance: float = 0.5) -> bool:
        return self._r.random() < chance

    def _some(self, values: tuple[str, ...], most: int) -> list[str]:
        return self._r.sample(values, self._r.randint(1, most))

    def _map(self, kind: str, name: str, spec: dict[str, Any], **about: str) -> Manifest:
        return {"apiVersion": MAP, "kind": kind, "metadata": {"name": name, **about}, "spec": spec}

    # --- doors ---

    def doors(self) -> list[Manifest]:
        r = self._r
        certificate = {"name": "tls"}
        runs_on = r.choice([[{"node": "cloud/edge"}], [{"node": "home/n1"}], [{"cluster": "home/k"}], []])
        settings = {"allowCrossNamespace": True, "allowExternalNameServices": self._one(0.7), "runsOn": runs_on}
        entries = [{"name": "web", "port": 80, "protocol": "HTTP"}, {"name": "db", "port": 5432, "protocol": "TCP"}]
        traefik = {"implementation": "traefik", "defaultCertificate": certificate, "settings": settings}
        if self._one(0.7):
            traefik["addresses"] = self._some(DOORS, 2)
        else:
            traefik["service"] = {"name": "door"}
        if self._one(0.3):
            traefik["entryPoints"] = entries
        nginx = {"implementation": "ingress-nginx", "addresses": self._some(DOORS, 2)}
        extra = {"implementation": "gateway-api", "addresses": self._some(DOORS, 2), "settings": {"runsOn": runs_on}}
        found = [
            self._map("IngressController", "tr", traefik, namespace="infra"),
            self._map("IngressController", "ng", {**nginx, "defaultCertificate": certificate}, namespace="infra"),
            self._service("door", "infra", "LoadBalancer", externalTrafficPolicy=r.choice(["Local", "Cluster"])),
            self._deployment("door", "infra"),
        ]
        return [*found, self._map("IngressController", "gw", extra, namespace="infra")] if self._one(0.6) else found

    def _service(self, name: str, namespace: str, type_: str, **more: Any) -> Manifest:
        ports = [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "alt", "port": 443, "targetPort": 8443}]
        spec = {"type": type_, "selector": {"app": name}, "ports": ports, **more}
        return {"apiVersion": "v1", "kind": "Service", "metadata": meta(name, namespace), "spec": spec}

    def _deployment(self, name: str, namespace: str) -> Manifest:
        port = {"containerPort": 8080, **({"hostPort": 80} if self._one(0.2) else {})}
        pod = {"containers": [{"name": "c", "image": "c", "ports": [port]}], "hostNetwork": self._one(0.1)}
        template = {"metadata": {"labels": {"app": name}}, "spec": pod}
        spec = {"selector": {"matchLabels": {"app": name}}, "template": template, "replicas": 2}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta(name, namespace), "spec": spec}

    # --- sites, links, firewalls, vantages ---

    def places(self) -> list[Manifest]:
        r = self._r
        pods = r.choice(["10.42.0.0/16", "10.9.0.0/16", "192.168.0.0/16"])
        lan = {"name": "lan", "cidrs": ["192.168.178.0/24", "fd00:178::/64"], "dhcp": ["192.168.178.50-192.168.178.90"]}
        k = {"name": "k", "podCIDRs": [pods], "serviceCIDRs": ["10.43.0.0/16"], "nodes": ["n1", "n2", "cloud/edge"]}
        nodes = [{"name": "n1", "addresses": [HOME, HOME6]}, {"name": "n2", "addresses": ["192.168.178.6"]}]
        cloud = {
            "networks": [{"name": "dc", "cidrs": ["203.0.113.0/24", "2001:db8:1::/64"]}],
            "nodes": [{"name": "edge", "addresses": [EDGE, EDGE6]}],
        }
        ends = [
            {"node": "cloud/edge", "addresses": ["10.9.0.1"], "routes": self._routes(), "endpoint": f"{EDGE}:51820"},
            {"node": "home/n1", "addresses": ["10.9.0.2"], "routes": self._routes()},
        ]
        loop = [{"node": "home/n2", "routes": self._routes()}, {"node": "home/n1", "routes": self._routes()}]
        trust = {"trust": ["public", {"secret": {"namespace": "infra", "name": "ca"}}]}
        asked = r.choice([["ad"], ["ad", "fritz"], ["fritz"], []])
        found = [
            self._map("Site", "home", {"networks": [lan], "nodes": nodes, "clusters": [k]}),
            self._map("Site", "cloud", cloud),
            self._map("Link", "wg", {"type": "WireGuard", "mtu": r.choice([1280, 1370, 1420]), "ends": ends}),
            self._map("Firewall", "edge", self._firewall("cloud/edge", EDGE)),
            self._map("Vantage", "phone", {"network": "internet", **trust}),
            self._map("Vantage", "laptop", {"network": "home/lan", "resolvers": asked, **trust}),
            self._map(
                "Vantage", "pod", {"cluster": "home/k", "pod": {"namespace": "apps", "labels": {"app": "one"}}, **trust}
            ),
        ]
        if self._one(0.2):
            found.append(self._map("Link", "wg-too", {"type": "Nebula", "ends": loop}))
        if self._one(0.4):
            found.append(self._map("Firewall", "home", self._firewall("home/n1", HOME)))
        return found

    def _routes(self) -> list[str]:
        wide = ["203.0.113.0/24", "0.0.0.0/0"] if self._one(0.2) else []
        return self._r.sample(["192.168.178.0/24", "10.42.0.0/16", "10.77.0.0/16", "fd00:178::/64", *wide], 2)

    def _firewall(self, node: str, address: str) -> dict[str, Any]:
        ports = self._r.choice([[80, 443], [80, 443], [22], ["1-65535"]])
        inbound = [{"allow": "tcp", "ports": ports, "from": ["0.0.0.0/0", "::/0"]}, {"allow": "udp"}]
        forwards = [{"address": address, "port": 443, "to": self._r.choice([HOME, VIP, EDGE])}]
        spec: dict[str, Any] = {"protects": [{"node": node}], "inbound": inbound}
        return {**spec, "forwards": forwards} if self._one(0.4) else spec

    # --- names ---

    def names(self) -> list[Manifest]:
        found = [self._zone("example.com", "public"), self._zone("test", "public"), self._resolver("ad", "fritz")]
        found.append(self._resolver("fritz", self._r.choice(["ad", "public"])))
        if self._one(0.5):
            found.append(self._zone("example.com", "inside"))
        if self._one(0.4):
            endpoints = [{"dnsName": "b.example.com", "recordType": "A", "targets": [self._r.choice([EDGE, HOME])]}]
            spec = {"endpoints": endpoints}
            about = {"apiVersion": "externaldns.k8s.io/v1alpha1", "kind": "DNSEndpoint", "metadata": meta("more")}
            found.append({**about, "spec": spec})
        return found

    def _zone(self, domain: str, view: str) -> Manifest:
        records: list[dict[str, Any]] = []
        for name in self._r.sample((*NAMES, f"*.{domain}"), self._r.randint(4, 7)):
            if name == domain or name.endswith("." + domain):
                records.append(self._record(name))
        spec: dict[str, Any] = {"domain": domain, "view": view, "records": records, "externalDNS": self._one()}
        if view == "public" and self._one():
            spec |= {"provider": "Cloudflare", "sslMode": self._r.choice(["flexible", "full", "strict"])}
        return self._map("Zone", f"{domain.replace('.', '-')}-{view}", spec)

    def _record(self, name: str) -> dict[str, Any]:
        if self._one(0.25) or name == "loop.example.com":
            return {"name": f"{name}.", "type": "CNAME", "values": [self._r.choice(TARGETS)]}
        if self._one():
            return {"name": f"{name}.", "type": "A", "values": self._some((EDGE, EDGE, EDGE, HOME, VIP, NOWHERE), 2)}
        return {"name": f"{name}.", "values": self._some((EDGE, EDGE6, *ADDRESSES), 2), "proxied": self._one(0.3)}

    def _resolver(self, name: str, upstream: str) -> Manifest:
        r = self._r
        overrides: list[dict[str, Any]] = [
            {"name": one, "values": [r.choice([*ADDRESSES, *TARGETS])]} for one in self._some(NAMES, 2)
        ]
        spec: dict[str, Any] = {
            "implementation": r.choice(["AdGuardHome", "FritzBox", "CoreDNS"]),
            "upstreams": [upstream],
            "addresses": [r.choice(["192.168.178.3", "192.168.178.3", "203.0.113.3"])],
        }
        if self._one(0.7):
            spec["overrides"] = overrides
        if self._one(0.3):
            spec["forwards"] = [{"domain": "a.example.com", "to": [r.choice(["ad", "fritz", "public"])]}]
        if self._one(0.3):
            spec["views"] = ["inside"]
        return self._map("Resolver", name, spec)

    # --- what is in the cluster ---

    def cluster(self) -> list[Manifest]:
        r = self._r
        external = {"type": "ExternalName", "externalName": r.choice(TARGETS), "ports": [{"port": 80}]}
        found: list[Manifest] = [
            *(self._service(name, "apps", "ClusterIP") for name in SERVICES),
            *(self._deployment(name, "apps") for name in SERVICES),
            self._policy("NetworkPolicy", "networking.k8s.io/v1", "podSelector"),
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "apps", "labels": {"n": r.choice("ab")}}},
        ]
        if self._one():
            found.append(self._policy("CiliumNetworkPolicy", "cilium.io/v2", "endpointSelector"))
        pool = {"addresses": r.choice([[f"{VIP}-192.168.178.62"], [f"{VIP}/32", f"{VIP6}/128"]])}
        about = {"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": meta("pool", "metallb")}
        found.append({**about, "spec": pool})
        ingress = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {
                **meta("away"),
                "annotations": {"external-dns.alpha.kubernetes.io/target": r.choice([EDGE, "loop.example.com"])},
            },
            "spec": {
                "ingressClassName": r.choice(["nginx", "traefik", "none"]),
                "rules": [
                    {
                        "host": r.choice(NAMES),
                        "http": {
                            "paths": [
                                {
                                    "path": "/",
                                    "pathType": "Prefix",
                                    "backend": {"service": {"name": r.choice(["ext", "one"]), "port": {"number": 80}}},
                                }
                            ]
                        },
                    }
                ],
            },
        }
        move = {
            "apiVersion": API,
            "kind": "HTTPRoute",
            "metadata": meta("move"),
            "spec": {
                "parentRefs": [{"name": "gw", "namespace": "infra"}],
                "hostnames": ["loop.example.com", "a.example.com"],
                "rules": [
                    {
                        "filters": [
                            {
                                "type": "RequestRedirect",
                                "requestRedirect": {"hostname": r.choice(NAMES), "scheme": r.choice(["http", "https"])},
                            }
                        ]
                    }
                ],
            },
        }
        about = {"apiVersion": "v1", "kind": "Service", "metadata": meta(r.choice(["ext", "two"]))}
        return [*found, ingress, move, {**about, "spec": external}]

    def _policy(self, kind: str, version: str, selector: str) -> Manifest:
        r = self._r
        cilium = kind != "NetworkPolicy"
        labels = {"matchLabels": {"app": r.choice(["one", "door"])}}
        peers: dict[str, Any] = (
            {"fromEntities": [r.choice(["world", "cluster", "ingress"])]}
            if cilium
            else {"from": [r.choice([{"podSelector": {}}, {"ipBlock": {"cidr": "203.0.113.0/24"}}])]}
        )
        spec = {selector: labels, "ingress": [peers]}
        return {"apiVersion": version, "kind": kind, "metadata": meta("p", r.choice(["apps", "infra"])), "spec": spec}
