"""What becomes of Traefik's annotations of Ingresses and Services.

Plain data, for `ingress`, which reads those of Ingresses, for `graph.resolve.upstreams.service_annotations`, which
reads those of Services, and for the compatibility page.
"""

from __future__ import annotations

from gatewright.kinds.annotations.names import NAMES, TRAEFIK
from gatewright.kinds.annotations.table import features
from gatewright.kinds.features import Compatibility, Feature, Support

OF = "Traefik 3.7"

_HONOURED = {
    "router.entrypoints": ("web,websecure", ""),
    "router.middlewares": ("apps-auth@kubernetescrd", "of other providers than kubernetescrd none: 404"),
    "router.priority": ("42", ""),
    "router.tls": ("true", ""),
    "router.tls.options": ("apps-strict@kubernetescrd", ""),
}
_REPORTED = {
    "router.tls.certresolver": (
        "letsencrypt",
        "certificate resolvers are part of Traefik; name a Secret in spec.tls, or annotate cert-manager's issuer",
    ),
    "router.rulesyntax": ("v2", "the rule comes from the hosts and paths of the Ingress, whatever its syntax"),
}
_ADVISORY = {
    "router.observability.accesslogs": ("true", ""),
    "router.observability.metrics": ("true", ""),
    "router.observability.traceverbosity": ("detailed", ""),
    "router.observability.tracing": ("true", ""),
}
_OLD = tuple(sorted(name for name in NAMES[TRAEFIK] if not name.startswith(("router.", "service."))))
_OF_OLD = "Traefik has not read it since version 2; refer to a Middleware in router.middlewares"

LOCKS = frozenset(
    {
        "auth-realm",
        "auth-remove-header",
        "auth-secret",
        "auth-tls-insecure",
        "auth-type",
        "auth-url",
        "max-conn-amount",
        "rate-limit",
        "whitelist-source-range",
        "whitelist-x-forwarded-for",
    }
)
"""What kept somebody out in version 1: whoever still has it believes that it does."""

DOMAINS = Feature(f"{TRAEFIK}router.tls.domains", Support.ADVISORY, "what a certificate resolver asks for")

INGRESS = Compatibility(
    title="Traefik: annotations of Ingresses",
    of=OF,
    shape="annotation",
    features=(
        *features(TRAEFIK, Support.HONOURED, _HONOURED),
        *features(TRAEFIK, Support.REPORTED, _REPORTED),
        *features(TRAEFIK, Support.REPORTED, dict.fromkeys(_OLD, ("1", _OF_OLD))),
        *features(TRAEFIK, Support.ADVISORY, _ADVISORY),
    ),
    intro="Those of version 1 are listed because they are still about; what was a lock answers 503.",
)


def _service(name: str, value: str) -> str:
    return f"""\
apiVersion: v1
kind: Service
metadata:
  name: app
  namespace: apps
  annotations: {{{TRAEFIK}{name}: "{value}"}}
spec: {{ports: [{{port: 80}}]}}
"""


_OF_SERVICES = {
    "service.nativelb": ("true", ""),
    "service.passhostheader": ("false", ""),
    "service.serversscheme": ("https", ""),
    "service.serverstransport": ("apps-tls@kubernetescrd", ""),
    "service.sticky": ("true", "by service.sticky.cookie"),
    "service.sticky.cookie": ("true", ""),
    "service.sticky.cookie.httponly": ("true", ""),
    "service.sticky.cookie.maxage": ("3600", ""),
    "service.sticky.cookie.name": ("session", ""),
    "service.sticky.cookie.path": ("/app", ""),
    "service.sticky.cookie.samesite": ("lax", ""),
    "service.sticky.cookie.secure": ("true", ""),
}
_OF_SERVICES_QUIET = {
    "service.nodeportlb": ("true", ""),
    "service.sticky.cookie.domain": ("example.com", ""),
}

_PATH_MATCHER = f"""\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: app
  namespace: apps
  annotations: {{{TRAEFIK}router.pathmatcher: PathRegexp}}
spec:
  rules:
  - host: app.test
    http:
      paths:
      - path: /v[0-9]
        pathType: ImplementationSpecific
        backend: {{service: {{name: app, port: {{number: 80}}}}}}
"""

SERVICE = Compatibility(
    title="Traefik: annotations of Services and paths",
    of=OF,
    shape="document",
    features=(
        *(
            Feature(TRAEFIK + name, support, note, _service(name, value))
            for support, rows in ((Support.HONOURED, _OF_SERVICES), (Support.ADVISORY, _OF_SERVICES_QUIET))
            for name, (value, note) in rows.items()
        ),
        Feature(
            f"{TRAEFIK}router.pathmatcher",
            Support.HONOURED,
            "for paths of the type ImplementationSpecific",
            _PATH_MATCHER,
        ),
    ),
    intro="Those of Services count where an Ingress refers to the Service.",
)
