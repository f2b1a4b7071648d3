"""Names that nobody wrote down: external-dns and k8s_gateway find them in routes and Services."""

from __future__ import annotations

from typing import Any

import pytest

from gatewright.graph.names import zones
from gatewright.graph.names.nodes import Status
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.naming import GatewayNames
from support.mapped import AT, World, record, resolver, zone

NOTE = "external-dns.alpha.kubernetes.io/"
INNER, OUTER, OUTER6 = "172.16.1.61", "203.0.113.62", "2001:db8::62"


def gateway(name: str, *addresses: str, class_name: str = "envoy", **notes: str) -> dict[str, Any]:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"namespace": "network", "name": name, "annotations": noted(notes)},
        "spec": {
            "gatewayClassName": class_name,
            "addresses": [{"type": "IPAddress", "value": address} for address in addresses],
            "listeners": [
                {"name": "web", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
            ],
        },
    }


def route(name: str, *hosts: str, to: tuple[str, ...] = ("outer",), **notes: str) -> dict[str, Any]:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"namespace": "apps", "name": name, "annotations": noted(notes)},
        "spec": {
            "parentRefs": [{"namespace": "network", "name": gateway_name} for gateway_name in to],
            "hostnames": list(hosts),
            "rules": [{"backendRefs": [{"name": "app", "port": 80}]}],
        },
    }


def noted(notes: dict[str, str]) -> dict[str, str]:
    return {NOTE + name.replace("_", "-"): value for name, value in notes.items()}


APP = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"namespace": "apps", "name": "app"},
    "spec": {"ports": [{"port": 80}]},
}
GATEWAYS = (gateway("outer", OUTER, OUTER6), gateway("inner", INNER, class_name="inner"))
WRITTEN = zone("example.com", external_dns=True, provider="cloudflare")


class TestExternalDns:
    def test_a_route_gets_the_addresses_of_its_gateway(self) -> None:
        world = World(WRITTEN, manifests=(*GATEWAYS, route("app", "app.example.com", ttl="60")))
        found = world.one("app.example.com")
        assert (found.addresses, found.ttl, found.zone) == ((OUTER,), 60, WRITTEN.key)
        assert world.one("app.example.com", "AAAA").addresses == (OUTER6,)
        assert world.one("other.example.com").status is Status.NXDOMAIN

    def test_only_where_external_dns_writes(self) -> None:
        world = World(zone("example.com"), manifests=(*GATEWAYS, route("app", "app.example.com")))
        assert world.one("app.example.com").status is Status.NXDOMAIN

    def test_the_target_of_a_gateway_counts_and_that_of_its_route_does_not(self) -> None:
        manifests = (
            gateway("outer", OUTER, target="tunnel.example.net, other.example.net"),
            gateway("plain", OUTER),
            route("app", "app.example.com"),
            route("more", "more.example.com", to=("plain",), target="198.51.100.1"),
        )
        world = World(WRITTEN, manifests=manifests)
        found = world.answer(zones.lookup, "public", "app.example.com", "A")
        assert (found.kind, found.records[0].values[0]) == (zones.Kind.CNAME, "tunnel.example.net")
        assert world.one("more.example.com").addresses == (OUTER,)

    @pytest.mark.parametrize(
        ("note", "default", "status"),
        [
            ({"cloudflare_proxied": "true"}, False, Status.EDGE),
            ({}, True, Status.EDGE),
            ({"cloudflare_proxied": "false"}, True, Status.ANSWER),
            ({}, False, Status.ANSWER),
        ],
    )
    def test_who_is_proxied(self, note: dict[str, str], default: bool, status: Status) -> None:
        written = zone("example.com", external_dns=True, proxied_default=default)
        world = World(written, manifests=(*GATEWAYS, route("app", "app.example.com", **note)))
        assert world.one("app.example.com").status is status

    @pytest.mark.parametrize("default", [False, True])
    def test_a_record_of_a_dnsendpoint_is_proxied_as_it_says_or_as_the_zone_is(self, default: bool) -> None:
        spoken = {"name": "external-dns.kubernetes.io/cloudflare-proxied", "value": "false"}
        endpoints = [
            {"dnsName": "silent.example.com", "recordType": "A", "targets": ["192.0.2.1"]},
            {"dnsName": "told.example.com", "recordType": "A", "targets": ["192.0.2.1"], "providerSpecific": [spoken]},
        ]
        manifest = {
            "apiVersion": "externaldns.k8s.io/v1alpha1",
            "kind": "DNSEndpoint",
            "metadata": {"namespace": "apps", "name": "more"},
            "spec": {"endpoints": endpoints},
        }
        world = World(zone("example.com", external_dns=True, proxied_default=default), manifests=[manifest])
        assert world.one("silent.example.com").status is (Status.EDGE if default else Status.ANSWER)
        assert world.one("told.example.com").status is Status.ANSWER

    def test_both_prefixes_are_read_and_the_newer_one_wins(self) -> None:
        newer, older = "external-dns.kubernetes.io/", NOTE
        gateways = gateway("outer", OUTER), gateway("inner", INNER)
        gateways[0]["metadata"]["annotations"] = {newer + "target": "192.0.2.1", older + "target": "192.0.2.2"}
        gateways[1]["metadata"]["annotations"] = {newer + "target": "192.0.2.3"}
        named = route("named", "app.example.com", to=("inner",))
        named["metadata"]["annotations"] = {newer + "hostname": "more.example.com"}
        world = World(WRITTEN, manifests=(*gateways, named, route("other", "other.example.com")))
        assert world.one("other.example.com").addresses == ("192.0.2.1",)
        assert world.one("app.example.com").addresses == ("192.0.2.3",)
        assert world.one("more.example.com").addresses == ("192.0.2.3",)

    def test_a_record_that_somebody_wrote_stays(self) -> None:
        written = zone("example.com", record("app.example.com", "A", "192.0.2.1"), external_dns=True)
        world = World(written, manifests=(*GATEWAYS, route("app", "app.example.com")))
        assert world.one("app.example.com").addresses == ("192.0.2.1",)

    def test_a_name_of_its_own_hides_the_wildcard(self) -> None:
        written = zone("example.com", record("*.example.com", "A", "192.0.2.1"), external_dns=True)
        world = World(written, manifests=(*GATEWAYS, route("app", "app.example.com")))
        assert world.one("other.example.com").addresses == ("192.0.2.1",)
        assert world.one("app.example.com").addresses == (OUTER,)
        assert world.one("below.app.example.com").status is Status.NXDOMAIN

    def test_a_name_by_annotation_alone(self) -> None:
        world = World(WRITTEN, manifests=(*GATEWAYS, route("app", "a.example.com", hostname="b.example.com")))
        assert world.one("b.example.com").addresses == (OUTER,)

    def test_another_controllers_routes_are_left_alone(self) -> None:
        world = World(WRITTEN, manifests=(*GATEWAYS, route("app", "app.example.com", controller="other")))
        assert world.one("app.example.com").status is Status.NXDOMAIN

    def test_traefiks_routes_need_a_target(self) -> None:
        """Its source has no other way to an address."""

        def ingress_route(name: str, **notes: str) -> dict[str, Any]:
            match = f"Host(`{name}.example.com`)"
            return {
                "apiVersion": "traefik.io/v1alpha1",
                "kind": "IngressRoute",
                "metadata": {"namespace": "apps", "name": name, "annotations": noted(notes)},
                "spec": {"routes": [{"match": match, "kind": "Rule", "services": [{"name": "app", "port": 80}]}]},
            }

        traefik = controller("traefik", OUTER, claimsClassless=True)
        world = World(WRITTEN, manifests=(traefik, APP, ingress_route("a"), ingress_route("b", target=OUTER)))
        assert world.one("a.example.com").status is Status.NXDOMAIN
        assert world.one("b.example.com").addresses == (OUTER,)


ALB = "k8s-labs-0123456789.eu-west-1.elb.amazonaws.com"


def controller(name: str, address: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "gatewright.dev/v1alpha1",
        "kind": "IngressController",
        "metadata": {"namespace": "ingress", "name": name},
        "spec": {"implementation": "traefik", "addresses": [address], **spec},
    }


def ingress(name: str, host: str, class_name: str | None) -> dict[str, Any]:
    backend = {"service": {"name": "app", "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"namespace": "apps", "name": name},
        "spec": {"rules": [rule], **({"ingressClassName": class_name} if class_name else {})},
    }


def test_an_ingress_leads_to_its_load_balancers_hostname() -> None:
    """Which stands for addresses that nobody knows before: IPv4 ones, unless it says otherwise."""
    port = {"name": "https", "port": 443, "protocol": "HTTPS"}
    door = controller("alb", ALB, implementation="alb", classes=["alb"], entryPoints=[port])
    manifests = (door, APP, ingress("lab", "lab.example.com", "alb"), ingress("apex", "example.com", "alb"))
    world = World(WRITTEN, manifests=manifests)
    for name, canonical in (("lab.example.com", ALB), ("example.com", "example.com")):
        found = world.one(name)
        assert (found.status, found.addresses, found.canonical) == (Status.ANSWER, (ALB,), canonical)
        assert world.one(name, "AAAA").status is Status.NODATA


def test_an_ingress_without_class_is_found_at_everyone_who_claims_it() -> None:
    """Two Traefiks write their addresses into one status: either may be what a client is told."""
    doors = (
        controller("inner", INNER, claimsClassless=True),
        controller("outer", OUTER, claimsClassless=True),
        controller("other", "192.0.2.1", classes=["other"]),
    )
    world = World(WRITTEN, manifests=(*doors, APP, ingress("app", "app.example.com", None)))
    assert world.one("app.example.com").addresses == (INNER, OUTER)


@pytest.mark.parametrize(
    ("name", "type_", "said"),
    [
        ("app.ragas.cc", "A", ("answer", (INNER,))),
        ("app.ragas.cc", "AAAA", ("nodata", ())),
        ("x.wild.ragas.cc", "A", ("answer", (INNER,))),
        ("y.x.wild.ragas.cc", "A", ("nxdomain", ())),  # one label only
        ("outside.ragas.cc", "A", ("nxdomain", ())),  # at the other class
        ("nobody.ragas.cc", "A", ("nxdomain", ())),
        ("ragas.cc", "A", ("nodata", ())),
        ("example.com", "A", ("refused", ())),
    ],
)
def test_k8s_gateway(name: str, type_: str, said: tuple[str, tuple[str, ...]]) -> None:
    names = GatewayNames(("ragas.cc",), AT.at("gatewayNames"), classes=("inner",))
    world = World(
        resolver("k8s-gateway", gateway_names=(names,)),
        manifests=(
            *GATEWAYS,
            route("app", "app.ragas.cc", "*.wild.ragas.cc", to=("inner",)),
            route("outside", "outside.ragas.cc"),
        ),
    )
    found = world.one(name, type_, "k8s-gateway")
    assert (found.status.value, found.addresses) == said


def test_k8s_gateway_lets_others_answer_when_told_to() -> None:
    names = GatewayNames(("ragas.cc",), AT, fallthrough=True)
    inner = resolver("k8s-gateway", gateway_names=(names,), upstreams=("public",))
    world = World(
        inner,
        zone("ragas.cc", record("nobody.ragas.cc", "A", OUTER)),
        manifests=(*GATEWAYS, route("app", "app.ragas.cc", to=("inner",))),
    )
    assert world.one("app.ragas.cc", "A", "k8s-gateway").addresses == (INNER,)
    assert world.one("nobody.ragas.cc", "A", "k8s-gateway").addresses == (OUTER,)


def test_k8s_gateway_does_not_look_at_the_names_of_listeners() -> None:
    """external-dns does: a route without hostnames has those of the listener."""
    listening = gateway("outer", OUTER)
    listening["spec"]["listeners"][0]["hostname"] = "app.example.com"
    inner = resolver("k8s-gateway", gateway_names=(GatewayNames(("example.com",), AT),))
    world = World(WRITTEN, inner, manifests=(listening, route("all")))
    assert world.one("app.example.com", "A", "k8s-gateway").status is Status.NXDOMAIN
    assert world.one("app.example.com").addresses == (OUTER,)


SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"namespace": "apps", "name": "db", "annotations": noted({"hostname": "db.example.com."})},
    "spec": {"type": "LoadBalancer", "clusterIP": "10.43.0.9", "ports": [{"port": 5432}]},
    "status": {"loadBalancer": {"ingress": [{"ip": INNER}]}},
}


def test_services_claim_names() -> None:
    names = GatewayNames(("example.com",), AT)
    world = World(WRITTEN, resolver("k8s-gateway", gateway_names=(names,)), manifests=(SERVICE,))
    assert world.one("db.example.com").addresses == (INNER,)
    assert world.one("db.example.com", "A", "k8s-gateway").addresses == (INNER,)
    assert world.one("db.apps.example.com", "A", "k8s-gateway").addresses == (INNER,)
    assert "db.example.com" in world.answer(zones.names)


@pytest.mark.parametrize(
    ("name", "type_", "said"),
    [
        ("db.apps.svc.cluster.local", "A", ("answer", ("10.43.0.9",))),
        ("db.apps.svc.cluster.local", "AAAA", ("nodata", ())),
        ("nobody.apps.svc.cluster.local", "A", ("nxdomain", ())),
        ("www.example.com", "A", ("answer", (OUTER,))),
    ],
)
def test_pods_find_services_and_the_public_dns(name: str, type_: str, said: tuple[str, tuple[str, ...]]) -> None:
    world = World(zone("example.com", record("www.example.com", "A", OUTER)), manifests=(SERVICE,))
    found = world.one(name, type_, "cluster-dns")
    assert (found.status.value, found.addresses) == said


def test_a_route_of_another_name_concerns_nobody() -> None:
    """What a name leads to is read from its own VirtualHosts only."""
    world = World(WRITTEN, manifests=(*GATEWAYS, route("app", "app.example.com")))
    world.analysis.keep(zones.lookup, "public", "app.example.com", "A")
    other = World(manifests=(route("other", "other.example.com"),))
    intent = other.analysis.objects.intent(Key("HTTPRoute", "apps", "other"))
    assert intent is not None
    assert world.put(intent) == set()
