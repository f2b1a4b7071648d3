"""The visible list of kinds is complete, and no two kinds answer to one name and group."""

from __future__ import annotations

import importlib
import pkgutil

from gatewright import kinds
from gatewright.kinds.kind import Kind


def exported() -> list[Kind]:
    found: list[Kind] = []
    for info in pkgutil.walk_packages(kinds.__path__, f"{kinds.__name__}."):
        module = importlib.import_module(info.name)
        found += [module.KIND] if hasattr(module, "KIND") else []
        found += getattr(module, "KINDS", ())
    return found


def test_every_exported_kind_is_listed() -> None:
    forgotten = [kind.name for kind in exported() if kind not in kinds.KINDS]
    assert forgotten == [], "add them to KINDS in kinds/__init__.py"


def test_every_listed_kind_is_exported_by_a_module() -> None:
    assert [kind.name for kind in kinds.KINDS if kind not in exported()] == []


def test_no_name_and_group_is_taken_twice() -> None:
    names = [
        (kind.name, group)
        for kind in kinds.KINDS
        for group in {version.rpartition("/")[0] for version in kind.api_versions}
    ]
    assert sorted(names) == sorted(set(names))
