"""Rehearses manifests inside of namespaces (`worlds.run`) and says where model and reality differ."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatewright.check.matrix import fate
from gatewright.rehearsal.compare import Comparison, Verdict, compare, landmarks
from gatewright.rehearsal.compare.verdicts import in_words
from gatewright.rehearsal.questions import all_predicted
from gatewright.rehearsal.rehearsal import Listener, Options, Rehearsal
from gatewright.rehearsal.standing import WORLD
from support.random_names import world
from support.random_sites import written

MANIFESTS = Path("/run/manifests")


def of_seed(seed: int) -> dict[str, Any]:
    """Rehearse the random world of a seed; to be run inside."""
    written(MANIFESTS, world(seed))
    return of_paths([str(MANIFESTS)])


def of_paths(paths: Sequence[str]) -> dict[str, Any]:
    """Rehearse manifests; to be run inside.  What is counted, and each difference in sentences."""
    return asyncio.run(told(Rehearsal(Options(tuple(paths), WORLD), _nobody())))


async def told(rehearsal: Rehearsal) -> dict[str, Any]:
    """All questions asked of both sides, in figures and sentences."""
    problems = [one.message for one in rehearsal.read() if one.severity == "error"]
    planned = rehearsal.plan()
    stands = await rehearsal.stand()
    questions = rehearsal.questions()
    seen = await rehearsal.ask(questions)
    known = landmarks(planned, rehearsal.model.graph.backends.values())
    said = rehearsal.model.analysis.answer(all_predicted, questions)
    compared = [compare(q, branches, met, known) for q, branches, met in zip(questions, said, seen, strict=True)]
    return {
        "asked": len(compared),
        "verdicts": Counter(str(one.verdict) for one in compared),
        "fates": Counter(fate(branch).words.split(" ")[0] for branches in said for branch in branches),
        "differences": [_sentences(one) for one in compared if one.verdict is Verdict.DIFFERS],
        "unknown": [list(one.notes) for one in compared if one.verdict is Verdict.UNKNOWN],
        "failures": [*stands.gateways.failures, *stands.servers.failures, *map(str, stands.daemons.ended())],
        "problems": problems,
        "timings": rehearsal.timings,
    }


def _sentences(one: Comparison) -> str:
    """A disagreement with both traces."""
    asked = one.question
    lines = [f"{asked.vantage} v{asked.family} {asked.request.method} {asked.request.url}"]
    for pair in one.pairs:
        if pair.branch is not None:
            lines.append(f"  model   {pair.branch.resolver} {pair.branch.address} {fate(pair.branch).words}")
            lines += [f"          . {hop.summary}" for hop in pair.branch.hops]
        if pair.observation is not None:
            met = pair.observation
            lines.append(f"  reality {met.resolver} {met.address or met.named} {in_words(met)}")
            lines += [f"          . {hop}" for hop in met.hops]
    return "\n".join([*lines, *(f"  ! {difference}" for difference in one.differences)])


def _nobody() -> Listener:
    return Listener(lambda _: None, lambda _: None, lambda _, __: None)
