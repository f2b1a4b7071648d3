"""CoreDNS: a Corefile with a server block for each zone and view, and zone files.

Blocks of one zone need the `view` plugin (1.10 and later), which chooses by an expression about the client.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.engines.dns.export import clients, records, zonefile
from gatewright.engines.dns.export.format import Exported, Format, Loss, Settings, Source
from gatewright.engines.dns.export.records import Names
from gatewright.graph.names.serving import View

CONFIG = "Corefile"


def write(source: Source, settings: Settings) -> Exported:
    """The files for CoreDNS."""
    zones, losses = records.prepare(source)
    files = {zonefile.path(names): zonefile.text(names, settings.serial) for names in zones}
    order = {view.name: index for index, view in enumerate(clients.ordered(source.views))}
    lines = ["# Made by gatewright dns export; start CoreDNS in this folder."]
    for names in sorted(zones, key=lambda names: (names.zone.domain, order[names.view.name])):
        lines += _block(names, source.views)
    for view in {names.view.name: names.view for names in zones}.values():
        losses += _losses(view)
    return Exported({CONFIG: "\n".join(lines) + "\n", **files}, tuple(sorted(losses)))


def _block(names: Names, views: tuple[View, ...]) -> list[str]:
    view = names.view
    lines = ["", f"{names.zone.domain} {{"]
    if len(views) > 1 or not clients.is_for_everybody(view):
        lines += [f"    view {zonefile.folder(view.name)} {{", f"        expr {_expression(view, views)}", "    }"]
    lines.append(f"    file {zonefile.path(names)}")
    receivers = [_socket(other.address, other.port) for other in view.secondaries if not other.key]
    if receivers:
        lines += ["    transfer {", f"        to {' '.join(receivers)}", "    }"]
    return [*lines, "    errors", "}"]


def _socket(address: str, port: int) -> str:
    host = f"[{address}]" if ":" in address else address
    return host if port == 53 and ":" not in address else f"{host}:{port}"


def _expression(view: View, views: tuple[View, ...]) -> str:
    """Whom the block is for.  The nearest network decides, so each stands before the wider ones."""
    by_client = "false"
    for yes, cidr in reversed(clients.terms(view, views)):
        inside = f"incidr(client_ip(), '{cidr}')"
        by_client = _either(inside, by_client) if yes else f"(!{inside} && {by_client})"
    others = [address for other in views if other.name != view.name for address in other.listen]
    if others:
        by_client = f"(!({_arrived(others)}) && {by_client})"
    return _either(_arrived(view.listen), by_client) if view.listen else by_client


def _either(first: str, second: str) -> str:
    return first if second == "false" else f"({first} || {second})"


def _arrived(addresses: Iterable[str]) -> str:
    return " || ".join(f"server_ip() == '{address}'" for address in addresses)


def _losses(view: View) -> Iterable[Loss]:
    yield from clients.unseen(view)
    if view.client_subnet:
        yield Loss("client-subnet", view.name)
    if view.updates:
        yield Loss("updates", view.name)
    for cidr in view.transfer_to:
        yield Loss("transfer", f"{view.name}: {cidr}")
    for other in view.secondaries:
        if other.key:
            yield Loss("transfer", f"{view.name}: {other.address} with key {other.key}")


FORMAT = Format(
    name="coredns",
    title="CoreDNS",
    makes=f"`{CONFIG}`, and a zone file for each zone and view below `zones/`",
    losses={
        "client-subnet": "goes by the EDNS client subnet, which the view plugin does not look at",
        "updates": "may be updated by keys; the file plugin takes no updates",
        "transfer": "may copy the zones; the transfer plugin knows single addresses without keys only",
    },
    write=write,
)
