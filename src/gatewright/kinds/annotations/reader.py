"""What a dialect of annotations is to those who lower Ingresses.  See `READERS` in `readers`."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.features import Compatibility
from gatewright.kinds.intents.options import Options
from gatewright.kinds.intents.routing import RuleIntent


class Reader(Struct, frozen=True):
    """Reads the annotations with `prefix`, which doors of `implementation` act on, and those that may be one: `also`.

    `read` makes Options of the annotations of one Ingress and puts Problems into the notes.  It is asked for every
    Ingress that has one of them.  `class_wide` does so for the controller's ConfigMap, None where there is none.
    `usual`: what holds at such a door when nobody says anything.  `rules` changes the rules themselves, where
    annotations have conditions and actions; it tells what is wrong with these.
    """

    implementation: str
    prefix: str
    read: Callable[[Notes], Options]
    compatibility: tuple[Compatibility, ...]
    class_wide: Callable[[Notes], Options] | None = None
    usual: Options = Options()
    rules: Callable[[Notes, tuple[RuleIntent, ...]], tuple[RuleIntent, ...]] | None = None
    also: tuple[str, ...] = ()

    @property
    def implementations(self) -> tuple[str, ...]:
        """Those whose doors act on the annotations, the proper one first."""
        return (self.implementation, *self.also)
