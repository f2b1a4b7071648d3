"""`gatewright run`: working gateways on this machine."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gatewright.base.errors import UsageError
from gatewright.cli import listening, output

if TYPE_CHECKING:
    from gatewright.engines.dns.content import Listen
    from gatewright.graph.nodes import Change

NAMES = 3

EPILOG = """\b
Examples:
  gatewright run manifests/ --echo                 try them out: nothing else is needed
  gatewright run . --gateway envoy-internal        one gateway only
  gatewright run . --bind site                     at the described addresses
  gatewright run . --ready-file ready.json         for scripts: where everything listens, as JSON
  gatewright run . --echo --dns 127.0.0.1:5300     answer their names, too: dig @127.0.0.1 -p 5300 app.example.com
  gatewright run . --dns 127.0.0.1:5301=home --dns 127.0.0.1:5302=public        one address for each view
  gatewright run . --bind site --dns 192.0.2.53    in earnest: our zones, and certificates of the described issuers
\b
Save a file and it is live within milliseconds.  What cannot be understood keeps its last good version.  SIGTERM or
Ctrl-C drains and ends (twice: ends at once), SIGHUP looks at everything again.  If this program is killed, Envoy
goes on; start it again and it takes over.
"""


@click.command("run", epilog=EPILOG)
@click.option("--gateway", "gateways", multiple=True, metavar="NAME", help="Run only this gateway; repeatable.")
@click.option(
    "--bind", type=click.Choice(["loopback", "site"]), default="loopback", show_default=True,
    help="Listen on loopback addresses (one per gateway), or on the described addresses of this machine.",
)  # fmt: skip
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Where to keep sockets, the private CA and logs.  [default: ~/.local/state/gatewright]")  # fmt: skip
@click.option("--echo", is_flag=True, help="Put an echo backend behind Services without endpoints.")
@click.option("--echo-all", is_flag=True, help="Put an echo backend behind every Service, endpoints or not.")
@click.option("--ready-file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write where everything listens, as JSON, once it is live.")  # fmt: skip
@click.option("--metrics", default="", metavar="ADDRESS:PORT", help="Serve Prometheus metrics there, at /metrics.")
@click.option("--dns", "dns", multiple=True, type=listening.Listening(), metavar="ADDRESS[:PORT][=VIEW]",
              help="Answer DNS there, for one view or by the client's address; repeatable.  On loopback the zones of "
              "all providers are served and lead here, otherwise those of provider Gatewright.")  # fmt: skip
@click.option("--dns-workers", type=click.IntRange(0), default=0, metavar="N",
              help="Processes that answer DNS; 0 for one per processor, two at most.  [default: 0]")  # fmt: skip
@click.option("--certificates", type=click.Choice(["private", "described"]), default=None,
              help="Where certificates come from that no Secret holds: the private CA (and CA or SelfSigned issuers), "
              "or every issuer that the manifests describe.  "
              "[default: described with --bind site or --acme-server]")  # fmt: skip
@click.option("--acme-server", "server", default="", metavar="URL",
              help="Order from this ACME directory, in place of those of the issuers.")  # fmt: skip
@click.option("--acme-ca", "trust_file", type=click.Path(dir_okay=False, exists=True, path_type=Path), metavar="FILE",
              help="Whom to trust for the ACME server itself: certificates in PEM.")  # fmt: skip
@click.option("--concurrency", type=click.IntRange(0), default=0, metavar="N",
              help="Envoy worker threads; 0 for one per processor.  [default: 0]")  # fmt: skip
@click.option("--drain", type=click.FloatRange(0), default=10.0, show_default=True, metavar="SECONDS",
              help="How long open connections may take to end on SIGTERM.")  # fmt: skip
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
def command(
    paths: tuple[str, ...],
    gateways: tuple[str, ...],
    bind: str,
    state: Path | None,
    echo: bool,
    echo_all: bool,
    ready_file: Path | None,
    metrics: str,
    dns: tuple[Listen, ...],
    dns_workers: int,
    certificates: str | None,
    server: str,
    trust_file: Path | None,
    concurrency: int,
    drain: float,
) -> None:
    """Run the gateways that PATH... describe, on Envoy, and follow every change of the files.

    PATH is a manifest, a folder (read recursively) or - for standard input.
    """
    try:
        import uvloop

        from gatewright.engines.envoy.process import EnvoyOptions
        from gatewright.runtime import folder, report, run
        from gatewright.runtime.options import CertificateOptions, NamesOptions, RunOptions
    except ModuleNotFoundError as error:
        raise output.not_installed(error) from error
    described = (certificates or ("described" if bind == "site" or server else "private")) == "described"
    if (server or trust_file) and not described:
        raise UsageError("--acme-server and --acme-ca say whom to ask for certificates: add --certificates described")
    if dns_workers and not dns:
        raise UsageError("--dns-workers says how many answer at --dns ADDRESS, which is not there")
    options = RunOptions(
        paths=paths,
        state=state or folder.default_folder(),
        gateways=gateways,
        bind=bind,
        echo="all" if echo_all else "missing" if echo else "",
        ready_file=ready_file,
        metrics=metrics,
        drain_seconds=drain,
        envoy=EnvoyOptions(concurrency=concurrency),
        names=NamesOptions(dns, dns_workers) if dns else None,
        certificates=CertificateOptions(
            described=described,
            server=listening.acme_server(server),
            trust_file=listening.acme_ca(trust_file),
        ),
    )

    line = output.StatusLine()

    def changed(change: Change, seconds: float) -> None:
        line.say(f"{click.style('live', fg='green')}: {_what(change)} in {seconds * 1000:.1f} ms")

    def problem(fault: report.Fault) -> None:
        line.say(output.fault_line(fault))

    def ready(live: report.Live) -> None:
        from gatewright.cli import names
        from gatewright.cli.status import show

        with suppress(OSError):  # nobody reads it
            show(live)
            names.show((), live.dns)
        line.say(click.style("ready", fg="green", bold=True) + ": following the files; Ctrl-C drains and ends")

    try:
        uvloop.run(run.Run(options, run.Listener(ready, changed, problem, line.progress))())
    finally:
        line.progress("")


def _what(change: Change) -> str:
    """What a change touched, in a few words."""
    names = sorted({key.hostname for key in change.virtual_hosts})
    if names:
        count = len(change.virtual_hosts)
        listed = ", ".join(names[:NAMES]) + (", …" if len(names) > NAMES else "")
        return f"{count:,} virtual host{'s' if count != 1 else ''} ({listed})"
    for nodes, what in ((change.gateways, "gateway"), (change.backends, "backend"), (change.certificates, "Secret")):
        if nodes:
            return f"{len(nodes):,} {what}{'s' if len(nodes) != 1 else ''}"
    return "nothing that requests would notice"
