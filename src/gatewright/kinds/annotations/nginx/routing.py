"""Hosts, paths and redirects of ingress-nginx: rewrites, redirects to TLS and elsewhere, aliases, canaries.

`use-regex` and `rewrite-target` make expressions of all paths of a host, which is the graph's business; `rules` here
closes those paths of the object itself whose expression nobody can match.
"""

from __future__ import annotations

import re

from msgspec import structs

from gatewright.base.problem import Severity
from gatewright.kinds import syntax
from gatewright.kinds.annotations.nginx import variables as nginx_variables
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.intents.filters import Redirect, Refuse
from gatewright.kinds.intents.options import NOTHING, Canary, Options, TlsRedirect, laid_over
from gatewright.kinds.intents.routing import HostKind, HostMatch, PathKind, PathMatch, RuleIntent

_TARGET = re.compile(r"/?[-._~a-zA-Z0-9/:$]*", re.ASCII)
_LITERAL = re.compile(r"(?:[-/\w.~%]|\\[^A-Za-z0-9])*", re.ASCII)
_OF_CANARIES = (
    "canary-by-cookie",
    "canary-by-header",
    "canary-by-header-pattern",
    "canary-by-header-value",
    "canary-weight",
    "canary-weight-total",
)


def read(notes: Notes) -> Options:
    """What decides which request goes where, and in which form."""
    found = NOTHING
    for part in (_paths(notes), tls_redirect(notes), _redirects(notes), _hosts(notes), _canary(notes)):
        found = laid_over(found, part)
    return found


def _paths(notes: Notes) -> Options:
    """rewrite-target, use-regex, app-root, x-forwarded-prefix."""
    regex, target = notes.flag("use-regex"), notes.text("rewrite-target")
    rewrite = None
    if target is not None:
        if "?" in target or not _TARGET.fullmatch(target) or "://" in target:
            hint = "for redirects there is permanent-redirect" if "://" in target else "leave the query out"
            notes.bad("rewrite-target", "a path with groups such as /$1", "paths are not rewritten", hint)
        else:
            path = target if target.startswith("/") else f"/{target}"
            rewrite = re.sub(r"\$(\d)", r"\\\1", path)
    if rewrite is not None and regex is False:
        notes.contradiction("use-regex", "rewrite-target", "paths are expressions, which rewrite-target implies")
    prefix = notes.text("x-forwarded-prefix")
    if prefix is not None and rewrite is None:
        notes.idle("x-forwarded-prefix", f"without {notes.prefix}rewrite-target")
        prefix = None
    root = notes.text("app-root")
    if root is not None and not root.startswith("/"):
        notes.bad("app-root", "a path that starts with /", "/ is not redirected")
        root = None
    return Options(
        rewrite=rewrite,
        regex_paths=True if rewrite is not None else regex,
        forwarded_prefix=prefix,
        app_root=root,
    )


def tls_redirect(notes: Notes) -> Options:
    """ssl-redirect, force-ssl-redirect; in a ConfigMap also their code and exceptions."""
    plain, force = notes.flag("ssl-redirect"), notes.flag("force-ssl-redirect")
    if plain is None and force is None:
        return NOTHING
    if force and plain is False:
        notes.contradiction("ssl-redirect", "force-ssl-redirect", "plain HTTP is redirected")
    when = "always" if force else "never" if plain is False else "tls"
    name = "ssl-redirect" if force is None else "force-ssl-redirect"
    return Options(tls_redirect=TlsRedirect(when, 0, origin=notes.at(name)))


def _redirects(notes: Notes) -> Options:
    """permanent-redirect, temporal-redirect and their codes: before all else, also before authentication."""
    made: dict[str, Redirect] = {}
    for name, usual in (("temporal-redirect", 302), ("permanent-redirect", 301)):
        code = notes.number(f"{name}-code", 300, 308)
        text = notes.text(name)
        if text is None:
            continue
        found = nginx_variables.redirect(text, code or usual, notes.at(name), notes.owner)
        if found is None or found.scheme is None:
            expected = "an http or https URL with variables that are known"
            why = notes.refuse(name, f"{text[:60]!r} cannot be redirected to; expected {expected}")
            return Options(unbuildable=why)
        made[name] = found
    if len(made) > 1:
        notes.contradiction("permanent-redirect", "temporal-redirect", "temporal-redirect counts")
    return Options(first=tuple(made.values())[:1])


def _hosts(notes: Notes) -> Options:
    """server-alias, from-to-www-redirect, upstream-vhost."""
    aliases = []
    for item in notes.items("server-alias"):
        if item.startswith("~"):
            expression = item.removeprefix("~").removeprefix("*").removeprefix("^").removesuffix("$")
            if not syntax.regex_error(expression):
                aliases.append(HostMatch(HostKind.REGEX, f"(?i:{expression})"))
                continue
        elif syntax.is_hostname(item.lower()):
            aliases.append(HostMatch(HostKind.EXACT, item.lower()))
            continue
        notes.bad("server-alias", "hostnames, or ~ and an expression that RE2 takes", f"{item[:40]!r} is not served")
    vhost = notes.text("upstream-vhost")
    host = nginx_variables.constant(vhost, notes.owner) if vhost is not None else None
    usual = vhost in (None, "$host", "$http_host", "$best_http_host")
    if not usual and (host is None or not syntax.is_header_value(host)):
        notes.bad("upstream-vhost", "a hostname without variables of the request", "backends see the client's Host")
        host = None
    return Options(
        aliases=tuple(aliases),
        www_redirect=notes.flag("from-to-www-redirect"),
        upstream_host=host,
    )


def _canary(notes: Notes) -> Options:
    """canary-*: which requests go to this object's backends instead of those of the other one."""
    if not notes.flag("canary"):
        for name in _OF_CANARIES:
            if name in notes:
                notes.idle(name, f"without {notes.prefix}canary: true")
        return NOTHING
    header = notes.text("canary-by-header") or ""
    value, pattern = notes.text("canary-by-header-value") or "", notes.text("canary-by-header-pattern") or ""
    if not header:
        for name in ("canary-by-header-value", "canary-by-header-pattern"):
            if name in notes:
                notes.idle(name, f"without {notes.prefix}canary-by-header")
        value = pattern = ""
    elif value and pattern:
        notes.contradiction("canary-by-header-pattern", "canary-by-header-value", "canary-by-header-value counts")
        pattern = ""
    elif pattern and notes.expression("canary-by-header-pattern") is None:
        header = pattern = ""  # as in the original, where no request matches then
    total = notes.number("canary-weight-total", 1) or 100
    weight = notes.number("canary-weight", 0) or 0
    if weight > total:
        notes.bad("canary-weight", f"at most {total}", "every request goes to the canary")
        weight = total
    return Options(
        canary=Canary(
            notes.at("canary"),
            weight=weight,
            total=total,
            header=header,
            header_value=value,
            header_pattern=_anywhere(pattern) if pattern else "",
            cookie=notes.text("canary-by-cookie") or "",
        )
    )


def _anywhere(pattern: str) -> str:
    """An expression that matches in full where the other one matches anywhere."""
    begins, ends = pattern.startswith("^"), pattern.endswith("$") and not pattern.endswith("\\$")
    core = pattern[1 if begins else 0 : -1 if ends else None]
    return ("" if begins else "(?s:.*)") + f"(?:{core})" + ("" if ends else "(?s:.*)")


# --- paths that cannot be matched -----------------------------------------------------------------


def rules(notes: Notes, given: tuple[RuleIntent, ...]) -> tuple[RuleIntent, ...]:
    """Paths with an expression that only PCRE takes answer 503, as far as they begin with plain text."""
    if not (_flag(notes, "use-regex") or notes.text("rewrite-target")):
        return given
    return tuple(_closed(notes, rule) for rule in given)


def _flag(notes: Notes, name: str) -> bool:
    return (notes.text(name) or "").lower() in ("true", "t", "1")


def _closed(notes: Notes, rule: RuleIntent) -> RuleIntent:
    wrong = [path.value for match in rule.matches for path in match.paths if syntax.regex_error(path.value)]
    if not wrong:
        return rule
    why = f"the path {wrong[0][:80]!r} is an expression that RE2 does not take ({syntax.regex_error(wrong[0])})"
    shown = f"{why}; what begins like it answers 503"
    hint = "write it without lookarounds and backreferences, with a path of its own for what is left out"
    name = "use-regex" if "use-regex" in notes else "rewrite-target"
    notes.tell(Severity.ERROR, "protection-unbuildable", shown, name, hint)
    matches = tuple(structs.replace(match, paths=tuple(map(_opening, match.paths))) for match in rule.matches)
    return structs.replace(rule, matches=matches, filters=(Refuse(rule.origin, 503, why), *rule.filters))


def _opening(path: PathMatch) -> PathMatch:
    """The plain text that an expression begins with, without its last character where that may repeat or be missing."""
    if not syntax.regex_error(path.value):
        return path
    found = _LITERAL.match(path.value)
    literal = found[0] if found else ""
    if path.value[len(literal) : len(literal) + 1] in ("?", "*", "{", "|"):
        literal = literal[:-1]
    return PathMatch(PathKind.RAW_PREFIX, literal if literal.startswith("/") else "/")
