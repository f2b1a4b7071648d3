"""Ordering the certificates of public directories from the ACME server of a world, by the engine that `run` uses.

What `certificates` has made for them in advance is replaced; where an order fails, it stays and the failure is told.
Counterparts: `plan.acme`, which puts the server on the rehearsal's internet; `proving`, how challenges are met.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from msgspec import structs

from gatewright.engines.certificates import keys
from gatewright.engines.certificates.issued import Issued
from gatewright.engines.certificates.obtaining import IssueError
from gatewright.engines.certificates.orders import AcmeObtainer, AcmeOptions
from gatewright.graph import solving
from gatewright.graph.issuing import Issuer, Wanted
from gatewright.graph.nodes import Change
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.issuance import IssuerIntent, PrivateKey
from gatewright.pipeline import Model
from gatewright.rehearsal.certificates import Certificates
from gatewright.rehearsal.gateways import Gateways
from gatewright.rehearsal.proving import ADDRESS, Proving
from gatewright.rehearsal.spaces import inside
from gatewright.rehearsal.world import World

SPACE: Final = "server:acme"
CONFIGURATION, CERTIFICATE, KEY = "acme/pebble.json", "acme/pebble.crt", "acme/pebble.key"
"""Files of the world."""

DIRECTORY_PORT, MANAGEMENT_PORT = 14_000, 15_000
TOGETHER: Final = 4
"""How many orders are open at once."""

PATIENCE: Final = 60.0
TIMEOUT: Final = 60.0
ELLIPTIC: Final = PrivateKey("ECDSA", encoding="PKCS8")


def is_public(issuer: IssuerIntent) -> bool:
    """Is it a directory whose certificates everybody trusts?"""
    return solving.is_public(issuer) and "staging" not in issuer.server


async def order(certificates: Certificates, model: Model, gateways: Gateways, world: World, folder: Path) -> Change:
    """Order what is wanted of public directories, give it to the model and the gateways, which run already, and let
    public clients trust who signed it.

    What of the graph changed by it; nothing in a world without such a server.  `folder` is the world's.  EngineError
    when the server does not answer.
    """
    address, wanted = _address(world), certificates.public_orders
    if not address or not wanted:
        return Change()
    proving = Proving(SPACE, world.resolver_of.get(SPACE, ADDRESS), model, gateways)
    await proving.start()
    try:
        desk = _Desk(address, folder, proving)
        got, root = await asyncio.to_thread(_order, desk, wanted)
    finally:
        proving.stop()
    change = certificates.replace(zip(wanted, got, strict=True), root)
    await gateways.apply(model.graph, change)
    return change


def _address(world: World) -> str:
    """Where the server is, "" for nowhere."""
    ends = (end for wire in world.wires for end in (wire.one, wire.other) if end.space == SPACE)
    return next((address.partition("/")[0] for end in ends for address in end.addresses), "")


def _order(desk: _Desk, wanted: Sequence[tuple[Wanted, Issuer]]) -> tuple[list[Issued | str], bytes]:
    with ThreadPoolExecutor(TOGETHER, thread_name_prefix="acme") as threads:
        return list(threads.map(desk.obtain, wanted)), desk.root()


class _Desk:
    """Whom orders are placed with.  Every call is made from the server's own space."""

    def __init__(self, address: str, folder: Path, proving: Proving) -> None:
        self._proving = proving
        self._address = address
        self._folder = folder / "acme"
        self._trust = folder / CERTIFICATE
        self._obtainers: dict[Key, AcmeObtainer] = {}

    def root(self) -> bytes:
        """The root of its chains, PEM."""
        context = ssl.create_default_context(cafile=str(self._trust))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with inside(SPACE), opener.open(f"https://{self._address}:{MANAGEMENT_PORT}/roots/0", timeout=TIMEOUT) as said:
            root: bytes = said.read()
        return root

    def obtain(self, asked: tuple[Wanted, Issuer]) -> Issued | str:
        """A certificate, or why there is none."""
        wanted, issuer = asked
        try:
            with inside(SPACE):
                return self._obtainer(issuer).obtain(wanted, keys.new(ELLIPTIC))
        except IssueError as error:
            return str(error)

    def _obtainer(self, issuer: Issuer) -> AcmeObtainer:
        """Accounts are made anew, so that what binds them to others is not asked for."""
        options = AcmeOptions(f"https://{self._address}:{DIRECTORY_PORT}/dir", self._trust, PATIENCE)
        acme = structs.replace(
            issuer.intent.acme, external_key=None, external_key_id="", account=None, preferred_chain="", profile=""
        )
        plain = Issuer(structs.replace(issuer.intent, acme=acme))
        return self._obtainers.setdefault(
            issuer.intent.key,
            AcmeObtainer(self._folder, plain, options, functools.partial(self._proving.solver, issuer)),
        )
