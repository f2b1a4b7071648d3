"""A configuration file has an option, record or section that its program does not know or cannot use.

CoreDNS and dnsmasq do not start with an unknown option, BIND refuses a zone in which a name has a CNAME and anything
else, and wg-quick stops at an unknown section.  A plugin of CoreDNS without `fallthrough` ends the search where the
next plugin should have been asked.

    example.com {
        hosts { 192.0.2.10 app.example.com }       # every other name is NXDOMAIN: add fallthrough
        forward . 1.1.1.1
    }

Correct the line as the finding says.

It is no fault when your build of the program has a plugin or option of its own.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "configuration-file",
    "a line of a DNS, WireGuard or Nebula configuration that its program refuses",
    Severity.ERROR,
    Scope.PROBLEM,
    __doc__,
    lifts=(
        "syntax",
        "unreachable",
        "disabled",
        "unknown-option",
        "unknown-section",
        "unknown-type",
        "duplicate-zone",
        "out-of-zone",
        "cname-and-others",
        "unusable-record",
        "no-fallthrough",
        "host-bits",
    ),
    consequence="the program does not start, passes the line over, or answers otherwise than was meant",
    fix="correct the line, and reload the program",
)
