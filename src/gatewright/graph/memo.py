"""Remembers answers to questions and what each answer depended on, so that a change re-asks only what it concerns.

A question is a pure function of a `Sight` and hashable arguments.  While it is answered, everything that it reads
(objects, nodes of the graph, answers to other questions) is recorded.  `touch` says what has changed; an answer is
computed again only when something that it read came out different.  The builder does the same for the nodes of the
graph in fixed stages; here any question may ask any other, as long as none ends up asking itself.

Counterparts: `sight` (what questions see), `analysis` (which ties both to a graph).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

from gatewright.graph.objects import Token

Question = Callable[..., Any]
Asked = tuple[Question, tuple[Hashable, ...]]
"""A question with its arguments: the identity of an answer, and the token of whoever reads it."""

FRESH, SUSPECT, STALE = range(3)


class _Answer:
    """One remembered answer.  SUSPECT: something below may have changed; STALE: something that it read has."""

    __slots__ = ("reads", "state", "value")

    def __init__(self) -> None:
        self.value: Any = None
        self.reads: tuple[Token, ...] = ()
        self.state = STALE


class Memo:
    """The answers.  `compute` answers a question and says what it read, in order and each once."""

    def __init__(self, compute: Callable[[Asked], tuple[Any, Iterable[Token]]]) -> None:
        self._compute = compute
        self._answers: dict[Asked, _Answer] = {}
        self._readers: dict[Token, set[Asked]] = {}
        self._active: set[Asked] = set()
        self._kept: set[Asked] = set()
        self._loose: set[Asked] = set()

    def __len__(self) -> int:
        return len(self._answers)

    def fresh(self, asked: Asked) -> _Answer | None:
        """The answer if it is known and holds, else None: most questions end here, so this is kept short."""
        answer = self._answers.get(asked)
        return answer if answer is not None and answer.state == FRESH else None

    def ask(self, asked: Asked) -> Any:
        """The answer, computed when it has to be.  RuntimeError when a question depends on its own answer."""
        answer = self._answers.get(asked)
        if answer is not None and answer.state == FRESH:
            return answer.value
        if asked in self._active:
            raise RuntimeError(f"{asked[0].__qualname__} depends on its own answer")
        self._active.add(asked)
        try:
            self._settle(asked)
        finally:
            self._active.discard(asked)
        return self._answers[asked].value

    def keep(self, asked: Asked) -> None:
        """Remember this answer although no other question reads it."""
        self._kept.add(asked)

    def drop(self, asked: Asked) -> None:
        """No longer remember it, nor what only it needed."""
        self._kept.discard(asked)
        self._loose.add(asked)

    def touch(self, tokens: Iterable[Token]) -> set[Asked]:
        """Say what has changed; returns the kept answers that may be different now."""
        stack: list[Asked] = []
        for token in tokens:
            for asked in self._readers.get(token, ()):
                answer = self._answers[asked]
                if answer.state == FRESH:
                    stack.append(asked)
                answer.state = STALE
        suspects = set(stack)
        while stack:
            for asked in self._readers.get(stack.pop(), ()):
                answer = self._answers[asked]
                if answer.state == FRESH:
                    answer.state = SUSPECT
                    suspects.add(asked)
                    stack.append(asked)
        return suspects & self._kept

    def sweep(self) -> None:
        """Forget the answers that nobody reads any more."""
        while self._loose:
            asked = self._loose.pop()
            if asked in self._kept or self._readers.get(asked) or asked not in self._answers:
                continue
            self._record(asked, self._answers[asked], ())
            del self._answers[asked]

    def _settle(self, asked: Asked) -> None:
        answer = self._answers.get(asked)
        if answer is None:
            answer = self._answers[asked] = _Answer()
            self._loose.add(asked)
        elif answer.state == SUSPECT and self._still_holds(answer):
            answer.state = FRESH
            return
        before = answer.value
        value, reads = self._compute(asked)
        self._record(asked, answer, tuple(reads))
        answer.state = FRESH
        if value != before:
            answer.value = value
            for reader in self._readers.get(asked, ()):
                self._answers[reader].state = STALE

    def _still_holds(self, answer: _Answer) -> bool:
        """Bring up to date what a suspect answer read, in order of reading; False once one came out different."""
        for token in answer.reads:
            below = self._answers.get(token) if isinstance(token, tuple) else None
            if below is not None and below.state != FRESH:
                self.ask(token)  # type: ignore[arg-type]
                if answer.state == STALE:
                    return False
        return answer.state == SUSPECT

    def _record(self, asked: Asked, answer: _Answer, reads: tuple[Token, ...]) -> None:
        readers_of = self._readers
        if not answer.reads:  # as most are that are recorded: in a cold run all
            for token in reads:
                readers = readers_of.get(token)
                if readers is None:
                    readers_of[token] = {asked}
                else:
                    readers.add(asked)
            answer.reads = reads
            return
        before, after = set(answer.reads), set(reads)
        for token in before - after:
            readers = self._readers[token]
            readers.discard(asked)
            if not readers:
                del self._readers[token]
                if token in self._answers:
                    self._loose.add(token)
        for token in after - before:
            self._readers.setdefault(token, set()).add(asked)
        answer.reads = reads
