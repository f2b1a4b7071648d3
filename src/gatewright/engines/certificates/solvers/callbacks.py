"""Challenges on what is ours: records in our own DNS, answers of our own gateways.

The runtime brings the callables; nothing here knows of servers.  Counterparts: the DNS engine's records that are put
beside a zone, and the route for /.well-known/acme-challenge/ of the gateways.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from functools import partial

from gatewright.engines.certificates.challenge import Challenge, SolverError

_WAIT = 30.0


def wait_until(is_so: Callable[[], bool], seconds: float, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Look at ever longer intervals, from 5 ms to 2 s; False when it was not so within `seconds`."""
    pause, deadline = 0.005, time.monotonic() + seconds
    while not is_so():
        if time.monotonic() + pause > deadline:
            return False
        sleep(pause)
        pause = min(pause * 2, 2.0)
    return True


class OwnDns:
    """TXT records in our own DNS.

    `put(record, value)` and `take(record, value)` add and remove one value; `see(record)` asks our servers, in the view
    that the world sees, for the values.  They may raise SolverError.
    """

    def __init__(
        self,
        put: Callable[[str, str], None],
        take: Callable[[str, str], None],
        see: Callable[[str], Collection[str]],
    ) -> None:
        self._put = put
        self._take = take
        self._see = see

    def present(self, challenges: Sequence[Challenge]) -> None:
        """Put the values, and wait until our servers answer with them."""
        for challenge in challenges:
            self._put(challenge.record, challenge.value)
        for challenge in challenges:
            if not wait_until(partial(self._visible, challenge), _WAIT):
                raise SolverError(f"our DNS does not answer with the TXT record {challenge.record} after {_WAIT:g} s")

    def remove(self, challenges: Sequence[Challenge]) -> None:
        """Take the values away."""
        for challenge in challenges:
            self._take(challenge.record, challenge.value)

    def _visible(self, challenge: Challenge) -> bool:
        return challenge.value in self._see(challenge.record)


class OwnGateways:
    """Answers to GET /.well-known/acme-challenge/<token> of our own gateways.

    `put(name, token, body)` returns when the gateways answer so, else SolverError; `take(name, token)` undoes it.
    """

    def __init__(self, put: Callable[[str, str, str], None], take: Callable[[str, str], None]) -> None:
        self._put = put
        self._take = take

    def present(self, challenges: Sequence[Challenge]) -> None:
        """Let the gateways answer."""
        for challenge in challenges:
            self._put(challenge.name, challenge.token, challenge.value)

    def remove(self, challenges: Sequence[Challenge]) -> None:
        """Let them answer no more."""
        for challenge in challenges:
            self._take(challenge.name, challenge.token)
