"""The manifests that are measured: N hosts, each an HTTPRoute (or TLSRoute) with a Service and an EndpointSlice.

Text, as users write it; `documents` turns it into what the sources would hand on.
"""

from __future__ import annotations

from collections.abc import Iterator

from gatewright.base import yaml
from gatewright.base.document import Document
from gatewright.base.origin import Origin

GATEWAY = "edge/public"
HTTP, HTTPS, TLS = 80, 443, 8443

_GATEWAY = """\
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata:
  name: envoy
spec:
  controllerName: gateway.envoyproxy.io/gatewayclass-controller
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: public
  namespace: edge
spec:
  gatewayClassName: envoy
  listeners:
    - name: http
      port: 80
      protocol: HTTP
      allowedRoutes:
        namespaces:
          from: All
    - name: https
      port: 443
      protocol: HTTPS
      tls:
        certificateRefs:
          - name: public
      allowedRoutes:
        namespaces:
          from: All
    - name: tls
      port: 8443
      protocol: TLS
      tls:
        mode: Passthrough
      allowedRoutes:
        namespaces:
          from: All
"""

_SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: apps
spec:
  selector:
    app: {name}
  ports:
    - name: http
      port: 80
      targetPort: {port}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {name}-1
  namespace: apps
  labels:
    kubernetes.io/service-name: {name}
addressType: IPv4
ports:
  - name: http
    port: {port}
    protocol: TCP
endpoints:
  - addresses:
      - {address}
    conditions:
      ready: true
"""

_HTTP_ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: {name}
  namespace: apps
spec:
  parentRefs:
    - name: public
      namespace: edge
      sectionName: {section}
  hostnames:
    - {hostname}
  rules:
    - matches:
        - path:
            type: PathPrefix
            value: /
{filters}      backendRefs:
        - name: {service}
          port: 80
"""

_HEADER_FILTER = """\
      filters:
        - type: RequestHeaderModifier
          requestHeaderModifier:
            set:
              - name: x-site
                value: home
"""

_TLS_ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata:
  name: {name}
  namespace: apps
spec:
  parentRefs:
    - name: public
      namespace: edge
      sectionName: tls
  hostnames:
    - {hostname}
  rules:
    - backendRefs:
        - name: {service}
          port: 80
"""

DIVIDER = "---\n"


def gateway() -> str:
    """A GatewayClass, and a Gateway with one listener each for HTTP, HTTPS and TLS passed through."""
    return _GATEWAY


def service(name: str, address: str, port: int) -> str:
    """A Service and the EndpointSlice with its one endpoint."""
    return _SERVICE.format(name=name, address=address, port=port)


def hostname(number: int) -> str:
    return f"host-{number}.bench.example"


def http_route(number: int, backend: str, *, section: str = "http", filtered: bool = False) -> str:
    """The HTTPRoute of one host."""
    return _HTTP_ROUTE.format(
        name=f"route-{number}",
        section=section,
        hostname=hostname(number),
        service=backend,
        filters=_HEADER_FILTER if filtered else "",
    )


def tls_route(number: int, backend: str) -> str:
    """The TLSRoute of one host."""
    return _TLS_ROUTE.format(name=f"route-{number}", hostname=hostname(number), service=backend)


def documents(text: str, file: str = "bench.yaml") -> Iterator[Document]:
    """What the sources make of a text of these manifests."""
    for part in yaml.split(text):
        value = yaml.parse(part).value
        metadata = value["metadata"]
        names = (metadata.get("namespace", ""), metadata["name"])
        yield Document(Origin(file, "/".join(names)), value["apiVersion"], value["kind"], *names, value)
