"""What the statements of nginx snippets mean, as far as they are carried over; every other one is told with its line.

Carried over are headers, plain `return`s and `rewrite`s, redirects in an `if` on `$host`, `$scheme`, `$request_uri` or
`$uri`, lists of `allow` and `deny`, and the limits that have annotations of their own.  A statement that may keep
somebody out and is not carried over refuses the rules.  Counterpart: `snippets`, the grammar.
"""

from __future__ import annotations

import ipaddress
import re

from msgspec import structs

from gatewright.base import percent
from gatewright.base.percent import Reading
from gatewright.kinds import syntax
from gatewright.kinds.annotations.nginx import variables as nginx_variables
from gatewright.kinds.annotations.nginx.snippets import Statement, Unreadable, parse
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.intents.filters import (
    AllowSources,
    BodyLimit,
    DenySources,
    Filter,
    HeaderEdit,
    PathEdit,
    PathEditKind,
    Redirect,
    RegexRedirect,
    RequestHeaders,
    Respond,
    ResponseHeaders,
    Rewrite,
    Template,
)
from gatewright.kinds.intents.options import NOTHING, Options, TlsRedirect, laid_over
from gatewright.kinds.intents.routing import Upstream

SERVER = "server"
LOCATION = "location"

_GUARD = re.compile(
    r"allow|deny|satisfy|auth_.*|limit_(?!.*zone).*|internal|secure_link.*|access_by_lua.*|rewrite_by_lua.*|return|valid_referers"
    r"|ssl_verify_.*|ssl_client_certificate|modsecurity.*|.*jwt.*"
)
"""Statements that may keep somebody out, here or in a block around them."""

_ADVISORY = re.compile(
    r"access_log|error_log|rewrite_log|log_not_found|log_subrequest|proxy_buffer(ing|s|_size)|proxy_busy_buffers_size"
    r"|proxy_max_temp_file_size|proxy_temp_.*|proxy_request_buffering|proxy_headers_hash_.*|proxy_send_timeout"
    r"|client_body_(buffer_size|timeout)|client_header_.*|large_client_header_buffers|send_timeout|keepalive_.*"
    r"|tcp_no(delay|push)|chunked_transfer_encoding|postpone_output|output_buffers|variables_hash_.*|http2_.*"
    r"|proxy_ssl_session_reuse|port_in_redirect|lingering_.*|server_tokens|reset_timedout_connection"
)
"""What tunes nginx itself."""

# What an nginx or a gateway sends by itself, or a header as it came.
_AS_USUAL = {
    "host": {"host", "http_host", "best_http_host"},
    "upgrade": {"http_upgrade"},
    "connection": {"connection_upgrade", "http_connection"},
    "x-real-ip": {"remote_addr", "the_real_ip"},
    "x-forwarded-for": {"remote_addr", "the_real_ip", "proxy_add_x_forwarded_for", "full_x_forwarded_for"},
    "x-forwarded-host": {"host", "http_host", "best_http_host"},
    "x-forwarded-port": {"server_port", "pass_port", "pass_server_port"},
    "x-forwarded-proto": {"scheme", "pass_access_scheme"},
    "x-forwarded-scheme": {"scheme", "pass_access_scheme"},
    "x-scheme": {"scheme", "pass_access_scheme"},
    "x-request-id": {"req_id", "request_id"},
}
_EVERYBODY = ("0.0.0.0/0", "::/0")
_HOP = {"upgrade", "connection"}
_TIME = re.compile(r"(\d{1,9})(ms|s|m|h|d|)")
_TIMES = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d{1,12})([kKmMgG]?)")
_SIZES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_GROUP = re.compile(r"\$(\d)|\$\{(\d)\}")


def read(notes: Notes, name: str, place: str) -> Options:
    """The options that a snippet amounts to."""
    text = notes.text(name)
    if text is None:
        return NOTHING
    found = parse(text)
    if isinstance(found, Unreadable):
        why = f"it is no nginx configuration (line {found.number}: {found.reason})"
        return Options(unbuildable=notes.refuse(name, why))
    return _Lowering(notes, name, place).all(found)


def headers_told(notes: Notes, name: str) -> tuple[tuple[str, Template], ...]:
    """The headers that an `auth-snippet` adds to the question."""
    text = notes.text(name)
    if text is None:
        return ()
    found = parse(text)
    if isinstance(found, Unreadable):
        notes.unsupported(name, f"it is no nginx configuration (line {found.number}: {found.reason})")
        return ()
    told = []
    for statement in found:
        value = None
        if statement.name == "proxy_set_header" and len(statement.arguments) == 2:
            value = nginx_variables.template(statement.arguments[1], notes.owner)
        if value is None:
            notes.unsupported(name, f"`{statement.line}` (line {statement.number}) has no effect")
        elif not _passes_on(*statement.arguments):
            told.append((statement.arguments[0], value))
    return tuple(told)


class _Lowering:
    """The statements of one snippet, one after another."""

    def __init__(self, notes: Notes, name: str, place: str) -> None:
        self._notes = notes
        self._name = name
        self._place = place
        self._origin = notes.at(name)
        self._first: list[Filter] = []
        self._filters: list[Filter] = []
        self._sources: list[tuple[bool, str, Statement]] = []
        self._options = NOTHING
        self._unbuildable = ""

    def all(self, statements: tuple[Statement, ...]) -> Options:
        for statement in statements:
            self._read(statement)
        if self._sources:
            self._access()
        own = Options(first=tuple(self._first), filters=tuple(self._filters), unbuildable=self._unbuildable)
        return laid_over(self._options, own)

    # --- what is not carried over ---

    def _leave(self, statement: Statement) -> None:
        """A statement without effect; one that may keep somebody out refuses the rules."""
        if _guards(statement):
            self._refuse(statement)
            return
        where = f"`{statement.line[:120]}` (line {statement.number})"
        self._notes.unsupported(self._name, f"{where} has no effect", _nearest(statement))

    def _refuse(self, statement: Statement) -> None:
        why = f"`{statement.line[:120]}` (line {statement.number}) cannot be carried over"
        self._unbuildable = self._notes.refuse(self._name, why, _nearest(statement))

    # --- statements ---

    def _read(self, statement: Statement) -> None:
        count = len(statement.arguments)
        if statement.block is not None:
            done = statement.name == "if" and self._if(statement)
        elif statement.name in ("allow", "deny") and count == 1:
            done = self._source(statement)
        elif statement.name in ("add_header", "proxy_hide_header", "more_set_headers", "more_clear_headers"):
            done = self._response_headers(statement)
        elif statement.name in ("proxy_set_header", "more_set_input_headers", "more_clear_input_headers"):
            done = self._request_headers(statement)
        elif statement.name == "return":
            done = self._return(statement)
        elif statement.name == "rewrite":
            done = self._rewrite(statement)
        elif statement.name in ("satisfy", "client_max_body_size", "proxy_read_timeout", "proxy_connect_timeout"):
            done = count == 1 and self._value(statement.name, statement.arguments[0])
        else:
            usual = (statement.name, *statement.arguments) in (("proxy_http_version", "1.1"), ("gzip", "off"))
            done = usual or _ADVISORY.fullmatch(statement.name) is not None
        if not done:
            self._leave(statement)

    def _say(self, options: Options) -> None:
        self._options = laid_over(self._options, options)

    def _value(self, name: str, value: str) -> bool:
        """What has an annotation of its own."""
        if name == "satisfy":
            self._say(Options(satisfy_any=value == "any"))
            return value in ("any", "all")
        if name == "client_max_body_size":
            size = _SIZE.fullmatch(value)
            if size is not None:
                self._say(Options(body_limit=BodyLimit(self._origin, int(size[1]) * _SIZES[size[2].lower()])))
            return size is not None
        time = _TIME.fullmatch(value)
        if time is None:
            return False
        seconds = int(time[1]) * _TIMES[time[2]]
        if name == "proxy_read_timeout":
            self._say(Options(read_timeout=seconds))
        else:
            self._say(Options(upstream=Upstream(connect_timeout=seconds)))
        return True

    # --- headers ---

    def _response_headers(self, statement: Statement) -> bool:
        edit: HeaderEdit | None = None
        arguments = statement.arguments
        if statement.name == "add_header" and len(arguments) in (2, 3) and arguments[2:] in ((), ("always",)):
            value = nginx_variables.constant(arguments[1], self._notes.owner)
            if value is not None:
                edit = HeaderEdit(add=((arguments[0], value),) if value else ())
        elif statement.name == "proxy_hide_header" and len(arguments) == 1:
            edit = HeaderEdit(remove=arguments)
        elif statement.name.startswith("more_"):
            edit = self._more(statement)
        if edit is None or not _sound(edit):
            return False
        self._filters.append(ResponseHeaders(edit, self._origin))
        return True

    def _more(self, statement: Statement) -> HeaderEdit | None:
        """`more_set_headers "Name: value" ...`; without a value the header goes.  None with conditions (-s, -t)."""
        set_: list[tuple[str, str]] = []
        remove: list[str] = []
        for argument in statement.arguments:
            name, _, text = argument.partition(":")
            value = nginx_variables.constant(text.strip(), self._notes.owner)
            if argument.startswith("-") or value is None or "*" in name:
                return None
            if value and "clear" not in statement.name:
                set_.append((name.strip(), value))
            else:
                remove.append(name.strip())
        return HeaderEdit(set=tuple(set_), remove=tuple(remove)) if set_ or remove else None

    def _request_headers(self, statement: Statement) -> bool:
        if statement.name.startswith("more_"):
            edit = self._more(statement)
        elif len(statement.arguments) != 2:
            return False
        else:
            name, text = statement.arguments
            if _passes_on(name, text):
                return True
            value = nginx_variables.constant(text, self._notes.owner)
            if value and name.lower() == "host":
                self._say(Options(upstream_host=value))
                return True
            if value is None or name.lower() in _HOP:
                return False
            edit = HeaderEdit(set=((name, value),)) if value else HeaderEdit(remove=(name,))
        if edit is None or not _sound(edit):
            return False
        self._filters.append(RequestHeaders(edit, self._origin))
        return True

    # --- answers ---

    def _return(self, statement: Statement) -> bool:
        made = self._answer(statement)
        if made is not None:
            self._first.append(made)
        return made is not None

    def _answer(self, statement: Statement) -> Redirect | Respond | None:
        """`return code;`, `return code text;`, `return code URL;` and `return URL;`."""
        arguments = statement.arguments
        if len(arguments) == 1 and arguments[0].startswith(("http://", "https://", "$scheme://")):
            arguments = ("302", arguments[0])
        code = arguments[0] if arguments else ""
        if not re.fullmatch(r"[2-5]\d\d", code, re.ASCII) or len(arguments) > 2:
            return None
        status = int(code)
        if status in (301, 302, 303, 307, 308):
            if len(arguments) < 2:
                return None
            return nginx_variables.redirect(arguments[1], status, self._origin, self._notes.owner)
        if status == 444:
            self._notes.differs(self._name, f"`{statement.line}` closes the connection in nginx; here it answers 403")
            return Respond(self._origin, 403)
        text = nginx_variables.constant(arguments[1], self._notes.owner) if len(arguments) == 2 else ""
        if text is None:
            return None
        return Respond(self._origin, status, text.encode("utf-8", "replace"), "text/html" if text else "text/plain")

    def _rewrite(self, statement: Statement) -> bool:
        arguments = statement.arguments
        flag = arguments[2] if len(arguments) == 3 else ""
        if len(arguments) not in (2, 3) or syntax.regex_error(arguments[0]):
            return False
        pattern, target = arguments[:2]
        if flag in ("redirect", "permanent") or target.startswith(("http://", "https://", "$scheme")):
            status = 301 if flag == "permanent" else 302
            return self._regex_redirect(pattern, target.removesuffix("?"), status)
        if self._place == SERVER or "?" in target or "$" in _GROUP.sub("", target):
            return False
        if flag != "break":
            shown = f"`{statement.line}` (line {statement.number})"
            self._notes.differs(self._name, f"the path that {shown} makes stays with this rule", "end it with break")
        value = _GROUP.sub(lambda found: f"\\{found[1] or found[2]}", target)
        edit = PathEdit(PathEditKind.REGEX, value, pattern=percent.expression(_whole(pattern), Reading.DECODED))
        self._filters.append(Rewrite(self._origin, paths=(edit,)))
        return True

    def _regex_redirect(self, pattern: str, target: str, status: int) -> bool:
        """A redirect of paths; scheme and host are the first two groups of the URL's pattern."""
        if "\\?" in pattern or not pattern.startswith(("^/", "/")) or "?" in target or "#" in target:
            return False
        before = "" if pattern.startswith("^") else "(?s:.*)"
        replacement = _replacement(target)
        if replacement is None:
            return False
        url = f"^(https?)://([^/]+){before}{pattern.removeprefix('^')}"
        if not url.endswith("$"):
            url += "(?s:.*)$"
        self._first.append(RegexRedirect(self._origin, url, replacement, status))
        return not syntax.regex_error(url)

    # --- if ---

    def _if(self, statement: Statement) -> bool:
        """A redirect under one plain condition."""
        condition = _condition(statement.arguments)
        body = statement.block or ()
        if condition is None or len(body) != 1 or body[0].block is not None:
            return False
        variable, operator, value = condition
        inner = body[0]
        if inner.name == "rewrite" and operator == "=" and variable in ("host", "http_host", "scheme"):
            inner = _as_return(inner)
        if inner.name != "return":
            return False
        answer = self._answer(inner)
        if not isinstance(answer, Redirect):
            return variable in ("request_uri", "uri") and self._if_path(operator, value, inner)
        if variable == "scheme" and operator == "=" and value == "http":
            return self._to_tls(answer)
        if variable in ("host", "http_host") and operator == "=":
            return self._if_host(value, answer)
        return variable in ("request_uri", "uri") and self._if_path(operator, value, inner)

    def _to_tls(self, answer: Redirect) -> bool:
        plain = answer.scheme == "https" and answer.host is None and answer.path is None and answer.keeps_query
        if plain:
            self._say(Options(tls_redirect=TlsRedirect("always", answer.status, answer.port or 0, self._origin)))
        return plain

    def _if_host(self, host: str, answer: Redirect) -> bool:
        edit = answer.path
        base = f"{answer.scheme or chr(92) + '1'}://{answer.host or chr(92) + '2'}"
        base += f":{answer.port}" if answer.port else ""
        if edit is not None and edit.kind is PathEditKind.REPLACE and "?" not in edit.value:
            tail, url = "(?:.*)$", base + edit.value
        elif answer.keeps_query:
            tail, url = "(.*)$", base + (edit.value if edit is not None else "") + r"\3"
        else:
            return False
        pattern = rf"^(https?)://({re.escape(host.lower())}(?::\d+)?){tail}"
        self._first.append(RegexRedirect(self._origin, pattern, url, answer.status))
        return True

    def _if_path(self, operator: str, value: str, inner: Statement) -> bool:
        if len(inner.arguments) != 2 or inner.arguments[0] not in ("301", "302", "303", "307", "308"):
            return False
        if operator not in ("=", "~", "~*") or (operator != "=" and syntax.regex_error(value)):
            return False
        pattern = f"^{re.escape(value)}$" if operator == "=" else value
        if operator == "~*":
            return False if "(?" in pattern else self._folded(pattern, inner)
        return self._regex_redirect(pattern, inner.arguments[1], int(inner.arguments[0]))

    def _folded(self, pattern: str, inner: Statement) -> bool:
        """Without regard to case: the whole URL's pattern, whose host is lower-case anyhow."""
        before = len(self._first)
        done = self._regex_redirect(pattern, inner.arguments[1], int(inner.arguments[0]))
        if done:
            made = self._first[before]
            assert isinstance(made, RegexRedirect)
            self._first[before] = structs.replace(made, pattern=f"(?i){made.pattern}")
        return done

    # --- addresses ---

    def _source(self, statement: Statement) -> bool:
        value = statement.arguments[0]
        try:
            cidr = "all" if value == "all" else str(ipaddress.ip_network(value, strict=False))
        except ValueError:
            return False
        self._sources.append((statement.name == "allow", cidr, statement))
        return True

    def _access(self) -> None:
        """The first that fits decides: only `allow`s and then `deny all`, or only `deny`s, are lists of one kind."""
        *listed, (last_allows, last, statement) = self._sources
        cidrs = tuple(cidr for _, cidr, _ in listed)
        if last == "all" and not last_allows and listed and all(allows for allows, _, _ in listed):
            if "all" not in cidrs:
                self._say(Options(allow=AllowSources(self._origin, cidrs)))
        elif last == "all" and not last_allows and not listed:
            self._say(Options(deny=DenySources(self._origin, _EVERYBODY)))
        elif any(allows for allows, _, _ in listed) or "all" in cidrs or (last == "all" and not last_allows):
            self._refuse(statement)
        elif listed or not last_allows:  # an `allow` at the end lets everybody in whom nobody denied
            denied = cidrs if last_allows else (*cidrs, last)
            self._say(Options(deny=DenySources(self._origin, denied)))
        else:  # by itself it is of use with `satisfy any` alone
            what = f"`{statement.line[:120]}` (line {statement.number}) keeps nobody out, and spares nobody credentials"
            self._notes.unsupported(self._name, what, "put `deny all;` behind it")


# --- helpers ------------------------------------------------------------------------------------


def _guards(statement: Statement) -> bool:
    if _GUARD.fullmatch(statement.name) is not None:
        return True
    return any(_guards(inner) for inner in statement.block or ())


def _nearest(statement: Statement) -> str:
    """An annotation that says the same."""
    hints = {
        "auth_basic": "auth-type and auth-secret",
        "auth_request": "auth-url",
        "error_page": "custom-http-errors",
        "expires": "custom-headers",
        "add_header": "custom-headers",
        "gzip": "use-gzip in the controller's ConfigMap",
        "limit_conn": "limit-connections",
        "limit_req": "limit-rps",
        "proxy_cookie_path": "session-cookie-path, or let the backend set its own",
        "proxy_next_upstream": "proxy-next-upstream",
        "proxy_pass": "a path of its own with that Service as its backend",
        "location": "a path of its own",
        "if": "a canary, or a path of its own",
    }
    hint = hints.get(statement.name, "")
    return f"the nearest is {hint}" if hint else ""


def _passes_on(name: str, text: str) -> bool:
    """Does a header get what it has anyhow?"""
    variable = re.fullmatch(r"\$\{?(\w+)\}?", text)
    lowered = name.lower()
    if lowered in _HOP and text.lower() in ("", "upgrade", "keep-alive"):
        return True
    if variable is None:
        return False
    return variable[1] in _AS_USUAL.get(lowered, ()) or variable[1] == "http_" + lowered.replace("-", "_")


def _sound(edit: HeaderEdit) -> bool:
    named = [*edit.remove, *(name for name, _ in (*edit.set, *edit.add))]
    values = [value for _, value in (*edit.set, *edit.add)]
    return all(map(syntax.is_header_name, named)) and all(map(syntax.is_header_value, values))


def _condition(arguments: tuple[str, ...]) -> tuple[str, str, str] | None:
    """The variable, operator and value of `if ($variable operator value)`."""
    words = [word for word in arguments if word not in ("(", ")")]
    if len(words) != 3 or not arguments[0].startswith("("):
        return None
    variable, operator, value = words[0].removeprefix("("), words[1], words[2]
    if arguments[-1] != ")":
        if not value.endswith(")"):
            return None
        value = value[:-1]
    if not variable.startswith("$") or operator not in ("=", "!=", "~", "~*", "!~", "!~*"):
        return None
    return variable.removeprefix("$").strip("{}"), operator, value


def _as_return(statement: Statement) -> Statement:
    """`rewrite ^ URL permanent;` and `rewrite ^/(.*)$ URL/$1 permanent;` are `return`s that keep the query."""
    arguments = statement.arguments
    if len(arguments) != 3 or arguments[2] not in ("permanent", "redirect"):
        return statement
    pattern, target, flag = arguments
    code = "301" if flag == "permanent" else "302"
    rest = {"^/(.*)": "/$1", "^/(.*)$": "/$1", "^(.*)": "$1", "^(.*)$": "$1", "(.*)": "$1"}.get(pattern)
    if rest is not None and target.endswith(rest):
        url = target.removesuffix(rest) + "$request_uri"
    elif pattern in ("^", ".*", "^.*$") and (target.endswith(("$request_uri?", "$request_uri"))):
        url = target.removesuffix("?")
    else:
        return statement
    return structs.replace(statement, name="return", arguments=(code, url), block=None)


def _whole(pattern: str) -> str:
    """A pattern that matches the whole path where nginx's matches anywhere in it: what it makes is the whole path."""
    begins = pattern.startswith("^")
    ends = pattern.endswith("$") and not pattern.endswith("\\$")
    core = pattern[1 if begins else 0 : -1 if ends else None]
    return "^" + ("" if begins else "(?s:.*?)") + f"(?:{core})" + ("" if ends else "(?s:.*)") + "$"


def _replacement(target: str) -> str | None:
    """A redirect's target with groups; scheme and host are groups 1 and 2, those of the path come behind."""
    text = target if "://" in target else r"\1://\2" + (target if target.startswith("/") else f"/{target}")
    text = re.sub(r"^\$scheme://", lambda _: r"\1://", text)
    text = re.sub(r"://\$(?:http_)?host\b", lambda _: r"://\2", text)
    found = _GROUP.sub(lambda match: f"\\{int(match[1] or match[2]) + 2}", text)
    return None if "$" in found or any(int(n) > 9 for n in re.findall(r"\\(\d+)", found)) else found
