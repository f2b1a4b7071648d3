"""Nebula's config.yml: one end of an overlay network.

The overlay address of the end is in its certificate, which is not read; `static_host_map` tells those of others.
Firewall rules for groups or named hosts let somebody in, and who that is only certificates know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity
from gatewright.kinds.decode import Ignored, Lenient, Path, Report, Schema, decode, key_of
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.places import FirewallRule, LinkType
from gatewright.kinds.intents.programs import LinkFileIntent
from gatewright.kinds.kind import Kind
from gatewright.kinds.programs import configtext, files

_DEFAULT_MTU = 1300
_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


class Route(Lenient, frozen=True, rename=None):
    route: str
    via: Ignored = None
    mtu: int = 0


class Tun(Lenient, frozen=True, rename=None):
    disabled: bool = False
    mtu: int = _DEFAULT_MTU
    unsafe_routes: list[Route] | None = None
    routes: list[Route] | None = None


class Listen(Lenient, frozen=True, rename=None):
    port: int = 0


class FirewallEntry(Schema, frozen=True, rename=None):
    port: Ignored = None
    code: Ignored = None
    proto: str = "any"
    host: str = ""
    group: Ignored = None
    groups: Ignored = None
    cidr: str = ""
    local_cidr: str = ""
    ca_name: Ignored = None
    ca_sha: Ignored = None


class Firewall(Lenient, frozen=True, rename=None):
    inbound: list[FirewallEntry] | None = None
    outbound: list[FirewallEntry] | None = None


class Config(Schema, frozen=True, rename=None, kw_only=True):
    pki: Ignored = None
    static_host_map: dict[str, list[str]] | None = None
    static_map: Ignored = None
    lighthouse: Ignored = None
    listen: Listen = Listen()
    tun: Tun = Tun()
    firewall: Firewall = Firewall()
    routines: Ignored = None
    punchy: Ignored = None
    punch: Ignored = None
    punch_back: Ignored = None
    cipher: Ignored = None
    preferred_ranges: Ignored = None
    local_range: Ignored = None
    sshd: Ignored = None
    relay: Ignored = None
    logging: Ignored = None
    stats: Ignored = None
    handshakes: Ignored = None
    tunnels: Ignored = None
    timers: Ignored = None
    psk: Ignored = None


def parse(
    data: Mapping[str, Any], origin: Origin, key: Key | None = None
) -> tuple[LinkFileIntent | None, tuple[Problem, ...]]:
    """What a Nebula with this configuration is; `key` is that of the file."""
    document = Document(origin, files.API_VERSION, KIND.name, "", origin.file, data)
    config, problems = decode(document, Config)
    report = Report(document, problems)
    if config is None:
        return None, report.lowered(None).problems
    if config.tun.disabled:
        report.warning("disabled", "the end has no network interface, so nothing reaches it", "tun", "disabled")
    intent = LinkFileIntent(
        key or key_of(document),
        origin,
        LinkType.NEBULA,
        mtu=config.tun.mtu,
        listen_port=config.listen.port,
        routes=_routes(config.tun, report),
        hosts=_hosts(config.static_host_map or {}, report),
        inbound=_rules(config.firewall.inbound or [], "inbound", report),
        outbound=_rules(config.firewall.outbound or [], "outbound", report),
    )
    return intent, report.lowered(intent).problems


def _routes(tun: Tun, report: Report) -> tuple[tuple[str, str], ...]:
    """(via, network) of what is reached through others."""
    found = []
    for index, route in enumerate(tun.unsafe_routes or ()):
        where = ("tun", "unsafe_routes", index)
        network = configtext.cidr(route.route)
        if not network:
            report.error("invalid-value", f"{configtext.clip(route.route)} is no network", *where, "route")
            continue
        for via in _vias(route.via):
            if via:
                found.append((via, network))
            else:
                report.error("invalid-value", "via is no overlay address", *where, "via")
    return tuple(found)


def _vias(raw: Any) -> list[str]:
    """via is an address, or a list of gateways with weights."""
    if isinstance(raw, list):
        return [configtext.address(str(item.get("gateway"))) if isinstance(item, Mapping) else "" for item in raw]
    return [configtext.address(raw) if isinstance(raw, str) else ""]


def _hosts(raw: Mapping[str, list[str]], report: Report) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found = []
    for overlay, underlays in raw.items():
        ip = configtext.address(overlay)
        if ip:
            found.append((ip, tuple(underlays)))
        else:
            message = f"{configtext.clip(overlay)} is no overlay address"
            report.error("invalid-value", message, "static_host_map", overlay)
    return tuple(found)


def _rules(entries: list[FirewallEntry], direction: str, report: Report) -> tuple[FirewallRule, ...]:
    """Everything is dropped that no rule lets through."""
    found = []
    for index, entry in enumerate(entries):
        where = ("firewall", direction, index)
        ports = _ports(entry.code if entry.port is None else entry.port, where, report)
        protocol = entry.proto.lower()
        if protocol not in ("any", "tcp", "udp", "icmp"):
            report.error("invalid-value", f"{configtext.clip(entry.proto)} is no protocol", *where, "proto")
            continue
        peers = _peers(entry, where, report)
        if ports is not None and peers is not None:
            found.append(FirewallRule(True, report.origin.at(*where), protocol, ports, peers))
    return tuple(found)


def _ports(raw: Any, where: Path, report: Report) -> tuple[tuple[int, int], ...] | None:
    """Ranges of ports, empty for all; None when it is neither."""
    text = str(raw) if isinstance(raw, (str, int)) and not isinstance(raw, bool) else ""
    if raw is None or text == "any":
        return ()
    found = _PORTS.fullmatch(text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found is not None else (-1, -1)
    if text == "0" or 0 < first <= last <= 65535:
        return () if text == "0" else ((first, last),)
    if text == "fragment":
        _info(report, "unsupported-field", "fragments are not followed", *where, "port")
    else:
        report.error("invalid-value", f"{configtext.clip(text)} is no port, range or any", *where, "port")
    return None


def _peers(entry: FirewallEntry, where: Path, report: Report) -> tuple[str, ...] | None:
    """The networks that a rule lets through, empty for everybody; None when that cannot be told."""
    for name in ("local_cidr", "ca_name", "ca_sha"):
        if getattr(entry, name):
            _info(report, "unsupported-field", "the rule is taken to hold without it", *where, name)
    if entry.host == "any" or entry.cidr in ("any", "0.0.0.0/0", "::/0"):
        return ()
    network = configtext.cidr(entry.cidr) if entry.cidr else ""
    if entry.cidr and not network:
        report.error("invalid-value", f"{configtext.clip(entry.cidr)} is no network", *where, "cidr")
        return None
    if entry.host or entry.group or entry.groups:
        message = "who belongs to the host or group is known to certificates alone; it is taken for everybody"
        _info(report, "assumed-peers", message, *where)
        return ()
    if not network and not entry.local_cidr and not entry.ca_name and not entry.ca_sha:
        report.error("missing-field", "the rule says for whom with none of host, group, groups, cidr", *where)
        return None
    return (network,) if network else ()


def _info(report: Report, problem_id: str, message: str, *path: str | int) -> None:
    report.add(Severity.INFO, problem_id, message, path)


def lower(document: Document) -> Lowered:
    """Lower a Nebula configuration."""
    return Lowered(*parse(document.data, document.origin, key_of(document)))


KIND = Kind("NebulaConfig", (files.API_VERSION,), lower, namespaced=False)
