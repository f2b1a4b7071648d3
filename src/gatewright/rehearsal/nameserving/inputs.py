"""What is read from this machine before names are planned: the configuration files that resolvers of the map name.

The model has them as it understands them; the real programs get them as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.naming import ResolverFileIntent, ResolverIntent

MOST_OCTETS: Final = 1 << 20


def texts(sight: Sight) -> tuple[tuple[Key, str], ...]:
    """The files with their texts, for `Draft.texts`; those that cannot be read (any more) are left out.

    As pairs, so that they can be an argument of a question.
    """
    found: dict[Key, str] = {}
    for resolver in sight.all("Resolver", ResolverIntent):
        file = resolver.file
        if file is None or file in found or sight.get(file, ResolverFileIntent) is None:
            continue
        try:
            with Path(file.name).open("rb") as stream:
                octets = stream.read(MOST_OCTETS + 1)
        except OSError:
            continue
        if len(octets) <= MOST_OCTETS:
            found[file] = octets.decode(errors="replace")
    return tuple(found.items())
