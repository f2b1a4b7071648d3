"""An nginx snippet in an annotation, and the controller does not allow snippets.

`configuration-snippet`, `server-snippet`, `auth-snippet`, `stream-snippet` and `modsecurity-snippet` put raw nginx
configuration into the server's.  They are off by default since ingress-nginx 1.9 (`allow-snippet-annotations: "false"`,
CVE-2021-25742), and since 1.12 `annotations-risk-level` has to be Critical besides.  The admission webhook refuses such
an Ingress; where it is switched off, the controller leaves the Ingress out.

    metadata:
      annotations:
        nginx.ingress.kubernetes.io/configuration-snippet: |
          more_set_headers "X-Frame-Options: DENY";

What the snippet was for (mostly security headers, redirects, rules of access) is not there.  Use the annotations made
for it (`custom-headers` since 1.11, `permanent-redirect`, `whitelist-source-range`), or allow snippets for the whole
controller, if everybody who may write an Ingress may also read its Secrets:

    controller:
      allowSnippetAnnotations: true
      config: {annotations-risk-level: Critical}

It is no fault when the controller allows it and the map does not tell so: `settings.snippets` of the IngressController.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules._doors import is_described
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.doors import RouteIntent

ID = "snippet-disabled"
PREFIX = "nginx.ingress.kubernetes.io/"
SUFFIX = "-snippet"


def check(sight: Sight, route: RouteIntent) -> Iterable[Finding]:
    """Snippets on an Ingress that an ingress-nginx serves which does not allow them."""
    found = [name for name, _ in route.annotations if name.endswith(SUFFIX) and name.startswith(PREFIX)]
    if not found:
        return
    attachment = sight.attachment(route.key)
    doors = sorted({key.gateway for key in attachment.virtual_hosts}) if attachment is not None else []
    for door in doors:
        gateway = sight.gateway(door)
        if gateway is None or gateway.implementation != "ingress-nginx" or gateway.settings.snippets:
            continue
        said = gateway.settings.snippets is False or is_described(sight, gateway)
        for name in found:
            yield Finding(
                ID,
                Severity.ERROR if said else Severity.WARNING,
                f"{route.key} has a {name.removeprefix(PREFIX)}, and {gateway.id} does not allow snippets"
                + ("" if gateway.settings.snippets is False else " unless told to"),
                "the controller refuses the Ingress or leaves it out, and what the snippet was for is not there",
                "use an annotation made for it, or allow snippets on the controller (allowSnippetAnnotations, and "
                "annotations-risk-level Critical since 1.12)",
                (route.origin.at("metadata", "annotations", name), gateway.origin),
            )


RULE = Rule(ID, "an nginx snippet that is switched off", Severity.ERROR, Scope.OBJECT, __doc__, check, (RouteIntent,))
