"""The manifests of `dialects`: the doors of ingress-nginx and Traefik, and the route of each host."""

from __future__ import annotations

from benchmarks import manifests

NGINX = """\
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata:
  name: nginx
spec:
  controller: k8s.io/ingress-nginx
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: ingress-nginx-controller
  namespace: ingress-nginx
spec:
  selector:
    matchLabels: {app: ingress-nginx}
  template:
    metadata:
      labels: {app: ingress-nginx}
    spec:
      containers:
        - name: controller
          image: registry.k8s.io/ingress-nginx/controller:v1.11.2
          args:
            - /nginx-ingress-controller
            - --controller-class=k8s.io/ingress-nginx
            - --ingress-class=nginx
            - --configmap=$(POD_NAMESPACE)/ingress-nginx-controller
---
apiVersion: v1
kind: Secret
metadata:
  name: users
  namespace: apps
stringData:
  auth: "u:{SHA}UWuXg/ylF+7L0dBk2i0WUxCxl1k="
"""
"""With the user of the benchmark, u, whose password is p."""

_CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: ingress-nginx-controller
  namespace: ingress-nginx
data:
  proxy-read-timeout: "{seconds}"
"""

_INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: route-{number}
  namespace: apps
{annotations}spec:
  ingressClassName: nginx
  rules:
    - host: {hostname}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: {service}
                port:
                  number: 80
"""

ANNOTATED = (
    ("proxy-body-size", "8m"),
    ("ssl-redirect", "true"),
    ("proxy-read-timeout", "120"),
    ("backend-protocol", "HTTP"),
)
_BASIC = (("auth-type", "basic"), ("auth-secret", "users"), ("auth-realm", "here"))
STEPS = (
    ("a route of ingress-nginx as it comes", ()),
    ("with basic authentication", _BASIC),
    ("with a server that is asked", (("auth-url", "http://a.apps.svc.cluster.local/"),)),
    ("with a rate limit for each client", (("limit-rps", "1000000"),)),
    ("with CORS", (("enable-cors", "true"),)),
)

TRAEFIK = """\
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata:
  name: traefik
spec:
  controller: traefik.io/ingress-controller
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: traefik
  namespace: traefik
spec:
  selector:
    matchLabels: {app: traefik}
  template:
    metadata:
      labels: {app: traefik}
    spec:
      containers:
        - name: traefik
          image: docker.io/traefik:v3.1.0
          args:
            - --entryPoints.web.address=:8000/tcp
            - --providers.kubernetescrd
"""

_MIDDLEWARES = """\
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata:
  name: site
  namespace: apps
spec:
  headers:
    customRequestHeaders:
      X-Site: "{value}"
---
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata:
  name: limit
  namespace: apps
spec:
  rateLimit:
    average: 100
    burst: 50
"""

_INGRESS_ROUTE = """\
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata:
  name: route-{number}
  namespace: apps
spec:
  entryPoints: [web]
  routes:
    - match: Host(`{hostname}`)
      kind: Rule
{middlewares}      services:
        - name: service-{number}
          port: 80
"""
_USED = """\
      middlewares:
        - name: site
        - name: limit
"""


def config_map(seconds: int) -> str:
    """The controller's ConfigMap, with a timeout that holds for all that say nothing of it."""
    return _CONFIG_MAP.format(seconds=seconds)


def ingress(number: int, service: str = "", annotations: tuple[tuple[str, str], ...] = ()) -> str:
    """The Ingress of one host; `annotations` without their prefix."""
    lines = [f'    nginx.ingress.kubernetes.io/{name}: "{value}"\n' for name, value in annotations]
    return _INGRESS.format(
        number=number,
        hostname=manifests.hostname(number),
        service=service or f"service-{number}",
        annotations="".join(["  annotations:\n", *lines]) if lines else "",
    )


def middlewares(value: str) -> str:
    """Two Middlewares; `value` is a header that one of them sets."""
    return _MIDDLEWARES.format(value=value)


def ingress_route(number: int, *, used: bool) -> str:
    """The IngressRoute of one host, with both Middlewares where they are `used`."""
    return _INGRESS_ROUTE.format(number=number, hostname=manifests.hostname(number), middlewares=_USED if used else "")
