r"""Whether encoded paths match an expression cannot be decided here, so those that may match get 503.

ingress-nginx and Traefik match expressions against decoded paths, Gatewright by expressions over encoded ones.  Three
things cannot be said there: a property of Unicode or a class of single characters beyond ASCII (`\p{Lu}`, `[à-ü]`) at
Traefik, which knows thousands of characters by them, and a word boundary beside an encoded character.  To take such
a path for another rule's could open what this one protects, or the other way round.

    match: Host(`shop.example.com`) && PathRegexp(`^/files/[à-ü]+$`)

Paths without a percent sign are decided as ever.  Others match where they do for certain; where they may, they get 503.

Say it without: the characters one by one (`(?:à|é|ü)`), `[^/]` for any character, `(?:/|$)` for the end of a word.

It is no fault where nobody asks for encoded paths.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "path-undecided",
    "an expression that cannot be decided for encoded paths",
    Severity.WARNING,
    Scope.PROBLEM,
    __doc__,
    lifts=("path-undecided",),
    consequence="encoded paths that may match it get 503",
    fix="write the expression without what cannot be decided",
)
