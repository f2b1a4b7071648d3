"""A gateway listens on another address or port than it describes, or cannot listen.

This concerns `gatewright run` only: another program has the port, ports below 1024 need rights, or the address belongs
to no interface of this machine.

    spec: {addresses: [{value: 203.0.113.10}]}

Free the port, give the right (`setcap cap_net_bind_service`), or map it with the options of `gatewright run`.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "address-unavailable",
    "an address or port that a gateway wants and cannot have on this machine",
    Severity.WARNING,
    Scope.PROBLEM,
    __doc__,
    lifts=(
        "port-moved",
        "port-unavailable",
        "address-elsewhere",
        "status-unwritable",
    ),
    consequence="the gateway is reached at another port, or not at all, on this machine",
)
