"""Builds the spaces of a World: namespaces, devices, addresses, routes, firewalls.  Only ever inside (`isolation`).

Everything of one kind is handed to the kernel by one `ip -batch`, so that hundreds of namespaces take a second.
Counterparts: `daemons`, `servers` and `gateways`, which fill the spaces.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from gatewright.base.errors import EngineError
from gatewright.rehearsal import isolation
from gatewright.rehearsal.spaces import FOLDER, inside
from gatewright.rehearsal.world import SWITCH, End, Space, World, netns

TOGETHER: Final = 8
"""How many spaces are set up at once."""

PROC: Final = Path("/proc/sys/net")

USUAL: Final = {
    # Addresses are ours to choose: nobody has to be asked whether they are free.
    "ipv6/conf/all/accept_dad": "0",
    "ipv6/conf/default/accept_dad": "0",
    "ipv6/conf/all/accept_ra": "0",
    "ipv6/conf/default/accept_ra": "0",
    # Packets take the way that the map says, also where the way back is another.
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    "ipv4/ip_unprivileged_port_start": "0",
    "ipv4/ip_nonlocal_bind": "1",
    "ipv6/ip_nonlocal_bind": "1",
    # Errors are what clients wait for.
    "ipv4/icmp_ratelimit": "0",
    "ipv4/icmp_ratemask": "0",
    "ipv4/icmp_msgs_per_sec": "1000000",
    "ipv4/icmp_msgs_burst": "100000",
    "ipv6/icmp/ratelimit": "0",
}


async def build(world: World, progress: Callable[[str], None]) -> None:
    """Make all spaces, joined as planned.  EngineError with the line that the kernel refused."""
    progress(f"{len(world.spaces)} namespaces")
    await _batch("", [f"netns add {netns(space.name)}" for space in world.spaces])
    for space in world.spaces:
        _settings(space, USUAL | dict(space.sysctls))
    progress(f"{len(world.wires)} wires")
    await _batch(SWITCH, [f"link add {bridge} type bridge" for bridge in world.bridges])
    await _batch("", [_pair(wire.one, wire.other) for wire in world.wires])
    ends: dict[str, list[End]] = {space.name: [] for space in world.spaces}
    for wire in world.wires:
        ends[wire.one.space].append(wire.one)
        ends[wire.other.space].append(wire.other)
    progress("addresses, routes and firewalls")
    slots = asyncio.Semaphore(TOGETHER)

    async def furnish(space: Space) -> None:
        async with slots:
            bridges = world.bridges if space.name == SWITCH else ()
            if space.name != SWITCH:
                _settings(space, _prompt(ends[space.name]))
            await _batch(space.name, [*_devices(ends[space.name], bridges), *space.ip])
            if space.nft:
                await run(space.name, [isolation.program("nft"), "-f", "-"], space.nft.encode())

    await asyncio.gather(*(furnish(space) for space in world.spaces))


async def run(space: str, command: Sequence[str], given: bytes = b"") -> bytes:
    """Run a program in a space ("" outside of all) to its end; its output.  EngineError with what it complained of."""
    done = await _finished(command_in(space, command), given)
    if done.returncode:
        raise EngineError(
            f"{Path(command[0]).name} in {space or 'the rehearsal'}: {_first(done.stderr or done.stdout)}"
        )
    return done.stdout


def kernel_makes(kind: str) -> bool:
    """Does this kernel have devices of a type?  One is made and taken away: only ever inside."""
    ip = isolation.program("ip")
    made = subprocess.run([ip, "link", "add", "probe", "type", kind], capture_output=True, check=False)
    if made.returncode == 0:
        subprocess.run([ip, "link", "del", "probe"], capture_output=True, check=False)
    return made.returncode == 0


def command_in(space: str, command: Sequence[str]) -> list[str]:
    """A command that runs in a space ("" outside of all)."""
    return [isolation.program("nsenter"), f"--net={FOLDER / netns(space)}", *command] if space else [*command]


async def batch(space: str, lines: Iterable[str]) -> None:
    """Lines for `ip -batch` in a space of a world that stands."""
    await _batch(space, list(lines))


def _prompt(ends: Iterable[End]) -> dict[str, str]:
    """Who answers for others (proxy ARP, proxy NDP) does so at once."""
    return {f"{family}/neigh/{end.device}/proxy_delay": "0" for end in ends for family in ("ipv4", "ipv6")}


def _settings(space: Space, settings: Mapping[str, str]) -> None:
    with inside(space.name):
        for path, value in settings.items():
            try:
                (PROC / path).write_text(value, encoding="ascii")
            except FileNotFoundError:
                if path in space.sysctls:
                    raise EngineError(f"the kernel has no setting net/{path}, which {space.name} needs") from None
            except OSError as error:
                if path in space.sysctls:
                    raise EngineError(f"cannot set net/{path} in {space.name}: {error.strerror}") from error


def _pair(one: End, other: End) -> str:
    return (
        f"link add {one.device} netns {netns(one.space)} mtu {one.mtu} type veth"
        f" peer name {other.device} netns {netns(other.space)} mtu {other.mtu}"
    )


def _devices(ends: Iterable[End], bridges: Iterable[str]) -> list[str]:
    """Bring everything up, then give it addresses: routes come after that."""
    lines = ["link set lo up", *(f"link set {bridge} up" for bridge in bridges)]
    for end in ends:
        master = f" master {end.bridge}" if end.bridge else ""
        lines.append(f"link set {end.device}{master} up")
        lines += [f"addr add {a} dev {end.device}{' nodad' if ':' in a else ''}" for a in end.addresses]
    return lines


async def _batch(space: str, lines: Sequence[str]) -> None:
    """Lines with `-6` in front, which only rules need, come last: `ip` has one family for the whole of a batch."""
    await _one_batch(space, (), [line for line in lines if not line.startswith("-6 ")])
    await _one_batch(space, ("-6",), [line.removeprefix("-6 ") for line in lines if line.startswith("-6 ")])


async def _one_batch(space: str, options: Sequence[str], lines: Sequence[str]) -> None:
    if not lines:
        return
    where = [*options, "-n", netns(space)] if space else [*options]
    command = [isolation.program("ip"), *where, "-batch", "-"]
    done = await _finished(command, "\n".join([*lines, ""]).encode())
    if done.returncode:
        text = done.stderr.decode(errors="replace").strip()
        number = next((int(word.partition(":")[2]) for word in text.split() if word.startswith("-:")), 0)
        line = f" ({lines[number - 1]})" if 0 < number <= len(lines) else ""
        raise EngineError(f"ip in {space or 'the rehearsal'}: {text.splitlines()[0] if text else 'failed'}{line}")


async def _finished(command: list[str], given: bytes) -> subprocess.CompletedProcess[bytes]:
    """In a thread: asyncio's own child processes may never end when their task is cancelled."""
    return await asyncio.to_thread(subprocess.run, command, input=given, capture_output=True, check=False)


def _first(text: bytes) -> str:
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[0] if lines else "failed without a word"
