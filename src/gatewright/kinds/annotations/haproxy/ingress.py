"""Annotations and ConfigMap of HAProxy's own controller (haproxytech/kubernetes-ingress): haproxy.org/, haproxy.com/.

What becomes of each is in `features`; here the values of those that have an effect are read.  The ConfigMap
knows the same keys without prefix, and some of its own.  Counterpart: `community`, the other controller.
"""

from __future__ import annotations

from typing import Any

from gatewright.kinds.annotations import table
from gatewright.kinds.annotations.haproxy import features as haproxy_features
from gatewright.kinds.annotations.haproxy import snippets as haproxy_snippets
from gatewright.kinds.annotations.haproxy import values
from gatewright.kinds.annotations.names import HAPROXY
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.annotations.reader import Reader
from gatewright.kinds.features import Compatibility
from gatewright.kinds.intents.filters import (
    AllowSources,
    BasicAuth,
    Cors,
    DenySources,
    Filter,
    HeaderEdit,
    RateLimit,
    Redirect,
    RequestHeaders,
    ResponseHeaders,
    Rewrite,
)
from gatewright.kinds.intents.options import ClientAuth, Options, TlsRedirect
from gatewright.kinds.intents.routing import HealthCheck, SessionPersistence, Upstream, UpstreamTls

_OF = "HAProxy Kubernetes Ingress Controller 1.4 to 3.2"
_REDIRECTS = (301, 302, 303, 307, 308)
_PROXY_PROTOCOLS = {"proxy": 1, "proxy-v1": 1, "proxy-v2": 2, "proxy-v2-ssl": 2, "proxy-v2-ssl-cn": 2}
_CA_ENTRY = "tls.crt"  # where this controller has the authorities in a Secret

USUAL = Options(
    tls_redirect=TlsRedirect("tls", 302, 8443),
    read_timeout=50.0,
    tunnel_timeout=3600.0,
    upstream=Upstream(connect_timeout=5.0),
)
"""timeout-server, timeout-tunnel and timeout-connect, and the redirect that a tls section brings, to the port that the
controller listens on in its pod."""


def read(notes: Notes) -> Options:
    """The options of one Ingress."""
    known = table.by_name(haproxy_features.ANNOTATIONS, HAPROXY)
    said, refusals = _common(notes)
    for name in ("config-snippet", "backend-config-snippet"):
        filters, refusal = haproxy_snippets.read(notes, name)
        said["last"] = (*said.get("last", ()), *filters)
        refusals.append(refusal)
    refusals.append(table.judge(notes, known, haproxy_features.LOCKS))
    return Options(**said, unbuildable=next(filter(None, refusals), ""))


def class_wide(notes: Notes) -> Options:
    """The options of the controller's ConfigMap."""
    known = table.by_name(haproxy_features.CONFIGMAP, "")
    said, refusals = _common(notes)
    for name in ("cookie-persistence", "cookie-persistence-no-dynamic"):
        if cookie := notes.text(name):
            said["persistence"] = SessionPersistence(name=cookie, path="/")
    said["tunnel_timeout"] = values.milliseconds(notes, "timeout-tunnel")
    said["client"] = _client(notes, refusals)
    refusals.append(table.judge(notes, known, haproxy_features.LOCKS))
    return Options(**said, unbuildable=next(filter(None, refusals), ""))


def _common(notes: Notes) -> tuple[dict[str, Any], list[str]]:
    """What an Ingress and the ConfigMap both say, by field of Options, and why rules have to be refused."""
    refusals: list[str] = []
    said: dict[str, Any] = {
        "allow": _sources(notes, ("allow-list", "whitelist"), AllowSources, refusals),
        "deny": _sources(notes, ("deny-list", "blacklist"), DenySources, refusals),
        "tls_redirect": _tls_redirect(notes),
        "read_timeout": values.milliseconds(notes, "timeout-server"),
        "upstream_host": notes.text("set-host"),
        "proxy_protocol": _proxy_protocol(notes),
        "client_header": notes.text("src-ip-header") or "",
    }
    filters: list[Filter | None] = [_rate_limit(notes, refusals), _basic_auth(notes, refusals), _cors(notes)]
    filters += [_redirect(notes), *_headers(notes), _rewrite(notes)]
    said["filters"] = tuple(one for one in filters if one is not None)
    balance, said["hash"] = values.balance(notes, "load-balance")
    tls = _upstream_tls(notes, refusals)
    said["upstream"] = _stated(
        Upstream(
            balance=balance,
            connect_timeout=values.milliseconds(notes, "timeout-connect") if not notes.prefix else None,
            tls=tls,
            health=_health(notes),
        )
    )
    by_h2 = notes.choice("server-proto", ("h2",)) is not None
    said["scheme"] = ("grpcs" if by_h2 else "https") if tls else "h2c" if by_h2 else None
    return said, refusals


def _stated(upstream: Upstream) -> Upstream | None:
    return None if upstream == Upstream() else upstream


# --- who may come -------------------------------------------------------------------------------


def _sources(
    notes: Notes, names: tuple[str, str], kind: type[AllowSources] | type[DenySources], refusals: list[str]
) -> AllowSources | DenySources | None:
    """A list under its name, or under that of old."""
    name, old = names
    if name in notes and old in notes and notes.text(name) != notes.text(old):
        notes.contradiction(old, name, f"{name} counts, which is the newer name")
    name = name if name in notes else old
    found = values.sources(notes, name)
    if isinstance(found, str):
        hint = "list the addresses in the annotation" if values.PATTERNS in found or "pattern" in found else ""
        refusals.append(notes.refuse(name, found, hint))
        return None
    return None if found is None else kind(notes.at(name), found)


def _rate_limit(notes: Notes, refusals: list[str]) -> RateLimit | None:
    requests = values.guarding_number(notes, "rate-limit-requests", refusals)
    period = values.milliseconds(notes, "rate-limit-period")
    status = notes.number("rate-limit-status-code", 400, 599)
    excepts = values.sources(notes, "rate-limit-whitelist")
    if isinstance(excepts, str):  # nobody is excepted then: the limit holds for more, not for fewer
        notes.unsupported("rate-limit-whitelist", f"{excepts}, so that everybody is limited")
        excepts = None
    if requests is None:
        for name in ("rate-limit-period", "rate-limit-status-code", "rate-limit-whitelist"):
            if notes.prefix and name in notes:
                notes.idle(name, f"without {notes.prefix}rate-limit-requests beside it")
        return None
    return RateLimit(
        notes.at("rate-limit-requests"),
        requests,
        period or 1.0,
        burst=requests,
        status=status or 403,
        excepts=excepts or (),
    )


def _basic_auth(notes: Notes, refusals: list[str]) -> BasicAuth | None:
    """Without both of auth-type and auth-secret something is missing that somebody relies on."""
    kind = notes.text("auth-type")
    if kind is None and notes.text("auth-secret") is None:
        if notes.prefix and "auth-realm" in notes:
            notes.idle("auth-realm", f"without {notes.prefix}auth-type")
        return None
    if kind is None:
        refusals.append(notes.refuse("auth-secret", "it has no effect without auth-type", "auth-type: basic-auth"))
        return None
    if kind != "basic-auth":
        refusals.append(notes.refuse("auth-type", f"{kind[:40]!r} is not known", "auth-type: basic-auth"))
        return None
    secret = notes.reference("auth-secret", "Secret")
    if secret is None:
        refusals.append(notes.refuse("auth-type", "auth-secret does not say whose passwords count"))
        return None
    realm = notes.text("auth-realm") or "Protected Content"
    return BasicAuth(notes.at("auth-secret"), secret, realm=realm, by_name=True)


def _client(notes: Notes, refusals: list[str]) -> ClientAuth | None:
    if notes.text("client-ca") is None:
        return None
    ca = notes.reference("client-ca", "Secret")
    optional = notes.flag("client-crt-optional")
    if ca is None:
        refusals.append(notes.refuse("client-ca", "it names no Secret"))
        return None
    return ClientAuth(notes.at("client-ca"), ca, "told" if optional else "handshake", ca_entry=_CA_ENTRY)


# --- what is done with requests -----------------------------------------------------------------


def _tls_redirect(notes: Notes) -> TlsRedirect | None:
    wanted = notes.flag("ssl-redirect")
    code, port = notes.number("ssl-redirect-code", 301, 308), notes.number("ssl-redirect-port", 1, 65535)
    if code is not None and code not in _REDIRECTS:
        notes.bad("ssl-redirect-code", "301, 302, 303, 307 or 308", "it is 302")
        code = None
    if wanted is None and code is None and port is None:
        return None
    when = "" if wanted is None else "always" if wanted else "never"
    name = next(one for one in ("ssl-redirect", "ssl-redirect-code", "ssl-redirect-port") if one in notes)
    return TlsRedirect(when, code or 0, port or 0, notes.at(name))


def _redirect(notes: Notes) -> Redirect | None:
    code = notes.number("request-redirect-code", 300, 399)
    if code is not None and code not in _REDIRECTS:
        notes.bad("request-redirect-code", "301, 302, 303, 307 or 308", "it is 302")
        code = None
    target = notes.text("request-redirect")
    if target is None:
        return None
    host, _, port = target.partition(":")
    if not host or (port and not (port.isdecimal() and int(port) < 65536)):
        notes.bad("request-redirect", "a host, or host:port", "it has no effect")
        return None
    return Redirect(notes.at("request-redirect"), host=host, port=int(port or 0), status=code or 302)


def _headers(notes: Notes) -> tuple[Filter | None, ...]:
    asked = values.header_lines(notes, "request-set-header")
    answered = values.header_lines(notes, "response-set-header")
    hidden = HeaderEdit(remove=("X-Forwarded-For",))
    return (
        RequestHeaders(hidden, notes.at("forwarded-for")) if notes.flag("forwarded-for") is False else None,
        RequestHeaders(HeaderEdit(set=asked), notes.at("request-set-header")) if asked else None,
        ResponseHeaders(HeaderEdit(set=answered), notes.at("response-set-header")) if answered else None,
    )


def _rewrite(notes: Notes) -> Rewrite | None:
    edits = values.path_rewrite(notes, "path-rewrite")
    return Rewrite(notes.at("path-rewrite"), paths=edits) if edits else None


def _cors(notes: Notes) -> Cors | None:
    if not notes.flag("cors-enable"):
        return None
    origins = values.origins(notes, "cors-allow-origin")
    credentials = bool(notes.flag("cors-allow-credentials"))
    if credentials and origins == ("*",):
        notes.contradiction("cors-allow-credentials", "cors-allow-origin", "to any origin, none are allowed")
        credentials = False
    age = values.milliseconds(notes, "cors-max-age")
    return Cors(
        notes.at("cors-enable"),
        origins,
        notes.items("cors-allow-methods") or ("*",),
        notes.items("cors-allow-headers") or ("*",),
        allow_credentials=credentials,
        max_age=5 if age is None else int(age),
    )


# --- backends -----------------------------------------------------------------------------------


def _upstream_tls(notes: Notes, refusals: list[str]) -> UpstreamTls | None:
    """Each of server-ssl, server-ca and server-crt switches TLS on; a CA is verified against or nothing is sent."""
    ca, client = notes.reference("server-ca", "Secret"), notes.reference("server-crt", "Secret")
    if notes.text("server-ca") and ca is None:
        refusals.append(notes.refuse("server-ca", "it names no Secret to verify the backends with"))
    if not notes.flag("server-ssl") and ca is None and client is None:
        return None
    return UpstreamTls(verify=ca is not None, ca=ca, client=client, ca_entry=_CA_ENTRY if ca else "")


def _health(notes: Notes) -> HealthCheck | None:
    checked = notes.flag("check")
    interval, timeout = values.milliseconds(notes, "check-interval"), values.milliseconds(notes, "timeout-check")
    asked = (notes.text("check-http") or "").split()
    if checked is False or (not asked and checked is None):
        return None
    path = asked[0] if len(asked) == 1 else asked[1] if len(asked) > 1 else ""
    if len(asked) > 1 and asked[0].upper() != "GET":
        notes.differs("check-http", f"endpoints are asked by GET, not by {asked[0]}")
    if path and not path.startswith("/"):
        notes.bad("check-http", "a path, with a method before it or without", "only connections are checked")
        path = ""
    every = interval or 2.0
    return HealthCheck(path, every, timeout or every, healthy=2, unhealthy=3)


def _proxy_protocol(notes: Notes) -> int | None:
    kind = notes.choice("send-proxy-protocol", _PROXY_PROTOCOLS)
    return None if kind is None else _PROXY_PROTOCOLS[kind]


# --- readers ------------------------------------------------------------------------------------

COMPATIBILITY = Compatibility(
    "HAProxy Kubernetes Ingress Controller: annotations",
    _OF,
    "annotation",
    haproxy_features.ANNOTATIONS,
    "Of Ingresses. Paths are compared encoded, as they are sent: `/a%2Bb` is not `/a+b`; but unlike in HAProxy, dot"
    " segments, doubled slashes and encoded letters and digits are resolved before.",
)
ENTERPRISE = Compatibility(
    "HAProxy Enterprise Kubernetes Ingress Controller: annotations",
    _OF,
    "annotation",
    haproxy_features.ENTERPRISE_ANNOTATIONS,
)
CONFIGMAP = Compatibility(
    "HAProxy Kubernetes Ingress Controller: ConfigMap", _OF, "configmap", haproxy_features.CONFIGMAP
)

READER = Reader("haproxy", HAPROXY, read, (COMPATIBILITY, CONFIGMAP), class_wide, USUAL)
ENTERPRISE_READER = Reader("haproxy", haproxy_features.ENTERPRISE, read, (ENTERPRISE,))
