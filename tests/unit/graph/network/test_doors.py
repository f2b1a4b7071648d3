"""Where gateways are reached, which answer at an address, and where they run."""

from __future__ import annotations

import yaml

from gatewright.graph.network import doors, pods
from gatewright.kinds.intents import Intent
from support.mapped import World
from support.modelled import intents
from support.networked import PUBLIC4, PUBLIC6, homes

DOORS = """
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: traefik, namespace: kube-system}
spec:
  implementation: traefik
  service: {name: traefik}
  settings: {allowExternalNameServices: true}
---
apiVersion: v1
kind: Service
metadata: {name: traefik, namespace: kube-system}
spec:
  type: LoadBalancer
  clusterIP: 10.43.0.77
  selector: {app: traefik}
  ports: [{name: web, port: 80}, {name: websecure, port: 443}]
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: p, namespace: metallb-system}
spec: {addresses: [192.168.178.10-192.168.178.20]}
---
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: external, namespace: traefik-external}
spec:
  implementation: traefik
  classes: [external]
  settings:
    pods: {labels: {app: external}, namespace: traefik-external}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: external, namespace: traefik-external}
spec:
  selector: {matchLabels: {app: external}}
  template:
    metadata: {labels: {app: external}}
    spec:
      hostNetwork: true
      nodeSelector: {edge: "true"}
      containers: [{name: t, image: "traefik:v3", ports: [{containerPort: 80}]}]
---
apiVersion: v1
kind: Node
metadata: {name: edge, labels: {edge: "true"}}
status: {addresses: [{type: InternalIP, address: 192.168.178.201}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: apps}
spec:
  gatewayClassName: eg
  addresses: [{value: 192.168.178.10}]
  listeners: [{name: http, port: 8080, protocol: HTTP}]
"""


def world(*more: Intent, text: str = DOORS) -> World:
    return World(*homes(), *more, manifests=list(yaml.safe_load_all(text)))


INTERNAL, EXTERNAL, WEB = "kube-system/traefik", "traefik-external/external", "apps/web"


def test_addresses_of_doors() -> None:
    known = world()
    assert known.answer(doors.door_addresses, INTERNAL) == ("192.168.178.10",)
    assert known.answer(doors.door_addresses, EXTERNAL) == ("192.168.178.201", "fda8:a1db:5685::201", PUBLIC4, PUBLIC6)
    assert known.answer(doors.door_addresses, WEB) == ("192.168.178.10",)
    assert known.answer(doors.door_addresses, "no/such") == ()


def test_several_gateways_may_answer_at_one_address() -> None:
    known = world()
    assert known.answer(doors.gateways_at, "192.168.178.10") == (WEB, INTERNAL)
    assert known.answer(doors.gateways_at, PUBLIC4) == (EXTERNAL,)
    assert known.answer(doors.gateways_at, "2001:DB8:7:0::1") == (EXTERNAL,)
    assert known.answer(doors.gateways_at, "10.43.0.77") == (INTERNAL,)
    assert known.answer(doors.gateways_at, "192.168.178.11") == ()


def test_where_doors_run() -> None:
    known = world()
    ((kind, id_, namespace, labels),) = [
        (place.kind, place.id, place.namespace, place.labels) for place in known.answer(doors.place_of, EXTERNAL)
    ]
    assert (kind, id_) == ("machine", "cloud/edge")
    assert (namespace, labels) == ("traefik-external", (("app", "external"),))
    (place,) = known.answer(doors.place_of, INTERNAL)
    assert (place.kind, place.id, place.labels) == ("cluster", "home/k3s", (("app", "traefik"),))
    assert known.answer(doors.place_of, "no/such") == ()


def test_pods_that_a_controller_is_known_to_make() -> None:
    made = world().answer(pods.pods_of, WEB)
    assert made.namespace == "envoy-gateway-system"
    assert dict(made.labels)["gateway.envoyproxy.io/owning-gateway-namespace"] == "apps"


def test_a_described_address_is_where_its_machine_is() -> None:
    text = DOORS.replace("192.168.178.10}]", f"{PUBLIC4}}}]")
    places = world(text=text).answer(doors.place_of, WEB)
    assert [(place.kind, place.id) for place in places] == [("machine", "cloud/edge")]


def test_another_service_takes_what_is_free() -> None:
    known = world()
    other = yaml.safe_load(DOORS.split("---")[1].replace("name: traefik", "name: a"))
    known.put(*intents([other]).values())
    assert known.answer(doors.door_addresses, INTERNAL) == ("192.168.178.11",)
    assert known.answer(doors.gateways_at, "192.168.178.10") == (WEB,)
    assert known.answer(doors.gateways_at, PUBLIC4) == (EXTERNAL,)


def test_a_charts_pods_run_where_its_values_say() -> None:
    values = "hostNetwork: true\nnodeSelector: {edge: 'true'}\ndeployment: {kind: DaemonSet}\n"
    config = {
        "apiVersion": "helm.cattle.io/v1",
        "kind": "HelmChartConfig",
        "metadata": {"name": "traefik", "namespace": "kube-system"},
        "spec": {"valuesContent": values},
    }
    known = World(*homes(), manifests=[config, *(d for d in yaml.safe_load_all(DOORS) if d["kind"] == "Node")])
    (made,) = known.answer(pods.pods_of, INTERNAL).workloads
    assert (made.key.kind, dict(made.node_selector)) == ("DaemonSet", {"edge": "true"})
    assert [(place.kind, place.id) for place in known.answer(doors.place_of, INTERNAL)] == [("machine", "cloud/edge")]
