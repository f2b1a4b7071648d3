"""`gatewright enter`: a shell, or one command, inside a space of a rehearsal that stands."""

from __future__ import annotations

import os
from typing import Any

import click

EPILOG = """\b
Examples:
  gatewright rehearse --keep manifests/ site-map/         # in another terminal
  gatewright enter                                         # what there is
  gatewright enter phone-at-home                           # a shell where the phone is
  gatewright enter home/k3s-node1 ip route                 # one command
  gatewright enter site:home -- nft list ruleset           # the router of a site, and its firewall
\b
Exit codes: those of the command; 2 usage (also: no rehearsal stands here).
"""


def _complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    from gatewright.rehearsal import standing

    spaces = dict.fromkeys(space for one in standing.standing() for space in one.record.spaces)
    return [space for space in spaces if incomplete in space]


@click.command(
    "enter", epilog=EPILOG, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@click.option("--pid", type=int, default=0, help="Which rehearsal, where several stand: its process number.")
@click.argument("name", required=False, metavar="[NODE]", shell_complete=_complete)
@click.argument("words", nargs=-1, metavar="[COMMAND...]")
def command(pid: int, name: str | None, words: tuple[str, ...]) -> None:
    """Go inside a rehearsal that stands (see `rehearse --keep`): a node, a router, a pod, a vantage.

    A name may be given without its kind where it is clear: k3s-node1 for node:home/k3s-node1.  Without a name, lists
    what there is.
    """
    from gatewright.rehearsal import standing

    if not name:
        _list(standing.standing())
        return
    which, space = standing.choose(name, pid)
    words = words[1:] if words[:1] == ("--",) else words  # click leaves it where options may follow
    shell = os.environ.get("SHELL", "/bin/sh")
    line = standing.command(which, space, words or (shell,))
    os.environ["GATEWRIGHT_SPACE"] = space
    os.execv(line[0], line)  # noqa: S606  (no shell is meant)


def _list(found: Any) -> None:
    for one in found:
        click.secho(f"rehearsal {one.outer} of {' '.join(one.record.paths)}", bold=True)
        for space in one.record.spaces:
            click.echo(f"  {space}")
    if not found:
        click.echo("no rehearsal stands here: start one with gatewright rehearse --keep PATH...", err=True)
