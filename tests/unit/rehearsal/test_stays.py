"""Where manifests leave open on which node a gateway runs, the world decides, and the model is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gatewright.graph.names.nodes import Status
from gatewright.graph.names.resolvers import resolutions
from gatewright.graph.names.upstreams import unreached
from gatewright.graph.network.nodes import Place
from gatewright.graph.network.outages import OUTAGE
from gatewright.graph.network.starts import starts
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.outages import OutageIntent
from gatewright.kinds.intents.stays import StayIntent
from gatewright.pipeline import Model
from gatewright.rehearsal.invent import invented
from gatewright.rehearsal.plan.whole import whole
from gatewright.rehearsal.stays import ORIGIN, stays
from gatewright.rehearsal.world import World
from gatewright.trace.vantages import standing
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


PODS = """
apiVersion: gatewright.dev/v1alpha1
kind: Site
metadata: {name: home}
spec:
  networks: [{name: lan, cidrs: [10.0.0.0/24]}]
  nodes: [{name: n1, addresses: [10.0.0.5]}, {name: n2, addresses: [10.0.0.6]}]
  clusters: [{name: k, podCIDRs: [10.42.0.0/16], nodes: [n1, n2], namespaces: [apps]}]
---
apiVersion: gatewright.dev/v1alpha1
kind: Firewall
metadata: {name: shut}
spec: {protects: [{node: home/SHUT}], style: securityGroup, inbound: [{allow: any}], outbound: [{allow: tcp}]}
---
apiVersion: gatewright.dev/v1alpha1
kind: Vantage
metadata: {name: pod}
spec: {cluster: home/k, pod: {namespace: apps, labels: {app: one}}}
"""


@pytest.mark.parametrize("shut", ["n1", "n2"])
def test_vantages_and_resolvers_that_are_pods_ask_from_their_node(tmp_path: Path, shut: str) -> None:
    """Only one of the two nodes lets queries out: by which they go nobody says, but the world decides."""
    (tmp_path / "map.yaml").write_text(PODS.replace("SHUT", shut))
    model = Model()
    model.read([str(tmp_path)])
    assert model.analysis.answer(unreached, Place("cluster", "home/k"), "public") == ""
    (told,) = stays(built(model)).values()
    assert isinstance(told, StayIntent)
    model.provide({told.key: told})
    (pod,) = dict(told.vantages).values()
    assert model.analysis.answer(standing, "pod").place.machines == (pod,)
    resolver = dict(told.resolvers)["home/k"]
    answers = model.analysis.answer(resolutions, ("cluster-dns",), "example.com", "A", Place("cluster", "home/k"))
    assert [one.status is Status.UNREACHED for one in answers] == [resolver == f"home/{shut}"]
