"""Where to answer DNS, as it is written on the command line."""

import click
import pytest

from gatewright.cli.listening import Listening
from gatewright.engines.dns.content import Listen


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("127.0.0.1", Listen("127.0.0.1", 53)),
        ("127.0.0.1:5353", Listen("127.0.0.1", 5353)),
        ("127.0.0.1:0=home", Listen("127.0.0.1", 0, "home")),
        ("::1", Listen("::1", 53)),
        ("::1=home", Listen("::1", 53, "home")),
        ("[::1]", Listen("::1", 53)),
        ("[::1]:5353=home", Listen("::1", 5353, "home")),
        ("0.0.0.0:53", Listen("0.0.0.0", 53)),
    ],
)
def test_address_port_and_view(text: str, wanted: Listen) -> None:
    assert Listening().convert(text, None, None) == wanted


@pytest.mark.parametrize("text", ["", "home", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1=", "=home"])
def test_anything_else_is_refused_with_the_value(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Listening().convert(text, None, None)
