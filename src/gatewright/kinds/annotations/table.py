"""A dialect's table of features at work: what it says of each annotation is what the user is told.

A reader takes the values that it honours out of the notes; `judge` then goes through all names, so that none is passed
over in silence: unknown ones with what was meant, those that differ or are not carried over with the note of the table.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping

from gatewright.base.problem import Severity
from gatewright.kinds.annotations import names
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.decode import suggest
from gatewright.kinds.features import Feature, Support

LOCK = re.compile(
    r"auth|allow|deny|white-?list|black-?list|waf|modsec|client-ca|inbound|jwt|limit-|rate-limit|mutual|middleware"
    r"|tls\.option"
)
"""What the name of an annotation that nobody knows has in it when it may be meant to keep somebody out."""
_EFFECTIVE = (Support.HONOURED, Support.DIFFERENT, Support.SLIGHT)
_NOTHING = frozenset({"", "false", "off", "no", "0", "none"})


def by_name(features: Iterable[Feature], prefix: str) -> dict[str, Feature]:
    """The features by their names without prefix."""
    return {feature.name.removeprefix(prefix): feature for feature in features}


def features(prefix: str, support: Support, rows: Mapping[str, tuple[str, str]]) -> tuple[Feature, ...]:
    """Rows of a table: example and note by name."""
    return tuple(Feature(prefix + name, support, note, example) for name, (example, note) in rows.items())


def judge(
    notes: Notes,
    known: Mapping[str, Feature],
    locks: Container[str] = frozenset(),
    silent: Container[str] = frozenset(),
) -> str:
    """Tell what becomes of each name that nothing was said of yet; why the rules have to be refused, "" if they do not.

    `locks`: those of the features without support that protect something, where switching them off is no use of them.
    `silent`: those whose difference is told, where there is one, by the reader or with another name.
    """
    told = {problem.origin for problem in notes.problems}
    refusal = ""
    for name in notes.names():
        if notes.at(name) in told:
            continue
        feature = known.get(name)
        if feature is None:
            refusal = _unknown(notes, name, known) or refusal
        elif notes.prefix and notes.text(name) is None and LOCK.search(name) and feature.support in _EFFECTIVE:
            notes.bad(name, "a value", "it has no effect", "remove it, or say whom it is to keep out")
        elif feature.support is Support.DIFFERENT and name not in silent:
            notes.differs(name, feature.note)
        elif feature.support is Support.REPORTED and (notes.text(name) or "").lower() not in _NOTHING:
            if name in locks:
                refusal = notes.refuse(name, feature.note) or refusal
            else:
                notes.unsupported(name, feature.note)
    return refusal


def _unknown(notes: Notes, name: str, known: Mapping[str, Feature]) -> str:
    """A name of no version of the controller: without effect, unless it, or what was meant, looks like a lock."""
    whole = notes.prefix + name
    hint = names.nearest(whole) if notes.prefix else suggest(name, frozenset(known))
    message = f"no version of its controller knows {whole}"
    if LOCK.search(name) or (hint.startswith("did you mean") and LOCK.search(hint)):
        message += "; the rules answer 503, since it looks like a lock"
        notes.tell(Severity.ERROR, "annotation-unknown", message, name, hint)
        return f"{name} is not known"
    notes.tell(Severity.WARNING, "annotation-unknown", f"{message}, so it has no effect", name, hint)
    return ""
