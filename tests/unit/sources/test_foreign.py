"""Configuration files of other programs: which file is whose, what they are called, how they live and die."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatewright.base.document import Document
from gatewright.kinds.programs import files
from gatewright.sources import foreign
from gatewright.sources.files import FileSource, Snapshot

WIREGUARD = (
    "# home\n[Interface]\nPrivateKey = c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHM=\n[Peer]\nAllowedIPs = 10.0.0.0/24\n"
)
ZONE = "$ORIGIN example.com.\n$TTL 300\n@ IN SOA ns1 admin 1 2 3 4 5\n"
OBJECT = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"


def put(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def read(folder: Path, *, source: FileSource | None = None) -> Snapshot:
    return (source or FileSource()).read([str(folder)])


def found(snapshot: Snapshot, folder: Path) -> dict[str, str]:
    """Kind by path below the folder."""
    return {
        d.name.removeprefix(f"{folder}/"): d.kind
        for d in snapshot.documents.values()
        if d.api_version == files.API_VERSION
    }


def test_sources_and_kinds_mean_the_same_group() -> None:
    assert foreign.API_VERSION == files.API_VERSION


def test_files_are_told_by_name_or_content(tmp_path: Path) -> None:
    expected: dict[str, tuple[str, str]] = {
        "dns/Corefile": ("Corefile", ".:53 {\n  forward . 1.1.1.1\n}\n"),
        "dns/Corefile.home": ("Corefile", "# nothing yet\n"),
        "dns/lan.corefile": ("Corefile", ".:53 {\n}\n"),
        "dns/example.com.zone": ("ZoneFile", "@ A 192.0.2.1\n"),
        "dns/db.example.com": ("ZoneFile", ZONE),
        "dnsmasq.conf": ("DnsmasqConfig", "address=/x.example/192.0.2.1\n"),
        "etc/dnsmasq.d/lan.conf": ("DnsmasqConfig", "server=1.1.1.1\n"),
        "wg/wg0.conf": ("WireGuardConfig", WIREGUARD),
        "wg/home.wg": ("WireGuardConfig", WIREGUARD),
        "tunnel.yaml": ("CloudflaredConfig", "tunnel: abc\ningress:\n- service: http_status:404\n"),
        "nebula.yml": ("NebulaConfig", "pki: {ca: ca.crt}\nstatic_host_map: {}\n"),
        "AdGuardHome.yaml": ("AdGuardConfig", "dns: {port: 53}\nfiltering: {}\nschema_version: 28\n"),
        "edge/traefik.toml": ("TraefikConfig", "[entryPoints.web]\n"),
        "edge/static.yml": ("TraefikConfig", "entryPoints: {web: {}}\n"),
        "traefik/values.yaml": ("HelmValues", "ports: {}\n"),
        "traefik/values-home.yml": ("HelmValues", "kind: DaemonSet\n"),
        "edge-values.yaml": ("HelmValues", "ports: {}\n"),
    }
    put(tmp_path, {name: text for name, (_, text) in expected.items()})
    snapshot = read(tmp_path)
    assert found(snapshot, tmp_path) == {name: kind for name, (kind, _) in expected.items()}
    assert snapshot.problems == ()


def test_files_of_anybody_else_are_not_read(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "nginx.conf": "server { listen 80; }\n",
            "db.sqlite": b"\xff\xfe\x00binary",
            "db.py": "import sqlite3\n",
            "broken.conf": b"\xff\xfe",
            "Corefiles/readme.txt": "no",
            "other.yaml": "dns: none\nhttp: {}\n",
            "more.yaml": "tunnel: {}\ningress: {}\n",
            "a.yaml": OBJECT,
        },
    )
    snapshot = read(tmp_path)
    assert found(snapshot, tmp_path) == {}
    assert snapshot.problems == ()
    assert snapshot.counts.files == 3  # the YAML ones


def test_a_values_file_with_an_object_in_it_holds_an_object(tmp_path: Path) -> None:
    put(tmp_path, {"values.yaml": OBJECT})
    assert [d.kind for d in read(tmp_path).documents.values()] == ["Service"]


def test_what_has_a_kind_missing_is_still_said(tmp_path: Path) -> None:
    put(tmp_path, {"tunnel.yaml": "kind: X\ntunnel: abc\ningress: []\n"})
    assert [problem.id for problem in read(tmp_path).problems] == ["no-kind"]


def test_names_are_relative_to_what_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {"site/wg0.conf": WIREGUARD, "site/map.yaml": OBJECT})
    monkeypatch.chdir(tmp_path)
    for named in (["."], ["./site"], ["site/wg0.conf", "site/map.yaml"]):
        documents = FileSource().read(named).documents.values()
        (wireguard,) = [d for d in documents if d.kind == "WireGuardConfig"]
        (service,) = [d for d in documents if d.kind == "Service"]
        key = files.file_key("WireGuardConfig", service.origin.file, "./wg0.conf")
        assert (key.kind, key.namespace, key.name) == (wireguard.kind, wireguard.namespace, wireguard.name)
        assert key.name == "site/wg0.conf"


def test_lines_of_text_and_fields_of_yaml_are_found(tmp_path: Path) -> None:
    put(tmp_path, {"wg0.conf": WIREGUARD, "values.yaml": "a: 1\nports:\n  web:\n    port: 80\n"})
    source = FileSource()
    documents = {d.kind: d for d in read(tmp_path, source=source).documents.values()}
    text, values = documents["WireGuardConfig"].origin, documents["HelmValues"].origin
    assert source.locator.locate(text.at("line", 5)).line == 5
    assert source.locator.locate(text.at("line", 99)).line == 6
    assert source.locator.locate(text).line == 1
    assert source.locator.locate(values.at("ports", "web", "port")).line == 4


def test_nobody_prints_a_key(tmp_path: Path) -> None:
    put(tmp_path, {"wg0.conf": WIREGUARD, "bad.wg": WIREGUARD.encode() + b"\xff"})
    snapshot = read(tmp_path)
    (document,) = snapshot.documents.values()
    assert isinstance(document, Document)
    assert "c2VjcmV0" in document.data["text"]
    assert "c2VjcmV0" not in repr(document) + repr(snapshot)
    assert [problem.id for problem in snapshot.problems] == ["not-utf8"]


def test_they_follow_edits_and_keep_the_last_good_version(tmp_path: Path) -> None:
    put(tmp_path, {"wg0.conf": WIREGUARD, "Corefile": "a\n"})
    source = FileSource()
    snapshot = read(tmp_path, source=source)
    ids = {id.kind: id for id in snapshot.documents}
    wireguard, corefile = ids["WireGuardConfig"], ids["Corefile"]
    root = str(tmp_path)

    put(tmp_path, {"wg0.conf": WIREGUARD + "Endpoint = 192.0.2.1:51820\n"})
    delta = source.refresh([f"{root}/wg0.conf"])
    assert set(delta.changed) == {wireguard}
    assert delta.changed[wireguard].data["text"].endswith("51820\n")

    put(tmp_path, {"wg0.conf": b"\xff\xfe"})
    delta = source.refresh([f"{root}/wg0.conf"])
    assert not delta
    assert delta.held == {wireguard}
    assert [problem.id for problem in delta.problems] == ["not-utf8", "held"]

    put(tmp_path, {"wg0.conf": "server {}\n"})  # it became somebody else's
    delta = source.refresh([root])
    assert delta.removed == {wireguard}
    assert delta.problems == ()

    put(tmp_path, {"wg0.conf": WIREGUARD})
    assert set(source.refresh([f"{root}/wg0.conf"]).added) == {wireguard}
    (tmp_path / "Corefile").unlink()
    assert source.refresh([f"{root}/Corefile"]).removed == {corefile}


def test_an_edit_in_front_of_a_text_with_a_marker_keeps_it_one_document(tmp_path: Path) -> None:
    put(tmp_path, {"Corefile": "---\n.:53 {\n}\n"})
    source = FileSource()
    (id,) = read(tmp_path, source=source).documents
    put(tmp_path, {"Corefile": "# new\n---\n.:53 {\n}\n"})
    delta = source.refresh([str(tmp_path)])
    assert delta.changed[id].data["text"].startswith("# new")


def test_kustomizations_have_no_hold_on_them(tmp_path: Path) -> None:
    flux = (
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux}\n"
        "spec: {path: ./apps, targetNamespace: web, postBuild: {substitute: {NAME: other}}}\n"
    )
    put(
        tmp_path,
        {
            "apps/values.yaml": "ports:\n  web: ${NAME}\n  x: ${UNKNOWN}\n",
            "apps/Corefile": "${NAME} {\n}\n",
            "apps/a.yaml": OBJECT,
            "flux.yaml": flux,
        },
    )
    snapshot = read(tmp_path)
    documents = {d.kind: d for d in snapshot.documents.values()}
    assert documents["Service"].namespace == "web"
    assert documents["HelmValues"].namespace == ""
    assert documents["HelmValues"].data["ports"]["web"] == "${NAME}"
    assert documents["Corefile"].data["text"].startswith("${NAME}")
    assert snapshot.problems == ()


def test_patches_are_no_values(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "kustomization.yaml": "resources: []\npatches:\n- path: a-values.yaml\n",
            "a-values.yaml": "spec: {replicas: 1}\n",
        },
    )
    assert found(read(tmp_path), tmp_path) == {}
