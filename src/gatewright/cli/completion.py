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

_WHOLE_WORDS = r"""
_gatewright_whole_words() {
    local rest=$COMP_LINE apart word before i
    local -a words=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]} before=
        if [[ -n $word ]]; then apart=${rest%%"$word"*}; else apart=${rest:0:1}; fi
        rest=${rest#"$apart$word"}
        if [[ -n $apart || $i == 0 ]]; then
            words+=("$word")
        else
            before=${words[-1]}
            words[-1]+=$word
        fi
    done
    [[ $word == *[!:=]* ]] || before+=$word
    before=${before#--*=}

    local -a COMP_WORDS=("${words[@]}")
    local COMP_CWORD=$((${#words[@]} - 1))
    _gatewright_completion "$@"
    for i in "${!COMPREPLY[@]}"; do
        if [[ ${COMPREPLY[i]} == "$before"* ]]; then
            COMPREPLY[i]=${COMPREPLY[i]#"$before"}
        else
            unset "COMPREPLY[i]"
        fi
    done
}

complete -o nosort -F _gatewright_whole_words gatewright
"""
"""Bash breaks words also at ":" and "=" (COMP_WORDBREAKS), and replaces only what is behind the last of them; our names
are such as link:home.  So what stands together on the line is joined first, and its beginning taken off the answers."""


@click.command("completion", epilog=EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script for a shell."""
    from gatewright.cli import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"no completion for {shell}")
    script = kind(cli, {}, "gatewright", "_GATEWRIGHT_COMPLETE").source()
    click.echo(script + _WHOLE_WORDS if shell == "bash" else script)
