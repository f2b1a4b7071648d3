"""Which certificates are wanted, by whom, for which names; and what one change makes be asked again."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import yaml

from gatewright.graph import issuing
from gatewright.graph.analysis import Analysis
from gatewright.graph.issuing import Wanted
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.issuance import PrivateKey
from support.keys import NOW, pair
from support.modelled import Modelled

LE = Key("ClusterIssuer", "", "le")
WEB = Key("Secret", "web", "app-tls")


class World:
    """Questions over manifests as text."""

    def __init__(self, *texts: str) -> None:
        self.model = Modelled(docs(*texts))
        self.analysis = Analysis(self.model._builder.objects, self.model.graph, date(2030, 6, 1))

    def put(self, *texts: str) -> set[Any]:
        change = self.model.put(*docs(*texts))
        return {question for question, _ in self.analysis.update(self.model.graph, change)}

    def wanted(self) -> tuple[Wanted, ...]:
        targets = sorted(self.analysis.answer(issuing.targets))
        return tuple(one for target in targets for one in self.analysis.answer(issuing.wanted, target))

    def one(self) -> Wanted:
        (found,) = self.wanted()
        return found

    def problems(self) -> list[str]:
        return [problem.message for problem in self.analysis.answer(issuing.problems)]


def docs(*texts: str) -> list[Any]:
    return [data for text in texts for data in yaml.safe_load_all(text) if data]


def cluster_issuer(solvers: str = "[{dns01: {cloudflare: {}}}]", server: str = "https://acme.letsencrypt.org/d") -> str:
    return f"""
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {{name: le}}
spec: {{acme: {{server: "{server}", privateKeySecretRef: {{name: k}}, solvers: {solvers}}}}}
"""


def certificate(names: str = "[app.example.com]", name: str = "app", namespace: str = "web", more: str = "") -> str:
    return f"""
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{secretName: {name}-tls, issuerRef: {{kind: ClusterIssuer, name: le}}, dnsNames: {names}{more}}}
"""


def ingress(name: str = "app", host: str = "app.example.com", notes: str = "", secret: str = "app-tls") -> str:
    return f"""
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}, namespace: web, annotations: {{cert-manager.io/cluster-issuer: le{notes}}}}}
spec: {{ingressClassName: nginx, tls: [{{hosts: [{host}], secretName: {secret}}}]}}
"""


def test_a_certificate() -> None:
    more = ", duration: 720h, renewBefore: 240h, commonName: www.example.com, privateKey: {algorithm: ECDSA}"
    found = World(cluster_issuer(), certificate(more=more)).one()
    assert (found.id, found.target, found.issuer) == ("web/app-tls", WEB, LE)
    # The common name is the subject's, so it comes first.
    assert found.names == ("www.example.com", "app.example.com")
    assert (found.duration, found.renew_before, found.private_key) == (720 * 3600, 240 * 3600, PrivateKey("ECDSA"))


def test_an_ingress_with_annotations() -> None:
    notes = ", cert-manager.io/private-key-algorithm: ECDSA, cert-manager.io/renew-before: 240h"
    found = World(cluster_issuer(), ingress(notes=notes)).one()
    assert (found.id, found.names, found.issuer) == ("web/app-tls", ("app.example.com",), LE)
    assert (found.private_key.algorithm, found.renew_before) == ("ECDSA", 240 * 3600)


def test_annotations_with_wrong_values_are_told_of_and_the_rest_holds() -> None:
    world = World(cluster_issuer(), ingress(notes=", cert-manager.io/duration: 90d"))
    assert world.one().names == ("app.example.com",)
    (said,) = world.problems()
    assert "cert-manager.io/duration" in said
    assert "days are written as hours" in said


def test_two_ingresses_share_a_secret() -> None:
    found = World(cluster_issuer(), ingress(), ingress("shop", "shop.example.com")).one()
    assert found.names == ("app.example.com", "shop.example.com")


GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: web, annotations: {cert-manager.io/cluster-issuer: le}}
spec:
  gatewayClassName: envoy
  listeners:
    - {name: a, port: 443, protocol: HTTPS, hostname: app.example.com, tls: {certificateRefs: [{name: app-tls}]}}
    - {name: b, port: 443, protocol: HTTPS, hostname: "*.lab.example.com", tls: {certificateRefs: [{name: app-tls}]}}
    - {name: c, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: app-tls}]}}
    - {name: d, port: 443, protocol: TLS, hostname: p.example.com, tls: {mode: Passthrough}}
    - {name: e, port: 443, protocol: HTTPS, hostname: o.example.com, tls: {certificateRefs: [{name: x, namespace: o}]}}
"""


def test_the_listeners_of_a_gateway_with_annotations() -> None:
    assert World(cluster_issuer(), GATEWAY).one().names == ("app.example.com", "*.lab.example.com")


def test_a_certificate_wins_over_annotations_and_contradictions_are_told() -> None:
    world = World(cluster_issuer(), certificate("[other.example.com]"), ingress())
    assert world.one().names == ("other.example.com",)
    assert "has no app.example.com" in world.problems()[0]
    assert World(cluster_issuer(), certificate('["*.example.com"]'), ingress()).problems() == []


def test_a_wildcard_certificate_does_for_hosts_below_it() -> None:
    wild = certificate('["*.example.com"]', "wild")
    world = World(cluster_issuer(), wild, ingress(), ingress("deep", "a.b.example.com", secret="deep-tls"))
    assert {one.id: one.reuse for one in world.wanted()} == {
        "web/wild-tls": "",
        "web/app-tls": "web/wild-tls",
        "web/deep-tls": "",
    }


def test_the_key_of_a_wildcard_stays_in_its_namespace() -> None:
    world = World(cluster_issuer(), certificate('["*.example.com"]', "wild", "certs"), ingress())
    assert {one.id: one.reuse for one in world.wanted()} == {"certs/wild-tls": "", "web/app-tls": ""}


@pytest.mark.parametrize(("names", "usable"), [(("app.example.com",), True), (("b.example.com",), False)])
def test_what_the_manifests_have_is_present_when_it_covers_the_names(names: tuple[str, ...], usable: bool) -> None:
    made = pair(*names)
    secret = yaml.safe_dump({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "app-tls", "namespace": "web"},
        "stringData": {"tls.crt": made.cert_pem.decode(), "tls.key": made.key_pem.decode()},
    })  # fmt: skip
    served = CONTROLLER, host("app.example.com", ", secretName: app-tls")
    for world in (
        World(cluster_issuer(), certificate(), secret),
        World(cluster_issuer(), certificate(), secret, *served),
    ):
        assert (world.one().present > NOW.timestamp()) is usable


CONTROLLER = """
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: nginx, namespace: web}
spec: {implementation: ingress-nginx, classes: [nginx], settings: {issuer: {kind: ClusterIssuer, name: le}}}
"""


def host(name: str, tls: str = "") -> str:
    return f"""
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name.replace("*", "any").replace(".", "-")}, namespace: web}}
spec:
  ingressClassName: nginx
  tls: [{{hosts: ["{name}"]{tls}}}]
  rules:
    - host: "{name}"
      http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: app, port: {{number: 80}}}}}}}}]}}
"""


HTTP = "[{http01: {ingress: {}}}]"


@pytest.mark.parametrize(
    ("solvers", "hosts", "groups"),
    [
        ("[{dns01: {cloudflare: {}}}]", ["a.example.com", "b.example.com"], [("*.example.com",)]),
        ("[{dns01: {cloudflare: {}}}]", ["a.example.com", "example.com"], [("*.example.com", "example.com")]),
        ("[{dns01: {cloudflare: {}}}]", ["example.com"], [("example.com",)]),
        ("[{dns01: {cloudflare: {}}}]", ["shop.co.uk"], [("shop.co.uk",)]),
        ("[{dns01: {cloudflare: {}}}]", ["a.lab.example.com", "b.example.com"],
         [("*.example.com",), ("*.lab.example.com",)]),
        (HTTP, ["b.example.com", "a.example.com"], [("a.example.com",), ("b.example.com",)]),
        ("[{dns01: {cloudflare: {}}, selector: {dnsZones: [example.org]}}, {http01: {ingress: {}}}]",
         ["a.example.com", "a.example.org"], [("a.example.com",), ("*.example.org",)]),
    ],
)  # fmt: skip
def test_a_door_with_an_issuer_of_its_own(solvers: str, hosts: list[str], groups: list[tuple[str, ...]]) -> None:
    world = World(cluster_issuer(solvers), CONTROLLER, *map(host, hosts))
    found = world.wanted()
    assert [one.names for one in found] == groups
    assert found[0].id == f"web/nginx {groups[0][0]}"
    assert {one.target for one in found} == {Key("IngressController", "web", "nginx")}


def test_a_door_leaves_alone_what_others_bring() -> None:
    world = World(cluster_issuer(HTTP), CONTROLLER, certificate(), host("app.example.com", ", secretName: app-tls"))
    assert [one.id for one in world.wanted()] == ["web/app-tls"]


@pytest.mark.parametrize(
    ("solvers", "names", "says"),
    [
        (HTTP, '["*.example.com"]', "HTTP-01 proves no wildcards"),
        ("[{dns01: {cloudflare: {}}, selector: {dnsZones: [example.org]}}]", "[a.example.com]", "no solver for"),
        (HTTP, "[nas.home.arpa]", ".home.arpa is for private use"),
        (HTTP, "[printer.local]", ".local is for private use"),
        (HTTP, "[printer]", "no full domain name"),
        (HTTP, "[], ipAddresses: [10.0.0.1]", "a private address"),
        (HTTP, "[a.example.com], isCA: true", "makes none"),
    ],
)
def test_what_cannot_be_had(solvers: str, names: str, says: str) -> None:
    (said,) = World(cluster_issuer(solvers), certificate(names)).problems()
    assert says in said


def test_an_authority_of_the_house_makes_what_it_likes() -> None:
    assert World(cluster_issuer(HTTP, "https://ca.home.arpa/acme"), certificate("[nas.home.arpa]")).problems() == []


def test_an_issuer_that_is_missing_is_its_own_rule() -> None:
    world = World(certificate())
    assert world.problems() == []
    assert world.analysis.answer(issuing.issuer, LE) is None


ISSUER = "{apiVersion: cert-manager.io/v1, kind: Issuer, metadata: {name: i, namespace: web}, spec: %s}"
IN_WEB = Key("Issuer", "web", "i")


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ("{vault: {server: x, path: y, auth: {}}}", "is of type Vault, which Gatewright does not speak to"),
        ("{venafi: {zone: z}}", "is of type Venafi"),
        ("{ca: {secretName: root}}", "needs Secret web/root with tls.crt, which is not there"),
        ("{selfSigned: {}}", ""),
    ],
)
def test_issuers(spec: str, fault: str) -> None:
    found = World(ISSUER % spec).analysis.answer(issuing.issuer, IN_WEB)
    assert found is not None
    assert fault in found.fault
    assert bool(found.fault) == bool(fault)


def test_an_issuer_has_its_secrets() -> None:
    acme = "{acme: {server: s, solvers: [{dns01: {cloudflare: {apiTokenSecretRef: {name: t}}}}]}}"
    secret = "{apiVersion: v1, kind: Secret, metadata: {name: t, namespace: web}, stringData: {token: hush}}"
    world = World(ISSUER % acme, secret)
    found = world.analysis.answer(issuing.issuer, IN_WEB)
    assert found is not None
    value = found.secret(Key("Secret", "web", "t"), "")
    assert value is not None
    assert value.reveal() == b"hush"
    assert "hush" not in repr(found)


def test_one_change_concerns_one_target() -> None:
    others = [certificate(f"[n{number}.example.org]", f"n{number}") for number in range(20)]
    world = World(cluster_issuer(), *others)
    world.analysis.keep(issuing.targets)
    for target in world.analysis.answer(issuing.targets):
        world.analysis.keep(issuing.wanted, target)
    change = world.model.put(*docs(certificate("[m.example.org]", "n7")))
    assert {args for question, args in world.analysis.update(world.model.graph, change)} == {
        (Key("Secret", "web", "n7-tls"),)
    }


def test_a_host_more_at_a_door_concerns_its_domain_alone() -> None:
    world = World(cluster_issuer(), CONTROLLER, host("a.example.com"), host("a.example.org"))
    before = world.wanted()
    world.put(host("b.example.com"))
    assert world.wanted() == before
    world.put(host("b.example.net"))
    assert [one.names for one in world.wanted()] == [("*.example.com",), ("*.example.net",), ("*.example.org",)]


def test_what_is_kept_up_to_date_is_what_is_asked_anew() -> None:
    world = World(cluster_issuer(), CONTROLLER, host("a.example.com"), ingress(), certificate())
    world.wanted()
    changes = (
        host("b.example.com"),
        certificate("[c.example.com]"),
        ingress(host="d.example.com"),
        cluster_issuer(HTTP),
    )
    everything = [cluster_issuer(), CONTROLLER, host("a.example.com"), ingress(), certificate()]
    for change in changes:
        world.put(change)
        fresh = World(*reversed([*everything, *changes[: changes.index(change) + 1]]))
        assert world.wanted() == fresh.wanted()
        assert world.problems() == fresh.problems()
