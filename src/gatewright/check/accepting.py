"""What owners accept: `gatewright.dev/ignore` sets findings apart, until its date, and says when it is idle.

A word counts for a finding when it stands in any document that the finding names, under the finding's own id or that
of the rule whose finding it is.  Counterpart: `kinds.suppressions`, which reads the annotation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.kinds.intents import Suppression


class Words:
    """The words of owners, and which of them were needed.  `rules`: the rule of an id that is not one's own."""

    def __init__(self, words: Iterable[Suppression], rules: Mapping[str, str], today: date) -> None:
        self._words = tuple(words)
        self._at = {(word.origin.file, word.origin.document, word.rule): word for word in self._words}
        self._rules = rules
        self._today = today
        self._used: set[Suppression] = set()

    def divide(self, findings: Iterable[Finding]) -> tuple[list[Finding], list[tuple[Finding, Suppression]]]:
        """The findings that count, and those that somebody accepted."""
        counting: list[Finding] = []
        accepted: list[tuple[Finding, Suppression]] = []
        for finding in findings:
            word = self._word(finding)
            if word is None or self._is_over(word):
                counting.append(finding)
            else:
                accepted.append((finding, word))
        return counting, accepted

    def idle(self) -> Iterator[Finding]:
        """A finding for each word that nothing needs, or whose time is over."""
        for word in self._words:
            if word not in self._used:
                message = f"{word.rule} is accepted here ({word.reason}), but nothing of it is found"
                yield Finding("suppression-unused", Severity.INFO, message, "it would hide the fault if it came back",
                              "remove the line", (word.origin,))  # fmt: skip
            elif self._is_over(word):
                message = f"{word.rule} was accepted until {word.until} ({word.reason}) and counts again"
                yield Finding("suppression-expired", Severity.INFO, message, "it is reported again",
                              "mend it, or set a later date", (word.origin,))  # fmt: skip

    def _word(self, finding: Finding) -> Suppression | None:
        found: Suppression | None = None
        names = dict.fromkeys((finding.id, self._rules.get(finding.id, finding.id)))
        for origin in finding.origins:
            for name in names:
                word = self._at.get((origin.file, origin.document, name))
                if word is not None:
                    self._used.add(word)
                    # One that still holds goes before one whose time is over.
                    found = word if found is None or self._is_over(found) else found
        return found

    def _is_over(self, word: Suppression) -> bool:
        return bool(word.until) and date.fromisoformat(word.until) <= self._today
