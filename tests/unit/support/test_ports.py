"""Whether somebody listens at a port, without asking there."""

from __future__ import annotations

import socket

import pytest

from support.ports import free_port, listens


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.2"), (socket.AF_INET6, "::1")])
def test_who_has_only_bound_does_not_listen(family: socket.AddressFamily, address: str) -> None:
    port = free_port()
    with socket.socket(family) as server:
        try:
            server.bind((address, port))
        except OSError:
            pytest.skip(f"this machine has no {address}")
        assert not listens(address, port)
        server.listen()
        assert listens(address, port)
    assert not listens(address, port)
