"""cloudflared: the ingress rules of a tunnel for the names of each view, all to one service.

What it says is which names the tunnel takes, not what they resolve to.  Counterpart: `kinds.cloudflared`.
"""

from __future__ import annotations

import yaml

from gatewright.engines.dns.export import flat, records, zonefile
from gatewright.engines.dns.export.format import Exported, Format, Loss, Settings, Source

_LEADING = frozenset(("A", "AAAA", "CNAME"))


def write(source: Source, settings: Settings) -> Exported:
    """The files for cloudflared.  `settings.service` is a URL such as https://10.0.0.50:443."""
    zones, losses = records.prepare(source)
    files = {}
    views = flat.by_view(zones)
    for view, mine in views.items():
        leading = {name for names in mine for name, node in names.sets.items() if not _LEADING.isdisjoint(node)}
        order = sorted(leading, key=lambda name: (name.startswith("*."), -name.count("."), name))
        rules: list[dict[str, str]] = [{"hostname": name, "service": settings.service} for name in order]
        document: dict[str, object] = {"tunnel": settings.tunnel} if settings.tunnel else {}
        document["ingress"] = [*rules, {"service": "http_status:404"}]
        text: str = yaml.safe_dump(document, sort_keys=False, width=1000)
        files[f"cloudflared/{zonefile.folder(view)}.yml"] = f"# Made by gatewright dns export.\n{text}"
        losses += [
            Loss("data" if type_ in _LEADING else "type", f"{name} {type_}")
            for names in mine
            for name, node in names.sets.items()
            for type_ in node
            if (name, type_) != (names.zone.domain, "NS")
        ]
        losses += [Loss("wildcard-reach", name) for names in mine for name in flat.stops(_tree(names))]
        if len(views) > 1:
            losses.append(Loss("views", view))
    return Exported(files, tuple(sorted(losses)))


def _tree(names: records.Names) -> records.Tree:
    return records.Tree(names.zone.domain, {name: dict(node) for name, node in names.sets.items()})


FORMAT = Format(
    name="cloudflared",
    title="cloudflared",
    makes="`cloudflared/VIEW.yml` for each view: a rule for each name, and http_status:404 for all others",
    losses={
        "views": "is one of several views; a tunnel has none, each file is for a tunnel of its own",
        "data": "is exported as a name that the tunnel takes, without its data; the name needs a proxied CNAME",
        "type": "is of a type that leads no request anywhere",
        "wildcard-reach": "exists below a wildcard, whose rule takes the requests for names below it, too",
    },
    write=write,
    needs=("service",),
)
