"""Who answers for names in a world, as it is planned."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.asking import VantageIntent
from gatewright.kinds.intents.places import ClusterSpec, NetworkSpec, NodeSpec, SiteIntent, Spot
from gatewright.rehearsal.nameserver import Behaviour
from gatewright.rehearsal.plan import clusters, names, network, vantages
from gatewright.rehearsal.world import PUBLIC_DNS, Chain, Daemon, Draft, GatewaySpot, Role
from support.mapped import AT, World, forward, override, record, resolver, zone
from support.modelled import intents

HOME = SiteIntent(
    Key("Site", "", "home"),
    AT,
    (NetworkSpec("lan", AT, ("192.168.178.0/24", "fda8:a1db:5685::/64")),),
    (NodeSpec("server", AT, ("192.168.178.2",)), NodeSpec("k3s", AT, ("192.168.178.5",))),
    (ClusterSpec("k3s", AT, ("10.42.0.0/16",), ("10.43.0.0/16",), ("k3s",)),),
)
DNSMASQ = Key("DnsmasqConf", "", "dnsmasq.conf")


def planned(*given: Any, programs: frozenset[str] = frozenset(), **more: Any) -> Draft:
    """The names of a map beside what they stand on."""
    sight = Sight(World(HOME, *given).analysis)
    draft = Draft()
    draft.programs = programs
    for name, value in more.items():
        setattr(draft, name, value)
    for planner in (network, clusters, vantages, names):
        planner.plan(draft, sight)
    return draft


def does(draft: Draft, name: str) -> Behaviour:
    """What a name server of the world is to do."""
    (server,) = (server for server in draft.name_servers if server.name == name)
    return msgspec.msgpack.decode(server.behaviour, type=Behaviour)


def told(draft: Draft) -> str:
    return "\n".join(note.text for note in draft.notes)


def daemon(draft: Draft, name: str) -> Daemon:
    return next(daemon for daemon in draft.daemons if daemon.name == name)


def served(draft: Draft, domain: str) -> dict[str, tuple[str, ...]]:
    """The records of a public zone, as "name type"."""
    zones = does(draft, PUBLIC_DNS).zones
    return {f"{r.name} {r.type}": r.values for item in zones if item.domain == domain for r in item.records}


class TestWhereResolversRun:
    def test_on_the_machine_that_has_the_address(self) -> None:
        draft = planned(resolver("dns", address="192.168.178.2"))
        assert [server.space for server in draft.name_servers if server.name == "resolver:dns"] == ["node:home/server"]

    def test_on_a_machine_that_gets_the_address(self) -> None:
        draft = planned(resolver("dns", address="192.168.178.3", at=Spot(node="home/server")))
        assert "addr add 192.168.178.3/32 dev eth0" in draft.spaces["node:home/server"].lines

    def test_beside_the_machines_of_its_network(self) -> None:
        draft = planned(resolver("dns", address="192.168.178.3"))
        (wire,) = (wire for wire in draft.wires if wire.one.space == "resolver:dns")
        assert wire.one.addresses == ("192.168.178.3/24",)
        assert wire.other.bridge == draft.networks["home/lan"]

    def test_as_a_pod_whose_address_its_node_announces(self) -> None:
        draft = planned(resolver("dns", address="192.168.178.60", at=Spot(cluster="home/k3s")))
        assert draft.spaces["resolver:dns"].role is Role.POD
        assert "neigh add proxy 192.168.178.60 dev eth0" in draft.spaces["node:home/k3s"].lines

    def test_at_an_address_of_a_service_that_leads_to_its_pod(self) -> None:
        draft = planned(resolver("dns", address="10.43.0.10", at=Spot(cluster="home/k3s")))
        (server,) = (server for server in draft.name_servers if server.name == "resolver:dns")
        rules = [rule for rule in draft.spaces["node:home/k3s"].rules if rule.chain is Chain.NAT_OUTPUT]
        assert "10.43.0.10" not in server.addresses
        assert [rule.text for rule in rules] == [
            f"ip daddr 10.43.0.10 {protocol} dport 53 dnat ip to {server.addresses[0]}:53"
            for protocol in ("udp", "tcp")
        ]

    def test_somewhere_when_nobody_says(self) -> None:
        draft = planned(resolver("dns"))
        (server,) = (server for server in draft.name_servers if server.name == "resolver:dns")
        assert len(server.addresses) == 1

    def test_two_at_one_address_share_a_space(self) -> None:
        draft = planned(resolver("one", address="192.168.178.3"), resolver("two", address="192.168.178.3"))
        assert {s.space for s in draft.name_servers if s.name.startswith("resolver:t")} == {"resolver:one"}

    def test_a_network_without_a_free_address_is_told(self) -> None:
        full = SiteIntent(Key("Site", "", "full"), AT, (NetworkSpec("lan", AT, ("10.1.1.1/32",)),))
        first, dns = (resolver(name, at=Spot(network="full/lan")) for name in ("a-first", "dns"))
        draft = planned(full, first, dns, resolver("other", address="192.168.178.2"))
        assert "the resolver dns is left out" in told(draft)
        assert "resolver:other" in {server.name for server in draft.name_servers}


class TestWhomVantagesAsk:
    def asked(self, *given: Any, **vantage: Any) -> tuple[tuple[str, str], ...]:
        intent = VantageIntent(Key("Vantage", "", "phone"), AT, **({"at": Spot(network="home/lan")} | vantage))
        return planned(intent, *given).vantages[0].resolvers

    def test_in_order_by_name_and_by_address(self) -> None:
        dns = resolver("dns", address="192.168.178.2")
        found = self.asked(dns, resolvers=("dns", "8.8.8.8", "192.168.178.2"))
        assert found == (("dns", "192.168.178.2"), ("8.8.8.8", "8.8.8.8"), ("192.168.178.2", "192.168.178.2"))

    @pytest.mark.parametrize(
        ("family", "addresses"), [("4", ("9.9.9.9", "2620:fe::fe")), ("6", ("2620:fe::fe", "9.9.9.9"))]
    )
    def test_the_public_dns_without_a_list_by_the_family_that_it_has_first(
        self, family: str, addresses: tuple[str, ...]
    ) -> None:
        assert self.asked(families=(family,)) == tuple(("public", address) for address in addresses)

    def test_the_cluster_dns_in_a_cluster(self) -> None:
        ((name, address),) = self.asked(at=Spot(cluster="home/k3s"), namespace="apps")
        assert (name, address.startswith("10.42.")) == ("cluster-dns", True)


class TestPublicDns:
    def test_it_has_every_global_address_that_is_asked(self) -> None:
        draft = planned(resolver("dns", address="192.168.178.2", upstreams=("5.1.66.255", "192.168.178.99")))
        assert "5.1.66.255" in draft.spaces[PUBLIC_DNS].addresses
        assert "192.168.178.99" not in draft.spaces[PUBLIC_DNS].addresses

    def test_private_views_are_not_in_it(self) -> None:
        inside = zone("example.com", record("nas.example.com", "A", "10.0.0.1"), view="home")
        assert served(planned(inside), "example.com") == {}

    def test_proxied_names_lead_to_the_edge(self) -> None:
        shown = zone("example.com", record("www.example.com", "A", "203.0.113.7", proxied=True), provider="cloudflare")
        draft = planned(shown, edges={"cloudflare": ("104.16.0.1", "2606:4700::1")})
        assert served(draft, "example.com") == {
            "www.example.com A": ("104.16.0.1",),
            "www.example.com AAAA": ("2606:4700::1",),
        }

    def test_what_cannot_be_served_is_told_and_hurts_nothing_else(self) -> None:
        records = (
            record("bad.example.com", "MX", "not a number mail"),
            record("loc.example.com", "LOC", "nowhere"),
            record("good.example.com", "MX", "10 mail.example.com"),
        )
        draft = planned(zone("example.com", *records))
        assert served(draft, "example.com") == {"good.example.com MX": ("10 mail.example.com.",)}
        assert "bad.example.com MX is not served" in told(draft)
        assert "loc.example.com LOC is not served" in told(draft)

    def test_an_alias_at_the_apex_is_flattened_and_addresses_go_before_aliases(self) -> None:
        records = (
            record("example.com", "CNAME", "www.example.com"),
            record("both.example.com", "CNAME", "www.example.com"),
            record("both.example.com", "A", "203.0.113.7"),
        )
        assert served(planned(zone("example.com", *records)), "example.com") == {
            "example.com ALIAS": ("www.example.com",),
            "both.example.com A": ("203.0.113.7",),
        }


class TestPrograms:
    CONF = (
        "user=dnsmasq\nport=5353\nconf-dir=/etc/dnsmasq.d\ndhcp-range=10.0.0.1,10.0.0.9\nserver=9.9.9.9\nlocal=/lan/\n"
    )

    def conf(self, draft: Draft, program: str = "dnsmasq") -> list[str]:
        return draft.files[f"names/dns/{program}.conf"].content.decode().splitlines()

    def test_dnsmasq_with_its_own_configuration(self) -> None:
        dns = resolver("dns", address="192.168.178.2", implementation="dnsmasq", file=DNSMASQ)
        draft = planned(dns, programs=frozenset({"dnsmasq"}), texts={DNSMASQ: self.CONF})
        assert daemon(draft, "resolver:dns").space == "node:home/server"
        assert self.conf(draft)[-2:] == ["server=9.9.9.9", "local=/lan/"]
        assert {"user=root", "port=53", "listen-address=192.168.178.2"} <= set(self.conf(draft))
        assert not {"user=dnsmasq", "port=5353", "conf-dir=/etc/dnsmasq.d"} & set(self.conf(draft))

    @pytest.mark.parametrize(
        "line",
        ["conf-script=/bin/false", '"conf-script"=/bin/false', 'conf"-"script=/bin/false', "dhcp-script=/bin/false",
         "log-facility=/etc/passwd", "--conf-file=/etc/passwd", "addn-hosts=/etc/hosts", "\\conf-script=/bin/false"],
    )  # fmt: skip
    def test_no_configuration_runs_programs_or_opens_files(self, line: str) -> None:
        dns = resolver("dns", address="192.168.178.2", implementation="dnsmasq", file=DNSMASQ)
        text = f"no-resolv\nlocal=/lan/\n{line}\n"
        draft = planned(dns, programs=frozenset({"dnsmasq"}), texts={DNSMASQ: text})
        assert self.conf(draft)[-1] == "local=/lan/"
        assert not [kept for kept in self.conf(draft) if "false" in kept or "/etc" in kept]

    def test_what_the_map_says_of_its_upstreams_goes_before_the_file(self) -> None:
        dns = resolver(
            "dns", address="192.168.178.2", implementation="dnsmasq", file=DNSMASQ, upstreams=("1.1.1.1",),
            forwards=(forward("k8s.example.com", "192.168.178.60"),),
        )  # fmt: skip
        draft = planned(dns, programs=frozenset({"dnsmasq"}), texts={DNSMASQ: self.CONF})
        servers = [line for line in self.conf(draft) if line.startswith("server=")]
        assert servers == ["server=/k8s.example.com/192.168.178.60", "server=1.1.1.1"]

    @pytest.mark.parametrize(
        ("implementation", "more", "why"),
        [
            ("dnsmasq", {}, "the map says more of it than its configuration does"),
            ("unbound", {"filters_ipv6": True}, "what it serves is not exported"),
            ("bind", {"rebind_protection": True}, "what it filters is not exported"),
            ("bind", {"upstreams": ("1.1.1.1", "9.9.9.9"), "order": "first"}, "asks the faster of several"),
            ("unbound", {"upstreams": ("1.1.1.1", "9.9.9.9"), "order": "first"}, "asks the faster of several"),
        ],
    )
    def test_what_a_program_cannot_do_a_name_server_of_ours_does(
        self, implementation: str, more: dict[str, Any], why: str
    ) -> None:
        own = (override("*.lan", "A", "192.168.178.9"),)
        dns = resolver("dns", *own, address="192.168.178.2", implementation=implementation, **more)
        draft = planned(dns, programs=frozenset({"dnsmasq", "unbound", "named"}))
        assert why in told(draft)
        assert not draft.daemons
        assert does(draft, "resolver:dns").rewrites

    def test_what_is_forwarded_is_not_what_unbound_answers_itself(self) -> None:
        forwards = tuple(forward(domain, "192.168.178.60") for domain in ("home.arpa", "lab.test", "example.com"))
        dns = resolver("dns", address="192.168.178.2", implementation="unbound", forwards=forwards)
        draft = planned(dns, programs=frozenset({"unbound"}))
        zones = [line for line in self.conf(draft, "unbound") if line.startswith("local-zone")]
        assert zones == [
            'local-zone: "home.arpa." nodefault',
            'local-zone: "lab.test." transparent',
            'local-zone: "example.com." nodefault',
        ]
        stand_in = planned(dns)
        assert does(stand_in, "resolver:dns").domains == ("home.arpa", "invalid", "onion", "test")

    def test_what_bind_has_itself_goes_before_what_it_would_forward(self) -> None:
        """A zone that is said twice would keep it from starting."""
        more = {"domains": ("home.arpa",), "forwards": (forward("home.arpa", "192.168.178.60"),)}
        dns = resolver("dns", address="192.168.178.2", implementation="bind", upstreams=("1.1.1.1",), **more)
        draft = planned(dns, programs=frozenset({"named"}))
        assert [line for line in self.conf(draft, "named") if line.startswith('zone "home.arpa"')] == [
            'zone "home.arpa" { type primary; file "0.zone"; };'
        ]

    def test_a_program_that_is_not_installed(self) -> None:
        draft = planned(resolver("dns", address="192.168.178.2", implementation="bind"))
        assert "named is not installed" in told(draft)
        assert does(draft, "resolver:dns") is not None


def test_a_load_balancer_known_by_hostname_leads_to_its_spot() -> None:
    alb = {
        "apiVersion": "gatewright.dev/v1alpha1",
        "kind": "IngressController",
        "metadata": {"name": "alb", "namespace": "infra"},
        "spec": {"implementation": "alb", "addresses": ["lb.eu-west-1.elb.amazonaws.com"]},
    }
    spot = GatewaySpot("infra/alb", "gateway:infra/alb", ("203.0.113.5", "2001:db8::5"))
    draft = planned(*intents([alb]).values(), gateways=[spot])
    assert served(draft, "lb.eu-west-1.elb.amazonaws.com") == {"lb.eu-west-1.elb.amazonaws.com A": ("203.0.113.5",)}
