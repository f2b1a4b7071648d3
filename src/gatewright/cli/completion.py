"""`gatewright completion`: the script that lets a shell complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from gatewright.base.errors import UsageError

EPILOG = """\b
Examples:
  bash:  eval "$(gatewright completion bash)"          in ~/.bashrc
  zsh:   eval "$(gatewright completion zsh)"           in ~/.zshrc
  fish:  gatewright completion fish | source           in ~/.config/fish/config.fish
"""


@click.command("completion", epilog=EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script for a shell."""
    from gatewright.cli import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"no completion for {shell}")
    click.echo(kind(cli, {}, "gatewright", "_GATEWRIGHT_COMPLETE").source())
