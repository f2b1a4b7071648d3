"""The `match` of a Traefik route cannot be read, or no request can ever fulfil it.

Traefik logs an error and drops the router; the objects stay applied and green.  Rules of version 2 are another language
than those of version 3: several values in one matcher, `HostRegexp` with `{name:...}` groups and `Headers` are gone.
`HostSNI` with a name needs TLS, since without it there is no SNI.

    - match: Host(`a.example.com`) && Host(`b.example.com`)        # never both: ||
    - match: Host(a.example.com)                                   # backticks or quotes

Correct the rule; quotes are backticks or double quotes, names are lower case.

It is no fault in a cluster with `core.defaultRuleSyntax: v2`, which version 3 still reads.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "traefik-rule",
    "a Traefik rule that is wrong or never matches",
    Severity.ERROR,
    Scope.PROBLEM,
    __doc__,
    lifts=(
        "traefik-rule-syntax",
        "traefik-rule-unusable",
        "traefik-rule-never-matches",
        "traefik-host-never-matches",
        "sni-without-tls",
    ),
    consequence="the router is dropped or never used, and its hosts answer 404",
    fix="correct the rule so that Traefik can read it and some request can match it",
)
