"""What is invented where manifests leave pods and Service addresses open."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.material import EndpointsIntent, ServiceIntent
from gatewright.pipeline import Model
from gatewright.rehearsal.invent import invented
from support.rehearsed_clusters import MAP, service, workload


def _model(tmp_path: Path, text: str) -> Model:
    (tmp_path / "all.yaml").write_text(text)
    model = Model()
    model.read([str(tmp_path)])
    return model


def _endpoints(model: Model, name: str) -> EndpointsIntent:
    found = invented(Sight(model.analysis))[Key("EndpointSlice", "apps", f"{name}-rehearsal")]
    assert isinstance(found, EndpointsIntent)
    return found


DUAL = ", ipFamilyPolicy: PreferDualStack"


def test_a_pod_of_the_workload_on_its_node_at_its_own_port_in_both_families(tmp_path: Path) -> None:
    text = MAP + workload("apps", "web", "http:8080", node="n2") + service("apps", "web", "80:http", extra=DUAL)
    found = _endpoints(_model(tmp_path, text), "web")
    assert found.ports == (("p80", 8080),)
    assert [(a.pod, a.node) for a in found.addresses] == [("web-0", "n2")] * 2
    four, six = (a.address for a in found.addresses)
    assert four.startswith("10.42.1.")
    assert six.startswith("fd42:0:0:1:")


def test_the_family_of_the_service_alone_where_it_asks_for_one(tmp_path: Path) -> None:
    text = MAP + workload("apps", "web", "http:8080") + service("apps", "web", "80:http", extra=", ipFamilies: [IPv6]")
    model = _model(tmp_path, text)
    assert [":" in a.address for a in _endpoints(model, "web").addresses] == [True]
    provided = invented(Sight(model.analysis))[Key("Service", "apps", "web")]
    assert isinstance(provided, ServiceIntent)
    assert [address.startswith("fd43::") for address in provided.cluster_ips] == [True]


def test_services_that_share_a_workload_share_its_pod(tmp_path: Path) -> None:
    text = MAP + workload("apps", "web", "http:8080") + service("apps", "web", "80:http")
    text += service("apps", "web", "81:http").replace("{name: web, namespace", "{name: more, namespace")
    model = _model(tmp_path, text)
    assert _endpoints(model, "web").addresses == _endpoints(model, "more").addresses


def test_another_service_moves_nobody(tmp_path: Path) -> None:
    before = _endpoints(_model(tmp_path, MAP + service("apps", "web", "80:80")), "web")
    text = MAP + service("apps", "another", "80:80") + service("apps", "web", "80:80")
    assert _endpoints(_model(tmp_path, text), "web").addresses == before.addresses


def test_addresses_that_manifests_have_are_not_given_again(tmp_path: Path) -> None:
    text = MAP + service("apps", "web", "80:80")
    first = _endpoints(_model(tmp_path, text), "web").addresses[0].address
    listed = f"""
apiVersion: v1
kind: Endpoints
metadata: {{name: db, namespace: apps}}
subsets: [{{addresses: [{{ip: {first}}}], ports: [{{port: 1}}]}}]
"""
    assert _endpoints(_model(tmp_path, text + listed), "web").addresses[0].address != first


def test_what_has_endpoints_no_selector_or_no_pods_gets_none(tmp_path: Path) -> None:
    text = (
        MAP
        + service("apps", "listed", "80:80")
        + service("apps", "bare", "80:80").replace("selector: {app: bare}, ", "")
    )
    text += service("apps", "far", "80:80", extra=", type: ExternalName, externalName: far.test")
    text += """
apiVersion: v1
kind: Endpoints
metadata: {name: listed, namespace: apps}
subsets: [{addresses: [{ip: 10.42.0.9}], ports: [{port: 80}]}]
"""
    found = invented(Sight(_model(tmp_path, text).analysis))
    assert [key for key in found if key.kind == "EndpointSlice"] == []
    assert Key("Service", "apps", "far") not in found


def test_the_model_knows_them_then_and_nothing_is_left_to_invent(tmp_path: Path) -> None:
    model = _model(tmp_path, MAP + service("apps", "web", "80:80"))
    model.provide(invented(Sight(model.analysis)))
    assert invented(Sight(model.analysis)) == {}


def test_pods_that_are_not_encapsulated_and_of_no_range_have_addresses_of_their_nodes_network(tmp_path: Path) -> None:
    text = MAP.replace("encapsulation: vxlan", "encapsulation: none").replace(
        'podCIDRs: [10.42.0.0/16, "fd42::/56"]', "podCIDRs: []"
    )
    found = _endpoints(_model(tmp_path, text + service("apps", "web", "80:80")), "web")
    assert found.addresses[0].address.startswith("192.168.1.")
    other = _endpoints(_model(tmp_path, text.replace("none", "geneve") + service("apps", "web", "80:80")), "web")
    assert other.addresses[0].address.startswith("10.128.")


def test_pods_of_which_nothing_is_known_are_within_reach_of_the_clouds_load_balancer(tmp_path: Path) -> None:
    text = MAP.replace("encapsulation: vxlan", "").replace('podCIDRs: [10.42.0.0/16, "fd42::/56"]', "podCIDRs: []")
    text += service("apps", "web", "80:80")
    alb = """
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: alb, namespace: apps}
spec: {implementation: alb, addresses: [203.0.113.9]}
"""
    assert _endpoints(_model(tmp_path, text), "web").addresses[0].address.startswith("10.128.")
    assert _endpoints(_model(tmp_path, text + "---" + alb), "web").addresses[0].address.startswith("192.168.1.")


def test_a_name_decides_the_address(tmp_path: Path) -> None:
    found = _endpoints(_model(tmp_path, MAP + workload("apps", "web") + service("apps", "web", "80:80")), "web")
    assert found.addresses[0].address == f"10.42.0.{10 + crc32(b'apps/web-0') % 245}"
