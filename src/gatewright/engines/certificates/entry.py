"""One wanted certificate as it stands, and what follows from that: is it due, what comes into use, what is its status.

Decides for one certificate; the `manager` has all of them, and does what is decided here.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec import structs

from gatewright.engines.certificates import renewal
from gatewright.engines.certificates.attempt import Result
from gatewright.engines.certificates.issued import CertificateStatus, Issued, State
from gatewright.engines.certificates.obtaining import Window
from gatewright.engines.certificates.schedule import Rank
from gatewright.engines.certificates.store import Moments, Stored, description
from gatewright.graph.issuing import Wanted
from gatewright.kinds.operators.certificatespec import DEFAULT_DURATION

_NO_WINDOW = (0.0, 0.0)
_ASK_AGAIN = (60.0, 86400.0)
"""The authority's word on when to ask again is followed within these bounds, in seconds."""
_ASK_SPREAD = 3600.0

Chance = Callable[[], float]
"""Draws a number in [0, 1)."""


@dataclass(slots=True)
class Entry:
    """`unsaved` was issued and could not be saved; `unusable`: why no attempt is made; `note`: what else there is to
    say; `delivered`: what was handed out last; `attempting`: is one under way?"""

    wanted: Wanted
    stored: Stored | None = None
    moments: Moments = field(default_factory=Moments)
    unsaved: Stored | None = None
    unusable: str = ""
    note: str = ""
    delivered: Issued | None = None
    attempting: bool = False

    @property
    def not_after(self) -> float:
        """The end of what is in use: ours, or a newer one of the manifests; 0 for nothing."""
        return max(self.stored.made.not_after if self.stored else 0.0, self.wanted.present)

    @property
    def in_use(self) -> Stored | None:
        """Ours, unless the manifests have one that ends later."""
        if self.stored is not None and self.stored.made.not_after >= self.wanted.present:
            return self.stored
        return None

    def replace(self, wanted: Wanted) -> None:
        """Take another description; what failed for the old one says nothing of the new one."""
        if description(self.wanted) != description(wanted):
            self.forgive()
            self.unsaved = None
        self.wanted = wanted

    def forgive(self) -> None:
        """Forget what failed."""
        self.unusable = ""
        self.moments = structs.replace(self.moments, failures=0, next_attempt=0.0, message="", description="")

    # --- when ---

    def doubt(self, now: float) -> None:
        """What is later than anybody ever chooses was chosen by a clock that was wrong: it is now."""
        moments, longest = self.moments, renewal.LONGEST_RETRY_AFTER + renewal.LONGEST_WAIT
        if moments.next_attempt > now + longest:
            self.moments = moments = structs.replace(moments, next_attempt=now)
        if moments.ask_at > now + longest:
            self.moments = structs.replace(moments, ask_at=now)

    def due(self) -> float:
        """When the next attempt is."""
        if self.moments.failures:
            return self.moments.next_attempt
        own = self.in_use
        if own is not None and not own.made.answers(self.wanted):
            return 0.0
        return self.moments.renew_at if self.not_after else 0.0

    def next(self) -> float:
        """When something is to be done: an attempt, or asking the authority for its window."""
        if self.in_use is not None and self.moments.ask_at:
            return min(self.due(), self.moments.ask_at)
        return self.due()

    def rank(self, now: float) -> Rank:
        """Those without any certificate first, then those whose ends first."""
        end = self.not_after
        return (1.0, end) if end > now else (0.0, end)

    def draw(self, now: float, chance: Chance) -> bool:
        """Choose when to renew where nobody has yet, once for each certificate.  True when that is to be kept."""
        wanted, own = self.wanted, self.in_use
        if own is None:
            if wanted.present:
                self.moments = structs.replace(
                    self.moments, serial="", renew_at=_of_present(wanted), window=_NO_WINDOW, rule="", ask_at=0.0
                )
            return False
        made, moments = own.made, self.moments
        rule = f"{wanted.renew_before:g} {wanted.renew_percentage}"
        if moments.serial == made.serial and (moments.window != _NO_WINDOW or moments.rule == rule):
            return False
        moment = renewal.renew_at(made.not_before, made.not_after, wanted, chance())
        moment = max(moment, renewal.not_again_before(made.obtained, made.not_before, made.not_after))
        ask_at = moments.ask_at if moments.serial == made.serial else now + chance() * _ASK_SPREAD
        self.moments = structs.replace(
            moments, serial=made.serial, renew_at=moment, window=_NO_WINDOW, rule=rule, ask_at=ask_at
        )
        return True

    # --- what came of it ---

    def succeed(self, stored: Stored, window: Window | None, now: float, chance: Chance) -> None:
        """A newer certificate is on disk."""
        self.stored, self.unsaved = stored, None
        self.unusable, self.note = "", ""
        self.moments = Moments()
        self.draw(now, chance)
        self.told(window, now, chance)

    def told(self, window: Window | None, now: float, chance: Chance) -> None:
        """The authority has said when it wants a renewal, or nothing."""
        if self.stored is None:
            return
        made, moments = self.stored.made, self.moments
        least, most = _ASK_AGAIN
        pause = most if window is None else min(max(window.ask_again, least), most)
        moments = structs.replace(moments, ask_at=now + pause)
        if window is not None and (window.start, window.end) != moments.window:
            moment = renewal.within(window, chance())
            moment = max(moment, renewal.not_again_before(made.obtained, made.not_before, made.not_after))
            moments = structs.replace(
                moments, serial=made.serial, renew_at=moment, window=(window.start, window.end), rule=""
            )
        self.moments = moments

    def fail(self, result: Result, now: float, chance: Chance) -> None:
        """An attempt failed: wait longer, or for another description when no attempt can help."""
        failures = self.moments.failures + 1
        self.unsaved = result.unsaved
        self.unusable = result.message if result.permanent else ""
        wait = renewal.wait(failures, result.retry_after, chance())
        self.moments = structs.replace(
            self.moments,
            failures=failures,
            next_attempt=now + wait,
            message=result.message,
            description=description(self.wanted),
        )

    # --- how it stands ---

    def status(self, lender: Entry | None) -> CertificateStatus:
        """For the user; of what is borrowed, how the lender stands."""
        source = lender or self
        stored = source.in_use
        return CertificateStatus(
            id=self.wanted.id,
            target=self.wanted.target,
            names=self.wanted.names,
            issuer=self.wanted.issuer,
            state=source.state,
            not_before=stored.made.not_before if stored else 0.0,
            not_after=source.not_after,
            renew_at=source.moments.renew_at if source.not_after else 0.0,
            next_attempt=source.next_attempt,
            failures=source.moments.failures,
            message=source.message or (f"uses the certificate of {lender.wanted.id}" if lender else ""),
            serial=stored.made.serial if stored else "",
        )

    @property
    def next_attempt(self) -> float:
        """When the next attempt is, 0 when there is none or it is now."""
        return 0.0 if self.unusable or self.attempting else self.due()

    @property
    def message(self) -> str:
        return self.unusable or self.moments.message or self.note

    @property
    def state(self) -> State:
        if self.attempting:
            return State.ISSUING
        if self.unusable:
            return State.UNUSABLE
        if self.moments.failures:
            return State.FAILED
        ready = self.not_after and (self.in_use is None or self.in_use.made.answers(self.wanted))
        return State.READY if ready else State.WAITING


def _of_present(wanted: Wanted) -> float:
    """When to renew one of which only the end is known: it is taken to have lived as long as it was to.  The same
    moment after every restart."""
    began = wanted.present - (wanted.duration or DEFAULT_DURATION)
    drawn = random.Random(f"{wanted.id} {wanted.present}").random()  # noqa: S311  (it only spreads)
    return renewal.renew_at(began, wanted.present, wanted, drawn)
