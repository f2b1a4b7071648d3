"""Zones and views without their names, on the wire, with the secrets of their keys.

A key whose secret is not there is left out together with everybody who would use it: who has to sign is not let in
unsigned.  Counterpart: `plan`, which has the names.
"""

from __future__ import annotations

from collections.abc import Callable

from gatewright.base.sensitive import Sensitive
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
from gatewright.kinds.intents.naming import TsigKey

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

    def secret(key: TsigKey) -> Sensitive | None:
        analysis.keep(serving.secret, key)
        return analysis.answer(serving.secret, key)

    return with_secrets(described, secret)


def with_secrets(described: serving.View, secret_of: Callable[[TsigKey], Sensitive | None]) -> ViewConfig:
    """The same for whoever looks the secrets up by himself; None for one that is not there."""
    keys: dict[str, KeyConfig] = {}
    for key in described.keys:
        secret = secret_of(key)
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
