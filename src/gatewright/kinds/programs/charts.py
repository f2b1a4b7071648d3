"""Values for Helm charts as the kinds of `helm` need them: read from text, put together, and whose they are.

Values are anybody's input and may be huge or hostile: what is read here is bounded.  They are kept as JSON text, since
intents are compared and hashed.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from typing import Any

from gatewright.base import yaml
from gatewright.base.problem import Severity
from gatewright.kinds.decode import Path, Report

Values = dict[str, Any]

# Helm keeps the values of a release in a Secret, which holds no more.
MAX_CHARACTERS = 1024 * 1024
_MAX_VALUES = 100_000
_MAX_INDEX = 1_000

_STEP = re.compile(r"((?:[^.\[\\]|\\.)*)((?:\[\d{1,6}\])*)(?:\.|$)")
_WHOLE_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})", re.ASCII)

# Part of a folder's or file's name -> chart; the first that fits.
_NAMES = {
    "traefik": "traefik",
    "ingress-nginx": "ingress-nginx",
    "nginx-ingress": "ingress-nginx",
    "haproxy": "haproxy",
    "metallb": "metallb",
    "cert-manager": "cert-manager",
    "external-dns": "external-dns",
    "aws-load-balancer-controller": "aws-load-balancer-controller",
    "cilium": "cilium",
}
# The fields that only this chart's values have, as alternatives of what has to be there together.
_TELLING: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...] = (
    ("traefik", (("ports.websecure",), ("ports.web", "providers"), ("ports", "ingressRoute"), ("ports", "providers"))),
    (
        "ingress-nginx",
        (
            ("controller.allowSnippetAnnotations",),
            ("controller.watchIngressWithoutClass",),
            ("controller.extraArgs.enable-ssl-passthrough",),
            ("controller.ingressClassResource", "controller.admissionWebhooks"),
            ("controller.ingressClassResource", "controller.extraArgs"),
            ("controller.ingressClassByName",),
        ),
    ),
    (
        "haproxy",
        (
            ("controller.kubernetesGateway",),
            ("controller.defaultTLSSecret",),
            ("controller.config.ssl-passthrough",),
        ),
    ),
    ("ingress-nginx", (("controller.ingressClassResource",),)),
    ("cilium", (("kubeProxyReplacement",), ("l2announcements",), ("ipam", "hubble"))),
    ("metallb", (("speaker", "controller"),)),
    ("cert-manager", (("installCRDs",), ("dns01RecursiveNameservers",), ("crds.enabled", "webhook"))),
    ("external-dns", (("txtOwnerId",), ("domainFilters", "provider"))),
    ("aws-load-balancer-controller", (("clusterName", "vpcId"), ("clusterName", "ingressClass"))),
)


def from_text(text: str, report: Report, *path: str | int) -> Values:
    """The values in YAML text at a field of a document; what is wrong with them rejects the document, as Helm does."""
    if len(text) > MAX_CHARACTERS:
        report.invalid("these values are larger than 1 MiB", *path)
        return {}
    part = next((part for part in yaml.split(yaml.normalize_newlines(text)) if not yaml.is_blank(part)), "")
    if not part:
        return {}
    parsed = yaml.parse(part)
    for fault in parsed.faults:
        where = f"line {fault.line}: " if fault.line else ""
        report.add(fault.severity, fault.id, f"{where}{fault.message}", path, fault.hint)
        report.rejected = report.rejected or fault.severity is Severity.ERROR
    if isinstance(parsed.value, dict):
        return parsed.value
    if parsed.value is not None:
        report.invalid("values are a mapping", *path)
    return {}


def as_json(values: Mapping[str, Any], report: Report, *path: str | int) -> str:
    """The values as JSON text; "{}" and a Problem when they are too large, aliases expanded."""
    if not _is_small(values):
        report.warning("values-too-large", "values of more than 1 MiB are not read", *path)
        return "{}"
    return json.dumps(values, separators=(",", ":"), skipkeys=True, default=str)


def _is_small(values: Mapping[str, Any]) -> bool:
    """Counted without recursion and no further than the limits: aliases may repeat a long text many times."""
    pending: list[Any] = [values]
    characters = count = 0
    while pending:
        value = pending.pop()
        count += 1
        if isinstance(value, Mapping):
            characters += sum(len(str(key)) for key in value)
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        elif isinstance(value, str):
            characters += len(value)
        if count + len(pending) > _MAX_VALUES or characters > MAX_CHARACTERS:
            return False
    return True


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Values:
    """Values over others, mapping by mapping, as Helm puts them together: null removes."""
    result = dict(below)
    for key, value in above.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def assigned(values: Values, name: str, value: Any) -> Values | None:
    """Values with one more as `helm --set` spells its place, `a.b[0].c\\.d`; None where that is no place."""
    steps: list[str | int] = []
    at = 0
    while at < len(name):
        step = _STEP.match(name, at)
        if step is None or step.end() == at or not step[1] or len(steps) > 50:
            return None
        steps.append(re.sub(r"\\(.)", r"\1", step[1]))
        steps += [int(index) for index in re.findall(r"\d+", step[2])]
        at = step.end()
    if not steps or any(isinstance(step, int) and step > _MAX_INDEX for step in steps):
        return None
    result = _with(values, steps, value)
    return result if isinstance(result, dict) else None


def _with(value: Any, steps: list[str | int], new: Any) -> Any:
    if not steps:
        return new
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        items = list(value) if isinstance(value, list) else []
        items += [None] * (step + 1 - len(items))
        items[step] = _with(items[step], rest, new)
        return items
    own = dict(value) if isinstance(value, dict) else {}
    own[step] = _with(own.get(step), rest, new)
    return own


def typed(text: str) -> Any:
    """A value as `helm --set` understands it."""
    if text in ("true", "false"):
        return text == "true"
    if text == "null":
        return None
    if _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    if text.startswith("{") and text.endswith("}"):
        return [typed(part.strip()) for part in text[1:-1].split(",") if part.strip()]
    return text


def guess(path: str, values: Mapping[str, Any]) -> tuple[str, Path]:
    """Which chart the values in a file are for, "" when nobody can tell, and under which field of the file they are.

    The nearest name tells; else the fields do.  A chart that has the other as a dependency holds its values under the
    other's name.
    """
    folder, name = posixpath.split(path)
    for part in (name, posixpath.basename(folder)):
        chart = next((chart for word, chart in _NAMES.items() if word in part.lower()), "")
        if chart:
            nested = values.get(chart)
            return chart, (chart,) if isinstance(nested, Mapping) and not _fits(chart, values) else ()
    told = next((chart for chart, _ in _TELLING if _fits(chart, values)), "")
    if told:
        return told, ()
    for chart in dict.fromkeys(_NAMES.values()):
        nested = values.get(chart)
        if isinstance(nested, Mapping) and _fits(chart, nested):
            return chart, (chart,)
    return "", ()


def _fits(chart: str, values: Mapping[str, Any]) -> bool:
    return any(
        all(has(values, field) for field in together)
        for other, alternatives in _TELLING
        if other == chart
        for together in alternatives
    )


def has(values: Any, field: str) -> bool:
    """Is there such a field, `a.b.c`?"""
    *way, last = field.split(".")
    holder = at(values, ".".join(way)) if way else values
    return isinstance(holder, Mapping) and last in holder


def at(values: Any, field: str) -> Any:
    """The value of a field, `a.b.c`; None where there is none."""
    for step in field.split("."):
        if not isinstance(values, Mapping) or step not in values:
            return None
        values = values[step]
    return values


def release_of(path: str, chart: str) -> str:
    """What the release is probably called whose values a file has: by the file's name, else by its folder's."""
    folder, name = posixpath.split(path)
    stem = name.rpartition(".")[0]
    own = stem.removesuffix("-values").removeprefix("values").strip("-.")
    if own and own != "helm":
        return own if stem.endswith("-values") or chart in own else f"{chart}-{own}"
    around = posixpath.basename(folder)
    return around if chart and chart in around else chart or around
