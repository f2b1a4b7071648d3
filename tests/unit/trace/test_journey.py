"""Journeys: what a vantage does itself, and what is remembered of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatewright.base.errors import UsageError
from gatewright.pipeline import Model
from gatewright.trace.hops import HopKind, OutcomeKind
from gatewright.trace.journey import MAX_BRANCHES, MAX_REDIRECTS, Walks, journey
from gatewright.trace.request import request
from gatewright.trace.walk import CLIENTS
from support import needs
from support.home_and_cloud import World, ends, kinds
from support.keys import NOW


def test_each_vantage_takes_the_way_that_its_resolver_leads_to(world: World) -> None:
    ask = world()
    (far,) = ask("phone", "http://app.example.com/", "4")
    assert (far.resolver, far.address, far.gateways) == ("public", "203.0.113.9", ("web/edge",))
    assert far.outcome.kind is OutcomeKind.DELIVERED
    (near,) = ask("laptop", "http://app.example.com/")
    assert (near.resolver, near.address, near.gateways) == ("fritzbox", "192.168.178.10", ("web/inside",))
    assert near.resolvers == ("fritzbox",)
    assert near.outcome.backend is not None
    assert near.outcome.backend.name == "app"


def test_every_family_is_a_branch_of_its_own(world: World) -> None:
    ask = world()
    assert ends(ask("phone", "http://both.example.com/")) == [
        ("4", OutcomeKind.DELIVERED, "web/edge"),
        ("6", OutcomeKind.DELIVERED, "web/edge"),
    ]
    assert ends(ask("phone", "http://app.example.com/", "6")) == [("6", OutcomeKind.ABSENT, "")]
    (missing,) = ask("laptop", "http://both.example.com/", "6")
    assert (missing.outcome.kind, missing.outcome.reason) == (OutcomeKind.UNREACHABLE, "laptop has no IPv6")


def test_what_is_asked_of_clients_stands_beside_what_they_make_of_the_certificate() -> None:
    model = Model()
    model.read([str(needs.REPOSITORY / "tests/features/check/client-certificate-at-edge/near-miss-direct")])
    (branch,) = model.analysis.answer(journey, "phone", request("https://admin.example.com/")).branches
    (tls,) = (hop for hop in branch.hops if hop.kind is HopKind.TLS)
    assert tls.details == (CLIENTS["require"], "Secret web/admin: the manifests do not say who issues it")


def test_an_address_needs_no_resolver(world: World) -> None:
    (branch,) = world()("phone", "http://203.0.113.9/")
    assert (branch.family, branch.address, branch.resolver) == ("4", "203.0.113.9", "")
    assert HopKind.RESOLVER not in kinds(branch)
    assert (branch.outcome.kind, branch.outcome.status) == (OutcomeKind.REFUSED, 404)


def test_a_resolver_that_nobody_reaches_answers_nobody(world: World) -> None:
    (branch,) = world()("stranger", "http://app.example.com/")
    assert branch.outcome.kind is OutcomeKind.UNREACHABLE
    assert branch.outcome.reason.startswith("resolver fritzbox cannot be reached")


def test_a_name_outside_of_the_map_is_unknown(world: World) -> None:
    (branch,) = world()("phone", "http://somewhere.example.org/", "4")
    assert branch.outcome.kind is OutcomeKind.UNKNOWN


def test_an_unknown_vantage_is_said_with_those_that_there_are(world: World) -> None:
    with pytest.raises(UsageError, match=r"no vantage tablet.*laptop, phone, stranger"):
        world()("tablet", "http://app.example.com/")


def test_without_a_vantage_the_gateways_themselves_are_asked(world: World) -> None:
    branches = world()("", "http://app.example.com/", "4")
    assert ends(branches) == [("4", OutcomeKind.DELIVERED, "web/edge"), ("4", OutcomeKind.DELIVERED, "web/inside")]
    assert kinds(branches[0])[0] is HopKind.GATEWAY


def test_redirects_are_followed_as_the_client_would(world: World) -> None:
    (branch,) = world()("phone", "http://hop.example.com/", "4")
    assert branch.outcome.kind is OutcomeKind.DELIVERED
    assert branch.outcome.virtual_host == "both.example.com"
    assert branch.redirects == ((302, "http://both.example.com/"),)
    assert (branch.gateways, branch.turned) == (("web/edge", "web/edge"), 1)


def test_a_redirect_loop_is_refused(world: World) -> None:
    (branch,) = world()("phone", "http://circle.example.com/", "4")
    assert branch.outcome.kind is OutcomeKind.REFUSED
    assert branch.outcome.reason.startswith("redirect loop")
    assert len(branch.redirects) <= MAX_REDIRECTS


def test_a_redirect_out_of_the_map_is_the_answer(world: World) -> None:
    (branch,) = world()("phone", "http://away.example.com/", "4")
    assert (branch.outcome.kind, branch.outcome.location) == (OutcomeKind.RESPONSE, "https://login.example.net/")


def test_many_addresses_and_many_redirects_come_to_an_end(world: World) -> None:
    many = ", ".join(f"203.0.113.{number}" for number in range(9, 59))
    chain = "".join(
        f"""
---
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {{name: step{number}, namespace: web}}
spec:
  redirectRegex: {{regex: "^http://s{number}.example.com/(.*)", replacement: "http://s{number + 1}.example.com/"}}
---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {{name: step{number}, namespace: web, annotations: {{kubernetes.io/ingress.class: web}}}}
spec:
  entryPoints: [web]
  routes:
    - match: Host(`s{number}.example.com`)
      kind: Rule
      middlewares: [{{name: step{number}}}]
      services: [{{name: app, port: 80}}]
"""
        for number in range(6)
    )
    records = "".join(f"    - {{name: s{number}, values: [{many}]}}\n" for number in range(7))
    ask = world(
        {
            '    - {name: "@"': records + '    - {name: "@"',
            'addresses: [203.0.113.9, "2001:db8:1::9"]\n  settings': f"addresses: [{many}]\n  settings",
            "data: {ca.crt: AUTHORITY}": "data: {}" + chain,
        }
    )
    branches = ask("phone", "http://s0.example.com/", "4")
    assert len(branches) == MAX_BRANCHES + 1
    assert branches[-1].outcome.reason.startswith(f"more than {MAX_BRANCHES} branches")
    assert f"more than {MAX_REDIRECTS} redirects" in branches[0].outcome.reason


def test_shared_walks_change_no_answer(world: World, tmp_path: Path) -> None:
    world()
    model = Model(lambda: NOW)
    model.read([str(tmp_path)])
    asked = request("https://app.example.com/")

    def together(sight: object) -> list[object]:
        walks = Walks()
        return [journey(sight, name, asked, ("4",), walks) for name in ("phone", "laptop")]  # type: ignore[arg-type]

    alone = [model.analysis.answer(journey, name, asked, ("4",)) for name in ("phone", "laptop")]
    assert model.analysis.answer(together) == alone


CHANGES = (
    ("{name: app, values: [203.0.113.9]}", "{name: app, values: [203.0.113.9], proxied: true}"),
    ("[{name: app.example.com, values: [192.168.178.10]}]", "[{name: app.example.com, values: [192.168.178.99]}]"),
    ("mtu: 1370", "mtu: 1280"),
    ("addresses: [192.168.178.10], settings", "addresses: [192.168.178.11], settings"),
    ("sslMode: full", "sslMode: flexible"),
    ("externalName: app.example.com", "externalName: both.example.com"),
    ("spec: {ports: [{port: 80}], selector: {app: app}}", "spec: {ports: [{port: 81}], selector: {app: app}}"),
    ("trust: [public, {secret: {name: ca, namespace: web}}]", "trust: [public]"),
    ("allowExternalNameServices: true", "allowExternalNameServices: false, idleTimeout: 30s"),
    ("kind: Deployment", "kind: StatefulSet"),
)
ASKED = (
    "http://app.example.com/",
    "https://app.example.com/",
    "http://hop.example.com/",
    "http://hairpin.example.com/",
    "https://cdn.example.com/",
    "https://tunnel.example.com/",
)


@pytest.mark.parametrize(("old", "new"), CHANGES, ids=[old[:24] for old, _ in CHANGES])
def test_after_a_change_the_remembered_answers_are_those_of_a_fresh_start(
    world: World, tmp_path: Path, old: str, new: str
) -> None:
    world()

    def answers(model: Model) -> list[object]:
        names = ("", "phone", "laptop")
        return [model.analysis.answer(journey, name, request(url), ()) for name in names for url in ASKED]

    kept = Model(lambda: NOW)
    kept.read([str(tmp_path)])
    before = answers(kept)
    file = tmp_path / "map.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    kept.refresh([str(file)])
    fresh = Model(lambda: NOW)
    fresh.read([str(tmp_path)])
    after = answers(fresh)
    assert answers(kept) == after
    assert before != after, "the change says nothing to anybody"


def test_the_public_dns_is_not_asked_from_where_there_is_no_internet(world: World) -> None:
    shut = {
        "cidrs: [192.168.178.0/24]}": "cidrs: [192.168.178.0/24], internet: false}",
        "resolvers: [fritzbox], t": "t",
    }
    (branch,) = world(shut)("laptop", "http://app.example.com/", "4")
    assert branch.outcome.kind is OutcomeKind.UNREACHABLE
    assert branch.outcome.reason == "resolver public cannot be reached: home/lan has no way to the internet"


def test_a_resolver_is_asked_in_a_family_that_the_client_has(world: World) -> None:
    (branch,) = world({"families: [4], resolvers: [fritzbox], t": "families: [6], resolvers: [fritzbox], t"})(
        "laptop", "http://app.example.com/", "6"
    )
    assert branch.outcome.kind is OutcomeKind.UNREACHABLE
    assert branch.outcome.reason == "resolver fritzbox cannot be reached: laptop has no IPv4"
