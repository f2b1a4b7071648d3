"""WireGuard, also Liqo's: the kernel's own where it has it, else a `wireguard-go` at each end; keys of the occasion.

A device is called by a number of the whole world, since the socket that `wg` configures it by goes by that name.
Inner addresses are on `lo`: they stay while a fault takes the device.  Counterpart: `nebula`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec import Struct, structs

from gatewright.graph.network import cidrs
from gatewright.graph.network.nodes import Net, Tunnel
from gatewright.rehearsal.plan.links.ends import Carried, End
from gatewright.rehearsal.plan.links.routes import Routes
from gatewright.rehearsal.world import Daemon, Draft, File

KEEPALIVE: Final = 10
"""Seconds between packets that keep translations open; any number but 0 makes an end dial at once."""


KERNEL: Final = "wireguard"
"""Among the programs of a Draft where the kernel does by itself what wireguard-go does; the type of its devices."""


class Dial(Struct, frozen=True):
    """A peer as one end configures it; `at` "" lets it dial."""

    end: int
    allowed: tuple[Net, ...]
    at: str = ""


def plan(draft: Draft, routes: Routes, tunnel: Tunnel, ends: Sequence[End], first: int, carried: Carried) -> None:
    """The daemons of a link, devices numbered from `first`.

    Each starts after those of the ends before it that it dials: who dials in vain tries again after 5 s only
    (REKEY_TIMEOUT).
    """
    keys = [X25519PrivateKey.generate() for _ in ends]
    names: list[str] = []
    for number, end in enumerate(ends):
        device = f"wg{first + number}"
        reached = allowed(ends, number)
        near = by_hub(reached, number, carried)
        peers = [Dial(other, nets, carried.at.get((number, other), "")) for other, nets in near.items()]
        draft.link_devices.setdefault(end.space.name, []).append((device, tunnel.name))
        for address in end.addresses:
            if address not in end.space.addresses:
                end.space.address("lo", f"{address}/{128 if ':' in address else 32}")
        others = [ends[other] for other in reached]
        lines = routes.into(end, others, f"dev {device}")
        routes.bypass(end, others, device)
        file = File(f"{device}.conf", _configuration(end, keys, number, peers).encode(), secret=True)
        bare = Daemon(f"link:{tunnel.name}@{end.space.name}", end.space.name, ())
        daemon = structs.replace(
            by_kernel(bare, device) if KERNEL in draft.programs else by_program(bare, device),
            then=(("wg", "setconf", device, f"{{folder}}/{device}.conf"),),
            after=(f"link set {device} mtu {tunnel.mtu} up", *lines),
            concerns=f"link:{tunnel.name}",
            needs=(*carried.needs, *(names[peer.end] for peer in peers if peer.at and peer.end < number)),
        )
        draft.daemon(daemon, file)
        names.append(daemon.name)


def by_program(daemon: Daemon, device: str) -> Daemon:
    """A device of wireguard-go's, which is there as long as that runs.

    `wg` takes away the file of a socket that does not listen yet, and then asks the kernel for such a device.
    """
    socket = f"/run/wireguard/{device}.sock"
    return structs.replace(
        daemon,
        command=("wireguard-go", "-f", device),
        ready=(f"unix:{socket}",),
        before=(("rm", "-f", socket),),
        environment={"LOG_LEVEL": "error", "WG_PROCESS_FOREGROUND": "1"},
    )


def by_kernel(daemon: Daemon, device: str, kind: str = KERNEL) -> Daemon:
    """A device of the kernel's, which is there from the start of a daemon that only waits until that is stopped."""
    return structs.replace(
        daemon,
        command=("sleep", "infinity"),
        ready=(f"device:{device}",),
        before=(("ip", "link", "add", device, "type", kind),),
        cleanup=(("ip", "link", "del", device),),
    )


def allowed(ends: Sequence[End], number: int) -> dict[int, tuple[Net, ...]]:
    """The peers of an end, and what it takes from each (AllowedIPs): as its own file has it, where that tells of ends
    that are known; else every other end and its routes."""
    file = ends[number].file
    everybody = {other: end.routes for other, end in enumerate(ends) if other != number}
    if file is None:
        return everybody
    by_key = {end.file.public_key: i for i, end in enumerate(ends) if end.file is not None and end.file.public_key}
    silent = [i for i in everybody if ends[i].file is None]
    found: dict[int, tuple[Net, ...]] = {}
    for peer in file.peers:
        target = by_key.get(peer.public_key, silent[0] if len(silent) == 1 else None)
        if target is None or target == number:
            return everybody
        found[target] = found.get(target, ()) + cidrs.networks(peer.allowed_ips)
    return found or everybody


def by_hub(reached: Mapping[int, tuple[Net, ...]], number: int, carried: Carried) -> dict[int, tuple[Net, ...]]:
    """What an end exchanges packets with directly: what neither dials nor is dialled by it is reached through the
    first end."""
    found: dict[int, tuple[Net, ...]] = {}
    for other, nets in reached.items():
        direct = (number, other) in carried.at or (other, number) in carried.at
        peer = other if direct or 0 not in reached else 0
        found[peer] = found.get(peer, ()) + nets
    return found


def _configuration(end: End, keys: Sequence[X25519PrivateKey], number: int, peers: Sequence[Dial]) -> str:
    """What `wg setconf` reads (wg(8), CONFIGURATION FILE FORMAT)."""
    private = base64.b64encode(keys[number].private_bytes_raw()).decode()
    lines = ["[Interface]", f"PrivateKey = {private}", f"ListenPort = {end.port}"]
    for peer in peers:
        public = base64.b64encode(keys[peer.end].public_key().public_bytes_raw()).decode()
        lines += ["[Peer]", f"PublicKey = {public}"]
        if peer.allowed:  # `wg` takes no empty list
            lines.append(f"AllowedIPs = {', '.join(map(str, peer.allowed))}")
        if peer.at:
            lines += [f"Endpoint = {peer.at}", f"PersistentKeepalive = {KEEPALIVE}"]
    return "\n".join([*lines, ""])
