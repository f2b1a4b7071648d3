"""Windows DNS Server: a PowerShell script of the DnsServer module; views are zone scopes, chosen by client subnets.

Text from the input stands between single quotes, in which PowerShell expands nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from dns.rdata import Rdata
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.SRV import SRV

from gatewright.engines.dns.export import clients, records
from gatewright.engines.dns.export.format import Exported, Format, Loss, Settings, Source
from gatewright.engines.dns.export.records import Names
from gatewright.graph.names.serving import View

SCRIPT = "dns.ps1"
_QUOTES = "'\u2018\u2019\u201a\u201b"
"""What PowerShell takes for a single quote."""


def write(source: Source, settings: Settings) -> Exported:
    """The script for Windows Server 2016 and later."""
    zones, losses = records.prepare(source)
    lines = ["# Made by gatewright dns export; run it on the DNS server.", "$ErrorActionPreference = 'Stop'"]
    views = {names.view.name: names.view for names in zones}
    for view in clients.ordered(views.values()):
        if not clients.is_for_everybody(view):
            lines += _subnets(view)
        losses += clients.without_servers(view)
    done: set[str] = set()
    for names in sorted(zones, key=lambda names: (names.zone.domain, names.view.name)):
        if names.zone.domain not in done:
            done.add(names.zone.domain)
            lines += _zone(names.zone.domain)
            if not any(
                clients.is_for_everybody(other.view) for other in zones if other.zone.domain == names.zone.domain
            ):
                losses.append(Loss("outside", names.zone.domain))
        lines += _contents(names, losses)
    lines += _policies(zones, source.views, losses)
    return Exported({SCRIPT: "\r\n".join(lines) + "\r\n"}, tuple(sorted(losses)))


def quoted(text: str) -> str:
    """A PowerShell string in which nothing is expanded."""
    return "'" + "".join(character * 2 if character in _QUOTES else character for character in text) + "'"


def _subnet(view: View, cidr: str) -> str:
    return quoted(f"{view.name} {cidr.replace('/', '-').replace(':', '.')}")


def _subnets(view: View) -> Iterator[str]:
    yield ""
    for cidr in view.clients:
        family = "IPv6Subnet" if ":" in cidr else "IPv4Subnet"
        yield f"Add-DnsServerClientSubnet -Name {_subnet(view, cidr)} -{family} {quoted(cidr)}"


def _zone(domain: str) -> Iterator[str]:
    yield ""
    yield f"Add-DnsServerPrimaryZone -Name {quoted(domain)} -ZoneFile {quoted(domain + '.dns')}"


def _scope(names: Names) -> str:
    """The argument for the scope that a view's records go to; the zone's own is for everybody."""
    return "" if clients.is_for_everybody(names.view) else f" -ZoneScope {quoted(names.view.name)}"


def _contents(names: Names, losses: list[Loss]) -> Iterator[str]:
    """The records of a zone in one view."""
    domain, scope = names.zone.domain, _scope(names)
    losses.append(Loss("frame", names.zone.id))
    if scope:
        yield f"Add-DnsServerZoneScope -ZoneName {quoted(domain)} -Name {quoted(names.view.name)}"
    for item in names.all():
        if item.type == "NS" and item.name == domain:
            continue
        name = "@" if item.name == domain else item.name.removesuffix(f".{domain}")
        for data in item.data:
            told = _data(data)
            if told is None:
                losses.append(Loss("text", f"{item.name} {item.type}"))
                continue
            where = f"-ZoneName {quoted(domain)}{scope} -Name {quoted(name)}"
            yield f"Add-DnsServerResourceRecord {where} -TimeToLive (New-TimeSpan -Seconds {item.ttl}) {told}"


def _data(data: Rdata) -> str | None:
    """The arguments for a record's data; None for a text that PowerShell or the server would change."""
    text = data.to_text()
    type_ = data.rdtype.name
    if isinstance(data, MX):
        return f"-MX -MailExchange {quoted(data.exchange.to_text())} -Preference {data.preference}"
    if isinstance(data, SRV):
        numbers = f"-Priority {data.priority} -Weight {data.weight} -Port {data.port}"
        return f"-Srv -DomainName {quoted(data.target.to_text())} {numbers}"
    if isinstance(data, TXT):
        strings: list[bytes] = list(data.strings)
        string = strings[0].decode("ascii", "replace")
        is_plain = len(strings) == 1 and string.isascii() and string.isprintable()
        return f"-Txt -DescriptiveText {quoted(string)}" if is_plain else None
    return _plain(type_, text) or _numbered(data)


def _plain(type_: str, text: str) -> str:
    """The arguments for data that is one address or name; "" for other types."""
    arguments = {"A": "-A -IPv4Address", "AAAA": "-AAAA -IPv6Address", "CNAME": "-CName -HostNameAlias"}
    arguments |= {"PTR": "-Ptr -PtrDomainName", "NS": "-NS -NameServer"}
    if type_ in arguments:
        return f"{arguments[type_]} {quoted(text)}"
    return ""


def _numbered(data: Rdata) -> str:
    """The arguments for data of a type that the module has no name for."""
    return f"-Type {int(data.rdtype)} -RecordData {quoted((data.to_wire() or b'').hex().upper())}"


def _policies(zones: Iterable[Names], views: tuple[View, ...], losses: list[Loss]) -> Iterator[str]:
    """Which client sees which scope: policies are tried in the order of their making, so small networks are first."""
    by_domain: dict[str, list[Names]] = {}
    for names in zones:
        by_domain.setdefault(names.zone.domain, []).append(names)
    for domain, seen in by_domain.items():
        scoped = [names.view for names in seen if not clients.is_for_everybody(names.view)]
        own = {cidr for names in seen for cidr in names.view.clients}
        for names in seen:
            taken = (cidr for yes, cidr in clients.terms(names.view, views) if not yes and cidr not in own)
            losses += [Loss("nested", f"{names.zone.id} {cidr}") for cidr in taken]
        networks = [(-ipaddress.ip_network(cidr).prefixlen, cidr, view) for view in scoped for cidr in view.clients]
        yield ""
        for _, cidr, view in sorted(networks, key=lambda item: item[:2]):
            label = quoted(f"{domain} {view.name} {cidr.replace('/', '-').replace(':', '.')}")
            subnet = f"'EQ,{_subnet(view, cidr)[1:]}"
            where = f"-ClientSubnet {subnet} -ZoneScope {quoted(view.name + ',1')} -ZoneName {quoted(domain)}"
            yield f"Add-DnsServerQueryResolutionPolicy -Name {label} -Action ALLOW {where}"


FORMAT = Format(
    name="windows",
    title="Windows DNS Server",
    makes=f"`{SCRIPT}`, a PowerShell script for the DnsServer module; a view is a zone scope chosen by client subnets",
    losses={
        "frame": "gets the SOA and name servers of the server",
        "outside": "is in no view for everybody: other clients are told that its names do not exist, not refused",
        "nested": "is a network of another view without this zone, inside one that sees it: its clients see it, too",
        "text": "has a text that is not plain ASCII, or longer than 255 octets; it is left out",
        "listen": "is also chosen by the address that is asked, which is not exported",
        "client-subnet": "goes by the EDNS client subnet, which is not exported",
        "transfer": "has transfers, secondaries or updates; they are not exported",
    },
    write=write,
)
