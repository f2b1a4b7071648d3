"""A place of its own for everything that a rehearsal makes, and the way into it.

`enter` replaces this process by one inside new namespaces: users (where we are not root), network, mounts, processes.

    gatewright rehearse ──exec──► unshare ──fork──► gatewright rehearse (process 1, inside)

Inside, `/run` is private, the network has no way out, and process 1 is ourselves: when it ends, however it ends, the
kernel ends every process and with them every namespace.  `unshare` ends with us, and we with it (`--kill-child`), so
nothing is left after `kill -9` of either.  Counterparts: `builder`, which works inside; `standing`, how others get in.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gatewright.base.errors import EngineError, UsageError

MARK: Final = "GATEWRIGHT_REHEARSAL"
"""In the environment of the process inside: the number that the outer process has outside."""

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for besides PATH: Debian's users lack /usr/sbin."""

PACKAGES: Final = {
    "unshare": "util-linux",
    "mount": "mount",
    "ip": "iproute2",
    "nft": "nftables",
    "wireguard-go": "wireguard-go",
    "wg": "wireguard-tools",
    "nebula": "nebula",
    "nebula-cert": "nebula",
    "dnsmasq": "dnsmasq-base",
    "unbound": "unbound",
    "named": "bind9",
    "pebble": "pebble",
    "tcpdump": "tcpdump",
    "nsenter": "util-linux",
}
"""The Debian package of each program that a rehearsal may need."""


def program(name: str) -> str:
    """The path of a program, "" when it is not installed."""
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), PATH)))
    return found or ""


def require(names: Sequence[str], why: str) -> None:
    """UsageError that names the packages, unless all of these programs are installed."""
    missing = sorted({PACKAGES.get(name, name) for name in names if not program(name)})
    if missing:
        raise UsageError(f"{why} needs {', '.join(missing)}: apt-get install {' '.join(missing)}")


def is_inside() -> bool:
    """Is this the process inside?"""
    return MARK in os.environ and os.getpid() == 1


def outer_pid() -> int:
    """The process that stands for this rehearsal outside, for `standing`."""
    return int(os.environ[MARK])


def enter(arguments: Sequence[str]) -> None:
    """Go on as `python ARGUMENTS` inside; does not return.  UsageError where the kernel or the machine forbids it."""
    require(("unshare", "nsenter", "mount", "ip", "nft"), "a rehearsal")
    command = command_line([sys.executable, *arguments])
    environment = os.environ | {MARK: str(os.getpid())}
    os.execve(command[0], command, environment)  # noqa: S606  (no shell is meant)


def command_line(command: Sequence[str]) -> list[str]:
    """The command line that runs a command as process 1 of new namespaces."""
    return [*_unshare(), *command]


def settle() -> None:
    """The first thing inside: a private /run, so that names of namespaces and sockets are nobody else's.

    EngineError when even that is refused.
    """
    command = [program("mount"), "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineError(f"cannot mount a private /run: {done.stderr.strip()}")
    Path("/run/netns").mkdir()
    Path("/run/wireguard").mkdir()


def refusal() -> str:
    """Why this machine allows no rehearsal, in a sentence that says what to do; "" when it does."""
    require(("unshare", "mount"), "a rehearsal")
    tried = subprocess.run(
        [*_unshare(), program("mount"), "-t", "tmpfs", "tmpfs", "/run"], capture_output=True, text=True, check=False
    )
    if not tried.returncode:
        return ""
    said = tried.stderr.strip().splitlines()[-1] if tried.stderr.strip() else f"exit code {tried.returncode}"
    return f"namespaces are not allowed here ({said}): {_advice()}"


def _unshare() -> list[str]:
    """As root without a user namespace, since not every kernel lets even root have one."""
    users = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return [
        *(program("unshare"), *users, "--net", "--mount", "--pid", "--fork", "--mount-proc"),
        "--kill-child=SIGKILL",
    ]


def _advice() -> str:
    """What most likely forbids it."""
    if _setting("/proc/sys/kernel/unprivileged_userns_clone") == "0":
        return "sysctl kernel.unprivileged_userns_clone=1 allows them to all users, or run it as root"
    if _setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
        return "sysctl kernel.apparmor_restrict_unprivileged_userns=0 allows them to all users, or run it as root"
    if _setting("/proc/sys/user/max_user_namespaces") == "0":
        return "sysctl user.max_user_namespaces=15000 allows them to all users, or run it as root"
    if os.geteuid() == 0:
        return "in a container, start it with --privileged (or --cap-add SYS_ADMIN, NET_ADMIN and no seccomp profile)"
    return "run it as root"


def _setting(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""
