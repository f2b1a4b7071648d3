"""The value of `--dns`: where to answer DNS, and for which view."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

import click

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
            self.fail(f"{value}: write it as ADDRESS[:PORT][=VIEW], such as 127.0.0.1:5353 or [::1]:5353=home")
        if (port and not port.isdecimal()) or int(port or 0) > MOST_PORTS:
            self.fail(f"{value}: {port} is not a port")
        if equals and not view:
            self.fail(f"{value}: there is no view after the =")
        return Listen(str(known), int(port) if port else DNS_PORT, view)

    @staticmethod
    def _split(where: str) -> tuple[str, str]:
        if where.startswith("["):
            address, _, port = where[1:].partition("]")
            return address, port.removeprefix(":")
        if where.count(":") > 1:  # an IPv6 address alone
            return where, ""
        address, _, port = where.partition(":")
        return address, port
