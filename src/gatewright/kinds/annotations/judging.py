"""What annotations of Ingress controllers mean for an Ingress.  Not a kind; `ingress` uses it.

An annotation is honoured (it is read in `ingress`), quiet (it changes nothing about routing here), a limit (`trace`
reads it, no engine applies it yet), an access control that we cannot build (then the rules answer 503: never open what
was meant to be closed), not supported yet, or unknown to every version of its controller; a Problem names each but the
first two.  Those outside the prefixes in `annotationnames` are no concern of ours.
"""

from __future__ import annotations

import enum
import re

from gatewright.kinds.annotations import names as annotationnames
from gatewright.kinds.annotations.names import ALB as ALB  # noqa: PLC0414  (its readers say ingressannotations.ALB)
from gatewright.kinds.annotations.names import HAPROXY as HAPROXY  # noqa: PLC0414
from gatewright.kinds.annotations.names import HAPROXY_COMMUNITY as HAPROXY_COMMUNITY  # noqa: PLC0414
from gatewright.kinds.annotations.names import NGINX as NGINX  # noqa: PLC0414
from gatewright.kinds.annotations.names import TRAEFIK as TRAEFIK  # noqa: PLC0414

PREFIXES = (
    NGINX,
    HAPROXY,
    HAPROXY_COMMUNITY,
    ALB,
    TRAEFIK,
    "ingress.kubernetes.io/",
    "nginx.org/",
    "nginx.com/",
    "haproxy.com/",
)

PASSTHROUGH = frozenset(
    {f"{prefix}ssl-passthrough" for prefix in (NGINX, HAPROXY, HAPROXY_COMMUNITY, "ingress.kubernetes.io/")}
)
HONOURED = PASSTHROUGH | {
    f"{NGINX}backend-protocol",
    f"{HAPROXY_COMMUNITY}backend-protocol",
    f"{HAPROXY}server-ssl",
    f"{ALB}backend-protocol",
    f"{TRAEFIK}router.entrypoints",
    f"{TRAEFIK}router.tls",
}

# How AWS provides a load balancer: where it stands, what it costs, how it checks its targets.
_QUIET = frozenset(
    f"{ALB}{name}"
    for name in (
        "certificate-arn",
        "customer-owned-ipv4-pool",
        "group.name",
        "group.order",
        "ip-address-type",
        "listen-ports",
        "load-balancer-name",
        "manage-backend-security-group-rules",
        "scheme",
        "security-groups",
        "ssl-policy",
        "subnets",
        "tags",
        "target-node-labels",
        "target-type",
    )
)
# How long and how much: `trace` reads the limits of a way from them.
_LIMITS = frozenset(
    {f"{NGINX}proxy-read-timeout", f"{ALB}load-balancer-attributes"}
    | {f"{prefix}timeout-{end}" for prefix in (HAPROXY, HAPROXY_COMMUNITY) for end in ("client", "server")}
    | {f"{prefix}proxy-body-size" for prefix in (NGINX, HAPROXY_COMMUNITY)}
)
_QUIET_PATTERN = re.compile(rf"{re.escape(ALB)}(?:healthcheck-.*|success-codes|(?:un)?healthy-threshold-count)")

_ACCESS_NAME = re.compile(
    r"auth-.*|.*oauth.*|satisfy|.*modsecurity.*|.*waf.*|shield-.*|inbound-cidrs|mutual-authentication"
    r"|(?:white|allow|black|deny)-?list(?:-source-range|-with-rate-limit)?|client-ca|client-crt-optional"
    r"|router\.middlewares|router\.tls\.options|whitelist-.*|basic-auth-secret|jwt-.*|policies|app-protect-.*"
)
_SNIPPET_NAME = re.compile(r".*snippets?|.*config-backend")
_SNIPPET_GUARD = re.compile(r"deny|allow|auth|return|satisfy|limit_except|internal|reject|secure_link|access")


class Meaning(enum.Enum):
    """What becomes of an annotation."""

    FOREIGN = "foreign"
    HONOURED = "honoured"
    QUIET = "quiet"
    LIMIT = "limit"
    ACCESS = "access"
    UNSUPPORTED = "unsupported"
    UNKNOWN = "unknown"


def meaning(annotation: str, value: str) -> Meaning:
    """Classify one annotation of an Ingress."""
    prefix = next((prefix for prefix in PREFIXES if annotation.startswith(prefix)), None)
    if prefix is None:
        return Meaning.FOREIGN if annotationnames.exists(annotation) else Meaning.UNKNOWN
    if annotation in HONOURED:
        return Meaning.HONOURED
    if annotation in _QUIET or _QUIET_PATTERN.fullmatch(annotation):
        return Meaning.QUIET
    if annotation in _LIMITS:
        return Meaning.LIMIT
    name = annotation.removeprefix(prefix)
    guarded_snippet = _SNIPPET_NAME.fullmatch(name) and _SNIPPET_GUARD.search(value)
    if _ACCESS_NAME.fullmatch(name) or guarded_snippet:
        return Meaning.ACCESS
    return Meaning.UNSUPPORTED if annotationnames.exists(annotation) else Meaning.UNKNOWN
