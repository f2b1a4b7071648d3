"""What keeps somebody out and lacks a part lets nobody in: every protection of every dialect, with every part broken.

`protections` says what is written.  Whole, each lets in who may come in and nobody else; broken, none may lead any
request to the application, whatever it shows and however its host is spelt.  And over edits, while somebody asks.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from msgspec import structs

from gatewright.graph.nodes import Endpoint, Graph
from gatewright.pipeline import Model
from support import compiled as c
from support import dialects, keeper, needs
from support import session as s
from support.dialects import Ask, Got
from support.keeper import Shown
from support.keys import NOW
from support.live import Live
from support.protections import (
    ALIAS,
    APP,
    ASKED,
    AUTH,
    INGRESSES,
    MANY,
    MIDDLEWARES,
    NAMED,
    NGINX,
    POLICIES,
    REFERENCES,
    Manifest,
    Protection,
    named,
    parts,
)
from support.session import Session

pytestmark = pytest.mark.real

AT_ONCE = 40
"""Requests, which is more than any of the rates lets pass."""
LINE = f"{keeper.USER}:{keeper.DIGEST}"


@pytest.fixture(autouse=True)
def _envoy() -> None:
    needs.package("envoy")
    needs.package("grpc")


# --- what is written ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """A protection in front of the application at a host, which is the only one in its place."""

    what: Any
    protection: Protection

    @property
    def whole(self) -> bool:
        return self.what is self.protection.whole

    @property
    def proof(self) -> str:
        return self.protection.proof

    @property
    def partly(self) -> bool:
        return any(self.what is one for one in self.protection.partly)


def _each(protections: Sequence[Protection]) -> Iterator[Written]:
    for one in protections:
        for what in (*([one.whole] if one.proof else []), *one.broken, *one.partly):
            yield Written(what, one)


def ingress(name: str, host: str, annotations: Mapping[str, str], cls: str) -> Manifest:
    backend = {"service": {"name": APP, "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    made = named("Ingress", "networking.k8s.io/v1", name, spec={"ingressClassName": cls, "rules": [rule]})
    made["metadata"]["annotations"] = dict(annotations)
    return made


def _controller(implementation: str) -> Manifest:
    spec: Manifest = {"implementation": implementation, "classes": ["door"], "settings": {}}
    if implementation == "ingress-nginx":
        spec["settings"] = {"snippets": True}
    if implementation == "traefik":
        spec["settings"] = {"forwardedHeaders": {"trustedFrom": [f"{keeper.TRUSTED}/32"]}}
    return named("IngressController", "gatewright.dev/v1alpha1", "door", spec=spec)


Installation = tuple[list[Manifest], dict[str, Written]]


def _of_ingresses(implementation: str) -> Installation:
    prefix, protections = INGRESSES[implementation]
    written: dict[str, Written] = {}
    made = [_controller(implementation)]
    for number, one in enumerate(_each(protections)):
        host = f"n{number}.test"
        written[host] = one
        notes = {prefix + name: value.replace(ALIAS, f"alias.{host}") for name, value in one.what.items()}
        if ALIAS in one.what.values():
            written[f"alias.{host}"] = one
        document = ingress(host.removesuffix(".test"), host, notes, "door")
        if one.proof == "certificate":
            document["spec"]["tls"] = [{"hosts": [host]}]
        made.append(document)
    return made, written


def _of_traefik() -> Installation:
    api = "traefik.io/v1alpha1"
    circle = {"chain": {"middlewares": [{"name": "circle"}]}}
    made = [_controller("traefik"), named("Middleware", api, "circle", spec=circle)]
    written: dict[str, Written] = {}
    asked: list[tuple[Any, Written]] = []
    for number, one in enumerate(_each(MIDDLEWARES)):
        made.append(named("Middleware", api, f"m{number}", spec=one.what))
        asked.append(([{"name": f"m{number}"}], one))
    asked += [(one.what, one) for one in _each([REFERENCES])]
    for number, (refs, one) in enumerate(asked):
        host = f"r{number}.test"
        services = [{"name": APP, "port": 80}]
        rule = {"match": f"Host(`{host}`)", "kind": "Rule", "middlewares": refs, "services": services}
        made.append(named("IngressRoute", api, f"r{number}", spec={"entryPoints": ["web"], "routes": [rule]}))
        made[-1]["metadata"]["annotations"] = {"kubernetes.io/ingress.class": "door"}
        written[host] = one
    for number, one in enumerate(_each([NAMED])):
        host = f"i{number}.test"
        notes = {"traefik.ingress.kubernetes.io/router.middlewares": one.what}
        made.append(ingress(f"i{number}", host, notes, "door"))
        written[host] = one
    return made, written


def _of_policies() -> Installation:
    api = "gateway.networking.k8s.io/v1"
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    made = [named("Gateway", api, "edge", spec={"gatewayClassName": "envoy", "listeners": [listener]})]
    written: dict[str, Written] = {}
    for number, one in enumerate(_each(POLICIES)):
        host = f"p{number}.test"
        rule = {"backendRefs": [{"name": APP, "port": 80}]}
        spec = {"parentRefs": [{"name": "edge"}], "hostnames": [host], "rules": [rule]}
        made.append(named("HTTPRoute", api, f"p{number}", spec=spec))
        target = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": f"p{number}"}
        spec = {"targetRefs": [target], **one.what}
        made.append(named("SecurityPolicy", "gateway.envoyproxy.io/v1alpha1", f"p{number}", spec=spec))
        written[host] = one
    return made, written


DIALECTS = {
    **{name: lambda name=name: _of_ingresses(name) for name in INGRESSES},
    "traefik": _of_traefik,
    "envoy-gateway": _of_policies,
}


# --- what is answered ---------------------------------------------------------------------------


def _graph(documents: list[Manifest], auth: int = 0) -> Graph:
    """The graph, with an echo behind the application, and behind `auth` too unless something listens at that port."""
    with TemporaryDirectory() as folder:
        text = "".join(f"---\n{json.dumps(one)}\n" for one in documents)
        (Path(folder) / "all.yaml").write_text(text, encoding="utf-8")
        graph = Model(lambda: NOW).read([folder]).graph
    backends = graph.backends
    for key, one in backends.items():
        if key.namespace == "apps" and key.name in (APP, AUTH) and key.port in (80, 443) and one.usable:
            there = (Endpoint("127.0.0.1", auth),) if key.name == AUTH and auth else ()
            backends = backends.set(key, structs.replace(one, endpoints=there, reason="", pods="echo"))
    return structs.replace(graph, backends=backends)


async def _asked(
    port: int, host: str, shown: Shown = keeper.FORGER, *, secure: bool = False, together: bool = False
) -> Got:
    """Without further words: somebody with a user's name and no password, and a forged way here."""
    name = host.partition(":")[0].lower().rstrip(".")
    ask = Ask(
        method="POST" if shown.body else "GET",
        url=f"{'https' if secure else 'http'}://{name}/{'?delay=100ms' if together else ''}",
        headers=(("Host", host), *shown.headers),
        body=shown.body,
        chunked=False,
        client=shown.client,
        times=1,
        together=False,
        expect={},
        certificate=shown.certificate if secure else "",
        traced=None,
    )
    return await dialects.send(ask, "127.0.0.1", port)


class Doors:
    """All of a dialect's protections on one Envoy."""

    def __init__(self, world: c.World, graph: Graph, written: Mapping[str, Written]) -> None:
        self._world = world
        self._at = {(key.hostname, key.port): key.gateway for key in graph.virtual_hosts}
        self.written = {host: one for host, one in written.items() if (host, 80) in self._at}

    async def ask(self, host: str, shown: Shown, spelt: str = "", number: int = 80) -> Got:
        gateway = self._at[host, number]
        port, together = self._world.port(number, gateway), self.written[host].proof == "rate"
        return await _asked(port, spelt or host, shown, secure=number == 443, together=together)

    def ports(self, host: str) -> list[int]:
        return [number for number in (80, 443) if (host, number) in self._at]


def _passed(got: Got) -> bool:
    return got.status == 200 and got.echo.get("service") == APP


async def _against_the_whole(doors: Doors, host: str, one: Written) -> list[str]:
    """Who may come in and does not; who may not and does."""
    number = 443 if one.proof == "certificate" else 80
    shown = keeper.RIGHT[one.proof]
    if one.proof == "rate":
        got = await asyncio.gather(*(doors.ask(host, shown) for _ in range(AT_ONCE)))
        counts = Counter(answer.status for answer in got)
        return (
            []
            if 0 < counts[200] < AT_ONCE and sum(counts[status] for status in (403, 429, 503))
            else [f"{host}: {dict(counts)} {str(one.what)[:200]}"]
        )
    found = []
    for spelt in (host, host.upper()):
        right = await doors.ask(host, shown, spelt, number)
        found += [] if _passed(right) else [f"{spelt} refuses {shown}: {right.status} {str(one.what)[:200]}"]
        for wrong in keeper.WRONG[one.proof]:
            got = await doors.ask(host, wrong, spelt, number)
            found += [] if 400 <= got.status < 500 else [f"{spelt} answers {wrong}: {got.status} {str(one.what)[:200]}"]
    return found


async def _opened(doors: Doors, host: str, one: Written, spelt: str) -> list[str]:
    """Who comes in where nobody may, or only who has the proof."""
    shown = [*keeper.WRONG[one.proof], keeper.FORGER]
    if not one.partly:
        shown += [*keeper.WRONG[""], *([keeper.RIGHT[one.proof]] if one.proof else [])]
    found = []
    for number in doors.ports(host):
        for who in shown:
            got = await doors.ask(host, who, spelt, number)
            if (got.status and got.status < 300) or got.echo.get("service") == APP:
                found.append(f"{spelt} lets in {who}: {got.status} {str(one.what)[:200]}")
    return found


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_whole_protection_lets_in_who_may_come_in_and_nobody_else(dialect: str) -> None:
    documents, written = DIALECTS[dialect]()

    async def scenario(world: c.World) -> None:
        assert world.graph is not None
        doors = Doors(world, world.graph, written)
        whole = {host: one for host, one in written.items() if one.proof and one.whole}
        assert whole.keys() <= doors.written.keys()
        found = await asyncio.gather(*(_against_the_whole(doors, host, one) for host, one in whole.items()))
        lines = [line for lines in found for line in lines]
        assert not lines, "\n".join(lines)

    with keeper.running() as port:
        c.serve(_graph([*parts(dialect), *documents], port), scenario, issue=dialects.issue())


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_protection_that_lacks_a_part_lets_nobody_in(dialect: str) -> None:
    documents, written = DIALECTS[dialect]()

    async def scenario(world: c.World) -> None:
        assert world.graph is not None
        doors = Doors(world, world.graph, written)
        broken = {host: one for host, one in doors.written.items() if not one.whole}
        assert len(broken) > sum(not one.whole for one in written.values()) / 2, "nothing is asked"
        spelt = [(host, how) for host in broken for how in (host, host.upper(), f"{host}.:81")]
        found = await asyncio.gather(*(_opened(doors, host, broken[host], how) for host, how in spelt))
        lines = [line for lines in found for line in lines]
        assert not lines, "\n".join(lines)

    with keeper.running() as port:
        c.serve(_graph([*parts(dialect), *documents], port), scenario, issue=dialects.issue())


@pytest.mark.parametrize("name", ["whitelist-source-range", "denylist-source-range"])
@pytest.mark.parametrize("count", [1_000, 20_000])
def test_lists_without_end_behind_believed_peers_refuse_their_rule_alone(name: str, count: int) -> None:
    """Envoy would refuse the host, and keep the list that it had."""
    many = ",".join(f"10.{n // 128 % 256}.{n * 2 % 256}.{n // 32768 * 16}/28" for n in range(count))
    door = _controller("ingress-nginx")
    door["spec"]["settings"]["forwardedHeaders"] = {"trustedFrom": ["127.0.0.9/32"]}
    written = [ingress("many", "many.test", {NGINX + name: many}, "door"), ingress("open", "open.test", {}, "door")]
    graph = _graph([*parts("ingress-nginx"), door, *written])
    (gateway,) = graph.gateways

    async def scenario(world: c.World) -> None:
        answers = [await _asked(world.port(80, gateway), host) for host in ("many.test", "open.test")]
        assert [got.status for got in answers] == [500, 200]
        assert world.plan is not None
        assert [p.id for problems in world.plan.problems.values() for p in problems]

    c.serve(graph, scenario)


# --- while somebody keeps asking ----------------------------------------------------------------


@contextmanager
def _watched(live: Live, gateway: str, *hosts: str) -> Iterator[list[str]]:
    """Somebody asks all the time; what he got from the application is in the list."""
    passed: list[str] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            for host in hosts:
                if live.ask(gateway, f"http://{host}/").echo:
                    passed.append(host)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield passed
    finally:
        ended.set()
        thread.join()


@pytest.fixture
def run() -> Iterator[Session]:
    with s.session() as made:
        yield made


def test_nothing_opens_while_parts_come_and_go(run: Session) -> None:
    def users(name: str = "users", text: str = LINE) -> str:
        return s.documents(named("Secret", "v1", name, stringData={"auth": text, "users": text}))

    basic = {f"{NGINX}auth-type": "basic", f"{NGINX}auth-secret": "users"}
    asking = {f"{NGINX}auth-url": f"{ASKED}/status/401"}
    listed = {f"{NGINX}whitelist-source-range": "10.0.0.0/8"}
    hosts = {"basic.test": basic, "asking.test": asking, "listed.test": listed}
    settings = named("ConfigMap", "v1", "ingress-nginx-controller", data={"whitelist-source-range": "10.0.0.0/8"})
    run.write("door.yaml", s.documents(_controller("ingress-nginx")))
    run.write(
        "services.yaml", s.documents(*(named("Service", "v1", n, spec={"ports": [{"port": 80}]}) for n in (APP, AUTH)))
    )
    run.write("users.yaml", users())
    for host, notes in hosts.items():
        run.write(f"{host}.yaml", s.documents(ingress(host.removesuffix(".test"), host, notes, "door")))
    run.write("open.yaml", s.documents(ingress("open", "open.test", {}, "door")))
    live = run.start("--echo")
    (gateway,) = live.gateways

    def status(host: str) -> int:
        return live.ask(gateway, f"http://{host}/").status

    s.wait(lambda: [status(h) for h in (*hosts, "open.test")] == [401, 500, 403, 200])
    with _watched(live, gateway, *hosts) as passed:
        for text in (users("others"), users(text=""), users(text="joe:secret"), "", "kind: [", users()):
            run.write("users.yaml", text)
            marked = f"m{abs(hash(text))}.test"  # what is written behind it goes live behind it, or with it
            run.write("mark.yaml", s.documents(ingress("mark", marked, {}, "door")))
            s.wait(lambda marked=marked: status(marked) == 200)
        for notes in ({f"{NGINX}whitelist-source-range": "garbage"}, {f"{NGINX}whitelist-source-range": MANY}, listed):
            run.write("listed.test.yaml", s.documents(ingress("listed", "listed.test", notes, "door")))
            wanted = 503 if "garbage" in notes.values() else 403
            s.wait(lambda wanted=wanted: status("listed.test") == wanted)
        (run.manifests / "services.yaml").unlink()
        s.wait(lambda: status("open.test") == 503)
        run.write(
            "services.yaml",
            s.documents(*(named("Service", "v1", n, spec={"ports": [{"port": 80}]}) for n in (APP, AUTH))),
        )
        s.wait(lambda: status("open.test") == 200)
        run.write("settings.yaml", s.documents({**settings, "metadata": {**settings["metadata"], "namespace": "apps"}}))
        run.write("settings.yaml", "kind: [")
        run.kill()
        run.start("--echo")
        s.wait(lambda: status("basic.test") == 401)
    assert not passed
