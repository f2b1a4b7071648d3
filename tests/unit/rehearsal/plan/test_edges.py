"""Edges as they are planned: where they are, what they are told, and which programs run."""

from __future__ import annotations

import json

from gatewright.graph.sight import Sight
from gatewright.rehearsal.plan import edges
from gatewright.rehearsal.plan import network as ground
from gatewright.rehearsal.world import Draft
from support.mapped import World, record, zone
from support.networked import network, node, site


def _plan(sight: Sight) -> Draft:
    draft = Draft()
    ground.plan(draft, sight)
    edges.plan(draft, sight)
    draft.resolver_of["edge:cloudflare"] = "9.9.9.9"
    edges.finish(draft, sight)
    return draft


def _planned(**more: object) -> Draft:
    world = World(
        site("dc", network("lan", "10.0.0.0/24"), node("n", "203.0.113.9")),
        zone(
            "example.com",
            record("app.example.com", "A", "203.0.113.9", proxied=True),
            record("plain.example.com", "A", "203.0.113.9"),
            record("t.example.com", "CNAME", "abc.cfargotunnel.com", proxied=True),
            provider="cloudflare",
            ssl_mode="strict",
            **more,
        ),
    )
    draft: Draft = world.answer(_plan)
    return draft


def test_an_edge_has_the_providers_addresses() -> None:
    draft = _planned()
    assert draft.edges == {"cloudflare": ("104.16.0.1", "2606:4700::1")}
    assert set(draft.spaces["edge:cloudflare"].addresses) >= {"104.16.0.1", "2606:4700::1", "162.158.0.1"}


def test_an_edge_is_told_what_is_proxied() -> None:
    told = json.loads(_planned(edge_names=("*.deep.example.com",)).files["edge-cloudflare.json"].content)
    (known,) = told["zones"]
    assert {name["name"]: (name["origins"], name["tunnel"]) for name in known["names"]} == {
        "app.example.com": (["203.0.113.9"], ""),
        "t.example.com": ([], "abc"),
    }
    assert known["certificates"] == ["example.com", "*.example.com", "*.deep.example.com"]
    assert (known["mode"], told["resolver"]) == ("strict", "9.9.9.9")


def test_private_views_and_our_own_zones_have_no_edge() -> None:
    assert _planned(view="inside").edges == {}


def test_names_of_providers_are_no_paths() -> None:
    draft = _planned_at("/../../../../tmp/found")
    (path,) = draft.files
    assert "/" not in path
    assert path.endswith(".json")


def _planned_at(provider: str) -> Draft:
    records = record("app.example.com", "A", "203.0.113.9", proxied=True)
    world = World(site("dc", network("lan", "10.0.0.0/24")), zone("example.com", records, provider=provider))
    draft: Draft = world.answer(_plan)
    return draft
