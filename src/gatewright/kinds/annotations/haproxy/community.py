"""Annotations and ConfigMap of haproxy-ingress (jcmoraisjr), haproxy-ingress.github.io/.

What becomes of each is in `community_features`; here the values of those that have an effect are read.  Doors
of the implementation "haproxy" act on them, too: both controllers go by the class "haproxy", and not every input tells
which it is.  Counterparts: `ingress`, the other one; `asking`, authentication by another server.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from msgspec import structs

from gatewright.kinds import syntax
from gatewright.kinds.annotations import table
from gatewright.kinds.annotations.haproxy import asking as haproxy_asking
from gatewright.kinds.annotations.haproxy import community_features as listed
from gatewright.kinds.annotations.haproxy import snippets as haproxy_snippets
from gatewright.kinds.annotations.haproxy import values
from gatewright.kinds.annotations.names import HAPROXY_COMMUNITY
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.annotations.reader import Reader
from gatewright.kinds.features import Compatibility
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.filters import (
    AllowSources,
    BasicAuth,
    BodyLimit,
    Cors,
    DenySources,
    Filter,
    HeaderEdit,
    PathEdit,
    PathEditKind,
    RateLimit,
    Redirect,
    RequestHeaders,
    Rewrite,
)
from gatewright.kinds.intents.options import ClientAuth, Options, TlsRedirect
from gatewright.kinds.intents.routing import (
    HealthCheck,
    HostKind,
    HostMatch,
    Match,
    PathKind,
    PathMatch,
    RuleIntent,
    SessionPersistence,
    Upstream,
    UpstreamTls,
    ValueKind,
    ValueMatch,
)

_OF = "HAProxy Ingress 0.8 to 0.17"
_SNIPPETS = ("config-backend-early", "config-backend", "config-backend-late")
_REDIRECTS = (301, 302, 303, 307, 308)
_SCHEMES = {
    "h1": None,
    "http": None,
    "h1-ssl": "https",
    "https": "https",
    "h2": "h2c",
    "grpc": "h2c",
    "h2-ssl": "grpcs",
    "grpcs": "grpcs",
}
_METHODS = "GET, PUT, POST, DELETE, PATCH, OPTIONS"
_HEADERS = (
    "DNT,X-CustomHeader,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,"
    "Authorization"
)
_HSTS_AGE = 15_768_000
_CROSSING = {
    "passwords": "cross-namespace-secrets-passwd",
    "authorities": "cross-namespace-secrets-ca",
    "key pairs": "cross-namespace-secrets-crt",
}
_CHALLENGES = "/.well-known/acme-challenge"

USUAL = Options(
    tls_redirect=TlsRedirect("tls", 302, excepts=(_CHALLENGES,)),
    hsts=f"max-age={_HSTS_AGE}",
    read_timeout=50.0,
    tunnel_timeout=3600.0,
    upstream=Upstream(connect_timeout=5.0),
)
"""ssl-redirect, hsts, timeout-server, timeout-tunnel and timeout-connect where nobody says anything."""


def read(notes: Notes) -> Options:
    """The options of one Ingress."""
    said, refusals = _common(notes)
    said["aliases"] = _aliases(notes)
    for name in _SNIPPETS:
        filters, refusal = haproxy_snippets.read(notes, name)
        said["last"] = (*said.get("last", ()), *filters)
        refusals.append(refusal)
    said["filters"] = (*said["filters"], *filter(None, (_redirect_to(notes),)))
    # Where the door may be the other controller, whose redirects go to another port by themselves.
    said["tls_redirect"] = structs.replace(said["tls_redirect"] or TlsRedirect("", 0), port=443)
    _rules_said(notes)
    refusals.append(table.judge(notes, table.by_name(listed.ANNOTATIONS, notes.prefix), listed.LOCKS, listed.SILENT))
    return Options(**said, unbuildable=next(filter(None, refusals), ""), foreign=tuple(notes.foreign))


def class_wide(notes: Notes) -> Options:
    """The options of the controller's ConfigMap."""
    said, refusals = _common(notes)
    code = _code(notes, "ssl-redirect-code")
    if code is not None:
        usual = TlsRedirect("", 0, 0, notes.at("ssl-redirect-code"))
        said["tls_redirect"] = structs.replace(said["tls_redirect"] or usual, status=code)
    said["foreign_uses"] = tuple(use for use, name in _CROSSING.items() if _lets(notes, name))
    refusals.append(table.judge(notes, table.by_name(listed.CONFIGMAP, ""), listed.LOCKS, listed.SILENT))
    return Options(**said, unbuildable=next(filter(None, refusals), ""))


def _lets(notes: Notes, name: str) -> bool:
    return notes.choice(name, ("allow", "deny")) == "allow"


def _common(notes: Notes) -> tuple[dict[str, Any], list[str]]:
    """What an Ingress and the ConfigMap both say, by field of Options, and why rules have to be refused."""
    refusals: list[str] = []
    allow_name = "allowlist-source-range" if "allowlist-source-range" in notes else "whitelist-source-range"
    allow, deny = _listed(notes, allow_name, refusals), _listed(notes, "denylist-source-range", refusals)
    if "allowlist-source-range" in notes and "whitelist-source-range" in notes:
        notes.contradiction("whitelist-source-range", "allowlist-source-range", "the newer name counts")
    depth = 1 if (notes.text("allowlist-source-header") or "").lower() == "x-forwarded-for" else 0
    if depth:
        notes.differs("allowlist-source-header", "X-Forwarded-For counts from peers that the door trusts alone")
    redirect = notes.flag("ssl-redirect")
    filters: list[Filter | None] = [_limit(notes, refusals), _basic_auth(notes, refusals), _cors(notes)]
    filters += [_headers(notes), _rewrite(notes)]
    said: dict[str, Any] = {
        "allow": None if allow is None else AllowSources(notes.at(allow_name), allow, depth),
        "deny": None if deny is None else DenySources(notes.at("denylist-source-range"), deny, depth),
        "filters": tuple(one for one in filters if one is not None),
        "auth": haproxy_asking.forward_auth(notes, refusals),
        "body_limit": _body_limit(notes, refusals),
        "tls_redirect": None
        if redirect is None
        else TlsRedirect("tls" if redirect else "never", 0, 0, notes.at("ssl-redirect")),
        "hsts": _hsts(notes),
        "read_timeout": values.milliseconds(notes, "timeout-server"),
        "tunnel_timeout": values.milliseconds(notes, "timeout-tunnel"),
        "persistence": _persistence(notes),
        "app_root": notes.text("app-root"),
        "client": _client(notes, refusals),
        "proxy_protocol": _proxy_protocol(notes),
    }
    said |= _upstream(notes, refusals)
    return said, refusals


def _secret(notes: Notes, name: str, use: str) -> Key | None:
    """A Secret, of another namespace where the ConfigMap allows it for this use."""
    return notes.reference(name, "Secret", use=use, allowed_by=f"{_CROSSING[use]}: allow")


# --- who may come -------------------------------------------------------------------------------


def _listed(notes: Notes, name: str, refusals: list[str]) -> tuple[str, ...] | None:
    found = values.sources(notes, name, exceptions=True)
    if isinstance(found, str):
        refusals.append(notes.refuse(name, found))
        return None
    return found


def _limit(notes: Notes, refusals: list[str]) -> RateLimit | None:
    """429 for more requests of one client in a second than there may be."""
    excepts = values.sources(notes, "limit-whitelist")
    if isinstance(excepts, str):
        notes.unsupported("limit-whitelist", f"{excepts}, so that everybody is limited")
        excepts = None
    rate = values.guarding_number(notes, "limit-rps", refusals)
    return RateLimit(notes.at("limit-rps"), rate, burst=rate, excepts=excepts or ()) if rate else None


def _basic_auth(notes: Notes, refusals: list[str]) -> BasicAuth | None:
    if (notes.text("auth-type") or "basic") != "basic":
        refusals.append(notes.refuse("auth-type", "it is not known", "auth-type: basic"))
        return None
    if notes.text("auth-secret") is None:
        if notes.text("auth-type"):
            refusals.append(notes.refuse("auth-type", "auth-secret does not say whose passwords count"))
        return None
    secret = _secret(notes, "auth-secret", "passwords")
    if secret is None:
        refusals.append(notes.refuse("auth-secret", "it names no Secret"))
        return None
    return BasicAuth(notes.at("auth-secret"), secret, realm=notes.text("auth-realm") or "localhost", entry="auth")


def _client(notes: Notes, refusals: list[str]) -> ClientAuth | None:
    """Client certificates; strict (the default since 0.14): what is missing refuses everybody."""
    mode = notes.choice("auth-tls-verify-client", ("on", "off", "optional", "optional_no_ca"))
    if notes.text("auth-tls-secret") is None:
        if mode not in (None, "off"):
            refusals.append(notes.refuse("auth-tls-verify-client", "auth-tls-secret is missing"))
        return None
    if mode == "off":
        return None
    ca = _secret(notes, "auth-tls-secret", "authorities")
    if ca is None:
        refusals.append(notes.refuse("auth-tls-secret", "it names no Secret"))
        return None
    tells = [("X-SSL-Client-SHA1", "fingerprint-sha1"), ("X-SSL-Client-DN", "subject")]
    if notes.flag("auth-tls-cert-header"):
        tells.append(("X-SSL-Client-Cert", "pem"))
    return ClientAuth(
        notes.at("auth-tls-secret"),
        ca,
        {"optional": "optional", "optional_no_ca": "told"}.get(mode or "on", "answer"),
        tells=tuple(tells),
        error_page=notes.text("auth-tls-error-page") or "",
    )


# --- what is done with requests -----------------------------------------------------------------


def _cors(notes: Notes) -> Cors | None:
    if not notes.flag("cors-enable"):
        return None
    origins = values.origins(notes, "cors-allow-origin")
    said = notes.flag("cors-allow-credentials")
    if said and origins == ("*",):
        notes.contradiction("cors-allow-credentials", "cors-allow-origin", "to any origin, none are allowed")
    return Cors(
        notes.at("cors-enable"),
        origins,
        notes.items("cors-allow-methods") or tuple(_METHODS.split(", ")),
        notes.items("cors-allow-headers") or tuple(_HEADERS.split(",")),
        notes.items("cors-expose-headers"),
        allow_credentials=said is not False and origins != ("*",),
        max_age=_or(notes.number("cors-max-age"), 86400),
    )


def _or(value: int | None, usual: int) -> int:
    return usual if value is None else value


def _hsts(notes: Notes) -> str | None:
    names = ("hsts", "hsts-max-age", "hsts-include-subdomains", "hsts-preload")
    on = notes.flag("hsts")
    age, wide, preload = notes.number("hsts-max-age"), notes.flag(names[2]), notes.flag(names[3])
    if not any(name in notes for name in names):
        return None
    if on is False:
        return ""
    parts = [f"max-age={_or(age, _HSTS_AGE)}"]
    parts += ["includeSubDomains"] if wide else []
    parts += ["preload"] if preload else []
    return "; ".join(parts)


def _headers(notes: Notes) -> RequestHeaders | None:
    found = values.header_lines(notes, "headers", ":", notes.owner.namespace)
    return RequestHeaders(HeaderEdit(set=found), notes.at("headers")) if found else None


def _rewrite(notes: Notes) -> Rewrite | None:
    """The part of the path that the rule gives becomes another; what is behind it stays."""
    target = notes.text("rewrite-target")
    if target is None:
        return None
    if not target.startswith("/"):
        notes.bad("rewrite-target", "a path such as /", "it has no effect")
        return None
    edit = PathEdit(PathEditKind.REPLACE_PREFIX, target)
    return Rewrite(notes.at("rewrite-target"), paths=(edit,))


def _body_limit(notes: Notes, refusals: list[str]) -> BodyLimit | None:
    name = "proxy-body-size"
    if (notes.text(name) or "unlimited") == "unlimited":
        return None
    told = len(notes.problems)
    octets = notes.size(name)
    if octets is None:
        del notes.problems[told:]
        refusals.append(notes.refuse(name, "it is no size"))
    return BodyLimit(notes.at(name), octets) if octets else None


def _code(notes: Notes, name: str) -> int | None:
    code = notes.number(name, 300, 399)
    if code is not None and code not in _REDIRECTS:
        notes.bad(name, "301, 302, 303, 307 or 308", "it is 302")
        return None
    return code


def _redirect_to(notes: Notes) -> Redirect | None:
    """To a fixed URL, whatever was asked for."""
    code, target = _code(notes, "redirect-to-code"), notes.text("redirect-to")
    if target is None:
        return None
    parts = urlsplit(target)
    if parts.scheme not in ("http", "https", "") or (not parts.netloc and not parts.path.startswith("/")):
        notes.bad("redirect-to", "a URL or a path", "it has no effect")
        return None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Redirect(
        notes.at("redirect-to"),
        scheme=parts.scheme or None,
        host=parts.hostname,
        port=parts.port or (0 if parts.netloc else None),
        path=PathEdit(PathEditKind.REPLACE, path),
        status=code or 302,
        keeps_query=False,
    )


def _aliases(notes: Notes) -> tuple[HostMatch, ...]:
    found = []
    for host in notes.items("server-alias"):
        if syntax.is_hostname(host.lower()):
            found.append(HostMatch(HostKind.EXACT, host.lower()))
        else:
            notes.bad("server-alias", "a hostname", f"{host[:40]!r} is no alias")
    if (pattern := notes.expression("server-alias-regex")) is not None:
        anywhere = f".*(?i:{pattern}).*"
        if syntax.regex_error(anywhere):  # RE2 takes what was written, but it is too long for more
            notes.bad("server-alias-regex", "a shorter regular expression", "it has no effect")
        else:
            found.append(HostMatch(HostKind.REGEX, anywhere))
    return tuple(found)


# --- backends -----------------------------------------------------------------------------------


def _upstream(notes: Notes, refusals: list[str]) -> dict[str, Any]:
    balance, hashed = values.balance(notes, "balance-algorithm")
    protocol = (notes.text("backend-protocol") or "h1").lower()
    if protocol not in _SCHEMES:
        notes.unsupported(
            "backend-protocol", f"{protocol[:20]} is not spoken, the backend is by HTTP", "h1, h2, h1-ssl"
        )
    scheme = _SCHEMES.get(protocol)
    if notes.flag("secure-backends"):
        scheme = {"h2c": "grpcs"}.get(scheme or "", "https") if scheme != "grpcs" else scheme
    tls = _upstream_tls(notes, refusals) if scheme in ("https", "grpcs") else None
    upstream = Upstream(
        balance=balance,
        connect_timeout=values.milliseconds(notes, "timeout-connect"),
        tls=tls,
        health=_health(notes),
    )
    return {"scheme": scheme, "hash": hashed, "upstream": None if upstream == Upstream() else upstream}


def _upstream_tls(notes: Notes, refusals: list[str]) -> UpstreamTls:
    """`host` and `sni` are the name asked for, as with no secure-sni where something is verified."""
    ca, client = (
        _secret(notes, "secure-verify-ca-secret", "authorities"),
        _secret(notes, "secure-crt-secret", "key pairs"),
    )
    if notes.text("secure-verify-ca-secret") and ca is None:
        refusals.append(notes.refuse("secure-verify-ca-secret", "it names no Secret to verify the backends with"))
    sni = notes.text("secure-sni") or ""
    name = notes.text("secure-verify-hostname") or ""
    if name and ca is None:
        notes.bad("secure-verify-hostname", "secure-verify-ca-secret beside it", "nothing is verified")
    return UpstreamTls(ca is not None, "" if sni in ("host", "sni") else sni, name if ca else "", ca, client)


def _health(notes: Notes) -> HealthCheck | None:
    path = notes.text("health-check-uri")
    name = "health-check-interval" if "health-check-interval" in notes else "backend-check-interval"
    interval = values.milliseconds(notes, name) or 2.0
    rise, fall = notes.number("health-check-rise-count", 1), notes.number("health-check-fall-count", 1)
    port = notes.number("health-check-port", 1, 65535)
    if path is None and not any(n.startswith("health-check-") or n == name for n in notes.names()):
        return None
    if path is not None and not path.startswith("/"):
        notes.bad("health-check-uri", "a path", "only connections are checked")
        path = ""
    return HealthCheck(path or "", interval, interval, rise or 2, fall or 3, port=port or 0)


def _persistence(notes: Notes) -> SessionPersistence | None:
    if notes.choice("affinity", ("cookie",)) is None:
        return None
    words = notes.text("session-cookie-keywords")
    everywhere = bool(notes.flag("session-cookie-same-site"))
    return SessionPersistence(
        name=notes.text("session-cookie-name") or "INGRESSCOOKIE",
        path="/",
        secure=everywhere,
        http_only=words is None or "httponly" in words.lower().split(),
        same_site="None" if everywhere else "",
    )


def _proxy_protocol(notes: Notes) -> int | None:
    kind = notes.choice("proxy-protocol", ("v1", "v2", "v2-ssl", "v2-ssl-cn", "no"))
    return None if kind is None else {"v1": 1, "no": 0}.get(kind, 2)


# --- rules --------------------------------------------------------------------------------------


def rules(notes: Notes, given: tuple[RuleIntent, ...]) -> tuple[RuleIntent, ...]:
    """The rules with conditions on headers; what is wrong with those was told with the options."""
    headers = _header_matches(notes, quiet=True)
    if not headers:
        return given
    return tuple(_narrowed(rule, headers) for rule in given)


def implementation_specific(value: str, *, kind: str = "") -> PathMatch:
    """A path whose pathType is ImplementationSpecific: as path-type (`kind`) says, else by characters, in any case."""
    path = value or "/"
    match kind.strip().lower():
        case "exact":
            return PathMatch(PathKind.EXACT, path)
        case "prefix":
            return PathMatch(PathKind.PREFIX, path.rstrip("/") or "/")
        case "regex" if not syntax.regex_error(path):
            return PathMatch(PathKind.REGEX, rf"(?:{path})(?s:.*)")
    return PathMatch(PathKind.RAW_PREFIX, path, ignore_case=True)


def _rules_said(notes: Notes) -> None:
    """Tell what is wrong with the annotations that change the rules."""
    _header_matches(notes, quiet=False)
    kind = (notes.text("path-type") or "begin").lower()
    if kind not in ("begin", "exact", "prefix", "regex"):
        notes.bad("path-type", "begin, exact, prefix or regex", "it is begin")


def _header_matches(notes: Notes, *, quiet: bool) -> tuple[ValueMatch, ...]:
    found = []
    for key, kind in (("http-header-match", ValueKind.EXACT), ("http-header-match-regex", ValueKind.REGEX)):
        for line in (notes.text(key) or "").splitlines():
            name, colon, value = (part.strip() for part in line.partition(":"))
            wrong = not colon or not syntax.is_header_name(name)
            why = syntax.regex_error(value) if kind is ValueKind.REGEX else ""
            if (wrong or why) and not quiet:
                notes.bad(key, "lines of header: value", f"nothing fulfils the line {line.strip()[:40]!r}", why)
            if wrong or why:  # what cannot be read must not make the rules wider
                found.append(ValueMatch("host", ValueKind.PRESENT, negate=True))
            else:
                pattern = rf"(?s:.*)(?:{value})(?s:.*)"
                found.append(ValueMatch(name.lower(), kind, pattern if kind is ValueKind.REGEX else value))
    return tuple(found)


def _narrowed(rule: RuleIntent, headers: tuple[ValueMatch, ...]) -> RuleIntent:
    matches = rule.matches or (Match(),)
    return structs.replace(rule, matches=tuple(structs.replace(m, headers=(*m.headers, *headers)) for m in matches))


# --- readers ------------------------------------------------------------------------------------

COMPATIBILITY = Compatibility(
    "HAProxy Ingress: annotations",
    _OF,
    "annotation",
    listed.ANNOTATIONS,
    "Of Ingresses. Paths are compared encoded, as they are sent: `/a%2Bb` is not `/a+b`; but unlike in HAProxy, dot"
    " segments, doubled slashes and encoded letters and digits are resolved before.",
)
CONFIGMAP = Compatibility("HAProxy Ingress: ConfigMap", _OF, "configmap", listed.CONFIGMAP)

READER = Reader(
    "haproxy-ingress",
    HAPROXY_COMMUNITY,
    read,
    (COMPATIBILITY, CONFIGMAP),
    class_wide,
    USUAL,
    rules=rules,
    also=("haproxy",),
)
