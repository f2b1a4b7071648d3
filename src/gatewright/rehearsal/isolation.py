"""A place of its own for everything that a rehearsal makes, and the way into it.

`enter` goes on in a process inside new namespaces: users (where we are not root), network, mounts, processes.

    gatewright rehearse ──► unshare ──► gatewright rehearse (process 1, inside)

Inside, `/run` is private, the network has no way out, and process 1 is ourselves: when it ends, however it ends, the
kernel ends every process and with them every namespace.  Each of the three ends with the one before it, so nothing is
left after `kill -9` of any.  The outer process only waits, and hands on signals, which `unshare` would keep to itself.
Counterparts: `builder`, which works inside; `standing`, how others get in.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from gatewright.base.errors import EngineError, UsageError

MARK: Final = "GATEWRIGHT_REHEARSAL"
"""In the environment of the process inside: the number that the outer process has outside."""

OUTSIDE: Final = "GATEWRIGHT_REHEARSAL_OUTSIDE"
"""In the environment of the process inside: the namespaces of the outer one, which must not be its own."""

APART: Final = ("net", "mnt", "pid")
"""The namespaces without which we would change the machine itself."""

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for besides PATH: Debian's users lack /usr/sbin."""

TEMPORARY: Final = Path("/run/tmp")

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN: Final = 0.02
"""After how many seconds to look again for somebody inside who can be told of a signal."""

GRACE: Final = 3.0
"""For how long who is asked to end may put things right."""

NO: Final = 101
"""What is said inside for exit code 1."""

PR_SET_PDEATHSIG: Final = 1

BASIC: Final = ("unshare", "nsenter", "mount", "ip", "nft")
"""The programs that every world is built with."""

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


def missing(names: Sequence[str]) -> tuple[str, ...]:
    """The packages of those of these programs that are not installed."""
    return tuple(sorted({PACKAGES.get(name, name) for name in names if not program(name)}))


def require(names: Sequence[str], why: str) -> None:
    """UsageError that names the packages, unless all of these programs are installed."""
    if lacking := missing(names):
        raise UsageError(f"{why} needs {', '.join(lacking)}: apt-get install {' '.join(lacking)}")


def is_inside() -> bool:
    """Is this the process inside?  Believed only with namespaces that are not those of who started it."""
    outer = os.environ.get(OUTSIDE, "").split()
    return MARK in os.environ and os.getpid() == 1 and len(outer) == len(APART) and not set(outer) & set(_namespaces())


def environment() -> dict[str, str]:
    """Ours, for the process inside that we are about to start."""
    return os.environ | {MARK: str(os.getpid()), OUTSIDE: " ".join(_namespaces())}


def outer_pid() -> int:
    """The process that stands for this rehearsal outside, for `standing`."""
    return int(os.environ[MARK])


def enter(arguments: Sequence[str]) -> NoReturn:
    """Go on as `python ARGUMENTS` inside, and leave with its exit code (128 and the number of a signal that ended us).

    `unshare` says 1 when it fails or whoever is inside is killed, so that NO is said inside for 1.  UsageError where
    the kernel or the machine forbids it, EngineError when it is killed.
    """
    require(BASIC, "a rehearsal")
    ours = os.getpid()
    asked: list[int] = []
    told: list[int] = []
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # until we can hand them on, and inside until `settle`
    inside = subprocess.Popen(
        command_line([sys.executable, *arguments]),
        env=environment(),
        preexec_fn=lambda: _end_with(ours),  # noqa: PLW1509  (we have no threads)
    )

    def tell() -> None:
        """Hand the last signal on; as long as nobody is inside, try again soon."""
        children = _children(inside.pid)
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, asked[-1])
        told.extend(children)
        if len(told) == len(children):  # the first time that somebody was there, or nobody yet
            signal.setitimer(signal.ITIMER_REAL, GRACE if children else AGAIN)

    def hand_on(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        tell()

    signal.signal(signal.SIGALRM, lambda _number, _frame: inside.kill() if told else tell())
    for number in ENDING:
        signal.signal(number, hand_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    code = inside.wait()
    if asked and code < 0:
        sys.exit(128 + asked[0])
    if code < 0 or code == 1:
        raise EngineError("the rehearsal was ended from outside: killed by somebody, or for want of memory")
    sys.exit(1 if code == NO else code)


def command_line(command: Sequence[str]) -> list[str]:
    """The command line that runs a command as process 1 of new namespaces."""
    return [*_unshare(), *command]


def settle() -> None:
    """The first thing inside: a private /run, so that names of namespaces and sockets are nobody else's, and a place of
    our own for what is temporary, so that it is gone when we are killed.

    Signals end us at once from here on, and with us all else; whoever has something to put right first takes their
    handlers over.  EngineError when even that is refused, and wherever this is not inside: nothing is ever done there.
    """
    if not is_inside():
        raise EngineError("this process is not inside of a rehearsal: nothing is built here")
    for number in ENDING:
        signal.signal(number, lambda number, _frame: os._exit(128 + number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    command = [program("mount"), "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineError(f"cannot mount a private /run: {done.stderr.strip()}")
    Path("/run/netns").mkdir()
    Path("/run/wireguard").mkdir()
    TEMPORARY.mkdir(mode=0o700)
    os.environ["TMPDIR"] = tempfile.tempdir = str(TEMPORARY)


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


def _end_with(parent: int) -> None:
    """In a child process before it becomes another program: end when its parent does."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _namespaces() -> list[str]:
    return [str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in APART]


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except OSError:
        return []


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
