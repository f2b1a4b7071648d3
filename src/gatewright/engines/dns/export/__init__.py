"""Exports of zones for DNS servers that Gatewright does not drive: one file per format, one line per format here.

`FORMATS[name].write(source, settings)` is pure and gives files and losses; `records` prepares what they all write,
`checking` runs a target's own checker.  docs/dns-export.md is for users.
"""

from __future__ import annotations

from gatewright.engines.dns.export import (
    adguard,
    bind,
    cloudflared,
    coredns,
    dnsmasq,
    infoblox,
    nsupdate,
    pihole,
    unbound,
    windows,
)

FORMATS = {
    target.FORMAT.name: target.FORMAT
    for target in (
        bind,
        dnsmasq,
        coredns,
        unbound,
        pihole,
        adguard,
        windows,
        infoblox,
        cloudflared,
        nsupdate,
    )
}
