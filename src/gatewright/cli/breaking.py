"""The option `--break` of `trace`, `check` and `rehearse`, and what the first two suppose by it: nothing is built.

Counterparts: `graph.breaking`, what there is to break; `rehearsal.faults`, which really do it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from gatewright.cli import complete
from gatewright.graph.breaking import supposed
from gatewright.pipeline import Model

F = TypeVar("F", bound=Callable[..., Any])

SUPPOSED = "link:NAME, node:NAME, resolver:NAME, gateway:ID, certificate:expire"
MEASURED = "latency:WHERE=50ms, rate:WHERE=1mbit"


def option(text: str) -> Callable[[F], F]:
    """`--break WHAT`, repeatable, as the parameter `faults`."""
    return click.option(
        "--break", "faults", multiple=True, metavar="WHAT", shell_complete=complete.faults, help=text
    )  # fmt: skip


def suppose(model: Model, faults: tuple[str, ...]) -> None:
    """Tell a model that all of this is broken at once.  UsageError for what there is not, and what only reality
    shows."""
    if faults:
        model.provide(model.analysis.answer(supposed, faults))


def line(faults: tuple[str, ...]) -> str:
    """What is broken, for the head of what is printed; "" for nothing."""
    return click.style(f"with {', '.join(faults)} broken", fg="yellow") if faults else ""
