"""FileSource: what is live, what is held, what is said; read once and after every kind of change."""

import io
import json
import os
from pathlib import Path

import pytest

from gatewright.base.errors import UsageError
from gatewright.sources import folders
from gatewright.sources.files import Delta, FileSource, Snapshot


def service(name: str, namespace: str = "", extra: str = "") -> str:
    where = f"\n  namespace: {namespace}" if namespace else ""
    return f"apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}{where}\n{extra}"


def write(folder: Path, **files: str | bytes) -> None:
    """`write(tmp_path, a_yaml="...")` writes a.yaml; `__` is a folder."""
    for key, content in files.items():
        path = folder / key.replace("__", "/").replace("_yaml", ".yaml").replace("_json", ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def names(snapshot: Snapshot) -> list[str]:
    return sorted(f"{d.namespace}/{d.name}" for d in snapshot.documents.values())


def ids(result: Snapshot | Delta) -> list[str]:
    return [problem.id for problem in result.problems]


def said(source: FileSource, result: Snapshot | Delta, root: Path) -> list[tuple[str, str]]:
    """Every problem as (place below root, id)."""
    places = [source.locator.locate(problem.origin) for problem in result.problems if problem.origin]
    return [(str(place).removeprefix(f"{root}/"), id) for place, id in zip(places, ids(result), strict=True)]


def test_folders_are_read_recursively_and_hidden_ones_are_not(tmp_path: Path) -> None:
    write(
        tmp_path,
        a_yaml=service("a"),
        x__y__b_yaml=service("b"),
        x__c_json=json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "c"}}),
    )
    (tmp_path / "d.yml").write_text(service("d"))
    write(tmp_path / ".git", e_yaml=service("e"))
    write(tmp_path, notes_txt="f", package_json='{"name": "x", /* no JSON */}', settings_yaml="replicas: 3\n")
    snapshot = FileSource().read([str(tmp_path)])
    assert names(snapshot) == ["/a", "/b", "/c", "/d"]
    assert snapshot.problems == ()
    assert snapshot.counts.kinds == {"Service": 4}


def test_links_that_lead_in_circles_are_followed_once(tmp_path: Path) -> None:
    write(tmp_path, x__a_yaml=service("a"))
    (tmp_path / "x" / "loop").symlink_to(tmp_path)
    (tmp_path / "again.yaml").symlink_to(tmp_path / "x" / "a.yaml")
    (tmp_path / "self.yaml").symlink_to(tmp_path / "self.yaml")
    assert names(FileSource().read([str(tmp_path)])) == ["/a"]


def test_a_path_that_does_not_exist_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        FileSource().read([str(tmp_path / "nowhere")])


def test_json_objects_in_a_row(tmp_path: Path) -> None:
    first, second, third = (
        json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}}) for name in "abc"
    )
    write(tmp_path, a_json=f"{first}{second}\n{third}\n")
    source = FileSource()
    snapshot = source.read([str(tmp_path)])
    lines = {d.name: source.locator.locate(d.origin).line for d in snapshot.documents.values()}
    assert lines == {"a": 1, "b": 1, "c": 2}
    write(tmp_path, a_json=f"{first}{second}\n{third.replace('c', 'd')[:-1]}")
    delta = source.refresh([str(tmp_path / "a.json")])
    assert said(source, delta, tmp_path) == [("a.json:2", "yaml-syntax"), ("a.json", "held")]
    write(tmp_path, a_json=f"{first} {third}")
    delta = source.refresh([str(tmp_path / "a.json")])
    assert ([id.name for id in delta.removed], delta.problems) == (["b"], ())


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"{service('a')}---\n{service('b')}"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    source = FileSource()
    snapshot = source.read(["-"])
    assert names(snapshot) == ["/a", "/b"]
    second = next(d for d in snapshot.documents.values() if d.name == "b")
    assert str(source.locator.locate(second.origin.at("metadata", "name"))) == "-:9"


def test_overlapping_paths_are_read_once(tmp_path: Path) -> None:
    write(tmp_path, x__a_yaml=service("a"))
    paths = [str(tmp_path), str(tmp_path / "x"), str(tmp_path / "x" / "a.yaml")]
    assert names(FileSource().read(paths)) == ["/a"]


def test_lists_are_taken_apart_and_their_lines_found(tmp_path: Path) -> None:
    inner = "apiVersion: v1\nkind: ServiceList\nitems:\n- metadata:\n    name: b\n"
    text = "apiVersion: v1\nkind: List\nitems:\n- " + service("a").replace("\n", "\n  ") + "\n- "
    write(tmp_path, a_yaml=text + inner.replace("\n", "\n  "))
    source = FileSource()
    snapshot = source.read([str(tmp_path)])
    found = {d.name: d for d in snapshot.documents.values()}
    assert {d.kind for d in found.values()} == {"Service"}
    assert source.locator.locate(found["a"].origin.at("metadata", "name")).line == 7
    assert source.locator.locate(found["b"].origin.at("metadata", "name", "no", "such")).line == 13


def test_lines_survive_edits_above(tmp_path: Path) -> None:
    text = f"{service('a')}---\n{service('b')}"
    write(tmp_path, a_yaml=text)
    source = FileSource()
    b = next(d for d in source.read([str(tmp_path)]).documents.values() if d.name == "b")
    write(tmp_path, a_yaml="# one\n# two\n" + text)
    delta = source.refresh([str(tmp_path / "a.yaml")])
    assert source.locator.locate(b.origin.at("metadata", "name")).line == 11
    assert all(document.name == "a" for document in delta.changed.values())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: 1\nb: \xff\n", ("a.yaml:2", "not-utf8")),
        ("a: 1\nb: [\n", ("a.yaml:3", "yaml-syntax")),
        (service("x") + "---\n\nspec: [\n", ("a.yaml:8", "yaml-syntax")),
        ("a: \0", ("a.yaml:1", "control-character")),
        ("kind: Service\n", ("a.yaml:1", "no-kind")),
        ("apiVersion: v1\nkind: List\nitems:\n- 3\n", ("a.yaml:4", "not-an-object")),
        ("just words\n", ("a.yaml:1", "not-an-object")),
        (service("x") + "name: {{ .Values.name }}-x\n", ("a.yaml:5", "template")),
        (service("x", extra="sops: {mac: x}\n"), ("a.yaml:5", "encrypted")),
        (service("x", extra="spec: 1\nspec: 2\n"), ("a.yaml:6", "duplicate-key")),
    ],
)
def test_what_is_wrong_is_said_once_with_its_line(
    tmp_path: Path, content: str | bytes, expected: tuple[str, str]
) -> None:
    write(tmp_path, a_yaml=content, b_yaml=service("good"))
    source = FileSource()
    snapshot = source.read([str(tmp_path)])
    assert said(source, snapshot, tmp_path) == [expected]
    assert "/good" in names(snapshot)


def test_byte_order_marks_and_carriage_returns(tmp_path: Path) -> None:
    text = f"{service('a')}---\n{service('b')}".replace("\n", "\r\n")
    write(tmp_path, a_yaml=b"\xef\xbb\xbf" + text.encode())
    snapshot = FileSource().read([str(tmp_path)])
    assert names(snapshot) == ["/a", "/b"]
    assert snapshot.problems == ()


def test_a_chart_is_no_folder_of_manifests(tmp_path: Path) -> None:
    write(
        tmp_path,
        c__Chart_yaml="apiVersion: v2\nname: c\n",
        c__templates__x__a_yaml="{{ if .x }}\na: 1\n{{ end }}\n",
        c__templates__b_yaml=service("b"),
    )
    source = FileSource()
    snapshot = source.read([str(tmp_path)])
    assert said(source, snapshot, tmp_path) == [("c/templates/x/a.yaml", "template")]
    assert names(snapshot) == ["/b"]


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, b_yaml=service("b"))
    with (tmp_path / "a.yaml").open("wb") as file:
        file.truncate(folders.MAX_FILE_BYTES + 1)
    snapshot = FileSource().read([str(tmp_path)])
    assert ids(snapshot) == ["file-too-large"]
    assert "64 MiB" in snapshot.problems[0].message
    assert names(snapshot) == ["/b"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_may_not_be_read_is_a_problem(tmp_path: Path) -> None:
    write(tmp_path, a_yaml=service("a"), b__b_yaml=service("b"), c_yaml=service("c"))
    (tmp_path / "a.yaml").chmod(0)
    (tmp_path / "b").chmod(0)
    try:
        snapshot = FileSource().read([str(tmp_path)])
    finally:
        (tmp_path / "b").chmod(0o700)
    assert ids(snapshot) == ["unreadable", "unreadable"]
    assert names(snapshot) == ["/c"]


def test_an_edit_changes_the_object_that_was_edited(tmp_path: Path) -> None:
    parts = [service(f"s{i}") for i in range(5)]
    write(tmp_path, a_yaml="---\n".join(parts))
    source = FileSource()
    snapshot = source.read([str(tmp_path)])
    parts[2] += "spec: {}\n"
    write(tmp_path, a_yaml="---\n".join(parts))
    delta = source.refresh([str(tmp_path / "a.yaml")])
    assert [id.name for id in delta.changed] == ["s2"]
    assert delta.changed.keys() <= snapshot.documents.keys()
    assert not delta.added
    assert not delta.removed
    parts[3:4] = [service("new")]
    write(tmp_path, a_yaml="---\n".join(parts))
    delta = source.refresh([str(tmp_path / "a.yaml")])
    assert ([id.name for id in delta.added], [id.name for id in delta.removed]) == (["new"], ["s3"])


def test_deleting_a_file_or_a_folder_removes_its_documents(tmp_path: Path) -> None:
    write(tmp_path, a_yaml=service("a"), x__b_yaml=service("b"), c_yaml=service("c"))
    source = FileSource()
    source.read([str(tmp_path)])
    (tmp_path / "a.yaml").unlink()
    (tmp_path / "x" / "b.yaml").unlink()
    (tmp_path / "x").rmdir()
    delta = source.refresh([str(tmp_path / "a.yaml"), str(tmp_path / "x")])
    assert sorted(id.name for id in delta.removed) == ["a", "b"]


def test_a_broken_edit_keeps_the_last_good_version(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    write(tmp_path, a_yaml=f"{service('a')}---\n{service('b')}")
    source = FileSource()
    source.read([str(tmp_path)])
    write(tmp_path, a_yaml=f"{service('a', extra='spec: {}')}\n---\n{service('b')}bad: [\n")
    delta = source.refresh([str(path)])
    assert [id.name for id in delta.changed] == ["a"]  # the good document of the file goes live
    assert [id.name for id in delta.held] == ["b"]
    assert not delta.removed
    assert ids(delta) == ["yaml-syntax", "held"]
    write(tmp_path, a_yaml=service("a", extra="spec: {}\n"))
    delta = source.refresh([str(path)])
    assert [id.name for id in delta.removed] == ["b"]
    assert ids(delta) == []
    assert not delta.held


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x: [\n", b"apiVersion", b"{{ if }}: x"])
def test_a_file_that_breaks_altogether_changes_nothing(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, a_yaml=service("a"))
    source = FileSource()
    source.read([str(tmp_path)])
    write(tmp_path, a_yaml=content)
    delta = source.refresh([str(tmp_path / "a.yaml")])
    assert not delta
    assert [id.name for id in delta.held] == ["a"]
    write(tmp_path, a_yaml=service("a"))
    delta = source.refresh([str(tmp_path / "a.yaml")])
    assert not delta.removed
    assert not delta.held
    assert delta.problems == ()


def test_a_folder_that_vanished_stays_live_until_it_is_back(tmp_path: Path) -> None:
    root, away = tmp_path / "m", tmp_path / "away"
    write(root, a_yaml=service("a"), b_yaml=service("b"))
    source = FileSource()
    source.read([str(root)])
    root.rename(away)
    delta = source.refresh([str(root / "a.yaml"), str(root)])
    assert not delta
    assert ids(delta) == ["input-gone"]
    assert sorted(id.name for id in delta.held) == ["a", "b"]
    root.mkdir()
    assert ids(source.refresh([str(root)])) == ["input-gone"]  # an empty folder is not back yet
    write(root, b_yaml=service("b"), c_yaml=service("c"))
    delta = source.refresh([str(root)])
    assert ([id.name for id in delta.added], [id.name for id in delta.removed]) == (["c"], ["a"])
    assert delta.problems == ()


def test_a_mounted_config_map_is_swapped_as_a_whole(tmp_path: Path) -> None:
    write(tmp_path, **{"..1__a_yaml": service("a"), "..2__a_yaml": service("a", extra="spec: {}\n")})
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    source = FileSource()
    assert names(source.read([str(tmp_path)])) == ["/a"]
    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").rename(tmp_path / "..data")
    delta = source.refresh([str(tmp_path / "..data")])
    assert [id.name for id in delta.changed] == ["a"]


def test_objects_that_are_named_twice_are_told_apart(tmp_path: Path) -> None:
    write(tmp_path, a_yaml="---\n".join([service("a"), service("a"), service("a", extra="spec: {}\n")]))
    source = FileSource()
    snapshot = source.read([str(tmp_path)])
    assert [id.repetition for id in snapshot.documents] == [0, 1, 2]
    assert len({d.origin for d in snapshot.documents.values()}) == 3
    write(tmp_path, a_yaml="---\n".join([service("a"), service("a", extra="spec: {}\n")]))
    delta = source.refresh([str(tmp_path / "a.yaml")])
    assert [id.repetition for id in delta.removed] == [2]
