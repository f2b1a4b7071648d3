"""Which view a query sees, by listener, client and client subnet."""

import pytest

from gatewright.engines.dns.content import Listen, ViewConfig
from gatewright.engines.dns.views import Views
from gatewright.engines.dns.wire import Subnet

VIEWS = Views(
    (
        ViewConfig("lan", ("10.0.0.0/8", "fd00::/8")),
        ViewConfig("lab", ("10.7.0.0/16",), listen=("10.7.0.1", "2001:db8::53")),
        ViewConfig("public", ("0.0.0.0/0", "::/0"), client_subnet=True),
        ViewConfig("branch", ("198.51.100.0/24",), client_subnet=True),
    )
)


@pytest.mark.parametrize(
    ("client", "view"),
    [
        ("10.1.2.3", "lan"),
        ("10.7.2.3", "lab"),
        ("203.0.113.1", "public"),
        ("fd00::5", "lan"),
        ("2001:db8::1", "public"),
        ("::ffff:10.7.0.9", "lab"),
    ],
)
def test_longest_prefix(client: str, view: str) -> None:
    found = VIEWS.of_client(client)
    assert found is not None
    assert found.name == view


def test_listeners() -> None:
    by_name, by_address = VIEWS.of_socket(Listen("0.0.0.0", 53, "lan")), VIEWS.of_socket(Listen("10.7.0.1", 53))
    assert by_name is not None
    assert by_address is not None
    assert (by_name.name, by_address.name) == ("lan", "lab")
    assert VIEWS.of_socket(Listen("0.0.0.0", 53)) is None
    assert VIEWS.of_socket(Listen("10.7.0.1", 53, "gone")) is None
    assert Views(()).of_client("10.0.0.1") is None


@pytest.mark.parametrize(
    ("subnet", "view", "scope"),
    [
        (Subnet(1, 24, bytes([198, 51, 100])), "branch", 24),
        (Subnet(1, 32, bytes([198, 51, 100, 9])), "branch", 24),
        # Next to the branch: an answer for more than what is certainly outside of it must not be kept.
        (Subnet(1, 24, bytes([198, 51, 101])), "public", 24),
        (Subnet(1, 8, bytes([9])), "public", 1),
        # So wide that part of it sees something else.
        (Subnet(1, 16, bytes([198, 51])), "public", 24),
        (Subnet(1, 0, b""), "public", 24),
        (Subnet(2, 32, bytes.fromhex("20010db8")), "public", 0),
        # A view that reads no client subnets is never reached by one.
        (Subnet(1, 24, bytes([10, 7, 0])), "public", 1),
    ],
)
def test_client_subnets(subnet: Subnet, view: str, scope: int) -> None:
    found, answered = VIEWS.of_subnet(subnet)
    assert found is not None
    assert (found.name, answered) == (view, scope)
