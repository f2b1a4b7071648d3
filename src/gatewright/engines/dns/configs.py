"""Zones and views without their names, on the wire, with the secrets of their keys.

A key whose secret is not there is left out together with everybody who would use it: who has to sign is not let in
unsigned.  Counterpart: `plan`, which has the names.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.problem import Problem, Severity
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


def views(analysis: Analysis, described: Iterable[serving.View]) -> tuple[tuple[ViewConfig, ...], tuple[Problem, ...]]:
    """The views, and which of their keys cannot be used."""
    problems: list[Problem] = []
    return tuple(_view(analysis, view, problems) for view in described), tuple(problems)


def _view(analysis: Analysis, view: serving.View, problems: list[Problem]) -> ViewConfig:
    keys: dict[str, KeyConfig] = {}
    for key in view.keys:
        analysis.keep(serving.secret, key)
        secret = analysis.answer(serving.secret, key)
        if secret is not None:
            keys[key.name] = KeyConfig(wire_name(key.name), key.algorithm, secret)
            continue
        message = f"the TSIG key {key.name} cannot be used: {key.secret} has no base64 under {key.entry!r}"
        hint = "add the Secret; until then nobody who signs with the key is let in or told of changes"
        problems.append(Problem("tsig-secret-missing", message, key.origin, Severity.ERROR, hint))
    rate = view.rate_limit
    return ViewConfig(
        view.name,
        view.clients,
        view.listen,
        view.client_subnet,
        tuple(keys.values()),
        view.transfer_to,
        tuple(
            SecondaryConfig(other.address, other.port, wire_name(other.key) if other.key else b"")
            for other in view.secondaries
            if not other.key or other.key in keys
        ),
        tuple(
            GrantConfig(wire_name(grant.key), tuple(map(wire_name, grant.names)), tuple(map(type_number, grant.types)))
            for grant in view.updates
            if grant.key in keys
        ),
        RateConfig(rate.per_second, rate.slip, rate.exempt) if rate is not None else None,
    )
