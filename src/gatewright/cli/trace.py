"""`gatewright trace`: what happens to one request, and why."""

from __future__ import annotations

import sys
from typing import Any

import click

from gatewright.base.errors import UsageError
from gatewright.base.origin import Locator
from gatewright.cli import breaking, complete, hops, journeys, output
from gatewright.graph.nodes import Gateway, Graph
from gatewright.pipeline import Model
from gatewright.trace.hops import VERSION, Outcome, OutcomeKind, Trace
from gatewright.trace.journey import Journey
from gatewright.trace.request import Request, request
from gatewright.trace.walk import gateways_for, walk

LOOPBACK = "127.0.0.1"

EPILOG = """\b
Examples:
  gatewright trace https://grafana.example.com manifests/
  gatewright trace -X POST -H 'Content-Type: application/json' http://api.example.com/v1 .
  gatewright trace --gateway edge --sni other.example.com https://app.example.com .
  gatewright trace --from phone-on-the-internet https://grafana.example.com .
  gatewright trace --from phone --break link:wg-home https://grafana.example.com .
  gatewright trace --from all --family 6 https://grafana.example.com manifests/ site.yaml
  kubectl get all,ingress,httproute,gateway -A -o yaml | gatewright trace https://app.example.com -
\b
Exit codes: 0 delivered or answered on purpose (redirect), 1 refused or an error (404, 500, 503, failed
handshake; with --from on any branch), 2 usage or input, 3 our fault.  docs/trace.md describes the JSON document.
"""


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The vantages, and the word for all of them."""
    return [
        *complete.vantages(ctx, param, incomplete),
        *(word for word in (journeys.ALL,) if word.startswith(incomplete)),
    ]


@click.command("trace", epilog=EPILOG)
@click.option(
    "--from",
    "starts",
    multiple=True,
    metavar="VANTAGE",
    shell_complete=_complete,
    help="Start at this Vantage of the site map, over DNS, links and firewalls; repeatable; 'all' for every one.",
)
@click.option(
    "--family", type=click.Choice(["4", "6", "both"]),
    help="With --from: IPv4, IPv6 or both.  [default: what the vantage has]",
)  # fmt: skip
@breaking.option(f"With --from: suppose that this is broken: {breaking.SUPPOSED}; repeatable, all at once.")
@click.option("-X", "--method", default="GET", show_default=True, help="HTTP method.")
@click.option("-H", "--header", "headers", multiple=True, metavar="'K: V'", help="Add a request header; repeatable.")
@click.option("--sni", metavar="NAME", help="TLS server name to send; '' for none.  [default: the URL's host]")
@click.option("--gateway", metavar="NAME", help="Ask this gateway only.  [default: those that serve the host]")
@click.option("--client", default=LOOPBACK, show_default=True, metavar="IP", help="The client's address.")
@click.option(
    "-o", "--output", "form", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True,
    help="How to print the trace.",
)  # fmt: skip
@click.option("--problems", is_flag=True, help="Print every Problem of the manifests on stderr, not only errors.")
@click.option("-q", "--quiet", is_flag=True, help="Print no Problems.")
@click.argument("url")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
def command(
    url: str,
    paths: tuple[str, ...],
    starts: tuple[str, ...],
    family: str | None,
    faults: tuple[str, ...],
    method: str,
    headers: tuple[str, ...],
    sni: str | None,
    gateway: str | None,
    client: str,
    form: str,
    problems: bool,
    quiet: bool,
) -> None:
    """Walk a request through the gateways that PATH... describe.

    URL is what the client asks for; its scheme may be http, https, ws, wss, grpc, grpcs, tcp, tls or udp.  PATH is a
    manifest, a folder (read recursively) or - for standard input.  Each hop is printed with the file and line that
    decided it.  With --from the whole path is walked: every answer of every resolver, each link, firewall and edge.
    With --break the model supposes that things are down; gatewright rehearse shows the same for real.
    """
    if family and not starts:
        raise UsageError("--family goes with --from: without it nobody asks for an address")
    if faults and not starts:
        raise UsageError("--break goes with --from: without it the request stands before the gateways already")
    if starts and (gateway or client != LOOPBACK):
        raise UsageError("--gateway and --client go without --from: the vantage decides both")
    asked = request(url, method, headers, sni, client)
    model = Model()
    graph = model.read(paths).graph
    if starts:
        breaking.suppose(model, faults)
        found = journeys.find(model.analysis, starts, family, asked)
        _report(model, problems=problems, quiet=quiet)
        _print_journeys(asked, found, faults, model.locator, form)
        sys.exit(1 if journeys.failed(found, family) else 0)
    chosen = _gateways(graph, asked, gateway)
    traces = [walk(graph, item, asked) for item in chosen]
    _report(model, problems=problems, quiet=quiet)
    if form == "text":
        for number, trace in enumerate(traces):
            click.echo(("\n" if number else "") + _text(asked, trace, model.locator))
    else:
        click.echo(output.machine(document(asked, traces, model.locator), form))
    sys.exit(1 if any(trace.outcome.kind is OutcomeKind.REFUSED for trace in traces) else 0)


def _report(model: Model, *, problems: bool, quiet: bool) -> None:
    if not quiet:
        output.problems(model.problems(), model.locator, every=problems)


def _print_journeys(asked: Request, found: list[Journey], faults: tuple[str, ...], locator: Locator, form: str) -> None:
    if form == "text":
        texts = (journeys.text(asked, item, locator) for item in found)
        click.echo("\n\n".join(filter(None, (breaking.line(faults), *texts))))
        return
    branches = [branch for item in found for branch in item.branches]
    worst = next((b for b in branches if b.outcome.kind not in journeys.FINE), branches[0] if branches else None)
    traces = [Trace(worst.outcome, list(worst.hops))] if worst is not None else []
    told = [journeys.document(item, locator) for item in found]
    click.echo(output.machine({**document(asked, traces, locator), "broken": list(faults), "journeys": told}, form))


def _gateways(graph: Graph, asked: Request, name: str | None) -> list[Gateway]:
    """The gateways to ask.  UsageError when there is none."""
    known = sorted(graph.gateways)
    if not known:
        raise UsageError("no gateways: the manifests hold neither a Gateway nor routes of a known controller")
    if name is not None:
        found = [graph.gateways[i] for i in known if name in (i, graph.gateways[i].key.name)]
        if not found:
            raise UsageError(f"there is no gateway {name} (known: {', '.join(known)})")
        return found
    listening = gateways_for(graph, asked)
    return listening or [graph.gateways[gateway_id] for gateway_id in known]


# --- text ---------------------------------------------------------------------------------------


def _text(asked: Request, trace: Trace, locator: Locator) -> str:
    lines = [click.style(f"{asked.method} {asked.url}", bold=True)]
    for hop in trace.hops:
        lines += hops.lines(hop, locator)
    lines.append(f"→ {hops.verdict(trace.outcome)}")
    return "\n".join(lines)


# --- JSON ---------------------------------------------------------------------------------------


def document(asked: Request, traces: list[Trace], locator: Locator) -> dict[str, Any]:
    """The JSON document: the first gateway's trace, and `others` where more than one answers the request."""
    first, *others = traces or [Trace(Outcome(OutcomeKind.ABSENT))]
    return {
        "version": VERSION,
        "request": {
            "url": asked.url,
            "method": asked.method,
            "host": asked.host,
            "port": asked.port,
            "path": asked.target,
            "headers": {name: asked.header(name) for name, _ in asked.headers},
            "sni": asked.sni or None,
            "client": asked.client,
        },
        **_trace(first, locator),
        "others": [_trace(trace, locator) for trace in others],
    }


def _trace(trace: Trace, locator: Locator) -> dict[str, Any]:
    return {
        "outcome": hops.outcome_document(trace.outcome),
        "hops": [hops.hop_document(hop, locator) for hop in trace.hops],
    }
