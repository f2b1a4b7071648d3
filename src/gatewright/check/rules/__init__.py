"""The rules, in the order in which `gatewright explain` lists them.  One file each; this tuple is the only register."""

from __future__ import annotations

from gatewright.check.rule import Rule

RULES: tuple[Rule, ...] = ()
