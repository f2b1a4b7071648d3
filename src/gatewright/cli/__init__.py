"""The command line: one file per command, each a thin shell over the library.

Exit codes: 0 as asked, 1 the answer is no (a request is refused), 2 usage or input, 3 our fault, 4 (`dns
plan` alone) there are changes to make.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import NoReturn

import click

from gatewright.base.errors import EngineError, UsageError
from gatewright.cli.lazy import Lazy

EXIT_USAGE = 2
EXIT_OURS = 3


class _Commands(Lazy):
    PACKAGE = "gatewright.cli"
    COMMANDS = (
        "check",
        "completion",
        "diff",
        "dns",
        "enter",
        "explain",
        "init",
        "rehearse",
        "run",
        "schema",
        "status",
        "test",
        "trace",
    )


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: gatewright trace https://app.example.com manifests/",
)
@click.version_option(package_name="gatewright", message="%(prog)s %(version)s")
def cli() -> None:
    """Keep every way into your services right.

    Gatewright reads the Kubernetes manifests you already have and a small site map, and tells (trace, check, diff,
    test) or runs (run) what happens to any request, from anywhere.
    """


def main() -> None:
    """The `gatewright` program."""
    stdout = sys.stdout
    for stream in (stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal without ✓ gets ?
            stream.reconfigure(errors="replace")
    try:
        code = cli.main(
            prog_name="gatewright", standalone_mode=False, color=False if os.environ.get("NO_COLOR") else None
        )
    except SystemExit as leaving:
        read = sys.stdout is stdout  # click puts another there when nobody reads it any more, and says 1
        _leave(leaving.code if read and isinstance(leaving.code, int) else 0)
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = EXIT_USAGE
    except UsageError as error:
        code = _fail(str(error), EXIT_USAGE)
    except EngineError as error:
        code = _fail(str(error), EXIT_OURS)
    except BrokenPipeError:
        sys.stderr.close()
        code = 0
    except Exception:
        import traceback

        traceback.print_exc()
        code = _fail("this is a bug in Gatewright; please report it with the lines above", EXIT_OURS)
    _leave(code if isinstance(code, int) else 0)


def _leave(code: int) -> NoReturn:
    """End at once: taking a model of ten thousand hosts apart, object by object, would take seconds."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read it has seen enough
        code = 0
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(code)


def _fail(message: str, code: int) -> int:
    click.echo(f"{click.style('error', fg='red', bold=True)}: {message}", err=True)
    return code
