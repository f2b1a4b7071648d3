"""Every document of the corpus, as its owners wrote it, is read and found again at its place."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from gatewright.base.problem import Severity
from gatewright.base.yaml import is_blank, normalize_newlines, parse, split
from gatewright.sources.files import FileSource
from support import needs

# What the corpus leaves out (patched objects, Helm charts, generated ConfigMaps, files that are no
# part of it, the Secrets with the variables) is what can be said about it; nothing else is.
EXPECTED_PROBLEMS = {
    "kustomize-missing",
    "kustomize-unsupported",
    "kustomize-remote",
    "flux-path-missing",
    "unresolved-variable",
}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    """The documents of INDEX.tsv whose file is in the corpus (a few Helm values are listed, but left out)."""
    folder = needs.corpus()
    with (folder / "INDEX.tsv").open() as index:
        return [row for row in csv.DictReader(index, delimiter="\t") if (folder / row["repo"] / row["path"]).exists()]


def inputs(folder: Path, rows: list[dict[str, str]]) -> list[str]:
    """The corpus, and its hidden folders, which are only read when they are named."""
    hidden = set()
    for row in rows:
        parts = Path(row["repo"], row["path"]).parts
        for index, part in enumerate(parts):
            if part.startswith("."):
                hidden.add(str(folder.joinpath(*parts[: index + 1])))
                break
    return [str(folder), *sorted(hidden)]


def test_every_document_is_read(rows: list[dict[str, str]]) -> None:
    snapshot = FileSource().read(inputs(needs.corpus(), rows))
    assert Counter(snapshot.counts.kinds) == Counter(row["kind"] for row in rows)
    assert {problem.id for problem in snapshot.problems} <= EXPECTED_PROBLEMS
    assert not [problem for problem in snapshot.problems if problem.severity is Severity.ERROR]


def test_what_is_not_used_up_becomes_a_document(rows: list[dict[str, str]]) -> None:
    source = FileSource()
    folder = needs.corpus()
    snapshot = source.read(inputs(folder, rows))
    found = {(document.origin.file, document.kind, document.name) for document in snapshot.documents.values()}
    for row in rows:
        if row["kind"] != "Kustomization" and "subst" not in row["flags"]:
            assert (str(folder / row["repo"] / row["path"]), row["kind"], row["name"]) in found
    for document in snapshot.documents.values():
        assert source.locator.locate(document.origin.at("kind")).line > 0


def test_the_documents_of_a_file_are_those_of_the_index_in_order(rows: list[dict[str, str]]) -> None:
    folder = needs.corpus()
    by_path: dict[Path, list[dict[str, str]]] = {}
    for row in rows:
        by_path.setdefault(folder / row["repo"] / row["path"], []).append(row)
    for path, expected in by_path.items():
        texts = split(normalize_newlines(path.read_text()))
        values = [value for value in (parse(text).value for text in texts if not is_blank(text)) if value]
        said = [(value["kind"], value["apiVersion"], (value.get("metadata") or {}).get("name", "")) for value in values]
        expected.sort(key=lambda row: int(row["doc"]))
        assert said == [(row["kind"], row["apiVersion"], row["name"]) for row in expected], path
