"""A configuration does not say something that decides an answer, and the usual case is assumed.

Which servers a resolv.conf lists, or who holds a Nebula certificate of a group, stands in no file that is read.

    forward . /etc/resolv.conf        # taken for the public DNS

Say it outright (name the servers by address) where the assumption is wrong.  By itself it is no fault.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "assumption",
    "something that a configuration leaves open and is taken for granted here",
    Severity.INFO,
    Scope.PROBLEM,
    __doc__,
    lifts=(
        "placeholder",
        "assumed-domain",
        "assumed-upstream",
        "assumed-resources",
        "assumed-peers",
    ),
    consequence="answers about names and ways hold only as far as the assumption does",
    fix="say it on the map or in the configuration, where it is otherwise",
)
