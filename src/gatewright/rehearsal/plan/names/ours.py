"""Our own DNS servers in a world: Resolvers that are ours, and the primary of zones that others copy from us.

What they serve is what `gatewright run --dns` would: the same record sets of the same zones, with names of routes at
their described addresses.  Counterparts: `rehearsal.own_dns`, the process; `engines.dns.plan`, the same for a run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from gatewright.base.sensitive import Sensitive
from gatewright.engines.dns import configs
from gatewright.engines.dns.content import Listen, Plan, RRset
from gatewright.engines.dns.encoding import rrset, wire_name
from gatewright.graph.names import serving
from gatewright.graph.network.doors import gateways_at
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.naming import TsigKey
from gatewright.rehearsal import readiness
from gatewright.rehearsal.own_dns import Serving, encoded
from gatewright.rehearsal.plan.names.placing import Spot
from gatewright.rehearsal.world import Daemon, Draft, File


def serve(draft: Draft, sight: Sight, name: str, spot: Spot, views: Iterable[str]) -> None:
    """Our engine at a spot, with the views of these names (none: all that have zones of ours)."""

    def secret(key: TsigKey) -> Sensitive | None:
        return sight.ask(serving.secret, key)

    wanted = frozenset(views)
    zones = [zone for zone in sight.ask(serving.zones) if zone.is_ours and (not wanted or zone.view in wanted)]
    seen = {zone.view for zone in zones}
    changes = {zone.id: {wire_name(at): sets for at, sets in _contents(draft, sight, zone)} for zone in zones}
    plan = Plan(
        tuple(configs.with_secrets(view, secret) for view in sight.ask(serving.views) if view.name in seen),
        tuple(configs.zone(zone) for zone in zones),
        changes,
        whole=True,
    )
    listen = tuple(Listen(address, 53) for address in spot.listens)
    path = f"names/{name}.serving"
    command = (sys.executable, "-m", "gatewright.rehearsal.own_dns", f"{{folder}}/{path}", f"{{folder}}/names/{name}")
    draft.daemon(
        Daemon(
            name=f"resolver:{name}",
            space=spot.space,
            command=command,
            ready=(readiness.OURS,),
            concerns=f"resolver:{name}",
        ),
        File(path, encoded(Serving(listen, plan)), secret=True),
    )


def _contents(draft: Draft, sight: Sight, zone: serving.Zone) -> Iterable[tuple[str, tuple[RRset, ...]]]:
    """All names of a zone on the wire."""
    for name in serving.contents(sight, zone.key):
        sets: dict[str, tuple[int, tuple[str, ...]]] = {}
        for record in serving.flattened(sight, zone.key, name, False):
            if record.type == "ALIAS":
                # Whose addresses only others know: load balancers' hostnames are what a world can look up.
                for kind, addresses in _doors(draft, sight, record.values[0]).items():
                    sets.setdefault(kind, (record.ttl, addresses))
            else:
                sets[record.type] = (record.ttl, record.values)
        made = (rrset(kind, ttl, values) for kind, (ttl, values) in sets.items())
        yield name, tuple(sorted(made, key=lambda found: found.type))


def _doors(draft: Draft, sight: Sight, hostname: str) -> Mapping[str, tuple[str, ...]]:
    """The addresses behind a load balancer's hostname, by type of record."""
    gateways = sight.ask(gateways_at, hostname)
    found = [address for spot in draft.gateways if spot.gateway in gateways for address in spot.addresses]
    by_kind = {kind: tuple(a for a in found if (":" in a) == (kind == "AAAA")) for kind in ("A", "AAAA")}
    return {kind: addresses for kind, addresses in by_kind.items() if addresses}
