"""What is broken on purpose, one thing after the other: what it does to the world, and what the model is told.

    --break WHAT ──► parse ──► Fault ──► aim (is there such a thing?) ──► strike ──► ask again ──► mend
                                 └─────► supposed: intents for the same Model ──► what it predicts then

The two accounts are made apart: a Fault stops programs, devices and certificates of a world that stands, and never asks
the model what comes of it; the model is told what is down (`Outage`, endpoints that are gone, Secrets that have ended),
and never what was done.  A file for each kind of fault.  Counterparts: `suffering`, which asks, waits and compares;
`graph.breaking`, what there is to break, and what `trace` and `check` suppose of the same.
"""

from gatewright.rehearsal.faults.base import Fault as Fault
from gatewright.rehearsal.faults.base import Ground as Ground
from gatewright.rehearsal.faults.kinds import parse as parse
