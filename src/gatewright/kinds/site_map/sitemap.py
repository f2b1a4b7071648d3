"""What the kinds of the site map share: addresses, CIDRs, ranges, names, ports, places, sizes, references to files.

Not a kind itself.  A reader here takes text as a user writes it and the field that it stands in, and returns the value
in its one normal form, or None after it has said what is wrong.  Whether the values fit each other and the rest of the
map (an address in no network, a site that nobody describes) is for the graph to see.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Annotated, TypeVar

from msgspec import Meta

from gatewright.base.document import Document
from gatewright.kinds import addressing, syntax
from gatewright.kinds.decode import Path, Report, Schema, has_variable
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.places import INTERNET, AddressRange, Spot
from gatewright.kinds.programs.files import file_key

API_VERSION = "gatewright.dev/v1alpha1"

Port = Annotated[int, Meta(ge=1, le=65535)]
Mtu = Annotated[int, Meta(ge=576, le=65535)]
Name = Annotated[str, Meta(min_length=1, max_length=253)]

# What the configuration files of other programs are called among the documents.
WIREGUARD = "WireGuardConfig"
NEBULA = "NebulaConfig"
CLOUDFLARED = "CloudflaredConfig"
COREFILE = "Corefile"
DNSMASQ = "DnsmasqConfig"
ADGUARD = "AdGuardConfig"
ZONE_FILE = "ZoneFile"

T = TypeVar("T")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_SIZE = re.compile(r"([0-9]{1,15})(|k|M|G|Ki|Mi|Gi)")
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


class Place(Schema, frozen=True):
    """One place of the map; exactly one of the four is given."""

    network: str = ""
    node: str = ""
    cluster: str = ""
    site: str = ""


class ConfigMapEntry(Schema, frozen=True):
    """One entry of a ConfigMap; the only one if `key` is not given."""

    name: Name
    namespace: str = "default"
    key: str = ""


class InConfigMap(Schema, frozen=True):
    config_map: ConfigMapEntry


Config = str | InConfigMap
"""A configuration of another program: a file beside the document, or an entry of a ConfigMap."""


def each(values: Iterable[str], read: Callable[..., T | None], report: Report, *path: str | int) -> tuple[T, ...]:
    """Every value of a list that `read` understands; it reports the others."""
    found = (read(value, report, *path, index) for index, value in enumerate(values))
    return tuple(value for value in found if value is not None)


def labels(mapping: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Labels in their one order."""
    return tuple(sorted(mapping.items()))


# --- addresses ------------------------------------------------------------------------------------


def _ip(text: str) -> Address | None:
    found = _interface(text) if "/" not in text else None
    return found.ip if found else None


def _interface(text: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface | None:
    try:
        # A zone index (fe80::1%eth0) means something on one machine only.
        return None if "%" in text else ipaddress.ip_interface(text.strip())
    except ValueError:
        return None


def family(address: str) -> int:
    """4 or 6, of an address in normal form."""
    return 6 if ":" in address else 4


def _refuse(text: str, what: str, report: Report, path: Path, hint: str = "") -> None:
    """Say what a text is not.  A variable that nobody gave a value is the reason that helps."""
    if has_variable(text):
        report.rejected = True
        hint = "give the variable a value where it is substituted (Flux: postBuild.substitute)"
        report.error("unresolved-variable", f"{text[:60]!r} was not substituted, expected {what}", *path, hint=hint)
    else:
        report.invalid(f"{text[:80]!r} is not {what}", *path, hint=hint)


def address(text: str, report: Report, *path: str | int) -> str | None:
    """An IPv4 or IPv6 address."""
    usual = addressing.plain(text)
    if usual:
        return usual
    found = _ip(text)
    if found is None:
        hint = "leave out the prefix length" if _ip(text.partition("/")[0]) else ""
        _refuse(text, "an IP address", report, path, hint)
        return None
    return str(found)


def cidr(text: str, report: Report, *path: str | int) -> str | None:
    """A CIDR; an address alone stands for itself.  Host bits are cleared, and said so."""
    found = _interface(text)
    if found is None:
        _refuse(text, "a CIDR", report, path, "write it as 192.168.178.0/24 or fd00:1::/64")
        return None
    if "/" in text and found.ip != found.network.network_address:
        message = f"{text} has host bits set; it is read as {found.network}"
        report.warning("host-bits", message, *path, hint=f"write {found.network}")
    return str(found.network)


def interface(text: str, report: Report, *path: str | int) -> tuple[str, str] | None:
    """An address, and the network that its prefix length tells of ("" without one)."""
    found = _interface(text)
    if found is None:
        _refuse(text, "an IP address", report, path)
        return None
    alone = "/" not in text or found.network.prefixlen == found.max_prefixlen
    return str(found.ip), "" if alone else str(found.network)


def sender(text: str, report: Report, *path: str | int) -> str | None:
    """Who sends: a CIDR, an address, or a name."""
    return cidr(text, report, *path) if "/" in text else address_or_name(text, report, *path)


def address_range(text: str, report: Report, *path: str | int) -> AddressRange | None:
    """`FIRST-LAST`, a CIDR, or one address."""
    if "/" in text:
        net = cidr(text, report, *path)
        if net is None:
            return None
        network = ipaddress.ip_network(net)
        return AddressRange(str(network[0]), str(network[-1]), text, report.origin.at(*path))
    first, dash, last = text.partition("-")
    if _ip(first) is None or _ip(last if dash else first) is None:
        _refuse(text, "a range of addresses", report, path, "write it as 192.168.178.100-192.168.178.199")
        return None
    found = addressing.between(first, last if dash else first, text, report.origin.at(*path))
    if isinstance(found, str):
        report.invalid(f"{text}: {found}", *path)
        return None
    return found


# --- names ----------------------------------------------------------------------------------------


def hostname(text: str, report: Report, *path: str | int) -> str | None:
    """A hostname, lower-case and without the trailing dot, in A-labels (RFC 5890); no wildcard."""
    name = ascii_name(text.strip().lower().removesuffix("."))
    if syntax.is_hostname(name) and not name.startswith("*") and not has_variable(name):
        return name
    _refuse(text, "a hostname", report, path, "a wildcard is not possible here" if name.startswith("*.") else "")
    return None


def ascii_name(name: str) -> str:
    """An internationalised name in A-labels (RFC 5891, with the mapping of UTS 46); as it is when it cannot be one."""
    if name.isascii():
        return name
    import dns.exception
    import dns.name

    wildcard, rest = ("*.", name[2:]) if name.startswith("*.") else ("", name)
    try:
        return wildcard + dns.name.from_text(rest, None, dns.name.IDNA_2008_UTS_46).to_text()
    except dns.exception.DNSException:
        return name


def pattern(text: str, report: Report, *path: str | int) -> str | None:
    """A hostname, possibly a wildcard `*.x`."""
    name = text.strip().lower().removesuffix(".")
    if name.startswith("*."):
        rest = hostname(name[2:], report, *path)
        return f"*.{rest}" if rest else None
    return hostname(text, report, *path)


def owner(text: str, report: Report, *path: str | int) -> str | None:
    """A name in a DNS record: as `pattern`, with underscores (`_acme-challenge.x`)."""
    name = ascii_name(text.strip().lower())
    plain = re.sub(r"(^|\.)_(?=[a-z0-9])", r"\1", name)
    return None if pattern(plain, report, *path) is None else name.removesuffix(".")


def target(text: str, report: Report, *path: str | int) -> str | None:
    """The hostname that a record leads to."""
    if text.startswith("*"):
        return hostname(text, report, *path)
    return owner(text, report, *path)


def record_type(value: str) -> str:
    """The type of a record with this value: A and AAAA have addresses, a CNAME a hostname."""
    if addressing.plain(value):
        return "AAAA" if ":" in value else "A"
    found = _ip(value)
    return "CNAME" if found is None else "AAAA" if found.version == 6 else "A"


def reference(text: str, report: Report, *path: str | int) -> str | None:
    """An object as `namespace/name`, or `name` alone."""
    namespace, slash, name = text.rpartition("/")
    known = syntax.is_dns_subdomain(name) and (not slash or syntax.is_dns_label(namespace)) and not has_variable(text)
    if known:
        return text
    _refuse(text, "the name of an object", report, path, "write it as namespace/name")
    return None


def name_of_thing(text: str, report: Report, *path: str | int) -> str | None:
    """What a network, node, cluster, link or resolver is called."""
    if syntax.is_dns_subdomain(text) and not has_variable(text):
        return text
    _refuse(text, "a name", report, path, "lower-case letters, digits, '-' and '.'")
    return None


def address_or_name(text: str, report: Report, *path: str | int) -> str | None:
    """An address, or what something is called."""
    found = _ip(text)
    if found is not None:
        return str(found)
    # What consists of digits and dots is an address with a mistake in it.
    if syntax.is_dns_subdomain(text) and not has_variable(text) and not text.replace(".", "").isdigit():
        return text
    _refuse(text, "an IP address or a name", report, path)
    return None


# --- places ---------------------------------------------------------------------------------------


def spot(place: Place, report: Report, *path: str | int) -> Spot | None:
    """The place that exactly one of the fields names."""
    said = {
        field: text
        for field, text in (
            ("network", place.network),
            ("node", place.node),
            ("cluster", place.cluster),
            ("site", place.site),
        )
        if text
    }
    if len(said) != 1:
        message = f"names {' and '.join(said)}" if said else "names no place"
        report.invalid(message, *path, hint="give exactly one of network, node, cluster and site")
        return None
    ((field, text),) = said.items()
    if field == "network" and text != INTERNET and text.count("/") != 1:
        report.invalid(f"{text!r} does not say of which site", *path, field, hint="write it as home/lan, or internet")
        return None
    parts = text.split("/")
    if len(parts) > (1 if field == "site" else 2) or has_variable(text) or not all(map(syntax.is_dns_subdomain, parts)):
        _refuse(text, f"the name of a {field}", report, (*path, field), _HOW[field])
        return None
    return Spot(place.network, place.node, place.cluster, place.site)


_HOW = {
    "network": "write it as home/lan, or internet",
    "node": "write it as home/k3s-node1",
    "cluster": "write it as home/k3s",
    "site": "write it as home",
}


# --- numbers --------------------------------------------------------------------------------------


def ports(value: int | str, report: Report, *path: str | int) -> tuple[int, int] | None:
    """A port, or a range `8000-8999`."""
    found = _PORTS.fullmatch(str(value).strip())
    if found is None:
        _refuse(str(value), "a port or a range of ports", report, path, "write it as 443 or 8000-8999")
        return None
    first, last = int(found[1]), int(found[2] or found[1])
    if not 1 <= first <= 65535 or not 1 <= last <= 65535:
        report.invalid(f"{value} is outside 1-65535", *path)
        return None
    if first > last:
        report.invalid(f"{value} ends before it starts", *path, hint=f"write {last}-{first}")
        return None
    return first, last


def seconds(value: int | float | str, report: Report, *path: str | int) -> float | None:
    """A duration: seconds, or `1h30m`."""
    if isinstance(value, str):
        found = syntax.duration(value)
        if found is None:
            _refuse(value, "a duration", report, path, "write it as 90s, 10m or 1h")
        return found
    if not 0 <= value < 10**9:
        report.invalid(f"{value} is not a duration", *path, hint="write it as 90s, 10m or 1h")
        return None
    return float(value)


def octets(value: int | str, report: Report, *path: str | int) -> int | None:
    """A size: octets, or `10Mi`."""
    found = _SIZE.fullmatch(str(value).strip())
    if found is None:
        _refuse(str(value), "a size", report, path, "write it as 10Mi or 500k")
        return None
    return int(found[1]) * _UNITS[found[2]]


# --- configurations of other programs -------------------------------------------------------------


def config(value: Config, kind: str, document: Document, report: Report, *path: str | int) -> tuple[Key, str] | None:
    """The Key of a configuration, and the entry in it when it is in a ConfigMap ("" for the only one).

    `kind` is what such a file is called among the documents (see `files`).
    """
    if isinstance(value, InConfigMap):
        entry = value.config_map
        return Key("ConfigMap", entry.namespace, entry.name), entry.key
    if not value.strip() or has_variable(value):
        _refuse(value, "the path of a file", report, path)
        return None
    return file_key(kind, document.origin.file, value), ""
