"""Redirects send the client round in a circle.

Two stations each think that the other form of the URL is the right one: a CDN that fetches the origin over HTTP
while the origin redirects to HTTPS (`ERR_TOO_MANY_REDIRECTS`), a middleware that adds `www` before one that removes
it, a redirect to HTTPS on the router that serves HTTPS.  Browsers give up after some twenty, and show the last one.

    kind: Middleware
    spec:
      redirectScheme: {scheme: https, permanent: true}
    # on a route behind a load balancer that ends TLS and connects in the clear

Let only one station redirect, and give it what it must know: the scheme of the client (X-Forwarded-Proto, from a
sender that the gateway trusts), or a connection to the origin that is encrypted as well (Cloudflare: Full
(strict)).
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.matrix import Fate, Row
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _names
from gatewright.graph.names import zones
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.naming import ZoneIntent
from gatewright.trace import edges

ID = "redirect-loop"
SIGNS = ("redirect loop: ", "more than ")


def check(sight: Sight, row: Row) -> Iterable[Finding]:
    """A name at which redirects lead nowhere else."""
    for cell in row.cells:
        for fate in cell.fates:
            if fate.location and fate.reason.startswith(SIGNS) and fate.origins and not _by_mode(sight, row, fate):
                yield Finding(
                    ID,
                    Severity.ERROR,
                    f"{_who(fate)} redirects the client in a circle",
                    "browsers give up with ERR_TOO_MANY_REDIRECTS",
                    "let only one station redirect, and only what has not the wanted form yet",
                    _names.places(fate.origins[-1]),
                    (cell.vantage,) if cell.vantage else (),
                    (row.host,),
                )


def _by_mode(sight: Sight, row: Row, fate: Fate) -> bool:
    """Is it the CDN's mode of speaking to the origin, of which a rule of its own tells?"""
    key = zones.zone_of(sight, zones.PUBLIC_VIEW, row.host) if fate.address in edges.ENTRANCES else None
    zone = sight.get(key, ZoneIntent) if key is not None else None
    return zone is not None and zone.ssl_mode in ("flexible", "off")


def _who(fate: Fate) -> str:
    return f"gateway {fate.gateway}" if fate.gateway else f"the answer at {fate.address}"


RULE = Rule(ID, "redirects that go round in a circle", Severity.ERROR, Scope.NAME, __doc__, check)
