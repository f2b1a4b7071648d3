"""What the configuration of a controller, or a policy, says of the door itself: peers, PROXY protocol, TLS.

Pure but for the policies that are looked up.  Counterpart: `options`, for what such a configuration says of rules.
"""

from __future__ import annotations

from typing import TypeVar

from msgspec import structs

from gatewright.graph.nodes import Gateway, Listener, TlsSettings
from gatewright.graph.objects import View
from gatewright.graph.resolve.options import policies_at
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import EntrySettings
from gatewright.kinds.intents.options import DoorOptions

_Peers = TypeVar("_Peers", tuple[str, ...], tuple[str, ...] | None)
EVERYBODY = ("0.0.0.0/0", "::/0")
_WITHOUT_HTTP2 = ("http/1.1",)


def configured(gateway: Gateway) -> Gateway:
    """The door as the options that it has say; as it is where they say nothing of the door itself."""
    said = gateway.options.door
    if said is None:
        return gateway
    settings = structs.replace(
        gateway.settings,
        forwarded_from=_peers(said, said.forwarded, gateway.settings.forwarded_from),
        proxy_protocol_from=_peers(said, said.proxy_protocol, gateway.settings.proxy_protocol_from),
        snippets=gateway.settings.snippets if said.snippets is None else said.snippets,
    )
    return structs.replace(
        gateway,
        settings=settings,
        listeners=tuple(_with_tls(listener, said) for listener in gateway.listeners),
        ports=tuple(structs.replace(port, settings=tls(port.settings, said)) for port in gateway.ports),
    )


def by_policy(view: View, gateway: Key, listener: Listener) -> Listener:
    """A listener of a Gateway as policies that attach to it say: the most specific one alone, then the oldest."""
    ranked = [
        (not target.section, policy.created or "~", policy.key, policy.options.door)
        for policy in policies_at(view, gateway)
        for target in policy.targets
        if policy.options.door is not None and target.key == gateway and target.section in ("", listener.name)
    ]
    said = min(ranked, key=lambda one: one[:3])[3] if ranked else None
    if said is None:
        return listener
    own = EntrySettings(
        forwarded_from=_peers(said, said.forwarded, listener.own.forwarded_from),
        proxy_protocol_from=_peers(said, said.proxy_protocol, listener.own.proxy_protocol_from),
    )
    return structs.replace(_with_tls(listener, said), own=own)


def _peers(said: DoorOptions, on: bool | None, otherwise: _Peers) -> _Peers | tuple[str, ...]:
    if on is None:
        return otherwise
    return (said.trusted or EVERYBODY) if on else ()


def _with_tls(listener: Listener, said: DoorOptions) -> Listener:
    if not listener.tls or listener.passthrough:
        return listener
    return structs.replace(listener, settings=tls(listener.settings, said))


def tls(settings: TlsSettings, said: DoorOptions) -> TlsSettings:
    """TLS settings with what is said of them; what a listener says itself stays."""
    return structs.replace(
        settings,
        min_version=settings.min_version or said.min_version,
        max_version=settings.max_version or said.max_version,
        ciphers=settings.ciphers or said.ciphers,
        alpn=settings.alpn or (_WITHOUT_HTTP2 if said.http2 is False else ()),
    )
