import pytest
import yaml

from gatewright.graph.nodes import Graph
from support.modelled import graph_of

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: apps}
spec: {ports: [{port: 80}]}
"""


def order(graph: Graph, hostname: str) -> list[str]:
    """The rules of a hostname in order, by all gateways' plain ports."""
    hosts = [host for key, host in sorted(graph.virtual_hosts.items()) if (key.hostname, key.port) == (hostname, 80)]
    return [f"{e.rule.route.namespace}/{e.rule.id.partition('/')[2]}" for host in hosts for e in host.entries]


def gateway_api(*routes: tuple[str, str, str]) -> list[str]:
    """Routes (namespace, name, created) with the very same match, in order of precedence."""
    documents = [
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "gw", "namespace": "infra"},
            "spec": {
                "gatewayClassName": "c",
                "listeners": [
                    {"name": "h", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
                ],
            },
        }
    ]
    for namespace, name, created in routes:
        metadata = {"namespace": namespace, "name": name, **({"creationTimestamp": created} if created else {})}
        parents = [{"name": "gw", "namespace": "infra"}]
        spec = {"parentRefs": parents, "hostnames": ["a.test"], "rules": [{}]}
        api = "gateway.networking.k8s.io/v1"
        documents.append({"apiVersion": api, "kind": "HTTPRoute", "metadata": metadata, "spec": spec})
    return order(graph_of(documents), "a.test")


def test_the_older_route_wins_and_names_decide_ties() -> None:
    found = gateway_api(("b", "x", ""), ("a", "y", ""), ("z", "old", "2020-01-01T00:00:00Z"))
    assert found == ["z/old rule 0", "a/y rule 0", "b/x rule 0"]


def test_names_are_compared_as_one_text() -> None:
    # "a-b/r" comes before "a/r", as "-" comes before "/".
    assert gateway_api(("a", "r", ""), ("a-b", "r", "")) == ["a-b/r rule 0", "a/r rule 0"]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("[{match: Host(`a.test`)}, {match: Host(`a.test`) && Path(`/x`)}]", [1, 0]),
        ("[{match: Host(`a.test`), priority: 100}, {match: Host(`a.test`) && Path(`/x`)}]", [0, 1]),
        ("[{match: Host(`a.test`)}, {match: PathPrefix(`/a/very/long/path`)}]", [1, 0]),
        ("[{match: Host(`a.test`)}, {match: Host(`b.test`)}]", [0]),
    ],
)
def test_traefik_goes_by_priority_over_all_hosts(rules: str, expected: list[int]) -> None:
    routes = [{**rule, "services": [{"name": "web", "port": 80}]} for rule in yaml.safe_load(rules)]
    route = {
        "apiVersion": "traefik.io/v1alpha1",
        "kind": "IngressRoute",
        "metadata": {"name": "r", "namespace": "apps"},
        "spec": {"entryPoints": ["web"], "routes": routes},
    }
    found = order(graph_of([yaml.safe_load(SERVICE), route]), "a.test")
    assert found == [f"apps/r rule {number}" for number in expected]
