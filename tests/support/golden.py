"""Feature cases: manifests in, plain text out.  `produce` makes the text, `scripts/golden` writes it on purpose.

A case is a folder with `input.yaml`, or `steps/01-*.yaml` ... that replace it one after the other, and `requests.txt`.
Expected are `expect/hosts.txt`, `problems.txt` and `trace.txt` (below `expect/01/` ... with steps).  A case of the
topic `journeys` has `journeys.txt` instead, with lines `VANTAGE FAMILY URL`, and expects `expect/journeys.txt`; its
`files/` stand beside the input.  The text is made here, by no code of the product, so that a case can be read and
judged by itself.
"""

from __future__ import annotations

import base64
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from msgspec import structs

from gatewright.base.origin import Locator, Origin
from gatewright.graph.nodes import (
    AskAuth,
    BasicAuthUsers,
    Entry,
    ErrorPage,
    Forward,
    Graph,
    RedirectTo,
    Respond,
    Rule,
    Step,
    TokenCheck,
    VirtualHost,
)
from gatewright.kinds.intents.filters import PathEdit
from gatewright.kinds.intents.routing import Match, ValueMatch
from gatewright.pipeline import Model, State
from gatewright.trace.hops import HopKind, Outcome, Trace
from gatewright.trace.journey import journey
from gatewright.trace.request import request
from gatewright.trace.steps import in_words
from gatewright.trace.walk import gateways_for, walk
from support.keys import NOW, pair

FEATURES = Path(__file__).resolve().parents[1] / "features"
_PAIR = re.compile(r"@(CERT|KEY):([^@]+)@")


def cases() -> list[Path]:
    """Every case, sorted."""
    return sorted(path.parent for name in ("requests", "journeys") for path in FEATURES.glob(f"*/*/{name}.txt"))


def produce(case: Path, folder: Path) -> dict[str, str]:
    """The texts of a case by their path below `expect`; `folder` is an empty one for its input."""
    if (case / "journeys.txt").exists():
        return {"journeys.txt": _text(_journeys(case, folder)).replace(f"{folder}/", "")}
    model = Model(lambda: NOW)
    file = folder / "input.yaml"
    asked = (case / "requests.txt").read_text(encoding="utf-8").splitlines()
    texts: dict[str, str] = {}
    steps = sorted((case / "steps").glob("*.yaml"))
    state: State | None = None
    for number, step in enumerate(steps or [case / "input.yaml"], 1):
        file.write_text(with_pairs(step.read_text(encoding="utf-8")), encoding="utf-8")
        state = model.read([str(folder)]) if state is None else model.refresh([str(file)]) or state
        prefix = f"{number:02}/" if steps else ""
        texts[f"{prefix}hosts.txt"] = _text(_hosts(state.graph))
        texts[f"{prefix}problems.txt"] = _text(_problems(model)).replace(f"{folder}/", "")
        texts[f"{prefix}trace.txt"] = _text(_traces(state.graph, asked, model.locator))
    return texts


def expected(case: Path) -> dict[str, str]:
    """The texts that were reviewed."""
    found = sorted((case / "expect").rglob("*.txt"))
    return {str(path.relative_to(case / "expect")): path.read_text(encoding="utf-8") for path in found}


def write(case: Path, texts: dict[str, str]) -> None:
    """Make these the expected texts."""
    for path in (case / "expect").rglob("*.txt"):
        path.unlink()
    for name, text in texts.items():
        target = case / "expect" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def with_pairs(text: str) -> str:
    """Put freshly made certificates and keys where the manifest says @CERT:names@ and @KEY:names@."""
    made = {names: pair(*names.split(","), now=NOW) for _, names in _PAIR.findall(text)}

    def replaced(found: re.Match[str]) -> str:
        one = made[found[2]]
        return base64.b64encode(one.cert_pem if found[1] == "CERT" else one.key_pem).decode()

    return _PAIR.sub(replaced, text)


def _text(lines: Iterator[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


# --- virtual hosts --------------------------------------------------------------------------------


def _hosts(graph: Graph) -> Iterator[str]:
    for key in sorted(graph.virtual_hosts):
        host = graph.virtual_hosts[key]
        yield f"{key.gateway} {key.port} {key.family} {key.hostname} (listener {host.listener}){_tls(host)}"
        for entry in host.entries:
            yield f"  {_match(entry.match)}"
            yield from (f"      {line}" for line in _rule(entry))


def _tls(host: VirtualHost) -> str:
    found = "".join(f" {key}" for key in host.certificates)
    if host.sni is not None:
        others = f" without {', '.join(host.sni.others)}" if host.sni.others else ""
        found += f" SNI {host.sni.own}{others}"
    return found


def _match(match: Match) -> str:
    parts = [f"host {_not(h.negate)}{h.kind} {h.value}" for h in match.hosts]
    parts += [f"{_not(p.negate)}{p.kind} {p.value}" for p in match.paths]
    parts += [f"method {_not(m.negate)}{m.method}" for m in match.methods]
    parts += [f"header {_value(h)}" for h in match.headers]
    parts += [f"query {_value(q)}" for q in match.query]
    parts += [f"client {_not(s.negate)}in {', '.join(s.cidrs)}" for s in match.sources]
    parts += [f"alpn {', '.join(match.alpn)}"] if match.alpn else []
    return " and ".join(parts) or "everything"


def _not(negate: bool) -> str:
    return "not " if negate else ""


def _value(match: ValueMatch) -> str:
    return f"{_not(match.negate)}{match.name} {match.kind} {match.value}".rstrip()


def _rule(entry: Entry) -> Iterator[str]:
    rule = entry.rule
    yield rule.id
    for access in rule.access:
        depth = f" at depth {access.depth}" if access.depth else ""
        who = "no" if access.deny else "only"
        trusted = f" as {', '.join(access.trusted)} tell" if access.trusted else ""
        yield f"{who} clients in {', '.join(access.cidrs)}{depth}{trusted}, else {access.status}"
    if rule.cors is not None:
        yield f"cors from {', '.join(rule.cors.allow_origins)}"
    yield from map(_step, rule.steps)
    if not rule.websocket:
        yield "no WebSockets"
    yield from (f"request headers {_edit(edit)}" for edit in rule.request_headers)
    yield from (f"response headers {_edit(edit)}" for edit in rule.response_headers)
    yield from _action(rule)


def _edit(edit: object) -> str:
    parts = [f"-{name}" for name in edit.remove]  # type: ignore[attr-defined]
    parts += [f"{name}={value}" for name, value in edit.set]  # type: ignore[attr-defined]
    parts += [f"+{name}={value}" for name, value in edit.add]  # type: ignore[attr-defined]
    return " ".join(parts)


def _step(step: Step) -> str:
    match step:
        case BasicAuthUsers():
            told = f"basic auth, realm {step.realm}"
            excepts = step.excepts
        case AskAuth():
            scheme = "https" if step.tls else "http"
            told = f"ask {step.backend}: {scheme}://{in_words(step.host)}{in_words(step.path)}"
            excepts = step.question.excepts
        case TokenCheck():
            told, excepts = f"tokens of {', '.join(name for name, _ in step.keys)}", ()
        case ErrorPage():
            told, excepts = f"errors {step.pages.statuses} from {step.backend}{in_words(step.pages.path)}", ()
        case _:
            said = [
                f"{name} {value}"
                for name in step.__struct_fields__
                if name != "origin" and (value := getattr(step, name)) not in (None, (), "", False)
            ]
            told, excepts = f"{type(step).__name__}: {', '.join(said)}", ()
    return told + (f", except for {', '.join(excepts)}" if excepts else "")


def _action(rule: Rule) -> Iterator[str]:
    match rule.action:
        case Respond() as action:
            yield f"answer {action.status}: {action.reason}"
        case RedirectTo() as action:
            parts = [
                f"{name} {value}" for name in ("scheme", "host", "port") if (value := getattr(action, name)) is not None
            ]
            parts += [f"path {_path_edit(action.path)}"] if action.path else []
            other = f"/{action.status_other}" if action.status_other else ""
            yield f"redirect {action.status}{other} {', '.join(parts)}".rstrip()
        case Forward() as action:
            yield from _forward(action)


def _forward(action: Forward) -> Iterator[str]:
    if action.host is not None:
        yield f"rewrite host to {action.host}"
    yield from (f"rewrite path: {_path_edit(edit)}" for edit in action.paths)
    for name in ("timeout", "backend_timeout", "retry", "persistence", "read_timeout", "hash"):
        if (value := getattr(action, name)) not in (None, ()):
            yield f"{name} {value}"
    for share in action.backends:
        where = str(share.backend) if share.backend else f"{share.status}: {share.reason}"
        yield f"to {where} weight {share.weight}" + ("" if share.pass_host else " with its own Host")
        yield from (f"  request headers {_edit(edit)}" for edit in share.request_headers)
        yield from (f"  response headers {_edit(edit)}" for edit in share.response_headers)
    yield from (f"mirror {m.numerator}/{m.denominator} to {m.backend}" for m in action.mirrors)


def _path_edit(edit: PathEdit) -> str:
    return " ".join(part for part in (edit.kind, *edit.prefixes, edit.pattern, edit.value) if part)


# --- problems and traces --------------------------------------------------------------------------


def _problems(model: Model) -> Iterator[str]:
    for problem in model.problems():
        yield f"{_where(problem.origin, model.locator)}: {problem.severity}: {problem.message} [{problem.id}]"
        if problem.hint:
            yield f"    {problem.hint}"


def _where(origin: Origin | None, locator: Locator) -> str:
    if origin is None:
        return "-"
    place = locator.locate(origin)
    return f"{Path(place.file).name}:{place.line}"


def _traces(graph: Graph, asked: list[str], locator: Locator) -> Iterator[str]:
    for line in asked:
        if line and not line.startswith("#"):
            yield line
            yield from (f"    {text}" for text in _trace(graph, line, locator))


def _trace(graph: Graph, line: str, locator: Locator) -> Iterator[str]:
    """`[-X METHOD] [-H 'Name: value']... [--sni NAME] [--from ADDRESS] [--gateway ID] URL`, as on the command line."""
    options: dict[str, list[str]] = {"-X": [], "-H": [], "--sni": [], "--gateway": [], "--from": []}
    *words, url = shlex.split(line)
    for name, value in zip(words[::2], words[1::2], strict=True):
        options[name].append(value)
    one = request(
        url,
        (options["-X"] or ["GET"])[0],
        tuple(options["-H"]),
        sni=options["--sni"][0] if options["--sni"] else None,
        client=(options["--from"] or ["127.0.0.1"])[0],
    )
    gateways = [graph.gateways[name] for name in options["--gateway"]] or gateways_for(graph, one)
    if not gateways:
        yield "no gateway listens there"
    for gateway in gateways:
        yield _outcome(gateway.id, walk(graph, gateway, one), locator)


def _outcome(gateway: str, trace: Trace, locator: Locator) -> str:
    told = trace.outcome
    parts = [f"{gateway}: {told.kind} {told.status or 'no answer'}"]
    if told.grpc_status is not None:
        parts.append(f"gRPC {told.grpc_status}")
    if told.location is not None:
        parts.append(told.location)
    if told.backend is not None:
        parts.append(f"{told.backend.namespace}/{told.backend.name}:{told.backend.port}{_sent(told)}")
    if told.reason:
        parts.append(f"({told.reason})")
    chosen = next((hop for hop in trace.hops if hop.kind is HopKind.RULE and told.rule), None)
    if chosen is not None:
        parts.append(f"by {told.rule} at {_where(chosen.origin, locator)}")
    return " ".join(parts)


def _sent(told: Outcome) -> str:
    return f" as {told.sent.host}{told.sent.path}" if told.sent and told.sent.path else ""


# --- journeys -------------------------------------------------------------------------------------


def _journeys(case: Path, folder: Path) -> Iterator[str]:
    for file in sorted(case.glob("files/*")):
        shutil.copy(file, folder)
    (folder / "input.yaml").write_text(with_pairs((case / "input.yaml").read_text(encoding="utf-8")), encoding="utf-8")
    model = Model(lambda: NOW)
    model.read([str(folder)])
    for line in (case / "journeys.txt").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        yield line
        vantage, family, url = line.split()
        families = ("4", "6") if family == "both" else (family,)
        for branch in model.analysis.answer(journey, vantage, request(url), families).branches:
            yield f"    IPv{branch.family} {branch.resolver or 'no resolver'} {branch.address or 'no address'}"
            yield f"        {_ending(branch.outcome)}"
            passed = (("gateways", branch.gateways), ("links", branch.links))
            yield from (f"        {name} {', '.join(items)}" for name, items in passed if items)
            yield from (f"        followed {status} {location}" for status, location in branch.redirects)
            yield f"        trust {branch.trust}"
            for name, limit in zip(("idle", "body", "mtu"), structs.astuple(branch.limits), strict=True):
                if limit is not None:
                    yield f"        {name} {limit.value:.15g} by {limit.hop} at {_where(limit.origin, model.locator)}"


def _ending(told: Outcome) -> str:
    parts = [str(told.kind), str(told.status) if told.status else ""]
    parts += [f"{told.backend.namespace}/{told.backend.name}:{told.backend.port}"] if told.backend else []
    parts += [told.location or "", f"({told.reason})" if told.reason else ""]
    return " ".join(part for part in parts if part)
