"""What is in the clusters of a random world: Services, pods, policies, doors, routes and certificates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from random import Random

from support.random_sites import Cluster, Places, Spec, mapped

GATEWAY_API = "gateway.networking.k8s.io/v1"
TRAEFIK = "traefik.io/v1alpha1"
HOSTS = (
    "a.example.com",
    "b.example.com",
    "app.example.com",
    "x.app.example.com",
    "example.com",
    "lab.home.arpa",
    "web.home.arpa",
)
SERVICES = ("one", "two", "fixed", "ext")
PATHS = ("/", "/", "/", "/api", "/api/v1")
CA = {"namespace": "trust", "name": "ca"}
FIRST_OF_POOL = 60


def document(version: str, kind: str, name: str, namespace: str, **parts: object) -> Spec:
    """A manifest."""
    about = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": version, "kind": kind, "metadata": about, **parts}


@dataclass
class Door:
    """A gateway: where clients find it, and the names that it has routes for."""

    id: str
    addresses: list[str]
    hosts: list[str]


class Doors:
    """Draws what is in the clusters."""

    def __init__(self, random: Random, places: Places) -> None:
        self._r = random
        self._places = places
        self.doors: list[Door] = []

    def _one(self, chance: float = 0.5) -> bool:
        return self._r.random() < chance

    def documents(self) -> Iterator[Spec]:
        yield document("cert-manager.io/v1", "ClusterIssuer", "own", "", spec={"ca": {"secretName": CA["name"]}})
        acme = {"server": "https://acme-v02.api.letsencrypt.org/directory", "solvers": []}
        yield document("cert-manager.io/v1", "ClusterIssuer", "public", "", spec={"acme": acme})
        for cluster in self._places.clusters:
            for namespace in (cluster.doors, cluster.apps):
                yield document("v1", "Namespace", namespace, "")
            yield from self._services(cluster)
            yield from self._pool(cluster)
            yield from self._policies(cluster)
            yield from self._doors(cluster)

    # --- what answers ---

    def _services(self, cluster: Cluster) -> Iterator[Spec]:
        for name in ("one", "two"):
            yield self._service(cluster, name, cluster.apps)
            yield self._deployment(cluster, name, cluster.apps)
        ports = [{"name": "http", "port": 80, "targetPort": 8080}]
        yield document("v1", "Service", "fixed", cluster.apps, spec={"ports": ports})
        yield self._slice(cluster)
        targets = [*HOSTS, "one." + cluster.apps + ".svc.cluster.local", "nas.example.com", "nowhere.example.net"]
        target = self._r.choice(targets)
        spec = {"type": "ExternalName", "externalName": target, "ports": [{"name": "http", "port": 80}]}
        yield document("v1", "Service", "ext", cluster.apps, spec=spec)

    def _service(self, cluster: Cluster, name: str, namespace: str) -> Spec:
        spec: Spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
        if self._one(0.3):
            spec["ports"][0]["targetPort"] = "http"
        if cluster.dual and self._one(0.6):
            spec["ipFamilyPolicy"] = "PreferDualStack"
        elif self._one(0.15):
            spec["clusterIP"] = "None"
        return document("v1", "Service", name, namespace, spec=spec)

    def _deployment(self, cluster: Cluster, name: str, namespace: str) -> Spec:
        pod: Spec = {"containers": [{"name": "c", "image": "c", "ports": [{"name": "http", "containerPort": 8080}]}]}
        if self._one(0.5):
            chosen = self._r.choice(cluster.machines)
            # The nodes that announce a door's address have to be able to hand connections on.
            far = namespace == cluster.doors and chosen.id.partition("/")[0] != cluster.id.partition("/")[0]
            pod["nodeName"] = (cluster.machines[0] if far else chosen).name
        spec = {
            "replicas": self._r.choice((1, 2)),
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
        }
        return document("apps/v1", "Deployment", name, namespace, spec=spec)

    def _slice(self, cluster: Cluster) -> Spec:
        """Endpoints that are written down: machines inside or outside of the cluster."""
        machines = [m for m in self._places.machines if any("." in a for a in m.inside)] or cluster.machines
        machine = self._r.choice(machines)
        addresses = [a for a in machine.addresses if "." in a][:1] or machine.addresses[:1]
        made = document("discovery.k8s.io/v1", "EndpointSlice", "fixed-1", cluster.apps)
        made["metadata"]["labels"] = {"kubernetes.io/service-name": "fixed"}
        made["addressType"] = "IPv6" if ":" in addresses[0] else "IPv4"
        made["endpoints"] = [{"addresses": addresses}]
        made["ports"] = [{"name": "http", "port": 9000}]
        return made

    def _pool(self, cluster: Cluster) -> Iterator[Spec]:
        ranges = [f"{ip_network(c)[FIRST_OF_POOL]}-{ip_network(c)[FIRST_OF_POOL + 2]}" for c in cluster.lan.cidrs]
        name = cluster.id.replace("/", "-")
        yield document("metallb.io/v1beta1", "IPAddressPool", name, "metallb", spec={"addresses": ranges})
        yield document("metallb.io/v1beta1", "L2Advertisement", name, "metallb", spec={"ipAddressPools": [name]})

    def _policies(self, cluster: Cluster) -> Iterator[Spec]:
        if self._one(0.6):
            return
        peers: list[Spec] = [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": cluster.doors}}},
            {"podSelector": {"matchLabels": {"app": "two"}}},
            {"ipBlock": {"cidr": cluster.lan.cidrs[0]}},
            {"namespaceSelector": {}},
        ]
        rule: Spec = {"from": self._r.sample(peers, self._r.randint(1, 2))}
        if self._one(0.5):
            rule["ports"] = [{"port": self._r.choice((8080, "http", 9999))}]
        spec = {"podSelector": {"matchLabels": {"app": "one"}}, "policyTypes": ["Ingress"], "ingress": [rule]}
        if self._one(0.2):
            spec = {"podSelector": {}, "policyTypes": ["Ingress"]}
        yield document("networking.k8s.io/v1", "NetworkPolicy", "p", cluster.apps, spec=spec)

    # --- doors ---

    def _doors(self, cluster: Cluster) -> Iterator[Spec]:
        kinds = self._r.sample(("traefik", "nginx", "gateway"), self._r.choice((1, 1, 2)))
        free = list(cluster.machines)
        for index, kind in enumerate(kinds):
            name = f"{kind}{cluster.id[-1]}"
            at_host = self._one(0.3) and bool(free)
            yield from self._behind(cluster, name, index, at_host, free)
            yield from {"traefik": self._traefik, "nginx": self._nginx, "gateway": self._gateway}[kind](cluster, name)

    def _behind(self, cluster: Cluster, name: str, index: int, at_host: bool, free: list) -> Iterator[Spec]:
        """How a door is reached; `_front` says it."""
        door = Door(f"{cluster.doors}/{name}", [], [])
        self.doors.append(door)
        yield self._deployment(cluster, name, cluster.doors)
        if at_host:
            machine = free.pop(self._r.randrange(len(free)))
            door.addresses = list(machine.addresses)
            self._front: Spec = {
                "addresses": machine.addresses,
                "settings": {"hostPorts": True, "runsOn": [{"node": machine.id}]},
            }
            return
        door.addresses = [str(ip_network(cidr)[FIRST_OF_POOL + index]) for cidr in cluster.lan.cidrs]
        if not cluster.dual:
            door.addresses = door.addresses[:1]
        ports = [{"name": "http", "port": 80, "targetPort": 8000}, {"name": "https", "port": 443, "targetPort": 8443}]
        spec: Spec = {"type": "LoadBalancer", "selector": {"app": name}, "ports": ports}
        if len(door.addresses) > 1:
            spec["ipFamilyPolicy"] = "RequireDualStack"
        if self._one(0.6):
            spec["externalTrafficPolicy"] = self._r.choice(("Local", "Cluster"))
        service = document("v1", "Service", name, cluster.doors, spec=spec)
        service["metadata"]["annotations"] = {"metallb.io/loadBalancerIPs": ",".join(door.addresses)}
        yield service
        self._front = {"service": {"name": name}, "settings": {}}

    def _hosts(self, most: int = 3) -> list[str]:
        chosen = self._r.sample(HOSTS, self._r.randint(1, most))
        self.doors[-1].hosts += chosen
        return chosen

    def _secret(self, namespace: str, name: str, hosts: Iterable[str]) -> Iterator[Spec]:
        """A Certificate; sometimes for other names, sometimes of an authority that not everybody trusts."""
        names = list(hosts) if self._one(0.8) else self._r.sample([*HOSTS, "*.example.com"], 2)
        if self._one(0.08):
            return
        issuer = {"kind": "ClusterIssuer", "name": self._r.choice(("own", "public", "public"))}
        spec = {"secretName": name, "dnsNames": names, "issuerRef": issuer}
        yield document("cert-manager.io/v1", "Certificate", name, namespace, spec=spec)

    def _traefik(self, cluster: Cluster, name: str) -> Iterator[Spec]:
        settings = {**self._front.pop("settings"), "allowCrossNamespace": True}
        settings["allowExternalNameServices"] = self._one(0.7)
        spec: Spec = {"implementation": "traefik", "classes": [name], **self._front, "settings": settings}
        if self._one(0.5):
            spec["entryPoints"] = [
                {"name": "web", "port": 80},
                {"name": "websecure", "port": 443, "protocol": "HTTPS", "tls": self._one(0.8)},
            ]
        if self._one(0.7):
            spec["defaultCertificate"] = {"name": f"{name}-default"}
            yield from self._secret(cluster.doors, f"{name}-default", ("*.example.com", "*.home.arpa"))
        yield mapped("IngressController", name, spec, cluster.doors)
        middleware = {"redirectScheme": {"scheme": "https", "permanent": self._one(0.5)}}
        yield document(TRAEFIK, "Middleware", "secure", cluster.apps, spec=middleware)
        for number in range(self._r.randint(1, 3)):
            yield from self._ingress_route(cluster, name, f"{name}-r{number}")
        if self._one(0.3):
            yield from self._ingress(cluster, name, f"{name}-i")
        if self._one(0.25):
            host = self._hosts(1)[0]
            tcp = {"match": f"HostSNI(`{host}`)", "services": [{"name": "two", "port": 80}]}
            entry = {"entryPoints": ["websecure"], "routes": [tcp], "tls": {"passthrough": True}}
            yield document(TRAEFIK, "IngressRouteTCP", f"{name}-t", cluster.apps, spec=entry)

    def _ingress_route(self, cluster: Cluster, door: str, name: str) -> Iterator[Spec]:
        hosts = self._hosts()
        rule: Spec = {
            "kind": "Rule",
            "match": " || ".join(f"Host(`{host}`)" for host in hosts),
            "services": [{"name": self._r.choice(SERVICES), "port": 80}],
        }
        path = self._r.choice(PATHS)
        if path != "/":
            rule["match"] = f"({rule['match']}) && PathPrefix(`{path}`)"
        if self._one(0.2):
            rule["middlewares"] = [{"name": "secure"}]
        spec: Spec = {"routes": [rule]}
        if self._one(0.6):
            spec["entryPoints"] = [self._r.choice(("web", "websecure"))]
        if self._one(0.6):
            spec["tls"] = {}
            if self._one(0.5):
                spec["tls"] = {"secretName": f"{name}-tls"}
                yield from self._secret(cluster.apps, f"{name}-tls", hosts)
        made = document(TRAEFIK, "IngressRoute", name, cluster.apps, spec={"ingressClassName": door, **spec})
        yield made

    def _nginx(self, cluster: Cluster, name: str) -> Iterator[Spec]:
        settings = {**self._front.pop("settings"), "passthrough": self._one(0.3)}
        spec = {"implementation": "ingress-nginx", "classes": [name], **self._front, "settings": settings}
        yield mapped("IngressController", name, spec, cluster.doors)
        for number in range(self._r.randint(1, 3)):
            yield from self._ingress(cluster, name, f"{name}-i{number}", own=True)

    def _ingress(self, cluster: Cluster, door: str, name: str, own: bool = False) -> Iterator[Spec]:
        hosts = self._hosts()
        rules = [
            {
                "host": host if not self._one(0.1) else "*." + host.partition(".")[2],
                "http": {
                    "paths": [
                        {
                            "path": self._r.choice(PATHS),
                            "pathType": self._r.choice(("Prefix", "Prefix", "Exact")),
                            "backend": {"service": {"name": self._r.choice(SERVICES), "port": {"number": 80}}},
                        }
                    ]
                },
            }
            for host in hosts
        ]
        spec: Spec = {"ingressClassName": door, "rules": rules}
        if self._one(0.6):
            spec["tls"] = [{"hosts": hosts, "secretName": f"{name}-tls"}]
            yield from self._secret(cluster.apps, f"{name}-tls", hosts)
        made = document("networking.k8s.io/v1", "Ingress", name, cluster.apps, spec=spec)
        if own and self._one(0.2):
            key = self._r.choice(("force-ssl-redirect", "ssl-redirect", "ssl-passthrough"))
            made["metadata"]["annotations"] = {f"nginx.ingress.kubernetes.io/{key}": self._r.choice(("true", "false"))}
        yield made

    def _gateway(self, cluster: Cluster, name: str) -> Iterator[Spec]:
        yield mapped("IngressController", name, {"implementation": "gateway-api", **self._front}, cluster.doors)
        from_all = {"namespaces": {"from": "All"}}
        secure = {"mode": "Terminate", "certificateRefs": [{"name": f"{name}-tls"}]}
        listeners: list[Spec] = [
            {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": from_all},
            {"name": "https", "port": 443, "protocol": "HTTPS", "tls": secure, "allowedRoutes": from_all},
        ]
        if self._one(0.4):
            listeners[1]["hostname"] = self._r.choice(("*.example.com", "*.home.arpa"))
        if self._one(0.3):
            listeners.append(
                {
                    "name": "tls",
                    "port": 443,
                    "protocol": "TLS",
                    "hostname": "app.example.com",
                    "tls": {"mode": "Passthrough"},
                    "allowedRoutes": from_all,
                }
            )
            rules = [{"backendRefs": [{"name": "two", "port": 80}]}]
            passed = {"hostnames": ["app.example.com"], "rules": rules}
            passed["parentRefs"] = [{"name": name, "namespace": cluster.doors}]
            yield document("gateway.networking.k8s.io/v1alpha2", "TLSRoute", f"{name}-t", cluster.apps, spec=passed)
        spec = {"gatewayClassName": "any", "listeners": listeners}
        yield document(GATEWAY_API, "Gateway", name, cluster.doors, spec=spec)
        yield from self._secret(cluster.doors, f"{name}-tls", ("*.example.com", "example.com", "*.home.arpa"))
        for number in range(self._r.randint(1, 3)):
            yield self._http_route(cluster, name, f"{name}-h{number}")

    def _http_route(self, cluster: Cluster, door: str, name: str) -> Spec:
        r = self._r
        parent: Spec = {"name": door, "namespace": cluster.doors}
        if self._one(0.2):
            parent["sectionName"] = r.choice(("http", "https"))
        rule: Spec = {"matches": [{"path": {"type": "PathPrefix", "value": r.choice(PATHS)}}]}
        if self._one(0.15):
            redirect: Spec = {"scheme": "https", "statusCode": r.choice((301, 302))}
            if self._one(0.4):
                redirect["hostname"] = r.choice(HOSTS)
            rule["filters"] = [{"type": "RequestRedirect", "requestRedirect": redirect}]
        else:
            rule["backendRefs"] = [{"name": r.choice(SERVICES), "port": 80}]
        hosts = self._hosts()
        if self._one(0.15):
            hosts[0] = "*.example.com"
        return document(
            GATEWAY_API,
            "HTTPRoute",
            name,
            cluster.apps,
            spec={"parentRefs": [parent], "hostnames": hosts, "rules": [rule]},
        )
