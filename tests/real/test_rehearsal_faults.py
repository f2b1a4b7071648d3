"""Faults of a rehearsal, struck for real: what is predicted is what clients meet, and all is mended afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.support import worlds
from tests.support.shared import Shared

from gatewright.base.errors import UsageError
from gatewright.rehearsal import standing
from gatewright.rehearsal.compare import Verdict
from gatewright.rehearsal.rehearsal import Listener, Options, Rehearsal
from gatewright.rehearsal.report import Broken, Cell

pytestmark = pytest.mark.real

EXAMPLES = Path(__file__).parents[2] / "examples"
SECONDS = 240.0

EDGE = (
    "link:wireguard",
    "node:k3s-node3",
    "node:k3s-node1",
    "node:cloud/ionos",
    "resolver:home-dns",
    "gateway:kube-system/traefik",
    "certificate:expire",
    "rate:wireguard=50mbit",
)
SPLIT = ("resolver:adguard", "node:adguard", "node:talos-cp-1", "node:talos-cp-2", "node:talos-worker-1", "link:tunnel")
DUAL = ("resolver:aws-dns", "gateway:traefik-aws/aws", "certificate:expire")


def suffered(example: str, *faults: str) -> dict[str, Any]:
    """What came of each fault of an example."""

    async def run() -> dict[str, Any]:
        listener = Listener(lambda _: None, lambda _: None, lambda _done, _all: None)
        rehearsal = Rehearsal(Options((str(EXAMPLES / example),), standing.WORLD, faults=faults), listener)
        rehearsal.read()
        rehearsal.plan()
        await rehearsal.stand()
        asked = rehearsal.questions()
        judge = rehearsal.judge(asked)
        cells, _ = judge.cells(await rehearsal.ask(asked, judge))
        found = await rehearsal.suffer(asked, cells)
        return {"": [_said(cell) for cell in cells if cell.verdict is Verdict.DIFFERS]} | {
            one.fault: _summary(one) for one in found
        }

    return asyncio.run(run())


def refused(example: str, *faults: str) -> list[str]:
    """Why each fault is refused before anything is built, "" where it is not."""
    return [_refusal(example, fault) for fault in faults]


def _refusal(example: str, fault: str) -> str:
    try:
        listener = Listener(lambda _: None, lambda _: None, lambda _done, _all: None)
        rehearsal = Rehearsal(Options((str(EXAMPLES / example),), standing.WORLD, faults=(fault,)), listener)
        rehearsal.read()
        rehearsal.plan()
    except UsageError as error:
        return str(error)
    return ""


def _said(cell: Cell) -> str:
    return f"{cell.vantage} IPv{cell.family} {cell.url}: {cell.model}; {cell.reality}"


def _summary(one: Broken) -> dict[str, Any]:
    cells = {cell.number: cell for cell in one.cells}
    return {
        "differ": [_said(cell) for cell in one.cells if cell.verdict is Verdict.DIFFERS],
        "after": [_said(cell) for cell in one.after],
        "did": list(one.did),
        "seconds": one.seconds,
        "worked": one.worked,
        "lost": sorted({cells[number].vantage for number in one.lost}),
        "kept": sorted(
            {cell.vantage for cell in one.cells if cell.number not in one.lost and "delivered" in cell.model}
        ),
        "moved": sorted({cells[number].vantage for number in one.moved}),
    }


def _suffered(shared: Shared, example: str, *faults: str) -> dict[str, Any]:
    made = shared.value(f"faults-{example}", lambda: worlds.run(suffered, example, *faults, seconds=SECONDS))
    return dict(made)


@pytest.fixture(scope="module")
def edge(shared: Shared) -> dict[str, Any]:
    return _suffered(shared, "dual-stack-edge", *EDGE)


@pytest.fixture(scope="module")
def split(shared: Shared) -> dict[str, Any]:
    return _suffered(shared, "gateway-split-dns", *SPLIT)


@pytest.fixture(scope="module")
def dual(shared: Shared) -> dict[str, Any]:
    return _suffered(shared, "dual-ingress", *DUAL)


@pytest.mark.parametrize("fault", EDGE)
def test_at_the_edge_reality_is_as_predicted_and_all_is_mended(fault: str, edge: dict[str, Any]) -> None:
    assert edge[""] == []
    assert edge[fault]["differ"] == []
    assert edge[fault]["after"] == []


@pytest.mark.parametrize("fault", SPLIT)
def test_with_split_dns_reality_is_as_predicted_and_all_is_mended(fault: str, split: dict[str, Any]) -> None:
    assert split[""] == []
    assert split[fault]["differ"] == []
    assert split[fault]["after"] == []


@pytest.mark.parametrize("fault", DUAL)
def test_behind_a_cdn_reality_is_as_predicted_and_all_is_mended(fault: str, dual: dict[str, Any]) -> None:
    assert dual[""] == []
    assert dual[fault]["differ"] == []
    assert dual[fault]["after"] == []


def test_routes_to_names_survive_their_resolver(dual: dict[str, Any]) -> None:
    found = dual["resolver:aws-dns"]
    assert found["lost"] == []
    assert found["seconds"] is not None


def test_without_the_tunnel_only_those_away_lose(edge: dict[str, Any]) -> None:
    found = edge["link:wireguard"]
    assert found["lost"] == ["phone-away"]
    assert found["kept"] == ["phone-at-home"]


def test_the_address_of_a_lost_node_is_announced_by_another(edge: dict[str, Any]) -> None:
    found = edge["node:k3s-node3"]
    assert found["lost"] == []
    assert found["seconds"] is not None
    announced = [said for said in found["did"] if "192.168.178.10 is announced by home/k3s-node" in said]
    assert len(announced) == 1
    assert "node3" not in announced[0]
    assert any("fda8:a1db:5685::10 is announced by" in said for said in found["did"])


def test_pods_of_a_lost_node_are_no_endpoints(edge: dict[str, Any]) -> None:
    found = edge["node:k3s-node1"]
    assert found["kept"] == []
    assert found["seconds"] is None
    assert found["lost"] == ["phone-at-home", "phone-away"]


def test_without_the_edge_node_only_those_away_lose(edge: dict[str, Any]) -> None:
    assert edge["node:cloud/ionos"]["lost"] == ["phone-away"]


def test_without_its_only_resolver_the_home_loses(edge: dict[str, Any]) -> None:
    found = edge["resolver:home-dns"]
    assert found["lost"] == ["phone-at-home"]
    assert found["kept"] == ["phone-away"]


def test_a_gateway_that_ended_loses_its_own_clients(edge: dict[str, Any]) -> None:
    found = edge["gateway:kube-system/traefik"]
    assert found["lost"] == ["phone-at-home"]
    assert found["kept"] == ["phone-away"]


def test_expired_certificates_lose_what_is_encrypted(edge: dict[str, Any]) -> None:
    found = edge["certificate:expire"]
    assert found["lost"] == ["phone-at-home", "phone-away"]
    assert found["kept"] == ["phone-at-home"]  # by plain HTTP


def test_a_narrow_tunnel_loses_nothing(edge: dict[str, Any]) -> None:
    assert edge["rate:wireguard=50mbit"]["lost"] == []


def test_a_silent_resolver_s_clients_ask_the_other(split: dict[str, Any]) -> None:
    found = split["resolver:adguard"]
    assert found["lost"] == []
    assert found["moved"] == ["laptop"]


def test_nobody_announces_what_only_one_node_may(split: dict[str, Any]) -> None:
    found = split["node:talos-worker-1"]
    assert "nobody is left to announce 172.16.1.61" in found["did"]
    assert "laptop" in found["lost"]


def test_what_cannot_be_broken_is_told_before_anything_is_built() -> None:
    expected = {
        "link:nope": "there is no link nope to break (there are: wireguard)",
        "node:nope": "there is no node nope to break",
        "resolver:nope": "there is no resolver nope to break",
        "gateway:traefik": "the gateway traefik may be kube-system/traefik or traefik-external/traefik",
        "certificate:apps/nope": "there is no certificate apps/nope to break",
        "rate:wireguard": "say rate:WHERE=1mbit",
        "rate:wireguard=fast": "say rate:WHERE=1mbit",
        "latency:nope=1ms": "there is no link, network or node nope to break",
        "meteor:home": "say link:",
    }
    for (fault, said), told in zip(expected.items(), worlds.run(refused, "dual-stack-edge", *expected), strict=True):
        assert said in told, fault
