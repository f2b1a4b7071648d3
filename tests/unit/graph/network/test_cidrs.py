"""Which addresses the internet routes."""

from __future__ import annotations

import pytest

from gatewright.graph.network import cidrs


@pytest.mark.parametrize(
    ("text", "private"),
    [
        ("10.0.0.1", True),
        ("100.64.0.1", True),
        ("fd00::1", True),
        ("fe90::1", True),
        ("203.0.113.7", False),
        ("2001:db8::7", False),
        ("fd.example.com", False),
        ("10.example.com", False),
    ],
)
def test_what_the_internet_does_not_route_is_private_and_a_hostname_is_not(text: str, private: bool) -> None:
    assert cidrs.is_private(text) is private
