"""`gatewright dns export`: what is chosen, where it goes, and what is told beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gatewright.base.errors import UsageError
from gatewright.cli import cli
from gatewright.cli.dns.export import command, told
from gatewright.engines.dns.export import FORMATS
from gatewright.engines.dns.export.format import Loss

MAP = """\
apiVersion: gatewright.dev/v1alpha1
kind: Zone
metadata: {name: home}
spec:
  domain: example.com
  view: home
  provider: gatewright
  records:
    - {name: www, values: [10.0.0.1]}
    - {name: "*.apps", values: [10.0.0.2]}
    - {name: a.apps, values: [10.0.0.3]}
    - {name: b.apps, values: [10.0.0.3]}
---
apiVersion: gatewright.dev/v1alpha1
kind: Zone
metadata: {name: public}
spec:
  domain: example.com
  provider: gatewright
  records: [{name: www, values: [192.0.2.1]}]
---
apiVersion: gatewright.dev/v1alpha1
kind: Zone
metadata: {name: other}
spec:
  domain: example.org
  provider: gatewright
"""


@pytest.fixture
def site(tmp_path: Path) -> str:
    file = tmp_path / "map.yaml"
    file.write_text(MAP, encoding="utf-8")
    return str(file)


def run(*words: str) -> Result:
    return CliRunner().invoke(command, words, catch_exceptions=False)


def test_one_file_is_printed_as_it_is(site: str) -> None:
    result = run("--format", "dnsmasq", "--view", "home", site)
    assert result.exit_code == 0
    assert result.stdout.startswith("# Made by")
    assert "host-record=www.example.com,10.0.0.1,300\n" in result.stdout
    assert "==>" not in result.stdout


def test_several_files_are_set_apart(site: str) -> None:
    result = run("--format", "bind", "--serial", "42", site)
    heads = [line for line in result.stdout.splitlines() if line.startswith("==>")]
    assert heads == [
        "==> named.conf.gatewright <==", "==> zones/home/example.com.zone <==",
        "==> zones/public/example.com.zone <==", "==> zones/public/example.org.zone <==",
    ]  # fmt: skip
    assert " SOA localhost. hostmaster.example.com. 42 " in result.stdout


def test_a_kind_of_loss_is_one_line(site: str) -> None:
    result = run("--format", "adguard", "--view", "home", site)
    reach = [line for line in result.stderr.splitlines() if "below a wildcard" in line]
    assert reach == [
        "warning: a.apps.example.com exists below a wildcard, which answers here for what the name lacks, "
        "and for names below it (and 1 more)"
    ]


def test_losses_are_counted_once() -> None:
    lines = told(FORMATS["bind"], [Loss("updates", "v"), Loss("updates", "v"), Loss("updates", "w")])
    assert len(lines) == 1
    assert lines[0].startswith("v may be updated")
    assert lines[0].endswith("(and 1 more)")


def test_files_are_written_whole(site: str, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    before = folder / "zones" / "home" / "example.com.zone"
    before.parent.mkdir(parents=True)
    before.write_text("old")
    inode = before.stat().st_ino
    result = run("--format", "bind", "--output", str(folder), site)
    assert (result.exit_code, result.stdout) == (0, "")
    assert before.read_text().startswith("$ORIGIN example.com.")
    assert before.stat().st_ino != inode  # another file in its place, not the old one cut and filled
    assert sorted(path.name for path in before.parent.iterdir()) == ["example.com.zone"]
    assert before.stat().st_mode & 0o777 == 0o644


def test_a_folder_that_cannot_be_written_is_said(site: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        run("--format", "bind", "--output", str(tmp_path / "file" / "below"), site)


def test_the_document_for_programs(site: str) -> None:
    result = run("--format", "unbound", "--zone", "example.com", "-o", "json", site)
    document = json.loads(result.stdout)
    assert (document["version"], document["format"]) == (1, "unbound")
    assert [file["path"] for file in document["files"]] == ["unbound.conf", "rpz/home.rpz"]
    assert {"kind": "everybody", "subject": "public"} in document["losses"]
    assert not any("example.org" in file["content"] for file in document["files"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "bind", "--view", "hom"], "there is no view hom, did you mean home"),
        (["--format", "bind", "--zone", "example.net"], "there is no zone example.net, did you mean example"),
        (["--format", "bind", "--view", "home", "--zone", "example.org"], "no zone is in the views"),
        (["--format", "cloudflared"], "--format cloudflared needs --service"),
        (["--format", "bind", "--tunnel", "x"], "--tunnel goes with --format cloudflared"),
        (["--format", "nsupdate", "--server", "10.0.0.1\nzone x"], "has characters that cannot be meant"),
    ],
)
def test_what_cannot_be_exported(site: str, words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(*words, site)


def test_no_zone_at_all(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    with pytest.raises(UsageError, match="there is no Zone to export"):
        run("--format", "bind", str(tmp_path))


def test_a_checker_that_is_not_installed_is_said(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_args, **_more: None)
    result = run("--format", "unbound", "--check", site)
    assert result.exit_code == 0
    assert "not checked by unbound-checkconf: it is not installed" in result.stderr
    assert (
        "no checker of cloudflared" in run("--format", "cloudflared", "--service", "http://x", "--check", site).stderr
    )


def test_a_refusal_of_the_checker_is_the_answer_no(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "unbound-checkconf"
    program.write_text("#!/bin/sh\necho no good\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda *_args, **_more: str(program))
    result = run("--format", "unbound", "--check", site)
    assert result.exit_code == 1
    assert "unbound-checkconf refuses unbound.conf: no good" in result.stderr
    assert "==> unbound.conf <==" in result.stdout


def test_what_the_checker_refuses_replaces_nothing(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "unbound-checkconf"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda *_args, **_more: str(program))
    result = run("--format", "unbound", "--check", "--output", str(tmp_path / "out"), site)
    assert result.exit_code == 1
    assert "nothing is written" in result.stderr
    assert not (tmp_path / "out").exists()


def test_formats_and_views_are_completed(site: str) -> None:
    view = next(param for param in command.params if param.name == "views")
    context = command.make_context("export", ["--format", "bind", site], resilient_parsing=True)
    assert [item.value for item in view.shell_complete(context, "h")] == ["home"]
    target = next(param for param in command.params if param.name == "target")
    assert [item.value for item in target.shell_complete(context, "d")] == ["dnsmasq"]


def test_the_group_lists_it() -> None:
    assert "export" in CliRunner().invoke(cli, ["dns", "--help"], catch_exceptions=False).stdout
