"""What every export is made of: the zones to say, a place for what could not be said, and the constant that each format
exports.

Counterparts: `records`, which brings zones into the form that formats write; `checking`, which runs a target's own
checker over what was written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from gatewright.graph.names.serving import View, Zone
from gatewright.kinds.intents.naming import Record


class Content(Struct, frozen=True):
    """A zone and everything in it by name, as `serving.contents` answers."""

    zone: Zone
    names: Mapping[str, tuple[Record, ...]]


class Source(Struct, frozen=True):
    """What is to be exported: the chosen zones, and all views, since who sees one depends on the others."""

    views: tuple[View, ...]
    zones: tuple[Content, ...]


class Settings(Struct, frozen=True):
    """What the user decides.  `serial` of every SOA; `server` "address[#port]" for nsupdate; `tunnel` and `service` of
    cloudflared."""

    serial: int
    server: str = ""
    tunnel: str = ""
    service: str = ""


class Loss(Struct, frozen=True, order=True):
    """Something that a format cannot say.  `kind` is one of the format's `losses`, or of `records.LOSSES`."""

    kind: str
    subject: str


class Exported(Struct, frozen=True):
    """Files by relative path, and what they do not say."""

    files: Mapping[str, str]
    losses: tuple[Loss, ...]


class Format(Struct, frozen=True):
    """One target.  `makes`: its files, in words; `losses`: what it cannot say, by kind, as sentences about a subject;
    `needs`: settings that the user has to give."""

    name: str
    title: str
    makes: str
    losses: Mapping[str, str]
    write: Callable[[Source, Settings], Exported]
    needs: tuple[str, ...] = ()
