"""The ConfigMap of an ingress-nginx: what holds for all of its Ingresses, and what it says of the door itself.

Values have the units of the annotations of the same name.  Which ConfigMap it is, is the graph's business
(`resolve.controller_config`).  Counterpart: `ingress`, one Ingress.
"""

from __future__ import annotations

import re

from gatewright.base.origin import Origin
from gatewright.kinds.annotations import table
from gatewright.kinds.annotations.nginx import auth as nginx_auth
from gatewright.kinds.annotations.nginx import backends as nginx_backends
from gatewright.kinds.annotations.nginx import settings_features as nginx_settings_features
from gatewright.kinds.annotations.nginx import statements as nginx_statements
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.features import Compatibility
from gatewright.kinds.intents.filters import (
    Authorize,
    AuthorizeRule,
    BodyLimit,
    Compress,
    DenySources,
    Filter,
    HeaderEdit,
    HeadersFrom,
    ResponseHeaders,
)
from gatewright.kinds.intents.options import NOTHING, DoorOptions, Options, TlsRedirect, laid_over
from gatewright.kinds.intents.routing import Retry, Upstream

MIB = 1024 * 1024
CHALLENGES = "/.well-known/acme-challenge"
_INFERRED = Origin("(ingress-nginx)")
_HSTS_AGE = 31536000

USUAL = Options(
    body_limit=BodyLimit(_INFERRED, MIB),
    tls_redirect=TlsRedirect("tls", 308, excepts=(CHALLENGES,)),
    hsts=f"max-age={_HSTS_AGE}; includeSubDomains",
    read_timeout=60.0,
    retry=Retry(2, resets=True, methods=nginx_backends.IDEMPOTENT),
    upstream=Upstream(connect_timeout=5.0),
    unasked=(CHALLENGES,),
    limit_status=503,
)
"""What holds when nobody says anything (config.go of the controller)."""

_KNOWN = table.by_name(nginx_settings_features.FEATURES, "")
_ENGINE = re.compile(r"ruleengine[\s=\"']+([a-z]*)")
"""What SecRuleEngine, or a rule's ctl:ruleEngine, sets: On, Off or DetectionOnly."""
_TLS_VERSIONS = {"TLSv1": "1.0", "TLSv1.1": "1.1", "TLSv1.2": "1.2", "TLSv1.3": "1.3"}
_FOREIGN = ("passwords", "authorities", "key pairs", "headers")
_SNIPPETS = (
    ("http-snippet", nginx_statements.LOCATION),
    ("server-snippet", nginx_statements.SERVER),
    ("location-snippet", nginx_statements.LOCATION),
)


def read(notes: Notes) -> Options:
    """The options of all routes at a door, with those of the door itself."""
    found = NOTHING
    parts = (
        nginx_backends.times(notes),
        _retries(notes),
        nginx_backends.balance(notes),
        _tls_redirect(notes),
        _hsts(notes),
        _headers(notes),
        _compression(notes),
        nginx_auth.sources(notes, "whitelist-source-range", "denylist-source-range"),
        _blocked(notes),
        nginx_auth.global_auth(notes),
        *(nginx_statements.read(notes, name, place) for name, place in _SNIPPETS),
        _firewall(notes),
    )
    reason = ""
    for part in parts:
        reason = reason or part.unbuildable
        found = laid_over(found, part)
    own = Options(
        unasked=notes.items("no-auth-locations"),
        limit_status=notes.number("limit-req-status-code", 400, 599),
        foreign_uses=_FOREIGN if notes.flag("allow-cross-namespace-resources") else (),
        door=_door(notes),
    )
    reason = reason or table.judge(notes, _KNOWN)
    return laid_over(laid_over(found, own), Options(unbuildable=reason))


def _retries(notes: Notes) -> Options:
    made = nginx_backends.retries(notes)
    if notes.flag("retry-non-idempotent"):
        retry = made.retry or USUAL.retry
        assert retry is not None
        return Options(retry=Retry(retry.attempts, retry.codes, resets=retry.resets))
    return made


def _tls_redirect(notes: Notes) -> Options:
    plain, force = notes.flag("ssl-redirect"), notes.flag("force-ssl-redirect")
    code = notes.choice("http-redirect-code", ("301", "302", "307", "308"))
    excepts = notes.items("no-tls-redirect-locations")
    if plain is None and force is None and code is None and not excepts:
        return NOTHING
    when = "always" if force else "never" if plain is False else "tls"
    return Options(tls_redirect=TlsRedirect(when, int(code or 0), origin=notes.origin, excepts=excepts))


def _hsts(notes: Notes) -> Options:
    said = [name for name in ("hsts", "hsts-max-age", "hsts-include-subdomains", "hsts-preload") if name in notes]
    if not said:
        return NOTHING
    if notes.flag("hsts") is False:
        return Options(hsts="")
    age = notes.number("hsts-max-age")
    words = [f"max-age={_HSTS_AGE if age is None else age}"]
    if notes.flag("hsts-include-subdomains") is not False:
        words.append("includeSubDomains")
    if notes.flag("hsts-preload"):
        words.append("preload")
    return Options(hsts="; ".join(words))


def _headers(notes: Notes) -> Options:
    """add-headers, proxy-set-headers (ConfigMaps), hide-headers."""
    found: list[Filter] = []
    for name, to_client in (("add-headers", True), ("proxy-set-headers", False)):
        source = notes.reference(name, "ConfigMap")
        if source is not None:
            found.append(HeadersFrom(notes.at(name), source, to_client))
    hidden = notes.items("hide-headers")
    if hidden:
        found.append(ResponseHeaders(HeaderEdit(remove=hidden), notes.at("hide-headers")))
    return Options(filters=tuple(found))


def _compression(notes: Notes) -> Options:
    """use-gzip, enable-brotli: one filter, brotli first, as nginx prefers it."""
    brotli, gzip = notes.flag("enable-brotli"), notes.flag("use-gzip")
    if not (brotli or gzip):
        return NOTHING
    encodings = (*(("br",) if brotli else ()), *(("gzip",) if gzip else ()))
    own = "gzip" if gzip else "brotli"
    least = notes.number(f"{own}-min-length")
    types = tuple((notes.text(f"{own}-types") or "").split())
    made = Compress(
        notes.at("use-gzip" if gzip else "enable-brotli"),
        encodings,
        min_length=least if least is not None else 256 if gzip else 20,
        types=() if "*" in types else types,
        level=notes.number(f"{own}-level", 1, 11) or 0,
    )
    return Options(filters=(made,))


def _blocked(notes: Notes) -> Options:
    """block-cidrs, block-user-agents, block-referers: 403 for everybody of whom it is known."""
    first: list[Filter] = []
    reason = ""
    if notes.text("block-cidrs") is not None:
        cidrs = notes.cidrs("block-cidrs")
        if cidrs:
            first.append(DenySources(notes.at("block-cidrs"), cidrs))
        else:
            reason = notes.refuse("block-cidrs", "it is no list of addresses and CIDRs")
    for name, header in (("block-user-agents", "user-agent"), ("block-referers", "referer")):
        values = notes.items(name)
        if any(value.startswith("~") for value in values):
            reason = notes.refuse(name, "expressions are not carried over", "list the values")
        elif values:
            rule = AuthorizeRule(allow=False, headers=((header, values),))
            first.append(Authorize(notes.at(name), (rule,), allow=True))
    return Options(first=tuple(first), unbuildable=reason)


def _firewall(notes: Notes) -> Options:
    """ModSecurity only looks on unless a rule switches it on, or a file that is included may."""
    name = "enable-modsecurity"
    if not notes.flag(name):
        return NOTHING
    why = "there is no web application firewall here"
    rules = (notes.text("modsecurity-snippet") or "").lower()
    modes = set(_ENGINE.findall(rules))
    if modes - {"off", "detectiononly"} or ("include" in rules and not modes):
        return Options(unbuildable=notes.refuse(name, why))
    notes.unsupported(name, why)
    return NOTHING


def _door(notes: Notes) -> DoorOptions | None:
    """PROXY protocol, forwarded headers, TLS, snippets."""
    lowest, highest = _versions(notes)
    trusted = notes.cidrs("proxy-real-ip-cidr")
    if trusted is None:
        notes.bad("proxy-real-ip-cidr", "a list of addresses and CIDRs", "nobody is believed")
        trusted = ("127.0.0.1/32",)
    forwarded = notes.flag("use-forwarded-headers")
    made = DoorOptions(
        proxy_protocol=notes.flag("use-proxy-protocol"),
        forwarded=True if notes.flag("enable-real-ip") else forwarded,
        trusted=trusted,
        header=notes.text("forwarded-for-header") or "",
        appends=notes.flag("compute-full-forwarded-for"),
        snippets=_snippets(notes),
        min_version=lowest,
        max_version=highest,
        ciphers=notes.items("ssl-ciphers", ":"),
        http2=notes.flag("use-http2"),
        underscores=notes.flag("enable-underscores-in-headers"),
    )
    return made if made != DoorOptions() else None


def _versions(notes: Notes) -> tuple[str, str]:
    """ssl-protocols as the lowest and the highest."""
    words = (notes.text("ssl-protocols") or "").split()
    known = sorted(_TLS_VERSIONS[word] for word in words if word in _TLS_VERSIONS)
    if words and len(known) < len(words):
        notes.bad("ssl-protocols", "words such as TLSv1.2 TLSv1.3", "those that are known hold")
    return (known[0], known[-1]) if known else ("", "")


def _snippets(notes: Notes) -> bool | None:
    """Are snippets allowed?  Both settings have to allow them since 1.12."""
    allowed = notes.flag("allow-snippet-annotations")
    level = notes.choice("annotations-risk-level", ("Low", "Medium", "High", "Critical"), ignore_case=True)
    if level is not None and level != "Critical":
        return False
    return allowed


COMPATIBILITY = Compatibility(
    "ingress-nginx: ConfigMap",
    "ingress-nginx 1.14, and what older versions had",
    "configmap",
    nginx_settings_features.FEATURES,
    "It is found by `--configmap` of the controller's workload, `controller.config` of the chart, `configuration` of"
    " the IngressController in a site map, or by its usual name.",
)
