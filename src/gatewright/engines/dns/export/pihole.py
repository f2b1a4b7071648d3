"""Pi-hole: its DNS server is a dnsmasq, so it gets the same, as a file that versions 5 and 6 both read.

Counterpart: `dnsmasq`, which says what each line is for.
"""

from __future__ import annotations

from gatewright.engines.dns.export import dnsmasq
from gatewright.engines.dns.export.format import Exported, Format, Settings, Source

_HEAD = (
    "# Made by gatewright dns export for clients of the view {view}.\n"
    "# Pi-hole 6 reads it with: pihole-FTL --config misc.etc_dnsmasq_d true"
)


def write(source: Source, settings: Settings) -> Exported:
    """The files for Pi-hole."""
    return dnsmasq.of_views(source, "pihole", _HEAD)


FORMAT = Format(
    name="pihole",
    title="Pi-hole 5 and 6",
    makes="`pihole/VIEW.conf` for each view, for `/etc/dnsmasq.d`; version 6 reads it with `misc.etc_dnsmasq_d`",
    losses=dnsmasq.LOSSES,
    write=write,
)
