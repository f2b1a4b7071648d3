"""The examples' own zones, as we would serve them, answer as the DNS servers that the installations have."""

from __future__ import annotations

from functools import cache

import pytest

from gatewright.graph.names import resolvers, serving
from gatewright.pipeline import Model
from support import needs

SERVERS = (
    ("gateway-split-dns", "house", "k8s-gateway"),
    ("dual-stack-edge", "home", "home-dns"),
    ("dual-ingress", "homelab", "home-dns"),
    ("tenant-ingress", "dc", "dc-dns"),
)
NAMES = {
    "gateway-split-dns": {"example.org", "myapp.example.org", "photos.example.org", "vault.example.org"},
    "dual-stack-edge": {"grafana.example.com", "grafana.home.arpa", "paperless.example.com", "paperless.home.arpa"},
    "dual-ingress": {"grafana.talos00.home.arpa", "ollama.talos00.home.arpa", "whoami.talos00.home.arpa"},
    "tenant-ingress": {"tenant-02.k8s.example.com", "tenant-03.konnectivity.example.com"},
}


@cache
def model(example: str) -> Model:
    made = Model()
    made.read([str(needs.REPOSITORY / "examples" / example)])
    return made


@pytest.mark.parametrize(("example", "view", "server"), SERVERS)
def test_our_zones_say_what_the_house_is_told(example: str, view: str, server: str) -> None:
    analysis = model(example).analysis
    compared = set()
    for zone in analysis.answer(serving.zones):
        if zone.view != view:
            continue
        assert zone.is_ours
        for name, records in analysis.answer(serving.contents, zone.key).items():
            for record in records:
                if record.type in ("A", "AAAA") and not name.startswith("*."):
                    (told,) = analysis.answer(resolvers.resolutions, (server,), name, record.type, None)
                    assert set(told.addresses) == set(record.values), name
                    compared.add(name)
    assert compared >= NAMES[example]


@pytest.mark.parametrize("example", sorted(NAMES))
def test_nothing_keeps_them_from_being_served(example: str) -> None:
    analysis = model(example).analysis
    assert analysis.answer(serving.problems) == ()
    views = {view.name: view for view in analysis.answer(serving.views)}
    for zone in analysis.answer(serving.zones):
        assert views[zone.view].clients


def test_the_labs_are_found_by_their_wildcard() -> None:
    analysis = model("hybrid-labs").analysis
    (zone,) = analysis.answer(serving.zones)
    contents = analysis.answer(serving.contents, zone.key)
    assert [record.type for record in contents["*.projectlabs-api.example.com"]] == ["CNAME"]
    assert "b41e02.projectlabs-api.example.com" in contents
