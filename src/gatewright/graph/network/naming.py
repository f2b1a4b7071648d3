"""What a Spot of the site map stands for: ids of machines, networks and clusters.

Names are looked up here and nowhere else, so that a bare name means the same in a Link, a Firewall and a Vantage.
Counterparts: `topology`, which makes the things that are named, and `spots`, which asks.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Mapping

from gatewright.base.origin import Origin
from gatewright.base.problem import Problem
from gatewright.graph.network.nodes import Cluster, Machine, Network
from gatewright.kinds.intents.places import Spot


class Names:
    """The names of a map: full ones ("site/name") and bare ones."""

    __slots__ = ("_bare", "_full", "_sites")

    def __init__(
        self, networks: Mapping[str, Network], machines: Mapping[str, Machine], clusters: Mapping[str, Cluster]
    ) -> None:
        self._full: dict[str, Iterable[str]] = {"network": networks, "node": machines, "cluster": clusters}
        self._bare: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._sites: dict[str, list[str]] = defaultdict(list)
        for kind, ids in self._full.items():
            for id_ in ids:
                self._bare[kind, id_.rpartition("/")[2]].append(id_)
        for network in networks.values():
            self._sites[network.site].append(network.id)

    def find(self, spot: Spot) -> tuple[str, ...]:
        """The ids that a Spot stands for: one, the networks of a site, none, or several where a bare name is shared."""
        if spot.site:
            return tuple(self._sites.get(spot.site, ()))
        kind, name = kind_of(spot)
        if name in self._full[kind]:
            return (name,)
        return tuple(self._bare.get((kind, name), ())) if "/" not in name else ()

    def look_up(self, spot: Spot, origin: Origin, who: str) -> tuple[tuple[str, ...], tuple[Problem, ...]]:
        """As `find`, with a Problem when there is nothing of that name, or more than one."""
        found = self.find(spot)
        kind, name = kind_of(spot)
        if not found:
            return (), (self._unknown(kind, name, origin, who),)
        if len(found) > 1 and not spot.site:
            message = f"{who} names the {kind} {name}, which {' and '.join(found)} are both called"
            hint = f"write one of them in full: {found[0]}"
            return (), (Problem(f"site-map-ambiguous-{kind}", message, origin, hint=hint),)
        return found, ()

    def _unknown(self, kind: str, name: str, origin: Origin, who: str) -> Problem:
        known = sorted(self._sites if kind == "site" else self._full[kind])
        close = difflib.get_close_matches(name, known, 1, 0.5) or [n for n in known if n.endswith("/" + name)][:1]
        hint = f"did you mean {close[0]}?" if close else f"there is no such {kind} in any Site"
        return Problem(
            f"site-map-unknown-{kind}", f"{who} names the {kind} {name}, which no Site has", origin, hint=hint
        )


def kind_of(spot: Spot) -> tuple[str, str]:
    """Which kind of place a Spot names, and the name."""
    for kind, name in (("network", spot.network), ("node", spot.node), ("cluster", spot.cluster)):
        if name:
            return kind, name
    return "site", spot.site
