"""Doors that nobody described: what Helm values make of them, whose word counts, and what changes with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gatewright.graph.analysis import Analysis
from gatewright.graph.builder import Builder
from gatewright.graph.nodes import Gateway
from gatewright.graph.resolve.doors import helm_values
from gatewright.kinds.identity import Key
from gatewright.pipeline import Model
from support.keys import NOW
from support.modelled import Modelled, intents

ROUTE = {
    "apiVersion": "traefik.io/v1alpha1",
    "kind": "IngressRoute",
    "metadata": {"name": "web", "namespace": "apps"},
    "spec": {"routes": [{"match": "Host(`a.test`)", "kind": "Rule", "services": [{"name": "web", "port": 80}]}]},
}


def release(chart: str, values: str = "{}", name: str = "", namespace: str = "edge") -> dict[str, Any]:
    return {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": name or chart, "namespace": namespace},
        "spec": {"chart": {"spec": {"chart": chart}}, "values": yaml.safe_load(values)},
    }


def controller(name: str, namespace: str = "edge", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "gatewright.dev/v1alpha1",
        "kind": "IngressController",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"implementation": "traefik", **spec},
    }


def ingress(class_name: str | None) -> dict[str, Any]:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    rule = {"host": "b.test", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    spec: dict[str, Any] = {"rules": [rule]}
    if class_name:
        spec["ingressClassName"] = class_name
    metadata = {"name": f"for-{class_name or 'nobody'}", "namespace": "apps"}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}


def door(*documents: dict[str, Any], id: str = "") -> Gateway:
    """The one gateway that there is, or the one of that id."""
    gateways = Modelled(documents).graph.gateways
    if id:
        return gateways[id]
    (found,) = gateways.values()
    return found


def ports(gateway: Gateway) -> list[tuple[str, int]]:
    return [(item.name, item.port) for item in gateway.listeners]


# --- Traefik --------------------------------------------------------------------------------------


def test_a_traefik_with_the_values_of_its_chart() -> None:
    gateway = door(release("traefik"))
    assert gateway.id == "edge/traefik"
    assert gateway.implementation == "traefik"
    assert ports(gateway) == [("web", 80), ("websecure", 443)]
    assert gateway.tls_entry_points == ("websecure",)
    assert gateway.default_entry_points == ("web", "websecure")
    assert gateway.allow_external_name == ()
    assert not gateway.allow_cross_namespace
    assert gateway.service == Key("Service", "edge", "traefik")
    settings = gateway.settings
    assert dict(settings.pods) == {
        "app.kubernetes.io/instance": "traefik-edge",
        "app.kubernetes.io/name": "traefik",
    }
    assert settings.pod_namespace == "edge"
    assert not settings.host_ports


def test_every_value_that_decides_the_way() -> None:
    values = """
    hostNetwork: false
    nodeSelector: {kubernetes.io/hostname: edge-1}
    ports:
      metrics: null
      web: {port: 80, hostPort: 80, forwardedHeaders: {trustedIPs: [10.0.0.0/8, 192.0.2.1]}}
      websecure:
        port: 443
        hostPort: 443
        asDefault: true
        tls: {enabled: false}
        proxyProtocol: {trustedIPs: [192.0.2.0/24]}
      dns: {port: 5353, exposedPort: 53, protocol: UDP, expose: true}
      hidden: {port: 9000, exposedPort: 9000, expose: {default: false}}
    providers:
      kubernetesCRD: {allowExternalNameServices: true, allowCrossNamespace: true, namespaces: [apps]}
      kubernetesIngress: {namespaces: [apps, web], publishedService: {enabled: false}}
    service:
      spec: {loadBalancerIP: 192.0.2.10}
      annotations: {metallb.io/loadBalancerIPs: "192.0.2.11,2001:db8::11"}
    """
    gateway = door(release("traefik", values))
    assert ports(gateway) == [("dns", 53), ("web", 80), ("websecure", 443)]
    assert gateway.tls_entry_points == ()
    assert gateway.default_entry_points == ("websecure",)
    assert gateway.allow_external_name == ("crd",)
    assert gateway.allow_cross_namespace
    assert gateway.addresses == ("192.0.2.10", "192.0.2.11", "2001:db8::11")
    settings = gateway.settings
    assert settings.host_ports
    assert settings.proxy_protocol_from == ("192.0.2.0/24",)
    assert settings.forwarded_from == ("10.0.0.0/8", "192.0.2.1/32")
    assert settings.publishes_status is False
    assert [spot.node for spot in settings.runs_on] == ["edge-1"]


def test_arguments_go_before_values() -> None:
    values = """
    additionalArguments:
      - --entryPoints.websecure.http.tls=false
      - --entrypoints.web.proxyProtocol.insecure
      - "--providers.kubernetescrd.allowexternalnameservices=true"
    """
    gateway = door(release("traefik", values))
    assert gateway.tls_entry_points == ()
    assert gateway.settings.proxy_protocol_from == ("0.0.0.0/0", "::/0")
    assert gateway.allow_external_name == ("crd",)


def test_the_host_network_and_no_service() -> None:
    gateway = door(release("traefik", "{hostNetwork: true, service: {enabled: false}, ports: {web: {port: 80}}}"))
    assert ports(gateway) == [("metrics", 9100), ("traefik", 8080), ("web", 80), ("websecure", 8443)]
    assert gateway.service is None
    assert gateway.settings.host_ports


def test_classes_that_the_chart_makes() -> None:
    inside = release("traefik", "{ingressClass: {name: internal, isDefaultClass: false}}", "traefik-internal")
    model = Modelled([inside, ingress("internal"), ingress("outside"), ingress(None), ROUTE])
    assert set(model.graph.gateways) == {"edge/traefik-internal"}
    assert set(model.graph.gateways["edge/traefik-internal"].classes) == {"internal", None}


def test_two_of_them_without_classes_serve_the_same() -> None:
    found = Modelled([release("traefik", name="one"), release("traefik", name="two"), ROUTE]).graph
    assert {key.gateway for key in found.attachments[Key("IngressRoute", "apps", "web")].virtual_hosts} == {
        "edge/one",
        "edge/two",
    }


def test_one_that_is_limited_to_a_class_and_namespaces() -> None:
    values = """
    providers:
      kubernetesCRD: {ingressClass: internal, namespaces: [apps]}
      kubernetesIngress: {ingressClass: internal, namespaces: [apps]}
    """
    documents = [release("traefik", values), ingress("internal"), ROUTE]
    gateway = door(*documents, id="edge/traefik")
    assert gateway.classes == ("internal",)
    elsewhere = ingress("internal")
    elsewhere["metadata"]["namespace"] = "other"
    attachments = Modelled([*documents, elsewhere]).graph.attachments
    assert attachments[Key("Ingress", "apps", "for-internal")].virtual_hosts
    assert not attachments[Key("Ingress", "other", "for-internal")].virtual_hosts


# --- ingress-nginx, HAProxy, ALB --------------------------------------------------------------------


def test_headers_of_an_ingress_nginx() -> None:
    values = """
    controller:
      addHeaders: {X-Frame-Options: DENY}
      proxySetHeaders: {X-Site: shop, X-Started: "t=${msec}"}
    """
    gateway = door(release("ingress-nginx", values, "edge"))
    edits = {type(item).__name__: item.edit.set for item in gateway.options.filters if hasattr(item, "edit")}
    assert edits == {"ResponseHeaders": (("X-Frame-Options", "DENY"),), "RequestHeaders": (("X-Site", "shop"),)}
    told = {problem.message for listener in gateway.listeners for problem in listener.problems}
    assert len([message for message in told if "X-Started" in message]) == 1


def test_an_ingress_nginx() -> None:
    values = """
    controller:
      ingressClassResource: {name: outer}
      watchIngressWithoutClass: true
      allowSnippetAnnotations: true
      extraArgs: {enable-ssl-passthrough: ""}
      config:
        use-proxy-protocol: "true"
        proxy-real-ip-cidr: 10.0.0.0/8,192.0.2.7
        proxy-body-size: 8m
        proxy-read-timeout: "120"
      service: {loadBalancerIP: 192.0.2.20}
    """
    gateway = door(release("ingress-nginx", values, "edge"), ingress("outer"), ingress(None))
    assert gateway.id == "edge/edge"
    assert gateway.implementation == "ingress-nginx"
    assert ports(gateway) == [("http", 80), ("https", 443)]
    assert set(gateway.classes) == {"outer", None}
    assert gateway.service == Key("Service", "edge", "edge-ingress-nginx-controller")
    assert gateway.addresses == ("192.0.2.20",)
    settings = gateway.settings
    assert settings.snippets is True
    assert settings.passthrough is True
    assert settings.proxy_protocol_from == ("10.0.0.0/8", "192.0.2.7/32")
    assert settings.forwarded_from == ()
    assert settings.body_limit == 8 * 1024 * 1024
    assert settings.idle_timeout == 120


def test_an_ingress_nginx_on_its_nodes() -> None:
    gateway = door(release("ingress-nginx", "{controller: {hostPort: {enabled: true}, service: {enabled: false}}}"))
    assert ports(gateway) == [("http", 80), ("https", 443)]
    assert gateway.settings.host_ports
    assert gateway.settings.passthrough is False


def test_a_haproxy() -> None:
    values = """
    controller:
      kind: DaemonSet
      daemonset: {useHostPort: true, hostPorts: {http: 8000, https: 8443}}
      ingressClassResource: {name: hap}
      config: {ssl-passthrough: "true"}
    """
    gateway = door(release("kubernetes-ingress", values, "haproxy"), ingress("hap"))
    assert (gateway.implementation, gateway.classes) == ("haproxy", ("hap",))
    assert ports(gateway) == [("http", 8000), ("https", 8443)]
    assert gateway.settings.passthrough is True
    assert gateway.service == Key("Service", "edge", "haproxy-kubernetes-ingress")


def test_the_other_haproxy() -> None:
    values = "{controller: {ingressClassResource: {enabled: true, name: hap}}}"
    gateway = door(release("haproxy-ingress", values, "haproxy"), ingress("hap"))
    assert (gateway.implementation, gateway.classes) == ("haproxy-ingress", ("hap",))


@pytest.mark.parametrize(
    ("implementation", "owner", "expected"),
    [
        ("haproxy", "haproxy.org/ingress-controller", "haproxy"),
        ("haproxy", "haproxy-ingress.github.io/controller", "haproxy-ingress"),
        ("haproxy-ingress", "haproxy-ingress.github.io/controller", "haproxy-ingress"),
    ],
)
def test_a_class_tells_which_haproxy_it_is(implementation: str, owner: str, expected: str) -> None:
    metadata = {"name": "public"}
    of_class = {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": metadata}
    own = controller("hap", implementation=implementation)
    gateway = door(own, {**of_class, "spec": {"controller": owner}}, ingress("public"))
    assert (gateway.implementation, gateway.classes) == (expected, ("public",))


def test_the_class_of_an_aws_controller_is_its_door() -> None:
    gateway = door(release("aws-load-balancer-controller", "{ingressClass: public}"), ingress("public"))
    assert (gateway.id, gateway.implementation) == ("public", "alb")


def test_what_the_chart_makes_can_be_asked_for() -> None:
    values = "{ports: {web: {hostPort: 80}}, service: {type: ClusterIP}, deployment: {kind: DaemonSet, replicas: 2}}"
    analysis = Model().analysis
    assert analysis.answer(helm_values.installed) == {}
    objects = intents([release("traefik", values)])
    builder = Builder(lambda: NOW)
    graph, _ = builder.apply(dict(objects))
    found = Analysis(builder.objects, graph, NOW.date()).answer(helm_values.installed)["edge/traefik"]
    assert found.service is not None
    assert (found.service.type, [port.port for port in found.service.ports]) == ("ClusterIP", [80, 443])
    assert (found.workload.key, found.workload.max_surge) == (Key("DaemonSet", "edge", "traefik"), "1")
    assert [port.host_port for port in found.workload.ports if port.host_port] == [80]


# --- whose word counts ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("described", "both"),
    [
        (controller("traefik", classes=["x"]), False),
        (controller("mine", service={"name": "traefik"}), False),
        (controller("mine"), False),
        (controller("other", namespace="elsewhere"), True),
    ],
)
def test_a_description_of_the_same_door_has_the_last_word(described: dict[str, Any], both: bool) -> None:
    gateways = Modelled([release("traefik", "{hostNetwork: true}"), described]).graph.gateways
    assert ("edge/traefik" in gateways and gateways["edge/traefik"].settings.host_ports) is both
    assert len(gateways) == 1 + both


def test_values_come_and_go() -> None:
    model = Modelled([ROUTE])
    assert set(model.graph.gateways) == {"traefik"}
    model.put(release("traefik"))
    assert set(model.graph.gateways) == {"edge/traefik"}
    change = model.put(release("traefik", "{ports: {web: {exposedPort: 8080}}}"))
    assert change.gateways == {"edge/traefik"}
    assert ports(model.graph.gateways["edge/traefik"]) == [("web", 8080), ("websecure", 443)]
    model.remove(Key("HelmRelease", "edge", "traefik"))
    assert set(model.graph.gateways) == {"traefik"}


def test_charts_that_make_no_door_change_nothing() -> None:
    model = Modelled([ROUTE])
    change = model.put(release("grafana", "{ingress: {enabled: true}}"))
    assert change.gateways == change.virtual_hosts == frozenset()


# --- several sources ------------------------------------------------------------------------------


def folder(root: Path, **files: str) -> Model:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_yaml", ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    model = Model()
    model.read([str(root)])
    return model


def test_a_config_adds_to_its_chart(tmp_path: Path) -> None:
    chart = (
        "apiVersion: helm.cattle.io/v1\nkind: {}\nmetadata: {{name: edge, namespace: kube-system}}\n"
        "spec: {{chart: traefik, targetNamespace: web, valuesContent: {!r}}}\n"
    )
    model = folder(
        tmp_path,
        a_yaml=chart.format("HelmChart", "{hostNetwork: true, ports: {web: {port: 81}}}"),
        b_yaml=chart.format("HelmChartConfig", "{ports: {web: {port: 80}}}"),
    )
    assert model.problems() == ()
    gateway = model.graph.gateways["web/edge"]
    assert dict(ports(gateway))["web"] == 80
    assert gateway.settings.host_ports


def test_a_values_file_belongs_to_the_release_beside_it(tmp_path: Path) -> None:
    files = {
        "a__release_yaml": yaml.safe_dump(release("traefik", "{ports: {web: {hostPort: 80}}}", "one")),
        "a__values_yaml": "ports: {web: {hostPort: 1}, websecure: {hostPort: 444}}\n",
        "b__release_yaml": yaml.safe_dump(release("traefik", "{}", "two")),
    }
    model = folder(tmp_path, **files)
    gateways = model.graph.gateways
    assert ports(gateways["edge/one"]) == [("web", 80), ("websecure", 444)]
    assert ports(gateways["edge/two"]) == [("web", 80), ("websecure", 443)]
    places = [model.locator.locate(item.origin) for item in gateways["edge/one"].listeners]
    assert [place.file.removeprefix(f"{tmp_path}/") for place in places] == ["a/release.yaml", "a/values.yaml"]


def test_values_without_a_release_are_one_for_each_folder(tmp_path: Path) -> None:
    model = folder(
        tmp_path,
        home__traefik__values_yaml="ports: {web: {hostPort: 80}}\n",
        aws__traefik__values_yaml="ports: {websecure: {hostPort: 443}}\n",
        **{"aws__traefik__values-prod_yaml": "hostNetwork: true\n"},
    )
    assert set(model.graph.gateways) == {"home-traefik", "aws-traefik"}
    assert model.graph.gateways["aws-traefik"].settings.host_ports


def test_values_without_a_release_follow_edits_and_yield_to_a_description(tmp_path: Path) -> None:
    model = folder(tmp_path, traefik__values_yaml="ports: {web: {hostPort: 80}}\n")
    assert ports(model.graph.gateways["traefik"]) == [("web", 80), ("websecure", 443)]
    values = tmp_path / "traefik/values.yaml"
    values.write_text("ports: {web: {hostPort: 8080}}\n")
    model.refresh([str(values)])
    assert ports(model.graph.gateways["traefik"]) == [("web", 8080), ("websecure", 443)]
    values.write_text("ports: {web: {hostPort: 99]\n")  # broken: what was live stays live
    model.refresh([str(values)])
    assert ports(model.graph.gateways["traefik"]) == [("web", 8080), ("websecure", 443)]
    assert {problem.id for problem in model.problems()} == {"yaml-syntax", "held"}
    (tmp_path / "map.yaml").write_text(yaml.safe_dump(controller("mine")))
    model.refresh([str(tmp_path)])
    assert set(model.graph.gateways) == {"edge/mine"}
    (tmp_path / "map.yaml").unlink()
    values.unlink()
    model.refresh([str(tmp_path)])
    assert set(model.graph.gateways) == set()


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize("chart", ["traefik", "ingress-nginx", "kubernetes-ingress", "aws-load-balancer-controller"])
@pytest.mark.parametrize(
    "values",
    [
        "{ports: [], controller: [], service: 7, providers: x, ingressClass: [a], deployment: no}",
        "{ports: {web: 80, websecure: null, '': {port: x}, a.b: {port: 99999999999}}, additionalArguments: {a: b}}",
        "{ports: {web: {port: -1}, websecure: {port: 0, expose: [1]}}, globalArguments: [1, null, '--', '--=', '-x']}",
        "{controller: {service: [], config: {proxy-body-size: [], use-proxy-protocol: {}}, extraArgs: true}}",
        "{controller: {ingressClassResource: {name: [x]}, ingressClass: 7, nodeSelector: x, podLabels: {a: {b: c}}}}",
        "{additionalArguments: ['--entrypoints.x.address=:99999', '--entrypoints.y.address=', '--providers.x=']}",
    ],
)
def test_values_of_the_wrong_type_count_as_not_given(chart: str, values: str) -> None:
    graph = Modelled([release(chart, values), ROUTE, ingress("nginx"), ingress(None)]).graph
    for gateway in graph.gateways.values():
        assert all(0 < item.port < 65536 for item in gateway.listeners)


# --- command lines ----------------------------------------------------------------------------------

ARGUMENTS = [
    "--entryPoints.web.address=:8000/tcp",
    "--entryPoints.websecure.address=:8443",
    "--entryPoints.websecure.http.tls.certResolver=le",
    "--entryPoints.websecure.proxyProtocol.trustedIPs=192.0.2.0/24",
    "--entryPoints.metrics.address=:9100",
    "--providers.kubernetescrd",
    "--providers.kubernetesingress.allowExternalNameServices=true",
]


def deployment(*arguments: str, image: str = "docker.io/library/traefik:v3.7", **spec: Any) -> dict[str, Any]:
    listening = [{"name": "web", "containerPort": 8000}, {"name": "websecure", "containerPort": 8443}]
    container = {"name": "traefik", "image": image, "args": list(arguments), "ports": listening}
    template = {"metadata": {"labels": {"app": "traefik"}}, "spec": {"containers": [container], **spec}}
    metadata = {"name": "traefik", "namespace": "edge"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": template}}


SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "front", "namespace": "edge"},
    "spec": {
        "type": "LoadBalancer",
        "selector": {"app": "traefik"},
        "loadBalancerIP": "192.0.2.30",
        "ports": [
            {"name": "http", "port": 80, "targetPort": "web"},
            {"name": "https", "port": 443, "targetPort": 8443},
        ],
    },
}


def test_a_traefik_that_the_manifests_run() -> None:
    gateway = door(deployment(*ARGUMENTS), SERVICE, ROUTE)
    assert gateway.id == "edge/traefik"
    assert ports(gateway) == [("web", 80), ("websecure", 443)]
    assert gateway.tls_entry_points == ("websecure",)
    assert gateway.allow_external_name == ("ingress",)
    assert gateway.service == Key("Service", "edge", "front")
    assert gateway.settings.pods == (("app", "traefik"),)
    assert gateway.settings.proxy_protocol_from == ("192.0.2.0/24",)


def test_in_the_network_of_its_node() -> None:
    gateway = door(deployment(*ARGUMENTS, hostNetwork=True, nodeName="edge-1"))
    assert ports(gateway) == [("metrics", 9100), ("web", 8000), ("websecure", 8443)]
    assert gateway.settings.host_ports
    assert [spot.node for spot in gateway.settings.runs_on] == ["edge-1"]


@pytest.mark.parametrize(
    "documents",
    [
        [deployment(*ARGUMENTS)],  # nothing opens it
        [deployment(), SERVICE],  # configured elsewhere
        [deployment(*ARGUMENTS, image="example.com/other:1"), SERVICE],
    ],
)
def test_workloads_that_are_no_door(documents: list[dict[str, Any]]) -> None:
    assert set(Modelled(documents).graph.gateways) == set()


def test_a_door_that_is_also_described_or_installed_is_one() -> None:
    run = [deployment(*ARGUMENTS), SERVICE]
    assert set(Modelled([*run, controller("mine")]).graph.gateways) == {"edge/mine"}
    both = Modelled([*run, release("traefik", "{hostNetwork: true}")]).graph.gateways
    assert set(both) == {"edge/traefik"}
    assert both["edge/traefik"].settings.host_ports


def test_a_command_line_that_changes() -> None:
    model = Modelled([deployment(*ARGUMENTS), SERVICE])
    model.put(deployment(*ARGUMENTS, "--entrypoints.web.http.tls=true"))
    assert model.graph.gateways["edge/traefik"].tls_entry_points == ("web", "websecure")
    model.remove(Key("Service", "edge", "front"))
    assert set(model.graph.gateways) == set()
