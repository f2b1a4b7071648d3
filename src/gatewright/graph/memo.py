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


class Answer:
    """One remembered answer.  SUSPECT: something below may have changed; STALE: something that it read has.

    `inputs` are the tokens that it read itself, `below` the other answers, in the order of reading.
    """

    __slots__ = ("asked", "below", "inputs", "kept", "readers", "state", "value")

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.value: Any = None
        self.inputs: frozenset[Token] = frozenset()
        self.below: tuple[Answer, ...] = ()
        self.readers: set[Answer] = set()
        self.state = STALE
        self.kept = False


class Memo:
    """The answers.  `compute` answers a question and says which tokens and which other answers it read, each once."""

    def __init__(self, compute: Callable[[Asked], tuple[Any, Iterable[Token], Iterable[Answer]]]) -> None:
        self._compute = compute
        self._answers: dict[Asked, Answer] = {}
        self._readers: dict[Token, set[Answer]] = {}
        self._active: set[Asked] = set()
        self._loose: set[Answer] = set()

    def __len__(self) -> int:
        return len(self._answers)

    def answer(self, asked: Asked) -> Answer:
        """The answer as it stands, computed when it has to be.  RuntimeError when a question needs its own answer."""
        answer = self._answers.get(asked)
        if answer is None:
            answer = self._answers[asked] = Answer(asked)
            self._loose.add(answer)
        elif answer.state == FRESH:  # as most are
            return answer
        return self._up_to_date(answer)

    def ask(self, asked: Asked) -> Any:
        """The value of the answer."""
        return self.answer(asked).value

    def keep(self, asked: Asked) -> Any:
        """Remember this answer although no other question reads it, and hand it out."""
        answer = self.answer(asked)
        answer.kept = True
        return answer.value

    def drop(self, asked: Asked) -> None:
        """No longer remember it, nor what only it needed."""
        answer = self._answers.get(asked)
        if answer is not None:
            answer.kept = False
            self._loose.add(answer)

    def touch(self, tokens: Iterable[Token]) -> set[Asked]:
        """Say what has changed; returns the kept questions whose answers may be different now."""
        suspects: list[Answer] = []
        for token in tokens:
            for answer in self._readers.get(token, ()):
                if answer.state == FRESH:
                    suspects.append(answer)
                answer.state = STALE
        for answer in suspects:  # it grows while it is walked
            for reader in answer.readers:
                if reader.state == FRESH:
                    reader.state = SUSPECT
                    suspects.append(reader)
        return {answer.asked for answer in suspects if answer.kept}

    def sweep(self) -> None:
        """Forget the answers that nobody reads any more."""
        while self._loose:
            answer = self._loose.pop()
            if answer.kept or answer.readers or self._answers.get(answer.asked) is not answer:
                continue
            self._record(answer, frozenset(), ())
            del self._answers[answer.asked]

    def _up_to_date(self, answer: Answer) -> Answer:
        if answer.state == FRESH:
            return answer
        if answer.asked in self._active:
            raise RuntimeError(f"{answer.asked[0].__qualname__} depends on its own answer")
        self._active.add(answer.asked)
        try:
            if answer.state == SUSPECT and self._still_holds(answer):
                answer.state = FRESH
            else:
                self._answer(answer)
        finally:
            self._active.discard(answer.asked)
        return answer

    def _still_holds(self, answer: Answer) -> bool:
        """Bring up to date what a suspect answer read, in order of reading; False once one came out different."""
        for below in answer.below:
            if below.state != FRESH:
                self._up_to_date(below)
                if answer.state == STALE:
                    return False
        return True

    def _answer(self, answer: Answer) -> None:
        before = answer.value
        value, inputs, below = self._compute(answer.asked)
        self._record(answer, frozenset(inputs), tuple(below))
        answer.state = FRESH
        if value != before:
            answer.value = value
            for reader in answer.readers:
                reader.state = STALE

    def _record(self, answer: Answer, inputs: frozenset[Token], below: tuple[Answer, ...]) -> None:
        for token in answer.inputs - inputs:
            readers = self._readers[token]
            readers.discard(answer)
            if not readers:
                del self._readers[token]
        for token in inputs - answer.inputs if answer.inputs else inputs:
            known = self._readers.get(token)
            if known is None:
                self._readers[token] = {answer}
            else:
                known.add(answer)
        if answer.below != below:
            for other in answer.below:
                other.readers.discard(answer)
                if not other.readers:
                    self._loose.add(other)
            for other in below:
                other.readers.add(answer)
        answer.inputs, answer.below = inputs, below
