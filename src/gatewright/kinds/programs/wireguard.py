"""WireGuard configuration files (wg-quick): one end of a Link.

The public key is derived from the private key, which is then forgotten; no message repeats any text of such a file
except the names of its options, since a key may stand anywhere.
"""

from __future__ import annotations

import base64
import binascii

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec import Struct

from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem
from gatewright.kinds.decode import key_of
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.places import LinkType
from gatewright.kinds.intents.programs import LinkFileIntent, WireGuardPeer
from gatewright.kinds.kind import Kind
from gatewright.kinds.programs import configtext, files
from gatewright.kinds.programs.configtext import Notes

_INTERFACE = {
    option.lower(): option
    for option in (
        *("PrivateKey", "ListenPort", "FwMark", "Address", "DNS", "MTU", "Table", "PreUp", "PostUp", "PreDown"),
        *("PostDown", "SaveConfig"),
    )
}
_PEER = {
    option.lower(): option for option in ("PublicKey", "PresharedKey", "AllowedIPs", "Endpoint", "PersistentKeepalive")
}
_SPELLED = _INTERFACE | _PEER
_COMMANDS = frozenset(("preup", "postup", "predown", "postdown"))


class _Option(Struct, frozen=True):
    name: str
    value: str
    line: int


class _Section(Struct):
    name: str
    line: int
    options: list[_Option]


def parse(text: str, origin: Origin, key: Key | None = None) -> tuple[LinkFileIntent, tuple[Problem, ...]]:
    """What a WireGuard configuration says; `key` is that of the file."""
    long = configtext.too_long(text, origin)
    notes = Notes(origin)
    sections = [] if long else _sections(text, notes)
    interface = [option for section in sections if section.name == "interface" for option in section.options]
    if not long and not any(section.name == "interface" for section in sections):
        notes.error("missing-field", "there is no section [Interface]", 1)
    intent = LinkFileIntent(
        key or Key(KIND.name, "", origin.file),
        origin,
        LinkType.WIREGUARD,
        addresses=tuple(_addresses(interface, notes)),
        mtu=_number(interface, "mtu", 576, 65535, notes),
        listen_port=_number(interface, "listenport", 0, 65535, notes),
        public_key=_public_key(interface, notes),
        peers=tuple(_peer(section, notes) for section in sections if section.name == "peer"),
    )
    _note_unread(interface, notes)
    return intent, (*long, *notes.problems())


def _sections(text: str, notes: Notes) -> list[_Section]:
    sections: list[_Section] = []
    for line, raw in configtext.lines_of(text):
        stripped = raw.partition("#")[0].strip()
        if not stripped:
            continue
        if stripped.startswith("["):
            name = stripped.strip("[]").strip().lower()
            if name not in ("interface", "peer"):
                notes.error("unknown-section", "the section is neither [Interface] nor [Peer]", line)
            sections.append(_Section(name, line, []))
            continue
        option = _option(stripped, line, sections[-1].name if sections else "", notes)
        if option is not None:
            sections[-1].options.append(option)
    return sections


def _option(text: str, line: int, section: str, notes: Notes) -> _Option | None:
    name, equals, value = text.partition("=")
    folded = name.strip().lower()
    if section not in ("interface", "peer"):
        if not section:
            notes.error("invalid-value", "the line stands before the first section", line)
        return None
    known = _INTERFACE if section == "interface" else _PEER
    if equals and folded in known:
        return _Option(folded, value.strip(), line)
    if folded in _SPELLED:
        message = f"{_SPELLED[folded]} has to be in another section" if equals else f"{_SPELLED[folded]} has no value"
        notes.error("invalid-value", message, line)
        return None
    hint = notes.suggest(folded, known.values())
    notes.error("unknown-option", f"the line is no option of [{section.capitalize()}]", line, hint)
    return None


def _addresses(options: list[_Option], notes: Notes) -> list[str]:
    found = []
    for option, item in _items(options, "address"):
        ip = configtext.address(item.partition("/")[0]) if configtext.cidr(item) else ""
        if ip:
            found.append(ip)
        else:
            notes.error("invalid-value", "Address holds something that is no address", option.line)
    return found


def _items(options: list[_Option], name: str) -> list[tuple[_Option, str]]:
    return [
        (option, item.strip())
        for option in options
        if option.name == name
        for item in option.value.split(",")
        if item.strip()
    ]


def _number(options: list[_Option], name: str, least: int, most: int, notes: Notes) -> int:
    number = 0
    for option in options:
        if option.name != name:
            continue
        value = option.value
        if value.isascii() and value.isdigit() and len(value) < 6 and least <= int(value) <= most:
            number = int(value)
        else:
            notes.error("invalid-value", f"{_SPELLED[name]} is no number from {least} to {most}", option.line)
    return number


def _key(text: str) -> bytes:
    """The 32 octets of a key, nothing if it is none."""
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return octets if len(octets) == 32 else b""


def _public_key(options: list[_Option], notes: Notes) -> str:
    public = ""
    for option in options:
        if option.name != "privatekey":
            continue
        octets = _key(option.value)
        if octets:
            public = base64.b64encode(
                X25519PrivateKey.from_private_bytes(octets).public_key().public_bytes_raw()
            ).decode()
        elif "<" in option.value or "$" in option.value:
            notes.info("placeholder", "PrivateKey is a placeholder, so the public key is not known", option.line)
        else:
            notes.error("invalid-value", "PrivateKey is not the base64 of 32 octets", option.line)
    return public


def _peer(section: _Section, notes: Notes) -> WireGuardPeer:
    public, endpoint, preshared, allowed = "", "", False, []
    for option in section.options:
        if option.name == "publickey":
            public = option.value if _key(option.value) else ""
            if not public:
                notes.error("invalid-value", "PublicKey is not the base64 of 32 octets", option.line)
        elif option.name == "endpoint":
            endpoint = _endpoint(option, notes)
        elif option.name == "presharedkey":
            preshared = True
    for option, item in _items(section.options, "allowedips"):
        network = configtext.cidr(item)
        if network:
            allowed.append(network)
        else:
            notes.error("invalid-value", "AllowedIPs holds something that is no network", option.line)
    if not any(option.name == "publickey" for option in section.options):
        notes.error("missing-field", "the [Peer] has no PublicKey", section.line)
    return WireGuardPeer(public, notes.at(section.line), endpoint, tuple(allowed), preshared)


def _endpoint(option: _Option, notes: Notes) -> str:
    host, colon, port = option.value.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if colon and port.isascii() and port.isdigit() and (configtext.address(bare) or configtext.name(bare)):
        return option.value
    notes.error("invalid-value", "Endpoint is not host:port", option.line, "an IPv6 address goes into brackets")
    return ""


def _note_unread(options: list[_Option], notes: Notes) -> None:
    """Options that may change the ways, and are not followed."""
    for option in options:
        if option.name in _COMMANDS:
            notes.info("unsupported-option", f"the command of {_SPELLED[option.name]} is not followed", option.line)
        elif option.name == "table" and option.value.lower() != "auto":
            message = "Table is not auto: it is assumed that something else routes AllowedIPs"
            notes.info("unsupported-option", message, option.line)


def lower(document: Document) -> Lowered:
    """Lower a WireGuard configuration."""
    intent, problems = parse(configtext.text_of(document), document.origin, key_of(document))
    return Lowered(intent, problems)


KIND = Kind("WireGuardConfig", (files.API_VERSION,), lower, namespaced=False)
