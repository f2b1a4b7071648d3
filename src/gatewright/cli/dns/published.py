"""What `dns plan` and `dns apply` share: looking at the zones, and showing what would change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import click
import msgspec

from gatewright.base.errors import UsageError
from gatewright.cli import output
from gatewright.engines.publish.content import Action, Change, Left, PublicZone, RecordSet, ZonePlan
from gatewright.engines.publish.described import public_zones
from gatewright.engines.publish.failures import PublishError
from gatewright.engines.publish.planning import Publication
from gatewright.graph.names import serving
from gatewright.pipeline import Model

VERSION = 1
EXIT_REFUSED = 1
SIGNS = {Action.CREATE: ("+", "green"), Action.UPDATE: ("~", "yellow"), Action.DELETE: ("-", "red")}
VERBS = {Action.CREATE: "to create", Action.UPDATE: "to change", Action.DELETE: "to delete"}


def described(paths: tuple[str, ...], domains: tuple[str, ...], *, problems: bool) -> tuple[PublicZone, ...]:
    """The zones that are to be published, only these domains if any.  Prints Problems: every one, or what matters."""
    model = Model()
    model.read(paths)
    found = (*model.problems(), *model.analysis.answer(serving.problems))
    output.problems(tuple(dict.fromkeys(found)), model.locator, every=problems)
    zones = public_zones(model.analysis)
    if not zones:
        raise UsageError("there is no Zone at a provider that Gatewright writes to (docs/dns-publish.md lists them)")
    for domain in domains:
        known = sorted({zone.domain for zone in zones})
        if domain not in known:
            raise UsageError(f"there is no such zone to publish: {domain}{output.suggestion(domain, known)}")
    return tuple(zone for zone in zones if not domains or zone.domain in domains)


def must_be_wanted(adopt: Iterable[str], zones: Iterable[PublicZone]) -> None:
    """UsageError for a name to adopt that no zone is to have."""
    wanted = {record.name for zone in zones for record in zone.records}
    for name in adopt:
        if _plain(name) not in wanted:
            near = output.suggestion(_plain(name), wanted)
            raise UsageError(f"nothing is to be published at {name}, so there is nothing to adopt{near}")


def _plain(name: str) -> str:
    return name.lower().removesuffix(".")


def looked_at(
    zones: Iterable[PublicZone], adopt: Iterable[str], *, patient: bool = False
) -> tuple[list[Publication], list[str]]:
    """What would have to change in each zone, and what kept us from finding that out."""
    status = output.StatusLine()
    names = frozenset(map(_plain, adopt))
    found, failures = [], []
    for zone in zones:
        status.progress(f"looking at {zone.domain} at {zone.provider} ...")
        try:
            found.append(Publication(zone, names, patient=patient, say=status.say))
        except ModuleNotFoundError as error:
            raise output.not_installed(error, "dns,route53" if zone.provider == "route53" else "dns") from None
        except (PublishError, UsageError) as error:
            failures.append(str(error) if zone.domain in str(error) else f"{zone.domain}: {error}")
    status.progress("")
    return found, failures


def tell(failures: Iterable[str]) -> None:
    """Print what failed, one line each."""
    for failure in failures:
        click.echo(f"{click.style('error', fg='red', bold=True)}: {output.harmless(failure)}", err=True)


def text(plans: Sequence[ZonePlan], *, verbose: bool = False) -> str:
    """What would change, for people.  `verbose` also lists the owner marks."""
    return "\n".join(line for plan in plans for line in _lines(plan, verbose=verbose))


def document(plans: Sequence[ZonePlan], failures: Sequence[str]) -> dict[str, Any]:
    """What would change, for programs."""
    return {
        "version": VERSION,
        "zones": [msgspec.to_builtins(plan) for plan in plans],
        "failures": list(failures),
    }


def _lines(plan: ZonePlan, *, verbose: bool) -> list[str]:
    lines = [click.style(f"{plan.id} at {plan.provider}", bold=True)]
    lines += [_change(change) for change in plan.changes if verbose or not change.mark]
    for left in plan.left:
        lines += _noted("!", "yellow", _left(left))
    for refused in plan.refused:
        words = output.harmless(f"{refused.name} {refused.type} cannot be published: {refused.reason}")
        lines += _noted("✗", "red", words)
    lines.append(click.style(f"  {_summary(plan)}", dim=True))
    if plan.unsafe:
        words = f"refused as too dangerous: {plan.unsafe[0].lower()}{plan.unsafe[1:]}; --force does it nevertheless"
        lines += [click.style(line, fg="red") for line in output.paragraph(words)]
    return lines


def _noted(sign: str, colour: str, words: str) -> list[str]:
    """A sentence behind a coloured sign."""
    first, *rest = output.paragraph(f"{sign} {words}")
    return [first.replace(sign, click.style(sign, fg=colour), 1), *rest]


def _change(change: Change) -> str:
    sign, colour = SIGNS[change.action]
    return f"  {click.style(sign, fg=colour)} {output.harmless(change.name)} {change.type}  {_difference(change)}"


def _difference(change: Change) -> str:
    """The data, or with an arrow what becomes of it."""
    if change.old is None or change.new is None:
        item = change.new or change.old
        assert item is not None
        return "  ".join(filter(None, _parts(item)))
    pairs = zip(_parts(change.old), _parts(change.new), strict=True)
    parts = (old if old == new else f"{old or 'not proxied'} → {new or 'not proxied'}" for old, new in pairs)
    return "  ".join(filter(None, parts))


def _parts(item: RecordSet) -> tuple[str, ...]:
    return str(item.ttl or "auto"), output.harmless(" ".join(item.values)), "proxied" if item.proxied else ""


def _left(left: Left) -> str:
    name, type_ = left.wanted.identity
    if left.found and not left.differs:
        there = "is already there as wanted"
    else:
        there = "is left alone, there is " + ("; ".join(map(_brief, left.found)) or "nothing but a mark")
    return f"{name} {type_} {there}, which {left.reason}; --adopt {name} takes it over"


def _brief(item: RecordSet) -> str:
    return output.harmless(f"{item.type} {' '.join(item.values)}")


def _summary(plan: ZonePlan) -> str:
    counts = Counter(change.action for change in plan.changes if not change.mark)
    told = [f"{counts[action]} {verb}" for action, verb in VERBS.items() if counts[action]]
    marks = sum(change.mark for change in plan.changes)
    told += [output.count(marks, "owner mark") + " beside them"] if marks else []
    told += [f"{len(plan.left)} left alone"] if plan.left else []
    told += [f"{len(plan.refused)} not possible"] if plan.refused else []
    return ", ".join(told) if plan.changes or plan.left or plan.refused else "nothing to do"
