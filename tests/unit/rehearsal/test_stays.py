"""Where manifests leave open on which node a gateway runs, the world decides, and the model is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gatewright.graph.network.outages import OUTAGE
from gatewright.graph.network.starts import starts
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.outages import OutageIntent
from gatewright.pipeline import Model
from gatewright.rehearsal.invent import invented
from gatewright.rehearsal.plan.whole import whole
from gatewright.rehearsal.stays import ORIGIN, stays
from gatewright.rehearsal.world import World
from support import needs

GATEWAY = "kube-system/traefik"
EDGE = "cloud/ionos"


@pytest.fixture
def anywhere(tmp_path: Path) -> Model:
    """The door at home may run on the edge node too."""
    copy = shutil.copytree(needs.REPOSITORY / "examples" / "dual-stack-edge", tmp_path / "copy")
    file = copy / "traefik-internal.yaml"
    file.write_text(file.read_text().replace("      topology.kubernetes.io/zone: home", ""))
    model = Model()
    model.read([str(copy)])
    model.provide(dict(model.analysis.answer(invented)))
    return model


def machines(model: Model) -> set[str]:
    return {id_ for start in model.analysis.answer(starts, GATEWAY) for id_ in start.machines}


def built(model: Model) -> World:
    return model.analysis.answer(whole, frozenset())


def test_both_know_the_same(anywhere: Model) -> None:
    assert EDGE in machines(anywhere)
    world = built(anywhere)
    anywhere.provide(stays(world))
    (here,) = machines(anywhere)
    notes = [note.text for note in world.notes if note.text.startswith(GATEWAY)]
    assert notes == [f"{GATEWAY} runs on {here} here; it may as well run on {EDGE}"]


def test_it_starts_again_elsewhere_when_that_node_is_down(anywhere: Model) -> None:
    before = machines(anywhere)
    anywhere.provide(stays(built(anywhere)))
    (here,) = machines(anywhere)
    key = Key(OUTAGE, "", "node")
    anywhere.provide({key: OutageIntent(key, ORIGIN, machines=(here,))})
    assert machines(anywhere) == before - {here}
