"""Who may pass, in ingress-nginx: passwords, authentication servers, addresses, client certificates.

A part that is missing or cannot be read refuses the rules with 503, which is what the controller does ("location
denied") wherever it notices.  Class-wide values come from the ConfigMap by names of their own, see `settings`.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from gatewright.kinds import syntax
from gatewright.kinds.annotations.nginx import statements as nginx_statements
from gatewright.kinds.annotations.nginx import variables as nginx_variables
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.intents.filters import (
    AllowSources,
    BasicAuth,
    DenySources,
    ForwardAuth,
    Template,
    Variable,
)
from gatewright.kinds.intents.options import NOTHING, ClientAuth, Options, laid_over

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE")
_HEADERS = re.compile(r"[A-Za-z\d\-_]+", re.ASCII)
_CLIENT_MODES = {"on": "answer", "optional": "optional", "optional_no_ca": "told", "off": ""}
_TOLD_OF_CLIENT = (
    ("ssl-client-verify", "verify"),
    ("ssl-client-subject-dn", "subject"),
    ("ssl-client-issuer-dn", "issuer"),
)
CROSSING = "allow-cross-namespace-resources: true"
WITHOUT_URL = ("auth-method", "auth-signin", "auth-response-headers", "auth-request-redirect", "auth-snippet")


def read(notes: Notes) -> Options:
    """Everything that keeps somebody out, but for limits."""
    found = NOTHING
    # The switches first: without the door's authentication server there may be one of the Ingress's own.
    for part in (_switches(notes), _sources(notes), _basic(notes), _asked(notes, "auth-"), _client(notes)):
        found = laid_over(found, part)
    return found


def _switches(notes: Notes) -> Options:
    satisfy = notes.choice("satisfy", ("any", "all"))
    wider = notes.flag("enable-global-auth")
    return Options(satisfy_any=None if satisfy is None else satisfy == "any", wider_auth=wider)


# --- addresses ----------------------------------------------------------------------------------


def _sources(notes: Notes) -> Options:
    allow = "allowlist-source-range" if notes.text("allowlist-source-range") else "whitelist-source-range"
    if allow == "allowlist-source-range" and "whitelist-source-range" in notes:
        notes.contradiction(allow, "whitelist-source-range", f"{allow} counts")
    return sources(notes, allow, "denylist-source-range")


def sources(notes: Notes, allow: str, deny: str) -> Options:
    """Lists of addresses under these names.  One that is none lets nobody in (the controller denies the location)."""
    found = NOTHING
    for name, kind in ((allow, AllowSources), (deny, DenySources)):
        if notes.text(name) is None:
            continue
        cidrs = notes.cidrs(name)
        if not cidrs:
            why = "it is no list of addresses and CIDRs"
            found = laid_over(found, Options(unbuildable=notes.refuse(name, why, "write 10.0.0.0/8, 192.0.2.7")))
        elif kind is AllowSources:
            found = laid_over(found, Options(allow=AllowSources(notes.at(name), cidrs)))
        else:
            found = laid_over(found, Options(deny=DenySources(notes.at(name), cidrs)))
    return found


# --- passwords ----------------------------------------------------------------------------------


def _basic(notes: Notes) -> Options:
    """auth-type, auth-secret, auth-secret-type, auth-realm."""
    kind, secret = notes.text("auth-type"), notes.text("auth-secret")
    if kind is None:
        if secret is None:
            for name in ("auth-realm", "auth-secret-type"):
                if name in notes:
                    notes.idle(name, f"without {notes.prefix}auth-type")
            return NOTHING
        why = "it has no effect without auth-type"
        return Options(unbuildable=notes.refuse("auth-secret", why, f"add {notes.prefix}auth-type: basic"))
    if kind != "basic":
        why = "digest authentication is not carried over" if kind == "digest" else f"{kind[:40]!r} is not known"
        return Options(unbuildable=notes.refuse("auth-type", why, "use auth-type: basic"))
    if secret is None:
        hint = f"add {notes.prefix}auth-secret with the name of a Secret"
        return Options(unbuildable=notes.refuse("auth-type", "there is no auth-secret", hint))
    reference = notes.reference("auth-secret", "Secret", use="passwords", allowed_by=CROSSING)
    shape = notes.text("auth-secret-type") or "auth-file"
    if reference is None:
        notes.problems.pop()
        return Options(unbuildable=notes.refuse("auth-secret", f"{secret[:60]!r} is no name of a Secret"))
    if shape not in ("auth-file", "auth-map"):
        hint = "auth-file (a key `auth`) or auth-map (a key for each user)"
        return Options(unbuildable=notes.refuse("auth-secret-type", f"{shape[:40]!r} is not known", hint))
    check = BasicAuth(
        notes.at("auth-secret"),
        secret=reference,
        realm=notes.text("auth-realm") or "",
        remove_header=True,
        by_name=shape == "auth-map",
        entry="auth",
    )
    return Options(filters=(check,))


# --- authentication servers -----------------------------------------------------------------------


def _asked(notes: Notes, prefix: str) -> Options:
    """auth-url and what goes with it."""
    if notes.text("auth-url") is None:
        for name in WITHOUT_URL:
            if name in notes:
                notes.idle(name, f"without {notes.prefix}auth-url")
        return NOTHING
    return asking(notes, prefix)


def asking(notes: Notes, prefix: str) -> Options:
    """An authentication server, with names that begin with `prefix` ("auth-" or "global-auth-")."""
    name = f"{prefix}url"
    text = notes.text(name) or ""
    url = nginx_variables.template(text, notes.owner)
    if url is None or not _is_url(text):
        return Options(unbuildable=notes.refuse(name, f"{text[:60]!r} is no URL that can be asked"))
    method = notes.text(f"{prefix}method")
    if method is not None and method not in _METHODS:
        return Options(unbuildable=notes.refuse(f"{prefix}method", f"{method[:20]!r} is no HTTP method"))
    copies = notes.items(f"{prefix}response-headers")
    if not all(map(_HEADERS.fullmatch, copies)):
        return Options(unbuildable=notes.refuse(f"{prefix}response-headers", "it is no list of header names"))
    tells = _tells(notes, prefix, said_method=method is not None)
    told_from = notes.reference(f"{prefix}proxy-set-headers", "ConfigMap", use="headers", allowed_by=CROSSING)
    question = ForwardAuth(
        notes.at(name),
        url,
        method=method or "GET",
        tells=(*tells, *nginx_statements.headers_told(notes, f"{prefix}snippet")),
        copies=copies,
        cookies=("*",),
        denials=(401, 403),
        signin=_signin(notes, prefix),
        status_on_error=500,
        timeout=60.0,
        tells_from=told_from,
    )
    return Options(auth=question)


def _is_url(text: str) -> bool:
    """As the controller judges it: a scheme, a host without two dots in a row."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and ".." not in parts.netloc


def _tells(notes: Notes, prefix: str, *, said_method: bool) -> tuple[tuple[str, Template], ...]:
    """The headers of the question, as the controller's template sets them."""
    name = f"{prefix}request-redirect"
    text = notes.text(name)
    said = nginx_variables.template(text, notes.owner) if text is not None else None
    if text is not None and said is None:
        notes.bad(name, "a URL with variables that are known", "the path asked for is told instead")
    back: Template = said or (Variable.URI,)
    told: list[tuple[str, Template]] = [
        ("X-Forwarded-Proto", ()),
        ("X-Request-ID", (Variable.REQUEST_ID,)),
        ("X-Original-URL", (Variable.URL,)),
        ("X-Original-Method", (Variable.METHOD,)),
        ("X-Sent-From", ("nginx-ingress-controller",)),
        ("X-Real-IP", (Variable.CLIENT,)),
        ("X-Forwarded-For", (Variable.CLIENT,)),
        ("X-Auth-Request-Redirect", back),
    ]
    if said_method:
        told += [("X-Original-URI", (Variable.URI,)), ("X-Scheme", (Variable.SCHEME,))]
    return tuple(told)


def _signin(notes: Notes, prefix: str) -> Template:
    name = f"{prefix}signin"
    text = notes.text(name)
    if text is None:
        return ()
    parameter = notes.text(f"{prefix}signin-redirect-param") or "rd"
    found = nginx_variables.signin_url(text, parameter, notes.owner) if _is_url(text) else None
    if found is None:
        notes.bad(name, "a URL with variables that are known", "who may not pass gets 401")
        return ()
    return found


# --- client certificates --------------------------------------------------------------------------


def _client(notes: Notes) -> Options:
    """auth-tls-*."""
    mode_said = notes.choice("auth-tls-verify-client", _CLIENT_MODES)
    if notes.text("auth-tls-secret") is None:
        if mode_said in ("on", "optional"):
            why = "there is no auth-tls-secret to verify against"
            return Options(unbuildable=notes.refuse("auth-tls-verify-client", why))
        for name in ("auth-tls-verify-depth", "auth-tls-match-cn", "auth-tls-pass-certificate-to-upstream"):
            if name in notes:
                notes.idle(name, f"without {notes.prefix}auth-tls-secret")
        return NOTHING
    secret = notes.reference("auth-tls-secret", "Secret", use="authorities", allowed_by=CROSSING)
    if secret is None or "/" not in (notes.text("auth-tls-secret") or ""):
        del notes.problems[len(notes.problems) - (secret is None) :]
        return Options(unbuildable=notes.refuse("auth-tls-secret", "it names no Secret as namespace/name"))
    mode = _CLIENT_MODES[mode_said or "on"]
    if not mode:
        notes.idle("auth-tls-secret", "while auth-tls-verify-client is off")
        return NOTHING
    name, common_name = "auth-tls-match-cn", ""
    if (text := notes.text(name)) is not None:
        expression = text.removeprefix("CN=").removesuffix("$")
        if not text.startswith("CN=") or syntax.regex_error(expression):
            return Options(unbuildable=notes.refuse(name, "it is no CN= with an expression that RE2 takes"))
        ends = "" if text.endswith("$") else "(?s:.*)"
        common_name = rf"(?:(?s:.*[^\\])?[,+])?CN=(?:{expression}){ends}"
    passes = notes.flag("auth-tls-pass-certificate-to-upstream")
    asked = ClientAuth(
        notes.at("auth-tls-secret"),
        secret,
        mode=mode,
        depth=notes.number("auth-tls-verify-depth", 1) or 1,
        tells=(*_TOLD_OF_CLIENT, ("ssl-client-cert", "pem")) if passes else _TOLD_OF_CLIENT,
        common_name=common_name,
        error_page=notes.text("auth-tls-error-page") or "",
    )
    return Options(client=asked)


def global_auth(notes: Notes) -> Options:
    """The ConfigMap's global-auth-*."""
    if notes.text("global-auth-url") is None:
        return NOTHING
    return asking(notes, "global-auth-")


def unasked(notes: Notes, name: str, usual: tuple[str, ...]) -> tuple[str, ...]:
    """Paths that are left out of something, of a ConfigMap."""
    return notes.items(name) if name in notes else usual
