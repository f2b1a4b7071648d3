"""A small world with gateways, built by hand: run inside a rehearsal's namespaces, it prints what clients there saw.

python rehearsed_doors.py FOLDER          FOLDER has the manifests; the answer is JSON on standard output
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

import dns.message
import msgspec
from cryptography import x509

from gatewright.engines.echo.placed import WHO
from gatewright.engines.echo.service import EchoService, Transport
from gatewright.kinds.intents.asking import VantageIntent
from gatewright.kinds.intents.material import SecretIntent
from gatewright.pipeline import Model
from gatewright.rehearsal import acme, builder, daemons, isolation, servers, spaces
from gatewright.rehearsal.certificates import Certificates
from gatewright.rehearsal.daemons import Daemons
from gatewright.rehearsal.gateways import Gateways
from gatewright.rehearsal.nameserver import Behaviour
from gatewright.rehearsal.nameserving.behaviour import RecordSet
from gatewright.rehearsal.plan import acme as acme_plan
from gatewright.rehearsal.world import (
    INTERNET,
    Draft,
    Echo,
    GatewaySpot,
    NameServer,
    Role,
    SpaceDraft,
    World,
    default_routes,
)

PHONE = "vantage:phone"
EDGE, FAR = "gateway:infra/edge", "gateway:infra/far"
STATE = Path("/run/doors")


def _space(draft: Draft, name: str, role: Role, *addresses: str) -> SpaceDraft:
    made = draft.space(name, role)
    device, _ = draft.uplink(made, draft.spaces[INTERNET], addresses)
    default_routes(made, device)
    return made


def plan(model: Model) -> World:
    """Clients, two spaces with gateways (one of them has two), two pods and the cluster's DNS, all on the internet."""
    draft = Draft()
    draft.programs = frozenset({"pebble"} if isolation.program("pebble") else ())
    _space(draft, PHONE, Role.VANTAGE, "10.3.0.10", "2001:db8:3::10")
    _space(draft, EDGE, Role.GATEWAY, "10.1.0.10", "10.1.0.11", "2001:db8:1::10")
    _space(draft, FAR, Role.GATEWAY, "10.1.1.10")
    _space(draft, "pod:infra/app-0", Role.POD, "10.2.0.10", "2001:db8:2::10")
    _space(draft, "server:outside", Role.SERVER, "10.4.0.10")
    _space(draft, "resolver:cluster", Role.RESOLVER, "10.2.0.53")
    app = EchoService("infra", "app", 80)
    draft.echoes += [
        Echo("pod:infra/app-0", "10.2.0.10", 8080, app),
        Echo("pod:infra/app-0", "2001:db8:2::10", 8080, app),
        Echo("pod:infra/app-0", "10.2.0.10", 53, EchoService("infra", "names", 53, Transport.UDP)),
        Echo("server:outside", "10.4.0.10", 8080, EchoService("", "outside", 8080)),
        Echo("pod:infra/app-0", "10.2.0.10", 8080, EchoService("infra", "twice", 8080)),
    ]
    known = Behaviour(hosts=(RecordSet("outside.example.org", "A", ("10.4.0.10",)),))
    draft.name_servers.append(NameServer("cluster", "resolver:cluster", ("10.2.0.53",), msgspec.msgpack.encode(known)))
    _space(draft, "dns:public", Role.SERVER, "9.9.9.9")
    names = {"far": "10.1.1.10", "nowhere": "10.9.9.9"}
    public = Behaviour(
        hosts=tuple(RecordSet(f"{name}.example.com", "A", (address,)) for name, address in names.items())
    )
    draft.name_servers.append(NameServer("public", "dns:public", ("9.9.9.9",), msgspec.msgpack.encode(public)))
    draft.resolver_of |= {acme.SPACE: "9.9.9.9"}
    draft.resolver_of |= {EDGE: "10.2.0.53", FAR: "10.2.0.53"}
    draft.gateways += [
        GatewaySpot("infra/edge", EDGE, ("10.1.0.10", "2001:db8:1::10"), ("10.1.0.10",)),
        GatewaySpot("infra/inner", EDGE, ("10.1.0.11",), ("10.1.0.11",)),
        GatewaySpot("infra/far", FAR, ("10.1.1.10",), ("10.1.1.10",)),
    ]
    model.analysis.answer(lambda sight: acme_plan.plan(draft, sight))
    return draft.world()


def ask(address: str, host: str, *, path: str = "/", trust: bytes = b"", user: str = "") -> dict[str, Any]:
    """One HTTP request of the phone's: what came back, or why nothing did."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with spaces.inside(PHONE):
            wire = socket.socket(family, socket.SOCK_STREAM)
        wire.settimeout(20)
        wire.connect((address, 443 if trust else 80))
        if trust:
            wire = ssl.create_default_context(cadata=trust.decode()).wrap_socket(wire, server_hostname=host)
        connection = http.client.HTTPConnection(host)
        connection.sock = wire
        headers = {"Authorization": f"Basic {base64.b64encode(user.encode()).decode()}"} if user else {}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
    except OSError as error:
        return {"error": type(error).__name__} | (
            {"why": error.verify_message} if isinstance(error, ssl.SSLCertVerificationError) else {}
        )
    told = json.loads(body) if answer.headers.get_content_type() == "application/json" else {}
    return {"status": answer.status, "echo": {name: told.get(name) for name in ("service", "namespace", "pod", "peer")}}


def resolves() -> bool:
    """Does the cluster's name server know the host outside?"""
    query = dns.message.make_query("outside.example.org", "A")
    with spaces.inside(PHONE):
        wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with wire:
        wire.settimeout(20)
        wire.connect(("10.2.0.53", 53))
        try:
            wire.send(query.to_wire())
            return "10.4.0.10" in dns.message.from_wire(wire.recv(2000)).to_text()
        except ConnectionRefusedError:
            return False


def ask_datagram(data: bytes) -> str:
    """What a datagram to the pod is answered with."""
    with spaces.inside(PHONE):
        wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with wire:
        wire.settimeout(20)
        wire.sendto(data, ("10.2.0.10", 53))
        return wire.recv(2000).decode()


async def observe(folder: Path) -> dict[str, Any]:
    """Build it and ask."""
    model = Model()
    model.read([str(folder)])
    certificates = Certificates(STATE / "ca")
    certificates.provide(model)
    vantages = {v.key.name: v for v in model.analysis.answer(lambda sight: tuple(sight.all("Vantage", VantageIntent)))}
    trust = {name: certificates.trust_for(vantage) for name, vantage in vantages.items()}
    world = plan(model)
    await builder.build(world, lambda _: None)
    gateways = Gateways(model.graph, world.gateways, STATE / "gateways", certificates, world.resolver_of)
    started = await servers.start(world, STATE, certificates.unsaid_folder)
    await gateways.start()
    running = Daemons(world.daemons, STATE)
    daemons.write(STATE, world.files)
    await running.start_all(lambda _: None)
    change = await acme.order(certificates, model, gateways, world, STATE)
    ordered = {name: certificates.trust_for(vantage) for name, vantage in vantages.items()}
    seen: dict[str, Any] = {
        "failures": [*gateways.failures],
        "uncertified": certificates.failures,
        "issuers": {key.name: _issuer(secret) for key, secret in certificates.secrets.items()},
        "servers": started.failures,
        "pebble": bool(world.daemons),
        "ordered": sorted(str(key) for key in change.certificates),
    }

    async def note(name: str, *arguments: Any, **options: Any) -> None:
        seen[name] = await asyncio.to_thread(ask, *arguments, **options)

    change = certificates.expire()
    await gateways.apply(model.graph, change)
    await note("expired", "10.1.0.10", "app.example.com", trust=ordered["phone"])
    await note("inner expired", "10.1.0.11", "inner.example.com", trust=ordered["insider"])
    change = certificates.renew()
    await gateways.apply(model.graph, change)
    for number, address in (("v4", "10.1.0.10"), ("v6", "2001:db8:1::10")):
        await note(f"edge {number}", address, "app.example.com", trust=ordered["phone"])
    await note("edge by whom pebble is none", "10.1.0.10", "app.example.com", trust=trust["phone"])
    await note("edge by a stranger", "10.1.0.10", "app.example.com", trust=trust["stranger"])
    await note("inner", "10.1.0.11", "inner.example.com", trust=trust["insider"])
    await note("inner by a phone", "10.1.0.11", "inner.example.com", trust=trust["phone"])
    await note("staging", "10.1.0.11", "staging.example.com", trust=trust["phone"])
    await note("own", "10.1.0.11", "own.example.com", trust=trust["stranger"])
    await note("own by a phone", "10.1.0.11", "own.example.com", trust=trust["phone"])
    await note("inner's name at edge", "10.1.0.10", "inner.example.com", path="/", trust=trust["insider"])
    await note("far", "10.1.1.10", "far.example.com")
    await note("secure", "10.1.0.11", "secure.example.com")
    await note("outside", "10.1.1.10", "outside.example.com")
    for name, user in (("nobody", ""), ("a stranger", "jo:wrong"), ("jo", "jo:myPassword")):
        await note(name, "10.1.1.10", "users.example.com", user=user)
    seen["datagram"] = await asyncio.to_thread(ask_datagram, b"hello")
    seen["who"] = json.loads(await asyncio.to_thread(ask_datagram, WHO))
    await gateways.silence(FAR)
    await note("far silenced", "10.1.1.10", "far.example.com")
    await gateways.resume(FAR)
    await note("far resumed", "10.1.1.10", "far.example.com")
    seen["resolver"] = [await asyncio.to_thread(resolves)]
    await started.silence("cluster")
    seen["resolver"].append(await asyncio.to_thread(resolves))
    await started.resume("cluster")
    seen["resolver"].append(await asyncio.to_thread(resolves))
    await gateways.stop()
    await started.stop()
    seen["left"] = sorted(_names() & {"envoy"})
    return seen


def _issuer(secret: SecretIntent) -> str:
    return x509.load_pem_x509_certificate(secret.get("tls.crt") or b"").issuer.rfc4514_string()


def _names() -> set[str]:
    """The programs that run inside."""
    return {file.read_text().strip() for file in Path("/proc").glob("[0-9]*/comm")}


if __name__ == "__main__":
    if isolation.is_inside():
        isolation.settle()
        STATE.mkdir()
        print(json.dumps(asyncio.run(observe(Path(sys.argv[1])))))
    else:
        isolation.enter(sys.argv)
