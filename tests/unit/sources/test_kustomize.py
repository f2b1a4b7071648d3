"""What Kustomizations of kustomize and Flux do to the documents, and what is said about the rest."""

from pathlib import Path

from gatewright.sources.files import FileSource, Snapshot

KUSTOMIZATION = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"


def service(name: str, namespace: str = "", extra: str = "") -> str:
    where = f"\n  namespace: {namespace}" if namespace else ""
    return f"apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}{where}\n{extra}"


def flux(name: str, spec: str) -> str:
    head = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata:\n"
    return f"{head}  name: {name}\n  namespace: flux-system\nspec:\n" + "".join(
        f"  {line}\n" for line in spec.splitlines()
    )


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def read(folder: Path, files: dict[str, str], at: str = ".") -> Snapshot:
    write(folder, files)
    return FileSource().read([str(folder / at)])


def names(snapshot: Snapshot) -> list[str]:
    return sorted(f"{d.namespace}/{d.name}" for d in snapshot.documents.values())


def test_the_outermost_namespace_wins_and_every_user_gets_his_own(tmp_path: Path) -> None:
    snapshot = read(
        tmp_path,
        {
            "base/kustomization.yaml": KUSTOMIZATION + "namespace: base\nresources: [a.yaml, ns.yaml]\n",
            "base/a.yaml": service("a", "own"),
            "base/ns.yaml": "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: m\n",
            "base/unused.yaml": service("unused", "own"),
            "one/kustomization.yaml": KUSTOMIZATION + "namespace: one\nresources: [../base]\n",
            "two/kustomization.yaml": KUSTOMIZATION + "namespace: two\nresources: [../base]\n",
            "none/kustomization.yaml": KUSTOMIZATION + "resources: [../base]\n",
        },
    )
    assert names(snapshot) == ["/m", "base/a", "one/a", "own/unused", "two/a"]
    assert snapshot.problems == ()
    assert snapshot.counts.kinds == {"Kustomization": 4, "Namespace": 1, "Service": 2}


def test_a_base_beside_the_named_folder_is_read_too(tmp_path: Path) -> None:
    files = {
        "base/kustomization.yaml": "resources: [a.yaml]\n",
        "base/a.yaml": service("a"),
        "base/unused.yaml": service("unused"),
        "over/kustomization.yaml": KUSTOMIZATION + "namespace: over\nresources: [../base]\n",
    }
    write(tmp_path, files)
    source = FileSource()
    snapshot = source.read([str(tmp_path / "over")])
    assert names(snapshot) == ["over/a"]
    document = next(iter(snapshot.documents.values()))
    assert source.locator.locate(document.origin).file == str(tmp_path / "base" / "a.yaml")
    write(tmp_path, {"base/a.yaml": service("b")})
    delta = source.refresh([str(tmp_path / "base" / "a.yaml")])
    assert [id.name for id in (*delta.added, *delta.removed)] == ["b", "a"]
    write(tmp_path, {"over/kustomization.yaml": KUSTOMIZATION + "namespace: over\n"})
    assert [id.name for id in source.refresh([str(tmp_path / "over" / "kustomization.yaml")]).removed] == ["b"]
    assert len(source.watched) == 1


def test_what_is_not_applied_is_said_once(tmp_path: Path) -> None:
    more = "resources: [a.yaml, gone.yaml, 'https://example.com/x.yaml', ../base]\nnamePrefix: p-\n"
    more += "patches: [{path: patch.yaml}]\nimages: [{name: x, newTag: y}]\nlabels: []\n"
    snapshot = read(
        tmp_path,
        {
            "x/kustomization.yaml": KUSTOMIZATION + more,
            "x/a.yaml": service("a"),
            "x/patch.yaml": service("a", extra="spec: {type: NodePort}\n"),
            "base/kustomization.yaml": KUSTOMIZATION + "images: [{name: x, newTag: y}]\n",
            "y/kustomization.yaml": KUSTOMIZATION + "resources: [../base]\n",
        },
    )
    assert names(snapshot) == ["/a"]
    said = sorted((problem.id, problem.severity.value) for problem in snapshot.problems)
    assert said == [
        ("kustomize-missing", "warning"),
        ("kustomize-remote", "info"),
        ("kustomize-unsupported", "info"),
        ("kustomize-unsupported", "warning"),
    ]
    unsupported = next(p for p in snapshot.problems if "namePrefix" in p.message)
    assert "images, namePrefix, patches are not applied" in unsupported.message


def test_a_circle_is_said_and_survived(tmp_path: Path) -> None:
    snapshot = read(
        tmp_path,
        {
            "x/kustomization.yaml": KUSTOMIZATION + "resources: [../y, a.yaml]\n",
            "y/kustomization.yaml": KUSTOMIZATION + "resources: [../x]\n",
            "x/a.yaml": service("a"),
        },
    )
    assert [problem.id for problem in snapshot.problems] == ["kustomize-circle"]
    assert names(snapshot) == ["/a"]


def test_flux_gives_namespace_and_variables(tmp_path: Path) -> None:
    spec = "path: ./apps/web\ntargetNamespace: web\npostBuild:\n  substitute: {HOST: h, EMPTY: ''}\n"
    spec += "  substituteFrom:\n  - {kind: ConfigMap, name: settings}\n  - {kind: Secret, name: keys}\n"
    text = 'a: "${HOST}.${DOMAIN}"\nb: ${PORT:=80}\nc: ${EMPTY:-x}\nd: ${EMPTY-x}\ne: $${HOST}\nf: ${GONE} ${GONE}\n'
    text += "g: ${KEY}\nh: ${HOST/a/b}\n"
    write(
        tmp_path,
        {
            "repo/apps/web/a.yaml": service("a-${HOST}", extra="spec:\n  " + text.replace("\n", "\n  ")),
            "repo/apps/web/b.yaml": service(
                "b", extra='  annotations:\n    kustomize.toolkit.fluxcd.io/substitute: disabled\nspec: "${HOST}"\n'
            ),
            "repo/clusters/c/web.yaml": flux("web", spec),
            "repo/clusters/c/settings.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, "
            "namespace: flux-system}\ndata: {DOMAIN: example.com, HOST: overridden}\n",
            "repo/clusters/c/keys.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: keys, "
            "namespace: flux-system}\ndata: {KEY: c2VjcmV0}\n",
        },
    )
    source = FileSource()
    snapshot = source.read([str(tmp_path / "repo")])
    found = {document.name: document for document in snapshot.documents.values()}
    assert found["a-h"].namespace == "web"
    assert found["a-h"].data["spec"] == {
        "a": "h.example.com",
        "b": 80,
        "c": "x",
        "d": None,
        "e": "${HOST}",
        "f": "${GONE} ${GONE}",
        "g": "secret",
        "h": "${HOST/a/b}",
    }
    assert found["b"].data["spec"] == "${HOST}"
    messages = {problem.message.split(",")[0]: problem for problem in snapshot.problems}
    assert "${GONE} is used 2 times" in messages
    assert source.locator.locate(messages["${GONE} is used 2 times"].origin).line == 11  # type: ignore[arg-type]


def test_a_changed_variable_changes_the_documents_that_use_it(tmp_path: Path) -> None:
    files = {
        "apps/a.yaml": service("a", extra="spec: ${X}\n"),
        "apps/b.yaml": service("b"),
        "flux.yaml": flux("apps", "path: apps\npostBuild:\n  substituteFrom: [{kind: ConfigMap, name: s}]"),
        "s.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: s, namespace: flux-system}\ndata: {X: one}\n",
    }
    write(tmp_path, files)
    source = FileSource()
    source.read([str(tmp_path)])
    write(tmp_path, {"s.yaml": files["s.yaml"].replace("one", "two")})
    delta = source.refresh([str(tmp_path / "s.yaml")])
    assert {id.name: document.data.get("spec") for id, document in delta.changed.items()} == {"a": "two", "s": None}
    assert not delta.added
    write(tmp_path, {"flux.yaml": files["flux.yaml"].replace("path: apps", "path: apps\n  targetNamespace: t")})
    delta = source.refresh([str(tmp_path / "flux.yaml")])
    assert sorted((id.namespace, id.name) for id in delta.added) == [("t", "a"), ("t", "b")]
    assert sorted((id.namespace, id.name) for id in delta.removed) == [("", "a"), ("", "b")]


def test_flux_kustomizations_made_by_flux(tmp_path: Path) -> None:
    snapshot = read(
        tmp_path,
        {
            "root.yaml": flux("root", "path: clusters\npostBuild: {substitute: {WHERE: web}}"),
            "clusters/web.yaml": flux("web", "path: apps/${WHERE}\ntargetNamespace: ${WHERE}"),
            "apps/web/a.yaml": service("${WHERE}"),
        },
    )
    assert names(snapshot) == ["web/${WHERE}"]  # nothing is inherited


def test_a_flux_path_that_is_absent_is_said_once(tmp_path: Path) -> None:
    snapshot = read(tmp_path, {f"{i}.yaml": flux(f"f{i}", f"path: ./gone/{i}") for i in range(5)})
    (problem,) = snapshot.problems
    assert (problem.id, "4 more" in problem.message) == ("flux-path-missing", True)


def test_variables_in_scripts_are_nobodys_business(tmp_path: Path) -> None:
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: s}\ndata: {run: 'echo ${HOME}'}\n"
    snapshot = read(tmp_path, {"a.yaml": config, "b.yaml": service("b", extra="spec: ${X}\n")})
    assert ["${X}" in problem.message for problem in snapshot.problems] == [True]


def test_a_kustomization_that_breaks_keeps_its_effect(tmp_path: Path) -> None:
    write(tmp_path, {"kustomization.yaml": "namespace: web\nresources: [a.yaml]\n", "a.yaml": service("a")})
    source = FileSource()
    assert names(source.read([str(tmp_path)])) == ["web/a"]
    write(tmp_path, {"kustomization.yaml": "namespace: [\n"})
    assert not source.refresh([str(tmp_path / "kustomization.yaml")])
    (tmp_path / "kustomization.yaml").unlink()
    delta = source.refresh([str(tmp_path / "kustomization.yaml")])
    assert [id.namespace for id in delta.added] == [""]
