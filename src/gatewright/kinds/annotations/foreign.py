"""Annotations of controllers that no dialect here is for: NGINX Inc.'s, and the prefix of before 2018.

They have no effect, and each is told; one that looks like a lock refuses the rules instead.  Annotations of programs
beside the controllers (external-dns, cert-manager) are only looked at for whether they exist.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping

from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity
from gatewright.kinds.annotations import names, table
from gatewright.kinds.intents.filters import Refuse

PREFIXES = ("ingress.kubernetes.io/", "nginx.org/", "nginx.com/")
PASSTHROUGH = "ingress.kubernetes.io/ssl-passthrough"
_LOCK = re.compile(
    r"auth-.*|.*oauth.*|satisfy|.*modsecurity.*|.*waf.*|(?:white|allow|black|deny)-?list.*|whitelist-.*"
    r"|basic-auth-secret|jwt-.*|policies|app-protect-.*|limit-.*"
)
_SNIPPET = re.compile(r".*snippets?")
_GUARD = re.compile(r"deny|allow|auth|return|satisfy|limit_except|internal|reject|secure_link|access")


def judge(
    annotations: Mapping[str, str], origin: Origin, known: Container[str]
) -> tuple[tuple[Refuse, ...], list[Problem]]:
    """What is wrong with the annotations that do not begin with one of the prefixes `known`; `origin` is the object's.

    Refusals are for what would have kept somebody out.
    """
    refusals: list[Refuse] = []
    problems: list[Problem] = []
    for note, value in sorted(annotations.items()):
        prefix, slash, name = note.partition("/")
        at = origin.at("metadata", "annotations", note)
        if prefix + slash in known or note == PASSTHROUGH:
            continue
        if prefix + slash not in PREFIXES:
            if meant := names.misspelt(note):
                lock = table.LOCK.search(meant.partition("/")[2]) is not None
                problems.append(_misspelt(note, meant, at, lock=lock))
                refusals += [Refuse(at, 503, f"{note} is not known")] if lock else []
            elif not names.exists(note):
                message = f"no version of its controller knows the annotation {note}, so it has no effect"
                problems.append(Problem("annotation-unknown", message, at, Severity.WARNING, names.nearest(note)))
        elif _LOCK.fullmatch(name) or (_SNIPPET.fullmatch(name) and _GUARD.search(value)):
            message = f"the access control {note} is not supported; the rules answer 503 to stay closed"
            problems.append(Problem("unsupported-access-control", message, at))
            refusals.append(Refuse(at, 503, f"{note} is not supported"))
        else:
            message = f"the annotation {note} is not supported, so it has no effect"
            problems.append(Problem("unsupported-annotation", message, at, Severity.WARNING))
    return tuple(refusals), problems


def _misspelt(note: str, meant: str, at: Origin, *, lock: bool) -> Problem:
    """No program has this prefix."""
    instead = "; the rules answer 503, since it looks like a lock" if lock else ", so it has no effect"
    message = f"no controller knows the annotation {note}{instead}"
    severity = Severity.ERROR if lock else Severity.WARNING
    return Problem("annotation-unknown", message, at, severity, f"did you mean {meant}?")
