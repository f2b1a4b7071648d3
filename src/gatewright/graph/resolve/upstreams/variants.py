"""The variant of a BackendKey: how one port of a Service is spoken to, as text that names its Envoy cluster.

References that ask for the same have the same variant and share a cluster, so what only says the usual is left out.
The text is readable and stable, such as `https+balance=maglev+connect=5s`; `decode` reads it back.
Counterpart: `backends`, which makes variants of references and Backends of variants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, unquote

from msgspec import Struct, structs

from gatewright.kinds.identity import Key
from gatewright.kinds.intents.routing import HashKey, HealthCheck, Upstream, UpstreamTls

USUAL: Final = Upstream(balance="least-request", connect_timeout=10.0, idle_timeout=50.0)
"""How backends are connected to where nobody says otherwise.

An idle connection is kept for less than the 60 s and more that servers keep theirs.
"""

NOTHING: Final = Upstream()
BY_HASH: Final = frozenset({"ring-hash", "maglev"})
VERIFIED: Final = "verified"
EXTERNAL: Final = "external"
LISTED: Final = "listed"
_PROXY: Final = "proxy"
_OWNER: Final = "for"
_JOINT: Final = "+"


class Variant(Struct, frozen=True):
    """A variant, taken apart.

    `verified`: its certificate is verified by the system's authorities, as Traefik does without a ServersTransport.
    `owner`: whose limits they are, where others who ask for the same must not count.
    `external`: not a Service, but a host outside of any cluster, by name or address.  `listed`: not a Service, but a
    Backend, which lists its endpoints itself.
    """

    scheme: str = ""
    transport: Key | None = None
    verified: bool = False
    proxy_protocol: int = 0
    external: bool = False
    listed: bool = False
    upstream: Upstream = NOTHING
    owner: str = ""


class _Word(Struct, frozen=True):
    """How a field is written: `word=value`."""

    word: str
    field: str
    write: Callable[[Any], str]
    read: Callable[[str], Any]


def _quoted(text: str) -> str:
    return quote(text, safe="/:*,@")


def _seconds(value: float) -> str:
    return f"{int(value) if value == int(value) else value!r}s"


def _of_seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def _key(key: Key) -> str:
    return "/".join(quote(part, safe="") for part in (key.kind, key.namespace, key.name))


def _of_key(text: str) -> Key:
    return Key(*(unquote(part) for part in text.split("/")))


def _ranges(statuses: tuple[tuple[int, int], ...]) -> str:
    return ",".join(f"{first}-{last}" for first, last in statuses)


def _of_ranges(text: str) -> tuple[tuple[int, int], ...]:
    return tuple((int(first), int(last)) for first, _, last in (one.partition("-") for one in text.split(",")))


def _of_flag(text: str) -> bool:
    return text == "yes"


def _flag(value: bool) -> str:
    return "yes" if value else "no"


_CONNECTIONS: Final = (
    _Word("balance", "balance", _quoted, unquote),
    _Word("connect", "connect_timeout", _seconds, _of_seconds),
    _Word("idle", "idle_timeout", _seconds, _of_seconds),
    _Word("connections", "max_connections", str, int),
    _Word("pending", "max_pending", str, int),
    _Word("requests", "max_requests", str, int),
    _Word("per-connection", "max_requests_per_connection", str, int),
    _Word("errors", "outlier_errors", str, int),
    _Word("errors-for", "outlier_seconds", _seconds, _of_seconds),
)
_TLS: Final = (
    _Word("verify", "verify", _flag, _of_flag),
    _Word("sni", "server_name", _quoted, unquote),
    _Word("name", "verify_name", _quoted, unquote),
    _Word("ca", "ca", _key, _of_key),
    _Word("ca-entry", "ca_entry", _quoted, unquote),
    _Word("client", "client", _key, _of_key),
)
_HEALTH: Final = (
    _Word("health", "path", _quoted, unquote),
    _Word("health-every", "interval", _seconds, _of_seconds),
    _Word("health-timeout", "timeout", _seconds, _of_seconds),
    _Word("health-well", "healthy", str, int),
    _Word("health-unwell", "unhealthy", str, int),
    _Word("health-statuses", "statuses", _ranges, _of_ranges),
    _Word("health-host", "host", _quoted, unquote),
    _Word("health-port", "port", str, int),
    _Word("health-panic", "panic", str, int),
)


@lru_cache(maxsize=1024)
def encode(variant: Variant) -> str:
    """The text of a variant; "" for the usual one.  `decode` is its inverse."""
    parts = [variant.scheme] if variant.scheme else []
    if variant.external:
        parts.append(EXTERNAL)
    if variant.listed:
        parts.append(LISTED)
    if variant.transport is not None:
        parts.append(f"{variant.transport.kind}={_transport(variant.transport)}")
    if variant.verified:
        parts.append(VERIFIED)
    if variant.proxy_protocol:
        parts.append(f"{_PROXY}{variant.proxy_protocol}")
    parts += _words(_CONNECTIONS, variant.upstream, NOTHING)
    if variant.upstream.tls is not None:
        parts += _words(_TLS, variant.upstream.tls, UpstreamTls(), always="verify")
    if variant.upstream.health is not None:
        parts += _words(_HEALTH, variant.upstream.health, HealthCheck(), always="path")
    if variant.owner:
        parts.append(f"{_OWNER}={quote(variant.owner, safe='/:')}")
    return _JOINT.join(parts)


@lru_cache(maxsize=1024)
def decode(text: str) -> Variant:
    """The variant that `encode` made this text of."""
    variant = Variant()
    said: dict[str, str] = {}
    for part in text.split(_JOINT):
        word, equals, value = part.partition("=")
        if equals and word[0].isupper():
            namespace, _, name = value.partition("/")
            variant = structs.replace(variant, transport=Key(word, unquote(namespace), unquote(name)))
        elif equals:
            said[word] = value
        elif part == VERIFIED:
            variant = structs.replace(variant, verified=True)
        elif part == EXTERNAL:
            variant = structs.replace(variant, external=True)
        elif part == LISTED:
            variant = structs.replace(variant, listed=True)
        elif part.startswith(_PROXY):
            variant = structs.replace(variant, proxy_protocol=int(part.removeprefix(_PROXY)))
        else:
            variant = structs.replace(variant, scheme=part)
    variant = structs.replace(variant, owner=unquote(said.pop(_OWNER, "")))
    if not said:
        return variant
    upstream = Upstream(
        **_fields(_CONNECTIONS, said),
        tls=UpstreamTls(**_fields(_TLS, said)) if "verify" in said else None,
        health=HealthCheck(**_fields(_HEALTH, said)) if "health" in said else None,
    )
    return structs.replace(variant, upstream=upstream)


@lru_cache(maxsize=1024)
def unusual(upstream: Upstream | None) -> Upstream:
    """What of it differs from `USUAL`: the rest makes no cluster of its own."""
    if upstream is None:
        return NOTHING
    same = [word.field for word in _CONNECTIONS if getattr(upstream, word.field) == getattr(USUAL, word.field)]
    return structs.replace(upstream, **{name: getattr(NOTHING, name) for name in same})


def by_hash(upstream: Upstream | None, keys: tuple[HashKey, ...]) -> Upstream | None:
    """The same, balanced so that `keys` count: other balances than those by hash know nothing of them."""
    if not keys or (upstream is not None and upstream.balance in BY_HASH):
        return upstream
    return structs.replace(upstream or NOTHING, balance="maglev")


def limited(text: str, most: int, whose: str) -> str:
    """The variant with at most `most` requests at the same time, counted for `whose` alone."""
    variant = decode(text)
    upstream = structs.replace(variant.upstream, max_requests=min(most, variant.upstream.max_requests or most))
    return encode(structs.replace(variant, upstream=upstream, owner=whose))


def _transport(key: Key) -> str:
    return f"{quote(key.namespace, safe='')}/{quote(key.name, safe='')}"


def _words(words: tuple[_Word, ...], value: Struct, usual: Struct, always: str = "") -> Iterator[str]:
    for one in words:
        said = getattr(value, one.field)
        if one.field == always or said != getattr(usual, one.field):
            yield f"{one.word}={one.write(said)}"


def _fields(words: tuple[_Word, ...], said: dict[str, str]) -> dict[str, Any]:
    return {one.field: one.read(said[one.word]) for one in words if one.word in said}
