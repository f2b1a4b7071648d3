"""What the devices of a machine or router lead to, for those who judge what passes them.

Read off the wires and links that were planned.  Counterpart: `firewalls`.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from gatewright.graph.network.nodes import Topology
from gatewright.kinds.intents.places import LinkType
from gatewright.rehearsal.world import SWITCH, Draft, Role, SpaceDraft


class Devices(Struct, frozen=True):
    """Names of devices by what is behind them.

    `segments`: the network of each; `uplinks`: to the internet or a site's router; `machines`: the machine (by id) that
    has its public addresses there; `lines`: Direct links; `tunnels`: all other links.  What leads to pods is none.
    """

    segments: Mapping[str, str]
    uplinks: tuple[str, ...]
    machines: Mapping[str, str]
    lines: tuple[str, ...]
    tunnels: tuple[str, ...]


def devices(draft: Draft, known: Topology, space: SpaceDraft) -> Devices:
    """Those of a space."""
    types = {tunnel.name: tunnel.type for tunnel in known.tunnels}
    links = draft.link_devices.get(space.name, ())
    network_of = {bridge: network for network, bridge in draft.networks.items()}
    by_space = {f"node:{id_}": id_ for id_ in known.machines}
    segments: dict[str, str] = {}
    uplinks: list[str] = []
    machines: dict[str, str] = {}
    for wire in draft.wires:
        for near, far in ((wire.one, wire.other), (wire.other, wire.one)):
            if near.space != space.name:
                continue
            network = network_of.get(far.bridge, "") if far.space == SWITCH else ""
            role = draft.spaces[far.space].role
            if network in known.networks:
                segments[near.device] = network
            elif role is Role.INTERNET or (role is Role.ROUTER and space.role is Role.MACHINE):
                uplinks.append(near.device)
            elif role is Role.MACHINE and space.role is Role.ROUTER:
                machines[near.device] = by_space[far.space]
    return Devices(
        segments,
        tuple(uplinks),
        machines,
        tuple(device for device, link in links if types.get(link) is LinkType.DIRECT),
        tuple(device for device, link in links if types.get(link) is not LinkType.DIRECT),
    )
