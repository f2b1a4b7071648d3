"""Direct links: a segment between what their ends stand for, with routes.

Ends that are one router (networks of one site) need none: it routes between them.  Counterpart: `wireguard`.
"""

from __future__ import annotations

from collections.abc import Sequence

from gatewright.graph.network.nodes import Tunnel
from gatewright.rehearsal.plan.links.ends import End
from gatewright.rehearsal.plan.links.routes import Routes
from gatewright.rehearsal.world import Draft


def plan(draft: Draft, routes: Routes, tunnel: Tunnel, ends: Sequence[End]) -> None:
    """Join the ends; each knows the others by link-local addresses, so that nobody's network is taken."""
    segment = f"link:{tunnel.name}"
    draft.network(segment)
    devices = [
        draft.join(segment, end.space, (f"fe80::d{number:x}/64",), tunnel.mtu) for number, end in enumerate(ends, 1)
    ]
    for end, device in zip(ends, devices, strict=True):
        draft.link_devices.setdefault(end.space.name, []).append((device, tunnel.name))
        for address in end.addresses:
            if address not in end.space.addresses:
                end.space.address("lo", f"{address}/{128 if ':' in address else 32}")
        for number, other in enumerate(ends, 1):
            if other is not end:
                hop = f"fe80::d{number:x}"
                lines = routes.into(end, (other,), f"via inet6 {hop} dev {device}")
                end.space.ip(*(line.replace("via inet6", "via") if "::" in line.split()[2] else line for line in lines))
