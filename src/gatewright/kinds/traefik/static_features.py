"""What becomes of Traefik's static configuration: a table of its options, and the Problems of those that are not kept.

The options are judged where they are written, on a command line, in a file or in values of the chart.  What `static`
reads is honoured.  Only what changes the fate of a request is listed option by option; what tunes Traefik's own
machinery (logs, metrics, its API) is left unsaid.  Counterpart: `static`, what the options mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from gatewright.kinds.annotations.traefik.ingress import meanings
from gatewright.kinds.decode import Report, suggest
from gatewright.kinds.features import Compatibility, Feature, Support
from gatewright.kinds.traefik.static import Config, entry_points, from_arguments, from_mapping, redirection

_POINT = "entryPoints.<name>"
_CRD, _INGRESS = "providers.kubernetesCRD", "providers.kubernetesIngress"

_HONOURED = {
    f"{_POINT}.address": (":8000/tcp", ""),
    f"{_POINT}.asDefault": ("true", ""),
    f"{_POINT}.forwardedHeaders.insecure": ("true", ""),
    f"{_POINT}.forwardedHeaders.trustedIPs": ("10.0.0.0/8", ""),
    f"{_POINT}.http.middlewares": ("apps-auth@kubernetescrd", "of other providers than kubernetescrd none: 404"),
    f"{_POINT}.http.redirections.entryPoint.permanent": ("false", ""),
    f"{_POINT}.http.redirections.entryPoint.priority": ("10", ""),
    f"{_POINT}.http.redirections.entryPoint.scheme": ("https", ""),
    f"{_POINT}.http.redirections.entryPoint.to": (":443", ""),
    f"{_POINT}.http.tls": ("true", ""),
    f"{_POINT}.http.tls.options": ("apps-strict@kubernetescrd", ""),
    f"{_POINT}.proxyProtocol.insecure": ("true", "everybody then has to send it"),
    f"{_POINT}.proxyProtocol.trustedIPs": ("10.0.0.0/8", "they then have to send it"),
    f"{_POINT}.transport.respondingTimeouts.idleTimeout": ("180s", ""),
    f"{_POINT}.transport.respondingTimeouts.readTimeout": ("60s", ""),
    f"{_CRD}": ("true", ""),
    f"{_CRD}.allowCrossNamespace": ("true", ""),
    f"{_CRD}.allowEmptyServices": (
        "true",
        "503 without endpoints, and where it is off as well",
    ),
    f"{_CRD}.allowExternalNameServices": ("true", ""),
    f"{_CRD}.ingressClass": ("internal", ""),
    f"{_CRD}.namespaces": ("apps,web", ""),
    f"{_INGRESS}": ("true", ""),
    f"{_INGRESS}.allowEmptyServices": ("true", "as that of kubernetesCRD"),
    f"{_INGRESS}.allowExternalNameServices": ("true", ""),
    f"{_INGRESS}.ingressClass": ("internal", ""),
    f"{_INGRESS}.ingressEndpoint.ip": ("192.0.2.1", ""),
    f"{_INGRESS}.ingressEndpoint.hostname": ("edge.example.com", ""),
    f"{_INGRESS}.ingressEndpoint.publishedService": ("traefik/traefik", ""),
    f"{_INGRESS}.namespaces": ("apps,web", ""),
    f"{_INGRESS}.strictPrefixMatching": ("true", ""),
}
_REPORTED = {
    f"{_POINT}.forwardedHeaders.connection": ("X-A", "headers named in Connection are removed"),
    f"{_POINT}.http.encodedCharacters": ("true", "encoded characters in paths are let through"),
    f"{_POINT}.http.sanitizePath": ("false", "paths are cleaned of /./, /../ and doubled slashes in any case"),
    f"{_POINT}.http.tls.certResolver": ("le", "certificate resolvers are part of Traefik; name Secrets in the routes"),
    f"{_POINT}.http3": ("true", "HTTP/3 is not spoken; clients use HTTP/2"),
    f"{_POINT}.transport.respondingTimeouts.writeTimeout": ("30s", "an answer may take as long as it takes"),
    f"{_CRD}.crossProviderNamespaces": ("apps", "references to other providers are refused everywhere"),
    f"{_CRD}.defaultTLSResourcesNamespace": ("traefik", "default TLS options and stores count from any namespace"),
    f"{_CRD}.labelSelector": ("app=web", "objects are read whatever their labels"),
    f"{_INGRESS}.disableIngressClassLookup": ("true", "IngressClasses are looked up"),
    f"{_INGRESS}.labelSelector": ("app=web", "objects are read whatever their labels"),
    "providers.kubernetesGateway": ("true", "describe its Gateways with a GatewayClass of Gatewright's"),
    "providers.kubernetesIngressNGINX": ("true", "its Ingresses are read as ingress-nginx's own, not as Traefik's"),
    "core.defaultRuleSyntax": ("v2", "rules are read as v3 unless they say syntax: v2"),
    "serversTransport.insecureSkipVerify": ("true", "certificates of backends are verified; name a ServersTransport"),
    "serversTransport.rootCAs": ("/ca.crt", "backends are verified by the system's trust; name a ServersTransport"),
    "serversTransport.forwardingTimeouts": ("30s", "the usual times hold; name a ServersTransport"),
}
_ADVISORY = (
    f"{_POINT}.allowACMEByPass",
    f"{_POINT}.http.encodeQuerySemicolons",
    f"{_POINT}.http.maxHeaderBytes",
    f"{_POINT}.http.tls.domains",
    f"{_POINT}.http2.maxConcurrentStreams",
    f"{_POINT}.http3.advertisedPort",
    f"{_POINT}.observability.accessLogs",
    f"{_POINT}.observability.metrics",
    f"{_POINT}.observability.traceVerbosity",
    f"{_POINT}.observability.tracing",
    f"{_POINT}.reusePort",
    f"{_POINT}.transport.keepAliveMaxRequests",
    f"{_POINT}.transport.keepAliveMaxTime",
    f"{_POINT}.transport.lifeCycle.graceTimeOut",
    f"{_POINT}.transport.lifeCycle.requestAcceptGraceTimeout",
    f"{_POINT}.udp.timeout",
    f"{_CRD}.certAuthFilePath",
    f"{_CRD}.disableClusterScopeResources",
    f"{_CRD}.endpoint",
    f"{_CRD}.nativeLBByDefault",
    f"{_CRD}.throttleDuration",
    f"{_CRD}.token",
    f"{_INGRESS}.certAuthFilePath",
    f"{_INGRESS}.disableClusterScopeResources",
    f"{_INGRESS}.endpoint",
    f"{_INGRESS}.nativeLBByDefault",
    f"{_INGRESS}.throttleDuration",
    f"{_INGRESS}.token",
)


def _example(name: str, value: str) -> str:
    """A Deployment of Traefik with the option on its command line."""
    option = name.replace("<name>", "web")
    address = "" if name.endswith(".address") else '"--entryPoints.web.address=:80", '
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: traefik, namespace: traefik}}
spec:
  template:
    spec:
      containers:
      - name: traefik
        image: traefik:v3.7
        args: [{address}"--{option}={value}"]
"""


COMPATIBILITY = Compatibility(
    title="Traefik: static configuration",
    of="Traefik 3.7",
    shape="document",
    features=(
        *(Feature(name, Support.HONOURED, note, _example(name, v)) for name, (v, note) in _HONOURED.items()),
        *(Feature(name, Support.REPORTED, note, _example(name, v)) for name, (v, note) in _REPORTED.items()),
        *(Feature(name, Support.ADVISORY, "", _example(name, "1")) for name in _ADVISORY),
    ),
    intro="From the command line, from a file in a ConfigMap, and from the values of the chart.",
)

_PATTERNS = tuple(
    (re.compile(re.escape(name.lower()).replace("<name>", r"[^.]+") + r"(?:[.\[].*)?"), note)
    for name, (_, note) in _REPORTED.items()
)
_QUIET = re.compile(
    "|".join(re.escape(n.lower()).replace("<name>", r"[^.]+") + r"(?:[.\[].*)?" for n in (*_ADVISORY, "never"))
)

_DEPTH, _MOST = 16, 1000
_SECTIONS = (
    "accesslog",
    "api",
    "certificatesresolvers",
    "core",
    "entrypoints",
    "experimental",
    "global",
    "hostresolver",
    "hub",
    "log",
    "metrics",
    "ocsp",
    "ping",
    "providers",
    "serverstransport",
    "spiffe",
    "tcpserverstransport",
    "tracing",
)
"""What options of Traefik begin with."""
_FAMILIES = {
    f"{prefix.lower()}.": {
        name: re.compile(re.escape(name.lower()).replace("<name>", r"[^.]+") + r"(?:[.\[].*)?")
        for name in (*_HONOURED, *_REPORTED, *_ADVISORY)
        if name.startswith(f"{whole}.")
    }
    for prefix, whole in (("entryPoints", _POINT), (_CRD, _CRD), (_INGRESS, _INGRESS))
}
"""The options of which all are in the table, by what they begin with."""


def judge_arguments(arguments: Iterable[object], report: Report, *path: str | int, whole: bool = True) -> None:
    """Tell what of a command line is not kept.  `whole`: there are no options but these."""
    given = [argument if isinstance(argument, str) else "" for argument in arguments]
    places = {name: number for number, text in enumerate(given) for name in from_arguments([text])}
    config = from_arguments(given)
    for name, value in config.items():
        judge({**_address_of(name), name: value}, report, *path, places.get(name, 0))
    points = entry_points(config) if whole else []
    for point in points:
        if point.redirects_to and redirection(point, points, report.origin) is None:
            message = f"{point.redirects_to} is neither an entry point nor :port; nothing is redirected"
            place = places.get(f"entrypoints.{point.name}.http.redirections.entrypoint.to", 0)
            report.error("invalid-value", message, *path, place)


def judge_file(values: Mapping[str, Any], report: Report, *path: str | int, in_place: bool = True) -> None:
    """Tell what of a configuration file is not kept, and which of its names are none.

    `in_place`: the file is the document itself, so that fields can be pointed at.
    """
    for names, value in islice(_leaves(values, ()), _MOST):
        where = (*path, *names) if in_place else path
        option = ".".join(names).lower()
        config = from_mapping({".".join(names): value})
        judge({**_address_of(option), **config}, report, *where)
        if unknown := _unknown(option):
            named = "no option of Traefik" if in_place else f"{'.'.join(names)} is no option of Traefik"
            report.warning("unknown-field", named, *where, hint=suggest(option, unknown))
    config = from_mapping(values)
    points = entry_points(config)
    for point in points:
        if point.redirects_to and redirection(point, points, report.origin) is None:
            message = f"{point.redirects_to} is neither an entry point nor :port; nothing is redirected"
            spelled = next(name for name in values["entryPoints"] if name.lower() == point.name)
            report.error("invalid-value", message, *path, *(("entryPoints", spelled) if in_place else ()))


def _leaves(values: Mapping[str, Any], before: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in values.items():
        names = (*before, str(name))
        if isinstance(value, dict) and value and len(names) < _DEPTH:
            yield from _leaves(value, names)
        else:
            yield names, value


def _unknown(option: str) -> tuple[str, ...]:
    """The options that one may have meant which nobody knows; () for one that is known, or whose family is not ours."""
    section = option.partition(".")[0]
    if section not in _SECTIONS:
        return _SECTIONS
    family = next((known for prefix, known in _FAMILIES.items() if option.startswith(prefix)), ())
    if not family or any(pattern.fullmatch(option) for pattern in family.values()):
        return ()
    own = option.split(".")[1] if section == "entrypoints" else "<name>"
    names = tuple(name.replace("<name>", own) for name in family)
    return () if any(name.lower().startswith(f"{option}.") for name in names) else names


def _address_of(option: str) -> Config:
    """Some address for the entry point that an option is of, which makes it one."""
    kind, _, rest = option.partition(".")
    return {f"{kind}.{rest.partition('.')[0]}.address": ":1"} if kind == "entrypoints" else {}


def judge(config: Config, report: Report, *path: str | int) -> None:
    """Tell what of the options at one place is not kept."""
    for name, value in config.items():
        note = next((note for pattern, note in _PATTERNS if pattern.fullmatch(name)), "")
        unused = ("true", "1", "t") if name.endswith("sanitizepath") else ("false", "0", "f", "")
        if note and value.lower() not in unused and _QUIET.fullmatch(name) is None:
            report.unsupported(note, *path)
    for point in entry_points(config):
        for reference in point.middlewares:
            if not meanings("Middleware", reference, ""):
                message = f"{reference} is none of the manifests' middlewares; what is routed there answers 404"
                report.error("foreign-provider", message, *path)
