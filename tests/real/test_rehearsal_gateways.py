"""Gateways of a rehearsal: real Envoys in spaces of their own, backends in others, clients in others again."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gatewright.rehearsal import isolation
from support import keys, rehearsed_doors
from support.needs import binary
from support.shared import Shared

pytestmark = pytest.mark.real

ISSUER = "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: {{name: {0}}}\nspec: {1}\n"
CERTIFICATE = """
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {{name: {0}, namespace: infra}}
spec: {{secretName: {0}, dnsNames: [{0}.example.com], issuerRef: {{kind: ClusterIssuer, name: {1}}}}}
"""
GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {0}, namespace: infra}}
spec:
  gatewayClassName: ours
  listeners:
    - {{name: http, port: 80, protocol: HTTP}}
"""
LISTENER = """\
    - {{name: {0}, port: 443, protocol: HTTPS, hostname: {0}.example.com, tls: {{certificateRefs: [{{name: {0}}}]}}}}
"""
ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {0}, namespace: infra}}
spec:
  parentRefs: [{{name: {1}}}]
  hostnames: [{0}.example.com]
  rules: [{{backendRefs: [{{name: {2}, port: {3}}}]}}]
"""
REST = """
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ours}
spec: {controllerName: gatewright.dev/gateway-controller}
---
apiVersion: v1
kind: Service
metadata: {name: app, namespace: infra}
spec: {selector: {app: app}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: outside, namespace: infra}
spec: {type: ExternalName, externalName: outside.example.org, ports: [{port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: secure, namespace: infra}
spec: {selector: {app: app}, ports: [{port: 443, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: secure-1, namespace: infra, labels: {kubernetes.io/service-name: secure}}
addressType: IPv4
ports: [{port: 8080, name: ""}]
endpoints: [{addresses: [10.2.0.10], conditions: {ready: true}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: secure, namespace: infra}
spec:
  targetRefs: [{group: "", kind: Service, name: secure}]
  validation: {hostname: secure.internal, wellKnownCACertificates: System}
---
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: far, namespace: infra}
spec: {implementation: traefik, classes: [far], addresses: [10.1.1.10], settings: {allowExternalNameServices: true}}
---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: far, namespace: infra, annotations: {kubernetes.io/ingress.class: far}}
spec:
  entryPoints: [web]
  routes:
    - {match: Host(`far.example.com`), kind: Rule, services: [{name: app, port: 80}]}
    - {match: Host(`outside.example.com`), kind: Rule, services: [{name: outside, port: 8080}]}
    - {match: Host(`users.example.com`), kind: Rule, middlewares: [{name: users}], services: [{name: app, port: 80}]}
---
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {name: users, namespace: infra}
spec: {basicAuth: {secret: users}}
---
apiVersion: v1
kind: Secret
metadata: {name: users, namespace: infra}
stringData: {users: "jo:$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/"}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: app-1, namespace: infra, labels: {kubernetes.io/service-name: app}}
addressType: IPv4
ports: [{port: 8080, name: ""}]
endpoints: [{addresses: [10.2.0.10], conditions: {ready: true}}]
---
apiVersion: gatewright.dev/v1alpha1
kind: Site
metadata: {name: home}
spec: {networks: [{name: lan, cidrs: [10.3.0.0/24]}]}
"""
VANTAGE = """
apiVersion: gatewright.dev/v1alpha1
kind: Vantage
metadata: {{name: {0}}}
spec: {{network: home/lan, trust: {1}}}
"""
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
ACME = "{{acme: {{server: '{0}', privateKeySecretRef: {{name: account}}, solvers: [{{dns01: {{cloudflare: {{}}}}}}]}}}}"


def _manifests() -> str:
    own = keys.pair("own.example.com", now=datetime.now(UTC), ca=True)
    secret = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own", "namespace": "infra"},
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": own.cert_pem.decode(), "tls.key": own.key_pem.decode()},
    }  # fmt: skip
    return "\n---\n".join(
        (
            REST,
            json.dumps(secret),
            ISSUER.format("public", ACME.format(LETS_ENCRYPT)),
            ISSUER.format(
                "asking", ACME.format(LETS_ENCRYPT).replace("dns01: {cloudflare: {}}", "http01: {ingress: {}}")
            ),
            ISSUER.format("staging", ACME.format("https://acme-staging-v02.api.letsencrypt.org/directory")),
            ISSUER.format("private", "{ca: {secretName: home-ca}}"),
            CERTIFICATE.format("app", "public"),
            CERTIFICATE.format("far", "asking"),
            CERTIFICATE.format("nowhere", "asking"),
            CERTIFICATE.format("inner", "private"),
            CERTIFICATE.format("staging", "staging"),
            GATEWAY.format("edge") + LISTENER.format("app"),
            GATEWAY.format("inner") + "".join(map(LISTENER.format, ("inner", "staging", "own"))),
            ROUTE.format("app", "edge", "app", 80),
            *(ROUTE.format(name, "inner", "app", 80) for name in ("inner", "staging", "own")),
            ROUTE.format("secure", "inner", "secure", 443),
            VANTAGE.format("phone", "[public]"),
            VANTAGE.format("insider", "[public, {secret: {namespace: cert-manager, name: home-ca}}]"),
            VANTAGE.format("stranger", "[{secret: {namespace: infra, name: own}}]"),
        )
    )


def _seen(folder: Path) -> dict[str, Any]:
    (folder / "all.yaml").write_text(_manifests())
    done = subprocess.run(
        [sys.executable, str(Path(rehearsed_doors.__file__)), str(folder)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def seen(shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if reason := isolation.refusal():
        pytest.skip(reason)
    found: dict[str, Any] = shared.value("gateways", lambda: _seen(tmp_path_factory.mktemp("manifests")))
    return found


def _app(peer: str) -> dict[str, Any]:
    return {"status": 200, "echo": {"service": "app", "namespace": "infra", "pod": "app-0", "peer": peer}}


def _untrusted(seen: dict[str, Any]) -> bool:
    return seen.get("why") == "unable to get local issuer certificate"


def test_clients_reach_a_gateway_at_its_own_addresses(seen: dict[str, Any]) -> None:
    assert seen["edge v4"] == seen["edge v6"] == _app("10.1.0.10")
    assert seen["failures"] == []


def test_gateways_of_one_space_serve_only_what_is_theirs(seen: dict[str, Any]) -> None:
    assert seen["inner"]["status"] == 200
    assert "status" not in seen["inner's name at edge"]


def test_each_space_has_an_envoy_of_its_own(seen: dict[str, Any]) -> None:
    assert seen["far"] == _app("10.1.1.10")
    assert seen["far silenced"] == {"error": "ConnectionRefusedError"}
    assert seen["far resumed"] == seen["far"]
    assert seen["left"] == []


def test_external_names_are_asked_of_the_resolver_of_the_space(seen: dict[str, Any]) -> None:
    assert seen["outside"]["status"] == 200
    assert seen["outside"]["echo"]["service"] == "outside"


def test_backends_that_are_verified_show_what_is_trusted(seen: dict[str, Any]) -> None:
    assert seen["secure"]["status"] == 200


def test_passwords_are_checked_as_described(seen: dict[str, Any]) -> None:
    """Their hash is of a kind that Envoy leaves to our own server, which is outside of all spaces."""
    assert seen["nobody"]["status"] == seen["a stranger"]["status"] == 401
    assert seen["jo"]["status"] == 200


def test_clients_trust_whom_their_vantage_trusts(seen: dict[str, Any]) -> None:
    names = ("edge by a stranger", "inner by a phone", "staging")
    assert [_untrusted(seen[name]) for name in names] == [True, True, True]


def test_public_certificates_are_ordered_of_a_real_acme_server(seen: dict[str, Any]) -> None:
    if not seen["pebble"]:
        binary("pebble")
    assert seen["ordered"] == ["Secret infra/app"]
    assert [name for name, issuer in seen["issuers"].items() if "Pebble" in issuer] == ["app", "far"]


def test_names_that_lead_to_no_gateway_of_ours_get_no_certificate(seen: dict[str, Any]) -> None:
    """The authority comes the way that public DNS leads it; of what cannot be ordered the stand-in stays."""
    if not seen["pebble"]:
        binary("pebble")
    assert len(seen["uncertified"]) == 1
    assert "nowhere.example.com" in seen["uncertified"][0]
    assert _untrusted(seen["edge by whom pebble is none"])


def test_certificates_can_have_ended_and_be_renewed(seen: dict[str, Any]) -> None:
    assert seen["expired"]["why"] == seen["inner expired"]["why"] == "certificate has expired"
    assert seen["edge v4"]["status"] == seen["inner"]["status"] == 200


def test_key_pairs_of_the_manifests_are_shown_as_they_are(seen: dict[str, Any]) -> None:
    assert seen["own"]["status"] == 200
    assert seen["own by a phone"]["why"] == "self-signed certificate"


def test_backends_answer_datagrams_too(seen: dict[str, Any]) -> None:
    assert seen["datagram"] == "hello"
    who = {name: seen["who"][name] for name in ("service", "pod", "peer", "proto")}
    assert who == {"service": "names", "pod": "app-0", "peer": "10.3.0.10", "proto": "UDP"}


def test_what_cannot_listen_is_told(seen: dict[str, Any]) -> None:
    assert len(seen["servers"]) == 1
    assert "infra/twice" in seen["servers"][0]
    assert "10.2.0.10 port 8080" in seen["servers"][0]


def test_name_servers_can_be_silenced_for_a_while(seen: dict[str, Any]) -> None:
    assert seen["resolver"] == [True, False, True]
