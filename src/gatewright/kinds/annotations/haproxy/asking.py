"""haproxy-ingress: authentication by another server (auth-url and what belongs to it).

Counterpart: `community`, everything else of that controller.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from gatewright.kinds import syntax
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.intents.filters import ForwardAuth, Template, Variable

_SERVICE = re.compile(r"(?:svc|service)://(?:([a-z0-9-]+)/)?([a-z0-9-]+):([0-9]{1,5})(/\S*)?")
_EXPRESSIONS = {
    "path": Variable.PATH,
    "pathq": Variable.URI,
    "query": Variable.QUERY,
    "url": Variable.URI,
    "url,url_enc": Variable.ESCAPED_URI,
    "pathq,url_enc": Variable.ESCAPED_URI,
    "hdr(host)": Variable.HOST,
    "req.hdr(host)": Variable.HOST,
    "src": Variable.CLIENT,
    "method": Variable.METHOD,
}
_USUAL_COPIES = r"(?i)(?:x-|remote-).*|authorization"
_PARTS = re.compile(r"%\[([^\]]*)\]")


def forward_auth(notes: Notes, refusals: list[str]) -> ForwardAuth | None:
    """The question that auth-url asks; what cannot be asked refuses the rules."""
    if notes.text("auth-url") is None:
        return None
    url = _url(notes)
    if url is None:
        hint = "http://host[:port]/path, https://... or svc://[namespace/]service:port/path"
        refusals.append(notes.refuse("auth-url", "it is no URL that can be asked", hint))
        return None
    copies, matching = _copied(notes)
    if notes.text("auth-headers-succeed") is None:
        message = "without auth-headers-succeed the backend gets X-*, Remote-* and Authorization of the answer, not all"
        notes.differs("auth-url", message, "name the headers in auth-headers-succeed")
    method = (notes.text("auth-method") or "GET").upper()
    return ForwardAuth(
        notes.at("auth-url"),
        (url,),
        method="" if method == "*" else method,
        sends=_sent(notes),
        copies=copies,
        copies_matching=matching,
        signin=_signin(notes),
        status_on_error=403,
    )


def _url(notes: Notes) -> str | None:
    value = notes.text("auth-url") or ""
    if found := _SERVICE.fullmatch(value):
        namespace, service, port, path = found.groups()
        return f"http://{service}.{namespace or notes.owner.namespace}.svc.cluster.local:{port}{path or '/'}"
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return value if usable and not set(value) & set(" %[]") else None


def _named(notes: Notes, name: str) -> tuple[str, ...] | None:
    """Names of headers, perhaps with wildcards; None for all of them."""
    value = notes.text(name)
    items = notes.items(name)
    if value is None or "*" in items:
        return None
    return () if value == "-" else items


def _sent(notes: Notes) -> tuple[str, ...] | None:
    named = _named(notes, "auth-headers-request")
    if named is None:
        return None
    if any("*" in one for one in named):
        notes.differs("auth-headers-request", "with a wildcard among them, all headers go along")
        return None
    plain = tuple(one for one in named if syntax.is_header_name(one))
    if len(plain) < len(named):
        notes.bad("auth-headers-request", "names of headers, with commas", "those that are none do not go along")
    return plain


def _copied(notes: Notes) -> tuple[tuple[str, ...], str]:
    """The headers of the answer that the backend gets, by name and by expression."""
    named = _named(notes, "auth-headers-succeed")
    if named is None:
        return (), _USUAL_COPIES
    wild = [re.escape(one).replace(r"\*", ".*") for one in named if "*" in one]
    return tuple(one for one in named if "*" not in one), f"(?i)(?:{'|'.join(wild)})" if wild else ""


def _signin(notes: Notes) -> Template:
    """A log format of HAProxy's, as far as its expressions are variables here."""
    value = notes.text("auth-signin")
    if value is None:
        return ()
    if re.search(r"\s", _PARTS.sub("", value)):
        notes.bad("auth-signin", "a URL, with expressions such as %[pathq,url_enc]", "who is denied is not redirected")
        return ()
    pieces: list[str | Variable] = []
    for index, piece in enumerate(_PARTS.split(value)):
        if index % 2 == 0:
            pieces += [piece] if piece else []
        elif (variable := _EXPRESSIONS.get(piece.replace(" ", ""))) is not None:
            pieces.append(variable)
        else:
            notes.unsupported("auth-signin", f"%[{piece[:40]}] is not known, so that who is denied is not redirected")
            return ()
    return tuple(pieces)
