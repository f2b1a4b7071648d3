"""Link (gatewright.dev/v1alpha1): a tunnel or line between places of the site map.

WireGuard, Nebula and Liqo join two ends or more, each of which the others reach the end's `routes` through.  A
CloudflareTunnel has one end: where its cloudflared runs.  What the programs' own configurations say is read from them
(`config`); the counterpart of that are the kinds of configuration files.  docs/site-map.md explains each field.
"""

from __future__ import annotations

from typing import Literal

from gatewright.base.document import Document
from gatewright.kinds.decode import Object, Path, Report, Schema, decode, key_of
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.places import LinkEnd, LinkIntent, LinkType
from gatewright.kinds.kind import Kind
from gatewright.kinds.site_map import sitemap

_FILES = {LinkType.WIREGUARD: sitemap.WIREGUARD, LinkType.NEBULA: sitemap.NEBULA}


class _End(sitemap.Place, frozen=True):
    """Where the end is, as a Place, and what is known of it."""

    addresses: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    endpoint: str = ""
    listen_port: sitemap.Port | None = None
    config: str | None = None


class _Spec(Schema, frozen=True):
    type: Literal["WireGuard", "Nebula", "Liqo", "CloudflareTunnel", "Direct"]
    ends: tuple[_End, ...] = ()
    mtu: sitemap.Mtu | None = None
    cidrs: tuple[str, ...] = ()
    config: sitemap.Config | None = None


class Link(Object, frozen=True, kw_only=True):
    spec: _Spec


def lower(document: Document) -> Lowered:
    """Lower a Link."""
    link, problems = decode(document, Link)
    report = Report(document, problems)
    if link is None:
        return report.lowered(None)
    spec = link.spec
    kind = LinkType(spec.type)
    _check_ends(kind, spec, report)
    found = [_end(kind, end, document, report, index) for index, end in enumerate(spec.ends)]
    networks = dict.fromkeys(network for _, more in found for network in more)
    cidrs = dict.fromkeys((*sitemap.each(spec.cidrs, sitemap.cidr, report, "spec", "cidrs"), *networks))
    tunnel, entry = _tunnel(kind, spec, document, report)
    intent = LinkIntent(
        key=key_of(document),
        origin=document.origin,
        type=kind,
        ends=tuple(end for end, _ in found if end is not None),
        mtu=spec.mtu or 0,
        cidrs=tuple(cidrs),
        tunnel=tunnel,
        tunnel_entry=entry,
    )
    return report.lowered(intent)


def _check_ends(kind: LinkType, spec: _Spec, report: Report) -> None:
    if kind is LinkType.CLOUDFLARE_TUNNEL:
        if len(spec.ends) != 1:
            hint = "list where cloudflared runs; the other end is Cloudflare"
            report.invalid(f"a CloudflareTunnel has one end, not {len(spec.ends)}", "spec", "ends", hint=hint)
    elif len(spec.ends) < 2:
        report.invalid(f"a {kind} has at least two ends, not {len(spec.ends)}", "spec", "ends")


def _end(
    kind: LinkType, end: _End, document: Document, report: Report, index: int
) -> tuple[LinkEnd | None, tuple[str, ...]]:
    """The end, and the tunnel's networks that its addresses tell of (`10.8.0.1/24`)."""
    path: Path = ("spec", "ends", index)
    at = sitemap.spot(sitemap.Place(end.network, end.node, end.cluster, end.site), report, *path)
    addresses = sitemap.each(end.addresses, sitemap.interface, report, *path, "addresses")
    routes = sitemap.each(end.routes, sitemap.cidr, report, *path, "routes")
    config = _end_config(kind, end, document, report, path)
    if kind is LinkType.CLOUDFLARE_TUNNEL:
        for name, said in (("routes", end.routes), ("endpoint", end.endpoint), ("listenPort", end.listen_port)):
            if said:
                report.invalid("a CloudflareTunnel dials out and routes by its configuration", *path, name)
    if end.endpoint:
        _check_endpoint(end.endpoint, report, *path, "endpoint")
    if at is None:
        return None, ()
    lowered = LinkEnd(
        at=at,
        origin=report.origin.at(*path),
        addresses=tuple(address for address, _ in addresses),
        routes=routes,
        endpoint=end.endpoint,
        listen_port=end.listen_port or 0,
        config=config,
    )
    return lowered, tuple(network for _, network in addresses if network)


def _end_config(kind: LinkType, end: _End, document: Document, report: Report, path: Path) -> Key | None:
    if end.config is None:
        return None
    if kind not in _FILES:
        hint = "for a CloudflareTunnel it is spec.config" if kind is LinkType.CLOUDFLARE_TUNNEL else "remove it"
        report.invalid(f"an end of a {kind} has no configuration file", *path, "config", hint=hint)
        return None
    found = sitemap.config(end.config, _FILES[kind], document, report, *path, "config")
    return found[0] if found else None


def _check_endpoint(text: str, report: Report, *path: str | int) -> None:
    """HOST:PORT, the host of IPv6 in brackets."""
    host, _, port = text.rpartition(":")
    if not host or (":" in host and not host.startswith("[")):
        report.invalid(f"{text!r} has no port", *path, hint="write it as 203.0.113.20:51820 or [2001:db8::1]:51820")
        return
    bare = host.removeprefix("[").removesuffix("]")
    if host.startswith("["):
        sitemap.address(bare, report, *path)
    else:
        sitemap.address_or_name(bare.lower(), report, *path)
    sitemap.ports(port, report, *path)


def _tunnel(kind: LinkType, spec: _Spec, document: Document, report: Report) -> tuple[Key | None, str]:
    if spec.config is None:
        return None, ""
    if kind is not LinkType.CLOUDFLARE_TUNNEL:
        hint = "give the config of each end: spec.ends[].config"
        report.invalid(f"a {kind} has no configuration of its own", "spec", "config", hint=hint)
        return None, ""
    return sitemap.config(spec.config, sitemap.CLOUDFLARED, document, report, "spec", "config") or (None, "")


KIND = Kind("Link", (sitemap.API_VERSION,), lower, namespaced=False)
