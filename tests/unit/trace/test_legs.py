"""Legs: connections to addresses, gateways, pods and names of backends, and who keeps whom out."""

from __future__ import annotations

import pytest

from gatewright.trace.hops import HopKind, OutcomeKind
from support.home_and_cloud import World, kinds


def test_every_address_of_an_answer_is_a_branch(world: World) -> None:
    first, second = world()("phone", "http://two.example.com/", "4")
    assert (first.address, first.outcome.kind) == ("203.0.113.9", OutcomeKind.DELIVERED)
    assert (second.address, second.outcome.kind) == ("203.0.113.77", OutcomeKind.UNKNOWN)


def test_a_private_address_is_not_reached_from_the_internet(world: World) -> None:
    (branch,) = world()("phone", "http://inside.example.com/", "4")
    assert branch.outcome.kind is OutcomeKind.UNREACHABLE
    assert branch.gateways == ()


def test_a_port_that_no_gateway_has(world: World) -> None:
    (branch,) = world()("phone", "http://app.example.com:8080/", "4")
    assert branch.outcome.kind is OutcomeKind.REFUSED
    assert "does not listen on port 8080" in branch.outcome.reason


def test_an_external_name_may_be_a_gateway(world: World) -> None:
    (branch,) = world()("phone", "http://hairpin.example.com/", "4")
    assert branch.outcome.kind is OutcomeKind.DELIVERED
    assert branch.outcome.virtual_host == "app.example.com"
    assert branch.gateways == ("web/edge", "web/edge")


def test_an_external_name_that_leads_back_ends(world: World) -> None:
    (branch,) = world()("phone", "http://round.example.com/", "4")
    assert (branch.outcome.kind, branch.outcome.status) == (OutcomeKind.REFUSED, 508)
    assert "web/edge → web/edge" in branch.outcome.reason


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


PASSED_THROUGH = """
---
apiVersion: traefik.io/v1alpha1
kind: IngressRouteTCP
metadata: {name: through, namespace: web, annotations: {kubernetes.io/ingress.class: web}}
spec:
  entryPoints: [websecure]
  routes: [{match: HostSNI(`both.example.com`), services: [{name: BACKEND, port: 80}]}]
  tls: {passthrough: PASSED}
---
apiVersion: v1
kind: Service
metadata: {name: nameless, namespace: web}
spec: {type: ExternalName, externalName: gone.example.com, ports: [{port: 80}]}
"""


@pytest.mark.parametrize("passed", ["true", "false"])
@pytest.mark.parametrize("backend", ["app", "nameless"])
def test_who_passes_bytes_on_closes_where_the_backend_is_not_reached(world: World, passed: str, backend: str) -> None:
    """What is said then is no HTTP, though what the client speaks is."""
    more = POLICY + PASSED_THROUGH.replace("PASSED", passed).replace("BACKEND", backend)
    ask = world({"data: {ca.crt: AUTHORITY}": "data: {}" + more}, names=("both.example.com",))
    (branch,) = ask("phone", "https://both.example.com/", "4")
    assert (branch.outcome.kind, branch.outcome.status) == (OutcomeKind.REFUSED, 0), branch


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


def test_a_backend_whose_name_has_no_address_is_the_gateways_affair(world: World) -> None:
    (branch,) = world({"externalName: round.example.com": "externalName: gone.example.com"})(
        "phone", "http://round.example.com/", "4"
    )
    assert (branch.outcome.kind, branch.outcome.status) == (OutcomeKind.REFUSED, 502)
    assert "gone.example.com does not exist" in branch.outcome.reason


OUTSIDE = """
---
apiVersion: v1
kind: Service
metadata: {name: outside, namespace: web}
spec: {type: ExternalName, externalName: inside.example.com, ports: [{port: 81}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: outside, namespace: web}
spec:
  ingressClassName: web
  rules:
    - host: outside.example.com
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: outside, port: {number: 81}}}}]}
"""


@pytest.mark.parametrize(("implementation", "status"), [("traefik", 502), ("haproxy-ingress", 503)])
@pytest.mark.parametrize("name", ["inside", "gone"], ids=["a closed port", "a name of nobody"])
def test_a_gateway_that_does_not_reach_a_name_has_one_status_for_it(
    implementation: str, status: int, name: str, world: World
) -> None:
    door = "implementation: {}\n  classes: [web]\n  addresses: [203.0.113.9"
    more = OUTSIDE.replace("inside.example.com", f"{name}.example.com")
    ask = world(
        {
            "data: {ca.crt: AUTHORITY}": "data: {}" + more,
            door.format("traefik"): door.format(implementation),
            "    - {name: inside,": "    - {name: outside, values: [203.0.113.9]}\n    - {name: inside,",
        }
    )
    (branch,) = ask("phone", "http://outside.example.com/", "4")
    assert (branch.outcome.kind, branch.outcome.status) == (OutcomeKind.REFUSED, status)
