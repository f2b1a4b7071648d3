"""What a resolver's configuration says and what is wrong with it, one line each, for tables in tests."""

from __future__ import annotations

from gatewright.base.problem import Problem
from gatewright.kinds.intents.naming import Override, Record, ResolverConfig


def override(item: Override) -> str:
    """`*.x+ A 10.0.0.1 forward`: the + says that x is covered, too."""
    return " ".join((item.name + "+" * item.apex, item.type, *item.values, item.others))


def record(item: Record) -> str:
    """`www.x CNAME x 300`."""
    return " ".join((item.name, item.type, *item.values, str(item.ttl)))


def said(config: ResolverConfig) -> list[str]:
    """Everything but upstreams."""
    return [
        *map(override, config.overrides),
        *(f"{item.domain} -> {' '.join(item.to)} {item.order}" for item in config.forwards),
        *(f"{' '.join(item.domains)} k8s_gateway {' '.join(item.resources)}" for item in config.gateway_names),
        *(f"{domain} file {path}" for domain, path in config.zone_files),
        *map(record, config.records),
        *(f"{domain} cluster" for domain in config.cluster_domains),
        *(f"{domain} own" for domain in config.domains),
        *(["no AAAA"] if config.filters_ipv6 else []),
    ]


def noted(problems: tuple[Problem, ...]) -> list[tuple[str, str, object]]:
    """(severity, id, line or field) of each Problem."""
    return [(str(p.severity), p.id, p.origin.path[-1] if p.origin and p.origin.path else "") for p in problems]
