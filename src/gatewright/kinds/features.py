"""What of a dialect is carried over, as data: the lowerings read it, and docs/compatibility.md is written from it.

A dialect's module exports a `Compatibility`.  Each feature has an example, and a test lowers every one of them: what is
said to be honoured has an effect and no Problem, what is said to differ or to be left out is told in one Problem.  So
the page cannot promise what the code does not do.
"""

from __future__ import annotations

import enum

from msgspec import Struct


class Support(enum.StrEnum):
    """What becomes of a feature."""

    HONOURED = "honoured"
    DIFFERENT = "honoured with a difference"
    SLIGHT = "honoured with a slight difference"  # one that only the page tells
    REPORTED = "reported"  # without effect, or the route is refused where it protects something
    ADVISORY = "advisory"  # tunes the original's own machinery; nothing here corresponds to it, and nothing is said


class Feature(Struct, frozen=True):
    """One annotation, field, middleware or setting.

    `note`: the difference, or what is done instead and the nearest equivalent; one clause without a full stop.
    `example`: a value as users write it, of the shape that the dialect's `Compatibility` says.
    """

    name: str
    support: Support
    note: str = ""
    example: str = ""


class Compatibility(Struct, frozen=True):
    """A dialect: `title` for people, `of` the versions that it was read from, `shape` what its examples are.

    `shape`: "annotation" (a value; `name` is the whole annotation of an Ingress), "configmap" (a value of the
    controller's ConfigMap), or "document" (a YAML document or several, which lower to something).
    """

    title: str
    of: str
    shape: str
    features: tuple[Feature, ...]
    intro: str = ""
