"""Traefik's static configuration as command-line arguments spell it: entry points, providers and their permissions.

Values of the chart are turned into the same words (see `helm_values`), so that there is one reading of them.
Counterpart: `kinds.ingresscontroller`, where the site map says the same by hand.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from msgspec import Struct

Config = dict[str, str]
"""Options by name, lower-case and without dashes: `entrypoints.web.address` -> `:8000/tcp`."""

EVERYBODY = ("0.0.0.0/0", "::/0")
_ADDRESS = re.compile(r".*:([0-9]{1,5})(?:/(tcp|udp))?", re.IGNORECASE)


class EntryPoint(Struct, frozen=True):
    """One entry point: `port` is the one that the process listens on.

    `proxy_from` CIDRs that must send PROXY protocol, `forwarded_from` those whose X-Forwarded-* are believed.
    """

    name: str
    port: int
    udp: bool = False
    tls: bool = False
    default: bool = False
    proxy_from: tuple[str, ...] = ()
    forwarded_from: tuple[str, ...] = ()


class Providers(Struct, frozen=True):
    """What Traefik watches and lets pass.  `classes` it was limited to; `classless`: it serves objects without one."""

    classes: tuple[str, ...] = ()
    classless: bool = True
    namespaces: tuple[str, ...] = ()
    external_name_crd: bool = False
    external_name_ingress: bool = False
    cross_namespace: bool = False
    publishes_status: bool | None = None


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


def entry_points(config: Config) -> list[EntryPoint]:
    """The entry points by name, without those whose address is none."""
    names = dict.fromkeys(key.split(".")[1] for key in config if key.startswith("entrypoints.") and key.count(".") > 1)
    found = []
    for name in sorted(names):
        own = f"entrypoints.{name}"
        address = _ADDRESS.fullmatch(config.get(f"{own}.address", ""))
        if address is None or not 0 < int(address[1]) < 65536:
            continue
        found.append(
            EntryPoint(
                name=name,
                port=int(address[1]),
                udp=(address[2] or "").lower() == "udp",
                tls=_has_tls(config, own),
                default=_is_on(config, f"{own}.asdefault"),
                proxy_from=_trusted(config, f"{own}.proxyprotocol"),
                forwarded_from=_trusted(config, f"{own}.forwardedheaders"),
            )
        )
    return found


def _has_tls(config: Config, own: str) -> bool:
    if f"{own}.http.tls" in config:
        return _is_on(config, f"{own}.http.tls")
    return any(key.startswith(f"{own}.http.tls.") for key in config)


def _trusted(config: Config, own: str) -> tuple[str, ...]:
    if _is_on(config, f"{own}.insecure"):
        return EVERYBODY
    return cidrs(config.get(f"{own}.trustedips", "").split(","))


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
        classes=tuple(dict.fromkeys(name for name in classes if name)),
        classless=not all(classes) or not classes,
        namespaces=tuple(sorted(watched)) if namespaces and all(namespaces) else (),
        external_name_crd=_is_on(config, f"{crd}.allowexternalnameservices"),
        external_name_ingress=_is_on(config, f"{ingress}.allowexternalnameservices"),
        cross_namespace=_is_on(config, f"{crd}.allowcrossnamespace"),
        publishes_status=any(key.startswith(published) for key in config) if ingress in on else None,
    )


def _is_used(config: Config, provider: str) -> bool:
    if provider in config:
        return _is_on(config, provider)
    return any(key.startswith(f"{provider}.") for key in config)


def _is_on(config: Config, name: str) -> bool:
    return config.get(name, "").lower() in ("true", "1", "t")
