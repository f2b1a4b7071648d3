"""docs/run.md, docs/dns.md and docs/dns-publish.md have every option, metric and field, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from gatewright.cli.dns import apply, plan
from gatewright.cli.run import command as run
from gatewright.cli.status import command as status
from gatewright.runtime.metrics import RunMetrics
from gatewright.runtime.names_metrics import CertificateMetrics, DnsMetrics
from gatewright.runtime.report import CertificateLine, DnsSecondary, DnsView, DnsZone, Live
from support.needs import REPOSITORY

SUFFIXES = {"counter": "_total"}


def page(name: str) -> str:
    return (REPOSITORY / "docs" / name).read_text(encoding="utf-8")


def rows(text: str) -> Iterator[str]:
    """The first cells of tables."""
    yield from re.findall(r"^\| (`.+?) \|", text, re.M)


def told(text: str) -> set[str]:
    """The options in first cells of tables."""
    return {option for row in rows(text) for option in re.findall(r"`(--?[a-z-]+)", row)}


def options(command: click.Command) -> set[str]:
    return {option for param in command.params if isinstance(param, click.Option) for option in param.opts}


def test_options_of_run() -> None:
    assert told(page("run.md")) == options(run)


def test_options_of_status_are_in_its_synopsis() -> None:
    synopsis = page("run.md").partition("# gatewright status\n")[2].partition("# ")[0]
    assert all(any(name in synopsis for name in param.opts) for param in status.params if param.opts)


def test_options_of_dns_are_told_alike() -> None:
    assert told(page("dns.md")) == {option for option in options(run) if option.startswith("--dns")}


@pytest.mark.parametrize(("name", "command"), [("plan", plan.command), ("apply", apply.command)])
def test_options_of_publishing(name: str, command: click.Command) -> None:
    table = page("dns-publish.md").partition(f"| option of `{name}` |")[2].partition("\n\n")[0]
    assert told(table) == options(command)


def test_metrics() -> None:
    registry = CollectorRegistry()
    RunMetrics(registry)
    CertificateMetrics(registry, lambda: ())
    DnsMetrics(registry, dict, lambda: ())
    names = {family.name + SUFFIXES.get(family.type, "") for family in registry.collect()}
    text = page("run.md") + page("dns.md")
    assert {name for row in rows(text) for name in re.findall(r"`(gatewright_\w+)`", row)} == names


@pytest.mark.parametrize("kind", [CertificateLine, DnsView, DnsZone, DnsSecondary, Live])
def test_fields_of_the_ready_file(kind: type[msgspec.Struct]) -> None:
    section = page("run.md").partition("## The ready file\n")[2]
    unsaid = {"pidStarted"}
    assert {field.encode_name for field in msgspec.structs.fields(kind)} - unsaid <= set(re.findall(r"`(\w+)", section))
