"""The rules, in the order in which `gatewright explain` lists them.  One file each; this tuple is the only register."""

from __future__ import annotations

from gatewright.check.rule import Rule
from gatewright.check.rules import cidr_overlap, host_port_surge, pool_overlap, pool_sizes_differ

RULES: tuple[Rule, ...] = (
    # addresses
    cidr_overlap.RULE,
    pool_overlap.RULE,
    pool_sizes_differ.RULE,
    # workloads
    host_port_surge.RULE,
)
