"""All dialects and what of them is carried over, and the page that says so.

`docs/compatibility.md` is this module's `page()`, to the letter; a test compares them, and others lower every example.
"""

from __future__ import annotations

from collections.abc import Iterator

from gatewright.kinds.annotations.readers import READERS
from gatewright.kinds.envoy_gateway import compatibility as envoy_gateway
from gatewright.kinds.features import Compatibility, Feature, Support
from gatewright.kinds.traefik import compatibility as traefik
from gatewright.kinds.traefik import object_features, static_features

DIALECTS: tuple[Compatibility, ...] = (
    *(one for reader in READERS for one in reader.compatibility),
    traefik.MIDDLEWARE,
    traefik.MIDDLEWARE_TCP,
    traefik.SERVICES,
    object_features.ROUTES,
    object_features.TLS,
    static_features.COMPATIBILITY,
    *envoy_gateway.TABLES,
)

_INTRO = """\
# What is carried over

Gatewright reads the manifests of other controllers and does what they would do. This page says how far, feature by
feature. It is written from the tables that the code itself goes by, and a test lowers every example in them. How to
move from one of them is in [moving.md](moving.md).

| | |
|---|---|
| **honoured** | does what the original does |
| **honoured with a difference** | works, but not to the letter: the note says how; each use is told once |
| **honoured with a slight difference** | works, but for a detail that hardly anybody meets: only this page tells it |
| **reported** | has no effect, and each use is told once; where it protects something, its rules answer 503, an error |
| **advisory** | tunes the original's own machinery; nothing here corresponds to it, and nothing is said |

An annotation that no version of its controller knows is told with the name that was probably meant. A value that
cannot be read is told, and what holds without it holds, as in the controllers themselves; where that would leave
something unprotected, the rules answer 503.
"""
_ORDER = (Support.HONOURED, Support.DIFFERENT, Support.SLIGHT, Support.REPORTED, Support.ADVISORY)


def page() -> str:
    """The page, as Markdown."""
    return "\n".join([_INTRO, *_summary(), *(line for one in DIALECTS for line in _section(one))]).rstrip() + "\n"


def _summary() -> Iterator[str]:
    yield "| dialect | " + " | ".join(support.value for support in _ORDER) + " |"
    yield "|---|" + "---:|" * len(_ORDER)
    for one in DIALECTS:
        counts = [sum(feature.support is support for feature in one.features) for support in _ORDER]
        yield f"| [{one.title}](#{_anchor(one.title)}) | " + " | ".join(map(str, counts)) + " |"
    yield ""


def _section(one: Compatibility) -> Iterator[str]:
    yield f"## {one.title}"
    yield ""
    yield f"Read from {one.of}." + (f" {one.intro}" if one.intro else "")
    yield ""
    prefix = _prefix(one)
    twin = _twin(one)
    if twin is not None:
        yield f"With `{prefix}` before them, the names of [{twin.title}](#{_anchor(twin.title)}), to the same effect."
        yield ""
        return
    if prefix:
        yield f"`{prefix}` stands before each of these names."
        yield ""
    for support in _ORDER:
        features = sorted((f for f in one.features if f.support is support), key=lambda feature: feature.name)
        if not features:
            continue
        if support is Support.ADVISORY:
            yield f"**advisory**: {_names(features, prefix)}"
            yield ""
            continue
        yield f"**{support.value}**"
        yield ""
        yield from _items(features, prefix)
        yield ""


def _items(features: list[Feature], prefix: str) -> Iterator[str]:
    """A line for each feature, those of which the same is to be said together; last those without a note."""
    alike: dict[str, list[Feature]] = {}
    for feature in features:
        alike.setdefault(feature.note, []).append(feature)
    plain = alike.pop("", [])
    for note, those in alike.items():
        yield f"- {_names(those, prefix)}: {note}"
    if plain:
        yield f"- {_names(plain, prefix)}"


def _names(features: list[Feature], prefix: str) -> str:
    return ", ".join(f"`{feature.name.removeprefix(prefix)}`" for feature in features)


def _prefix(one: Compatibility) -> str:
    """What all names begin with, up to a slash; "" if nothing."""
    before = {feature.name.rpartition("/")[0] for feature in one.features}
    return f"{before.pop()}/" if one.shape == "annotation" and len(before) == 1 and "" not in before else ""


def _twin(one: Compatibility) -> Compatibility | None:
    """The table before this one that says the same of the same names under another prefix."""
    said = _without_prefix(one)
    earlier = DIALECTS[: DIALECTS.index(one)]
    return next((other for other in earlier if _prefix(one) and _without_prefix(other) == said), None)


def _without_prefix(one: Compatibility) -> set[tuple[str, Support, str]]:
    prefix = _prefix(one)
    return {(feature.name.removeprefix(prefix), feature.support, feature.note) for feature in one.features}


def _anchor(title: str) -> str:
    """The fragment of a heading, as forges make it."""
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")
