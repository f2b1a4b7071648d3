"""The faults that there are, by the word that begins what users write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from gatewright.graph.breaking import split
from gatewright.rehearsal.faults.base import Fault
from gatewright.rehearsal.faults.certificate import CertificateFault
from gatewright.rehearsal.faults.gateway import GatewayFault
from gatewright.rehearsal.faults.link import LinkFault
from gatewright.rehearsal.faults.node import NodeFault
from gatewright.rehearsal.faults.quality import LatencyFault, RateFault
from gatewright.rehearsal.faults.resolver import ResolverFault

KINDS: Final[Mapping[str, Callable[[str, str], Fault]]] = {
    "link": LinkFault,
    "node": NodeFault,
    "resolver": ResolverFault,
    "gateway": GatewayFault,
    "certificate": CertificateFault,
    "latency": LatencyFault,
    "rate": RateFault,
}


def parse(text: str) -> Fault:
    """A fault as users write it, KIND:NAME.  UsageError with what can be broken."""
    kind, name = split(text)
    return KINDS[kind](text, name)
