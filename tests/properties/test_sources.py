"""Nothing that a file can hold raises, order does not matter, and refreshing equals reading anew."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.base import yaml
from gatewright.base.document import Document
from gatewright.sources.files import FileSource
from gatewright.sources.folders import decode
from gatewright.sources.lines import line_of
from gatewright.sources.manifest import DocumentId, Manifest

# What YAML is made of, so that random texts often are YAML, and often just not.
TOKENS = [
    *("a", "b", "kind", "apiVersion", "metadata", "name", "items", "v1", "List", "Service", "yes", "n", "on", "~"),
    *("0777", "1_0", "0x1f", "-1", "1.5", "1e3", "+3", "2001-01-01", ".5", "9" * 20, "null", "true", "${A}", "é"),
    *(": ", ":", "\n", "\n  ", "\n    ", "\n- ", "- ", " ", ", ", "[", "]", "{", "}", "'", '"', "#", " # ", "|", ">"),
    *("---\n", "\n---\n", "\n...\n", "%YAML 1.1\n", "&x ", "*x", "<<: ", "!", "!!str ", "? ", "{{ .x }}", "\t", "\r\n"),
    *('{"a": 1}', '{"b": "}{"}\n'),
    *("\x00", "\x85", "\u2028", "\ufeff", "\\", "@", "`", "$$", "|\n", ">-\n"),
]
texts = st.lists(st.sampled_from(TOKENS), max_size=40).map("".join) | st.text(max_size=200)


@settings(max_examples=500)
@given(texts | st.binary(max_size=200))
def test_nothing_raises_and_everything_has_a_line(content: str | bytes) -> None:
    text = decode(content.encode(errors="surrogatepass") if isinstance(content, str) else content)
    if not isinstance(text, str):
        assert text.message
        return
    manifest = Manifest("a.yaml")
    change = manifest.update(text)
    assert "".join(entry.text for entry in manifest.entries) == text
    for entry, objects in change.added:
        for header, data in objects:
            assert header.kind
            assert isinstance(data, dict)
        assert 1 <= line_of(entry.text, ("metadata", "name")) <= entry.text.count("\n") + 1


@settings(max_examples=1_000)
@given(texts)
def test_both_parsers_agree_where_the_fast_one_is_used(text: str) -> None:
    text = yaml.normalize_newlines(text.replace("\ufeff", ""))
    for part in yaml.split(text):
        if not yaml.is_blank(part):
            parsed = yaml.parse(part)
            exact = yaml._parse_events(part)
            if not exact.faults:
                assert repr(parsed.value) == repr(exact.value)


def document(name: str, namespace: str, extra: str) -> str:
    where = f"\n  namespace: {namespace}" if namespace else ""
    return f"apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}{where}\n{extra}\n"


documents = st.builds(
    document,
    st.sampled_from("abcd"),
    st.sampled_from(["", "x"]),
    st.sampled_from(["", "spec: ${V}", "# ---", "spec: 1"]),
)
manifests = st.lists(documents, max_size=4).map("---\n".join)
kustomizations = st.builds(
    lambda namespace, resources: f"namespace: {namespace}\nresources: {list(resources)}\n",
    st.sampled_from(["m", "k", '""']),
    st.sets(st.sampled_from(["1.yaml", "2.yaml", "../f", "../g", "gone.yaml"])).map(sorted),
)
flux = st.builds(
    lambda path, value: (
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: f}\n"
        f"spec: {{path: {path}, targetNamespace: t, postBuild: {{substitute: {{V: '{value}'}}}}}}\n"
    ),
    st.sampled_from(["f", "g", "gone"]),
    st.sampled_from(["1", "2"]),
)
NAMES = ["f/1.yaml", "f/2.yaml", "g/1.yaml", "f/kustomization.yaml", "g/kustomization.yaml", "flux.yaml"]


def contents(name: str) -> st.SearchStrategy[str | None]:
    """What a file of that name can hold; None: it does not exist."""
    kind = kustomizations if "kustomization" in name else flux if name == "flux.yaml" else manifests
    return st.none() | kind


folders = st.fixed_dictionaries({name: contents(name) for name in NAMES})
Live = dict[DocumentId, Document]


def write(folder: Path, files: dict[str, str | None]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(text)


@settings(max_examples=200)
@given(folders, st.lists(folders, max_size=4))
def test_refreshing_equals_reading_anew(first: dict[str, str | None], later: list[dict[str, str | None]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, first)
        source = FileSource()
        live: Live = dict(source.read([name]).documents)
        for files in later:
            write(folder, files)
            delta = source.refresh([str(folder / file) for file in files])
            assert not delta.added.keys() & live.keys()
            assert delta.changed.keys() <= live.keys()
            assert delta.removed <= live.keys()
            live = {id: document for id, document in live.items() if id not in delta.removed}
            live.update(delta.added)
            live.update(delta.changed)
            cold = FileSource().read([name])
            assert live == cold.documents
            assert delta.problems == cold.problems


@given(folders, st.permutations(["f", "g", "f/1.yaml", "flux.yaml"]))
def test_the_order_of_paths_does_not_matter(files: dict[str, str | None], order: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), {**files, "f/1.yaml": "", "g/1.yaml": "", "flux.yaml": files["flux.yaml"] or ""})
        paths = [f"{name}/{path}" for path in order]
        one, other = FileSource().read(paths), FileSource().read(sorted(paths))
        assert one.documents == other.documents
        assert set(one.problems) == set(other.problems)


@given(st.lists(documents | texts, max_size=6), st.lists(documents | texts, max_size=6))
def test_an_edit_of_a_text_equals_the_new_text(before: list[str], after: list[str]) -> None:
    manifest, fresh = Manifest("a.yaml"), Manifest("a.yaml")
    old, new = (yaml.normalize_newlines("\n---\n".join(parts)) for parts in (before, after))
    manifest.update(old)
    manifest.update(new)
    fresh.update(new)
    assert [entry.text for entry in manifest.entries] == [entry.text for entry in fresh.entries]
    assert [entry.headers for entry in manifest.entries] == [entry.headers for entry in fresh.entries]
    assert [entry.id.partition("~")[0] for entry in manifest.entries] == [
        entry.id.partition("~")[0] for entry in fresh.entries
    ]
