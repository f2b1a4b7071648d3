"""BIND: zone files, and a snippet for named.conf with a view for each of ours.

Keys of TSIG are included from files that the export does not make: it holds no secret.  A query to an address of a
view's `listen` sees it whoever asks; that takes a second view in front of those that look at clients.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.engines.dns.export import clients, records, zonefile
from gatewright.engines.dns.export.format import Exported, Format, Loss, Settings, Source
from gatewright.engines.dns.export.records import Names
from gatewright.graph.names.serving import View
from gatewright.kinds.intents.naming import TsigKey

CONFIG = "named.conf.gatewright"
_BY_ADDRESS = " by address"


def write(source: Source, settings: Settings) -> Exported:
    """The files for BIND 9.18 and later."""
    zones, losses = records.prepare(source)
    files = {zonefile.path(names): zonefile.text(names, settings.serial) for names in zones}
    shown = {names.view.name for names in zones}
    views = [view for view in clients.ordered(source.views) if view.name in shown]
    keys = {key.name: key for view in views for key in view.keys if records.is_name(key.name)}
    lines = ["// Made by gatewright dns export; include it in named.conf."]
    for name, key in sorted(keys.items()):
        lines += _key(name, key)
    for view in views:
        if view.listen:
            lines += _view(view, zones, f"match-destinations {{ {_list(view.listen)} }};", _BY_ADDRESS)
    for view in views:
        if view.clients:
            terms = clients.terms(view, source.views)
            matches = _list(cidr if yes else f"!{cidr}" for yes, cidr in terms)
            lines += _view(view, zones, f"match-clients {{ {matches} }};", "")
        losses += _losses(view)
    return Exported({CONFIG: "\n".join(lines) + "\n", **files}, tuple(sorted(losses)))


def key_file(name: str) -> str:
    """Where the secret of a TSIG key is looked for."""
    return f"keys/{name}.key"


def _key(name: str, key: TsigKey) -> list[str]:
    algorithm = key.algorithm if key.algorithm.replace("-", "").isalnum() else "hmac-sha256"
    return [f"// tsig-keygen -a {algorithm} {name} > {key_file(name)}", f'include "{key_file(name)}";']


def _list(items: Iterable[str]) -> str:
    return " ".join(f"{item};" for item in items)


def _view(view: View, zones: tuple[Names, ...], matches: str, suffix: str) -> list[str]:
    """A view clause.  Of two for one view the second shares the zones of the first."""
    label = zonefile.folder(view.name)
    shared = not suffix and bool(view.listen)
    lines = ["", f'view "{label}{suffix}" {{', f"\t{matches}", "\trecursion no;"]
    for names in zones:
        if names.view.name != view.name:
            continue
        domain = names.zone.domain
        if shared:
            lines.append(f'\tzone "{domain}" {{ in-view "{label}{_BY_ADDRESS}"; }};')
            continue
        lines += [f'\tzone "{domain}" {{', "\t\ttype primary;", f'\t\tfile "{zonefile.path(names)}";']
        lines.append("\t\tcheck-names ignore;")  # names with _ have addresses, too
        lines.append(f"\t\tallow-transfer {{ {_transfers(view)} }};")
        if view.secondaries:
            lines.append(f"\t\talso-notify {{ {_notified(view)} }};")
        lines.append("\t};")
    return [*lines, "};"]


def _transfers(view: View) -> str:
    """Who may copy: the networks that may, and secondaries by their key or else their address."""
    known = {key.name for key in view.keys if records.is_name(key.name)}
    by_key = (f'key "{other.key}"' for other in view.secondaries if other.key in known)
    by_address = (other.address for other in view.secondaries if not other.key)
    return _list(dict.fromkeys((*view.transfer_to, *by_key, *by_address))) or "none;"


def _notified(view: View) -> str:
    known = {key.name for key in view.keys if records.is_name(key.name)}
    return " ".join(
        f"{other.address} port {other.port}" + (f' key "{other.key}"' if other.key in known else "") + ";"
        for other in view.secondaries
    )


def _losses(view: View) -> Iterable[Loss]:
    yield from clients.unseen(view)
    if view.client_subnet:
        yield Loss("client-subnet", view.name)
    if view.updates:
        yield Loss("updates", view.name)


FORMAT = Format(
    name="bind",
    title="BIND 9",
    makes=f"`{CONFIG}` to include, and a zone file for each zone and view below `zones/`",
    losses={
        "client-subnet": "goes by the EDNS client subnet, which BIND does not choose views by",
        "updates": "may be updated by keys; an exported zone is replaced as a whole, so nobody may update it",
    },
    write=write,
)
