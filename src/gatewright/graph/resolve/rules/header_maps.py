"""Headers that a ConfigMap holds: a name and a value each, as ingress-nginx takes them (custom-headers, add-headers).

Values may have nginx variables: those of a question to an authentication server are told with it, others have to be
plain text.  A ConfigMap that is missing refuses the rule, as the controller does.
"""

from __future__ import annotations

from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity
from gatewright.graph.objects import View
from gatewright.graph.resolve.upstreams.backends import Failure
from gatewright.kinds import syntax
from gatewright.kinds.annotations.nginx import variables as nginx_variables
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.filters import HeaderEdit, HeadersFrom, Template
from gatewright.kinds.intents.material import SecretIntent

Told = tuple[tuple[str, Template], ...]


def told(view: View, source: Key) -> Told | Failure:
    """The headers with their variables."""
    held = view.get(source, SecretIntent)
    if held is None:
        return Failure("filter-missing", 503, f"{source} does not exist", "the rule answers 503 without its headers")
    found: list[tuple[str, Template]] = []
    for name, value in held.data:
        text = nginx_variables.template(value.reveal().decode("utf-8", "replace"), source)
        if text is None or not syntax.is_header_name(name):
            why = f"{source} has {name!r}, which is no header with variables that are known"
            return Failure("filter-missing", 503, why, "write plain text, or variables such as $host")
        found.append((name, text))
    return tuple(found)


def edit(view: View, item: HeadersFrom, problems: list[Problem]) -> HeaderEdit | Failure:
    """The changes to headers.  One that each request decides is left out, and told."""
    found = told(view, item.source)
    if isinstance(found, Failure):
        return found
    return _edit(item.source, item.origin, found, problems)


def written(source: Key, origin: Origin, values: tuple[tuple[str, str], ...], problems: list[Problem]) -> HeaderEdit:
    """The same of headers that a chart would write into `source`."""
    found = [
        (name, nginx_variables.template(value, source) if syntax.is_header_name(name) else None)
        for name, value in values
    ]
    problems += [_left_out(source, name, origin) for name, text in found if text is None]
    return _edit(source, origin, tuple((name, text) for name, text in found if text is not None), problems)


def _edit(source: Key, origin: Origin, found: Told, problems: list[Problem]) -> HeaderEdit:
    plain: list[tuple[str, str]] = []
    for name, text in found:
        value = "".join(piece for piece in text if type(piece) is str)
        if all(type(piece) is str for piece in text) and syntax.is_header_value(value):
            plain.append((name, value))
        else:
            problems.append(_left_out(source, name, origin))
    removed = tuple(name for name, value in plain if not value)
    return HeaderEdit(set=tuple(pair for pair in plain if pair[1]), remove=removed)


def _left_out(source: Key, name: str, origin: Origin) -> Problem:
    message = f"the header {name} of {source} is not set: its value has variables of the request"
    return Problem("unsupported-annotation", message, origin, Severity.WARNING, "let the backend set it")
