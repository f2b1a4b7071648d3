"""The values of `--dns` (where to answer DNS, and for which view) and of the options on ACME servers."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
from click.shell_completion import CompletionItem

from gatewright.base.errors import UsageError

if TYPE_CHECKING:
    from gatewright.engines.dns.content import Listen

DNS_PORT = 53
MOST_PORTS = 65_535


class Listening(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """ADDRESS[:PORT][=VIEW] → a Listen; an IPv6 address with a port is written in brackets."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Listen:
        from gatewright.engines.dns.content import Listen

        if isinstance(value, Listen):
            return value
        where, equals, view = str(value).partition("=")
        address, port = self._split(where)
        try:
            known = ipaddress.ip_address(address)
        except ValueError:
            self.fail(f"{value}: write it as ADDRESS[:PORT][=VIEW], such as 127.0.0.1:5300 or [::1]:5300=home")
        if where.endswith(":") and where != address:
            self.fail(f"{value}: there is no port after the :")
        if (port and not port.isdecimal()) or int(port or 0) > MOST_PORTS:
            self.fail(f"{value}: {port} is not a port")
        if equals and not view:
            self.fail(f"{value}: there is no view after the =")
        return Listen(str(known), int(port) if port else DNS_PORT, view)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The views of the manifests, after the "="."""
        from gatewright.cli import complete

        where, equals, view = incomplete.partition("=")
        found = complete.views(ctx, param, view) if equals else []
        return [CompletionItem(f"{where}={name}") for name in found]

    @staticmethod
    def _split(where: str) -> tuple[str, str]:
        if where.startswith("["):
            address, _, port = where[1:].partition("]")
            return address, port.removeprefix(":")
        if where.count(":") > 1:  # an IPv6 address alone
            return where, ""
        address, _, port = where.partition(":")
        return address, port


def acme_server(url: str) -> str:
    """The URL of an ACME directory as it was given, "" for none.  UsageError when it is none."""
    parts = urlsplit(url)
    if url and (parts.scheme != "https" or not parts.hostname):
        raise UsageError(f"--acme-server {url}: write the URL of its directory, such as https://127.0.0.1:14000/dir")
    return url


def acme_ca(file: Path | None) -> Path | None:
    """The file of authorities as it was given.  UsageError when it cannot be read, or holds no certificate."""
    if file is None:
        return None
    from cryptography import x509

    try:
        x509.load_pem_x509_certificates(file.read_bytes())
    except OSError as error:
        raise UsageError(f"--acme-ca {file}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"--acme-ca {file}: there is no certificate in PEM in it") from error
    return file
