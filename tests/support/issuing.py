"""A CA in memory, a clock that stands still and a manager on them, for tests of what is issued when."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from gatewright.base.origin import Origin
from gatewright.base.sensitive import Sensitive
from gatewright.engines.certificates import keys
from gatewright.engines.certificates.issued import CertificateStatus, Issued
from gatewright.engines.certificates.manager import Manager
from gatewright.engines.certificates.obtaining import Window
from gatewright.graph.issuing import Issuer, Wanted
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.issuance import IssuerIntent, PrivateKey
from support.keys import Pair, pair

AT = Origin("input.yaml")
ISSUER = Key("ClusterIssuer", "", "le")
START = datetime(2030, 6, 1, tzinfo=UTC).timestamp()
DAY = 86400.0
HOUR = 3600.0
EC = PrivateKey("ECDSA")
DEADLINE = 60.0


def wanted(name: str = "a", *names: str, **more: object) -> Wanted:
    """One for the Secret web/`name`."""
    fields: dict[str, object] = {"issuer": ISSUER, "private_key": EC} | more
    own = names or (f"{name}.example.com",)
    return Wanted(f"web/{name}", Key("Secret", "web", name), AT, own, **fields)  # type: ignore[arg-type]


def issuer(key: Key = ISSUER, fault: str = "", server: str = "https://ca.example") -> Issuer:
    return Issuer(IssuerIntent(key, AT, "acme", server), fault=fault)


class FakeAuthority:
    """Obtains at once.  `failing` is raised instead; `gate` holds attempts up while it is cleared."""

    def __init__(self, clock: Callable[[], float], life: float = 90 * DAY) -> None:
        self._root: Pair = pair(ca=True, subject="root", now=datetime.fromtimestamp(START, UTC), days=9999)
        self._clock = clock
        self._lock = threading.Lock()
        self.life = life
        self.failing: Exception | None = None
        self.said: Window | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.orders: list[tuple[Wanted, Sensitive]] = []
        self.asked: list[bytes] = []

    def __call__(self, issuer: Issuer, wanted: Wanted) -> FakeAuthority:
        return self

    def obtain(self, wanted: Wanted, key: Sensitive) -> Issued:
        with self._lock:
            self.orders.append((wanted, key))
        assert self.gate.wait(DEADLINE)
        if self.failing is not None:
            raise self.failing
        return Issued(self._leaf(wanted.names, key), key, self._root.cert_pem)

    def window(self, chain: bytes) -> Window | None:
        with self._lock:
            self.asked.append(chain)
        return self.said

    def _leaf(self, names: tuple[str, ...], key: Sensitive) -> bytes:
        loaded = keys.load(key)
        assert loaded is not None
        now = datetime.fromtimestamp(self._clock(), UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")])
        return (
            x509.CertificateBuilder(
                self._root.certificate.subject, subject, loaded.public_key(), x509.random_serial_number(),
                now, now + timedelta(seconds=self.life),
            )
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
            .sign(self._root.key, hashes.SHA256())  # type: ignore[arg-type]
            .public_bytes(serialization.Encoding.PEM)
        )  # fmt: skip


class Shop:
    """A manager with its surroundings; `delivered` the latest by id, `deliveries` the ids in order."""

    def __init__(self, folder: Path, threads: int = 2, seed: int = 7) -> None:
        self.folder = folder
        self.now = START
        self.authority = FakeAuthority(self.clock)
        self.delivered: dict[str, Issued] = {}
        self.deliveries: list[str] = []
        self.changes = 0
        self._threads, self._seed = threads, seed
        self.manager = self._new()

    def clock(self) -> float:
        return self.now

    def _new(self) -> Manager:
        return Manager(
            self.folder, self.authority, self._deliver, self._changed, self.clock, random.Random(self._seed),
            self._threads,
        )  # fmt: skip

    def _deliver(self, item: Wanted, issued: Issued) -> None:
        self.delivered[item.id] = issued
        self.deliveries.append(item.id)

    def _changed(self) -> None:
        self.changes += 1

    def want(self, *items: Wanted, **issuers: Issuer | None) -> None:
        self.manager.want({item.target: (item,) for item in items}, {ISSUER: issuers.get("issuer", issuer())})

    def status(self, name: str = "web/a") -> CertificateStatus:
        return next(status for status in self.manager.statuses() if status.id == name)

    def restart(self) -> None:
        """A new process with the same folder."""
        self._seed += 1
        self.delivered, self.deliveries = {}, []
        self.manager = self._new()

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait for a condition, with a deadline."""
        deadline = time.monotonic() + DEADLINE
        while not holds():
            assert time.monotonic() < deadline, "it never held"
            await asyncio.sleep(0.002)

    async def idle(self) -> None:
        """Wait until nothing runs and nothing is due."""
        manager = self.manager
        await self.until(lambda: not manager.running and manager.next_moment() > self.now)

    async def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.manager.poke()
        await self.idle()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.manager.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
