"""`gatewright init`: what it finds, where it writes, and that its map is one that Gatewright reads."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gatewright.base.errors import UsageError
from gatewright.base.problem import Problem
from gatewright.cli.init import command
from gatewright.graph.network.topology import topology
from gatewright.pipeline import Model
from support.needs import REPOSITORY

EXAMPLES = sorted(path.parent.name for path in (REPOSITORY / "examples").glob("*/README.md"))
MANIFESTS = """
apiVersion: v1
kind: Node
metadata: {name: k3s-node1}
spec: {podCIDRs: [10.42.0.0/24]}
status: {addresses: [{type: InternalIP, address: 192.168.178.5}, {type: Hostname, address: k3s-node1}]}
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: home, namespace: metallb-system}
spec: {addresses: [192.168.178.10-192.168.178.20, "fda8:a1db:5685::10-fda8:a1db:5685::20"]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: a, namespace: apps}
spec:
  ingressClassName: nginx
  defaultBackend: {service: {name: a, port: {number: 80}}}
  rules:
    - host: grafana.example.com
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]}
"""


def init(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


def documents(text: str) -> dict[tuple[str, str], dict[str, object]]:
    return {(d["kind"], d["metadata"]["name"]): d["spec"] for d in yaml.safe_load_all(text) if d}


def faults(folder: Path, site_map: Path) -> list[Problem]:
    """What is wrong with a map: Problems in its file, and contradictions of the topology."""
    model = Model()
    model.read([str(folder)])
    found = [problem for problem in model.problems() if problem.origin and problem.origin.file == str(site_map)]
    return [*found, *model.analysis.answer(topology).problems]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_map_of_every_example_is_read_without_a_fault(example: str, tmp_path: Path) -> None:
    folder = tmp_path / example
    shutil.copytree(REPOSITORY / "examples" / example, folder)
    for path in folder.rglob("*.yaml"):  # as it was before it had a map
        parts = path.read_text(encoding="utf-8").split("\n---\n")
        kept = [part for part in parts if "gatewright.dev/v1alpha1" not in part or "kind: IngressController" in part]
        path.write_text("\n---\n".join(kept), encoding="utf-8")
    site_map = folder / "site-map.yaml"
    assert init("-o", site_map, folder).exit_code == 0
    assert faults(folder, site_map) == []
    assert ("Vantage", "internet") in documents(site_map.read_text(encoding="utf-8"))


def test_what_manifests_reveal(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(MANIFESTS)
    result = init(tmp_path)
    found = documents(result.stdout)
    assert found["Site", "home"] == {
        "networks": [{"name": "lan", "cidrs": ["192.168.178.0/24", "fda8:a1db:5685::/64"]}],
        "nodes": [{"name": "k3s-node1", "addresses": ["192.168.178.5"]}],
        "clusters": [{"name": "cluster", "podCIDRs": ["10.42.0.0/24"], "nodes": ["k3s-node1"]}],
    }
    assert found["Zone", "example-com"] == {"domain": "example.com"}
    assert found["IngressController", "nginx"] == {
        "implementation": "ingress-nginx", "classes": ["nginx"], "claimsClassless": False,
    }  # fmt: skip
    assert found["Vantage", "at-lan"] == {"network": "home/lan"}
    assert "# - nginx (ingress-nginx): no address said; inferred from its class" in result.stdout
    assert f"# {tmp_path}/all.yaml:2" in result.stdout


def wireguard(folder: Path) -> None:
    """Two ends that know each other, and a third that only one of them knows."""
    keys = [X25519PrivateKey.generate() for _ in range(3)]
    private = [base64.b64encode(key.private_bytes_raw()).decode() for key in keys]
    public = [base64.b64encode(key.public_key().public_bytes_raw()).decode() for key in keys]
    (folder / "edge").mkdir()
    (folder / "edge/wg0.conf").write_text(
        f"[Interface]\nPrivateKey = {private[0]}\nAddress = 10.8.0.1/24\n"
        f"[Peer]\nPublicKey = {public[1]}\nAllowedIPs = 10.8.0.2/32, 192.168.178.0/24\n"
        f"[Peer]\nPublicKey = {public[2]}\nAllowedIPs = 10.8.0.3/32\n"
    )
    (folder / "home.conf").write_text(
        f"[Interface]\nPrivateKey = {private[1]}\nAddress = 10.8.0.2/24\n"
        f"[Peer]\nPublicKey = {public[0]}\nEndpoint = 203.0.113.20:51820\nAllowedIPs = 10.8.0.0/24\n"
    )


def test_what_configurations_reveal(tmp_path: Path) -> None:
    wireguard(tmp_path)
    (tmp_path / "cloudflared.yml").write_text(
        "tunnel: 6ff42ae2-765d-4adf-8112-31c55c1551ef\ningress: [{service: 'http_status:404'}]\n"
    )
    (tmp_path / "Corefile").write_text(".:53 {\n  forward . 9.9.9.9\n}\n")
    (tmp_path / "AdGuardHome.yaml").write_text("dns: {upstream_dns: [9.9.9.9]}\nfiltering: {}\n")
    (tmp_path / "dnsmasq.conf").write_text("no-resolv\nserver=9.9.9.9\n")
    (tmp_path / "db.example.org").write_text("$ORIGIN example.org.\n$TTL 300\n@ SOA a b 1 2 3 4 5\n@ A 203.0.113.9\n")
    (tmp_path / "nebula.yml").write_text("pki: {}\nstatic_host_map: {}\n")
    site_map = tmp_path / "site-map.yaml"
    init("-o", site_map, tmp_path)
    text = site_map.read_text(encoding="utf-8")
    found = documents(text)
    (name,) = [name for kind, name in found if kind == "Link" and name != "cloudflared"]
    assert found["Link", name]["ends"] == [
        {"node": "home/edge-wg0", "config": "edge/wg0.conf"},
        {"node": f"home/{tmp_path.name.replace('_', '-')[:50]}-home", "config": "home.conf"},
        {"node": "home/edge-wg0-peer-1", "routes": ["10.8.0.3/32"]},
    ]
    assert found["Link", "cloudflared"]["config"] == "cloudflared.yml"
    assert {name: spec["config"] for (kind, name), spec in found.items() if kind == "Resolver"} == {
        "coredns": "Corefile", "adguard": "AdGuardHome.yaml", "dnsmasq": "dnsmasq.conf",
    }  # fmt: skip
    assert found["Zone", "example-org"] == {"domain": "example.org", "file": "db.example.org"}
    assert "# A Link for " in text
    assert "nebula.yml; who is at its ends has to be filled in:" in text
    assert faults(tmp_path, site_map) == []
    assert "PrivateKey" not in text


def test_what_the_map_has_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(MANIFESTS)
    wireguard(tmp_path)
    init("-o", tmp_path / "site-map.yaml", tmp_path)
    again = init(tmp_path)
    assert documents(again.stdout) == {}
    assert "# A Link for" not in again.stdout


def test_it_overwrites_only_when_told(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(MANIFESTS)
    site_map = tmp_path / "site-map.yaml"
    init("-o", site_map, tmp_path)
    first = site_map.read_text()
    with pytest.raises(UsageError, match=r"site-map.yaml exists \(--force overwrites it\)"):
        init("-o", site_map, tmp_path)
    init("-o", site_map, "--force", tmp_path)
    assert site_map.read_text() == first


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(MANIFESTS)
    with pytest.raises(UsageError, match="cannot write"):
        init("-o", tmp_path / "no" / "such" / "folder.yaml", tmp_path)


def test_nothing_at_all(tmp_path: Path) -> None:
    site_map = tmp_path / "site-map.yaml"
    assert init("-o", site_map, tmp_path).exit_code == 0
    assert faults(tmp_path, site_map) == []
