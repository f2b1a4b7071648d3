"""Annotations of the AWS Load Balancer Controller, alb.ingress.kubernetes.io/: the options of an Ingress.

What becomes of each is in `features`.  Counterpart: `rules`, the actions, conditions and transforms that change
the rules themselves.
"""

from __future__ import annotations

import json
from typing import Any

from gatewright.base.problem import Severity
from gatewright.kinds import syntax
from gatewright.kinds.annotations import table
from gatewright.kinds.annotations.alb import features as alb_features
from gatewright.kinds.annotations.alb import rules as alb_rules
from gatewright.kinds.annotations.names import ALB
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.annotations.reader import Reader
from gatewright.kinds.decode import suggest
from gatewright.kinds.features import Compatibility
from gatewright.kinds.intents.filters import AllowSources, Filter, Jwt, JwtProvider
from gatewright.kinds.intents.options import Options, TlsRedirect
from gatewright.kinds.intents.routing import HealthCheck, SessionPersistence, Upstream

_OF = "AWS Load Balancer Controller 2.0 to 3.5"
_HEALTH = (
    "healthcheck-path",
    "healthcheck-port",
    "healthcheck-interval-seconds",
    "healthcheck-timeout-seconds",
    "healthy-threshold-count",
    "unhealthy-threshold-count",
    "success-codes",
)
_SCHEMES = {
    ("HTTP", "HTTP1"): None,
    ("HTTPS", "HTTP1"): "https",
    ("HTTP", "HTTP2"): "h2c",
    ("HTTPS", "HTTP2"): "grpcs",
    ("HTTP", "GRPC"): "grpc",
    ("HTTPS", "GRPC"): "grpcs",
}
_BALANCES = {"round_robin": "round-robin", "least_outstanding_requests": "least-request", "weighted_random": "random"}
_DAY = 86400

# Attributes whose usual value is what happens here; another is told.
_USUAL_ATTRIBUTES = {
    "routing.http2.enabled": "true",
    "routing.http.xff_header_processing.mode": "append",
    "routing.http.xff_client_port.enabled": "false",
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false",
    "client_keep_alive.seconds": "3600",
}
_QUIET_ATTRIBUTES = frozenset(
    {
        "access_logs.s3.enabled",
        "access_logs.s3.bucket",
        "access_logs.s3.prefix",
        "connection_logs.s3.enabled",
        "connection_logs.s3.bucket",
        "connection_logs.s3.prefix",
        "health_check_logs.s3.enabled",
        "health_check_logs.s3.bucket",
        "health_check_logs.s3.prefix",
        "deletion_protection.enabled",
        "ipv6.deny_all_igw_traffic",
        "load_balancing.cross_zone.enabled",
        "routing.http.desync_mitigation_mode",
        "routing.http.drop_invalid_header_fields.enabled",
        "routing.http.preserve_host_header.enabled",
        "waf.fail_open.enabled",
        "zonal_shift.config.enabled",
    }
)
_IDLE = "idle_timeout.timeout_seconds"
_GROUP_ATTRIBUTES = frozenset(
    {
        "deregistration_delay.timeout_seconds",
        "load_balancing.algorithm.anomaly_mitigation",
        "load_balancing.algorithm.type",
        "load_balancing.cross_zone.enabled",
        "slow_start.duration_seconds",
        "stickiness.app_cookie.cookie_name",
        "stickiness.app_cookie.duration_seconds",
        "stickiness.enabled",
        "stickiness.lb_cookie.duration_seconds",
        "stickiness.type",
        "target_group_health.dns_failover.minimum_healthy_targets.count",
        "target_group_health.dns_failover.minimum_healthy_targets.percentage",
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
    }
)

USUAL = Options(read_timeout=60.0)
"""idle_timeout.timeout_seconds."""


def read(notes: Notes) -> Options:
    """The options of one Ingress."""
    refusals: list[str] = []
    said: dict[str, Any] = {
        "listen": _listen(notes),
        "tls_redirect": _tls_redirect(notes),
        "group": _group(notes),
        "order": _order(notes),
        "allow": _inbound(notes, refusals),
        "scheme": _scheme(notes),
        "read_timeout": _load_balancer(notes),
        "filters": _jwt(notes, refusals),
    }
    said["persistence"], balance = _target_group(notes)
    upstream = Upstream(balance=balance, health=_health(notes))
    said["upstream"] = None if upstream == Upstream() else upstream
    notes.flag("use-regex-path-match")
    known = table.by_name(alb_features.ANNOTATIONS, ALB)
    known |= {name: alb_rules.FEATURE for name in notes.names() if name.startswith(alb_rules.FAMILIES)}
    for name in notes.names():
        if name.startswith("listener-attributes."):
            known[name] = alb_features.RULES[-1]
        elif name == "mutual-authentication" and _only_off(notes, name):
            known[name] = alb_rules.FEATURE
    refusals.append(table.judge(notes, known, alb_features.LOCKS))
    return Options(**said, unbuildable=next(filter(None, refusals), ""))


def document(notes: Notes, name: str) -> Any:
    """The JSON of an annotation; None when there is none, or it is no JSON."""
    value = notes.text(name)
    if value is None or len(value) > 65536:
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


# --- listeners ----------------------------------------------------------------------------------


def _listen(notes: Notes) -> tuple[tuple[int, str], ...]:
    """Where the load balancer listens: for TLS where there is a certificate, as the door does where nothing is said."""
    usual = ((443, "HTTPS"),) if notes.items("certificate-arn") else ()
    if notes.text("listen-ports") is None:
        return usual
    found = []
    listed = document(notes, "listen-ports")
    for one in listed if isinstance(listed, list) else [None]:
        protocol, port = next(iter(one.items()), (None, None)) if isinstance(one, dict) else (None, None)
        if protocol not in ("HTTP", "HTTPS") or not isinstance(port, int) or not 0 < port < 65536:
            notes.bad("listen-ports", """JSON such as [{"HTTP": 80}, {"HTTPS": 443}]""", "it listens as without it")
            return usual
        found.append((port, protocol))
    ports = [port for port, _ in found]
    if len(set(ports)) < len(ports):
        notes.bad("listen-ports", "each port once", "it listens as without it")
        return usual
    return tuple(found) or usual


def _tls_redirect(notes: Notes) -> TlsRedirect | None:
    """Every plain listener answers 301 to that port and nothing else."""
    port = notes.number("ssl-redirect", 1, 65535)
    if port is None:
        return None
    secure = [number for number, protocol in _listen(notes) if protocol == "HTTPS"]
    if "listen-ports" in notes and port not in secure and not notes.text("group.name"):
        notes.contradiction("ssl-redirect", "listen-ports", f"nothing listens on {port} for HTTPS")
    return TlsRedirect("always", 301, 0 if port == 443 else port, notes.at("ssl-redirect"))


def _group(notes: Notes) -> str:
    name = notes.text("group.name") or ""
    if name and (len(name) > 63 or not syntax.is_dns_subdomain(name)):
        notes.bad("group.name", "lower-case letters, digits, - and .", "the Ingress is in no group")
        return ""
    return name


def _order(notes: Notes) -> int | None:
    order = notes.number("group.order", 0, 1000)
    if order is not None and not notes.text("group.name"):
        notes.bad("group.order", "group.name beside it", "it has no effect")
        return None
    return order


def _inbound(notes: Notes, refusals: list[str]) -> AllowSources | None:
    if notes.text("inbound-cidrs") is None:
        return None
    cidrs = notes.cidrs("inbound-cidrs")
    if not cidrs:
        refusals.append(notes.refuse("inbound-cidrs", "it is no list of CIDRs"))
        return None
    if notes.text("security-groups"):
        what = "AWS goes by the security groups alone; here the CIDRs count, and what else the groups let in does not"
        notes.contradiction("security-groups", "inbound-cidrs", what)
    return AllowSources(notes.at("inbound-cidrs"), cidrs)


def _jwt(notes: Notes, refusals: list[str]) -> tuple[Filter, ...]:
    if notes.text("jwt-validation") is None:
        return ()
    found = document(notes, "jwt-validation")
    keys, issuer = (found.get("jwksEndpoint"), found.get("issuer")) if isinstance(found, dict) else (None, None)
    if not isinstance(keys, str) or not keys.startswith("https://") or not isinstance(issuer, str) or not issuer:
        refusals.append(notes.refuse("jwt-validation", "it is no JSON with jwksEndpoint and issuer"))
        return ()
    if found.get("additionalClaims"):
        refusals.append(notes.refuse("jwt-validation", "additionalClaims are not checked here"))
        return ()
    origin = notes.at("jwt-validation")
    return (Jwt(origin, (JwtProvider("alb", issuer, jwks_url=keys),)),)


def _only_off(notes: Notes, name: str) -> bool:
    """Does no port ask for client certificates?"""
    found = document(notes, name)
    return isinstance(found, list) and all(isinstance(one, dict) and one.get("mode") == "off" for one in found)


# --- backends -----------------------------------------------------------------------------------


def _scheme(notes: Notes) -> str | None:
    protocol = notes.choice("backend-protocol", ("HTTP", "HTTPS"), ignore_case=True) or "HTTP"
    version = notes.choice("backend-protocol-version", ("HTTP1", "HTTP2", "GRPC"), ignore_case=True) or "HTTP1"
    return _SCHEMES[protocol, version]


def _health(notes: Notes) -> HealthCheck | None:
    path = notes.text("healthcheck-path")
    interval = notes.number("healthcheck-interval-seconds", 5, 300)
    timeout = notes.number("healthcheck-timeout-seconds", 2, 120)
    healthy, unhealthy = (notes.number(f"{kind}-threshold-count", 2, 10) for kind in ("healthy", "unhealthy"))
    port = None if notes.text("healthcheck-port") in (None, "traffic-port") else _port(notes)
    by_grpc = (notes.text("backend-protocol-version") or "").upper() == "GRPC"
    codes = _grpc_codes(notes) if by_grpc else _codes(notes)
    usual = "/AWS.ALB/healthcheck" if by_grpc else "/"
    if not any(name in notes for name in _HEALTH):
        return None
    if path is not None and not path.startswith("/"):
        notes.bad("healthcheck-path", "a path", f"{usual} is asked for")
        path = None
    # Where no target is well, ALB sends requests to all of them.
    return HealthCheck(
        path or usual, interval or 15, timeout or 5, healthy or 2, unhealthy or 2, codes, port=port or 0, panic=1
    )


def _port(notes: Notes) -> int | None:
    if not (notes.text("healthcheck-port") or "").isdecimal():
        notes.unsupported("healthcheck-port", "a port by name is not looked up, the endpoint's own is asked")
        return None
    return notes.number("healthcheck-port", 1, 65535)


def _codes(notes: Notes) -> tuple[tuple[int, int], ...]:
    """Ranges of status codes; 200 alone where nothing is said."""
    found = []
    for item in notes.items("success-codes"):
        low, dash, high = item.partition("-")
        if not low.isdecimal() or not (high if dash else low).isdecimal() or not 200 <= int(low) <= 599:
            notes.bad("success-codes", "codes such as 200,301 or 200-299", "200 is expected")
            return ((200, 200),)
        found.append((int(low), int(high) if dash else int(low)))
    return tuple(found) or ((200, 200),)


def _grpc_codes(notes: Notes) -> tuple[tuple[int, int], ...]:
    """What gRPC answers with 200 is not looked into, whatever its own status."""
    if "success-codes" in notes:
        notes.differs("success-codes", "any answer by gRPC is taken for a good one, whatever its grpc-status")
    return ((200, 200),)


def _load_balancer(notes: Notes) -> float | None:
    """idle_timeout, and a word about the attributes that are not as here."""
    name = "load-balancer-attributes"
    attributes = _attributes(notes, name, {_IDLE, *_USUAL_ATTRIBUTES, *_QUIET_ATTRIBUTES})
    told = [key for key, usual in _USUAL_ATTRIBUTES.items() if attributes.get(key, usual).lower() != usual]
    if told:
        notes.unsupported(name, f"{', '.join(told)}: requests are passed on as usual")
    idle = attributes.get(_IDLE)
    if idle is None:
        return None
    if not (idle.isdecimal() and 0 < int(idle) <= 4000):
        notes.bad(name, f"{_IDLE} from 1 to 4000", "it is 60")
        return None
    return float(idle)


def _target_group(notes: Notes) -> tuple[SessionPersistence | None, str]:
    """Stickiness, and how targets are chosen."""
    name = "target-group-attributes"
    attributes = _attributes(notes, name, _GROUP_ATTRIBUTES)
    algorithm = attributes.get("load_balancing.algorithm.type")
    balance = _BALANCES.get(algorithm or "round_robin")
    if balance is None:
        hint = suggest(algorithm or "", list(_BALANCES))
        notes.bad(name, f"one of {', '.join(_BALANCES)} as algorithm", "it has no effect", hint)
    if attributes.get("stickiness.enabled") != "true":
        return None, (balance or "") if algorithm else ""
    if attributes.get("stickiness.type", "lb_cookie") != "lb_cookie":
        notes.unsupported(
            name, "an application's cookie does not decide where requests go", "stickiness.type=lb_cookie"
        )
        return None, (balance or "") if algorithm else ""
    seconds = attributes.get("stickiness.lb_cookie.duration_seconds", str(_DAY))
    age = int(seconds) if seconds.isdecimal() and len(seconds) < 8 else _DAY
    return SessionPersistence(name="AWSALB", path="/", max_age=age), (balance or "") if algorithm else ""


def _attributes(notes: Notes, name: str, known: set[str] | frozenset[str]) -> dict[str, str]:
    """The attributes of an annotation; those that nobody knows are told."""
    found = {}
    for item in notes.items(name):
        key, _, value = (part.strip() for part in item.partition("="))
        found[key] = value
        if key not in known:
            message = f"{notes.prefix}{name}: AWS knows no attribute {key[:60]}, so it has no effect"
            notes.tell(Severity.WARNING, "annotation-value", message, name, suggest(key, sorted(known)))
    return found


COMPATIBILITY = Compatibility(
    "AWS Load Balancer Controller: annotations",
    _OF,
    "annotation",
    alb_features.ANNOTATIONS,
    "At AWS an Ingress without group.name has a load balancer of its own; here all of a class are at one door, unless"
    " the site map describes several.",
)
RULES = Compatibility(
    "AWS Load Balancer Controller: rules",
    _OF,
    "document",
    alb_features.RULES,
    "Paths are compared normalised and otherwise as they are sent: `/a%2Bb` is not `/a+b`.",
)

READER = Reader("alb", ALB, read, (COMPATIBILITY, RULES), usual=USUAL, rules=alb_rules.rules)
