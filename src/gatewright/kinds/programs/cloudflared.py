"""cloudflared's config.yml: which service each name of a Cloudflare tunnel leads to.

cloudflared refuses the whole file for a mistake in one rule; so does `parse`, which then gives no intent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import field

from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem
from gatewright.kinds import syntax
from gatewright.kinds.decode import Ignored, Report, Schema, decode, has_variable, key_of
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.programs import TunnelIntent, TunnelRule
from gatewright.kinds.kind import Kind
from gatewright.kinds.programs import configtext, files

_STATUS = re.compile(r"http_status:[1-5][0-9]{2}")
_SERVICE = re.compile(r"(https?|tcp|ssh|rdp|smb|ws|wss|unix|unix\+tls)(://|:/)(.+)")
_WORDS = frozenset(("hello_world", "hello-world", "bastion", "socks-proxy"))
_PLACEHOLDER = re.compile(r"<[^>]+>")


class OriginRequest(Schema, frozen=True, kw_only=True):
    """How cloudflared speaks to the service; a rule's own setting wins over that of the file."""

    connect_timeout: Ignored = None
    tls_timeout: Ignored = None
    tcp_keep_alive: Ignored = None
    no_happy_eyeballs: Ignored = None
    keep_alive_connections: Ignored = None
    keep_alive_timeout: Ignored = None
    http_host_header: str | None = None
    origin_server_name: str | None = None
    match_sni: bool | None = field(default=None, name="matchSNItoHost")
    ca_pool: Ignored = None
    no_tls_verify: bool | None = field(default=None, name="noTLSVerify")
    disable_chunked_encoding: Ignored = None
    bastion_mode: Ignored = None
    proxy_address: Ignored = None
    proxy_port: Ignored = None
    proxy_type: Ignored = None
    http2_origin: bool | None = None
    credentials: Ignored = None

    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "ipRules": "which addresses may be proxied to is not followed",
        "access": "whether Cloudflare Access lets a request through is not followed",
    }


class Rule(Schema, frozen=True, kw_only=True):
    service: str
    hostname: str = ""
    path: str = ""
    origin_request: OriginRequest = OriginRequest()


class Config(Schema, frozen=True, rename="kebab", kw_only=True):
    tunnel: str = ""
    ingress: list[Rule] | None = None
    origin_request: OriginRequest = field(default=OriginRequest(), name="originRequest")
    warp_routing: Ignored = None
    credentials_file: Ignored = None
    credentials_contents: Ignored = None
    origincert: Ignored = None
    token: Ignored = None
    token_file: Ignored = None
    metrics: Ignored = None
    metrics_update_freq: Ignored = None
    no_autoupdate: Ignored = None
    autoupdate_freq: Ignored = None
    protocol: Ignored = None
    edge_ip_version: Ignored = None
    edge_bind_address: Ignored = None
    region: Ignored = None
    grace_period: Ignored = None
    retries: Ignored = None
    tag: Ignored = None
    label: Ignored = None
    loglevel: Ignored = None
    logfile: Ignored = None
    log_directory: Ignored = None
    log_format_output: Ignored = None
    transport_loglevel: Ignored = None
    trace_output: Ignored = None
    pidfile: Ignored = None
    post_quantum: Ignored = None
    ha_connections: Ignored = None
    features: Ignored = None
    management_hostname: Ignored = None
    icmpv4_src: Ignored = None
    icmpv6_src: Ignored = None
    no_tls_verify: bool | None = None
    http2_origin: bool | None = None
    http_host_header: str | None = None
    origin_server_name: str | None = None
    url: str = ""
    hello_world: Ignored = None


def parse(
    data: Mapping[str, Any], origin: Origin, key: Key | None = None
) -> tuple[TunnelIntent | None, tuple[Problem, ...]]:
    """What a cloudflared with this configuration does; `key` is that of the file."""
    document = Document(origin, files.API_VERSION, KIND.name, "", origin.file, data)
    config, problems = decode(document, Config)
    report = Report(document, problems)
    if config is None:
        return None, report.lowered(None).problems
    if config.ingress:
        rules = tuple(_rule(index, rule, config, report) for index, rule in enumerate(config.ingress))
        _check_order(rules, report)
    else:
        rules = _single(config, report)
    intent = TunnelIntent(key or key_of(document), origin, config.tunnel, rules)
    lowered = report.lowered(intent)
    return (None if lowered.intent is None else intent), lowered.problems


def _single(config: Config, report: Report) -> tuple[TunnelRule, ...]:
    """Without ingress everything goes to one service."""
    if config.url:
        return (
            TunnelRule(
                config.url,
                report.origin.at("url"),
                server_name=config.origin_server_name or "",
                verify=not config.no_tls_verify,
                host_header=config.http_host_header or "",
                http2=bool(config.http2_origin),
            ),
        )
    hint = "give it rules, the last one without hostname; or a url"
    report.warning("no-rules", "cloudflared answers 503 to every request", "ingress", hint=hint)
    return (TunnelRule("http_status:503", report.origin),)


def _rule(index: int, rule: Rule, config: Config, report: Report) -> TunnelRule:
    where = ("ingress", index)
    hostname = rule.hostname.lower().removesuffix(".")
    if hostname == "*":
        hostname = ""
    elif hostname and configtext.name(hostname) == "" and not has_variable(hostname):
        hint = "cloudflared does not look at ports" if ":" in hostname else "a wildcard is *. and a name"
        report.invalid(f"{configtext.clip(rule.hostname)} is no hostname", *where, "hostname", hint=hint)
    why = syntax.regex_error(rule.path) if rule.path else ""
    if why:
        report.invalid(f"not a regular expression: {why}", *where, "path")
    _check_service(rule.service, (*where, "service"), report)
    own, common = rule.origin_request, config.origin_request
    return TunnelRule(
        rule.service,
        report.origin.at(*where),
        hostname,
        rule.path,
        _first(own.origin_server_name, common.origin_server_name) or "",
        bool(_first(own.match_sni, common.match_sni)),
        not _first(own.no_tls_verify, common.no_tls_verify),
        _first(own.http_host_header, common.http_host_header) or "",
        bool(_first(own.http2_origin, common.http2_origin)),
    )


def _first(own: Any, common: Any) -> Any:
    return common if own is None else own


def _check_service(service: str, where: tuple[str | int, ...], report: Report) -> None:
    if service in _WORDS or _STATUS.fullmatch(service) is not None or has_variable(service):
        return
    found = _SERVICE.fullmatch(service)
    if found is None:
        hint = "a URL such as https://10.0.0.50:443, or http_status:404"
        report.invalid(f"{configtext.clip(service)} is no service", *where, hint=hint)
    elif not found[1].startswith("unix") and "/" in found[3].rstrip("/") and not _PLACEHOLDER.search(found[3]):
        hint = "cloudflared passes the path of the request on; it cannot change it"
        report.invalid(f"{configtext.clip(service)} has a path", *where, hint=hint)


def _check_order(rules: tuple[TunnelRule, ...], report: Report) -> None:
    """The last rule, and only the last, takes everything."""
    for index, rule in enumerate(rules):
        takes_all = not rule.hostname and not rule.path
        last = index == len(rules) - 1
        if takes_all and not last:
            hint = "give it a hostname or a path, or move it to the end"
            report.invalid("the rules below it can never match", "ingress", index, hint=hint)
        elif last and not takes_all:
            hint = "add a rule with only `service: http_status:404`"
            report.invalid("the last rule has to take every request", "ingress", index, hint=hint)


def lower(document: Document) -> Lowered:
    """Lower a cloudflared configuration."""
    return Lowered(*parse(document.data, document.origin, key_of(document)))


KIND = Kind("CloudflaredConfig", (files.API_VERSION,), lower, namespaced=False)
