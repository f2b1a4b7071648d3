"""Model against reality: does what clients met mean the same as what the model says?  Pure.

    branches ──┐
               ├──► compare (pairing: every way on both sides) ──► judge (one branch, one observation) ──► Comparison
    observed ──┘                                                     landmarks: who is at an address of the world

Nothing agrees by being absent: no observation is a difference, and what the model does not know is counted apart.
Counterparts: `trace.journey`, `clients`; `demands`, which holds reality against Expectations.
"""

from gatewright.rehearsal.compare.demands import unmet_for_real as unmet_for_real
from gatewright.rehearsal.compare.demands import unseen_demands as unseen_demands
from gatewright.rehearsal.compare.judging import trusting as trusting
from gatewright.rehearsal.compare.landmarks import Landmarks as Landmarks
from gatewright.rehearsal.compare.landmarks import landmarks as landmarks
from gatewright.rehearsal.compare.pairing import Comparison as Comparison
from gatewright.rehearsal.compare.pairing import Pair as Pair
from gatewright.rehearsal.compare.pairing import compare as compare
from gatewright.rehearsal.compare.verdicts import Verdict as Verdict
