"""What a shell completes: the things that the paths typed so far describe, not those of the folder one is in."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from gatewright.cli import cli
from support import needs

EXAMPLE = str(needs.REPOSITORY / "examples" / "dual-stack-edge")


def completed(incomplete: str, *words: str) -> list[str]:
    shell = ShellComplete(cli, {}, "gatewright", "_GATEWRIGHT_COMPLETE")
    return [item.value for item in shell.get_completions(list(words), incomplete)]


@pytest.mark.parametrize(
    ("words", "incomplete", "expected"),
    [
        (("rehearse", EXAMPLE, "--only"), "grafana", ["grafana-at-home", "grafana-away"]),
        (("rehearse", EXAMPLE, "--break"), "gateway:t", ["gateway:traefik-external/traefik"]),
        (("check", EXAMPLE, "--break"), "resolver:h", ["resolver:home-dns"]),
        (("trace", "https://grafana.example.com/", EXAMPLE, "--from"), "phone-at", ["phone-at-home"]),
        (("rehearse", EXAMPLE, "-o"), "j", ["json", "junit"]),
    ],
)
def test_values_of_options(
    words: tuple[str, ...], incomplete: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert completed(incomplete, *words) == expected


def test_without_paths_this_folder_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLE)
    assert completed("home-names-aw", "rehearse", "--only") == ["home-names-away"]
