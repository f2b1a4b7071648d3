"""`gatewright dns`: zones for servers and providers that Gatewright does not run itself."""

from __future__ import annotations

import click

from gatewright.cli.lazy import Lazy


class _Dns(Lazy):
    PACKAGE = "gatewright.cli.dns"
    COMMANDS = ("apply", "export", "plan")


@click.group("dns", cls=_Dns)
def command() -> None:
    """Carry the zones that the manifests describe to DNS servers and providers of others."""
