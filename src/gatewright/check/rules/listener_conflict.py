"""Two listeners of one Gateway want the same port in ways that do not go together.

On one port all listeners speak one protocol, no two have the same hostname, and TLS is ended in one way.  Gateway API
keeps the first and marks the other Conflicted.

    listeners:
      - {name: web, port: 443, protocol: HTTPS, hostname: "*.example.com"}
      - {name: tcp, port: 443, protocol: TCP}

`gatewright run` also says here when another program has a port, or an address belongs to no interface of the machine.

Give one another port or hostname.

It is no fault when the other program is about to end: the port is taken as soon as it is free.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "listener-conflict",
    "a listener that is not opened",
    Severity.ERROR,
    Scope.PROBLEM,
    __doc__,
    lifts=(
        "port-moved",
        "port-unavailable",
        "address-elsewhere",
        "listener-conflict",
    ),
    consequence="nothing is served there, and clients get what the other listener of that port has",
    fix="give the listener a port or address of its own",
)
