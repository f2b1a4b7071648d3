"""Zones and views without their names, on the wire, with the secrets of their keys.

A key whose secret is not there is left out together with everybody who would use it: who has to sign is not let in
unsigned.  Counterpart: `plan`, which has the names.
"""

from __future__ import annotations

from gatewright.engines.dns.content import (
    GrantConfig,
    KeyConfig,
    RateConfig,
    SecondaryConfig,
    SoaConfig,
    ViewConfig,
    ZoneConfig,
)
from gatewright.engines.dns.encoding import type_number, wire_name
from gatewright.graph.analysis import Analysis
from gatewright.graph.names import serving

QUESTIONS = frozenset({serving.zones, serving.views, serving.secret})
"""What a change of these concerns is read anew as a whole."""


def zone(described: serving.Zone) -> ZoneConfig:
    """A zone without its names."""
    soa = described.soa
    return ZoneConfig(
        described.id,
        wire_name(described.domain),
        described.view,
        SoaConfig(wire_name(soa.primary), wire_name(soa.mailbox), soa.refresh, soa.retry, soa.expire, soa.negative_ttl),
        described.ttl,
    )


def view(analysis: Analysis, described: serving.View) -> ViewConfig:
    """A view with the keys that can be used."""
    keys: dict[str, KeyConfig] = {}
    for key in described.keys:
        analysis.keep(serving.secret, key)
        secret = analysis.answer(serving.secret, key)
        if secret is not None:
            keys[key.name] = KeyConfig(wire_name(key.name), key.algorithm, secret)
    rate = described.rate_limit
    return ViewConfig(
        described.name,
        described.clients,
        described.listen,
        described.client_subnet,
        tuple(keys.values()),
        described.transfer_to,
        tuple(
            SecondaryConfig(other.address, other.port, wire_name(other.key) if other.key else b"")
            for other in described.secondaries
            if not other.key or other.key in keys
        ),
        tuple(
            GrantConfig(wire_name(grant.key), tuple(map(wire_name, grant.names)), tuple(map(type_number, grant.types)))
            for grant in described.updates
            if grant.key in keys
        ),
        RateConfig(rate.per_second, rate.slip, rate.exempt) if rate is not None else None,
    )
