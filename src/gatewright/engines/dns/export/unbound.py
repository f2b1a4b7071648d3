"""Unbound: a view with local zones for each of ours, and response policy zones for what those cannot say.

A local zone has neither wildcards nor aliases that are followed.  A zone with either is `transparent` in the view, and
a response policy zone, which only the clients of the view have the tag for, answers for its wildcards, for its aliases
to elsewhere, and that there is nothing else.  Aliases within the view are exported as the addresses they lead to.
Everybody is answered from local data alone, so that a public view does not make Unbound an open resolver.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dns.rdata import Rdata

from gatewright.engines.dns.export import clients, flat, records, zonefile
from gatewright.engines.dns.export.format import Exported, Format, Loss, Settings, Source
from gatewright.engines.dns.export.records import Names, Set, Tree
from gatewright.graph.names.serving import View

CONFIG = "unbound.conf"
_NOTHING, _NO_DATA, _PASS = "CNAME .", "CNAME *.", "CNAME rpz-passthru."
_LONGEST = 253


def write(source: Source, settings: Settings) -> Exported:
    """The files for Unbound 1.14 and later."""
    zones, losses = records.prepare(source)
    views = {names.view.name: names.view for names in zones}
    looked_up = flat.trees(zones)
    files: dict[str, str] = {}
    clauses: list[str] = []
    for number, (name, mine) in enumerate(flat.by_view(zones).items()):
        writing = _Writing(looked_up[name], f"rpz{number}", losses)
        clauses += ["", "view:", f'    name: "{zonefile.folder(name)}"']
        for names in mine:
            clauses += writing.zone(names, settings.serial)
        losses += _losses(views[name])
        if writing.policy:
            place = f"rpz/{zonefile.folder(name)}.rpz"
            files[place] = _policy(writing.policy, f"rpz{number}", settings.serial)
            clauses += ["", "rpz:", f'    name: "rpz{number}."', f'    zonefile: "{place}"', f'    tags: "rpz{number}"']
    tagged = [number for number, _ in enumerate(views) if f'    name: "rpz{number}."' in clauses]
    server = ["# Made by gatewright dns export; include it in unbound.conf.", "server:"]
    if tagged:
        server.append('    module-config: "respip validator iterator"')
        server.append(f'    define-tag: "{" ".join(f"rpz{number}" for number in tagged)}"')
    for number, view in enumerate(views.values()):
        for cidr in view.clients:
            server += [_access(cidr), f'    access-control-view: {cidr} "{zonefile.folder(view.name)}"']
            if number in tagged:
                server.append(f'    access-control-tag: {cidr} "rpz{number}"')
    return Exported({CONFIG: "\n".join([*server, *clauses]) + "\n", **files}, tuple(sorted(losses)))


def _access(cidr: str) -> str:
    """What clients may ask for.  The network has to be that of access-control-view: only the smallest one counts."""
    return f"    access-control: {cidr} {'refuse_non_local' if cidr in clients.EVERYBODY else 'allow'}"


class _Writing:
    """Writes the zones of one view; `policy`: what its response policy zone says, by name."""

    def __init__(self, trees: Mapping[str, Tree], label: str, losses: list[Loss]) -> None:
        self.policy: dict[str, list[str]] = {}
        self._trees = trees
        self._label = label
        self._losses = losses

    def zone(self, names: Names, serial: int) -> list[str]:
        """The lines of a zone within its view."""
        zone = names.zone
        found: list[Set] = []
        before = len(self.policy)
        for item in names.all():
            if item.type == "NS" and item.name != zone.domain:
                self._delegation(item)
            elif item.name.startswith("*.") or item.type == "CNAME":
                found += self._beyond(item)
            else:
                found.append(item)
        needs_policy = len(self.policy) > before
        if needs_policy:
            self._limits(names)
        lines = [f'    local-zone: "{zone.domain}." {"transparent" if needs_policy else "static"}']
        lines.append(_quoted(f"{zone.domain}. {zone.ttl} IN SOA {records.soa(zone, serial)}"))
        for item in found:
            lines += [_quoted(f"{item.name}. {item.ttl} IN {item.type} {_text(data)}") for data in item.data]
        for item in names.all():
            if item.type == "NS" and item.name != zone.domain and not item.name.startswith("*."):
                lines.append(f'    local-zone: "{item.name}." transparent')
        return lines

    def _delegation(self, item: Set) -> None:
        self._losses.append(Loss("delegation", item.name))
        for name in (item.name, f"*.{item.name}"):
            self._say(name, 60, _PASS)

    def _beyond(self, item: Set) -> list[Set]:
        """A wildcard or an alias: what local data can say of it; the rest goes to the response policy zone."""
        found = [item]
        if item.type == "CNAME":
            found = list(flat.flattened({"CNAME": item}, item.name, self._trees).values()) or [item]
            if found != [item]:
                self._losses.append(Loss("alias-as-addresses", item.name))
        if not item.name.startswith("*.") and found != [item]:
            return found
        for answer in found:
            for data in answer.data:
                self._say(item.name, answer.ttl, f"{answer.type} {data.to_text()}")
        return []

    def _limits(self, names: Names) -> None:
        """What is not there: below the zone, below names that exist; and names that only have others below them."""
        domain, tree = names.zone.domain, self._trees[names.zone.domain]
        if f"*.{domain}" not in names.sets:
            self._say(f"*.{domain}", 60, _NOTHING)
        for name in flat.stops(tree):
            if f"*.{name}" not in self.policy:
                self._say(f"*.{name}", 60, _NOTHING)
        for name in tree.known:
            if name not in names.sets and name not in self.policy:
                self._say(name, 60, _NO_DATA)

    def _say(self, name: str, ttl: int, data: str) -> None:
        if len(name) + len(self._label) + 1 > _LONGEST:
            self._losses.append(Loss("too-long", name))
        else:
            self.policy.setdefault(name, []).append(f"{name}.{self._label}. {ttl} {data}")


def _policy(policy: Mapping[str, list[str]], label: str, serial: int) -> str:
    head = [
        f"{label}. 60 SOA ns.invalid. hostmaster.invalid. {serial} 3600 600 1209600 60",
        f"{label}. 60 NS ns.invalid.",
    ]
    return "\n".join([*head, *(line for name in sorted(policy) for line in policy[name])]) + "\n"


def _text(data: Rdata) -> str:
    """Data within single quotes: one in a text is written as its number."""
    return data.to_text().replace("'", "\\039")


def _quoted(record: str) -> str:
    return f"    local-data: '{record}'"


def _losses(view: View) -> Iterator[Loss]:
    yield from clients.without_servers(view)
    if not clients.EVERYBODY.isdisjoint(view.clients):
        yield Loss("everybody", view.name)


FORMAT = Format(
    name="unbound",
    title="Unbound",
    makes=f"`{CONFIG}` to include, and `rpz/VIEW.rpz` for views with wildcards or with aliases to elsewhere",
    losses={
        "alias-as-addresses": "is a CNAME, which Unbound does not follow in local data; it is exported as addresses",
        "everybody": "is for everybody, who gets local data alone: wildcards and aliases to elsewhere are refused",
        "delegation": "is delegated; it is resolved as the internet knows it",
        "listen": "is also chosen by the address that is asked, which is not exported",
        "client-subnet": "goes by the EDNS client subnet, which is not exported",
        "transfer": "has transfers, secondaries or updates, which local zones have not",
        "too-long": "is too long a name for a response policy zone; it is left out",
    },
    write=write,
)
