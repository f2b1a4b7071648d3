"""Clusters of a rehearsal for tests: worlds planned from files or text, and a map with policies of every sort."""

from __future__ import annotations

from pathlib import Path

from gatewright.graph.sight import Sight
from gatewright.pipeline import Model
from gatewright.rehearsal.invent import invented
from gatewright.rehearsal.plan import clusters, doors, links, network, policies, vantages
from gatewright.rehearsal.world import Draft

MAP = """
apiVersion: gatewright.dev/v1alpha1
kind: Site
metadata: {name: home}
spec:
  networks: [{name: lan, cidrs: [192.168.1.0/24, "fd10::/64"]}]
  nodes:
    - {name: n1, addresses: [192.168.1.11, "fd10::11"]}
    - {name: n2, addresses: [192.168.1.12, "fd10::12"]}
    - {name: nas, addresses: [192.168.1.20]}
  clusters:
    - name: k
      podCIDRs: [10.42.0.0/16, "fd42::/56"]
      serviceCIDRs: [10.43.0.0/16, "fd43::/112"]
      nodes: [n1, n2]
      encapsulation: vxlan
---
"""


def workload(namespace: str, name: str, *ports: str, node: str = "n1", labels: str = "") -> str:
    """A Deployment whose pods are labelled app=NAME, with ports "name:number"."""
    listed = ", ".join(f"{{name: {port.partition(':')[0]}, containerPort: {port.partition(':')[2]}}}" for port in ports)
    own = f"app: {name}{', ' + labels if labels else ''}"
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{{own}}}}}
    spec: {{nodeName: {node}, containers: [{{name: c, image: i, ports: [{listed}]}}]}}
---
"""


def service(namespace: str, name: str, *ports: str, extra: str = "") -> str:
    """A Service that selects app=NAME, with ports "number:target"."""
    listed = ", ".join(
        f"{{name: p{port.partition(':')[0]}, port: {port.partition(':')[0]}, targetPort: {port.partition(':')[2]}}}"
        for port in ports
    )
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{selector: {{app: {name}}}, ports: [{listed}]{extra}}}
---
"""


def policy(name: str, spec: str, namespace: str = "apps", kind: str = "NetworkPolicy") -> str:
    """A policy, its spec in the flow style."""
    group = "networking.k8s.io/v1" if kind == "NetworkPolicy" else "cilium.io/v2"
    return f"""
apiVersion: {group}
kind: {kind}
metadata: {{name: {name}, namespace: {namespace}}}
spec: {spec}
---
"""


APPS = (
    workload("apps", "web", "http:8080", "admin:9000")
    + workload("apps", "db", "sql:5432", node="n2")
    + workload("apps", "job", node="n2", labels="tier: batch")
    + workload("other", "client", node="n1")
    + service("apps", "web", "80:http", "9000:admin")
    + service("apps", "db", "5432:5432", extra=", ipFamilyPolicy: PreferDualStack")
    + service("apps", "job", "7000:7000")
    + service("other", "client", "7000:7000")
)

KUBERNETES = (
    MAP
    + APPS
    + policy(
        "web-in",
        "{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: ["
        "{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}}], ports: [{port: http}]},"
        "{from: [{podSelector: {matchExpressions: [{key: tier, operator: Exists}]}}],"
        " ports: [{port: 9000, endPort: 9001}]}]}",
    )
    + policy(
        "db-in",
        "{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: ["
        '{from: [{ipBlock: {cidr: 10.42.0.0/16, except: [10.42.1.0/24]}}, {ipBlock: {cidr: "fd42::/57"}}]}]}',
    )
    + policy(
        "job-out",
        "{podSelector: {matchLabels: {app: job}}, policyTypes: [Egress], egress: ["
        "{to: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: admin}]}]}",
    )
)

CILIUM = (
    MAP
    + APPS
    + policy(
        "web-in",
        "{endpointSelector: {matchLabels: {app: web}},"
        " ingress: [{fromEntities: [cluster]}],"
        ' ingressDeny: [{fromEndpoints: [{matchLabels: {app: job}}], toPorts: [{ports: [{port: "9000"}]}]}]}',
        kind="CiliumNetworkPolicy",
    )
    + policy(
        "db-in",
        "{endpointSelector: {matchLabels: {app: db}}, ingress: [{fromCIDR: [10.42.0.0/16]}, {fromEntities: [world]}]}",
        kind="CiliumNetworkPolicy",
    )
    + policy(
        "job-out",
        "{endpointSelector: {matchLabels: {app: job}}, egress: [{toServices: [{k8sService:"
        " {serviceName: web, namespace: apps}}]}]}",
        kind="CiliumNetworkPolicy",
    )
)


def model_of(*paths: str) -> Model:
    """What files tell, with what is invented for them."""
    model = Model()
    model.read(paths)
    model.provide(invented(Sight(model.analysis)))
    return model


def model_of_text(text: str, folder: Path) -> Model:
    """The same of one document or several."""
    (folder / "all.yaml").write_text(text)
    return model_of(str(folder))


def planned(model: Model) -> Draft:
    """The world without names, firewalls and edges."""
    draft, sight = Draft(), Sight(model.analysis)
    for planner in (network.plan, links.plan, clusters.plan, doors.plan, vantages.plan, clusters.finish, policies.plan):
        planner(draft, sight)
    return draft
