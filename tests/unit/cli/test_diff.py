"""`gatewright diff`: folders, files and revisions of a real repository, and what cannot be compared."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gatewright.base.errors import UsageError
from gatewright.cli.diff import command
from support.manifests import SERVED, UNSERVED

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def diff(*words: str) -> Result:
    return CliRunner().invoke(command, words)


def refused(*words: str) -> str:
    result = diff(*words)
    assert isinstance(result.exception, UsageError), result.output
    return str(result.exception)


def git(*words: str) -> None:
    subprocess.run(["git", *words], check=True, capture_output=True, timeout=60)


def write(file: str, text: str) -> None:
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(text, encoding="utf-8")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two commits: `good` serves the app in deploy/app.yaml, `bad` does not."""
    root = tmp_path / "repository"
    root.mkdir()
    monkeypatch.chdir(root)
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    git("init", "-q", "-b", "main")
    git("config", "user.name", "Test")
    git("config", "user.email", "test@example.com")
    git("config", "commit.gpgsign", "false")
    write("deploy/app.yaml", SERVED)
    git("add", ".")
    git("commit", "-q", "-m", "good")
    git("tag", "good")
    write("deploy/app.yaml", UNSERVED)
    git("commit", "-q", "-a", "-m", "bad")
    git("tag", "bad")
    return root


# --- folders and files --------------------------------------------------------------------------


def test_two_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("old/app.yaml", SERVED)
    write("new/app.yaml", UNSERVED)
    result = diff("old", "new")
    assert result.exit_code == 1
    assert result.stdout.startswith(
        "- app.example.com at the gateways\n"
        "    delivered to web/app:80 via infra/edge\n"
        "  → fails at backend: 503 Service web/gone is not among what was read via infra/edge\n"
    )
    assert "introduced warning backend-missing  new/app.yaml:13" in result.stdout
    assert result.stdout.endswith("1 changed fate · 1 finding introduced, 0 fixed, 0 unchanged\n")
    assert diff("new", "old").exit_code == 0
    assert diff("old/app.yaml", "new/app.yaml").exit_code == 1
    assert diff("old", "new", "--fail-on", "never").exit_code == 0


def test_messages_that_name_files_are_the_same_on_both_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for side in ("old", "new"):
        write(f"{side}/app.yaml", SERVED)
        write(f"{side}/twice.yaml", SERVED)
    told = json.loads(diff("old", "new", "-o", "json").stdout)
    assert (told["introduced"], told["fixed"]) == ([], [])
    assert "is already in app.yaml" in told["unchanged"][0]["message"]
    assert told["unchanged"][0]["origins"][0]["file"] == "new/twice.yaml"


def test_a_renamed_file_and_moved_documents_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("old/app.yaml", UNSERVED)
    write("new/other.yaml", "---\n".join(reversed(UNSERVED.split("---\n"))))
    result = diff("old", "new")
    assert result.exit_code == 0
    assert result.stdout == "0 changed fates · 0 findings introduced, 0 fixed, 1 unchanged\n"
    assert "unchanged warning backend-missing  new/other.yaml:" in diff("old", "new", "-o", "wide").stdout


def test_what_was_accepted_is_not_fixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    accepted = '{name: app, namespace: web, annotations: {gatewright.dev/ignore: "backend-missing: it comes later"}}'
    write("old/app.yaml", UNSERVED)
    write("new/app.yaml", UNSERVED.replace("{name: app, namespace: web}", accepted, 1))
    assert diff("old", "new").stdout == "0 changed fates · 0 findings introduced, 0 fixed, 0 unchanged\n"
    assert "introduced warning backend-missing" in diff("new", "old").stdout


def test_the_same_fault_of_the_same_field_in_other_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("old/app.yaml", UNSERVED)
    write("new/app.yaml", UNSERVED.replace("name: gone", "name: lost"))
    told = json.loads(diff("old", "new", "-o", "json").stdout)
    assert (told["introduced"], told["fixed"]) == ([], [])
    assert [item["message"] for item in told["unchanged"]] == ["Service web/lost is not among what was read"]
    assert len(told["changes"]) == 1


# --- revisions ----------------------------------------------------------------------------------


@needs_git
@pytest.mark.usefixtures("repository")
def test_two_revisions() -> None:
    result = diff("good", "bad")
    assert result.exit_code == 1
    assert "introduced warning backend-missing  deploy/app.yaml:13" in result.stdout
    assert diff("good", "good").stdout == "0 changed fates · 0 findings introduced, 0 fixed, 0 unchanged\n"
    subprocess.run(["git", "diff", "--quiet", "HEAD"], check=True, timeout=60)


@needs_git
@pytest.mark.usefixtures("repository")
def test_a_revision_against_the_working_tree() -> None:
    write("deploy/app.yaml", SERVED)
    told = json.loads(diff("HEAD", ".", "-o", "json").stdout)
    assert [item["id"] for item in told["fixed"]] == ["backend-missing"]
    assert told["fixed"][0]["origins"] == [{"file": "deploy/app.yaml", "line": 13}]
    assert told["changes"] == [
        {
            "host": "app.example.com",
            "vantage": None,
            "family": 4,
            "before": "fails at backend: 503 Service web/gone is not among what was read via infra/edge",
            "after": "delivered to web/app:80 via infra/edge",
        }
    ]


@needs_git
def test_from_within_a_folder_of_the_repository(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository / "deploy")
    assert "backend-missing  app.yaml:13" in diff("good", "bad").stdout
    assert "backend-missing  app.yaml:13" in diff("good", "bad", "--path", "app.yaml").stdout
    assert diff("good", ".").exit_code == 1
    assert diff("good", "bad", "--path", "../deploy").exit_code == 1


@needs_git
@pytest.mark.usefixtures("repository")
def test_a_path_that_came_is_new_and_one_that_is_nowhere_an_error() -> None:
    write("more/app.yaml", UNSERVED)
    git("add", ".")
    git("commit", "-q", "-m", "more")
    told = json.loads(diff("bad", "HEAD", "--path", "more", "-o", "json").stdout)
    assert [item["before"] for item in told["changes"]] == [None]
    assert refused("good", "bad", "--path", "nowhere") == "neither good nor bad has nowhere"


@needs_git
@pytest.mark.usefixtures("repository")
def test_what_an_archive_would_leave_out_is_compared() -> None:
    write(".gitattributes", "deploy export-ignore\n")
    git("add", ".")
    git("commit", "-q", "-m", "attributes")
    assert diff("good", "HEAD").exit_code == 1


# --- what cannot be compared --------------------------------------------------------------------


@needs_git
@pytest.mark.usefixtures("repository")
def test_no_such_revision() -> None:
    assert refused("good", "nope") == "nope is neither a path nor a revision that git knows here"
    assert refused("good", "--", "-x") == "-x is neither a path nor a revision that git knows here"


@needs_git
def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert "this folder is in no git repository" in refused("main", "HEAD")


def test_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git is not installed" in refused("main", "HEAD")
