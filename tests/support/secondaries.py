"""BIND, Knot and NSD as secondaries: real servers that copy zones from a primary on 127.0.0.1, by view and TSIG key."""

from __future__ import annotations

import base64
import contextlib
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import dns.name

from gatewright.engines.dns.content import KeyConfig
from support.needs import binary

SECONDS = 60.0


class Secondary:
    """One server: where it answers each view, and what it has logged.  `signed`: a query has to bear its view's key."""

    def __init__(self, program: str, ports: Mapping[str, int], log: Path, signed: bool) -> None:
        self.program = program
        self.ports = ports
        self.log = log
        self.signed = signed

    def logged(self) -> str:
        return self.log.read_text(errors="replace")


def name_of(key: KeyConfig) -> str:
    return dns.name.from_wire(key.name, 0)[0].to_text(omit_final_dot=True)


def secret_of(key: KeyConfig) -> str:
    return base64.b64encode(key.secret.reveal()).decode()


@contextlib.contextmanager
def named(
    folder: Path, domain: str, primary: int, ports: Mapping[str, int], keys: Mapping[str, KeyConfig]
) -> Iterator[Secondary]:
    """One BIND for all views, which it tells apart by key, as it does when it asks us."""
    port = next(iter(ports.values()))
    lines = [
        f'options {{ directory "{folder}"; pid-file none; session-keyfile none;',
        f"listen-on port {port} {{ 127.0.0.1; }};",
        "listen-on-v6 { none; }; recursion no; allow-query { any; }; dnssec-validation no; notify no;",
        "empty-zones-enable no; request-ixfr yes; min-refresh-time 1; };",
        "controls { };",
    ]
    for key in keys.values():
        lines.append(f'key "{name_of(key)}" {{ algorithm {key.algorithm}; secret "{secret_of(key)}"; }};')
    for view, key in keys.items():
        lines.append(
            f'view "{view}" {{ match-clients {{ key "{name_of(key)}"; }}; zone "{domain}" {{ type secondary;'
            f' file "{view}.db"; primaries {{ 127.0.0.1 port {primary} key "{name_of(key)}"; }}; }}; }};'
        )
    (folder / "named.conf").write_text("\n".join(lines) + "\n")
    command = [binary("named"), "-g", "-d", "3", "-n", "1", "-c", str(folder / "named.conf")]
    with _running(folder, command, "named.log") as log:
        yield Secondary("named", dict.fromkeys(keys, port), log, signed=True)


@contextlib.contextmanager
def knotd(
    folder: Path, domain: str, primary: int, ports: Mapping[str, int], keys: Mapping[str, KeyConfig]
) -> Iterator[Secondary]:
    """A Knot for the one view that there is in `keys`."""
    ((view, key),) = keys.items()
    (folder / "knot.conf").write_text(
        f"""
server:
    rundir: "{folder}"
    listen: 127.0.0.1@{ports[view]}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: debug
key:
  - id: {name_of(key)}
    algorithm: {key.algorithm}
    secret: {secret_of(key)}
remote:
  - id: primary
    address: 127.0.0.1@{primary}
    key: {name_of(key)}
acl:
  - id: notified
    key: {name_of(key)}
    action: notify
database:
    storage: "{folder}"
    journal-db-max-size: 16M
    kasp-db-max-size: 16M
    timer-db-max-size: 16M
zone:
  - domain: {domain}
    storage: "{folder}"
    master: primary
    acl: notified
"""
    )
    with _running(folder, [binary("knotd"), "-c", str(folder / "knot.conf")], "knot.log") as log:
        yield Secondary("knotd", ports, log, signed=False)


@contextlib.contextmanager
def nsd(
    folder: Path, domain: str, primary: int, ports: Mapping[str, int], keys: Mapping[str, KeyConfig]
) -> Iterator[Secondary]:
    """An NSD for the one view that there is in `keys`."""
    ((view, key),) = keys.items()
    (folder / "nsd.conf").write_text(
        f"""
server:
    ip-address: 127.0.0.1@{ports[view]}
    server-count: 1
    username: ""
    chroot: ""
    zonesdir: "{folder}"
    database: ""
    pidfile: "{folder}/nsd.pid"
    xfrdfile: "{folder}/xfrd.state"
    xfrdir: "{folder}"
    zonelistfile: "{folder}/zone.list"
    verbosity: 3
remote-control:
    control-enable: no
key:
    name: "{name_of(key)}"
    algorithm: {key.algorithm}
    secret: "{secret_of(key)}"
zone:
    name: "{domain}"
    zonefile: "copy.zone"
    allow-notify: 127.0.0.1 {name_of(key)}
    request-xfr: 127.0.0.1@{primary} {name_of(key)}
    min-refresh-time: 1
"""
    )
    with _running(folder, [binary("nsd"), "-d", "-c", str(folder / "nsd.conf")], "nsd.log") as log:
        yield Secondary("nsd", ports, log, signed=False)


@contextlib.contextmanager
def _running(folder: Path, command: Sequence[str], log: str) -> Iterator[Path]:
    """The program in the foreground, ended by its id."""
    path = folder / log
    with path.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd=folder)
    try:
        yield path
        assert process.poll() is None, path.read_text(errors="replace")[-2000:]
    finally:
        process.terminate()
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
