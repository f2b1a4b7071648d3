"""The state of wanted certificates on disk: what was issued, the key of what is being ordered, when to try again.

Not what decides any of it: that is `manager`.  In the folder, for each wanted id:

    <name>.pem     what is in use: key, chain and authorities in one file, so that they change at once (0600)
    <name>.key     the key of an order that is under way: on disk before anybody is told of its public half
    <name>.json    failures and moments; nothing is lost with it but patience

The first line of a .pem says what it was made for, and a digest of the rest.  A file that is damaged is put aside as
<name>.pem.damaged-N and told about: whoever put it there may need it.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import msgspec
from cryptography import x509
from msgspec import Struct, structs

from gatewright.base.errors import EngineError
from gatewright.base.sensitive import Sensitive
from gatewright.engines.certificates import keeping
from gatewright.engines.certificates.issued import Issued
from gatewright.graph.issuing import Wanted
from gatewright.kinds.identity import Key

_CHAIN = b"-----BEGIN CERTIFICATE-----"
_AUTHORITIES = b"# authorities\n"
_UNSAFE = re.compile(r"[^a-z0-9.-]+")


class Made(Struct, frozen=True):
    """What a certificate was made for and says of itself.  POSIX seconds; `serial` hexadecimal; `algorithm` and `size`
    as the key was described; `obtained`: when we got it."""

    names: tuple[str, ...]
    issuer: Key
    algorithm: str
    size: int
    is_ca: bool
    duration: float
    not_before: float
    not_after: float
    serial: str
    obtained: float
    common_name: str = ""

    def answers(self, wanted: Wanted) -> bool:
        """Is it what is wanted, or has the description changed since?"""
        key = wanted.private_key
        return (
            frozenset(self.names) == frozenset(wanted.names)
            and self.issuer == wanted.issuer
            and (self.algorithm, self.size) == (key.algorithm, key.size)
            and (self.is_ca, self.duration, self.common_name) == (wanted.is_ca, wanted.duration, wanted.common_name)
        )


def made(wanted: Wanted, chain: bytes, now: float) -> Made:
    """What there is to say of a chain (PEM) that was issued for this; ValueError when it is unreadable."""
    leaf = x509.load_pem_x509_certificate(chain)
    return Made(
        names=wanted.names,
        issuer=wanted.issuer,
        algorithm=wanted.private_key.algorithm,
        size=wanted.private_key.size,
        is_ca=wanted.is_ca,
        duration=wanted.duration,
        not_before=leaf.not_valid_before_utc.timestamp(),
        not_after=leaf.not_valid_after_utc.timestamp(),
        serial=f"{leaf.serial_number:x}",
        obtained=now,
        common_name=wanted.common_name,
    )


def description(wanted: Wanted) -> str:
    """A digest of what an issuer is asked for: another one is another certificate."""
    key = wanted.private_key
    said = (
        wanted.common_name,
        sorted(wanted.names),
        str(wanted.issuer),
        key.algorithm,
        key.size,
        wanted.is_ca,
        wanted.duration,
    )
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:16]


class Stored(Struct, frozen=True):
    """A certificate with what it was made for."""

    made: Made
    issued: Issued


class Moments(Struct, frozen=True):
    """When something is to happen, so that a restart changes nothing: POSIX seconds, 0 for never.

    `renew_at` of the certificate with this `serial`, drawn from the authority's `window` or by the `rule` of its owner;
    `ask_at`: when to ask for that window again; `next_attempt` after so many `failures` in a row to get what this
    `description` asks for, the last one's `message`.
    """

    serial: str = ""
    renew_at: float = 0.0
    window: tuple[float, float] = (0.0, 0.0)
    rule: str = ""
    ask_at: float = 0.0
    next_attempt: float = 0.0
    failures: int = 0
    message: str = ""
    description: str = ""


class _Header(Struct, frozen=True):
    made: Made
    digest: str


class DamagedError(Exception):
    """A file was not what it should be, and was put aside; the message is for the user."""


class Store:
    """One folder.  Its methods may be called from several threads, for different ids; EngineError when the disk does
    not do what it should, and then everything is as it was."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, wanted_id: str) -> Stored | None:
        """What is in use; None when nothing is.  DamagedError when it cannot be used."""
        file = self._named(wanted_id, ".pem")
        data = keeping.read(file)
        if data is None:
            return None
        stored = _parsed(data)
        if stored is None:
            aside = self._put_aside(file)
            raise DamagedError(f"{file.name} was damaged and is now {aside.name}")
        return stored

    def save(self, wanted_id: str, stored: Stored) -> None:
        """Put a new certificate in the place of the old one, at once; the key of the order has then done its work."""
        key, chain, ca = stored.issued.key.reveal(), stored.issued.chain, stored.issued.ca
        body = _ended(key) + _ended(chain) + (_AUTHORITIES + ca if ca else b"")
        header = _Header(stored.made, hashlib.sha256(body).hexdigest())
        keeping.write(self._named(wanted_id, ".pem"), b"# " + msgspec.json.encode(header) + b"\n" + body)
        keeping.remove(self._named(wanted_id, ".key"))

    def pending(self, wanted_id: str) -> Sensitive | None:
        """The key of an order that was begun."""
        data = keeping.read(self._named(wanted_id, ".key"))
        return Sensitive(data) if data else None

    def save_pending(self, wanted_id: str, key: Sensitive) -> None:
        """Keep the key of an order that is about to begin."""
        keeping.write(self._named(wanted_id, ".key"), key.reveal())

    def moments(self, wanted_id: str) -> Moments:
        """When what is to happen; nothing known when nobody has said, or the file is damaged."""
        try:
            return msgspec.json.decode(keeping.read(self._named(wanted_id, ".json")) or b"{}", type=Moments)
        except (msgspec.DecodeError, EngineError):
            return Moments()

    def save_moments(self, wanted_id: str, moments: Moments) -> None:
        """Remember it."""
        keeping.write(self._named(wanted_id, ".json"), msgspec.json.encode(moments))

    def _named(self, wanted_id: str, suffix: str) -> Path:
        readable = _UNSAFE.sub("_", wanted_id.lower())[:80]
        digest = hashlib.sha256(wanted_id.encode()).hexdigest()[:12]
        return Path(f"{self._folder}/{readable}-{digest}{suffix}")

    def _put_aside(self, file: Path) -> Path:
        for number in range(1, 1000):
            aside = file.with_name(f"{file.name}.damaged-{number}")
            if not aside.exists():
                try:
                    return file.rename(aside)
                except OSError as error:
                    raise EngineError(f"{file} is damaged, and cannot be put aside: {error.strerror}") from error
        raise EngineError(f"{file} is damaged, again: remove what was put aside before")


def _ended(text: bytes) -> bytes:
    return text if text.endswith(b"\n") else text + b"\n"


def _parsed(data: bytes) -> Stored | None:
    first, _, body = data.partition(b"\n")
    try:
        header = msgspec.json.decode(first.removeprefix(b"# "), type=_Header)
    except msgspec.DecodeError:
        return None
    if header.digest != hashlib.sha256(body).hexdigest():
        return None
    own, _, ca = body.partition(_AUTHORITIES)
    key, begin, rest = own.partition(_CHAIN)
    return Stored(header.made, Issued(begin + rest, Sensitive(key), ca))


def same_issue(moments: Moments, stored: Stored | None) -> Moments:
    """The moments, without those of another certificate than the one in use."""
    if stored is not None and moments.serial == stored.made.serial:
        return moments
    return structs.replace(moments, serial="", renew_at=0.0, window=(0.0, 0.0), rule="", ask_at=0.0)
