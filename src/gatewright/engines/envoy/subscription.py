"""One type's half of a delta xDS stream: what the client holds, what it still has to hear, what it refused.

Pure state without I/O.  It knows nothing of other types; the order between types is decided by its
counterpart `delta`, which passes in the epochs that may be sent.

At most one response is in flight, so changes that come faster than Envoy digests them are merged.
A refused response is cut into smaller groups until the culprit stands alone; everything else goes
live.  The culprit is not sent again until its bytes change.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from msgspec import Struct, field

from gatewright.engines.envoy.resources import Resource

WILDCARD = "*"
NAMED_ALONE = 16
"""How many resources that a refusal names are tried one by one; more are halved like any others."""

Epoch = float


class Pending(Struct, frozen=True, gc=False):
    """A resource that the client has yet to hear of, and the cache's epoch that brought it."""

    epoch: Epoch
    resource: Resource


Group = dict[str, Pending]


class Batch(Struct):
    """The contents of one response."""

    upserts: Group = field(default_factory=dict)
    removals: dict[str, Epoch] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.upserts or self.removals)


class Want(Struct, frozen=True, gc=False):
    """What the client ought to hold under a name; `held` when a refused version is kept from it."""

    resource: Resource | None
    held: bool = False


class Subscription:
    """The state of one type on one stream."""

    def __init__(self, max_unknown: int) -> None:
        self._max_unknown = max_unknown
        self.wildcard = False
        self.explicit: set[str] = set()
        self.known: dict[str, str] = {}
        """Versions that the client holds."""
        self.absent: dict[str, None] = {}
        """Names that the client asked for and was told do not exist; oldest first."""
        self.forgot = False
        """Were too many of those asked for, and the oldest forgotten?"""
        self.resolved: dict[str, None] = {}
        """Names whose resources were made on demand; oldest first."""
        self.refused: dict[str, tuple[str, Epoch]] = {}
        """Culprits: the version that is held back, and its epoch."""
        self.owes_answer = False
        """A wildcard client waits for an answer even if there is nothing to tell."""
        self.upserts: Group = {}
        self.removals: dict[str, Epoch] = {}
        self.suspects: list[Group] = []
        self.in_flight: Batch | None = None
        self._suspects_next = False

    # --- interest -----------------------------------------------------------------------------

    def follows(self, name: str) -> bool:
        """Would the client want to hear of this name?"""
        return self.wildcard or name in self.explicit or name in self.known

    def forget(self, name: str) -> None:
        """The client dropped this name, or must hear of it anew."""
        self.known.pop(name, None)
        self.absent.pop(name, None)
        self._unschedule(name)

    def unsubscribe(self, name: str) -> None:
        """The client takes no interest in this name of its own any more."""
        self.explicit.discard(name)
        self.refused.pop(name, None)
        self.resolved.pop(name, None)
        self.forget(name)

    # --- what is to be told -------------------------------------------------------------------

    def mark(self, name: str, want: Want, epoch: Epoch, *, force: bool = False) -> None:
        """Schedule what brings the client from what it holds (or is about to hold) to `want`."""
        self._unschedule(name)
        base = None if force else self._about_to_hold(name)
        unanswered = name in self.explicit and name not in self.absent
        if want.resource is None and not want.held:
            self.refused.pop(name, None)
        if want.held or self._is_refused(name, want.resource):
            if base is None and unanswered:
                self.removals[name] = epoch
        elif want.resource is not None:
            if want.resource.version != base:
                self.absent.pop(name, None)
                self.upserts[name] = Pending(epoch, want.resource)
        elif base is not None or unanswered:
            self.removals[name] = epoch

    def _is_refused(self, name: str, resource: Resource | None) -> bool:
        refused = self.refused.get(name)
        return refused is not None and resource is not None and refused[0] == resource.version

    def _about_to_hold(self, name: str) -> str | None:
        if self.in_flight is not None:
            if name in self.in_flight.upserts:
                return self.in_flight.upserts[name].resource.version
            if name in self.in_flight.removals:
                return None
        return self.known.get(name)

    def _unschedule(self, name: str) -> None:
        self.upserts.pop(name, None)
        self.removals.pop(name, None)
        for group in self.suspects:
            group.pop(name, None)

    # --- how far it is ------------------------------------------------------------------------

    def upserts_settled(self) -> Epoch:
        """The last epoch whose upserts the client has all taken."""
        groups = [self.upserts, *self.suspects, self.in_flight.upserts if self.in_flight else {}]
        return min((item.epoch for group in groups for item in group.values()), default=math.inf) - 1

    def settled(self) -> Epoch:
        """The last epoch that the client has taken whole, removals too.

        A culprit whose older version is still live counts as open: that version needs what it refers to.
        """
        removals = [self.removals, self.in_flight.removals if self.in_flight else {}]
        open_removals = min((epoch for group in removals for epoch in group.values()), default=math.inf)
        open_refusals = min(
            (epoch for name, (_, epoch) in self.refused.items() if name in self.known), default=math.inf
        )
        return min(self.upserts_settled(), open_removals - 1, open_refusals - 1)

    # --- responses ----------------------------------------------------------------------------

    def next_batch(self, upsert_bound: Epoch, removal_bound: Epoch) -> Batch | None:
        """Take what may be sent now; None if there is nothing or an answer is still awaited."""
        if self.in_flight is not None:
            return None
        self.suspects = [group for group in self.suspects if group]
        batch = Batch()
        if not (self.suspects and self._suspects_next):
            batch = self._ready(upsert_bound, removal_bound)
        if not batch and self.suspects:
            batch = Batch(self.suspects.pop(0))
            self._suspects_next = False
        else:
            self._suspects_next = True
        if not batch and not self.owes_answer:
            return None
        self.owes_answer = False
        self.in_flight = batch
        self._note_absent(batch.removals)
        return batch

    def _ready(self, upsert_bound: Epoch, removal_bound: Epoch) -> Batch:
        if upsert_bound == math.inf:
            upserts, self.upserts = self.upserts, {}
        else:
            upserts = {name: item for name, item in self.upserts.items() if item.epoch <= upsert_bound}
            for name in upserts:
                del self.upserts[name]
        removals = {
            name: epoch
            for name, epoch in self.removals.items()
            if epoch <= removal_bound or not self._is_referred_to(name)
        }
        for name in removals:
            del self.removals[name]
        return Batch(upserts, removals)

    def _is_referred_to(self, name: str) -> bool:
        """May another resource refer to it?  Not if the client lacks it or fetched it on demand."""
        return name in self.known and not (self.wildcard and name in self.explicit)

    def _note_absent(self, names: Iterable[str]) -> None:
        """Remember names that do not exist, to tell when they do; beyond the bound forget the oldest."""
        self.absent.update((name, None) for name in names if name in self.explicit)
        while len(self.absent) > self._max_unknown:
            oldest = next(iter(self.absent))
            del self.absent[oldest]
            self.explicit.discard(oldest)
            self.refused.pop(oldest, None)
            self.forgot = True

    # --- answers ------------------------------------------------------------------------------

    def accepted(self) -> dict[str, str]:
        """The client took the response in flight; the versions that it holds now."""
        batch, self.in_flight = self.in_flight, None
        assert batch is not None
        versions = {name: item.resource.version for name, item in batch.upserts.items()}
        self.known.update(versions)
        for name in versions:
            self.refused.pop(name, None)
        for name in batch.removals:
            self.known.pop(name, None)
        return versions

    def rejected(self, message: str) -> Pending | None:
        """The client refused the response in flight.  The culprit if it stood alone, else None."""
        batch, self.in_flight = self.in_flight, None
        assert batch is not None
        self._suspects_next = False
        if not batch.upserts:
            # A removal cannot be cut smaller nor done better: the name is gone as far as we know.
            for name in batch.removals:
                self.known.pop(name, None)
            return None
        for name, epoch in batch.removals.items():
            if name not in self.upserts:
                self.removals.setdefault(name, epoch)
        if len(batch.upserts) == 1:
            name, culprit = batch.upserts.popitem()
            self.refused[name] = (culprit.resource.version, culprit.epoch)
            if name in self.explicit and name not in self.known and name not in self.upserts:
                self.removals[name] = culprit.epoch
            return culprit
        again = {
            name: item for name, item in batch.upserts.items() if name not in self.upserts and name not in self.removals
        }
        self.suspects = [*split(again, message), *self.suspects]
        return None


def split(group: Group, message: str) -> list[Group]:
    """Cut a refused group into smaller ones: the resources that the message names alone, else halves.

    A name in the message is only a hint: being alone and refused is the proof.
    """
    named = [name for name in group if mentions(message, name)]
    if 0 < len(named) < len(group) and len(named) <= NAMED_ALONE:
        rest = {name: item for name, item in group.items() if name not in named}
        return [rest, *({name: group[name]} for name in named)]
    items = list(group.items())
    half = (len(items) + 1) // 2
    return [dict(part) for part in (items[:half], items[half:]) if part]


def mentions(message: str, name: str) -> bool:
    """Does the message name this resource, and not merely a longer name that contains it?"""
    if name not in message:
        return False
    inside = r"[\w.*|/-]"
    return re.search(rf"(?<!{inside}){re.escape(name)}(?!{inside})", message) is not None
