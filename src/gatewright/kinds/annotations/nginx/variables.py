"""Text with nginx variables: as a template that each request fills in, as a redirect, as what decides an endpoint.

Variables that stand for something of the Ingress itself (`$namespace`, `$ingress_name`) are filled in here.  One that
nothing here corresponds to makes the text unreadable (None): whoever asked tells so.  Counterpart: `statements`,
which meets such text in snippets.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from gatewright.base.origin import Origin
from gatewright.kinds import syntax
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.filters import PathEdit, PathEditKind, Redirect, Template, Variable
from gatewright.kinds.intents.routing import HashKey

_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))", re.ASCII)
_VARIABLES = {
    "args": Variable.QUERY,
    "best_http_host": Variable.HOST,
    "document_uri": Variable.PATH,
    "escaped_request_uri": Variable.ESCAPED_URI,
    "host": Variable.HOST,
    "http_host": Variable.HOST,
    "pass_access_scheme": Variable.SCHEME,
    "pass_port": Variable.PORT,
    "pass_server_port": Variable.PORT,
    "query_string": Variable.QUERY,
    "remote_addr": Variable.CLIENT,
    "req_id": Variable.REQUEST_ID,
    "request_id": Variable.REQUEST_ID,
    "request_method": Variable.METHOD,
    "request_uri": Variable.URI,
    "scheme": Variable.SCHEME,
    "server_port": Variable.PORT,
    "the_real_ip": Variable.CLIENT,
    "uri": Variable.PATH,
}
_REDIRECT_CODES = frozenset({301, 302, 303, 307, 308})
_HASHED = {
    "binary_remote_addr": HashKey("client"),
    "host": HashKey("host"),
    "http_host": HashKey("host"),
    "best_http_host": HashKey("host"),
    "remote_addr": HashKey("client"),
    "the_real_ip": HashKey("client"),
    "request_uri": HashKey("uri"),
    "uri": HashKey("path"),
    "document_uri": HashKey("path"),
}
_OF_REQUEST = {"http_": "header", "cookie_": "cookie", "arg_": "query"}


def pieces(text: str) -> list[str | re.Match[str]]:
    """A text cut at its variables."""
    found: list[str | re.Match[str]] = []
    at = 0
    for match in _VARIABLE.finditer(text):
        if match.start() > at:
            found.append(text[at : match.start()])
        found.append(match)
        at = match.end()
    return [*found, text[at:]] if at < len(text) else found


def name_of(variable: re.Match[str]) -> str:
    return variable[1] or variable[2]


def template(text: str, owner: Key) -> Template | None:
    """The text with its variables; None when one of them is not known here."""
    found: list[str | Variable] = []
    own = {"namespace": owner.namespace, "ingress_name": owner.name}
    for piece in pieces(text):
        if isinstance(piece, str):
            if "$" in piece:  # a group, or no variable at all
                return None
            found.append(piece)
        elif (name := name_of(piece)) in own:
            found.append(own[name])
        elif name in _VARIABLES:
            found.append(_VARIABLES[name])
        else:
            return None
    return tuple(found)


def constant(text: str, owner: Key) -> str | None:
    """The text where no request decides any of it, else None."""
    found = template(text, owner)
    if found is None or any(isinstance(piece, Variable) for piece in found):
        return None
    return "".join(found)


def redirect(text: str, status: int, origin: Origin, owner: Key) -> Redirect | None:
    """A redirect to a URL or path, as nginx's `return` makes it (the query is not kept unless the text says so).

    Host and scheme may be variables as a whole, and the URL may end in `$request_uri` or `$uri`.
    """
    parts = template(text, owner)
    if not parts or status not in _REDIRECT_CODES:
        return None
    joined = "".join(f"\0{piece.name}\0" if isinstance(piece, Variable) else piece for piece in parts)
    scheme, separator, rest = joined.partition("://")
    if not separator:
        return _to_path(joined, status, origin) if joined.startswith(("/", "\0URI\0", "\0PATH\0")) else None
    authority = re.match(r"[^/?#\0]+(?=[/?#\0]|$)|\0HOST\0(?::\d+)?", rest)
    if scheme not in ("http", "https", "\0SCHEME\0") or authority is None:
        return None
    host, _, port = authority[0].partition(":")
    made = _to_path(rest[authority.end() :], status, origin)
    if made is None or (port and not (port.isdecimal() and 0 < int(port) < 65536)):
        return None
    if host != "\0HOST\0" and not (syntax.is_hostname(host.lower()) or syntax.is_ip(host)):
        return None
    return Redirect(
        origin,
        scheme=None if scheme == "\0SCHEME\0" else scheme,
        host=None if host == "\0HOST\0" else host,
        port=int(port) if port else None,
        path=made.path,
        status=status,
        keeps_query=made.keeps_query,
    )


def _to_path(text: str, status: int, origin: Origin) -> Redirect | None:
    """A redirect to another path of the same host."""
    before, found, after = text.partition("\0")
    variable, _, after = after.partition("\0")
    if not found:
        target = text if text.startswith("/") else f"/{text}"
        if "#" in target:
            return None
        return Redirect(origin, path=PathEdit(PathEditKind.REPLACE, target), status=status, keeps_query=False)
    if variable not in ("URI", "PATH") or "?" in before or "#" in before:
        return None
    keeps = variable == "URI"
    if after == "\0".join(("?", "QUERY", "")):  # $uri?$args
        keeps, after = True, ""
    if after:
        return None
    prefix = before.rstrip("/")
    path = PathEdit(PathEditKind.ADD_PREFIX, prefix) if prefix else None
    return Redirect(origin, path=path, status=status, keeps_query=keeps)


def hash_keys(text: str) -> tuple[HashKey, ...] | None:
    """What decides the endpoint, of an expression of variables; text between them decides nothing."""
    found: list[HashKey] = []
    for piece in pieces(text):
        if isinstance(piece, str):
            if "$" in piece:
                return None
            continue
        name = name_of(piece)
        key = _HASHED.get(name)
        for start, kind in _OF_REQUEST.items():
            if key is None and name.startswith(start):
                own = name.removeprefix(start)
                key = HashKey(kind, own.replace("_", "-") if kind == "header" else own)
        if key is None:
            return None
        found.append(key)
    return tuple(found) or None


def signin_url(url: str, parameter: str, owner: Key) -> Template | None:
    """Where a 401 of an authentication server redirects to: the URL with the one asked for in a query parameter."""
    found = template(url, owner)
    if found is None:
        return None
    query = urlsplit(url).query
    if not query:
        return (*found, f"?{parameter}=", Variable.ESCAPED_URL)
    if any(item.partition("=")[0] == parameter and item.partition("=")[2] for item in query.split("&")):
        return found
    return (*found, f"&{parameter}=", Variable.ESCAPED_URL)
