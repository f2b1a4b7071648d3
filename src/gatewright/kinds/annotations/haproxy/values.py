"""What both HAProxy controllers write alike: times, lists of addresses, balance, headers, origins of CORS.

Counterparts: `ingress` (haproxy.org) and `community` (haproxy-ingress), which say what the annotations are.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from gatewright.kinds import syntax
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.intents.filters import PathEdit, PathEditKind
from gatewright.kinds.intents.routing import HashKey

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PATTERNS = "patterns/"
_EVERYBODY = ("0.0.0.0/0", "::/0")
_BALANCES = {
    "roundrobin": "round-robin",
    "static-rr": "round-robin",
    "leastconn": "least-request",
    "random": "least-request",  # the less busy of two, as Envoy's least request is
    "random(1)": "random",
    "random(2)": "least-request",
    "source": "ring-hash",
    "uri": "ring-hash",
    "url_param": "ring-hash",
    "hdr": "ring-hash",
    "first": "",
    "rdp-cookie": "",
}
_BALANCE = re.compile(r"(?P<word>[a-z_-]+)(?:\((?P<argument>[^)]*)\))?(?P<rest>(?:\s+\S+)*)")
_PLAIN_ORIGIN = re.compile(r"\^?(https?://[A-Za-z0-9.:*-]+)\$?")


def milliseconds(notes: Notes, name: str) -> float | None:
    """A time in seconds; HAProxy counts a number without unit in milliseconds."""
    return notes.seconds(name, "ms")


def guarding_number(notes: Notes, name: str, refusals: list[str]) -> int | None:
    """A limit of 1 or more; what is none refuses the rules."""
    value = notes.text(name)
    if value is None:
        return None
    if value.isdecimal() and value.isascii() and 0 < len(value) < 10 and int(value):
        return int(value)
    refusals.append(notes.refuse(name, f"{value[:40]!r} is no number from 1 on"))
    return None


# --- lists of addresses -------------------------------------------------------------------------


def sources(notes: Notes, name: str, *, exceptions: bool = False) -> tuple[str, ...] | str | None:
    """The CIDRs of a list, None without one, or why it cannot be used.

    `exceptions`: items after "!" are taken out of the others, or out of everybody.
    """
    items = notes.items(name)
    if not items:
        return None if notes.text(name) is None else "it lists no address"
    if items[0].startswith(PATTERNS):
        return "its addresses are in a pattern file of the controller"
    chosen: list[Network] = []
    taken: list[Network] = []
    try:
        for item in items:
            minus = exceptions and item.startswith("!")
            (taken if minus else chosen).append(ipaddress.ip_network(item.removeprefix("!" if minus else ""), False))
    except ValueError:
        return "it is no list of addresses and CIDRs"
    if not taken:
        return tuple(map(str, chosen))
    whole = chosen or [ipaddress.ip_network(one) for one in _EVERYBODY]
    left = tuple(str(part) for network in whole for part in _without(network, taken))
    return left or "its exceptions leave no address"


def _without(network: Network, taken: Iterable[Network]) -> list[Network]:
    """What is left of a network without others."""
    left: list[Network] = [network]
    for one in taken:
        left = [part for whole in left for part in _minus(whole, one)]
    return left


def _minus(whole: Network, one: Network) -> list[Network]:
    if isinstance(whole, ipaddress.IPv4Network) and isinstance(one, ipaddress.IPv4Network):
        if whole.subnet_of(one):
            return []
        return list(whole.address_exclude(one)) if one.subnet_of(whole) else [whole]
    if isinstance(whole, ipaddress.IPv6Network) and isinstance(one, ipaddress.IPv6Network):
        if whole.subnet_of(one):
            return []
        return list(whole.address_exclude(one)) if one.subnet_of(whole) else [whole]
    return [whole]


# --- backends -----------------------------------------------------------------------------------


def balance(notes: Notes, name: str) -> tuple[str, tuple[HashKey, ...]]:
    """The balance of Upstream and what is hashed; "" where nothing (that is possible) is said."""
    value = notes.text(name)
    if value is None:
        return "", ()
    found = _BALANCE.fullmatch(value)
    known = ", ".join(sorted(set(_BALANCES) - {"random(1)", "random(2)"}))
    if found is None or found["word"] not in _BALANCES:
        notes.bad(name, f"one of {known}", "it has no effect")
        return "", ()
    word, argument, rest = found["word"], found["argument"] or "", (found["rest"] or "").split()
    kind = _BALANCES.get(f"{word}({argument})") or _BALANCES[word]
    if not kind:
        notes.unsupported(name, f"{word} has no counterpart here, the balance stays as usual", "roundrobin, leastconn")
        return "", ()
    match word:
        case "source":
            return kind, (HashKey("client"),)
        case "uri":
            return kind, (HashKey("uri" if "whole" in rest else "path"),)
        case "url_param" if rest or argument:
            return kind, (HashKey("query", argument or rest[0]),)
        case "hdr" if syntax.is_header_name(argument):
            return kind, (HashKey("header", argument.lower()),)
        case "url_param" | "hdr":
            notes.bad(name, f"{word} with a name, such as hdr(x-user) or url_param id", "it has no effect")
            return "", ()
    return kind, ()


# --- headers and paths --------------------------------------------------------------------------


def header_lines(notes: Notes, name: str, separator: str = " ", namespace: str = "") -> tuple[tuple[str, str], ...]:
    """Headers, one a line: name, blank (or `separator`), value, which may be quoted.

    A value that HAProxy would compute (%[...]) is told and left out, but for %[namespace] where there is one.
    """
    found: list[tuple[str, str]] = []
    for line in (notes.text(name) or "").splitlines():
        header, _, value = line.strip().partition(" " if separator == " " else separator)
        if separator != " " and separator not in line:
            header, _, value = line.strip().partition(" ")
        header, value = header.strip(), _unquoted(value.strip())
        value = value.replace("%[namespace]", namespace) if namespace else value
        if not header:
            continue
        if not syntax.is_header_name(header) or not syntax.is_header_value(value) or not value:
            notes.bad(name, "a header and its value in each line", f"the line {line.strip()[:40]!r} has no effect")
        elif "%[" in value:
            notes.unsupported(name, f"the value of {header} is an expression of HAProxy's; the header is not set")
        else:
            found.append((header, value))
    return tuple(found)


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value.replace("\\ ", " ")


def path_rewrite(notes: Notes, name: str) -> tuple[PathEdit, ...]:
    """Lines of "path" or "expression path": the whole path becomes the text where the expression is found in it."""
    edits: list[PathEdit] = []
    for line in (notes.text(name) or "").splitlines():
        parts = line.split()
        if not parts:
            continue
        if len(parts) == 1 and parts[0].startswith("/"):
            edits.append(PathEdit(PathEditKind.REPLACE, parts[0]))
        elif len(parts) == 2 and (why := syntax.regex_error(parts[0])):
            notes.bad(name, "a regular expression that RE2 takes", f"{parts[0]!r} has no effect ({why})")
        elif len(parts) == 2:
            pattern = rf"^(?s:.*?)(?:{parts[0]})(?s:.*)$"
            edits.append(PathEdit(PathEditKind.REGEX, parts[1], pattern=pattern))
        else:
            notes.bad(name, "a path, or an expression and a path", f"the line {line.strip()[:40]!r} has no effect")
    return tuple(edits)


def origins(notes: Notes, name: str) -> tuple[str, ...]:
    """The origins that CORS allows: "*" unless something is said; () where that cannot be carried over."""
    found = []
    for item in notes.items(name):
        plain = _PLAIN_ORIGIN.fullmatch(item.replace("\\.", "."))
        if item == "*":
            return ("*",)
        if plain is None or ("\\" not in item and "^" not in item and set(item) & set("[](){}+|?")):
            notes.unsupported(name, "origins by regular expression are not carried over; none is allowed", "list them")
            return ()
        found.append(plain[1])
    return tuple(found) or ("*",)
