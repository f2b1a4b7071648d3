"""`gatewright status`: its words and its exit codes, from what a run has written."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from gatewright.base.errors import UsageError
from gatewright.cli.status import _ago, command
from gatewright.engines.envoy.bindings import Socket
from gatewright.runtime.report import (
    CertificateLine,
    Described,
    DnsSecondary,
    DnsView,
    DnsZone,
    Envoy,
    Fault,
    Listening,
    Live,
    Refused,
)
from gatewright.system.processes import start_time_of

LISTENER = Listening(
    "infra/edge", "http", "HTTP", Described((), 80), (Socket("127.20.0.1", 8080),), ("a.test",), "", ""
)


def live(**more: object) -> Live:
    """A run that is this very process, and well."""
    defaults: dict[str, object] = {
        "pid_started": start_time_of(os.getpid()),
        "envoy": Envoy(4321, True),
        "started": datetime.now(UTC) - timedelta(minutes=90),
        "virtual_hosts": 1_234,
    }
    return Live(1, os.getpid(), "ca.crt", (LISTENER,), **{**defaults, **more})  # type: ignore[arg-type]


def status(folder: Path, written: Live | None, *arguments: str) -> Result:
    if written is not None:
        (folder / "run.json").write_bytes(msgspec.json.encode(written))
    return CliRunner().invoke(command, ["--state", str(folder), *arguments])


def test_all_is_well(tmp_path: Path) -> None:
    found = status(tmp_path, live())
    assert found.exit_code == 0
    assert "infra/edge  http (HTTP)  :80        127.20.0.1:8080  a.test" in found.output
    assert "1,234 virtual hosts, 0 backends" in found.output
    assert "live for 1 h 30 min, 0 changes" in found.output
    assert "Envoy is connected (pid 4321)" in found.output
    assert "no problems" in found.output


@pytest.mark.parametrize(
    ("what", "code", "words"),
    [
        ({"problems": (Fault("x", "error", "wrong", "a.yaml", 3, "mend it"),)}, 1, "a.yaml:3: error: wrong (mend it)"),
        ({"problems": (Fault("x", "warning", "odd", "a.yaml", 3, ""),)}, 0, "1 warning\n"),
        ({"held_back": (Refused("a.test:80", "no", "a.yaml", 9, True),)}, 1, "a.yaml:9: error: Envoy refuses a.test"),
        ({"envoy": Envoy(4321, False)}, 1, "Envoy is not connected"),
    ],
)
def test_what_is_wrong_is_said_and_is_no_success(
    tmp_path: Path, what: dict[str, object], code: int, words: str
) -> None:
    found = status(tmp_path, live(**what))
    assert found.exit_code == code
    assert words in found.output


ENDS = datetime(2031, 2, 3, 4, 5, tzinfo=UTC)
CERTIFICATES = (
    CertificateLine("apps/a", ("a.test", "b.test", "c.test"), "ClusterIssuer le", "ready", ENDS),
    CertificateLine("apps/b", ("d.test",), "ClusterIssuer le", "failed", None, ENDS, 4, "the CA is down"),
)
SECONDARIES = (DnsSecondary("192.0.2.1", 53, 7), DnsSecondary("192.0.2.2", 53, 6), DnsSecondary("192.0.2.3", 53))
DNS = (
    DnsView("", (Socket("127.0.0.1", 5353),)),
    DnsView("home", (), (DnsZone("a.test", 7, 1_234, SECONDARIES), DnsZone("b.test", 8, 1))),
)


def test_names_and_certificates_have_tables(tmp_path: Path) -> None:
    lines = status(tmp_path, live(certificates=CERTIFICATES, dns=DNS)).output.splitlines()
    columns = [[cell.strip() for cell in line.split("  ") if cell] for line in lines]
    assert ["apps/a", "ready", "a.test, b.test and 1 more", "ClusterIssuer le", "2031-02-03", "-"] in columns
    assert ["apps/b", "failed", "d.test", "ClusterIssuer le", "-", "2031-02-03 04:05"] in columns
    assert "apps/b: the CA is down (4 in a row)" in lines
    told = "192.0.2.1:53, 192.0.2.2:53 has 6, 192.0.2.3:53 not yet"
    assert ["home", "a.test", "7", "1,234", "127.0.0.1:5353 by client", told] in columns
    plain = status(tmp_path, live()).output
    assert "CERTIFICATE" not in plain
    assert "VIEW" not in plain


@pytest.mark.parametrize(
    ("views", "rows"),
    [
        ((DnsView("", (Socket("127.0.0.1", 5353),)),), ["- - - - 127.0.0.1:5353 by client"]),
        (
            (
                DnsView("", (Socket("127.0.0.1", 5353),)),
                DnsView("home", (Socket("127.0.0.1", 5354),), (DnsZone("a.test", 7, 3),)),
                DnsView("public", (), (DnsZone("a.test", 8, 1),)),
            ),
            ["home a.test 7 3 127.0.0.1:5354, 127.0.0.1:5353 by client", "public a.test 8 1 127.0.0.1:5353 by client"],
        ),
        ((DnsView("home", (), (DnsZone("a.test", 7, 3),)),), ["home a.test 7 3 -"]),
    ],
)
def test_where_a_view_is_answered(tmp_path: Path, views: tuple[DnsView, ...], rows: list[str]) -> None:
    lines = [" ".join(line.split()) for line in status(tmp_path, live(dns=views)).output.splitlines()]
    assert lines[lines.index("VIEW ZONE SERIAL NAMES ANSWERED AT") + 1 :] == rows


def test_of_many_certificates_those_in_need_are_shown(tmp_path: Path) -> None:
    many = tuple(
        CertificateLine(f"c{n}", ("a.test",), "Issuer x", "ready", ENDS + timedelta(days=n)) for n in range(30)
    )
    output = status(tmp_path, live(certificates=(*many, *CERTIFICATES))).output
    assert "and 11 more that are ready" in output
    assert "apps/b" in output
    assert "c29" not in output


def test_the_json_is_what_was_written(tmp_path: Path) -> None:
    written = live(certificates=CERTIFICATES, dns=DNS)
    found = status(tmp_path, written, "-o", "json")
    assert msgspec.json.decode(found.output, type=Live) == written


@pytest.mark.parametrize("written", [None, live(pid_started=1)], ids=["nothing", "another process of that number"])
def test_nothing_runs(tmp_path: Path, written: Live | None) -> None:
    found = status(tmp_path, written)
    assert isinstance(found.exception, UsageError)
    assert "no gatewright run uses" in str(found.exception)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (7_260, "2 h 1 min"),
        (90_000, "1 d 1 h"),
        (-5, "0 s"),
    ],
)
def test_ages(seconds: int, text: str) -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    assert _ago(now - timedelta(seconds=seconds), now) == text
