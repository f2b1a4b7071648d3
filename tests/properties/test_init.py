"""Whatever the manifests hold, the first map that is made of them is read without a fault."""

from __future__ import annotations

import base64
import ipaddress
import tempfile
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gatewright.cli.init import command
from gatewright.graph.network.topology import topology
from gatewright.pipeline import Model

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,8}[a-z0-9])?", fullmatch=True).filter(lambda n: ".." not in n)
LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True)
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join) | st.sampled_from(
    ["*.example.com", "yes.no", "1.2", "a.svc.cluster.local", "*.home.arpa", "${HOST}.example.com", "null"]
)
ADDRESSES = (
    st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address) | st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address)
).map(str) | st.sampled_from(["192.168.178.5", "192.168.178.6", "10.0.0.1", "fd00::1", "fe80::1", "0.0.0.0"])
FILES = st.sampled_from(["wg0.conf", "a b.conf", "é.conf", '"q".conf', "#x.conf", "yes.conf", "sub/wg0.conf"])


@st.composite
def pools(draw: st.DrawFn) -> dict[str, Any]:
    first, last = draw(ADDRESSES), draw(ADDRESSES)
    text = draw(st.sampled_from([f"{first}-{last}", f"{first}/24", f"{first}-{first}", f"{first}/0"]))
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": draw(NAMES), "namespace": "metallb"},
        "spec": {"addresses": [text]},
    }


@st.composite
def nodes(draw: st.DrawFn) -> dict[str, Any]:
    addresses = [{"type": "InternalIP", "address": address} for address in draw(st.lists(ADDRESSES, max_size=3))]
    cidrs = [f"{address}/24" for address in draw(st.lists(ADDRESSES, max_size=2))]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": draw(NAMES)},
        "spec": {"podCIDRs": cidrs},
        "status": {"addresses": addresses},
    }


@st.composite
def ingresses(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": draw(NAMES), "namespace": "apps"},
        "spec": {
            "ingressClassName": draw(st.sampled_from(["nginx", "traefik", "traefik-Public", "haproxy", "alb-2"])),
            "defaultBackend": {"service": {"name": "a", "port": {"number": 80}}},
            "rules": [{"host": host} for host in draw(st.lists(HOSTS, max_size=3))],
        },
    }


KEYS = st.integers(0, 3).map(lambda n: base64.b64encode(bytes([n + 8]) * 32).decode())


@st.composite
def wireguards(draw: st.DrawFn) -> str:
    lines = ["[Interface]", f"PrivateKey = {draw(KEYS)}"]
    lines += [f"Address = {address}" for address in draw(st.lists(ADDRESSES, max_size=2))]
    for key in draw(st.lists(KEYS, max_size=3)):
        lines += ["[Peer]", f"PublicKey = {key}"]
        lines += [
            f"AllowedIPs = {address}/{draw(st.sampled_from([0, 24, 32]))}" for address in draw(st.lists(ADDRESSES))
        ]
        lines += [f"Endpoint = {host}:51820" for host in draw(st.lists(ADDRESSES | HOSTS, max_size=1))]
    return "\n".join(lines) + "\n"


@settings(max_examples=30, deadline=None)
@given(
    manifests=st.lists(pools() | nodes() | ingresses(), max_size=6),
    files=st.dictionaries(FILES, wireguards(), max_size=3),
)
def test_a_first_map_is_read_without_a_fault(manifests: list[dict[str, Any]], files: dict[str, str]) -> None:
    # Two Nodes with one address contradict each other, with a map or without.
    held = [a["address"] for manifest in manifests for a in manifest.get("status", {}).get("addresses", ())]
    assume(len(held) == len({ipaddress.ip_address(address) for address in held}))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "all.yaml").write_text(yaml.safe_dump_all(manifests), encoding="utf-8")
        for file, text in files.items():
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(text, encoding="utf-8")
        before = Model()
        before.read([name])
        contradictions = before.analysis.answer(topology).problems

        site_map = folder / "site-map.yaml"
        result = CliRunner().invoke(command, ["-o", str(site_map), name], catch_exceptions=False)
        assert result.exit_code == 0
        after = Model()
        after.read([name])
        told = [p for p in after.problems() if p.origin and p.origin.file == str(site_map)]
        assert told == []
        # Configurations may contradict each other about a link; the map only says that they belong together.
        fresh = [p for p in after.analysis.answer(topology).problems if p not in contradictions]
        assert [p for p in fresh if not p.id.startswith("link-")] == []
