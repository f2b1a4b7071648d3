"""What is asked in a rehearsal, and what is seen: the contract between `clients`, `compare` and the reports.

A `Question` is one request from one vantage in one address family.  Asking it gives an `Observation` for every way that
a real client could go: each of its resolvers is asked, and each address of each answer is tried, as the model's
branches do.  Counterpart: `trace.branches`, what the model says.
"""

from __future__ import annotations

import enum

from msgspec import Struct

from gatewright.kinds.intents.asking import ExpectationIntent
from gatewright.trace.request import Request


class Question(Struct, frozen=True):
    """`expectation`: the one that it is asked for; None for a cell of the matrix.  `body`: octets to send."""

    number: int
    vantage: str
    family: str
    request: Request
    expectation: ExpectationIntent | None = None
    body: int = 0


class Named(enum.StrEnum):
    """How a query for the name ended.  LITERAL: the URL has an address, nobody was asked."""

    ANSWER = "answer"
    NODATA = "nodata"
    NXDOMAIN = "nxdomain"
    REFUSED = "refused"
    FAILED = "failed"  # SERVFAIL and the like
    SILENT = "silent"  # no answer in time
    LITERAL = "literal"


class Ended(enum.StrEnum):
    """How one try ended, as far as the client can tell.

    NOT_TRIED: there was no address.  ANSWERED: an HTTP status, or for other protocols whatever the far end said.
    TLS_FAILED: the handshake broke off; UNTRUSTED: the client did, because of the certificate.  CLOSED: the connection
    was made, and ended without an answer.  SILENT: it was made, and nothing came.
    """

    NOT_TRIED = "not-tried"
    ANSWERED = "answered"
    REFUSED = "connection-refused"
    UNREACHABLE = "unreachable"  # ICMP says so, or no route
    TIMEOUT = "timeout"
    TLS_FAILED = "tls-failed"
    UNTRUSTED = "untrusted"
    CLOSED = "closed"
    SILENT = "silent"


class EchoSeen(Struct, frozen=True):
    """Who answered, by its own account, and what reached it.  `peer`: the address that its connection came from."""

    namespace: str
    service: str
    port: int
    pod: str = ""
    peer: str = ""
    host: str = ""
    path: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Observation(Struct, frozen=True):
    """One way that the request really went.  `resolver` as the model calls it; `addresses`: the whole answer,
    `address` the one that was tried.  `status` 0 for none; `grpc_status` None for none.  `certificate`: the names of
    the one that was shown.  `seconds` from the first packet to the last.  `links`: those whose counters moved, None
    where they were not looked at.  `hops`: what the client saw, in sentences, in order.

    `distrust`: why the certificate was refused, in the words of `trace.branches.Trust`; `beyond` is then how it ends
    for a client that trusts anybody, and so are status and echo.  `silence`: seconds for which an open connection was
    left alone before it was used again."""

    question: int
    resolver: str
    named: Named
    addresses: tuple[str, ...] = ()
    address: str = ""
    ended: Ended = Ended.NOT_TRIED
    status: int = 0
    grpc_status: int | None = None
    location: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    echo: EchoSeen | None = None
    certificate: tuple[str, ...] = ()
    alpn: str = ""
    detail: str = ""
    seconds: float = 0.0
    links: tuple[str, ...] | None = None
    hops: tuple[str, ...] = ()
    redirects: tuple[tuple[int, str], ...] = ()
    distrust: str = ""
    beyond: Ended = Ended.NOT_TRIED
    silence: float = 0.0
