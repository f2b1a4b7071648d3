"""The listeners and ports of a Gateway API Gateway with its ListenerSets: conflicts, certificates, TLS settings.

Counterpart for every other kind of door: `controllers`.  Both end in `ports`, which says what each socket
amounts to.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import structs

from gatewright.base.hostnames import Depth
from gatewright.base.problem import Problem, Severity
from gatewright.graph.nodes import Gateway, Listener, Port, TlsSettings
from gatewright.graph.objects import View
from gatewright.graph.resolve.certificates import authorities, promised
from gatewright.graph.resolve.doors.door_options import by_policy
from gatewright.graph.resolve.references import grant, grant_hint, granted, namespace_allowed
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import (
    ControllerIntent,
    DoorSettings,
    FrontendTls,
    GatewayIntent,
    ListenerIntent,
    ListenerSetIntent,
)
from gatewright.kinds.intents.material import SecretIntent, ServiceIntent
from gatewright.kinds.intents.routing import Dialect, Protocol
from gatewright.kinds.site_map.ingresscontroller import GATEWAY_API

WITH_TLS = (Protocol.HTTPS, Protocol.TLS)


def gateway(view: View, intent: GatewayIntent) -> Gateway:
    """Resolve a Gateway and the ListenerSets that it admits, oldest set first (GEP-1713)."""
    listeners: list[Listener] = [_listener(view, intent.key, item, item.name) for item in intent.listeners]
    for group in _listener_sets(view, intent):
        prefix = f"{group.key.namespace}/{group.key.name}"
        listeners += [_listener(view, group.key, item, f"{prefix}/{item.name}") for item in group.listeners]
    listeners = [by_policy(view, intent.key, item) for item in listeners]
    resolved = with_tls_apart(without_conflicts(listeners))
    added = addition(view, intent.key)
    return Gateway(
        id=f"{intent.key.namespace}/{intent.key.name}",
        key=intent.key,
        dialect=Dialect.GATEWAY_API,
        implementation=intent.class_name,
        origin=intent.origin,
        depth=Depth.MANY,
        listeners=resolved,
        ports=ports(resolved),
        addresses=tuple(dict.fromkeys((*intent.addresses, *(addresses(view, added) if added else ())))),
        allow_no_sni=False,
        settings=_settings(added.settings if added else DoorSettings(), resolved),
        service=added.service if added else None,
    )


def _settings(said: DoorSettings, listeners: Iterable[Listener]) -> DoorSettings:
    """Access lists ask the door whom it believes about clients: everybody whom one of its listeners does."""
    own = [cidr for item in listeners for cidr in item.own.forwarded_from or ()]
    return structs.replace(said, forwarded_from=tuple(dict.fromkeys((*said.forwarded_from, *own)))) if own else said


def addition(view: View, gateway: Key) -> ControllerIntent | None:
    """What the site map adds to a Gateway: the IngressController `gateway-api` of its namespace and name."""
    key = Key("IngressController", gateway.namespace, gateway.name)
    controller = view.get(key, ControllerIntent)
    return controller if controller and controller.implementation == GATEWAY_API else None


def addresses(view: View, described: ControllerIntent) -> tuple[str, ...]:
    """A door's addresses as its IngressController describes them, else those of its Service."""
    if described.addresses or described.service is None:
        return described.addresses
    service = view.get(described.service, ServiceIntent)
    return service.load_balancer_ips if service else ()


def _listener_sets(view: View, intent: GatewayIntent) -> list[ListenerSetIntent]:
    admitted = [
        group for group in view.listed("listener-sets", intent.key, ListenerSetIntent) if _admits(view, intent, group)
    ]
    return sorted(admitted, key=lambda group: (group.created or "~", group.key))


def _admits(view: View, intent: GatewayIntent, group: ListenerSetIntent) -> bool:
    return namespace_allowed(view, intent.allowed_listeners, intent.key.namespace, group.key.namespace)


def turned_away(view: View, intent: GatewayIntent) -> tuple[Problem, ...]:
    """A Problem for each ListenerSet that a Gateway does not admit."""
    hint = "allow its namespace in spec.allowedListeners.namespaces of the Gateway"
    return tuple(
        Problem(
            "listener-set-not-admitted", f"{intent.key} does not admit {group.key}", group.origin, Severity.ERROR, hint
        )
        for group in view.listed("listener-sets", intent.key, ListenerSetIntent)
        if not _admits(view, intent, group)
    )


def _listener(view: View, owner: Key, item: ListenerIntent, name: str) -> Listener:
    certificates: tuple[Key, ...] = ()
    problems: tuple[Problem, ...] = ()
    settings, conflict = TlsSettings(), ""
    if item.tls is not None and item.protocol in WITH_TLS:
        certificates, problems = _certificates(view, owner, item.tls)
        settings, conflict, more = tls_settings(view, item.tls)
        problems += more
    return Listener(
        name=name,
        port=item.port,
        protocol=item.protocol,
        hostname=item.hostname,
        origin=item.origin,
        tls=item.protocol in WITH_TLS,
        passthrough=item.tls is not None and item.tls.passthrough,
        certificates=certificates,
        settings=settings,
        conflict=conflict,
        problems=problems,
    )


def _certificates(view: View, owner: Key, tls: FrontendTls) -> tuple[tuple[Key, ...], tuple[Problem, ...]]:
    """The usable ones of a listener's certificateRefs; a Problem for each of the others."""
    usable: list[Key] = []
    problems: list[Problem] = []
    for key in tls.certificates:
        if not granted(view, owner, key):
            message, hint, snippet = f"{owner} may not use {key}", grant_hint(owner, key), grant(owner, key)
            problems.append(Problem("reference-not-permitted", message, tls.origin, Severity.ERROR, hint, snippet))
        elif view.certificate(key) is not None:
            usable.append(key)
        elif view.get(key, SecretIntent) is None and not promised(view, key, _annotations(view, owner)):
            hint = "create it; until then a certificate of the private CA is served"
            message = f"{key} does not exist"
            problems.append(Problem("certificate-missing", message, tls.origin, Severity.INFO, hint))
    return tuple(usable), tuple(problems)


def _annotations(view: View, owner: Key) -> tuple[tuple[str, str], ...]:
    gateway = view.get(owner, GatewayIntent)
    return gateway.annotations if gateway is not None else ()


def tls_settings(view: View, tls: FrontendTls) -> tuple[TlsSettings, str, tuple[Problem, ...]]:
    """Versions, ciphers and client authentication; a non-empty conflict refuses the listener.

    Client certificates that cannot be verified (the CA is missing) must not become optional: the listener is
    refused rather than opened.
    """
    bundle, missing = authorities(view, tls.client_ca)
    settings = TlsSettings(
        min_version=tls.min_version,
        max_version=tls.max_version,
        ciphers=tls.ciphers,
        alpn=tls.alpn,
        client_ca=bundle,
        client_mode=tls.client_mode,
        sni_strict=tls.sni_strict,
    )
    if tls.client_mode == "require" and missing:
        names = ", ".join(str(key) for key in missing)
        problem = Problem(
            "client-ca-missing",
            f"client certificates are required but {names} with their CA is missing",
            tls.origin,
            Severity.ERROR,
            "create it with the key ca.crt; until then nothing is served there",
        )
        return settings, "InvalidCACertificateRef", (problem,)
    return settings, "", ()


def _group(listener: Listener) -> str:
    """Listeners of one group may share a port when their hostnames differ."""
    match listener.protocol:
        case Protocol.HTTPS | Protocol.TLS:
            return "tls"
        case protocol:
            return protocol.value


def without_conflicts(listeners: Iterable[Listener]) -> tuple[Listener, ...]:
    """Mark what cannot stand beside an earlier listener: another protocol on its port, or its very hostname."""
    groups: dict[tuple[int, bool], str] = {}
    taken: dict[tuple[int, str, str], str] = {}
    result = []
    for listener in listeners:
        conflict = listener.conflict
        group = _group(listener)
        first = groups.setdefault((listener.port, listener.protocol is Protocol.UDP), group)
        hostname = listener.hostname if group in ("tls", "HTTP") else "*"
        holder = taken.setdefault((listener.port, group, hostname), listener.name)
        if first != group:
            conflict = conflict or "ProtocolConflict"
        elif holder != listener.name:
            conflict = conflict or "HostnameConflict"
        result.append(_with_conflict(listener, conflict))
    return tuple(result)


def with_tls_apart(listeners: Iterable[Listener]) -> tuple[Listener, ...]:
    """A port ends TLS as the first of its listeners wants it; others that want it otherwise keep to themselves."""
    first: dict[int, Listener] = {}
    result = []
    for listener in listeners:
        ends_tls = listener.tls and not listener.passthrough and not listener.conflict
        holder = first.setdefault(listener.port, listener) if ends_tls else listener
        apart = holder.settings != listener.settings
        result.append(structs.replace(listener, apart=True) if apart else listener)
    return tuple(result)


def _with_conflict(listener: Listener, conflict: str) -> Listener:
    if conflict == listener.conflict:
        return listener
    words = {
        "ProtocolConflict": f"port {listener.port} already speaks another protocol",
        "HostnameConflict": f"port {listener.port} already has a listener for {listener.hostname}",
    }
    problem = Problem(
        "listener-conflict",
        f"listener {listener.name} is not opened: {words[conflict]}",
        listener.origin,
        Severity.ERROR,
        "give it another port or hostname",
    )
    return structs.replace(listener, conflict=conflict, problems=(*listener.problems, problem))


def ports(listeners: Iterable[Listener]) -> tuple[Port, ...]:
    """The sockets that these listeners need, in order of number."""
    sockets: dict[tuple[int, bool], list[Listener]] = {}
    for listener in listeners:
        if not listener.conflict:
            sockets.setdefault((listener.port, listener.protocol is Protocol.UDP), []).append(listener)
    return tuple(
        Port(
            number=number,
            udp=udp,
            tls=any(item.tls for item in group),
            plain=any(not item.tls for item in group),
            http=any(item.protocol in (Protocol.HTTP, Protocol.HTTPS) for item in group),
            listeners=tuple(item.name for item in group),
            settings=next((item.settings for item in group if item.tls and not item.passthrough), TlsSettings()),
        )
        for (number, udp), group in sorted(sockets.items())
    )
