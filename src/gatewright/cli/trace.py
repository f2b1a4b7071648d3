"""`gatewright trace`: what happens to one request, and why."""

from __future__ import annotations

import sys
from typing import Any

import click

from gatewright.base.errors import UsageError
from gatewright.base.origin import Locator
from gatewright.cli import output
from gatewright.graph.nodes import Gateway, Graph
from gatewright.pipeline import Model
from gatewright.trace.hops import VERSION, BackendName, Hop, Outcome, OutcomeKind, Trace
from gatewright.trace.request import Request, request
from gatewright.trace.walk import gateways_for, walk

EPILOG = """\b
Examples:
  gatewright trace https://grafana.example.com manifests/
  gatewright trace -X POST -H 'Content-Type: application/json' http://api.example.com/v1 .
  gatewright trace --gateway edge --sni other.example.com https://app.example.com .
  kubectl get all,ingress,httproute,gateway -A -o yaml | gatewright trace https://app.example.com -
\b
Exit codes: 0 delivered or answered on purpose (redirect), 1 refused or an error (404, 500, 503, failed
handshake), 2 usage or input, 3 our fault.  docs/trace.md describes the JSON document.
"""


@click.command("trace", epilog=EPILOG)
@click.option("-X", "--method", default="GET", show_default=True, help="HTTP method.")
@click.option("-H", "--header", "headers", multiple=True, metavar="'K: V'", help="Add a request header; repeatable.")
@click.option("--sni", metavar="NAME", help="TLS server name to send; '' for none.  [default: the URL's host]")
@click.option("--gateway", metavar="NAME", help="Ask this gateway only.  [default: those that serve the host]")
@click.option("--client", default="127.0.0.1", show_default=True, metavar="IP", help="The client's address.")
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
    decided it.
    """
    asked = request(url, method, headers, sni, client)
    model = Model()
    graph = model.read(paths).graph
    chosen = _gateways(graph, asked, gateway)
    traces = [walk(graph, item, asked) for item in chosen]
    if not quiet:
        output.problems(model.problems(), model.locator, every=problems)
    if form == "text":
        for number, trace in enumerate(traces):
            click.echo(("\n" if number else "") + _text(asked, trace, model.locator))
    else:
        click.echo(output.machine(document(asked, traces, model.locator), form))
    sys.exit(1 if any(trace.outcome.kind is OutcomeKind.REFUSED for trace in traces) else 0)


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

SIGNS = {OutcomeKind.DELIVERED: ("green", "delivered"), OutcomeKind.RESPONSE: ("cyan", "answered")}


def _text(asked: Request, trace: Trace, locator: Locator) -> str:
    lines = [click.style(f"{asked.method} {asked.url}", bold=True)]
    for hop in trace.hops:
        where = output.place(hop.origin, locator)
        lines.append(f"  {hop.kind.value:<12} {hop.summary}" + (click.style(f"  {where}", dim=True) if where else ""))
        lines += [click.style(f"  {'':<12}   {detail}", dim=True) for detail in hop.details]
    lines.append(_verdict(trace.outcome))
    return "\n".join(lines)


def _verdict(outcome: Outcome) -> str:
    colour, word = SIGNS.get(outcome.kind, ("red", "refused"))
    if outcome.kind is OutcomeKind.DELIVERED and outcome.backend is not None:
        told = f"to {outcome.backend.namespace}/{outcome.backend.name}:{outcome.backend.port} via {outcome.gateway}"
    elif outcome.location is not None:
        told = f"{outcome.status} → {outcome.location}"
    else:
        told = f"{outcome.status} {outcome.reason}" if outcome.status else outcome.reason
    return f"{click.style('→ ' + word, fg=colour, bold=True)} {told}"


# --- JSON ---------------------------------------------------------------------------------------


def document(asked: Request, traces: list[Trace], locator: Locator) -> dict[str, Any]:
    """The JSON document: the first gateway's trace, and `others` where more than one answers the request."""
    first, *others = traces
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
    return {"outcome": _outcome(trace.outcome), "hops": [_hop(hop, locator) for hop in trace.hops]}


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "kind": outcome.kind.value,
        "status": outcome.status or None,
        "reason": outcome.reason or None,
        "location": outcome.location,
        "gateway": outcome.gateway,
        "listener": outcome.listener,
        "virtualHost": outcome.virtual_host,
        "rule": outcome.rule,
        "backend": _backend(outcome.backend),
        "endpoints": list(outcome.endpoints),
        "shares": [
            {"backend": _backend(share.backend), "status": share.status or None, "percent": share.percent}
            for share in outcome.shares
        ],
        "sent": {"host": outcome.sent.host, "path": outcome.sent.path} if outcome.sent else None,
    }


def _backend(backend: BackendName | None) -> dict[str, Any] | None:
    return {"namespace": backend.namespace, "name": backend.name, "port": backend.port} if backend else None


def _hop(hop: Hop, locator: Locator) -> dict[str, Any]:
    place = locator.locate(hop.origin) if hop.origin else None
    return {
        "kind": hop.kind.value,
        "summary": hop.summary,
        "details": list(hop.details),
        "origin": {"file": place.file, "line": place.line} if place else None,
    }
