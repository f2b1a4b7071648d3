"""nginx, HAProxy and Caddy doing the same job: N hosts proxied, one of them moves to the other backend.

Each is told in the way its users tell it; a program that is not installed is left out.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmarks import manifests, support
from benchmarks.envoys import Backends
from benchmarks.process import Running

Save = Callable[[int, bool], Callable[[], None]]
Other = Callable[[Path, int, Backends], AbstractContextManager[tuple[Running, Save]]]

ADDRESS = "127.0.0.1"


def available() -> list[tuple[str, Other]]:
    """Those that are installed."""
    known: list[tuple[str, str, Other]] = [
        ("nginx", "nginx (reload)", nginx),
        ("haproxy", "HAProxy (reload)", haproxy_reload),
        ("haproxy", "HAProxy (map entry over the stats socket)", haproxy_map),
        ("caddy", "Caddy (POST /load)", caddy),
    ]
    return [(name, other) for program, name, other in known if support.program(program)]


@contextlib.contextmanager
def _server(command: list[str], port: int, log: Path) -> Iterator[Running]:
    with support.running(command, log) as process:
        support.wait_for(lambda: support.listens(port), command[0], process)
        yield Running(ADDRESS, port, process.pid)


# --- nginx --------------------------------------------------------------------------------------


@contextlib.contextmanager
def nginx(folder: Path, size: int, backends: Backends) -> Iterator[tuple[Running, Save]]:
    """One `server` block in a file of its own for each host; a reload after the save."""
    home = folder / "nginx"
    (home / "hosts").mkdir(parents=True)
    port = support.free_port()

    def block(number: int, moved: bool = False) -> str:
        backend = backends.b if moved else backends.a
        name = manifests.hostname(number)
        return (
            f"server {{ listen {ADDRESS}:{port}; server_name {name};"
            f" location / {{ proxy_pass http://{ADDRESS}:{backend}; proxy_http_version 1.1; }} }}\n"
        )

    for number in range(size):
        (home / "hosts" / f"{number}.conf").write_text(block(number))
    scratch = "".join(f"{kind}_temp_path {home}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (home / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {home}/pid; error_log {home}/error.log;\n"
        "events { worker_connections 1024; }\n"
        f"http {{ access_log off; server_names_hash_max_size 200000; server_names_hash_bucket_size 128; {scratch}\n"
        f"include {home}/hosts/*.conf; }}\n"
    )
    command = [
        str(support.program("nginx")),
        "-p",
        str(home),
        "-c",
        str(home / "nginx.conf"),
        "-e",
        f"{home}/error.log",
    ]
    with _server(command, port, home / "log") as running:

        def save(number: int, moved: bool) -> Callable[[], None]:
            def act() -> None:
                support.write(home / "hosts" / f"{number}.conf", block(number, moved))
                support.send(running.pid, signal.SIGHUP)

            return act

        yield running, save


# --- HAProxy ------------------------------------------------------------------------------------


@contextlib.contextmanager
def haproxy_reload(folder: Path, size: int, backends: Backends) -> Iterator[tuple[Running, Save]]:
    """A map file from host to backend; a reload after the save."""
    with _haproxy(folder / "haproxy-reload", size, backends) as (running, names, _):

        def save(number: int, moved: bool) -> Callable[[], None]:
            names[number] = "b" if moved else "a"
            text = _map(names)

            def act() -> None:
                support.write(folder / "haproxy-reload" / "hosts.map", text)
                support.send(running.pid, signal.SIGUSR2)

            return act

        yield running, save


@contextlib.contextmanager
def haproxy_map(folder: Path, size: int, backends: Backends) -> Iterator[tuple[Running, Save]]:
    """The same map, changed over the stats socket: in memory only, and only between backends that exist."""
    with _haproxy(folder / "haproxy-map", size, backends) as (running, _, stats):

        def save(number: int, moved: bool) -> Callable[[], None]:
            file = folder / "haproxy-map" / "hosts.map"
            words = f"set map {file} {manifests.hostname(number)} {'b' if moved else 'a'}\n"

            def act() -> None:
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.connect(str(stats))
                    connection.sendall(words.encode())
                    connection.recv(1024)

            return act

        yield running, save


@contextlib.contextmanager
def _haproxy(home: Path, size: int, backends: Backends) -> Iterator[tuple[Running, list[str], Path]]:
    home.mkdir()
    port, stats = support.free_port(), home / "stats"
    names = ["a"] * size
    (home / "hosts.map").write_text(_map(names))
    (home / "haproxy.cfg").write_text(
        f"global\n  nbthread 1\n  stats socket {stats} level admin\n"
        "defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n"
        f"frontend all\n  bind {ADDRESS}:{port}\n"
        f"  use_backend %[req.hdr(host),lower,map({home / 'hosts.map'},a)]\n"
        f"backend a\n  server a {ADDRESS}:{backends.a}\n"
        f"backend b\n  server b {ADDRESS}:{backends.b}\n"
    )
    command = [str(support.program("haproxy")), "-W", "-db", "-f", str(home / "haproxy.cfg")]
    with _server(command, port, home / "log") as running:
        yield running, names, stats


def _map(names: list[str]) -> str:
    return "".join(f"{manifests.hostname(number)} {name}\n" for number, name in enumerate(names))


# --- Caddy --------------------------------------------------------------------------------------


@contextlib.contextmanager
def caddy(folder: Path, size: int, backends: Backends) -> Iterator[tuple[Running, Save]]:
    """One route for each host; the whole configuration is posted to the admin interface."""
    home = folder / "caddy"
    home.mkdir()
    port, admin = support.free_port(), support.free_port()
    routes = [_caddy_route(number, backends.a) for number in range(size)]
    server = {"listen": [f"{ADDRESS}:{port}"], "routes": routes, "automatic_https": {"disable": True}}
    configuration: dict[str, Any] = {
        "admin": {"listen": f"{ADDRESS}:{admin}", "config": {"persist": False}},
        "apps": {"http": {"servers": {"all": server}}},
    }
    file = home / "caddy.json"
    file.write_text(json.dumps(configuration))
    with _server([str(support.program("caddy")), "run", "--config", str(file)], port, home / "log") as running:

        def save(number: int, moved: bool) -> Callable[[], None]:
            routes[number] = _caddy_route(number, backends.b if moved else backends.a)
            text = json.dumps(configuration)

            def act() -> None:
                support.write(file, text)
                with contextlib.closing(http.client.HTTPConnection(ADDRESS, admin, timeout=60)) as connection:
                    connection.request("POST", "/load", text, {"Content-Type": "application/json"})
                    connection.getresponse().read()

            return act

        yield running, save


def _caddy_route(number: int, backend: int) -> dict[str, Any]:
    return {
        "match": [{"host": [manifests.hostname(number)]}],
        "handle": [{"handler": "reverse_proxy", "upstreams": [{"dial": f"{ADDRESS}:{backend}"}]}],
    }
