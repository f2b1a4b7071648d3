"""How ingress-nginx speaks to backends: protocol, times, TLS, retries, balance, sessions."""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.kinds import syntax
from gatewright.kinds.annotations.nginx import auth as nginx_auth
from gatewright.kinds.annotations.nginx import variables as nginx_variables
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.intents.filters import BodyLimit
from gatewright.kinds.intents.options import NOTHING, Options, laid_over
from gatewright.kinds.intents.routing import Retry, SessionPersistence, Upstream, UpstreamTls

_SCHEMES = {"HTTP": "http", "HTTPS": "https", "GRPC": "grpc", "GRPCS": "grpcs"}
IDEMPOTENT = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE")
"""The methods that nginx tries again after the request has been sent."""
_REASONS = {
    "error": 0,
    "timeout": 0,
    "invalid_header": 0,
    "http_500": 500,
    "http_502": 502,
    "http_503": 503,
    "http_504": 504,
    "http_403": 403,
    "http_404": 404,
    "http_429": 429,
}
UNLIMITED_TRIES = 10
_BALANCES = {"round_robin": "round-robin", "ewma": "least-request"}


def read(notes: Notes) -> Options:
    """Everything about the way from here to the backend."""
    found = NOTHING
    parts = (_protocol(notes), times(notes), _tls(notes), retries(notes), _session(notes), _hash(notes), balance(notes))
    for part in parts:
        found = laid_over(found, part)
    return found


def _protocol(notes: Notes) -> Options:
    """backend-protocol, in any case of letters; what is none of the known is HTTP."""
    name = "backend-protocol"
    text = (notes.text(name) or "").upper()
    if not text or text in _SCHEMES:
        return Options(scheme=_SCHEMES.get(text))
    if text == "FCGI":
        why = "FastCGI is not spoken"
        message = f"{notes.prefix}{name} is not carried over: {why}, so the rules answer 503"
        hint = "put a web server that speaks it beside the backend"
        notes.tell(Severity.ERROR, "unsupported-annotation", message, name, hint)
        return Options(unbuildable=f"{name}: {why}")
    if text == "AUTO_HTTP":
        notes.unsupported(name, "the backend is spoken to by HTTP", "say HTTP or HTTPS")
    else:
        notes.bad(name, "HTTP, HTTPS, GRPC, GRPCS, AUTO_HTTP or FCGI", "the backend is spoken to by HTTP")
    return NOTHING


def times(notes: Notes) -> Options:
    """proxy-connect-timeout, proxy-read-timeout (whole seconds), proxy-body-size."""
    connect, read_ = notes.number("proxy-connect-timeout", 1), notes.number("proxy-read-timeout", 1)
    size = notes.size("proxy-body-size")
    return Options(
        read_timeout=None if read_ is None else float(read_),
        upstream=None if connect is None else Upstream(connect_timeout=float(connect)),
        body_limit=None if size is None else BodyLimit(notes.at("proxy-body-size"), size),
    )


# --- TLS ------------------------------------------------------------------------------------------


def _tls(notes: Notes) -> Options:
    """proxy-ssl-*: without the Secret the controller looks at none of them."""
    name = "proxy-ssl-secret"
    verify, sends_name = notes.choice("proxy-ssl-verify", ("on", "off")), notes.text("proxy-ssl-server-name")
    if notes.text(name) is None:
        for other in ("proxy-ssl-verify", "proxy-ssl-name", "proxy-ssl-server-name"):
            if other in notes and not (other == "proxy-ssl-verify" and verify is None):
                notes.idle(other, f"without {notes.prefix}{name}")
        return NOTHING
    secret = notes.reference(name, "Secret", use="key pairs", allowed_by=nginx_auth.CROSSING)
    if secret is None or "/" not in (notes.text(name) or ""):
        del notes.problems[len(notes.problems) - (secret is None) :]
        return Options(unbuildable=notes.refuse(name, "it names no Secret as namespace/name"))
    server_name = notes.text("proxy-ssl-name") or ""
    if server_name and not syntax.is_hostname(server_name.lower()):
        notes.bad("proxy-ssl-name", "a hostname", "the Service's own name is used")
        server_name = ""
    tls = UpstreamTls(
        verify=verify == "on",
        server_name=server_name if sends_name == "on" else "",
        verify_name=server_name,
        ca=secret,
        client=secret,
    )
    return Options(upstream=Upstream(tls=tls))


# --- retries ----------------------------------------------------------------------------------------


def retries(notes: Notes) -> Options:
    """proxy-next-upstream: on which failures, and how often, another endpoint is tried."""
    said = notes.text("proxy-next-upstream")
    tries = notes.number("proxy-next-upstream-tries")
    if said is None and tries is None:
        return NOTHING
    words = (said or "error timeout").split()
    if "off" in words:
        return Options(retry=Retry(0))
    unknown = [word for word in words if word not in _REASONS and word != "non_idempotent"]
    if unknown:
        instead = "those that are known hold"
        notes.bad("proxy-next-upstream", "words such as error timeout http_502", instead)
    codes = tuple(sorted({_REASONS[word] for word in words if _REASONS.get(word)}))
    attempts = 2 if tries is None else UNLIMITED_TRIES - 1 if tries == 0 else tries - 1
    methods = () if "non_idempotent" in words else IDEMPOTENT
    return Options(retry=Retry(attempts, codes, resets="error" in words, methods=methods))


# --- balance and sessions ---------------------------------------------------------------------------


def balance(notes: Notes) -> Options:
    """load-balance: round_robin, or ewma, which prefers the endpoints that answer fast."""
    text = notes.choice("load-balance", _BALANCES)
    if text is None:
        return NOTHING
    return Options(upstream=Upstream(balance=_BALANCES[text]))


def _hash(notes: Notes) -> Options:
    text = notes.text("upstream-hash-by")
    if text is None:
        return NOTHING
    keys = nginx_variables.hash_keys(text)
    if keys is None:
        expected = "variables such as $remote_addr, $request_uri, $host, $http_x, $cookie_x or $arg_x"
        notes.bad("upstream-hash-by", expected, "requests are spread evenly")
        return NOTHING
    if "affinity" in notes:
        notes.contradiction("upstream-hash-by", "affinity", "the cookie decides")
        return NOTHING
    return Options(hash=keys, upstream=Upstream(balance="ring-hash"))


def _session(notes: Notes) -> Options:
    """affinity: cookie, with what says how the cookie looks."""
    if notes.choice("affinity", ("cookie",)) is None:
        for name in ("session-cookie-name", "session-cookie-path", "session-cookie-max-age", "session-cookie-expires"):
            if name in notes:
                notes.idle(name, f"without {notes.prefix}affinity: cookie")
        return NOTHING
    notes.choice("affinity-mode", ("balanced", "persistent"))
    same_site = notes.choice("session-cookie-samesite", ("Strict", "Lax", "None"), ignore_case=True)
    expires, age = notes.number("session-cookie-expires"), notes.number("session-cookie-max-age")
    cookie = SessionPersistence(
        "cookie",
        name=notes.text("session-cookie-name") or "INGRESSCOOKIE",
        path=notes.text("session-cookie-path") or "/",
        max_age=age if age is not None else expires or 0,
        secure=bool(notes.flag("session-cookie-secure")),
        http_only=True,
        same_site=same_site or "",
    )
    return Options(persistence=cookie)
