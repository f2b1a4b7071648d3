"""What there is to break, as users write it, and what the model is told of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gatewright.base.errors import UsageError
from gatewright.graph.breaking import SUPPOSED, split, supposed, things, words
from gatewright.kinds.intents.material import EndpointsIntent
from gatewright.kinds.intents.outages import OutageIntent
from gatewright.pipeline import Model

EDGE = Path(__file__).parents[3] / "examples" / "dual-stack-edge"
PINNED = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: pinned, namespace: apps, labels: {kubernetes.io/service-name: pinned}}
addressType: IPv4
endpoints:
  - {addresses: [10.42.9.1], nodeName: k3s-node1}
  - {addresses: [10.42.9.2], nodeName: k3s-node2}
  - {addresses: [192.168.178.199]}
ports: [{name: http, port: 80}]
---
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    file = tmp_path_factory.mktemp("more") / "pinned.yaml"
    file.write_text(PINNED, encoding="utf-8")
    model = Model()
    model.read([str(EDGE), str(file)])
    return model


def told(model: Model, *faults: str) -> dict[Any, Any]:
    return dict(model.analysis.answer(supposed, faults))


def test_everything_that_there_is_is_listed_as_it_is_written(model: Model) -> None:
    found = model.analysis.answer(words)
    for text in (
        "link:wireguard",
        "node:home/k3s-node1",
        "resolver:home-dns",
        "gateway:kube-system/traefik",
        "certificate:apps/grafana-tls",
        "certificate:expire",
    ):
        assert text in found
    for text in found:
        assert SUPPOSED in told(model, text)


@pytest.mark.parametrize(
    ("fault", "down"),
    [
        ("link:wireguard", {"links": ("wireguard",)}),
        ("node:ionos", {"machines": ("cloud/ionos",)}),
        ("resolver:home-dns", {"resolvers": ("home-dns",)}),
        ("gateway:kube-system/traefik", {"gateways": ("kube-system/traefik",)}),
        ("certificate:grafana-tls", {"certificates": ("apps/grafana-tls",)}),
        ("certificate:expire", {"certificates": ("apps/grafana-tls", "apps/paperless-tls")}),
    ],
)
def test_what_the_model_is_told(model: Model, fault: str, down: dict[str, tuple[str, ...]]) -> None:
    said = told(model, fault)[SUPPOSED]
    assert said == OutageIntent(SUPPOSED, said.origin, **down)


def test_several_things_are_broken_at_once(model: Model) -> None:
    said = told(model, "link:wireguard", "resolver:home-dns", "resolver:fritzbox", "resolver:fritzbox")[SUPPOSED]
    assert (said.links, said.resolvers) == (("wireguard",), ("fritzbox", "home-dns"))


def test_endpoints_on_a_lost_machine_are_not_ready(model: Model) -> None:
    (changed,) = (one for one in told(model, "node:k3s-node1").values() if isinstance(one, EndpointsIntent))
    assert [(one.address, one.ready) for one in changed.addresses] == [
        ("10.42.9.1", False),
        ("10.42.9.2", True),
        ("192.168.178.199", True),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("link:wiregard", "there is no link wiregard to break; did you mean wireguard? (there are: wireguard)"),
        ("node:k3snode1", "did you mean home/k3s-node1?"),
        ("resolver:zzz", "there is no resolver zzz to break (there are: fritzbox, home-dns)"),
        ("gateway:traefik", "the gateway traefik may be kube-system/traefik or traefik-external/traefik"),
        ("certificate:apps/nope", "there is no certificate apps/nope"),
        ("lnk:wireguard", "cannot break 'lnk:wireguard': did you mean link:wireguard? say link:..."),
        ("wireguard", "cannot break 'wireguard': say link:..., node:..."),
        ("node:", "cannot break 'node:': say"),
        ("latency:wireguard=50ms", "gatewright rehearse --break latency:wireguard=50ms measures it"),
        ("rate:wireguard=1mbit", "the model knows no rate"),
    ],
)
def test_what_cannot_be_supposed_is_said_in_a_line(model: Model, text: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        told(model, text)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_where_nobody_issues_anything_no_certificate_expires() -> None:
    with pytest.raises(UsageError, match="there is no certificate that an issuer makes"):
        Model().analysis.answer(supposed, ("certificate:expire",))
    assert Model().analysis.answer(words) == ()
    assert Model().analysis.answer(things).of("link") == frozenset()


@pytest.mark.parametrize("text", ["rate:x=1mbit", "link:a:b"])
def test_names_may_hold_anything(text: str) -> None:
    assert ":".join(split(text)) == text
