"""Annotations (or the keys of a ConfigMap) with their types and mistakes.

A value of the wrong shape is no value: it is told once, with what was expected, and what holds without the annotation
holds, as in the controllers themselves.  A reader that must not do without it says so (`unbuildable` of Options).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping

from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity
from gatewright.kinds import syntax
from gatewright.kinds.decode import suggest
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.options import ForeignUse

_TRUE = frozenset({"true", "t", "1"})
_FALSE = frozenset({"false", "f", "0"})
_SIZE = re.compile(r"(\d{1,15})([kKmMgG]?)[bB]?")
_TIME = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|us|s|m|h|d|)")
_SIZES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_TIMES = {"us": 1e-6, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Notes:
    """The values under one prefix, by name without it.  `owner` is the object that has them, `origin` their mapping.

    Getters return None for what is not there and for what cannot be read, which is then among `problems`.  `foreign` is
    what was referred to in other namespaces.
    """

    def __init__(self, values: Mapping[str, str], owner: Key, origin: Origin, prefix: str = "") -> None:
        self.owner = owner
        self.origin = origin
        self.prefix = prefix
        self.problems: list[Problem] = []
        self.foreign: list[ForeignUse] = []
        self._values = {name.removeprefix(prefix): value.strip() for name, value in values.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._values)

    def at(self, name: str) -> Origin:
        """The place of one value."""
        return self.origin.at(self.prefix + name)

    # --- mistakes ---

    def tell(self, severity: Severity, problem_id: str, message: str, name: str, hint: str = "") -> None:
        """One Problem about one value; the message names it."""
        self.problems.append(Problem(problem_id, message, self.at(name), severity, hint))

    def bad(self, name: str, expected: str, instead: str, hint: str = "") -> None:
        """A value that cannot be used: what was expected, and what happens instead."""
        shown = self._values[name][:60]
        message = f"{self.prefix}{name} is {shown!r}, expected {expected}; {instead}"
        self.tell(Severity.WARNING, "annotation-value", message, name, hint)

    def refuse(self, name: str, why: str, hint: str = "") -> str:
        """A protection that cannot be built: a Problem, and the reason for `Options.unbuildable`."""
        message = f"{self.prefix}{name}: {why}; the rules answer 503 rather than serve without it"
        self.tell(Severity.ERROR, "protection-unbuildable", message, name, hint)
        return f"{name}: {why}"

    def contradiction(self, name: str, other: str, what: str) -> None:
        """Two values of which only one can hold; `what` says which does."""
        message = f"{self.prefix}{name} and {other} contradict each other: {what}"
        self.tell(Severity.WARNING, "annotation-contradiction", message, name, "keep one of them")

    def unsupported(self, name: str, instead: str, hint: str = "") -> None:
        """What is known and not carried over: what happens instead, and the nearest equivalent as a hint."""
        message = f"{self.prefix}{name} is not carried over: {instead}"
        self.tell(Severity.WARNING, "unsupported-annotation", message, name, hint)

    def differs(self, name: str, how: str, hint: str = "") -> None:
        """What is carried over, but not to the letter."""
        message = f"{self.prefix}{name} differs here: {how}"
        self.tell(Severity.INFO, "annotation-differs", message, name, hint)

    def idle(self, name: str, why: str) -> None:
        """What the original does not look at where it stands: `why`, such as "without auth-url"."""
        message = f"{self.prefix}{name} has no effect {why}"
        self.tell(Severity.WARNING, "annotation-without-effect", message, name)

    # --- values ---

    def text(self, name: str) -> str | None:
        """The text; an empty one is none."""
        return self._values.get(name) or None

    def flag(self, name: str) -> bool | None:
        """true or false, as Kubernetes controllers read them."""
        value = self.text(name)
        if value is None:
            return None
        if value.lower() in _TRUE:
            return True
        if value.lower() in _FALSE:
            return False
        self.bad(name, "true or false", "it has no effect")
        return None

    def number(self, name: str, least: int = 0, most: int = 2**31 - 1) -> int | None:
        """A whole number without a unit."""
        value = self.text(name)
        if value is None:
            return None
        if value.isdecimal() and value.isascii() and len(value) < 12 and least <= int(value) <= most:
            return int(value)
        without = _TIME.fullmatch(value)
        hint = f"write {without[1]} without a unit" if without and without[2] else ""
        limits = f"a number from {least}" + (f" to {most}" if most < 2**31 - 1 else " on")
        self.bad(name, limits, "it has no effect", hint)
        return None

    def size(self, name: str) -> int | None:
        """Octets, as nginx and HAProxy write them: 8m, 512k, 0."""
        value = self.text(name)
        if value is None:
            return None
        found = _SIZE.fullmatch(value)
        if found is None:
            self.bad(name, "a size such as 8m", "it has no effect")
            return None
        return int(found[1]) * _SIZES[found[2].lower()]

    def seconds(self, name: str, unit: str = "s") -> float | None:
        """A time with a unit, or in `unit`."""
        value = self.text(name)
        if value is None:
            return None
        found = _TIME.fullmatch(value)
        if found is None:
            self.bad(name, "a time such as 30s", "it has no effect")
            return None
        return float(found[1]) * _TIMES[found[2] or unit]

    def choice(self, name: str, choices: Iterable[str], *, ignore_case: bool = False) -> str | None:
        """One of several words."""
        value = self.text(name)
        if value is None:
            return None
        known = list(choices)
        found = next((one for one in known if value == one or (ignore_case and value.lower() == one.lower())), None)
        if found is None:
            self.bad(name, f"one of {', '.join(known)}", "it has no effect", suggest(value, known))
        return found

    def items(self, name: str, separator: str = ",") -> tuple[str, ...]:
        """A list, without empty items."""
        value = self.text(name) or ""
        return tuple(item for part in value.split(separator) if (item := part.strip()))

    def cidrs(self, name: str) -> tuple[str, ...] | None:
        """Addresses and CIDRs as CIDRs; None when any of them is neither, which is told by the caller."""
        try:
            return tuple(str(ipaddress.ip_network(item, strict=False)) for item in self.items(name))
        except ValueError:
            return None

    def expression(self, name: str) -> str | None:
        """A regular expression that RE2 takes."""
        value = self.text(name)
        if value is not None and (why := syntax.regex_error(value)):
            self.bad(name, "a regular expression that RE2 takes", f"it has no effect ({why})")
            return None
        return value

    def reference(
        self, name: str, kind: str, *, across: bool = True, use: str = "", allowed_by: str = ""
    ) -> Key | None:
        """A name, or namespace/name, of another object; without a namespace it is the owner's.

        `across` False: another namespace than the owner's is no value.  `use`: it is one only at a door that lets it,
        which the setting `allowed_by` of its ConfigMap does.
        """
        value = self.text(name)
        if value is None:
            return None
        namespace, slash, own = value.rpartition("/")
        if not syntax.is_dns_subdomain(own) or (slash and not syntax.is_dns_label(namespace)):
            self.bad(name, "a name or namespace/name", "it refers to nothing")
            return None
        if slash and namespace != self.owner.namespace and not across:
            self.bad(name, f"an object of the namespace {self.owner.namespace}", "it refers to nothing")
            return None
        if use and slash and namespace != self.owner.namespace:
            message = f"{self.prefix}{name} uses a {kind} of the namespace {namespace}"
            hint = (
                f"put it into the namespace {self.owner.namespace}, or say {allowed_by} in the controller's ConfigMap"
            )
            self.foreign.append(ForeignUse(use, message, hint, self.at(name)))
        return Key(kind, namespace or self.owner.namespace, own)
