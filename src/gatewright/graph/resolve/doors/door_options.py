"""What the configuration of a controller, or a policy, says of the door itself: peers, PROXY protocol, TLS.

Pure but for the policies that are looked up.  Counterpart: `options`, for what such a configuration says of rules.
"""

from __future__ import annotations

from typing import TypeVar

from msgspec import structs

from gatewright.base.problem import Problem, Severity
from gatewright.graph.nodes import Gateway, Listener, TlsSettings
from gatewright.graph.objects import View
from gatewright.graph.resolve.certificates import authorities
from gatewright.graph.resolve.references import granted
from gatewright.graph.resolve.rules.policies import at_listener
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import EntrySettings
from gatewright.kinds.intents.options import ClientAuth, DoorOptions

_Peers = TypeVar("_Peers", tuple[str, ...], tuple[str, ...] | None)
EVERYBODY = ("0.0.0.0/0", "::/0")
NO_AUTHORITY = "InvalidCACertificateRef"
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
    """A listener of a Gateway as policies that attach to it say: the nearest alone, then the oldest."""
    found = (one.policy for one in at_listener(view, gateway, listener.name))
    policy = next((one for one in found if one.options.door is not None or one.options.client is not None), None)
    if policy is None:
        return listener
    client, said = policy.options.client, policy.options.door or DoorOptions()
    own = EntrySettings(
        forwarded_from=_peers(said, said.forwarded, listener.own.forwarded_from),
        proxy_protocol_from=_peers(said, said.proxy_protocol, listener.own.proxy_protocol_from),
        request_timeout=said.request_timeout,
        keepalive_timeout=said.keepalive_timeout,
        idle_timeout=said.idle_timeout,
        trusted_hops=said.trusted_hops,
        header=said.header,
    )
    made = structs.replace(_with_tls(listener, said), own=own)
    return made if client is None else _asking(view, policy.key, made, client)


def _asking(view: View, policy: Key, listener: Listener, client: ClientAuth) -> Listener:
    """The listener with client certificates; what cannot verify them refuses the listener rather than open it."""
    if not listener.tls or listener.passthrough:
        return listener
    why, bundle = "no CA is named to verify client certificates with", b""
    if client.ca is not None and not granted(view, policy, client.ca):
        why = f"{policy} may not use {client.ca}"
    elif client.ca is not None:
        bundle, missing = authorities(view, (client.ca,), client.ca_entry)
        why = f"{client.ca} with the CA of client certificates is missing, or holds none" if missing else ""
    if not why:
        mode = "verify" if client.mode == "optional" else "require"
        settings = structs.replace(listener.settings, client_ca=bundle, client_mode=mode)
        return structs.replace(listener, settings=settings)
    hint = "create it with the key ca.crt; until then nothing is served there"
    problem = Problem("client-ca-missing", f"{policy}: {why}", client.origin, Severity.ERROR, hint)
    return structs.replace(listener, conflict=NO_AUTHORITY, problems=(*listener.problems, problem))


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
        alpn=settings.alpn or said.alpn or (_WITHOUT_HTTP2 if said.http2 is False else ()),
    )
