"""Questions about a request to a server of the user's (AskAuth): data for the one script that asks.

The filter stands once in every chain and its script is shared, since a Lua filter of a route's own costs it 90 KB in
every worker.  What a route asks is its `filter_context`.  Counterpart: `ask_script`, which reads what is made here;
`users`, questions to our own server.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any as Data
from typing import Final

from envoy.config.core.v3 import base_pb2
from envoy.extensions.filters.http.lua.v3 import lua_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm
from google.protobuf.any_pb2 import Any

from gatewright.engines.envoy import names
from gatewright.engines.envoy.steps.ask_script import SCRIPT
from gatewright.engines.envoy.wire import pack
from gatewright.graph.nodes import AskAuth
from gatewright.kinds.intents.filters import Template, Variable

FILTER: Final = "gatewright.ask"
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_BLANK: Final = re.compile(r"[\x00-\x20\x7f\ud800-\udfff]")
_SCRIPT: Final = "ask"
_MOST_PATTERNS: Final = 64

Question = Mapping[str, Data]
"""What the script is told, as plain data; the keys are those of `question`."""


def http_filter() -> hcm.HttpFilter:
    """The filter for the chain.  It does nothing where the route has no questions: a script that looks for them would
    cost every request for a name under a wildcard 7 us."""
    made = lua_pb2.Lua(source_codes={_SCRIPT: base_pb2.DataSource(inline_string=SCRIPT)})
    # What the answer adds to a request must not lead it to another route, whose protections it has not met.
    made.clear_route_cache.value = False
    return hcm.HttpFilter(name=FILTER, typed_config=pack(made))


def per_route(questions: Iterable[Question]) -> Any:
    """The questions of a route, asked in their order; the first that is denied is the answer."""
    made = lua_pb2.LuaPerRoute(name=_SCRIPT)
    made.filter_context.update({"questions": [dict(one) for one in questions]})
    return pack(made)


def question(step: AskAuth) -> Question | None:
    """A question as data; None when it cannot be asked as described (see `patterns`), or in HTTP at all."""
    asked = step.question
    matching = patterns(asked.copies_matching)
    if matching is None or not _is_sound(step):
        return None
    data: dict[str, Data] = {
        "cluster": names.cluster(step.backend),
        "method": asked.method,
        "scheme": "https" if step.tls else "http",
        "host": pieces(step.host or (step.backend.name,)),
        "path": pieces(step.path or ("/",)),
        "tells": [{"name": name.lower(), "value": pieces(value)} for name, value in asked.tells],
        "body": asked.sends_body,
        "copies": named(asked.copies),
        "matching": list(matching),
        "drops": [],
        "cookies": dict.fromkeys(asked.cookies, True),
        "error": str(asked.status_on_error),
        "timeout": max(1, round(asked.timeout * 1000)),
    }
    if asked.sends is not None:
        data["sends"] = named(asked.sends)
    if asked.denials is not None:
        data["denials"] = {str(status): True for status in asked.denials}
    if asked.signin:
        data["signin"] = pieces(asked.signin)
    if asked.completes_location:
        data["completes"] = True
    if asked.excepts:
        data["excepts"] = networks(asked.excepts)
    return data


def why_not(step: AskAuth) -> str:
    """What is wrong with a question that `question` has nothing for."""
    if not _is_sound(step):
        return "a header, value or URL of the question who may pass cannot be written in HTTP"
    return f"authResponseHeadersRegex {step.question.copies_matching!r} is too much of an expression"


def _is_sound(step: AskAuth) -> bool:
    """Are the names tokens (RFC 9110, 5.6.2), the values one line, and the URLs without blanks?"""
    asked = step.question
    tokens = [*(name for name, _ in asked.tells), *asked.copies, *(asked.sends or ()), *asked.cookies]
    tokens += [asked.method] if asked.method else []
    values = [text for _, value in asked.tells for text in value]
    urls = [*step.host, *step.path, *asked.signin]
    return all(_TOKEN.fullmatch(name) for name in tokens) and not (
        any(_CONTROL.search(text) for text in values) or any(_BLANK.search(text) for text in urls)
    )


def named(headers: Sequence[str]) -> dict[str, bool]:
    """Header names as a set, the way Envoy spells them."""
    return {name.lower(): True for name in headers}


def pieces(template: Template) -> list[str | dict[str, str]]:
    """A template: text as it is, a variable as a table that names it."""
    return [{"is": piece.value} if isinstance(piece, Variable) else piece for piece in template]


def networks(cidrs: Sequence[str]) -> list[dict[str, Data]]:
    """Networks as words of 16 bits, which is how the script compares addresses."""
    made: list[dict[str, Data]] = []
    for cidr in cidrs:
        network = ipaddress.ip_network(cidr, strict=False)
        octets = network.network_address.packed
        made.append(
            {
                "bits": network.prefixlen,
                "words": [int.from_bytes(octets[at : at + 2]) for at in range(0, len(octets), 2)],
            }
        )
    return made


# --- regular expressions for header names ---------------------------------------------------------

_BRANCH: Final = re.compile(
    r"(?P<start>\^?)(?P<items>(?:(?:\\[.\-dw]|\[\^?[\w\-]+\]|[\w.\-])[*+?]?)*)(?P<end>\$?)", re.A
)
_ITEM: Final = re.compile(r"(\\[.\-dw]|\[\^?[\w\-]+\]|[\w.\-])([*+?]?)", re.A)
_GROUP: Final = re.compile(r"\((?:\?:)?([^()]*)\)(?![*+?{])")


def patterns(regex: str) -> tuple[str, ...] | None:
    """What a regular expression for header names is in Lua, whose patterns have no alternatives; () for "".

    Header names have no case.  None for an expression with more than alternatives, classes and repeated characters.
    """
    if not regex:
        return ()
    branches = _alternatives(regex.removeprefix("(?i)"))
    made = [_branch(one) for one in branches] if branches is not None else [None]
    return None if None in made else tuple(one for one in made if one is not None)


def _alternatives(regex: str) -> list[str] | None:
    """The same without groups, as a list of alternatives; None when they are too many."""
    found = [regex]
    while any(_GROUP.search(one) for one in found):
        found = list(itertools.chain.from_iterable(_spread(one) for one in found))
        if len(found) > _MOST_PATTERNS:
            return None
    return list(itertools.chain.from_iterable(one.split("|") for one in found))


def _spread(regex: str) -> list[str]:
    """One for each alternative of the first group, in each alternative that stands outside of groups."""
    match = _GROUP.search(regex)
    if match is None:
        return [regex]
    head, tail = regex[: match.start()], regex[match.end() :]
    if "|" in head and head.rfind("(") < head.rfind("|"):
        first, _, rest = regex.partition("|")
        return [first, rest]
    return [head + inner + tail for inner in match[1].split("|")]


def _branch(regex: str) -> str | None:
    match = _BRANCH.fullmatch(regex)
    if match is None:
        return None
    items = "".join(_item(text, repeated) for text, repeated in _ITEM.findall(match["items"]))
    return match["start"] + items + match["end"]


def _item(text: str, repeated: str) -> str:
    if text.startswith("\\"):
        made = {"d": "%d", "w": "[%w_]"}.get(text[1], "%" + text[1])
    else:
        made = "%-" if text == "-" else text.lower()
    return made + repeated
