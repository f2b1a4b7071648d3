"""The five examples, rehearsed by the command itself: reality agrees with every model, and nothing is left open.

What a world holds is looked at in its plan, which is the same every time; that all of it runs, and what clients meet,
is asked of the command.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gatewright.check import expectations
from gatewright.kinds.intents.asking import ExpectationIntent
from gatewright.rehearsal.rehearsal import Listener, Options, Rehearsal
from support import needs, worlds
from support.live import program

pytestmark = pytest.mark.real

PROGRAMS = ("nebula", "wireguard-go", "dnsmasq", "named")
EXAMPLES = needs.REPOSITORY / "examples"
SECONDS = 300
SILENCE = 65
"""More than the 60 s after which an ALB ends a WebSocket, and nginx one that nobody told otherwise."""

CLIENTS_DO_NOT_SEE = "nobody sees whether the gateway is traefik-aws/aws"
"""Behind an edge the client meets the edge, and the backend the translated address of a node."""


@dataclass(frozen=True)
class Example:
    """What a rehearsal of it has to have.  `programs`: real ones, by how many run; `roles`: kinds of spaces and how
    many; `notes`: what is otherwise than described; `reservations`: what may be said beside an agreement; `unseen`: by
    Expectation, what no client sees."""

    name: str
    programs: Mapping[str, int]
    roles: Mapping[str, int]
    notes: tuple[str, ...] = ()
    reservations: tuple[str, ...] = ()
    unseen: Mapping[str, str] = field(default_factory=dict)


SPECIMENS = (
    Example(
        "dual-ingress",
        {"nebula": 2, "wireguard-go": 2, "dnsmasq": 1},
        {"machine": 3, "edge": 1, "router": 2},
        reservations=("which gateway it was does not show: all addresses are translated on the way",),
        unseen={"aws-direct": CLIENTS_DO_NOT_SEE, "aws-to-homelab": CLIENTS_DO_NOT_SEE},
    ),
    Example(
        "hybrid-labs",
        {},
        {"machine": 2, "gateway": 2, "router": 1},
        unseen=dict.fromkeys(
            ("an-hour-in-jupyter", "an-hour-in-the-terminal", "an-hour-in-vscode"),
            "0 of 3600 s of silence were tried",
        ),
    ),
    Example(
        "dual-stack-edge",
        {"wireguard-go": 2, "dnsmasq": 1},
        {"machine": 6, "gateway": 1, "router": 2},
    ),
    Example(
        "gateway-split-dns",
        {},
        {"machine": 7, "gateway": 2, "edge": 1},
        unseen={"my-app-inside": "nobody sees whether k8s-gateway is passed"},
    ),
    Example(
        "tenant-ingress",
        {"wireguard-go": 2, "named": 1},
        {"machine": 10, "gateway": 3, "router": 2},
        ("zones of ours are copied from 10.0.0.254: no Resolver says where we serve dc",),
        # Controllers that pass TLS on have certificates of their own for names that are nobody's.
        ("the model does not know who issued the certificate, which the real client refuses",),
    ),
)
EVERY = pytest.mark.parametrize("example", SPECIMENS, ids=lambda one: one.name)


def test_every_example_is_rehearsed() -> None:
    assert {one.name for one in SPECIMENS} == {path.name for path in EXAMPLES.iterdir() if path.is_dir()}


@EVERY
def test_reality_agrees_with_its_model_in_everything(example: Example, tmp_path: Path) -> None:
    document = rehearsed(example.name)

    assert differing(document) == []
    assert document["counts"] == {"agrees": len(document["cells"]), "differs": 0, "unknown": 0}
    assert [one for one in document["expectations"] if not one["holds"]] == []
    assert {note for cell in document["cells"] for note in cell["notes"]} == set(example.reservations)
    assert document["notes"] == [], "what did not run as it should"
    unseen = {one["expectation"]: one["unseen"] for one in document["expectations"] if one["unseen"]}
    assert unseen == {name: [text] for name, text in example.unseen.items()}
    assert_all_asked(document, imagined(example.name, tmp_path))


def assert_all_asked(document: dict[str, Any], rehearsal: Rehearsal) -> None:
    """No Expectation is left out, from nowhere and in no family; so is no hostname from nowhere."""
    analysis = rehearsal.model.analysis
    keys = analysis.objects.keys_of((ExpectationIntent,))
    wanted = {(v.expectation, v.vantage, v.family) for key in keys for v in analysis.answer(expectations.verdicts, key)}
    assert {(e["expectation"], e["vantage"], e["family"]) for e in document["expectations"]} == wanted
    matrix = [cell for cell in document["cells"] if not cell["expectation"]]
    places = {(cell["vantage"], cell["family"]) for cell in matrix}
    assert {(vantage, family) for _, vantage, family in wanted} <= places
    assert len(matrix) == len(places) * len({cell["url"] for cell in matrix})


@EVERY
def test_what_is_promised_of_its_world_is_there(example: Example, tmp_path: Path) -> None:
    needed()
    world = imagined(example.name, tmp_path).imagine()
    # A shell may only change into a folder and then become the program.
    words = (" ".join(daemon.command) if daemon.command[0] == "sh" else daemon.command[0] for daemon in world.daemons)
    programs = Counter(name for text in words for name in PROGRAMS if name in text)
    roles = Counter(space.role.value for space in world.spaces)
    assert {name: programs[name] for name in example.programs} == example.programs
    assert {role: roles[role] for role in example.roles} == example.roles
    assert tuple(note.text for note in world.notes) == example.notes


@EVERY
def test_its_readme_names_every_expectation(example: Example, tmp_path: Path) -> None:
    text = (EXAMPLES / example.name / "README.md").read_text(encoding="utf-8")
    section = text.partition("## Rehearse it\n")[2].partition("\n## ")[0]
    named = {key.name for key in imagined(example.name, tmp_path).model.analysis.objects.keys_of((ExpectationIntent,))}
    assert {name for name in named if f"`{name}`" not in section} == set()


def test_labs_may_be_silent_for_longer_than_a_minute() -> None:
    """For real: the WebSocket of every kind of lab, through the door that they are behind."""
    document = rehearsed("hybrid-labs", "--only", "an-hour-*", "--patience", str(SILENCE))

    assert differing(document) == []
    assert len(document["expectations"]) == 3
    for one in document["expectations"]:
        assert one["holds"], one
        assert one["unseen"] == [f"{SILENCE} of 3600 s of silence were tried"]


def needed() -> None:
    """The real programs that worlds are made of; without them others would stand in."""
    needs.package("envoy")
    for name in (*PROGRAMS, "pebble"):
        needs.binary(name)


def imagined(name: str, folder: Path) -> Rehearsal:
    """A rehearsal that has read its example."""
    quiet = Listener(lambda _: None, lambda _: None, lambda *_: None)
    rehearsal = Rehearsal(Options((str(EXAMPLES / name),), folder / "world"), quiet)
    rehearsal.read()
    return rehearsal


def rehearsed(name: str, *options: str) -> dict[str, Any]:
    """The document of a rehearsal that has to end well."""
    worlds.need()
    needed()
    done = subprocess.run(
        [*program(), "rehearse", f"examples/{name}", "-o", "json", *options],
        cwd=needs.REPOSITORY,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env={**os.environ, "NO_COLOR": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return dict(json.loads(done.stdout))


def differing(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What reality does otherwise: URL, vantage, how."""
    cells = [cell for cell in document["cells"] if cell["verdict"] != "agrees"]
    return [(cell["url"], cell["vantage"], "; ".join(cell["differences"] or cell["notes"])) for cell in cells]
