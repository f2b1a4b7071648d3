"""Running a target's own checker over an export, in a folder of its own that is gone afterwards.

Counterpart of the formats, which write and never run anything.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from gatewright.base.errors import EngineError
from gatewright.engines.dns.export import bind, unbound

_SECONDS = 120.0
_KEY = re.compile(r'^include "(keys/([a-z0-9_.-]+)\.key)";$', re.MULTILINE)


class Checked(Struct, frozen=True):
    """What came of one run.  `accepted` None: the checker is not installed."""

    program: str
    subject: str
    accepted: bool | None
    said: str = ""


def check(name: str, files: Mapping[str, str]) -> tuple[Checked, ...]:
    """What the checkers of a format say of its files; nothing where there is none.  EngineError when one hangs."""
    with tempfile.TemporaryDirectory(prefix="gatewright-export-") as made:
        folder = Path(made)
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8", newline="")
        return tuple(_run(subject, command, folder) for subject, command in _commands(name, files, folder))


def _commands(name: str, files: Mapping[str, str], folder: Path) -> Iterator[tuple[str, list[str]]]:
    """What to run, each with the file that it is about."""
    if name == "bind":
        _make_keys(files[bind.CONFIG], folder)
        yield bind.CONFIG, ["named-checkconf", "-z", bind.CONFIG]
    if name in ("bind", "coredns"):
        for path in files:
            if path.endswith(".zone"):
                domain = Path(path).name.removesuffix(".zone")
                yield path, ["named-checkzone", "-q", "-k", "ignore", "-i", "local", domain, path]
    if name in ("dnsmasq", "pihole"):
        yield from ((path, ["dnsmasq", "--test", f"--conf-file={folder / path}"]) for path in files)
    if name == "unbound":
        around = folder / "around.conf"
        included = f'include: "{folder / unbound.CONFIG}"'
        around.write_text(f'server:\n    chroot: ""\n    username: ""\n    directory: "{folder}"\n{included}\n')
        yield unbound.CONFIG, ["unbound-checkconf", str(around)]


def _make_keys(config: str, folder: Path) -> None:
    """Stand-ins for the keys that the configuration includes, which the export does not hold."""
    for path, key in _KEY.findall(config):
        (folder / path).parent.mkdir(exist_ok=True)
        secret = base64.b64encode(secrets.token_bytes(32)).decode()
        (folder / path).write_text(f'key "{key}" {{ algorithm hmac-sha256; secret "{secret}"; }};\n')


def _run(subject: str, command: list[str], folder: Path) -> Checked:
    program = shutil.which(command[0], path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        return Checked(command[0], subject, None)
    try:
        done = subprocess.run(
            [program, *command[1:]], cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"{command[0]} did not check {subject}: {error}") from error
    said = (done.stdout + done.stderr).replace(f"{folder}/", "").strip()
    return Checked(command[0], subject, done.returncode == 0, said)
