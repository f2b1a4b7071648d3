"""Every answer that a client can get."""

from __future__ import annotations

from typing import Any

import pytest

from gatewright.graph.names.nodes import Resolution, Status
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.naming import ResolverConfig, ResolverFileIntent
from support.mapped import AT, World, forward, override, record, resolver, zone

EDGE4, EDGE6, HOME = "203.0.113.7", "2001:db8::7", "192.168.178.10"
ZONE = zone(
    "example.com",
    record("grafana.example.com", "A", EDGE4, ttl=300),
    record("grafana.example.com", "AAAA", EDGE6),
    record("www.example.com", "CNAME", "grafana.example.com"),
    provider="cloudflare",
)


def shown(answers: tuple[Resolution, ...]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(answer.resolver, answer.status.value, answer.addresses) for answer in answers]


def test_without_resolvers_the_public_dns_answers() -> None:
    found = World(ZONE).one("grafana.example.com")
    assert (found.status, found.addresses, found.ttl, found.zone) == (Status.ANSWER, (EDGE4,), 300, ZONE.key)
    assert [step.summary for step in found.steps] == [
        f"cloudflare zone example.com: grafana.example.com A {EDGE4}",
    ]
    assert found.steps[0].origin == found.origin


def test_cnames_are_followed() -> None:
    found = World(ZONE).one("www.example.com", "AAAA")
    assert (found.canonical, found.addresses) == ("grafana.example.com", (EDGE6,))
    assert len(found.steps) == 2


class TestTheSplitThatForgetsIpv6:
    """A override of A alone: whether AAAA leaks depends on the program."""

    @pytest.mark.parametrize(
        ("others", "status", "addresses"), [("forward", "answer", (EDGE6,)), ("empty", "nodata", ())]
    )
    def test_what_the_other_family_gets(self, others: str, status: str, addresses: tuple[str, ...]) -> None:
        split = resolver("fritzbox", override("grafana.example.com", "A", HOME, others=others), upstreams=("public",))
        world = World(ZONE, split)
        assert world.one("grafana.example.com", "A", "fritzbox").addresses == (HOME,)
        leaked = world.one("grafana.example.com", "AAAA", "fritzbox")
        assert (leaked.status, leaked.addresses) == (status, addresses)
        assert "AAAA" in leaked.steps[0].summary
        assert leaked.steps[0].origin == split.config.overrides[0].origin


@pytest.mark.parametrize(
    ("name", "apex", "addresses"),
    [
        ("a.x.example", False, (HOME,)),
        ("b.a.x.example", False, (HOME,)),
        ("x.example", False, ()),
        ("x.example", True, (HOME,)),
        ("exact.x.example", False, ("192.168.178.11",)),
        ("longer.in.x.example", False, ("192.168.178.12",)),
    ],
)
def test_a_wildcard_and_its_apex(name: str, apex: bool, addresses: tuple[str, ...]) -> None:
    world = World(
        resolver(
            "dns",
            override("*.x.example", "A", HOME, apex=apex),
            override("exact.x.example", "A", "192.168.178.11"),
            override("*.in.x.example", "A", "192.168.178.12"),
        )
    )
    assert world.one(name, "A", "dns").addresses == addresses


def test_any_resolver_of_a_list_may_answer() -> None:
    split = resolver("pihole", override("grafana.example.com", "A", HOME), address="192.168.178.5")
    found = World(ZONE, split).ask("grafana.example.com", "A", ("192.168.178.5", "1.1.1.1"))
    assert shown(found) == [("192.168.178.5", "answer", (HOME,)), ("1.1.1.1", "answer", (EDGE4,))]
    assert [answer.asked for answer in found] == [("pihole",), ("1.1.1.1",)]


def test_a_name_rewritten_to_the_dns_servers_own_address() -> None:
    gateway = resolver("k8s-gateway", address="172.16.1.60")
    adguard = resolver("adguard", override("*.ragas.cc", "A", "172.16.1.60"), upstreams=("public",))
    found = World(gateway, adguard).one("myapp.ragas.cc", "A", "adguard")
    assert found.addresses == gateway.addresses  # an address at which no gateway answers
    assert found.origin == adguard.config.overrides[0].origin


def test_a_challenge_is_looked_up_in_the_private_view() -> None:
    """What a DNS-01 self-check of a cluster sees, when its resolver serves a view of the domain."""
    challenge = record("_acme-challenge.example.com", "TXT", "token")
    private = zone("example.com", record("example.com", "A", HOME), name="home", view="home")
    world = World(
        zone("example.com", challenge),
        private,
        resolver("lan", views=("home",), upstreams=("public",)),
        resolver("coredns", upstreams=("lan",)),
    )
    hidden = world.one("_acme-challenge.example.com", "TXT", "coredns")
    assert (hidden.status, hidden.zone, hidden.asked) == (Status.NXDOMAIN, private.key, ("coredns", "lan"))
    assert world.one("_acme-challenge.example.com", "TXT", "1.1.1.1").addresses == ("token",)


@pytest.mark.parametrize(
    ("order", "answers"),
    [("first", ["192.168.178.10"]), ("any", ["192.168.178.10", EDGE4]), ("", ["192.168.178.10", EDGE4])],
)
def test_which_upstream_answers(order: str, answers: list[str]) -> None:
    inner = resolver("inner", override("grafana.example.com", "A", HOME))
    outer = resolver("outer", upstreams=("inner", "https://dns.google/dns-query"), order=order)
    found = World(ZONE, inner, outer).ask("grafana.example.com", "A", "outer")
    assert [answer.addresses[0] for answer in found] == answers


BUILT_IN = {
    "nobody is asked": ("lab.home.arpa", {}, Status.NXDOMAIN),
    "nor below": ("x.web.test", {}, Status.NXDOMAIN),
    "other names are": ("lab.lan", {}, Status.ANSWER),
    "others have no such zones": ("lab.home.arpa", {"implementation": "dnsmasq"}, Status.ANSWER),
    "a forward says who is": ("lab.home.arpa", {"forwards": (forward("home.arpa", "inner"),)}, Status.ANSWER),
    "an override of the domain itself takes its place": (
        "lab.home.arpa", {"overrides": (override("home.arpa", "A", HOME),)}, Status.ANSWER,
    ),
    "one of a name in it does not": (
        "lab.home.arpa", {"overrides": (override("web.home.arpa", "A", HOME),)}, Status.NXDOMAIN,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "more", "status"), BUILT_IN.values(), ids=BUILT_IN)
def test_unbound_has_some_domains_built_in(name: str, more: dict[str, Any], status: Status) -> None:
    inner = resolver("inner", *(override(one, "A", HOME) for one in ("lab.home.arpa", "x.web.test", "lab.lan")))
    overrides = more.get("overrides", ())
    others = {"implementation": "unbound", **{key: value for key, value in more.items() if key != "overrides"}}
    outer = resolver("outer", *overrides, upstreams=("inner",), **others)
    assert World(inner, outer).one(name, "A", "outer").status is status


def test_the_longest_forward_decides_and_private_views_stand_beside_forwards() -> None:
    world = World(
        resolver("a", override("x.lab.example.com", "A", "10.0.0.1")),
        resolver("b", override("x.lab.example.com", "A", "10.0.0.2")),
        resolver(
            "main",
            forwards=(forward("example.com", "a"), forward("lab.example.com", "b")),
            views=("home",),
            upstreams=("public",),
        ),
        zone("home.example.com", record("y.home.example.com", "A", "10.0.0.3"), view="home"),
    )
    assert world.one("x.lab.example.com", "A", "main").addresses == ("10.0.0.2",)
    assert world.one("y.home.example.com", "A", "main").addresses == ("10.0.0.3",)
    assert world.one("z.example.com", "A", "main").status is Status.REFUSED  # a asks nobody


def test_cname_overrides_are_chased_through_the_same_resolver() -> None:
    world = World(
        ZONE,
        resolver(
            "adguard",
            override("old.example.com", "CNAME", "grafana.example.com"),
            override("grafana.example.com", "A", HOME),
            override("*.example.com", "A", "192.168.178.99"),
            override("www.example.com", "CNAME", "www.example.com"),
            upstreams=("public",),
        ),
    )
    assert world.one("old.example.com", "A", "adguard").addresses == (HOME,)
    # A rewrite to itself is an exception from the wildcard; what is chased upstream stays there.
    assert world.one("www.example.com", "A", "adguard").addresses == (EDGE4,)


def test_loops_end_and_name_their_places() -> None:
    world = World(
        resolver("a", forwards=(forward("x.example", "b"),)),
        resolver("b", forwards=(forward("x.example", "a"),)),
        zone("y.com", record("p.y.com", "CNAME", "q.y.com"), record("q.y.com", "CNAME", "p.y.com")),
    )
    looped = world.one("n.x.example", "A", "a")
    assert looped.status is Status.LOOP
    assert [step.resolver for step in looped.steps] == ["a", "b", "a"]
    assert all(step.origin for step in looped.steps)
    assert world.one("p.y.com").status is Status.LOOP


def test_a_long_chain_of_cnames_is_given_up() -> None:
    records = [record(f"n{i}.y.com", "CNAME", f"n{i + 1}.y.com") for i in range(40)]
    assert World(zone("y.com", *records)).one("n0.y.com").status is Status.LOOP


class TestEdges:
    WORLD = World(
        zone(
            "example.com",
            record("app.example.com", "A", EDGE4, proxied=True),
            record("tunnel.example.com", "CNAME", "0b1c.cfargotunnel.com", proxied=True),
            record("bare.example.com", "CNAME", "0b1c.cfargotunnel.com"),
            provider="cloudflare",
        )
    )

    @pytest.mark.parametrize("type_", ["A", "AAAA"])
    def test_a_proxied_name_is_the_edges_in_both_families(self, type_: str) -> None:
        found = self.WORLD.one("app.example.com", type_)
        assert (found.status, found.addresses) == (Status.EDGE, ())
        assert found.edge is not None
        assert (found.edge.origins, found.edge.tunnel, found.edge.provider) == ((EDGE4,), "", "cloudflare")

    def test_a_tunnel_is_named(self) -> None:
        found = self.WORLD.one("tunnel.example.com")
        assert found.edge is not None
        assert found.edge.tunnel == "0b1c"

    def test_a_tunnel_that_is_not_proxied_leads_nowhere(self) -> None:
        found = self.WORLD.one("bare.example.com")
        assert found.status is Status.NODATA
        assert "proxied" in found.steps[-1].summary


@pytest.mark.parametrize(
    ("ref", "name", "status"),
    [
        ("192.0.2.53", "grafana.example.com", "unknown"),  # nobody's
        ("8.8.8.8", "grafana.example.com", "answer"),
        ("2606:4700:4700::1111", "grafana.example.com", "answer"),
        ("tls://9.9.9.9", "grafana.example.com", "answer"),
        ("https://cloudflare-dns.com/dns-query", "grafana.example.com", "answer"),
        ("[2001:4860:4860::8888]:53", "grafana.example.com", "answer"),
        ("public", "grafana.fritz.local", "nxdomain"),
        ("public", "absent.example.com", "nxdomain"),
    ],
)
def test_whom_the_map_knows(ref: str, name: str, status: str) -> None:
    assert World(ZONE).one(name, "A", ref).status == status


def test_who_asks_nobody_refuses_and_owned_domains_are_asked_of_nobody() -> None:
    world = World(ZONE, resolver("d", domains=("lan.example.com",)))
    assert world.one("grafana.example.com", "A", "d").status is Status.REFUSED
    assert world.one("nas.lan.example.com", "A", "d").status is Status.NXDOMAIN


COREFILE = """
.:53 {
    hosts {
        192.168.178.9 nas.example.com
        fallthrough
    }
    kubernetes cluster.local
    forward . 1.1.1.1
}
lab.example.com:53 {
    file /etc/coredns/db.lab.example.com
}
gone.example.com:53 {
    file /etc/coredns/db.gone.example.com
}
"""
LAB = """
$ORIGIN lab.example.com.
@ 300 IN SOA ns admin 1 2 3 4 5
a IN A 10.0.0.1
*.apps IN A 10.0.0.2
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nas.example.com", ("answer", ("192.168.178.9",))),
        ("grafana.example.com", ("answer", (EDGE4,))),
        ("a.lab.example.com", ("answer", ("10.0.0.1",))),
        ("x.apps.lab.example.com", ("answer", ("10.0.0.2",))),
        ("b.lab.example.com", ("nxdomain", ())),
        ("x.gone.example.com", ("unknown", ())),  # its zone file is not among the input
    ],
)
def test_a_configuration_in_a_config_map(name: str, said: tuple[str, tuple[str, ...]]) -> None:
    held = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": "kube-system", "name": "coredns"},
        "data": {"Corefile": COREFILE, "db.lab.example.com": LAB},
    }
    key = Key("ConfigMap", "kube-system", "coredns")
    dns = resolver("coredns", implementation="coredns", file=key, file_entry="Corefile")
    found = World(ZONE, dns, manifests=(held,)).one(name, "A", "coredns")
    assert (found.status.value, found.addresses) == said


def test_a_configuration_in_a_file() -> None:
    config = ResolverConfig(overrides=(override("a.example.com", "A", HOME),), upstreams=("public",))
    file = ResolverFileIntent(Key("AdGuardConfig", "", "dns/AdGuardHome.yaml"), AT, "adguard", config)
    dns = resolver("dns", override("a.example.com", "A", "10.0.0.9"), implementation="adguardhome", file=file.key)
    world = World(ZONE, file, resolver("other", file=file.key), dns)
    assert world.one("a.example.com", "A", "other").addresses == (HOME,)
    assert world.one("a.example.com", "A", "dns").addresses == ("10.0.0.9", HOME)
    assert world.one("grafana.example.com", "A", "dns").addresses == (EDGE4,)


@pytest.mark.parametrize(
    ("name", "type_", "said"),
    [
        ("a.example.com", "A", ("answer", (HOME,))),
        ("open.example.com", "A", ("nxdomain", ())),  # passed on, and nobody upstream knows it
        ("mute.example.com", "AAAA", ("nodata", ())),
        ("mute.example.com", "A", ("answer", (HOME,))),
        ("elsewhere.org", "A", ("answer", ("10.9.9.9",))),  # everything
        ("blocked.org", "A", ("nxdomain", ())),
    ],
)
def test_what_overrides_can_say(name: str, type_: str, said: tuple[str, tuple[str, ...]]) -> None:
    dns = resolver(
        "dns",
        override("*.example.com", "A", HOME, others="forward"),
        override("open.example.com", "PASS"),
        override("mute.example.com", "A", HOME, others="forward"),
        override("mute.example.com", "AAAA"),
        override("*", "A", "10.9.9.9"),
        override("blocked.org", "NXDOMAIN"),
        upstreams=("public",),
    )
    found = World(ZONE, dns).one(name, type_, "dns")
    assert (found.status.value, found.addresses) == said


@pytest.mark.parametrize("name", ["public", "quad9"])
def test_a_public_resolver_of_the_map(name: str) -> None:
    quad9 = resolver(name, address="9.9.9.9", implementation="public", upstreams=("public",))
    world = World(ZONE, quad9)
    assert world.one("grafana.example.com", "A", "9.9.9.9").addresses == (EDGE4,)
    assert world.one("grafana.example.com", "A", name).addresses == (EDGE4,)


@pytest.mark.parametrize("name", ["", ".", "*", "*.example.com", "a..b", "..", "x" * 300, "*.*.example.com"])
@pytest.mark.parametrize("ref", ["public", "dns", "nobody", "", "[", "tls://", "cluster-dns"])
def test_odd_names_and_odd_resolvers_are_answered(name: str, ref: str) -> None:
    delegated = record("sub.example.com", "NS", "ns.elsewhere.net")
    written = zone("example.com", delegated, external_dns=True)
    dns = resolver("dns", override("*", "A", HOME, others="forward"), override("*.x", "CNAME", "y.x"))
    world = World(written, dns)
    for type_ in ("A", "AAAA"):
        assert [answer.status for answer in world.ask(name, type_, ref)]
