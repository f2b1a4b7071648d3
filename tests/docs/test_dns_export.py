"""docs/dns-export.md has every option and every loss of every format, and no others."""

from __future__ import annotations

import re

import click
import pytest

from gatewright.cli.dns.export import command
from gatewright.engines.dns.export import FORMATS, records
from support.needs import REPOSITORY

PAGE = (REPOSITORY / "docs" / "dns-export.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^## ", PAGE, flags=re.M)}


def losses(section: str) -> dict[str, str]:
    return dict(re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", SECTIONS[section], re.M))


def test_losses_of_all_formats() -> None:
    assert losses("What cannot be said") == records.LOSSES


@pytest.mark.parametrize("name", FORMATS)
def test_losses_of_a_format(name: str) -> None:
    section = f"{name}: {FORMATS[name].title}"
    assert losses(section) == FORMATS[name].losses
    assert f"Makes {FORMATS[name].makes}." in SECTIONS[section]


def test_formats_in_order() -> None:
    assert [part.partition(":")[0] for part in SECTIONS if ": " in part.partition("\n")[0]] == list(FORMATS)


def test_options() -> None:
    options = {opt for param in command.params if isinstance(param, click.Option) for opt in param.opts}
    first = next(iter(SECTIONS.values()))
    assert set(re.findall(r"`(--?[a-z]+)`", "".join(re.findall(r"^\| (`-.+?) \|", first, re.M)))) == options
