"""`gatewright init`: a first site map from what the manifests reveal."""

from __future__ import annotations

import posixpath
from pathlib import Path

import click

from gatewright.base.errors import UsageError
from gatewright.base.problem import Severity
from gatewright.cli import output
from gatewright.cli.firstmap import Writer, look
from gatewright.pipeline import Model

EPILOG = """\b
Examples:
  gatewright init manifests/
  gatewright init -o manifests/site-map.yaml manifests/
\b
docs/site-map.md explains every field.
"""


@click.command("init", epilog=EPILOG)
@click.option("-o", "--output", "target", metavar="FILE", help="Write it there.  [default: standard output]")
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
def command(target: str | None, force: bool, paths: tuple[str, ...]) -> None:
    """Write a commented first site map for the manifests in PATH...

    It guesses networks from load balancer pools and nodes, zones from hostnames, links and resolvers from the
    configuration files of WireGuard, Nebula, cloudflared, AdGuard Home, dnsmasq and CoreDNS.  Its comments say what was
    found where, and what to fill in.
    """
    if target is None:
        click.echo(_written(paths, _folder(paths)), nl=False)
        return
    file = Path(target)
    if not file.exists():
        text = _written(paths, posixpath.dirname(target))
    elif force:
        text = _rewritten(paths, file, posixpath.dirname(target))
    else:
        raise UsageError(f"{target} exists (--force overwrites it)")
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}") from error


def _folder(paths: tuple[str, ...]) -> str:
    """Where a map on standard output is thought to lie: in the first folder."""
    return next((path for path in paths if Path(path).is_dir()), "")


def _written(paths: tuple[str, ...], folder: str) -> str:
    model = Model()
    graph = model.read(paths).graph
    errors = tuple(problem for problem in model.problems() if problem.severity is Severity.ERROR)
    output.problems(errors, model.locator, every=True)
    hostnames = sorted({key.hostname for key in graph.virtual_hosts})
    return Writer(model.analysis.answer(look, tuple(hostnames)), model.locator, folder).text()


def _rewritten(paths: tuple[str, ...], file: Path, folder: str) -> str:
    """As `_written`, as if the file were not there: what it says must not count as said already."""
    before = file.read_bytes()
    file.write_bytes(b"")
    try:
        return _written(paths, folder)
    finally:
        file.write_bytes(before)
