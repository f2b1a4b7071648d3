"""A plan that was reviewed, as a file, and whether it still is what would be done now.

The file holds record data and digests, no settings and no secrets.  Counterpart: `planning`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from gatewright.base.errors import UsageError
from gatewright.engines.publish.content import ZonePlan

VERSION = 1


class Reviewed(Struct, frozen=True):
    """What was planned of all zones.  `adopt` and `force` are as they were given: they were reviewed too."""

    version: int
    zones: tuple[ZonePlan, ...]
    adopt: tuple[str, ...] = ()
    force: bool = False


def save(path: Path, reviewed: Reviewed) -> None:
    """Write a plan; UsageError when that cannot be done."""
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(reviewed), indent=2) + b"\n")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def load(path: Path) -> Reviewed:
    """Read a plan; UsageError for a file that is none."""
    try:
        reviewed = msgspec.json.decode(path.read_bytes(), type=Reviewed)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise UsageError(f"{path} is no saved plan: {error}") from None
    if reviewed.version != VERSION:
        raise UsageError(f"{path} was saved by another version of Gatewright; plan again")
    return reviewed


def differences(reviewed: Sequence[ZonePlan], now: Sequence[ZonePlan]) -> tuple[str, ...]:
    """What is no longer as it was reviewed, one sentence per zone; nothing: the plan may be applied."""
    current = {plan.id: plan for plan in now}
    found = []
    for plan in reviewed:
        other = current.get(plan.id)
        if other is None:
            found.append(f"{plan.domain} is no longer described")
        elif other.provider != plan.provider:
            found.append(f"{plan.domain} was to be published at {plan.provider}, and now at {other.provider}")
        elif other.desired != plan.desired:
            found.append(f"what is wanted of {plan.domain} has changed since the plan was made")
        elif other.existing != plan.existing:
            found.append(f"{plan.domain} was changed at {plan.provider} since the plan was made")
        elif other != plan:
            found.append(f"{plan.domain} would be changed in another way than was planned")
    return tuple(found)
