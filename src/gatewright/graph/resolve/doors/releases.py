"""Which releases of Helm charts there are, with all of their values: what several documents say of one is put together.

A HelmChartConfig adds to the HelmChart of its name; a values file belongs to the release that stands beside it, or to
the only one of its chart, and is a release of its own where there is none.  What values mean is `helm_values`'.
"""

from __future__ import annotations

import json
import posixpath
from collections import defaultdict
from collections.abc import Hashable, Iterable
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.programs import HelmIntent
from gatewright.kinds.programs.charts import merged
from gatewright.kinds.programs.files import HELM_VALUES

T = TypeVar("T")
Values = dict[str, Any]


class Objects(Protocol):
    """What a View and a Sight have in common."""

    def get(self, key: Key, kind: type[T]) -> T | None: ...
    def listed(self, index: str, value: Hashable, kind: type[T]) -> list[T]: ...


class Release(Struct, frozen=True):
    """One release: `values` of all `sources` together, the last of which wins.  `namespace` "" is not known."""

    name: str
    namespace: str
    version: str
    origin: Origin
    values: Values
    sources: tuple[tuple[Values, Origin], ...]

    def at(self, *path: str) -> Origin:
        """Where a value is given, or the nearest that there is to it."""
        for values, origin in reversed(self.sources):
            if _has(values, path):
                return origin.at(*path)
        return self.origin


def releases(objects: Objects, charts: Iterable[str]) -> list[Release]:
    """The releases of charts that are the same thing under different names, in order of their keys."""
    intents = [intent for chart in charts for intent in objects.listed("charts", chart, HelmIntent)]
    files = [intent for intent in intents if intent.key.kind == HELM_VALUES]
    stacks: list[list[HelmIntent]] = []
    for intent in sorted((i for i in intents if i.key.kind != HELM_VALUES), key=lambda intent: intent.key):
        stacks += _stack(objects, intent)
    alone = []
    for file in files:
        owner = _owner(file, stacks)
        if owner is None:
            alone.append(file)
        else:  # what stands in the release itself goes before a file
            owner.insert(len([i for i in owner if i.key.kind == HELM_VALUES]), file)
    stacks += _alone(alone)
    return _named_apart([_release(stack) for stack in stacks])


def _stack(objects: Objects, intent: HelmIntent) -> list[list[HelmIntent]]:
    """A release with what is configured for it elsewhere; none when it is itself such a configuration."""
    namespace, name = intent.key.namespace, intent.key.name
    if intent.key.kind == "HelmChartConfig":
        return [] if objects.get(Key("HelmChart", namespace, name), HelmIntent) else [[intent]]
    config = objects.get(Key("HelmChartConfig", namespace, name), HelmIntent)
    return [[intent, config] if intent.key.kind == "HelmChart" and config else [intent]]


def _owner(file: HelmIntent, stacks: list[list[HelmIntent]]) -> list[HelmIntent] | None:
    """The release that a values file is for."""
    releases = [(stack, next(i for i in stack if i.key.kind != HELM_VALUES)) for stack in stacks]
    folder = posixpath.dirname(file.key.name)
    beside = [stack for stack, release in releases if posixpath.dirname(release.origin.file) == folder]
    called = [stack for stack, release in releases if release.release == file.release]
    for found in (beside, called, stacks):
        if len(found) == 1:
            return found[0]
    return None


def _alone(files: list[HelmIntent]) -> list[list[HelmIntent]]:
    """Releases of which only the values are known: values.yaml with its variants beside it, else each file one."""
    folders: dict[str, list[HelmIntent]] = defaultdict(list)
    for file in files:
        folders[posixpath.dirname(file.key.name)].append(file)
    stacks: list[list[HelmIntent]] = []
    for group in folders.values():
        plain = [f for f in group if posixpath.basename(f.key.name).rpartition(".")[0] == "values"]
        stacks += [plain + [f for f in group if f not in plain]] if plain else [[f] for f in group]
    return stacks


def _release(stack: list[HelmIntent]) -> Release:
    first = next((intent for intent in stack if intent.key.kind != HELM_VALUES), stack[0])
    sources = tuple((json.loads(intent.values), intent.origin) for intent in stack)
    values: Values = {}
    for source, _ in sources:
        values = merged(values, source)
    return Release(first.release, first.namespace, first.version, first.origin, values, sources)


def _named_apart(found: list[Release]) -> list[Release]:
    """Values files in folders of one name: the folder around tells them apart, else all of the path."""
    for spelled in (_around, _path):
        names: dict[tuple[str, str], int] = defaultdict(int)
        for release in found:
            names[release.namespace, release.name] += 1
        found = [
            Release(spelled(r), r.namespace, r.version, r.origin, r.values, r.sources)
            if names[r.namespace, r.name] > 1 and not r.namespace
            else r
            for r in found
        ]
    return found


def _around(release: Release) -> str:
    around = posixpath.basename(posixpath.dirname(posixpath.dirname(release.origin.file)))
    return f"{around}-{release.name}" if around else release.name


def _path(release: Release) -> str:
    return posixpath.splitext(release.origin.file)[0].strip("/.").replace("/", "-")


def _has(values: Any, path: Iterable[str]) -> bool:
    for step in path:
        if not isinstance(values, dict) or step not in values:
            return False
        values = values[step]
    return True


# --- reading values: what has the wrong type counts as not given ------------------------------------


def given(values: Any, *path: str) -> Any:
    """A value, None where there is none."""
    for step in path:
        values = values.get(step) if isinstance(values, dict) else None
    return values


def mapping(values: Any, *path: str) -> Values:
    found = given(values, *path)
    return found if isinstance(found, dict) else {}


def text(values: Any, *path: str) -> str:
    """Text, also of a number; "" where there is none."""
    found = given(values, *path)
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""


def flag(values: Any, *path: str) -> bool | None:
    """A boolean, also one that is spelled as text."""
    found = given(values, *path)
    if isinstance(found, str) and found.lower() in ("true", "false"):
        return found.lower() == "true"
    return found if isinstance(found, bool) else None


def port(values: Any, *path: str) -> int:
    """The number of a port, 0 where there is none."""
    found = text(values, *path)
    number = int(found) if found.isascii() and found.isdigit() and len(found) < 6 else 0
    return number if number < 65536 else 0


def texts(values: Any, *path: str) -> tuple[str, ...]:
    """A list of texts, also one that is written as text with commas."""
    found = given(values, *path)
    if isinstance(found, str):
        found = found.split(",")
    if not isinstance(found, list):
        return ()
    return tuple(item.strip() for item in found if isinstance(item, str) and item.strip())


def written(values: Values) -> tuple[tuple[str, str], ...]:
    """Values as text, sorted by name, as a chart's template writes them into a ConfigMap."""
    return tuple(
        (name, str(value).lower() if isinstance(value, bool) else str(value))
        for name, value in sorted(values.items())
        if isinstance(value, str | int | float)
    )


def pairs(values: Any, *path: str) -> tuple[tuple[str, str], ...]:
    """Labels or annotations, sorted."""
    found = mapping(values, *path)
    return tuple(sorted((str(name), text(found, name)) for name in found))
