"""Konnectivity agents of a hosted control plane dial a name that no route serves.

Agents on the tenant's nodes open a tunnel to the konnectivity server beside the API server; `kubectl logs` and `exec`,
webhooks and aggregated APIs go through it.  In ingress mode Steward makes the routes of both names for Traefik only.
For HAProxy, NGINX and others it makes an Ingress of the API server; the one of konnectivity is left to the owner.

    kind: TenantControlPlane
    spec:
      controlPlane:
        ingress: {hostname: tenant-01.k8s.example.com, ingressClassName: nginx, controllerType: nginx}
      addons:
        konnectivity:
          agent:
            extraArgs: [--proxy-server-host=tenant-01.konnectivity.example.com, --proxy-server-port=443]

Add an Ingress of that name which passes TLS through to the konnectivity port of the same Service: agents and server
know each other by certificates, so nobody in between may end TLS.  It is no fault when the agents dial an address or a
load balancer of the tenant's own.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base import hostnames
from gatewright.base.hostnames import Depth
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.graph.network import cidrs
from gatewright.graph.nodes import Family
from gatewright.graph.sight import Sight
from gatewright.kinds.decode import has_variable
from gatewright.kinds.intents.material import TenantIntent

ID = "konnectivity-without-route"
OWNERS_BUSINESS = ("haproxy", "nginx", "generic")

# With which annotation and of which class an Ingress passes TLS through.
_PASSING = {"haproxy": "haproxy.org/ssl-passthrough", "nginx": "nginx.ingress.kubernetes.io/ssl-passthrough"}


def check(sight: Sight, tenant: TenantIntent) -> Iterable[Finding]:
    """Agents that dial a name through a controller for which the operator makes one route only."""
    if tenant.controller_type not in OWNERS_BUSINESS or tenant.konnectivity is None or not tenant.hostname:
        return
    host, port = tenant.konnectivity
    elsewhere = tenant.service_type in ("LoadBalancer", "NodePort") or cidrs.address(host) is not None
    if elsewhere or not host or has_variable(host) or _passed(sight, host, port):
        return
    # Without the operator's own route in the input, this one may be missing from it as well.
    whole = _passed(sight, tenant.hostname, tenant.port)
    yield Finding(
        ID,
        Severity.ERROR if whole else Severity.WARNING,
        f"the konnectivity agents of {tenant.key} dial {host}:{port}, and no route passes that name on",
        "kubectl logs and exec, webhooks and aggregated APIs of this tenant time out",
        f"add a route of {host} that passes TLS through to the konnectivity port of Service {tenant.key.name}: for "
        f"controllerType {tenant.controller_type} the operator makes none",
        (tenant.origin.at("spec", "addons", "konnectivity"), tenant.origin.at("spec", "controlPlane", "ingress")),
        hosts=(host,),
        snippet=_snippet(tenant, host),
    )


def _passed(sight: Sight, host: str, port: int) -> bool:
    """Does a route of this name, or of its port as a whole, leave TLS untouched?"""
    for pattern in hostnames.parents(host, Depth.MANY):
        for key in sight.serving(pattern):
            if key.family is Family.PASSTHROUGH or (key.family is Family.TCP and key.port == port):
                return True
    return False


def _snippet(tenant: TenantIntent, host: str) -> str:
    annotation = _PASSING.get(tenant.controller_type)
    if annotation is None:
        return ""
    return f"""apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {tenant.key.name}-konnectivity
  namespace: {tenant.key.namespace}
  annotations:
    {annotation}: "true"
spec:
  ingressClassName: {tenant.class_name or tenant.controller_type}
  rules:
    - host: {host}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service: {{name: {tenant.key.name}, port: {{number: 8132}}}}
"""


RULE = Rule(
    ID, "konnectivity agents that dial a name without a route", Severity.ERROR, Scope.OBJECT, __doc__, check,
    (TenantIntent,),
)  # fmt: skip
