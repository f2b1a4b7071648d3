"""`gatewright check`: what goes where, what is chosen, how it exits; and what its formats promise to programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from gatewright.base.errors import UsageError
from gatewright.cli import cli
from gatewright.cli.check import command
from support.jsonschema import faults
from support.manifests import SERVED, UNSERVED, VANTAGES

SCHEMA: dict[str, Any] = json.loads((resources.files("gatewright") / "schemas" / "check.json").read_text("utf-8"))


def check(*words: str) -> Result:
    return CliRunner().invoke(command, words)


def refused(*words: str) -> str:
    result = check(*words)
    assert isinstance(result.exception, UsageError), result.output
    assert result.stdout == ""
    return str(result.exception)


def program(*words: str, encoding: str = "utf-8", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from gatewright.cli import main; main()", *words],
        capture_output=True, text=True, check=False, timeout=60, encoding=encoding,
        env={**os.environ, **environment},
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    Path("served.yaml").write_text(SERVED, encoding="utf-8")
    Path("unserved.yaml").write_text(UNSERVED, encoding="utf-8")
    Path("from.yaml").write_text(SERVED + VANTAGES, encoding="utf-8")


# --- exit codes ---------------------------------------------------------------------------------


def test_clean_is_0_and_findings_are_1() -> None:
    assert check("served.yaml").exit_code == 0
    assert check("unserved.yaml").exit_code == 1


@pytest.mark.parametrize(("level", "code"), [("info", 1), ("warning", 1), ("error", 0), ("never", 0)])
def test_fail_on_says_what_counts(level: str, code: int) -> None:
    found = json.loads(check("unserved.yaml", "-o", "json").stdout)["findings"]
    assert {item["severity"] for item in found} == {"warning"}
    assert check("unserved.yaml", "--fail-on", level).exit_code == code


def test_input_that_is_not_there_is_an_input_error() -> None:
    assert "missing: there is no such file" in refused("missing")
    Path("empty").mkdir()
    assert "no manifest that can be read in empty" in refused("empty")
    assert "no rule no-such-rule" in refused("served.yaml", "--only", "no-such-rule")
    assert "no vantage laptop (the site map has none)" in refused("served.yaml", "--from", "laptop")
    assert "no vantage laptp (known: laptop, phone)" in refused("from.yaml", "--from", "laptp")
    assert "did you mean app.example.com?" in refused("served.yaml", "--host", "app.exmple.com")
    assert "--watch follows files" in refused("served.yaml", "--watch", "-o", "json")
    assert "--watch follows files" in refused("-", "--watch")


def test_when_nothing_can_be_read_the_report_says_why_and_it_is_an_input_error() -> None:
    Path("broken.yaml").write_text("a: [\n", encoding="utf-8")
    result = check("broken.yaml")
    assert "yaml-syntax" in result.stdout
    assert isinstance(result.exception, UsageError)
    assert check("broken.yaml", "served.yaml").exit_code == 1  # a finding, when there is something else


@pytest.mark.parametrize(("words", "code"), [(("served.yaml",), 0), (("unserved.yaml",), 1), (("missing",), 2)])
def test_the_program_exits_so_and_says_errors_on_stderr(words: tuple[str, ...], code: int) -> None:
    done = program("check", *words)
    assert done.returncode == code
    assert bool(done.stderr) == (code == 2)
    assert bool(done.stdout) == (code != 2)


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-c", "from gatewright.cli import main; main()", "check", "served.yaml"],
            stdout=closed, stderr=subprocess.PIPE, check=False, timeout=60,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_terminal_without_unicode_gets_question_marks() -> None:
    done = program("check", "served.yaml", encoding="latin-1", PYTHONIOENCODING="latin-1")
    assert done.returncode == 0
    assert "app.example.com  ?  delivered to web/app:80" in done.stdout


# --- choosing -----------------------------------------------------------------------------------


def test_a_rule_stands_for_the_problems_that_it_lifts() -> None:
    (only,) = json.loads(check("unserved.yaml", "-o", "json", "--only", "backend-unusable").stdout)["findings"]
    assert only["id"] == "backend-missing"
    assert check("unserved.yaml", "--skip", "backend-unusable").exit_code == 0
    assert check("unserved.yaml", "--skip", "backend-missing").exit_code == 0


def test_the_matrix_by_vantage_and_host() -> None:
    def cells(*words: str) -> list[tuple[str, str, int]]:
        told = json.loads(check("from.yaml", "-o", "json", *words).stdout)["matrix"]
        return [(cell["host"], cell["vantage"], cell["family"]) for cell in told]

    assert cells() == [("app.example.com", "laptop", 4), ("app.example.com", "phone", 4)]
    assert cells("--from", "phone", "--host", "*.example.com") == [("app.example.com", "phone", 4)]
    assert cells("--no-matrix") == []


def test_a_shell_completes_rules_and_vantages() -> None:
    complete = ShellComplete(cli, {}, "gatewright", "_GATEWRIGHT_COMPLETE").get_completions
    assert "cidr-overlap" in [item.value for item in complete(["check", "--only"], "")]
    assert [item.value for item in complete(["check", "--skip"], "cidr")] == ["cidr-overlap"]
    assert [item.value for item in complete(["check", "from.yaml", "--from"], "")] == ["laptop", "phone"]
    assert "cidr-overlap" in [item.value for item in complete(["explain"], "")]


# --- in print -----------------------------------------------------------------------------------


def test_in_print() -> None:
    assert check("served.yaml").stdout.splitlines() == [
        "at the gateways:",
        "app.example.com  ✓  delivered to web/app:80 via infra/edge",
        "",
        "no findings · 1 hostname · 3 documents read",
    ]
    told = check("unserved.yaml").stdout
    assert "backend-missing  unserved.yaml:13\n  Service web/gone is not among what was read\n  → " in told
    said = "fails at backend: 503 Service web/gone is not among what was read via infra/edge"
    assert f"app.example.com  ✗  {said}" in told


def test_what_asks_for_credentials_does_not_fail() -> None:
    locked = SERVED.replace(
        "name: app, n",
        "annotations: {nginx.ingress.kubernetes.io/auth-type: basic, "
        "nginx.ingress.kubernetes.io/auth-secret: users}, name: app, n",
    ).replace("implementation: traefik", "implementation: ingress-nginx")
    users = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: users, namespace: web}\n"
    users += "stringData: {auth: 'joe:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M='}\n"
    Path("locked.yaml").write_text(locked + users, encoding="utf-8")
    result = check("locked.yaml")
    assert result.exit_code == 0
    assert "app.example.com  !  asks for credentials: 401 authentication required via " in result.stdout
    assert "\n! asks for credentials, which nobody sends here\n" in result.stdout
    (cell,) = json.loads(check("locked.yaml", "-o", "json").stdout)["matrix"]
    assert (cell["kind"], cell["asksForCredentials"], cell["branches"][0]["status"]) == ("refused", True, 401)
    (cell,) = json.loads(check("unserved.yaml", "-o", "json").stdout)["matrix"]
    assert (cell["kind"], cell["asksForCredentials"]) == ("refused", False)


def test_what_fails_is_told_with_the_columns_where_it_does() -> None:
    told = check("from.yaml").stdout
    assert "a from laptop over IPv4\nb from phone over IPv4\n" in told
    assert "app.example.com  ? ?  unknown: public DNS" in told
    zone = "---\napiVersion: gatewright.dev/v1alpha1\nkind: Resolver\nmetadata: {name: own}\nspec:\n"
    zone += "  implementation: AdGuardHome\n  overrides: [{name: app.example.com, values: [192.168.1.9]}]\n"
    laptop = "network: home/lan, resolvers: [own], families"
    text = (SERVED + VANTAGES + zone).replace("network: home/lan, families", laptop)
    Path("zone.yaml").write_text(text, encoding="utf-8")
    told = check("zone.yaml").stdout
    assert "app.example.com  ? ?  a: unknown: nothing is known" in told
    assert "b: unknown: public DNS" in told
    wide = check("from.yaml", "-o", "wide").stdout
    assert "app.example.com  from phone over IPv4   ? unknown: " in wide


def test_findings_that_are_mended_alike_are_told_together() -> None:
    spoilt = SERVED.replace("classes:", "clases: [a], class: [b], classes:")
    Path("spoilt.yaml").write_text(spoilt, encoding="utf-8")
    told = check("spoilt.yaml", "--only", "unknown-field").stdout
    assert "unknown-field  2 times\n  spoilt.yaml:4\n    spec.clases: " in told
    assert told.count("→ ") == 1


def test_no_line_is_wider_than_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    for line in check("unserved.yaml").stdout.splitlines():
        assert len(line) <= 60 or " " not in line.strip(), line


def test_a_long_matrix_shows_what_fails() -> None:
    ingress = SERVED.split("---\n")[1]
    many = [SERVED, *(ingress.replace("app.", f"a{n}.").replace("name: app, n", f"name: a{n}, n") for n in range(50))]
    many.append(UNSERVED.split("---\n")[1].replace("app.", "bad.").replace("name: app, n", "name: bad, n"))
    Path("many.yaml").write_text("\n---\n".join(many), encoding="utf-8")
    told = check("many.yaml").stdout
    assert "bad.example.com  ✗" in told
    assert "a7.example.com" not in told
    assert "… and 51 hostnames without a failure" in told
    assert "a7.example.com" in check("many.yaml", "-o", "wide").stdout


# --- for programs -------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["served.yaml", "unserved.yaml", "from.yaml"])
def test_the_document_is_as_its_schema_says(file: str) -> None:
    told = json.loads(check(file, "-o", "json").stdout)
    assert list(faults(told, SCHEMA, SCHEMA)) == []
    assert yaml.safe_load(check(file, "-o", "yaml").stdout) == told


def test_the_schema_is_not_satisfied_by_anything() -> None:
    told = json.loads(check("unserved.yaml", "-o", "json").stdout)
    del told["findings"][0]["hosts"]
    told["matrix"][0]["family"] = "4"
    told["documents"]["more"] = 1
    assert len(list(faults(told, SCHEMA, SCHEMA))) == 3


def test_the_document() -> None:
    Path("secret.yaml").write_text("apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: x}\n", encoding="utf-8")
    told = json.loads(check("unserved.yaml", "secret.yaml", "-o", "json").stdout)
    (finding,) = (item for item in told["findings"] if item["id"] == "backend-missing")
    assert finding["origins"] == [{"file": "unserved.yaml", "line": 13}]
    (cell,) = told["matrix"]
    assert (cell["host"], cell["vantage"], cell["family"]) == ("app.example.com", None, 4)
    assert cell["outcome"] == "fails at backend: 503 Service web/gone is not among what was read via infra/edge"
    assert told["documents"]["unknown"] == 1
    assert told["documents"]["unknownKinds"] == {"example.com/v1 Thing": 1}


def test_accepted_findings_are_told_apart() -> None:
    accepted = '{name: app, namespace: web, annotations: {gatewright.dev/ignore: "backend-missing: it comes later"}}'
    Path("ignored.yaml").write_text(UNSERVED.replace("{name: app, namespace: web}", accepted, 1), encoding="utf-8")
    result = check("ignored.yaml", "-o", "json")
    told = json.loads(result.stdout)
    assert result.exit_code == 0
    assert [(item["id"], item["reason"], item["until"]) for item in told["suppressed"]] == [
        ("backend-missing", "it comes later", None)
    ]
    assert list(faults(told, SCHEMA, SCHEMA)) == []
    (result,) = json.loads(check("ignored.yaml", "-o", "sarif").stdout)["runs"][0]["results"]
    assert result["suppressions"] == [{"kind": "inSource", "justification": "it comes later"}]


def test_sarif_is_what_code_scanning_takes(tmp_path: Path) -> None:
    log = json.loads(check(str(tmp_path / "unserved.yaml"), "-o", "sarif").stdout)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert run["tool"]["driver"]["name"] == "gatewright"
    assert len(set(rules)) == len(rules)
    for rule in run["tool"]["driver"]["rules"]:
        assert rule["shortDescription"]["text"]
        assert rule["help"]["text"]
    assert run["results"]
    for result in run["results"]:
        assert result["ruleId"] in rules
        assert result["level"] in {"error", "warning", "note"}
        assert result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"] == {"uri": "unserved.yaml", "uriBaseId": "%SRCROOT%"}
        assert place["region"]["startLine"] >= 1
        assert set(result["partialFingerprints"]) == {"gatewright/v1"}
    assert set(run["originalUriBaseIds"]) == {"%SRCROOT%"}


def test_sarif_names_files_elsewhere_by_their_whole_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "else where").mkdir()
    monkeypatch.chdir(tmp_path / "else where")
    (first, *_) = json.loads(check(str(tmp_path / "unserved.yaml"), "-o", "sarif").stdout)["runs"][0]["results"]
    place = first["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": (tmp_path / "unserved.yaml").as_uri()}


def test_annotations_of_github_are_a_line_each() -> None:
    Path("100%,a:b.yaml").write_text(UNSERVED, encoding="utf-8")
    (line,) = check("100%,a:b.yaml", "-o", "github", "--only", "backend-missing").stdout.splitlines()
    assert line.startswith("::warning file=100%25%2Ca%3Ab.yaml,line=13,title=backend-missing::Service web/gone is ")
    assert "%0AFix: " in line
    assert check("served.yaml", "-o", "github").stdout == ""


def test_junit_has_a_case_per_rule() -> None:
    suite = ElementTree.fromstring(check("unserved.yaml", "-o", "junit").stdout).find("testsuite")
    assert suite is not None
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == ["backend-unusable"]
    assert suite.get("failures") == "1"
    assert suite.get("tests") == str(len(suite))
    names = [case.get("name") for case in suite]
    assert "cidr-overlap" in names
    assert len(set(names)) == len(names)
