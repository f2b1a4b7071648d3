"""Journeys over a small map: a home and a VPS joined by WireGuard, two Traefiks, a CDN, a tunnel, two vantages."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from gatewright.base.errors import UsageError
from gatewright.base.origin import Origin
from gatewright.kinds.programs import cloudflared
from gatewright.pipeline import Model
from gatewright.trace import tunnels
from gatewright.trace.branches import Branch, Limit, Limits, Trust, smaller, tightest
from gatewright.trace.hops import HopKind, OutcomeKind
from gatewright.trace.journey import MAX_BRANCHES, MAX_REDIRECTS, Walks, journey
from gatewright.trace.request import request
from support.keys import NOW, pair

TUNNEL = "6ff42ae2-765d-4adf-8112-31c55c1551ef"

MAP = """
apiVersion: gatewright.dev/v1alpha1
kind: Site
metadata: {name: home}
spec:
  networks: [{name: lan, cidrs: [192.168.178.0/24]}]
  nodes: [{name: node1, addresses: [192.168.178.5]}]
  clusters: [{name: k3s, podCIDRs: [10.42.0.0/16], serviceCIDRs: [10.43.0.0/16], nodes: [node1, cloud/edge]}]
---
apiVersion: gatewright.dev/v1alpha1
kind: Site
metadata: {name: cloud}
spec:
  networks: [{name: dc, cidrs: [203.0.113.0/24, "2001:db8:1::/64"]}]
  nodes: [{name: edge, addresses: [203.0.113.9, "2001:db8:1::9"]}]
---
apiVersion: gatewright.dev/v1alpha1
kind: Link
metadata: {name: wg-home}
spec:
  type: WireGuard
  mtu: 1370
  ends:
    - {node: cloud/edge, addresses: [10.9.0.1], endpoint: "203.0.113.9:51820"}
    - {node: home/node1, addresses: [10.9.0.2], routes: [192.168.178.0/24]}
---
apiVersion: gatewright.dev/v1alpha1
kind: Link
metadata: {name: cf}
spec: {type: CloudflareTunnel, ends: [{node: home/node1}], config: cloudflared.yml}
---
apiVersion: gatewright.dev/v1alpha1
kind: Zone
metadata: {name: example-com}
spec:
  domain: example.com
  provider: cloudflare
  sslMode: SSL_MODE
  records:
    - {name: "@", values: [203.0.113.9], proxied: true}
    - {name: app, values: [203.0.113.9]}
    - {name: both, values: [203.0.113.9, "2001:db8:1::9"]}
    - {name: two, values: [203.0.113.9, 203.0.113.77]}
    - {name: hop, values: [203.0.113.9]}
    - {name: circle, values: [203.0.113.9]}
    - {name: away, values: [203.0.113.9]}
    - {name: hairpin, values: [203.0.113.9]}
    - {name: round, values: [203.0.113.9]}
    - {name: inside, values: [192.168.178.10]}
    - {name: cdn, values: [203.0.113.9], proxied: true}
    - {name: deep.cdn, values: [203.0.113.9], proxied: true}
    - {name: tunnel, values: [TUNNEL.cfargotunnel.com], proxied: true}
    - {name: other, values: [TUNNEL.cfargotunnel.com], proxied: true}
---
apiVersion: gatewright.dev/v1alpha1
kind: Resolver
metadata: {name: fritzbox}
spec:
  implementation: FritzBox
  addresses: [192.168.178.1]
  upstreams: [public]
  overrides: [{name: app.example.com, values: [192.168.178.10]}]
---
apiVersion: gatewright.dev/v1alpha1
kind: Vantage
metadata: {name: phone}
spec: {network: internet}
---
apiVersion: gatewright.dev/v1alpha1
kind: Vantage
metadata: {name: laptop}
spec: {network: home/lan, families: [4], resolvers: [fritzbox], trust: [public, {secret: {name: ca, namespace: web}}]}
---
apiVersion: gatewright.dev/v1alpha1
kind: Vantage
metadata: {name: stranger}
spec: {network: internet, families: [4], resolvers: [fritzbox]}
---
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: inside, namespace: web}
spec: {implementation: traefik, classes: [web], addresses: [192.168.178.10], settings: {runsOn: [{node: home/node1}]}}
---
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: edge, namespace: web}
spec:
  implementation: traefik
  classes: [web]
  addresses: [203.0.113.9, "2001:db8:1::9"]
  settings: {runsOn: [{node: cloud/edge}], allowExternalNameServices: true}
""".replace("TUNNEL", TUNNEL)

CLOUDFLARED = f"""
tunnel: {TUNNEL}
ingress:
  - hostname: tunnel.example.com
    service: https://192.168.178.10:443
    originRequest: {{noTLSVerify: true}}
  - service: http_status:404
"""

APP = """
apiVersion: v1
kind: Service
metadata: {name: app, namespace: web}
spec: {ports: [{port: 80}], selector: {app: app}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: app, namespace: web}
spec:
  selector: {matchLabels: {app: app}}
  template: {metadata: {labels: {app: app}}, spec: {containers: [{name: app, image: app}]}}
---
apiVersion: v1
kind: Service
metadata: {name: to-app, namespace: web}
spec: {type: ExternalName, externalName: app.example.com, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: to-round, namespace: web}
spec: {type: ExternalName, externalName: round.example.com, ports: [{port: 80}]}
---
apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata: {name: app-tls, namespace: web}
data: {tls.crt: CERT, tls.key: KEY}
---
apiVersion: v1
kind: Secret
metadata: {name: ca, namespace: web}
data: {ca.crt: AUTHORITY}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: app, namespace: web}
spec:
  ingressClassName: web
  tls: [{hosts: [app.example.com, inside.example.com, cdn.example.com], secretName: app-tls}]
  rules:
    - {host: app.example.com, http: &to-app
        {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}}
    - {host: both.example.com, http: *to-app}
    - {host: two.example.com, http: *to-app}
    - {host: inside.example.com, http: *to-app}
    - {host: cdn.example.com, http: *to-app}
    - {host: example.com, http: *to-app}
    - {host: tunnel.example.com, http: *to-app}
---
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {name: to-both, namespace: web}
spec: {redirectRegex: {regex: "^http://hop.example.com/(.*)", replacement: "http://both.example.com/"}}
---
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {name: to-itself, namespace: web}
spec: {redirectRegex: {regex: "^http://circle.example.com/(.*)", replacement: "http://circle.example.com/"}}
---
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {name: to-elsewhere, namespace: web}
spec: {redirectRegex: {regex: "^http://away.example.com/(.*)", replacement: "https://login.example.net/"}}
---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: app, namespace: web, annotations: {kubernetes.io/ingress.class: web}}
spec:
  entryPoints: [web]
  routes:
    - {match: Host(`plain.example.com`), kind: Rule, services: &app [{name: app, port: 80}]}
    - {match: Host(`hop.example.com`), kind: Rule, middlewares: [{name: to-both}], services: *app}
    - {match: Host(`circle.example.com`), kind: Rule, middlewares: [{name: to-itself}], services: *app}
    - {match: Host(`away.example.com`), kind: Rule, middlewares: [{name: to-elsewhere}], services: *app}
    - {match: Host(`hairpin.example.com`), kind: Rule,
       services: [{name: to-app, port: 80, passHostHeader: false}]}
    - {match: Host(`round.example.com`), kind: Rule, services: [{name: to-round, port: 80}]}
"""

Ask = Callable[..., list[Branch]]
World = Callable[..., Ask]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """The map, with what a test replaces in it; answers with what asks a vantage for a URL."""

    def build(
        replace: dict[str, str] | None = None, names: tuple[str, ...] = ("app.example.com",), *, signed: bool = True
    ) -> Ask:
        authority = pair(now=NOW, ca=True, subject="the authority")
        own = pair(*names, now=NOW, issuer=authority if signed else None)
        text = f"{MAP}---{APP}"
        for old, new in {"SSL_MODE": "full", **(replace or {})}.items():
            assert old in text, old
            text = text.replace(old, new)
        for name, pem in (("CERT", own.cert_pem), ("KEY", own.key_pem), ("AUTHORITY", authority.cert_pem)):
            text = text.replace(name, base64.b64encode(pem).decode())
        (tmp_path / "map.yaml").write_text(text)
        (tmp_path / "cloudflared.yml").write_text(CLOUDFLARED)
        model = Model(lambda: NOW)
        model.read([str(tmp_path)])

        def ask(vantage: str, url: str, *families: str) -> list[Branch]:
            found = model.analysis.answer(journey, vantage, request(url), families)
            assert (found.vantage, found.url) == (vantage, url)
            return list(found.branches)

        return ask

    return build


def ends(branches: list[Branch]) -> list[tuple[str, OutcomeKind, str]]:
    return [(one.family, one.outcome.kind, one.outcome.gateway or "") for one in branches]


def kinds(branch: Branch) -> list[HopKind]:
    return [hop.kind for hop in branch.hops]


# --- names and addresses ------------------------------------------------------------------------


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


def test_every_address_of_an_answer_is_a_branch(world: World) -> None:
    first, second = world()("phone", "http://two.example.com/", "4")
    assert (first.address, first.outcome.kind) == ("203.0.113.9", OutcomeKind.DELIVERED)
    assert (second.address, second.outcome.kind) == ("203.0.113.77", OutcomeKind.UNKNOWN)


def test_an_address_needs_no_resolver(world: World) -> None:
    (branch,) = world()("phone", "http://203.0.113.9/")
    assert (branch.family, branch.address, branch.resolver) == ("4", "203.0.113.9", "")
    assert HopKind.RESOLVER not in kinds(branch)
    assert (branch.outcome.kind, branch.outcome.status) == (OutcomeKind.REFUSED, 404)


def test_a_private_address_is_not_reached_from_the_internet(world: World) -> None:
    (branch,) = world()("phone", "http://inside.example.com/", "4")
    assert branch.outcome.kind is OutcomeKind.UNREACHABLE
    assert branch.gateways == ()


def test_a_resolver_that_nobody_reaches_answers_nobody(world: World) -> None:
    (branch,) = world()("stranger", "http://app.example.com/")
    assert branch.outcome.kind is OutcomeKind.UNREACHABLE
    assert branch.outcome.reason.startswith("resolver fritzbox cannot be reached")


def test_a_name_outside_of_the_map_is_unknown(world: World) -> None:
    (branch,) = world()("phone", "http://somewhere.example.org/", "4")
    assert branch.outcome.kind is OutcomeKind.UNKNOWN


def test_a_port_that_no_gateway_has(world: World) -> None:
    (branch,) = world()("phone", "http://app.example.com:8080/", "4")
    assert branch.outcome.kind is OutcomeKind.REFUSED
    assert "does not listen on port 8080" in branch.outcome.reason


def test_an_unknown_vantage_is_said_with_those_that_there_are(world: World) -> None:
    with pytest.raises(UsageError, match=r"no vantage tablet.*laptop, phone, stranger"):
        world()("tablet", "http://app.example.com/")


def test_without_a_vantage_the_gateways_themselves_are_asked(world: World) -> None:
    branches = world()("", "http://app.example.com/", "4")
    assert ends(branches) == [("4", OutcomeKind.DELIVERED, "web/edge"), ("4", OutcomeKind.DELIVERED, "web/inside")]
    assert kinds(branches[0])[0] is HopKind.GATEWAY


# --- certificates -------------------------------------------------------------------------------


def test_a_private_authority_is_trusted_by_whom_it_was_given_to(world: World) -> None:
    ask = world()
    (near,) = ask("laptop", "https://app.example.com/")
    assert (near.trust, near.outcome.kind) == (Trust.TRUSTED, OutcomeKind.DELIVERED)
    (far,) = ask("phone", "https://app.example.com/", "4")
    assert far.trust is Trust.UNKNOWN  # nothing says that the authority is not a public one


def test_a_self_signed_certificate_is_not_trusted(world: World) -> None:
    (branch,) = world(signed=False)("laptop", "https://app.example.com/")
    assert (branch.trust, branch.outcome.kind) == (Trust.UNTRUSTED, OutcomeKind.UNTRUSTED)


def test_a_wildcard_covers_one_label(world: World) -> None:
    (branch,) = world(names=("*.com",))("laptop", "https://app.example.com/")
    assert (branch.trust, branch.outcome.kind) == (Trust.NAME_MISMATCH, OutcomeKind.UNTRUSTED)
    assert "exactly one label" in branch.outcome.reason
    assert kinds(branch)[-1] is HopKind.TLS


ISSUED = """
---
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {name: acme}
spec: {acme: {server: "https://DIRECTORY/directory", privateKeySecretRef: {name: k}, solvers: []}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: app, namespace: web}
spec: {secretName: app-tls, dnsNames: [app.example.com], issuerRef: {kind: ClusterIssuer, name: acme}}
"""


@pytest.mark.parametrize(
    ("directory", "trust"),
    [
        ("acme-v02.api.letsencrypt.org", Trust.TRUSTED),
        ("acme-staging-v02.api.letsencrypt.org", Trust.UNTRUSTED),
        ("ca.home.example.com", Trust.UNKNOWN),
    ],
)
def test_what_cert_manager_will_make_is_judged_by_its_issuer(world: World, directory: str, trust: Trust) -> None:
    more = ISSUED.replace("DIRECTORY", directory)
    ask = world({"data: {tls.crt: CERT, tls.key: KEY}": "data: {}", "data: {ca.crt: AUTHORITY}": "data: {}" + more})
    (branch,) = ask("phone", "https://app.example.com/", "4")
    assert branch.trust is trust


# --- redirects and external names ---------------------------------------------------------------


def test_redirects_are_followed_as_the_client_would(world: World) -> None:
    (branch,) = world()("phone", "http://hop.example.com/", "4")
    assert branch.outcome.kind is OutcomeKind.DELIVERED
    assert branch.outcome.virtual_host == "both.example.com"
    assert branch.redirects == ((302, "http://both.example.com/"),)
    assert branch.gateways == ("web/edge", "web/edge")


def test_a_redirect_loop_is_refused(world: World) -> None:
    (branch,) = world()("phone", "http://circle.example.com/", "4")
    assert branch.outcome.kind is OutcomeKind.REFUSED
    assert branch.outcome.reason.startswith("redirect loop")
    assert len(branch.redirects) <= MAX_REDIRECTS


def test_a_redirect_out_of_the_map_is_the_answer(world: World) -> None:
    (branch,) = world()("phone", "http://away.example.com/", "4")
    assert (branch.outcome.kind, branch.outcome.location) == (OutcomeKind.RESPONSE, "https://login.example.net/")


def test_an_external_name_may_be_a_gateway(world: World) -> None:
    (branch,) = world()("phone", "http://hairpin.example.com/", "4")
    assert branch.outcome.kind is OutcomeKind.DELIVERED
    assert branch.outcome.virtual_host == "app.example.com"
    assert branch.gateways == ("web/edge", "web/edge")


def test_an_external_name_that_leads_back_ends(world: World) -> None:
    (branch,) = world()("phone", "http://round.example.com/", "4")
    assert (branch.outcome.kind, branch.outcome.status) == (OutcomeKind.REFUSED, 508)
    assert "web/edge → web/edge" in branch.outcome.reason


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


# --- edges and tunnels --------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "listener"), [("flexible", "web"), ("full", "websecure")])
def test_the_ssl_mode_decides_how_the_edge_connects(world: World, mode: str, listener: str) -> None:
    branches = world({"SSL_MODE": mode})("phone", "https://cdn.example.com/")
    assert ends(branches) == [("4", OutcomeKind.DELIVERED, "web/edge"), ("6", OutcomeKind.DELIVERED, "web/edge")]
    assert {branch.outcome.listener for branch in branches} == {listener}
    assert {branch.trust for branch in branches} == {Trust.TRUSTED}
    assert branches[0].limits.body == Limit(100_000_000, "cloudflare edge", branches[0].hops[2].origin)


def test_a_strict_edge_refuses_a_certificate_that_it_does_not_trust(world: World) -> None:
    ask = world({"SSL_MODE": "strict"}, names=("other.example.com",))
    (branch,) = ask("phone", "https://cdn.example.com/", "4")
    assert (branch.outcome.kind, branch.outcome.status) == (OutcomeKind.REFUSED, 526)
    assert branch.trust is Trust.TRUSTED  # the client sees the edge's own


def test_the_universal_certificate_covers_the_apex_and_one_label(world: World) -> None:
    ask = world()
    (apex,) = ask("phone", "https://example.com/", "4")
    assert apex.outcome.kind is OutcomeKind.DELIVERED
    (deep,) = ask("phone", "https://deep.cdn.example.com/", "4")
    assert (deep.outcome.kind, deep.trust) == (OutcomeKind.REFUSED, Trust.NAME_MISMATCH)
    wider = world({"  sslMode: full": "  sslMode: full\n  edgeCertificates: ['*.cdn.example.com']", "SSL_MODE": "full"})
    (deep,) = wider("phone", "https://deep.cdn.example.com/", "4")
    assert deep.trust is Trust.TRUSTED


def test_an_edge_that_insists_on_https_redirects(world: World) -> None:
    ask = world({"SSL_MODE": "full\n  alwaysHTTPS: true"})
    (branch,) = ask("phone", "http://cdn.example.com/", "4")
    assert branch.redirects == ((301, "https://cdn.example.com/"),)
    assert branch.outcome.kind is OutcomeKind.DELIVERED


def test_an_edge_tells_the_origin_of_the_client(world: World) -> None:
    known = """
---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: known, namespace: web, annotations: {kubernetes.io/ingress.class: web}}
spec:
  entryPoints: [websecure]
  routes:
    - match: Host(`cdn.example.com`) && Header(`X-Forwarded-For`, `192.0.2.44`)
      kind: Rule
      priority: 1000
      services: [{name: app, port: 80}]
  tls: {}
"""
    for client, rule in (("192.0.2.44", "IngressRoute web/known rule 0"), ("192.0.2.45", "Ingress web/app rule 4")):
        changed = {
            "spec: {network: internet}": f"spec: {{network: internet, addresses: [{client}]}}",
            "data: {ca.crt: AUTHORITY}": "data: {}" + known,
        }
        (branch,) = world(changed)("phone", "https://cdn.example.com/", "4")
        assert branch.outcome.rule == rule


def test_a_tunnel_sends_no_sni_for_an_address(world: World) -> None:
    (branch,) = world()("phone", "https://tunnel.example.com/", "4")
    assert branch.outcome.kind is OutcomeKind.DELIVERED
    assert branch.gateways == ("web/inside",)
    assert "cf" in branch.links
    assert any(hop.kind is HopKind.TLS and hop.summary.startswith("no SNI") for hop in branch.hops)


@pytest.mark.parametrize(
    ("settings", "sni"),
    [
        ("{}", ""),
        ("{originServerName: one.example.com}", "one.example.com"),
        ("{originServerName: one.example.com, matchSNItoHost: true}", "tunnel.example.com"),
        ("{httpHostHeader: two.example.com}", ""),
        ("{httpHostHeader: two.example.com, matchSNItoHost: true}", "two.example.com"),
    ],
)
def test_the_sni_of_a_tunnel(settings: str, sni: str) -> None:
    text = CLOUDFLARED.replace("{noTLSVerify: true}", settings)
    intent, _ = cloudflared.parse(yaml.safe_load(text), Origin("cloudflared.yml"))
    assert intent is not None
    asked = request("https://tunnel.example.com/")
    rule = tunnels.choose(intent, asked)
    assert rule is not None
    found = tunnels.service(rule, asked)
    assert found is not None
    assert found.server_name == sni


@pytest.mark.parametrize(
    ("host", "taken"),
    [("a.example.com", 0), ("a.b.example.com", 0), ("example.com", 1), ("notexample.com", 1)],
)
def test_a_wildcard_of_a_tunnel_takes_any_depth(host: str, taken: int) -> None:
    text = CLOUDFLARED.replace("tunnel.example.com", '"*.example.com"')
    intent, _ = cloudflared.parse(yaml.safe_load(text), Origin("cloudflared.yml"))
    assert intent is not None
    assert tunnels.choose(intent, request(f"https://{host}/")) == intent.rules[taken]


def test_a_tunnel_answers_what_no_rule_sends_on(world: World) -> None:
    (branch,) = world()("phone", "https://other.example.com/", "4")
    assert (branch.outcome.kind, branch.outcome.status) == (OutcomeKind.REFUSED, 404)


IN_CLUSTER = """
---
apiVersion: v1
kind: ConfigMap
metadata: {name: cloudflared, namespace: web}
data:
  config.yaml: |
    tunnel: TUNNEL
    ingress:
      - {hostname: tunnel.example.com, path: ^/in, service: "http://app.web:80"}
      - {hostname: tunnel.example.com, service: "http://gone.web.svc.cluster.local:80"}
      - {hostname: other.example.com, service: "http://app:81"}
      - {service: "ssh://app:22"}
""".replace("TUNNEL", TUNNEL)


def test_a_tunnel_from_a_config_map_reaches_services_of_its_cluster(world: World) -> None:
    ask = world(
        {
            "ends: [{node: home/node1}], config: cloudflared.yml": "ends: [{cluster: home/k3s}], config: "
            "{configMap: {name: cloudflared, namespace: web, key: config.yaml}}",
            "data: {ca.crt: AUTHORITY}": "data: {}" + IN_CLUSTER,
        }
    )
    # The file beside it is a tunnel of the same id that no Link runs: where it runs nobody knows.
    (inside, *_) = ask("phone", "https://tunnel.example.com/in", "4")
    assert inside.outcome.kind is OutcomeKind.DELIVERED
    assert inside.outcome.backend is not None
    assert (inside.outcome.backend.name, inside.outcome.backend.port) == ("app", 80)
    (gone, *_) = ask("phone", "https://tunnel.example.com/", "4")
    assert gone.outcome.kind in (OutcomeKind.UNKNOWN, OutcomeKind.ABSENT)
    (port, *_) = ask("phone", "https://other.example.com/", "4")
    assert (port.outcome.kind, port.outcome.status) == (OutcomeKind.REFUSED, 502)


POLICY = """
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: web}
spec: {podSelector: {matchLabels: {app: app}}, policyTypes: [Ingress], ingress: []}
"""

HTTP_POLICY = """
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: api-only, namespace: web}
spec:
  endpointSelector: {matchLabels: {app: app}}
  ingress:
    - toPorts:
        - ports: [{port: "80", protocol: TCP}]
          rules: {http: [{method: GET, path: "/api/.*"}]}
"""


def test_a_policy_that_forgets_the_gateway_closes_the_way_to_the_backend(world: World) -> None:
    (branch,) = world({"data: {ca.crt: AUTHORITY}": "data: {}" + POLICY})("phone", "http://app.example.com/", "4")
    assert (branch.outcome.kind, branch.outcome.status) == (OutcomeKind.REFUSED, 502)
    assert HopKind.POLICY in kinds(branch)


def test_http_rules_of_a_policy_answer_403(world: World) -> None:
    ask = world({"data: {ca.crt: AUTHORITY}": "data: {}" + HTTP_POLICY})
    (refused,) = ask("phone", "http://app.example.com/", "4")
    assert (refused.outcome.kind, refused.outcome.status) == (OutcomeKind.REFUSED, 403)
    (passed,) = ask("phone", "http://app.example.com/api/x", "4")
    assert passed.outcome.kind is OutcomeKind.DELIVERED


DOOR = """
---
apiVersion: v1
kind: Service
metadata: {name: door, namespace: web}
spec:
  type: LoadBalancer
  externalTrafficPolicy: POLICY
  loadBalancerIP: 192.168.178.60
  selector: {app: door}
  ports: [{port: 80, targetPort: 8000}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: door, namespace: web}
spec:
  selector: {matchLabels: {app: door}}
  template:
    metadata: {labels: {app: door}}
    spec: {containers: [{name: door, image: door, ports: [{containerPort: 8000}]}]}
---
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: door, namespace: web}
spec:
  implementation: traefik
  service: {name: door}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: door, namespace: web}
spec:
  podSelector: {matchLabels: {app: door}}
  policyTypes: [Ingress]
  ingress: [{from: [{ipBlock: {cidr: FROM}}], ports: [{port: PORT}]}]
"""


@pytest.mark.parametrize(
    ("policy", "cidr", "port", "kept_out"),
    [
        ("Local", "192.168.178.0/24", "8000", False),
        ("Local", "0.0.0.0/0", "8000", False),
        ("Local", "192.168.7.0/24", "8000", True),
        ("Local", "192.168.178.0/24", "80", True),  # the Service's port is not the pod's
        ("Cluster", "192.168.7.0/24", "8000", True),
        ("Cluster", "203.0.113.0/24", "8000", False),  # handed on by the node in the cloud, with its address
    ],
)
def test_policies_before_a_gateway_s_own_pods(world: World, policy: str, cidr: str, port: str, kept_out: bool) -> None:
    more = DOOR.replace("POLICY", policy).replace("FROM", cidr).replace("PORT", port)
    (branch,) = world({"data: {ca.crt: AUTHORITY}": "data: {}" + more})("laptop", "http://192.168.178.60/")
    assert branch.gateways == ("web/door",)
    assert (HopKind.POLICY in kinds(branch)) == kept_out or policy == "Cluster"
    assert (branch.outcome.kind is OutcomeKind.UNREACHABLE) == kept_out


# --- limits and sharing -------------------------------------------------------------------------


def test_the_smallest_limit_counts_and_says_whose_it_is() -> None:
    loose, tight, none = Limit(180, "a"), Limit(60, "b"), Limit(0, "c")
    assert smaller(loose, tight) is tight
    assert smaller(tight, loose) is tight
    assert smaller(none, tight) is tight
    assert smaller(tight, none) is tight
    assert smaller(None, loose) is loose
    assert tightest(Limits(loose), Limits(tight, body=loose)) == Limits(tight, loose)


def test_the_limits_of_a_way_are_those_of_its_hops(world: World) -> None:
    (branch,) = world()("phone", "http://app.example.com/", "4")
    assert branch.limits.idle_timeout is not None
    assert (branch.limits.idle_timeout.value, branch.limits.idle_timeout.hop) == (0, "traefik web/edge")
    assert branch.limits.mtu is not None
    assert branch.limits.mtu.value == 1370


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


# --- from a pod ---------------------------------------------------------------------------------

LET_IN = """
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: app, namespace: web}
spec:
  endpointSelector: {matchLabels: {app: app}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: front}}]
      toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: [{method: GET, path: /public.*}]}}]
---
apiVersion: gatewright.dev/v1alpha1
kind: Vantage
metadata: {name: front}
spec: {cluster: home/k3s, families: [4], pod: {namespace: web, labels: {app: front}}}
---
apiVersion: gatewright.dev/v1alpha1
kind: Vantage
metadata: {name: other}
spec: {cluster: home/k3s, families: [4], pod: {namespace: web, labels: {app: other}}}
---
apiVersion: v1
kind: Service
metadata: {name: to-app, namespace: web}
"""


def test_a_pod_comes_to_a_service_of_its_cluster_as_policies_let_it(world: World) -> None:
    ask = world({"apiVersion: v1\nkind: Service\nmetadata: {name: to-app, namespace: web}\n": LET_IN})
    (let_in,) = ask("front", "http://app.web.svc/public/x")
    assert (let_in.outcome.kind, let_in.gateways) == (OutcomeKind.DELIVERED, ())
    assert let_in.outcome.backend is not None
    assert (let_in.outcome.backend.name, let_in.outcome.backend.port) == ("app", 80)
    (wrong_path,) = ask("front", "http://app.web.svc.cluster.local/private")
    assert (wrong_path.outcome.kind, wrong_path.outcome.status) == (OutcomeKind.REFUSED, 403)
    (dropped,) = ask("other", "http://app.web.svc.cluster.local/public/x")
    assert (dropped.outcome.kind, dropped.outcome.status) == (OutcomeKind.UNREACHABLE, 0)
    assert "CiliumNetworkPolicy web/app" in dropped.outcome.reason
    (no_port,) = ask("front", "http://app.web.svc:81/")
    assert (no_port.outcome.kind, no_port.outcome.status) == (OutcomeKind.REFUSED, 0)
    (outside,) = ask("phone", "http://app.web.svc.cluster.local/", "4")
    assert outside.outcome.kind is not OutcomeKind.DELIVERED


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


def test_a_backend_whose_name_has_no_address_is_the_gateways_affair(world: World) -> None:
    (branch,) = world({"externalName: round.example.com": "externalName: gone.example.com"})(
        "phone", "http://round.example.com/", "4"
    )
    assert (branch.outcome.kind, branch.outcome.status) == (OutcomeKind.REFUSED, 502)
    assert "gone.example.com does not exist" in branch.outcome.reason
