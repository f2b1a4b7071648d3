"""All dialects and what of them is carried over, and the page that says so.

`docs/compatibility.md` is this module's `page()`, to the letter; a test compares them, and others lower every example.
"""

from __future__ import annotations

from collections.abc import Iterator

from gatewright.kinds.annotations.readers import READERS
from gatewright.kinds.envoy_gateway import compatibility as envoy_gateway
from gatewright.kinds.features import Compatibility, Support
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
feature. It is written from the tables that the code itself goes by, and a test lowers every example in them.

| | |
|---|---|
| **honoured** | does what the original does |
| **honoured with a difference** | works, but not to the letter: the note says how; each use is told once |
| **reported** | has no effect, and each use is told once; where it protects something, its rules answer 503 instead |
| **advisory** | tunes the original's own machinery; nothing here corresponds to it, and nothing is said |

An annotation that no version of its controller knows is told with the name that was probably meant. A value that
cannot be read is told, and what holds without it holds, as in the controllers themselves; where that would leave
something unprotected, the rules answer 503.
"""
_ORDER = (Support.HONOURED, Support.DIFFERENT, Support.REPORTED, Support.ADVISORY)


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
    for support in _ORDER:
        features = sorted((f for f in one.features if f.support is support), key=lambda feature: feature.name)
        if not features:
            continue
        if support is Support.ADVISORY:
            yield f"**advisory**: {', '.join(f'`{feature.name}`' for feature in features)}"
            yield ""
            continue
        yield f"**{support.value}**"
        yield ""
        for feature in features:
            yield f"- `{feature.name}`" + (f": {feature.note}" if feature.note else "")
        yield ""


def _anchor(title: str) -> str:
    """The fragment of a heading, as forges make it."""
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")
