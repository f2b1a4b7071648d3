"""Where to answer DNS, as it is written on the command line."""

from pathlib import Path

import click
import pytest

from gatewright.base.errors import UsageError
from gatewright.cli.listening import Listening, acme_ca, acme_server
from gatewright.cli.run import command
from gatewright.engines.dns.content import Listen
from support import keys


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


@pytest.mark.parametrize(
    "text", ["", "home", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:", "[::1]:", "127.0.0.1=", "=home"]
)
def test_anything_else_is_refused_with_the_value(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Listening().convert(text, None, None)


@pytest.mark.parametrize("url", ["pebble", "http://127.0.0.1:14000/dir", "https:///dir"])
def test_an_acme_server_is_a_url_with_tls(url: str) -> None:
    with pytest.raises(UsageError, match="--acme-server"):
        acme_server(url)


def test_no_acme_server_is_none_and_a_url_is_itself() -> None:
    assert acme_server("") == ""
    assert acme_server("https://127.0.0.1:14000/dir") == "https://127.0.0.1:14000/dir"


def test_authorities_of_an_acme_server_have_to_be_certificates(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("not a certificate")
    with pytest.raises(UsageError, match=r"ca\.pem: there is no certificate in PEM"):
        acme_ca(file)
    with pytest.raises(UsageError, match="Is a directory"):
        acme_ca(tmp_path)
    file.write_bytes(keys.pair("acme.test").cert_pem)
    assert acme_ca(file) == file
    assert acme_ca(None) is None


def test_views_are_completed_after_the_equals_sign(tmp_path: Path) -> None:
    (tmp_path / "names.yaml").write_text(
        "apiVersion: gatewright.dev/v1alpha1\nkind: View\nmetadata: {name: home}\nspec: {clients: [192.0.2.0/24]}\n"
    )
    context = command.make_context("run", [str(tmp_path)], resilient_parsing=True)
    param = next(param for param in command.params if param.name == "dns")
    assert [item.value for item in param.shell_complete(context, "127.0.0.1:5353=h")] == ["127.0.0.1:5353=home"]
    assert param.shell_complete(context, "127.0.0.1") == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--acme-server", "https://127.0.0.1:14000/dir", "--certificates", "private"), "--certificates described"),
        (("--dns-workers", "2"), "--dns ADDRESS"),
    ],
)
def test_options_that_would_do_nothing_are_refused(options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        command.main([*options, "--state", str(tmp_path), str(tmp_path)], standalone_mode=False)
