"""Access lists in a trace: whose word about the client counts."""

from __future__ import annotations

import pytest

from gatewright.graph.nodes import Access
from gatewright.trace.request import request
from gatewright.trace.walk import walk
from support import compiled as c

LISTED = "10.1.2.3"


@pytest.mark.parametrize(
    ("trusted", "status"),
    [((), 403), (("192.0.2.0/24",), 403), (("127.0.0.1/32",), 200)],
    ids=["nobody", "other", "peer"],
)
@pytest.mark.parametrize("deny", [False, True])
def test_an_entry_counts_where_the_peer_is_believed(trusted: tuple[str, ...], status: int, deny: bool) -> None:
    cidrs = ("192.0.2.9/32",) if deny else ("10.0.0.0/8",)
    access = (Access(cidrs, c.ORIGIN, depth=1, deny=deny, trusted=trusted),)
    gateway = c.gateway(c.http_port())
    graph = c.graph([gateway], [c.host("a.test", c.entry(c.to("one"), access=access))], [c.backend("one", pods="echo")])
    told = walk(graph, gateway, request("http://a.test/", headers=(f"X-Forwarded-For: {LISTED}",), client="127.0.0.1"))
    assert (told.outcome.status == 403) == (status == 403), told.outcome
