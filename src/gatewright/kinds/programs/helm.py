"""What configures a Helm chart: HelmRelease, HelmChart, HelmChartConfig, Argo CD's Application, and values files.

They differ in where chart, release and values stand; all become one HelmIntent.  Which values mean what is not known
here: see `graph.resolve.doors.helm_values`.  Values that live elsewhere (valuesFrom, valueFiles of another repository)
are not followed; where they may configure a door, that is said.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from gatewright.base.document import Document
from gatewright.base.problem import Severity
from gatewright.kinds.decode import Lenient, LenientObject, Path, Report, decode, key_of
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.programs import HelmIntent
from gatewright.kinds.kind import Kind
from gatewright.kinds.programs import charts, files
from gatewright.kinds.programs.charts import Values
from gatewright.kinds.traefik import static_features

# Charts whose values decide where requests go in.
_DOORS = ("traefik", "ingress-nginx", "haproxy", "aws-load-balancer-controller")
_ELSEWHERE = "values from elsewhere are not read"
# Values of ports.<name> and the options that they become, where something may be told of them.
_JUDGED = (
    ("http3.enabled", "http3"),
    ("tls.certResolver", "http.tls.certresolver"),
    ("http.tls.certResolver", "http.tls.certresolver"),
    ("http.sanitizePath", "http.sanitizepath"),
    ("forwardedHeaders.connection", "forwardedheaders.connection"),
    ("transport.respondingTimeouts.writeTimeout", "transport.respondingtimeouts.writetimeout"),
    ("middlewares", "http.middlewares"),
    ("http.middlewares", "http.middlewares"),
)
_ARCHIVE = re.compile(r"(.+?)-v?[0-9][^/]*\.tgz")


class _Installed(Struct, frozen=True):
    """What of which chart is installed where."""

    chart: str
    release: str
    namespace: str
    version: str = ""


def _intent(
    document: Document, report: Report, installed: _Installed, values: Mapping[str, Any], path: Path
) -> Lowered:
    """The intent; `path` is where the values stand in the document."""
    origin = document.origin.at(*path) if path else document.origin
    chart = _bare(installed.chart)
    if chart == "traefik":
        _unheeded(values, report, path)
    intent = HelmIntent(
        key=key_of(document),
        origin=origin,
        chart=chart,
        version=installed.version,
        release=installed.release,
        namespace=installed.namespace,
        values=charts.as_json(values, report, *path),
    )
    return report.lowered(intent)


def _unheeded(values: Mapping[str, Any], report: Report, path: Path) -> None:
    """Values of Traefik that change what a request gets, and that nothing here follows."""
    ports = values.get("ports")
    for name, port in ports.items() if isinstance(ports, Mapping) else ():
        own = f"entrypoints.{name}".lower()
        for field, option in _JUDGED if len(name) < 64 else ():
            value = charts.at(port, field)
            if value is not None:
                text = ",".join(map(str, value)) if isinstance(value, list) else str(value).lower()
                config = {f"{own}.address": ":1", f"{own}.{option}": text}
                static_features.judge(config, report, *path, "ports", name, *field.split("."))
    for field in ("globalArguments", "additionalArguments"):
        arguments = values.get(field)
        if isinstance(arguments, list):
            static_features.judge_arguments(arguments, report, *path, field, whole=False)


def _bare(chart: str) -> str:
    """The name of a chart that is given by repository, address or archive."""
    name = chart.rstrip("/").rpartition("/")[2]
    archive = _ARCHIVE.fullmatch(name)
    return archive[1] if archive else name


def _elsewhere(report: Report, chart: str, given: object, *path: str | int) -> None:
    if given and _bare(chart) in _DOORS:
        hint = "give them inline, or as a values file beside it"
        report.add(Severity.INFO, "unsupported-field", _ELSEWHERE, path, hint)


# --- Flux -----------------------------------------------------------------------------------------


class _ChartSpec(Lenient, frozen=True):
    chart: str = ""
    version: str = ""


class _ChartTemplate(Lenient, frozen=True):
    spec: _ChartSpec = _ChartSpec()


class _ChartRef(Lenient, frozen=True):
    name: str = ""


class _ReleaseSpec(Lenient, frozen=True):
    chart: _ChartTemplate | None = None
    chart_ref: _ChartRef | None = None
    values: dict[str, Any] | None = None
    values_from: tuple[Any, ...] | None = None
    target_namespace: str = ""
    release_name: str = ""


class _Release(LenientObject, frozen=True):
    spec: _ReleaseSpec = _ReleaseSpec()


def _lower_release(document: Document) -> Lowered:
    found, problems = decode(document, _Release)
    report = Report(document, problems)
    if found is None:
        return report.lowered(None)
    spec = found.spec
    template = spec.chart.spec if spec.chart else _ChartSpec()
    chart = template.chart or (spec.chart_ref.name if spec.chart_ref else "")
    _elsewhere(report, chart, spec.values_from, "spec", "valuesFrom")
    prefix = f"{spec.target_namespace}-" if spec.target_namespace else ""
    release = spec.release_name or prefix + document.name
    installed = _Installed(chart, release, spec.target_namespace or document.namespace, template.version)
    return _intent(document, report, installed, spec.values or {}, ("spec", "values"))


# --- k3s and RKE2 ---------------------------------------------------------------------------------


class _ChartResourceSpec(Lenient, frozen=True):
    chart: str = ""
    version: str = ""
    target_namespace: str = ""
    values: dict[str, Any] | None = None
    values_content: str = ""
    set: dict[str, Any] | None = None
    values_secrets: tuple[Any, ...] | None = None


class _ChartResource(LenientObject, frozen=True):
    spec: _ChartResourceSpec = _ChartResourceSpec()


def _lower_chart(document: Document) -> Lowered:
    """A HelmChart, or the HelmChartConfig that adds values to the HelmChart of its name."""
    found, problems = decode(document, _ChartResource)
    report = Report(document, problems)
    if found is None:
        return report.lowered(None)
    spec = found.spec
    config = document.kind == "HelmChartConfig"
    values = charts.from_text(spec.values_content, report, "spec", "valuesContent")
    if spec.values:
        values = charts.merged(spec.values, values)
    for name, value in (spec.set or {}).items():
        meant = charts.typed(value) if value in ("true", "false", "null") else value
        values = _assigned(values, name, meant, report, "spec", "set", name)
    chart = document.name if config else spec.chart
    _elsewhere(report, chart, spec.values_secrets, "spec", "valuesSecrets")
    namespace = document.namespace if config else spec.target_namespace or "default"
    installed = _Installed(chart, document.name, namespace, spec.version)
    return _intent(document, report, installed, values, ("spec", "valuesContent"))


def _assigned(values: Values, name: str, value: Any, report: Report, *path: str | int) -> Values:
    changed = charts.assigned(values, name, value)
    if changed is None:
        report.invalid("this is not a place in the values", *path, hint="as in helm --set: ports.web.port")
        return values
    return changed


# --- Argo CD --------------------------------------------------------------------------------------


class _Parameter(Lenient, frozen=True):
    name: str = ""
    value: str = ""
    force_string: bool = False


class _Helm(Lenient, frozen=True):
    release_name: str = ""
    values: str = ""
    values_object: dict[str, Any] | None = None
    parameters: tuple[_Parameter, ...] | None = None
    value_files: tuple[str, ...] | None = None


class _Source(Lenient, frozen=True):
    chart: str = ""
    path: str = ""
    target_revision: str = ""
    helm: _Helm | None = None


class _Destination(Lenient, frozen=True):
    namespace: str = ""


class _ApplicationSpec(Lenient, frozen=True):
    source: _Source | None = None
    sources: tuple[_Source, ...] | None = None
    destination: _Destination = _Destination()


class _Application(LenientObject, frozen=True):
    spec: _ApplicationSpec = _ApplicationSpec()


def _lower_application(document: Document) -> Lowered:
    """An Application of a chart; one of plain manifests configures none."""
    found, problems = decode(document, _Application)
    report = Report(document, problems)
    if found is None:
        return report.lowered(None)
    spec = found.spec
    listed: list[tuple[Path, _Source]] = [(("sources", index), item) for index, item in enumerate(spec.sources or ())]
    if spec.source is not None and not listed:
        listed = [(("source",), spec.source)]
    of_charts = [(path, source) for path, source in listed if source.chart or source.helm]
    path, source = of_charts[0] if of_charts else (("source",), _Source())
    for more, _ in of_charts[1:]:
        report.unsupported("only the first chart of an Application is read", "spec", *more)
    helm = source.helm or _Helm()
    at = ("spec", *path, "helm")
    chart = source.chart or (posixpath.basename(source.path.rstrip("/")) if source.helm else "")
    _elsewhere(report, chart, helm.value_files, *at, "valueFiles")
    values, field = _application_values(helm, report, at)
    release = helm.release_name or document.name
    installed = _Installed(chart, release, spec.destination.namespace, source.target_revision)
    return _intent(document, report, installed, values, (*at, field))


def _application_values(helm: _Helm, report: Report, at: Path) -> tuple[Values, str]:
    """valuesObject goes before values, parameters before both."""
    if helm.values_object is not None:
        values, field = dict(helm.values_object), "valuesObject"
    else:
        values, field = charts.from_text(helm.values, report, *at, "values"), "values"
    for index, parameter in enumerate(helm.parameters or ()):
        value = parameter.value if parameter.force_string else charts.typed(parameter.value)
        values = _assigned(values, parameter.name, value, report, *at, "parameters", index)
    return values, field


# --- values files ---------------------------------------------------------------------------------


def _lower_values(document: Document) -> Lowered:
    """A values file, of whichever chart it looks to be; where the release is, it does not say."""
    report = Report(document)
    values: Any = document.data
    chart, path = charts.guess(document.name, values)
    for step in path:
        values = values[step]
    installed = _Installed(chart, charts.release_of(document.name, chart), "")
    return _intent(document, report, installed, values, path)


KINDS = (
    Kind(
        "HelmRelease",
        ("helm.toolkit.fluxcd.io/v2", "helm.toolkit.fluxcd.io/v2beta2", "helm.toolkit.fluxcd.io/v2beta1"),
        _lower_release,
    ),
    Kind("HelmChart", ("helm.cattle.io/v1",), _lower_chart),
    Kind("HelmChartConfig", ("helm.cattle.io/v1",), _lower_chart),
    Kind("Application", ("argoproj.io/v1alpha1",), _lower_application),
    Kind(files.HELM_VALUES, (files.API_VERSION,), _lower_values, namespaced=False),
)
