"""Groups of commands that import one when it is used: `trace` must not wait for what `run` needs."""

from __future__ import annotations

from importlib import import_module

import click


class Lazy(click.Group):
    """A group whose commands are modules of PACKAGE, each with a `command`; COMMANDS are their names."""

    PACKAGE = ""
    COMMANDS: tuple[str, ...] = ()

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.COMMANDS:
            return None
        command: click.Command = import_module(f"{self.PACKAGE}.{cmd_name}").command
        return command
