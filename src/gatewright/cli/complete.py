"""What a shell completes besides options: rules, vantages, views and the like, read from the paths typed so far."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import click

from gatewright.base.errors import UsageError
from gatewright.pipeline import Model


def rules(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The ids of rules."""
    from gatewright.check.rules import RULES

    return [rule.id for rule in RULES if rule.id.startswith(incomplete)]


def vantages(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The names of Vantages."""
    from gatewright.trace.vantages import names

    return [name for name in _model(ctx).analysis.answer(names) if name.startswith(incomplete)]


def expectations(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The names of Expectations."""
    from gatewright.kinds.intents.asking import ExpectationIntent

    keys = _model(ctx).analysis.objects.keys_of((ExpectationIntent,))
    return [name for name in sorted({key.name for key in keys}) if name.startswith(incomplete)]


def faults(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """What can be broken."""
    from gatewright.graph.breaking import words

    return [word for word in _model(ctx).analysis.answer(words) if word.startswith(incomplete)]


def views(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The names of views."""
    from gatewright.graph.names import serving

    return [view.name for view in _model(ctx).analysis.answer(serving.views) if view.name.startswith(incomplete)]


def domains(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The domains of Zones."""
    from gatewright.graph.names import serving

    found = {zone.domain for zone in _model(ctx).analysis.answer(serving.zones)}
    return [domain for domain in sorted(found) if domain.startswith(incomplete)]


def _model(ctx: click.Context) -> Model:
    """What the paths typed so far hold, or else this folder."""
    model = Model()
    waiting = tuple(word for word in ctx.args if Path(word).exists())  # where an option still lacks its value
    with suppress(UsageError, OSError):
        model.read(ctx.params.get("paths") or waiting or (".",))
    return model
