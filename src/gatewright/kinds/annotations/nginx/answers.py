"""What ingress-nginx does besides choosing a backend: CORS, error pages, limits of rates, copies, headers."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.filters import (
    Cors,
    ErrorPages,
    Filter,
    HeadersFrom,
    Mirror,
    RateLimit,
    Template,
    Variable,
)
from gatewright.kinds.intents.options import NOTHING, Options, laid_over
from gatewright.kinds.intents.routing import BackendRef

_ORIGIN = re.compile(r"https?://(?:\*\.)?[A-Za-z0-9\-.]*(?::\d+)?", re.ASCII)
_METHODS = "GET, PUT, POST, DELETE, PATCH, OPTIONS"
_HEADERS = "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization"
_WORD = re.compile(r"[A-Za-z0-9\-_]+", re.ASCII)
_MAX_AGE = 1728000
_BURST = 5
_OF_CORS = (
    "cors-allow-credentials",
    "cors-allow-headers",
    "cors-allow-methods",
    "cors-allow-origin",
    "cors-expose-headers",
    "cors-max-age",
)
_SERVICE = re.compile(r"(?P<name>[a-z0-9-]+)(?:\.(?P<namespace>[a-z0-9-]+)(?:\.svc(?:\.[a-z0-9.-]+)?)?)?", re.ASCII)


def read(notes: Notes) -> Options:
    """See the module."""
    found = NOTHING
    for part in (_cors(notes), _errors(notes), _limits(notes), _mirror(notes), _headers(notes)):
        found = laid_over(found, part)
    return found


# --- CORS -----------------------------------------------------------------------------------------


def _cors(notes: Notes) -> Options:
    """enable-cors and cors-*; what is wrongly written has its default, and a wrong origin is left out."""
    if not notes.flag("enable-cors"):
        for name in _OF_CORS:
            if name in notes and "enable-cors" not in notes:
                notes.idle(name, f"without {notes.prefix}enable-cors: true")
        return NOTHING
    origins = _origins(notes)
    if not origins:
        return NOTHING
    credentials = notes.flag("cors-allow-credentials")
    age = notes.number("cors-max-age")
    cors = Cors(
        notes.at("enable-cors"),
        allow_origins=origins,
        allow_methods=_words(notes, "cors-allow-methods", _METHODS),
        allow_headers=_words(notes, "cors-allow-headers", _HEADERS),
        expose_headers=_words(notes, "cors-expose-headers", ""),
        # To `*` browsers give no credentials, whatever is said of them; an origin that is named in its place has them.
        allow_credentials=credentials is not False and origins != ("*",),
        one_label=True,
        max_age=_MAX_AGE if age is None else age,
    )
    return Options(filters=(cors,))


def _origins(notes: Notes) -> tuple[str, ...]:
    if notes.text("cors-allow-origin") is None:
        return ("*",)
    items = notes.items("cors-allow-origin")
    if "*" in items:
        return ("*",)
    wrong = [item for item in items if not _ORIGIN.fullmatch(item)]
    if wrong:
        notes.bad("cors-allow-origin", "origins such as https://example.com", f"{wrong[0][:40]!r} is left out")
    return tuple(item for item in items if item not in wrong)


def _words(notes: Notes, name: str, usual: str) -> tuple[str, ...]:
    """A list of names with commas or spaces."""
    items = tuple(word for item in notes.items(name) for word in item.split())
    if all(_WORD.fullmatch(word) or (word == "*" and name == "cors-expose-headers") for word in items) and items:
        return items
    if items:
        notes.bad(name, "a list of names", "the default holds")
    return tuple(word.strip() for word in usual.split(",") if word)


# --- error pages ----------------------------------------------------------------------------------


def _errors(notes: Notes) -> Options:
    """custom-http-errors, default-backend, disable-proxy-intercept-errors."""
    name = "default-backend"
    service = notes.reference(name, "Service", across=False)
    codes = statuses(notes, "custom-http-errors")
    pages = None
    if codes and service is None:
        where = f"there is no {notes.prefix}{name} to ask, so errors are passed on as they are"
        notes.unsupported("custom-http-errors", where, f"name a Service as {name}")
    elif codes and service is not None:
        pages = error_pages(notes, "custom-http-errors", codes, service)
    if notes.flag("disable-proxy-intercept-errors"):
        pages = ErrorPages(notes.at("disable-proxy-intercept-errors"), (), _ref(notes, name, Key("Service", "", "")))
    return Options(default_backend=service, errors=pages)


def statuses(notes: Notes, name: str) -> tuple[tuple[int, int], ...]:
    """A list of status codes as ranges of one."""
    items = notes.items(name)
    good = [item for item in items if re.fullmatch(r"[3-5]\d\d", item, re.ASCII)]
    if len(good) < len(items):
        notes.bad(name, "status codes such as 404,503", "those that are none are left out")
    return tuple((int(item), int(item)) for item in good)


def error_pages(notes: Notes, name: str, codes: tuple[tuple[int, int], ...], service: Key) -> ErrorPages:
    """Pages as the controller asks for them: GET /, the status that the error backend answers with."""
    told: tuple[tuple[str, Template], ...] = (
        ("X-Code", (Variable.STATUS,)),
        ("X-Original-URI", (Variable.URI,)),
        ("X-Namespace", (notes.owner.namespace,)),
        ("X-Ingress-Name", (notes.owner.name,)),
        ("X-Request-ID", (Variable.REQUEST_ID,)),
    )
    return ErrorPages(notes.at(name), codes, _ref(notes, name, service), ("/",), passes_status=True, tells=told)


def _ref(notes: Notes, name: str, service: Key) -> BackendRef:
    """The Service by its first port, as the controller takes it."""
    return BackendRef(service, None, notes.at(name))


# --- limits ---------------------------------------------------------------------------------------


def _limits(notes: Notes) -> Options:
    """limit-rps, limit-rpm, and the global-rate-limit of older versions: per client address."""
    multiplier = notes.number("limit-burst-multiplier", 1) or _BURST
    allow = "limit-allowlist" if notes.text("limit-allowlist") else "limit-whitelist"
    excepts = notes.cidrs(allow)
    if excepts is None:
        notes.bad(allow, "a list of addresses and CIDRs", "nobody is left out of the limits")
    found: list[Filter] = []
    unbuildable = ""
    for name, period in (("limit-rps", 1.0), ("limit-rpm", 60.0)):
        rate = notes.number(name)
        if rate:  # nginx lets one through, and a burst behind it
            limit = RateLimit(notes.at(name), rate, period, rate * multiplier + 1, status=0, excepts=excepts or ())
            found.append(limit)
        elif rate is None and name in notes:
            unbuildable = _unreadable(notes, name)
    counted = _global_limit(notes)
    if isinstance(counted, str):
        unbuildable = counted
    else:
        found += counted
    return Options(filters=tuple(found), unbuildable=unbuildable)


def _unreadable(notes: Notes, name: str) -> str:
    """A limit that is no number: its own refusal in place of what was told of the value."""
    told = notes.problems.pop() if notes.problems and notes.problems[-1].origin == notes.at(name) else None
    return notes.refuse(name, "it is no number", told.hint if told else "")


def _global_limit(notes: Notes) -> list[Filter] | str:
    """What several controllers counted together; one gateway counts by itself.  A reason where it cannot be read."""
    name, over, but = "global-rate-limit", "global-rate-limit-window", "global-rate-limit-ignored-cidrs"
    rate = notes.number(name)
    if rate is None and name in notes:
        return _unreadable(notes, name)
    window = notes.seconds(over)
    if window is None and over in notes:
        return _unreadable(notes, over)
    if not rate or not window:  # both have to be there
        return []
    excepts = notes.cidrs(but)
    if excepts is None:
        notes.bad(but, "a list of addresses and CIDRs", "nobody is left out of the limit")
    return [RateLimit(notes.at(name), rate, window, rate, status=429, excepts=excepts or ())]


# --- the rest -------------------------------------------------------------------------------------


def _mirror(notes: Notes) -> Options:
    """mirror-target, where it is a Service."""
    name = "mirror-target"
    text = notes.text(name)
    if notes.text("mirror-request-body") == "off":
        notes.unsupported("mirror-request-body", "copies have the body of the request")
    if text is None:
        return NOTHING
    try:
        parts = urlsplit(re.sub(r"\$\{?\w+\}?$", "", text))
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    found = _SERVICE.fullmatch(host)
    inside = found is not None and (found["namespace"] is None or ".svc" in host or host.count(".") == 1)
    if found is None or not inside or parts.scheme not in ("http", "https"):
        hint = "name a Service: http://name.namespace.svc.cluster.local$request_uri"
        notes.unsupported(name, "requests are copied to Services only, and this is none", hint)
        return NOTHING
    service = Key("Service", found["namespace"] or notes.owner.namespace, found["name"])
    usual = 443 if parts.scheme == "https" else 80
    ref = BackendRef(service, port or usual, notes.at(name), scheme=parts.scheme)
    return Options(filters=(Mirror(notes.at(name), ref),))


def _headers(notes: Notes) -> Options:
    """custom-headers: headers of answers that a ConfigMap holds."""
    source = notes.reference("custom-headers", "ConfigMap")
    return Options(last=(HeadersFrom(notes.at("custom-headers"), source),)) if source is not None else NOTHING
