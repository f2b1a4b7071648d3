"""Annotations of the AWS Load Balancer Controller that change rules: actions, conditions and transforms, as JSON.

`actions.NAME` takes the place of a backend of that name with the port `use-annotation`; `conditions.NAME` and
`transforms.NAME` belong to the rules with a backend of that name, Service or action.  Counterpart: `ingress`,
the options.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from msgspec import structs

from gatewright.base.problem import Severity
from gatewright.kinds import syntax
from gatewright.kinds.annotations.alb import conditions as alb_conditions
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.decode import suggest
from gatewright.kinds.features import Feature, Support
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.filters import Filter, PathEdit, PathEditKind, Redirect, Refuse, Respond, Rewrite
from gatewright.kinds.intents.routing import BackendRef, PathKind, PathMatch, RuleIntent

USE_ANNOTATION = "use-annotation"
FAMILIES = ("actions.", "conditions.", "transforms.")
FEATURE = Feature("*", Support.HONOURED)
_PLACEHOLDER = re.compile(r"#\{(\w+)\}")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class _Path(Protocol):
    @property
    def path(self) -> str: ...
    @property
    def path_type(self) -> str: ...


P = TypeVar("P", bound=_Path)


def in_order(paths: Sequence[P]) -> list[tuple[int, P]]:
    """The paths of one host in the order in which the controller makes rules of them, each with its place.

    Exact ones, then prefixes, the longest first, then what is left, as it is written.
    """
    rank = {"Exact": 0, "Prefix": 1}

    def order(item: tuple[int, P]) -> tuple[int, int, int]:
        position, path = item
        kind = rank.get(path.path_type, 2)
        return (kind, -len(path.path) if kind == 1 else 0, position)

    return sorted(enumerate(paths), key=order)


def implementation_specific(value: str, *, regex: bool = False) -> PathMatch:
    """A path whose pathType is ImplementationSpecific: with * and ?, or a regular expression behind the slash."""
    if regex and not syntax.regex_error(value[1:]):
        return PathMatch(PathKind.REGEX, alb_conditions.searched(value[1:]))
    if not value or value == "/*":
        return PathMatch(PathKind.PREFIX, "/")
    return alb_conditions.path(value)


def rules(notes: Notes, given: tuple[RuleIntent, ...]) -> tuple[RuleIntent, ...]:
    """The rules with their actions, conditions and transforms."""
    used: set[str] = set()
    made = tuple(_rule(notes, rule, used) for rule in given)
    for name in notes.names():
        if name.startswith(FAMILIES) and name not in used:
            backends = sorted({ref.target.name for rule in given for ref in rule.backends})
            message = f"{notes.prefix}{name} has no effect: no rule has a backend of that name"
            notes.tell(Severity.WARNING, "annotation-value", message, name, suggest(name.partition(".")[2], backends))
    return made


def _rule(notes: Notes, rule: RuleIntent, used: set[str]) -> RuleIntent:
    if len(rule.backends) != 1:
        return rule
    ref = rule.backends[0]
    names = [family + ref.target.name for family in FAMILIES]
    used.update(names)
    action, conditions, transforms = names
    if ref.port == USE_ANNOTATION:
        rule = _act(notes, action, rule, ref)
    elif action in notes:
        message = f"{notes.prefix}{action} has no effect: the backend's port is not {USE_ANNOTATION}"
        notes.tell(Severity.WARNING, "annotation-value", message, action, "port: {name: use-annotation}")
    if conditions in notes:
        found = parsed(notes, conditions)
        matches = alb_conditions.matches(found, rule.matches) if isinstance(found, list) else "it is no list in JSON"
        if isinstance(matches, str):
            return _refused(notes, conditions, rule, matches)
        rule = structs.replace(rule, matches=matches)
    if transforms in notes:
        rule = structs.replace(rule, filters=(*rule.filters, *_transforms(notes, transforms)))
    return rule


def parsed(notes: Notes, name: str) -> Any:
    """The JSON of an annotation with its keys in lower case, as Go reads them; None when it is none."""
    value = notes.text(name) or ""
    try:
        return _lower(json.loads(value)) if len(value) <= 65536 else None
    except (ValueError, RecursionError):
        return None


def _lower(value: Any) -> Any:
    if isinstance(value, dict):
        return {key.lower(): _lower(item) for key, item in value.items()}
    return [_lower(item) for item in value] if isinstance(value, list) else value


def _refused(notes: Notes, name: str, rule: RuleIntent, why: str) -> RuleIntent:
    reason = notes.refuse(name, why)
    return structs.replace(rule, filters=(Refuse(notes.at(name), 503, reason), *rule.filters), backends=())


# --- actions ------------------------------------------------------------------------------------


def _act(notes: Notes, name: str, rule: RuleIntent, ref: BackendRef) -> RuleIntent:
    found = parsed(notes, name)
    if found is None and name not in notes:
        message = f"{ref.target.name} is to be an action, but there is no annotation {notes.prefix}{name}"
        notes.tell(Severity.ERROR, "annotation-value", message, name, "the rule answers 503")
        refuse = Refuse(rule.origin, 503, message)
        return structs.replace(rule, filters=(refuse, *rule.filters), backends=())
    if not isinstance(found, dict):
        return _refused(notes, name, rule, "it is no JSON object")
    match found.get("type"):
        case "fixed-response":
            made: Filter | str = _fixed(notes, name, found.get("fixedresponseconfig"))
        case "redirect":
            made = _redirect(notes, name, found.get("redirectconfig"))
        case "forward":
            return _forward(notes, name, rule, ref, found)
        case _:
            made = "its type is none of forward, redirect and fixed-response"
    if isinstance(made, str):
        return _refused(notes, name, rule, made)
    return structs.replace(rule, filters=(*rule.filters, made), backends=())


def _fixed(notes: Notes, name: str, config: Any) -> Respond | str:
    config = config if isinstance(config, dict) else {}
    status = str(config.get("statuscode", ""))
    if not status.isdecimal() or not 200 <= int(status) <= 599:
        return "its statusCode is no status from 200 to 599"
    body = str(config.get("messagebody") or "").encode()
    kind = str(config.get("contenttype") or "text/plain")
    if len(body) > 1024 or not syntax.is_header_value(kind):
        return "its messageBody has more than 1024 octets, or its contentType is none"
    return Respond(notes.at(name), int(status), body, kind)


def _redirect(notes: Notes, name: str, config: Any) -> Redirect | str:
    """A redirect whose parts are as asked for (#{host} ...) or others."""
    config = config if isinstance(config, dict) else {}
    status = {"HTTP_301": 301, "HTTP_302": 302}.get(str(config.get("statuscode")))
    if status is None:
        return "its statusCode is neither HTTP_301 nor HTTP_302"
    protocol, host, port = (str(config.get(key) or f"#{{{key}}}") for key in ("protocol", "host", "port"))
    path, query = str(config.get("path") or "/#{path}"), str(config.get("query", "#{query}"))
    scheme = None if protocol == "#{protocol}" else protocol.lower()
    if scheme not in (None, "http", "https"):
        return "its protocol is neither HTTP nor HTTPS"
    if host != "#{host}" and not syntax.is_hostname(host.lower()):
        notes.unsupported(name, f"the host {host[:60]} is no plain name, so it stays", "name one host")
        host = "#{host}"
    number = int(port) if port.isdecimal() and 0 < int(port) < 65536 else None
    if number is None and port != "#{port}":
        return "its port is no port"
    kept = host == "#{host}" and path == "/#{path}" and query == "#{query}"
    return Redirect(
        notes.at(name),
        scheme=scheme,
        host=None if host == "#{host}" else host.lower(),
        port=0 if number is not None and number == _DEFAULT_PORTS.get(scheme or "") else number,
        path=_redirect_path(notes, name, path, query),
        status=status,
        only_if_scheme_differs=kept and scheme is not None,
    )


def _redirect_path(notes: Notes, name: str, path: str, query: str) -> PathEdit | None:
    if set(_PLACEHOLDER.findall(path)) - {"path"} or ("#{" in query and query != "#{query}"):
        notes.unsupported(name, "its path or query is put together of other parts of the URL, so both stay")
        return None
    behind = "" if query == "#{query}" else f"?{query}"
    if "#{path}" not in path:
        return PathEdit(PathEditKind.REPLACE, path + behind)
    if behind:
        notes.unsupported(name, "its query is another while its path stays, so both stay")
        return None
    if path == "/#{path}":
        return None
    return PathEdit(PathEditKind.REGEX, path.replace("#{path}", r"\1"), pattern=r"^/(?s:(.*))$")


def _forward(notes: Notes, name: str, rule: RuleIntent, ref: BackendRef, found: dict[str, Any]) -> RuleIntent:
    config = found.get("forwardconfig")
    groups = config.get("targetgroups") if isinstance(config, dict) else None
    refs = []
    elsewhere = bool(found.get("targetgrouparn") or found.get("targetgroupname"))
    for group in groups if isinstance(groups, list) else ():
        service, port = (
            (group.get("servicename"), group.get("serviceport")) if isinstance(group, dict) else (None, None)
        )
        if not isinstance(service, str) or not isinstance(port, int | str):
            elsewhere = True
            continue
        number = int(port) if isinstance(port, str) and port.isdecimal() else port
        weight = group.get("weight", 1)
        refs.append(
            structs.replace(
                ref,
                target=Key("Service", ref.target.namespace, service),
                port=number,
                origin=notes.at(name),
                weight=weight if isinstance(weight, int) and 0 <= weight <= 999 else 1,
            )
        )
    if elsewhere:
        share = "their share goes to the Services" if refs else "the rule answers 503"
        notes.unsupported(name, f"what is in target groups outside of the cluster is known to AWS alone; {share}")
    elif not refs:
        return _refused(notes, name, rule, "it names no target group")
    if not refs:
        refuse = Refuse(notes.at(name), 503, "the target group is outside of the cluster")
        return structs.replace(rule, filters=(refuse, *rule.filters), backends=())
    return structs.replace(rule, backends=tuple(refs))


# --- transforms ---------------------------------------------------------------------------------


def _transforms(notes: Notes, name: str) -> tuple[Filter, ...]:
    """Rewrites of the path by expression, and of the host to another."""
    found = parsed(notes, name)
    made: list[Filter] = []
    for one in found if isinstance(found, list) else [None]:
        kind = one.get("type") if isinstance(one, dict) else None
        config = (one or {}).get({"url-rewrite": "urlrewriteconfig"}.get(str(kind), "hostheaderrewriteconfig"))
        rewrites = config.get("rewrites") if isinstance(config, dict) else None
        rewrite = rewrites[0] if isinstance(rewrites, list) and len(rewrites) == 1 else None
        regex, replace = (rewrite.get("regex"), rewrite.get("replace")) if isinstance(rewrite, dict) else (None, None)
        if (
            kind not in ("url-rewrite", "host-header-rewrite")
            or not isinstance(regex, str)
            or not isinstance(replace, str)
        ):
            notes.bad(name, "JSON of url-rewrite or host-header-rewrite with one rewrite", "it has no effect")
        elif why := syntax.regex_error(regex):
            notes.bad(name, "a regular expression that RE2 takes", f"it has no effect ({why})")
        elif kind == "url-rewrite":
            value = re.sub(r"\$(\d)", r"\\\1", replace)
            made.append(Rewrite(notes.at(name), paths=(PathEdit(PathEditKind.REGEX, value, pattern=regex),)))
        elif "$" in replace or regex not in (".*", "^.*$", ".+", "^.+$"):
            notes.unsupported(name, "the host is rewritten to one name for all requests alone", 'use the regex ".*"')
        else:
            made.append(Rewrite(notes.at(name), host=replace))
    return tuple(made)
