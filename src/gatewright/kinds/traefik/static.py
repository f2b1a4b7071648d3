"""Traefik's static configuration: entry points, providers and their permissions, from wherever it is written.

A command line, a file (YAML or TOML) and the values of the chart become the same words, so that there is one reading of
them: `from_arguments`, `from_mapping`, and `graph.resolve.doors.helm_values`.  What of it is not carried over is told
by `static_features`.  Counterpart: `site_map.ingresscontroller`, where the site map says the same by hand.
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from gatewright.base import yaml
from gatewright.base.origin import Origin
from gatewright.kinds.annotations.traefik.ingress import meanings
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import (
    ControllerIntent,
    DoorSettings,
    EntrySettings,
    FrontendTls,
    ListenerIntent,
    Redirection,
)
from gatewright.kinds.intents.filters import Filter, FilterRef, Redirect, Refuse
from gatewright.kinds.intents.options import Options
from gatewright.kinds.intents.routing import Protocol
from gatewright.kinds.traefik.common import NOT_FOUND, duration

Config = dict[str, str]
"""Options by name, lower-case and without dashes: `entrypoints.web.address` -> `:8000/tcp`."""

FILES = ("traefik.yml", "traefik.yaml", "traefik.toml")
"""What the file is called, beside Traefik or in a ConfigMap."""

EVERYBODY = ("0.0.0.0/0", "::/0")
REDIRECTION_PRIORITY = 2**63 - 2
"""That of the router of an entry point's redirection, unless one is given: before nearly all others."""

_ADDRESS = re.compile(r".*:([0-9]{1,5})(?:/(tcp|udp))?", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_DEPTH, _MOST = 16, 10_000


class EntryPoint(Struct, frozen=True):
    """One entry point: `port` is the one that the process listens on.

    `proxy_from` CIDRs that must send PROXY protocol, `forwarded_from` those whose X-Forwarded-* are believed.
    `redirects_to` is a port or the name of another entry point, "" for none.  Times in seconds, None as usual.
    """

    name: str
    port: int
    udp: bool = False
    tls: bool = False
    default: bool = False
    proxy_from: tuple[str, ...] = ()
    forwarded_from: tuple[str, ...] = ()
    redirects_to: str = ""
    redirect_scheme: str = "https"
    redirect_permanent: bool = True
    redirect_priority: int = REDIRECTION_PRIORITY
    middlewares: tuple[str, ...] = ()
    tls_options: str = ""
    read_timeout: float | None = None
    idle_timeout: float | None = None


class Providers(Struct, frozen=True):
    """What Traefik watches and lets pass.  `classes` it was limited to; `classless`: it serves objects without one.

    `used`: is any provider of Kubernetes on?
    """

    used: bool = True
    classes: tuple[str, ...] = ()
    classless: bool = True
    namespaces: tuple[str, ...] = ()
    external_name_crd: bool = False
    external_name_ingress: bool = False
    cross_namespace: bool = False
    strict_prefixes: bool = False
    publishes_status: bool | None = None


# --- reading --------------------------------------------------------------------------------------


def from_arguments(arguments: Iterable[str]) -> Config:
    """The options of a command line; one without a value is a switch."""
    config: Config = {}
    expecting = ""
    for argument in arguments:
        if argument.startswith("-"):
            name, equals, value = argument.lstrip("-").partition("=")
            expecting = "" if equals else name.lower()
            config[name.lower()] = value.strip().strip("\"'") if equals else "true"
        elif expecting:
            config[expecting] = argument
            expecting = ""
    return config


def from_mapping(values: Mapping[str, Any]) -> Config:
    """The options of a file: nested names joined, lists with commas.  An empty mapping is a switch, as in Traefik."""
    return dict(_flat(values, "", 0))


def _flat(values: Mapping[str, Any], before: str, depth: int) -> Iterator[tuple[str, str]]:
    for name, value in list(values.items())[:_MOST]:
        own = f"{before}{str(name).lower()}"
        if isinstance(value, Mapping):
            if not value:
                yield own, "true"
            elif depth < _DEPTH:
                yield from _flat(value, f"{own}.", depth + 1)
        elif isinstance(value, list):
            yield own, ",".join(str(item) for item in value if isinstance(item, str | int))
        elif isinstance(value, bool):
            yield own, str(value).lower()
        elif value is not None:
            yield own, str(value)


def from_text(name: str, text: str) -> Mapping[str, Any] | None:
    """The configuration in a file of this name; None when it is none."""
    if name.endswith(".toml"):
        try:
            return tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError):
            return None
    value = yaml.parse(text).value
    return value if isinstance(value, dict) else None


def entry_points(config: Config) -> list[EntryPoint]:
    """The entry points by name, without those whose address is none."""
    names = dict.fromkeys(key.split(".")[1] for key in config if key.startswith("entrypoints.") and key.count(".") > 1)
    found = (_entry_point(config, name) for name in sorted(names))
    return [point for point in found if point is not None]


def _entry_point(config: Config, name: str) -> EntryPoint | None:
    own = f"entrypoints.{name}"
    address = _ADDRESS.fullmatch(config.get(f"{own}.address", ""))
    if address is None or not 0 < int(address[1]) < 65536:
        return None
    redirection = f"{own}.http.redirections.entrypoint"
    timeouts = f"{own}.transport.respondingtimeouts"
    priority = config.get(f"{redirection}.priority", "")
    return EntryPoint(
        name=name,
        port=int(address[1]),
        udp=(address[2] or "").lower() == "udp",
        tls=_has_tls(config, own),
        default=_is_on(config, f"{own}.asdefault"),
        proxy_from=_trusted(config, f"{own}.proxyprotocol"),
        forwarded_from=_trusted(config, f"{own}.forwardedheaders"),
        redirects_to=config.get(f"{redirection}.to", "").strip(),
        redirect_scheme=config.get(f"{redirection}.scheme", "").strip().lower() or "https",
        redirect_permanent=config.get(f"{redirection}.permanent", "true").lower() not in ("false", "0", "f"),
        redirect_priority=int(priority) if re.fullmatch(r"-?[0-9]{1,19}", priority) else REDIRECTION_PRIORITY,
        middlewares=_list(config, f"{own}.http.middlewares"),
        tls_options=config.get(f"{own}.http.tls.options", "").strip(),
        read_timeout=duration(config.get(f"{timeouts}.readtimeout", "")),
        idle_timeout=duration(config.get(f"{timeouts}.idletimeout", "")),
    )


def _list(config: Config, name: str) -> tuple[str, ...]:
    """A list with commas, or option by option (`name[0]`)."""
    numbered = [config[key] for key in sorted(config) if key.startswith(f"{name}[")]
    return tuple(
        item for text in (config.get(name, ""), *numbered) for part in text.split(",") if (item := part.strip())
    )


def _has_tls(config: Config, own: str) -> bool:
    if f"{own}.http.tls" in config:
        return _is_on(config, f"{own}.http.tls")
    return any(key.startswith(f"{own}.http.tls.") for key in config)


def _trusted(config: Config, own: str) -> tuple[str, ...]:
    if _is_on(config, f"{own}.insecure"):
        return EVERYBODY
    return cidrs(_list(config, f"{own}.trustedips"))


def cidrs(texts: Iterable[str]) -> tuple[str, ...]:
    """Addresses and CIDRs as CIDRs; what is neither is left out."""
    found = []
    for text in texts:
        try:
            found.append(str(ipaddress.ip_network(text.strip(), strict=False)))
        except ValueError:
            continue
    return tuple(dict.fromkeys(found))


def providers(config: Config) -> Providers:
    """What the Kubernetes providers are told.  One that is not switched on asks for nothing."""
    crd, ingress = "providers.kubernetescrd", "providers.kubernetesingress"
    on = [provider for provider in (crd, ingress) if _is_used(config, provider)]
    classes = [config.get(f"{provider}.ingressclass", "") for provider in on]
    namespaces = [config.get(f"{provider}.namespaces", "") for provider in on]
    watched = {name.strip() for text in namespaces for name in text.split(",") if name.strip()}
    published = f"{ingress}.ingressendpoint."
    return Providers(
        used=bool(on),
        classes=tuple(dict.fromkeys(name for name in classes if name)),
        classless=not all(classes) or not classes,
        namespaces=tuple(sorted(watched)) if namespaces and all(namespaces) else (),
        external_name_crd=_is_on(config, f"{crd}.allowexternalnameservices"),
        external_name_ingress=_is_on(config, f"{ingress}.allowexternalnameservices"),
        cross_namespace=_is_on(config, f"{crd}.allowcrossnamespace"),
        strict_prefixes=_is_on(config, f"{ingress}.strictprefixmatching"),
        publishes_status=any(key.startswith(published) for key in config) if ingress in on else None,
    )


def _is_used(config: Config, provider: str) -> bool:
    if provider in config:
        return _is_on(config, provider)
    return any(key.startswith(f"{provider}.") for key in config)


def _is_on(config: Config, name: str) -> bool:
    return config.get(name, "").lower() in ("true", "1", "t")


# --- what it means ---------------------------------------------------------------------------------


def listener(point: EntryPoint, points: Iterable[EntryPoint], name: str, port: int, origin: Origin) -> ListenerIntent:
    """The listener that an entry point is for clients, who find it on `port`, under its `name` as written.

    It believes nobody but whom it names, also where another entry point of the door names somebody.
    """
    protocol = Protocol.UDP if point.udp else Protocol.HTTPS if point.tls else Protocol.HTTP
    return ListenerIntent(
        name=name,
        port=port,
        protocol=protocol,
        origin=origin,
        tls=FrontendTls(origin) if point.tls and not point.udp else None,
        own=EntrySettings(
            forwarded_from=point.forwarded_from,
            proxy_protocol_from=point.proxy_from,
            request_timeout=point.read_timeout,
            keepalive_timeout=point.idle_timeout,
        ),
        tls_options=_tls_options(point),
        options=Options(first=_middlewares(point, origin)),
        redirection=redirection(point, points, origin),
    )


def controller(config: Config, ports: Mapping[str, int], key: Key, origin: Origin) -> ControllerIntent:
    """The door that a Traefik with these options is: of its entry points those that clients find, on these `ports`."""
    points = {point.name: point for point in entry_points(config)}
    shown = [points[name] for name in ports]
    told = providers(config)
    settings = DoorSettings(
        proxy_protocol_from=tuple(dict.fromkeys(cidr for point in shown for cidr in point.proxy_from)),
        forwarded_from=tuple(dict.fromkeys(cidr for point in shown for cidr in point.forwarded_from)),
        publishes_status=told.publishes_status,
    )
    return ControllerIntent(
        key=key,
        origin=origin,
        implementation="traefik",
        listeners=tuple(listener(point, points.values(), point.name, ports[point.name], origin) for point in shown),
        classes=(*told.classes, "traefik") if told.classes and told.classless else told.classes,
        claims_classless=told.classless,
        default_entry_points=tuple(p.name for p in shown if p.default) or tuple(p.name for p in shown if not p.udp),
        tls_entry_points=tuple(point.name for point in shown if point.tls),
        namespaces=told.namespaces,
        allow_external_name_crd=told.external_name_crd,
        allow_external_name_ingress=told.external_name_ingress,
        allow_cross_namespace=told.cross_namespace,
        strict_prefixes=told.strict_prefixes,
        settings=settings,
    )


def _tls_options(point: EntryPoint) -> Key | None:
    """The TLSOption that is named; one that no manifest can hold is a reference that finds nothing."""
    if not point.tls_options or point.tls_options == "default":
        return None
    readings = meanings("TLSOption", point.tls_options, "")
    return readings[0] if readings else Key("TLSOption", "", point.tls_options)


def _middlewares(point: EntryPoint, origin: Origin) -> tuple[Filter, ...]:
    """Those that run before the middlewares of every router; without one of them Traefik builds none."""
    filters: list[Filter] = []
    for reference in point.middlewares:
        readings = meanings("Middleware", reference, "")
        if not readings:
            return (Refuse(origin, NOT_FOUND, f"the middleware {reference} of the entry point does not exist"),)
        filters.append(FilterRef(origin, readings[0], anywhere=True, others=readings[1:]))
    return tuple(filters)


def redirection(point: EntryPoint, points: Iterable[EntryPoint], origin: Origin) -> Redirection | None:
    """Where all of an entry point is redirected to; None where it is not, or to what does not exist."""
    to = point.redirects_to
    if not to or point.redirect_scheme not in _DEFAULT_PORTS:
        return None
    port = next((other.port for other in points if other.name == to.lower()), 0)
    if to.startswith(":") and to[1:].isdecimal() and len(to) < 7:
        port = int(to[1:])
    if not 0 < port < 65536:
        return None
    redirect = Redirect(
        origin=origin,
        scheme=point.redirect_scheme,
        port=0 if port == _DEFAULT_PORTS[point.redirect_scheme] else port,
        status=301 if point.redirect_permanent else 302,
        status_other=308 if point.redirect_permanent else 307,
        only_if_scheme_differs=True,
    )
    return Redirection(redirect, point.redirect_priority)
