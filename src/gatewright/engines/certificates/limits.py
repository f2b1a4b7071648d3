"""Rate limits of public authorities, kept by us so that a mistake of ours never meets them.

Buckets that refill steadily, one for each account, registered domain and set of names, saved before each order: a
process that is restarted again and again cannot burn them.  Servers whose limits are not known have none here; what
they say themselves (429 with Retry-After) is honoured by `acme_client`.

Each bucket is one moment, at which it will be full again (the generic cell rate algorithm).
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from gatewright.engines.certificates import keeping
from gatewright.engines.certificates.obtaining import IssueError

_HOUR = 3600.0
_DAY = 24 * _HOUR


class Limit(NamedTuple):
    """So many at once, and as many again in `seconds`."""

    size: int
    seconds: float
    what: str


class Known(NamedTuple):
    """The limits of an authority."""

    orders: Limit
    domain: Limit
    same_names: Limit
    failures: Limit


_LETS_ENCRYPT = Known(
    Limit(300, 3 * _HOUR, "new orders of this account"),
    Limit(50, 7 * _DAY, "certificates for the domain {}"),
    Limit(5, 7 * _DAY, "certificates for exactly {}"),
    Limit(5, _HOUR, "failed validations of {}"),
)
# https://letsencrypt.org/docs/rate-limits/
_KNOWN = {"acme-v02.api.letsencrypt.org": _LETS_ENCRYPT}

# Second labels below which registries of countries sell names.  An estimate: the authority has the last word.
_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "gob", "gov", "go", "ne", "net", "or", "org"})


class Reservation(NamedTuple):
    """What an order has taken; what of it comes back when no certificate comes of it."""

    taken: tuple[tuple[str, Limit], ...] = ()
    refundable: tuple[tuple[str, Limit], ...] = ()


class Limits:
    """The buckets at the authority of one directory; shared by its accounts and by threads."""

    def __init__(self, folder: Path, server: str, clock: Callable[[], float] = time.time) -> None:
        host = urlsplit(server).hostname or ""
        self._known = _KNOWN.get(host)
        self._file = folder / f"{host}.json"
        self._clock = clock
        self._lock = threading.Lock()

    def reserve(self, account: str, names: Sequence[str], *, renewal: bool = False) -> Reservation:
        """Take what an order for `names` costs; IssueError with the time to wait when a bucket is empty.

        `renewal`: it replaces a certificate in the window that the authority named, which costs nothing.
        """
        if self._known is None or renewal:
            return Reservation()
        known = self._known
        orders = ((f"orders {account}", known.orders),)
        same = " ".join(sorted(names))
        issued = [(f"names {same}", _named(known.same_names, same))]
        domains = sorted({registered_domain(name) for name in names})
        issued += [(f"domain {domain}", _named(known.domain, domain)) for domain in domains]
        failed = tuple((f"failures {account} {name}", _named(known.failures, name)) for name in names)
        with self._lock:
            full_at = self._load()
            now = self._clock()
            for key, limit in (*orders, *issued, *failed):
                _check(full_at.get(key, now), limit, now)
            self._add(full_at, (*orders, *issued), 1)
        return Reservation((*orders, *issued), tuple(issued))

    def give_back(self, reservation: Reservation) -> None:
        """No certificate came of it."""
        if reservation.refundable:
            with self._lock:
                self._add(self._load(), reservation.refundable, -1)

    def failed(self, account: str, names: Sequence[str]) -> None:
        """The validation of these names failed."""
        if self._known is None:
            return
        limit = self._known.failures
        with self._lock:
            self._add(self._load(), tuple((f"failures {account} {name}", limit) for name in names), 1)

    def _load(self) -> dict[str, float]:
        now = self._clock()
        kept = keeping.read_object(self._file)
        # None takes longer than a week to be full again: what is later is of a clock that was wrong.
        return {key: float(at) for key, at in kept.items() if isinstance(at, int | float) and now < at < now + 8 * _DAY}

    def _add(self, full_at: dict[str, float], buckets: Sequence[tuple[str, Limit]], times: int) -> None:
        now = self._clock()
        for key, limit in buckets:
            full_at[key] = max(full_at.get(key, now), now) + times * limit.seconds / limit.size
        keeping.write_object(self._file, full_at)


def _check(full_at: float, limit: Limit, now: float) -> None:
    each = limit.seconds / limit.size
    # Room for one more: the bucket would not be full later than `seconds` from now.
    wait = full_at + each - now - limit.seconds
    # Sums of floating point: a microsecond is no reason to wait.
    if wait > 1e-6:
        raise IssueError(f"the rate limit of the authority is reached: {limit.size} {limit.what}", wait)


def _named(limit: Limit, name: str) -> Limit:
    return limit._replace(what=limit.what.format(name if len(name) <= 80 else name[:77] + "..."))


def registered_domain(name: str) -> str:
    """The domain that was bought from a registry, as far as it can be told without their list; addresses themselves."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        labels = name.removeprefix("*.").split(".")
    below_country = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3:] if below_country else labels[-2:])
