"""BackendTrafficPolicy (Envoy Gateway): how requests go on to backends, from a Gateway, a listener or a route."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from gatewright.base.document import Document
from gatewright.kinds.decode import Ignored, Object, Path, Report, Schema, decode, key_of
from gatewright.kinds.envoy_gateway import envoygateway
from gatewright.kinds.envoy_gateway.envoygateway import Targets
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.filters import BodyLimit, Compress, Filter, LimitBy, RateLimit, Refuse
from gatewright.kinds.intents.options import Options, OptionsPolicyIntent
from gatewright.kinds.intents.routing import HashKey, HealthCheck, Retry, Upstream
from gatewright.kinds.kind import Kind

TARGETS = ("Gateway", "ListenerSet", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute")
_BALANCES = {
    "RoundRobin": "round-robin",
    "LeastRequest": "least-request",
    "Random": "random",
    "ConsistentHash": "maglev",
}
_ENCODINGS = {"Gzip": "gzip", "Brotli": "br", "Zstd": "zstd"}
_UNITS = {"Second": 1, "Minute": 60, "Hour": 3600, "Day": 86400, "Month": 2592000, "Year": 31536000}
_PLAIN_TRIGGERS = ("connect-failure", "refused-stream", "retriable-status-codes")
_STATUSES = {"5xx": tuple(range(500, 600)), "gateway-error": (502, 503, 504), "retriable-4xx": (409,)}


class _HttpTimeout(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "maxConnectionDuration": "connections to backends are kept as long as both sides like",
        "maxStreamDuration": "only requestTimeout limits requests",
    }

    request_timeout: str = ""
    connection_idle_timeout: str = ""
    stream_idle_timeout: str = ""


class _TcpTimeout(Schema, frozen=True):
    connect_timeout: str = ""


class _Timeout(Schema, frozen=True):
    tcp: _TcpTimeout = _TcpTimeout()
    http: _HttpTimeout = _HttpTimeout()


class _BackOff(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {"maxInterval": "it grows to ten times baseInterval"}

    base_interval: str = ""


class _PerRetry(Schema, frozen=True):
    timeout: str = ""
    back_off: _BackOff = _BackOff()


class _RetryOn(Schema, frozen=True):
    triggers: tuple[str, ...] = ()
    http_status_codes: tuple[int, ...] = ()


class _Retry(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "numAttemptsPerPriority": "backends have one priority here",
    }

    num_retries: Annotated[int, Meta(ge=0)] = 2
    retry_on: _RetryOn | None = None
    per_retry: _PerRetry = _PerRetry()


class _Named(Schema, frozen=True):
    name: str = ""


class _Cookie(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {"attributes": "the cookie has Path=/ and HttpOnly, and no others"}

    name: str = ""
    ttl: str = ""


class _Hash(Schema, frozen=True):
    type: Literal["SourceIP", "Header", "Headers", "Cookie", "QueryParams"]
    header: _Named | None = None
    headers: tuple[_Named, ...] = ()
    cookie: _Cookie | None = None
    query_params: tuple[_Named, ...] = ()
    table_size: Ignored = None


class _LoadBalancer(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "slowStart": "new endpoints get their full share at once",
        "zoneAware": "zones are not looked at",
        "endpointOverride": "clients do not choose endpoints",
        "dynamicModule": "modules of Envoy are not loaded",
        "backendUtilization": "load reports of backends are not read",
    }

    type: str
    consistent_hash: _Hash | None = None


class _Breaker(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "maxParallelRetries": "retries are limited to 1024 at a time",
        "perEndpoint": "limits hold for all endpoints together",
        "retryBudget": "retries are limited to 1024 at a time",
    }

    max_connections: Annotated[int, Meta(ge=0)] = 1024
    max_pending_requests: Annotated[int, Meta(ge=0)] = 1024
    max_parallel_requests: Annotated[int, Meta(ge=0)] = 1024
    max_requests_per_connection: Annotated[int, Meta(ge=0)] | None = None


class _HttpCheck(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "method": "endpoints are asked with GET",
        "expectedResponse": "bodies of answers are not compared",
    }

    path: str = "/"
    hostname: str = ""
    expected_statuses: tuple[int, ...] = (200,)


class _TcpCheck(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "send": "nothing is sent: a connection is enough",
        "receive": "nothing is waited for: a connection is enough",
    }


class _Active(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "initialJitter": "checks begin at once",
        "overrides": "endpoints are checked at their own port",
    }

    type: Literal["HTTP", "TCP", "GRPC"]
    timeout: str = "1s"
    interval: str = "3s"
    unhealthy_threshold: Annotated[int, Meta(ge=1)] = 3
    healthy_threshold: Annotated[int, Meta(ge=1)] = 1
    http: _HttpCheck | None = None
    tcp: _TcpCheck | None = None
    grpc: Ignored = None


class _Passive(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "consecutiveGatewayErrors": "all errors of 5xx count alike, see consecutive5XxErrors",
        "consecutiveLocalOriginFailures": "failures to connect count as errors of 5xx",
        "splitExternalLocalOriginErrors": "failures to connect count as errors of 5xx",
        "failurePercentageThreshold": "errors in a row count, not their share",
        "maxEjectionPercent": "any share of endpoints may be left out, but not all of them",
    }

    base_ejection_time: str = "30s"
    consecutive_5xx_errors: int = field(default=5, name="consecutive5XxErrors")
    interval: Ignored = None
    always_eject_one_endpoint: Ignored = None


class _HealthCheck(Schema, frozen=True):
    active: _Active | None = None
    passive: _Passive | None = None
    panic_threshold: Annotated[int, Meta(ge=0, le=100)] = 50


class _SourceMatch(Schema, frozen=True):
    value: str
    type: Literal["Exact", "Distinct"] = "Exact"
    invert: bool = False


class _HeaderSelector(Schema, frozen=True):
    name: str
    type: Literal["Exact", "RegularExpression", "Distinct"] = "Exact"
    value: str = ""
    invert: bool = False


class _Selector(Schema, frozen=True):
    headers: tuple[_HeaderSelector, ...] = ()
    methods: Ignored = None
    path: Ignored = None
    query_params: Ignored = None
    source_cidr: _SourceMatch | None = field(default=None, name="sourceCIDR")


class _Limit(Schema, frozen=True):
    requests: Annotated[int, Meta(ge=0)]
    unit: Literal["Second", "Minute", "Hour", "Day", "Month", "Year"]


class _LimitRule(Schema, frozen=True):
    limit: _Limit
    client_selectors: tuple[_Selector, ...] = ()
    cost: Ignored = None
    shared: bool = False
    shadow_mode: bool = False


class _Limits(Schema, frozen=True):
    rules: tuple[_LimitRule, ...] = ()


class _RateLimit(Schema, frozen=True):
    type: str = ""
    local: _Limits | None = None
    global_: _Limits | None = field(default=None, name="global")


class _Compression(Schema, frozen=True):
    type: str
    min_content_length: str | int | None = None
    choose_first: bool = False
    gzip: Ignored = None
    brotli: Ignored = None
    zstd: Ignored = None


class _Buffer(Schema, frozen=True):
    limit: str | int


class _Upgrade(Schema, frozen=True):
    type: str
    connect: Ignored = None


class _ProxyProtocol(Schema, frozen=True):
    version: Literal["V1", "V2"]


class _Spec(Targets, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "faultInjection": "no faults are injected",
        "responseOverride": "answers are passed on as they are; see HTTPRouteFilter's directResponse for fixed ones",
        "bandwidthLimit": "bandwidth is not limited",
        "admissionControl": "requests are not shed by the success rate",
        "useClientProtocol": "backends are spoken to as their appProtocol says",
    }

    merge_type: str = ""
    timeout: _Timeout = _Timeout()
    retry: _Retry | None = None
    load_balancer: _LoadBalancer | None = None
    circuit_breaker: _Breaker | None = None
    health_check: _HealthCheck | None = None
    rate_limit: _RateLimit | None = None
    compression: tuple[_Compression, ...] = ()
    compressor: tuple[_Compression, ...] = ()
    request_buffer: _Buffer | None = None
    http_upgrade: tuple[_Upgrade, ...] = ()
    proxy_protocol: _ProxyProtocol | None = None
    connection: Ignored = None
    dns: Ignored = None
    http2: Ignored = None
    tcp_keepalive: Ignored = None
    telemetry: Ignored = None


class BackendTrafficPolicy(Object, frozen=True, kw_only=True):
    spec: _Spec


def lower(document: Document) -> Lowered:
    """Lower a BackendTrafficPolicy."""
    policy, problems = decode(document, BackendTrafficPolicy)
    report = Report(document, problems)
    if policy is None:
        return _closed_if_limiting(document, report)
    spec = policy.spec
    refused: list[str] = []
    filters = _limits(spec.rate_limit, report, refused) if spec.rate_limit else []
    if compression := spec.compressor or spec.compression:
        filters += _compress(compression, report)
    hashing = spec.load_balancer.consistent_hash if spec.load_balancer else None
    buffer = spec.request_buffer
    limit = envoygateway.octets(buffer.limit, report, "spec", "requestBuffer", "limit") if buffer else None
    origin = report.origin.at("spec", "requestBuffer")
    http = spec.timeout.http
    options = Options(
        filters=tuple(filters),
        body_limit=BodyLimit(origin, limit, buffered=True) if limit is not None else None,
        timeout=_seconds(http.request_timeout, report, "http", "requestTimeout"),
        read_timeout=_seconds(http.stream_idle_timeout, report, "http", "streamIdleTimeout"),
        retry=_retry(spec.retry, report) if spec.retry else None,
        websocket=_websocket(spec.http_upgrade, report),
        hash=_hash(hashing, report) if hashing else (),
        upstream=_upstream(spec, report),
        proxy_protocol=int(spec.proxy_protocol.version[1]) if spec.proxy_protocol else None,
        unbuildable="; ".join(refused),
    )
    intent = OptionsPolicyIntent(
        key_of(document),
        document.origin,
        envoygateway.targets(spec, document, report, TARGETS),
        options,
        merges=bool(spec.merge_type),
        created=policy.metadata.created,
    )
    return _closed_if_limiting(document, report) if report.rejected else report.lowered(intent)


def _closed_if_limiting(document: Document, report: Report) -> Lowered:
    """A policy that cannot be used is no loss of protection unless it limits rates."""
    problems = report.lowered(None).problems
    data: object = document.data  # a file may hold anything
    spec = data.get("spec") if isinstance(data, dict) else None
    limiting = isinstance(spec, dict) and ("rateLimit" in spec or "requestBuffer" in spec)
    stand_in = envoygateway.closed(document, f"{key_of(document)} cannot be used", TARGETS) if limiting else None
    return Lowered(None, problems, instead=stand_in)


def _seconds(text: str, report: Report, *path: str) -> float | None:
    return envoygateway.seconds(text, report, "spec", "timeout", *path)


def _websocket(upgrades: tuple[_Upgrade, ...], report: Report) -> bool | None:
    """Whether connections may become WebSockets; None when nothing is said."""
    if not upgrades:
        return None
    for index, one in enumerate(upgrades):
        if one.type.lower() != "websocket":
            report.unsupported(f"connections do not become {one.type}", "spec", "httpUpgrade", index)
    return any(one.type.lower() == "websocket" for one in upgrades)


def _retry(retry: _Retry, report: Report) -> Retry:
    """Without triggers: failures to connect, refused streams, and 503."""
    where: Path = ("spec", "retry")
    on = retry.retry_on
    triggers = on.triggers if on is not None else ("connect-failure", "refused-stream", "retriable-status-codes")
    codes = list(on.http_status_codes if on is not None else (503,)) if "retriable-status-codes" in triggers else []
    for index, trigger in enumerate(triggers):
        codes += _STATUSES.get(trigger, ())
        if trigger not in (*_PLAIN_TRIGGERS, *_STATUSES, "reset", "unavailable"):
            message = f"the trigger {trigger} is not carried over; gRPC statuses are not looked at"
            report.unsupported(message, *where, "retryOn", "triggers", index)
    base = envoygateway.seconds(retry.per_retry.back_off.base_interval, report, *where, "perRetry", "backOff")
    return Retry(
        retry.num_retries,
        tuple(dict.fromkeys(codes)),
        base or 0.0,
        resets=bool({"reset", "5xx", "gateway-error"} & set(triggers)),
        timeout=envoygateway.seconds(retry.per_retry.timeout, report, *where, "perRetry", "timeout"),
    )


def _hash(wanted: _Hash, report: Report) -> tuple[HashKey, ...]:
    match wanted.type:
        case "SourceIP":
            return (HashKey("client"),)
        case "Header" if wanted.header:
            return (HashKey("header", wanted.header.name.lower()),)
        case "Headers":
            return tuple(HashKey("header", one.name.lower()) for one in wanted.headers)
        case "QueryParams":
            return tuple(HashKey("query", one.name) for one in wanted.query_params)
        case "Cookie" if wanted.cookie:
            ttl = envoygateway.seconds(
                wanted.cookie.ttl, report, "spec", "loadBalancer", "consistentHash", "cookie", "ttl"
            )
            return (HashKey("cookie", wanted.cookie.name, int(ttl) if ttl is not None else -1),)
    report.invalid(f"type {wanted.type} goes with a field of that name", "spec", "loadBalancer", "consistentHash")
    return ()


def _upstream(spec: _Spec, report: Report) -> Upstream | None:
    breaker, health = spec.circuit_breaker, spec.health_check or _HealthCheck()
    balance = ""
    if spec.load_balancer is not None:
        balance = _BALANCES.get(spec.load_balancer.type, "")
        if not balance:
            report.unsupported(f"{spec.load_balancer.type} is not carried over", "spec", "loadBalancer", "type")
    passive = health.passive
    ejection = passive.base_ejection_time if passive else ""
    made = Upstream(
        balance=balance,
        connect_timeout=_seconds(spec.timeout.tcp.connect_timeout, report, "tcp", "connectTimeout"),
        idle_timeout=_seconds(spec.timeout.http.connection_idle_timeout, report, "http", "connectionIdleTimeout"),
        max_connections=breaker.max_connections if breaker else None,
        max_pending=breaker.max_pending_requests if breaker else None,
        max_requests=breaker.max_parallel_requests if breaker else None,
        max_requests_per_connection=breaker.max_requests_per_connection if breaker else None,
        health=_health(health.active, health.panic_threshold, report) if health.active else None,
        outlier_errors=passive.consecutive_5xx_errors if passive else 0,
        outlier_seconds=envoygateway.seconds(ejection, report, "spec", "healthCheck", "passive") or 0.0,
    )
    return made if made != Upstream() else None


def _health(active: _Active, panic: int, report: Report) -> HealthCheck:
    where = ("spec", "healthCheck", "active")
    if active.type == "GRPC":
        report.unsupported("endpoints are asked for a TCP connection instead of gRPC health", *where, "grpc")
    http = active.http if active.type == "HTTP" else None
    return HealthCheck(
        path=http.path if http else "",
        interval=envoygateway.seconds(active.interval, report, *where, "interval") or 3.0,
        timeout=envoygateway.seconds(active.timeout, report, *where, "timeout") or 1.0,
        healthy=active.healthy_threshold,
        unhealthy=active.unhealthy_threshold,
        statuses=tuple((status, status) for status in http.expected_statuses) if http else (),
        host=http.hostname if http else "",
        panic=panic,
    )


def _limits(limits: _RateLimit, report: Report, refused: list[str]) -> list[Filter]:
    """Local limits.  A limit shared by all proxies holds here at this one, which is all there are."""
    made: list[Filter] = []
    for name, found in (("local", limits.local), ("global", limits.global_)):
        for index, rule in enumerate(found.rules if found else ()):
            where = ("spec", "rateLimit", name, "rules", index)
            if rule.shadow_mode:
                continue
            limit = _limit(rule, report, where)
            if isinstance(limit, str):
                message = f"{limit}; what the policy attaches to answers 503"
                report.error("protection-unbuildable", message, *where)
                refused.append(limit)
            else:
                made.append(limit)
    return made


def _limit(rule: _LimitRule, report: Report, where: Path) -> RateLimit | Refuse | str:
    """A limit, or why it cannot be built.  One of no requests at all refuses them."""
    if rule.cost is not None:
        return "requests that cost more than one are not supported"
    if rule.shared:
        report.unsupported("each route counts for itself", *where, "shared")
    by, header = LimitBy.ALL, ""
    if len(rule.client_selectors) > 1:
        return "only one selector of clients is supported"
    for one in rule.client_selectors:
        distinct = [selector for selector in one.headers if selector.type == "Distinct"]
        if one.methods or one.path or one.query_params or len(one.headers) != len(distinct) or len(distinct) > 1:
            return "limits for some requests only are not supported; make the route a rule of its own for them"
        source = one.source_cidr
        if source is not None and (source.value not in ("0.0.0.0/0", "::/0") or source.type != "Distinct"):
            return "limits for some clients only are not supported"
        if distinct and source is not None:
            return "limits by header and address together are not supported"
        if distinct:
            by, header = LimitBy.HEADER, distinct[0].name.lower()
        elif source is not None:
            by = LimitBy.CLIENT
    limit = rule.limit
    if not limit.requests:
        if by is LimitBy.HEADER:
            return "a limit of no requests by header is not supported"
        return Refuse(report.origin.at(*where), 429, "the policy allows no requests")
    return RateLimit(
        report.origin.at(*where), limit.requests, _UNITS[limit.unit], limit.requests, by, header, status=429
    )


def _compress(wanted: tuple[_Compression, ...], report: Report) -> list[Filter]:
    encodings = []
    for index, one in enumerate(wanted):
        if one.type in _ENCODINGS:
            encodings.append(_ENCODINGS[one.type])
        else:
            report.unsupported(f"{one.type} is not known; there are Gzip, Brotli and Zstd", "spec", "compressor", index)
    if not encodings:
        return []
    origin = report.origin.at("spec", "compressor")
    lengths = [
        envoygateway.octets(one.min_content_length, report, "spec", "compressor", index)
        for index, one in enumerate(wanted)
        if one.min_content_length is not None
    ]
    return [Compress(origin, tuple(encodings), min_length=min((n for n in lengths if n is not None), default=30))]


KIND = Kind("BackendTrafficPolicy", envoygateway.API_VERSIONS, lower)
