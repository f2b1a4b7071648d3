"""The worlds that are rehearsed for measuring: N sites around a hub, all alike, and hostnames spread over them.

Each site has a dual-stack network behind a firewall, two nodes of a cluster (VXLAN), a gateway with HTTPS at an address
that a node announces, pods behind a Deployment of two, a NetworkPolicy, a resolver, and somebody who asks.  All sites
are ends of one WireGuard link, whose hub stands on the internet.  One private CA has made all certificates.

Counterpart: `rehearsal`, which measures.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

DOMAIN = "bench.example"
MOST_SITES = 64

IMPLEMENTATIONS = ("AdGuardHome", "dnsmasq", "Unbound")
"""What the sites' resolvers are, in turn."""

_SHARED = """\
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: envoy}
spec: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}
---
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {name: house}
spec: {ca: {secretName: house-ca}}
---
apiVersion: gatewright.dev/v1alpha1
kind: Site
metadata: {name: hub}
spec:
  nodes: [{name: hub, addresses: [203.0.113.20, "2001:db8::20"]}]
---
apiVersion: gatewright.dev/v1alpha1
kind: Firewall
metadata: {name: hub}
spec:
  protects: [{node: hub/hub}]
  inbound: [{allow: udp, ports: [51820]}, {allow: icmp}]
"""

_SITE = """\
apiVersion: gatewright.dev/v1alpha1
kind: Site
metadata: {{name: s{i}}}
spec:
  networks:
    - {{name: lan, cidrs: [10.{i}.0.0/24, "fd00:{i:x}::/64"], dhcp: [10.{i}.0.100-10.{i}.0.199]}}
  nodes:
    - {{name: one, addresses: [10.{i}.0.5, "fd00:{i:x}::5"]}}
    - {{name: two, addresses: [10.{i}.0.6, "fd00:{i:x}::6"]}}
  clusters:
    - name: k3s
      podCIDRs: [10.{pods}.0.0/16, "fd01:{i:x}::/48"]
      serviceCIDRs: [10.{services}.0.0/16, "fd02:{i:x}::/112"]
      nodes: [one, two]
      namespaces: [edge-{i}, apps-{i}]
      encapsulation: vxlan
---
apiVersion: gatewright.dev/v1alpha1
kind: Firewall
metadata: {{name: s{i}}}
spec:
  protects: [{{network: s{i}/lan}}]
  inbound: [{{allow: icmp}}, {{allow: tcp, ports: [443], from: [10.0.0.0/8, "fd00::/8"]}}]
---
apiVersion: gatewright.dev/v1alpha1
kind: Resolver
metadata: {{name: dns-{i}}}
spec:
  implementation: {implementation}
  addresses: [10.{i}.0.53]
---
apiVersion: gatewright.dev/v1alpha1
kind: Vantage
metadata: {{name: laptop-{i}}}
spec:
  network: s{i}/lan
  resolvers: [dns-{i}]
  trust: [{{secret: {{namespace: cert-manager, name: house-ca}}}}]
---
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {{name: door, namespace: edge-{i}}}
spec:
  implementation: gateway-api
  addresses: [10.{i}.0.50, "fd00:{i:x}::50"]
  settings: {{runsOn: [{{cluster: s{i}/k3s}}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: door, namespace: edge-{i}}}
spec:
  gatewayClassName: envoy
  listeners:
    - name: https
      port: 443
      protocol: HTTPS
      hostname: "*.s{i}.{domain}"
      allowedRoutes: {{namespaces: {{from: All}}}}
      tls: {{certificateRefs: [{{name: door}}]}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {{name: door, namespace: edge-{i}}}
spec:
  secretName: door
  issuerRef: {{name: house, kind: ClusterIssuer}}
  dnsNames: ["*.s{i}.{domain}"]
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: apps-{i}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers: [{{name: web, image: example.org/web:1, ports: [{{name: http, containerPort: 8080}}]}}]
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: apps-{i}}}
spec:
  selector: {{app: web}}
  ports: [{{name: http, port: 80, targetPort: http}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: web, namespace: apps-{i}}}
spec:
  podSelector: {{matchLabels: {{app: web}}}}
  ingress: [{{ports: [{{port: http}}]}}]
"""

_ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: host-{number}, namespace: apps-{i}}}
spec:
  parentRefs: [{{name: door, namespace: edge-{i}}}]
  hostnames: [{hostname}]
  rules:
    - backendRefs: [{{name: web, port: 80}}]
"""

_ZONE = """\
apiVersion: gatewright.dev/v1alpha1
kind: Zone
metadata: {{name: bench}}
spec:
  domain: {domain}
  records:
"""

_LINK = """\
apiVersion: gatewright.dev/v1alpha1
kind: Link
metadata: {name: wg}
spec:
  type: WireGuard
  ends:
    - {node: hub/hub, addresses: [10.255.0.254, "fd0f::254"], endpoint: "203.0.113.20:51820", listenPort: 51820}
"""

DIVIDER = "---\n"


def write(folder: Path, sites: int, hosts: int) -> None:
    """A file for each site and one for what they share.  ValueError for more than 64 sites."""
    if sites > MOST_SITES:
        raise ValueError(f"at most {MOST_SITES} sites")
    folder.mkdir(parents=True)
    numbers = range(1, sites + 1)
    zone = _ZONE.format(domain=DOMAIN) + "".join(line for i in numbers for line in _records(i))
    link = _LINK + "".join(_end(i) for i in numbers)
    (folder / "shared.yaml").write_text(DIVIDER.join([_SHARED, zone, link]))
    for i in numbers:
        routes = [_route(i, number) for number in range(hosts) if number % sites == i - 1]
        (folder / f"site-{i}.yaml").write_text(DIVIDER.join([_site(i), *routes]))


def _site(i: int) -> str:
    implementation = IMPLEMENTATIONS[i % len(IMPLEMENTATIONS)]
    return _SITE.format(i=i, pods=100 + i, services=170 + i, domain=DOMAIN, implementation=implementation)


def _route(i: int, number: int) -> str:
    return _ROUTE.format(i=i, number=number, hostname=f"host-{number}.s{i}.{DOMAIN}")


def _records(i: int) -> Iterator[str]:
    yield f'    - {{name: "*.s{i}", values: [10.{i}.0.50, "fd00:{i:x}::50"]}}\n'


def _end(i: int) -> str:
    """A site's first node dials the hub, and leads its network into the link."""
    inner = f'10.255.0.{i}, "fd0f::{i:x}"'
    return f'    - {{node: s{i}/one, addresses: [{inner}], routes: [10.{i}.0.0/24, "fd00:{i:x}::/64", {inner}]}}\n'
