"""The state folder: what a run keeps between starts, private to its owner.

DIR/            0700
  run.json      what is live: what `gatewright status` prints
  addresses.json  which loopback address each gateway has
  names.json      which port's certificates go by SNI alone
  ca/           the private CA
  certificates/ what issuers have given: keys, chains, accounts, open orders
  dns/          the DNS server's own: serials, dynamic records, sockets, pids
  users/        the server that checks passwords: its socket, pid, log
  challenges.json  the TXT records of open orders in it
  envoy/        Envoy's own: sockets, pid, log, the generation of its listeners
  access.log    one JSON line per request
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

import msgspec

from gatewright.base.errors import EngineError

T = TypeVar("T")


def default_folder() -> Path:
    """$XDG_STATE_HOME/gatewright, or ~/.local/state/gatewright."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "gatewright"


class StateFolder:
    """The paths in a state folder."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.status = self.root / "run.json"
        self.addresses = self.root / "addresses.json"
        self.names = self.root / "names.json"
        self.authority = self.root / "ca"
        self.certificates = self.root / "certificates"
        self.dns = self.root / "dns"
        self.users = self.root / "users"
        self.challenges = self.root / "challenges.json"
        self.envoy = self.root / "envoy"
        self.access_log = self.root / "access.log"

    def prepare(self) -> None:
        """Make the folder, for nobody else to enter.  EngineError when that is not possible."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.root.chmod(0o700)
        except OSError as error:
            raise EngineError(
                f"cannot use the state folder {self.root}: {error.strerror}; choose one with --state"
            ) from error


def read(path: Path, kind: type[T]) -> T | None:
    """The JSON of a file as `kind`; None when there is none.  EngineError when it is not what we wrote."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise EngineError(f"{path} is unreadable ({error}); remove it to start afresh") from error
