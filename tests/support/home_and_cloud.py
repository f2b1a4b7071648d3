"""A small map for journeys: a home and a VPS joined by WireGuard, two Traefiks, a CDN, a tunnel, three vantages.

Tests replace parts of its text.  Counterpart: `networked`, for ways without names and gateways.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

from gatewright.pipeline import Model
from gatewright.trace.branches import Branch
from gatewright.trace.hops import HopKind, OutcomeKind
from gatewright.trace.journey import journey
from gatewright.trace.request import request
from support.keys import NOW, pair

TUNNEL = "6ff42ae2-765d-4adf-8112-31c55c1551ef"

MAP = """
apiVersion: gatewright.dev/v1alpha1
kind: Site
metadata: {name: home}
spec:
  networks: [{name: lan, cidrs: [192.168.178.0/24]}]
  nodes: [{name: node1, addresses: [192.168.178.5]}]
  clusters: [{name: k3s, podCIDRs: [10.42.0.0/16], serviceCIDRs: [10.43.0.0/16], nodes: [node1, cloud/edge]}]
---
apiVersion: gatewright.dev/v1alpha1
kind: Site
metadata: {name: cloud}
spec:
  networks: [{name: dc, cidrs: [203.0.113.0/24, "2001:db8:1::/64"]}]
  nodes: [{name: edge, addresses: [203.0.113.9, "2001:db8:1::9"]}]
---
apiVersion: gatewright.dev/v1alpha1
kind: Link
metadata: {name: wg-home}
spec:
  type: WireGuard
  mtu: 1370
  ends:
    - {node: cloud/edge, addresses: [10.9.0.1], endpoint: "203.0.113.9:51820"}
    - {node: home/node1, addresses: [10.9.0.2], routes: [192.168.178.0/24]}
---
apiVersion: gatewright.dev/v1alpha1
kind: Link
metadata: {name: cf}
spec: {type: CloudflareTunnel, ends: [{node: home/node1}], config: cloudflared.yml}
---
apiVersion: gatewright.dev/v1alpha1
kind: Zone
metadata: {name: example-com}
spec:
  domain: example.com
  provider: cloudflare
  sslMode: SSL_MODE
  records:
    - {name: "@", values: [203.0.113.9], proxied: true}
    - {name: app, values: [203.0.113.9]}
    - {name: both, values: [203.0.113.9, "2001:db8:1::9"]}
    - {name: two, values: [203.0.113.9, 203.0.113.77]}
    - {name: hop, values: [203.0.113.9]}
    - {name: circle, values: [203.0.113.9]}
    - {name: away, values: [203.0.113.9]}
    - {name: hairpin, values: [203.0.113.9]}
    - {name: round, values: [203.0.113.9]}
    - {name: inside, values: [192.168.178.10]}
    - {name: cdn, values: [203.0.113.9], proxied: true}
    - {name: deep.cdn, values: [203.0.113.9], proxied: true}
    - {name: tunnel, values: [TUNNEL.cfargotunnel.com], proxied: true}
    - {name: other, values: [TUNNEL.cfargotunnel.com], proxied: true}
---
apiVersion: gatewright.dev/v1alpha1
kind: Resolver
metadata: {name: fritzbox}
spec:
  implementation: FritzBox
  addresses: [192.168.178.1]
  upstreams: [public]
  overrides: [{name: app.example.com, values: [192.168.178.10]}]
---
apiVersion: gatewright.dev/v1alpha1
kind: Vantage
metadata: {name: phone}
spec: {network: internet}
---
apiVersion: gatewright.dev/v1alpha1
kind: Vantage
metadata: {name: laptop}
spec: {network: home/lan, families: [4], resolvers: [fritzbox], trust: [public, {secret: {name: ca, namespace: web}}]}
---
apiVersion: gatewright.dev/v1alpha1
kind: Vantage
metadata: {name: stranger}
spec: {network: internet, families: [4], resolvers: [fritzbox]}
---
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: inside, namespace: web}
spec: {implementation: traefik, classes: [web], addresses: [192.168.178.10], settings: {runsOn: [{node: home/node1}]}}
---
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: edge, namespace: web}
spec:
  implementation: traefik
  classes: [web]
  addresses: [203.0.113.9, "2001:db8:1::9"]
  settings: {runsOn: [{node: cloud/edge}], allowExternalNameServices: true}
""".replace("TUNNEL", TUNNEL)

CLOUDFLARED = f"""
tunnel: {TUNNEL}
ingress:
  - hostname: tunnel.example.com
    service: https://192.168.178.10:443
    originRequest: {{noTLSVerify: true}}
  - service: http_status:404
"""

APP = """
apiVersion: v1
kind: Service
metadata: {name: app, namespace: web}
spec: {ports: [{port: 80}], selector: {app: app}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: app, namespace: web}
spec:
  selector: {matchLabels: {app: app}}
  template: {metadata: {labels: {app: app}}, spec: {containers: [{name: app, image: app}]}}
---
apiVersion: v1
kind: Service
metadata: {name: to-app, namespace: web}
spec: {type: ExternalName, externalName: app.example.com, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: to-round, namespace: web}
spec: {type: ExternalName, externalName: round.example.com, ports: [{port: 80}]}
---
apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata: {name: app-tls, namespace: web}
data: {tls.crt: CERT, tls.key: KEY}
---
apiVersion: v1
kind: Secret
metadata: {name: ca, namespace: web}
data: {ca.crt: AUTHORITY}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: app, namespace: web}
spec:
  ingressClassName: web
  tls: [{hosts: [app.example.com, inside.example.com, cdn.example.com], secretName: app-tls}]
  rules:
    - {host: app.example.com, http: &to-app
        {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}}
    - {host: both.example.com, http: *to-app}
    - {host: two.example.com, http: *to-app}
    - {host: inside.example.com, http: *to-app}
    - {host: cdn.example.com, http: *to-app}
    - {host: example.com, http: *to-app}
    - {host: tunnel.example.com, http: *to-app}
---
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {name: to-both, namespace: web}
spec: {redirectRegex: {regex: "^http://hop.example.com/(.*)", replacement: "http://both.example.com/"}}
---
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {name: to-itself, namespace: web}
spec: {redirectRegex: {regex: "^http://circle.example.com/(.*)", replacement: "http://circle.example.com/"}}
---
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {name: to-elsewhere, namespace: web}
spec: {redirectRegex: {regex: "^http://away.example.com/(.*)", replacement: "https://login.example.net/"}}
---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: app, namespace: web, annotations: {kubernetes.io/ingress.class: web}}
spec:
  entryPoints: [web]
  routes:
    - {match: Host(`plain.example.com`), kind: Rule, services: &app [{name: app, port: 80}]}
    - {match: Host(`hop.example.com`), kind: Rule, middlewares: [{name: to-both}], services: *app}
    - {match: Host(`circle.example.com`), kind: Rule, middlewares: [{name: to-itself}], services: *app}
    - {match: Host(`away.example.com`), kind: Rule, middlewares: [{name: to-elsewhere}], services: *app}
    - {match: Host(`hairpin.example.com`), kind: Rule,
       services: [{name: to-app, port: 80, passHostHeader: false}]}
    - {match: Host(`round.example.com`), kind: Rule, services: [{name: to-round, port: 80}]}
"""

Ask = Callable[..., list[Branch]]
"""Asks a vantage for a URL, in some families; see `built`."""

World = Callable[..., Ask]


def built(
    folder: Path,
    replace: dict[str, str] | None = None,
    names: tuple[str, ...] = ("app.example.com",),
    *,
    signed: bool = True,
) -> Ask:
    """The map in a folder, with what a test replaces in it (old text: new); answers with what asks a vantage for a URL.

    `names` are those of the certificate, `signed` by an authority that the laptop trusts.
    """
    authority = pair(now=NOW, ca=True, subject="the authority")
    own = pair(*names, now=NOW, issuer=authority if signed else None)
    text = f"{MAP}---{APP}"
    for old, new in {"SSL_MODE": "full", **(replace or {})}.items():
        assert old in text, old
        text = text.replace(old, new)
    for name, pem in (("CERT", own.cert_pem), ("KEY", own.key_pem), ("AUTHORITY", authority.cert_pem)):
        text = text.replace(name, base64.b64encode(pem).decode())
    (folder / "map.yaml").write_text(text)
    (folder / "cloudflared.yml").write_text(CLOUDFLARED)
    model = Model(lambda: NOW)
    model.read([str(folder)])

    def ask(vantage: str, url: str, *families: str) -> list[Branch]:
        found = model.analysis.answer(journey, vantage, request(url), families)
        assert (found.vantage, found.url) == (vantage, url)
        return list(found.branches)

    return ask


def ends(branches: list[Branch]) -> list[tuple[str, OutcomeKind, str]]:
    return [(one.family, one.outcome.kind, one.outcome.gateway or "") for one in branches]


def kinds(branch: Branch) -> list[HopKind]:
    return [hop.kind for hop in branch.hops]
