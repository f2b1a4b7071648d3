"""A small installation without a fault, and ways to spoil it, for tests of commands."""

from __future__ import annotations

SERVED = """\
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: edge, namespace: infra}
spec: {implementation: ingress-nginx, classes: [web]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: app, namespace: web}
spec:
  ingressClassName: web
  rules:
    - host: app.example.com
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}
---
apiVersion: v1
kind: Service
metadata: {name: app, namespace: web}
spec: {selector: {app: app}, ports: [{port: 80}]}
"""

UNSERVED = SERVED.replace("service: {name: app", "service: {name: gone")
"""With an error: its backend does not exist."""

EXPECTED = """\
---
apiVersion: gatewright.dev/v1alpha1
kind: Expectation
metadata: {name: app-is-there}
spec:
  request: {url: "http://app.example.com/"}
  expect: {outcome: delivered, backend: web/app}
"""

VANTAGES = """\
---
apiVersion: gatewright.dev/v1alpha1
kind: Site
metadata: {name: home}
spec: {networks: [{name: lan, cidrs: [192.168.1.0/24]}]}
---
apiVersion: gatewright.dev/v1alpha1
kind: Vantage
metadata: {name: laptop}
spec: {network: home/lan, families: [4]}
---
apiVersion: gatewright.dev/v1alpha1
kind: Vantage
metadata: {name: phone}
spec: {network: internet, families: [4]}
"""
