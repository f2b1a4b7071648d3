"""A rule's path is written in a way that no request's path is ever read as, so the rule answers nothing.

Controllers do not compare what clients send but what they make of it, each in its way.  ingress-nginx decodes paths:
in a rule, `%2B` is a percent sign, a 2 and a B.  Traefik decodes them but for reserved characters: `%2B` is a plus that
was sent encoded, but `%C3%A9` is never seen.  Elsewhere paths are compared encoded: letters and digits are plain, and
an `é` or a space is never seen.

    metadata:
      annotations:
        nginx.ingress.kubernetes.io/whitelist-source-range: 10.0.0.0/8
    spec:
      rules:
        - host: shop.example.com
          http:
            paths:
              - path: /w%2Bv        # of ingress-nginx: write /w+v, which matches /w%2Bv, too

Its requests go to whatever other rule takes them.  Where the rule keeps somebody out, that one lets them in, which
is an error: the controller never says so.

Write the path as the finding says, and ask for it once.

It is no fault in an expression that has the right way to write it beside the other one.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "path-never-matches",
    "a path that no request has, the way it is written",
    Severity.WARNING,
    Scope.PROBLEM,
    __doc__,
    lifts=("path-never-matches",),
    consequence="requests for it go to another rule, or get 404",
    fix="write the path as the controller compares it",
)
