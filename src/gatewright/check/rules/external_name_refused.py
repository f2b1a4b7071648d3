"""A route leads to an ExternalName Service, and its controller does not follow these.

ExternalName sends requests to any DNS name, also one inside of the cluster's network that its author may not reach
(CVE-2021-25740).  Traefik therefore refuses them unless told otherwise, apart for each of its providers:
`allowExternalNameServices` of kubernetesCRD and of kubernetesIngress are both off by default.  Gateway API leaves it to
implementations, and most refuse.

    kind: Service
    spec: {type: ExternalName, externalName: nas.lan.example.org}
    ---
    kind: IngressRoute
    spec: {routes: [{match: Host(`nas.example.org`), services: [{name: nas, port: 443}]}]}

Switch it on for the provider that the route belongs to (Helm chart: `providers.kubernetesCRD.allowExternalNameServices:
true`), or describe the target by a Service without selector and an EndpointSlice with its addresses, which every
controller follows.

It is no fault when the controller allows it and the map does not tell so: say it in the IngressController's
`settings.allowExternalNameServices`.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "external-name-refused",
    "an ExternalName Service that the controller refuses",
    Severity.ERROR,
    Scope.PROBLEM,
    __doc__,
    lifts=("external-name-refused",),
    consequence="the route is dropped or answers an error, although its Service looks right",
    fix="allow ExternalName Services on the controller, or use a Service with Endpoints of its own",
)
