"""Which generation of listeners an Envoy has been given.

Routes carry what is done to a request, and the filters of its listener do it.  A connection keeps the filters of the
listener that took it, while its routes change under it: under filters of another version of ours, protections of
today's routes would not be met.  So an Envoy is taken over only by the generation that it is of.
"""

from __future__ import annotations

import hashlib

from gatewright.base.hostnames import Depth
from gatewright.base.origin import Origin
from gatewright.engines.envoy import http_manager
from gatewright.engines.envoy.bindings import Bindings
from gatewright.engines.envoy.http_manager import Taken
from gatewright.graph.nodes import Family, Gateway
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.routing import Dialect


def generation() -> str:
    """A digest of how this version serves HTTP, the same for the same version."""
    made = hashlib.sha256()
    for dialect in Dialect:
        door = Gateway("", Key("Gateway", "", ""), dialect, "", Origin(""), Depth.ONE, (), ())
        for family in (Family.HTTP, Family.HTTPS):
            filter = http_manager.manager(door, 0, family, Bindings(access_log=""), Taken())
            made.update(filter.SerializeToString(deterministic=True))
    return made.hexdigest()
