"""What rules about ACME challenges share: which solver a name gets, and where cert-manager runs and whom it asks."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.graph import solving
from gatewright.graph.names import resolvers, servers
from gatewright.graph.names.nodes import PUBLIC, Status
from gatewright.graph.network import cidrs
from gatewright.graph.network.placement import home
from gatewright.graph.sight import Sight
from gatewright.kinds.decode import has_variable
from gatewright.kinds.intents.issuance import CertificateIntent, IssuerIntent, Solver
from gatewright.kinds.intents.material import WorkloadIntent
from gatewright.kinds.intents.programs import HelmIntent
from gatewright.trace.request import is_address

USUAL_NAMESPACE = "cert-manager"
IMAGE = "cert-manager-controller"
NAMESERVERS = "--dns01-recursive-nameservers"
ONLY = "--dns01-recursive-nameservers-only"


class Controller(Struct, frozen=True):
    """cert-manager as far as the input tells of it.

    `nameservers`: those that it asks instead of its cluster's resolver.  `origin` None: it is not among the input.
    `own_dns`: its pods have resolvers of their own, which nobody here knows.
    """

    namespace: str
    origin: Origin | None = None
    nameservers: tuple[str, ...] = ()
    own_dns: bool = False


def controller(sight: Sight) -> Controller:
    """A question: the cert-manager of the input."""
    charts = sight.listed("charts", "cert-manager", HelmIntent)
    for namespace in dict.fromkeys((*(chart.namespace for chart in charts), USUAL_NAMESPACE)):
        for workload in sight.listed("workloads-in", namespace, WorkloadIntent):
            if any(IMAGE in image for image in workload.images):
                return Controller(namespace, workload.origin, _nameservers(workload.args))
    for chart in charts:
        values = _values(chart)
        extra = values.get("extraArgs")
        found = _nameservers(str(arg) for arg in extra) if isinstance(extra, list) else ()
        found = found or _split(values.get("dns01RecursiveNameservers"))
        own = any(values.get(name) for name in ("podDnsConfig", "podDnsPolicy"))
        return Controller(chart.namespace or USUAL_NAMESPACE, chart.origin, found, own)
    return Controller(USUAL_NAMESPACE)


def _values(chart: HelmIntent) -> dict[str, object]:
    try:
        values = msgspec.json.decode(chart.values)
    except msgspec.DecodeError:
        return {}
    return values if isinstance(values, dict) else {}


def _nameservers(args: Iterable[str]) -> tuple[str, ...]:
    """The servers that arguments name, `--flag=value` or `--flag value`."""
    found: tuple[str, ...] = ()
    before = ""
    for arg in args:
        flag, _, value = arg.partition("=")
        if flag == NAMESERVERS and value:
            found = _split(value)
        elif before == NAMESERVERS:
            found = _split(arg)
        before = arg
    return found


def _split(text: object) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip()) if isinstance(text, str) else ()


def cluster(sight: Sight) -> str:
    """The cluster on which cert-manager runs, "" unknown."""
    return sight.ask(home, sight.ask(controller).namespace).cluster


def issuer_of(sight: Sight, certificate: CertificateIntent) -> IssuerIntent | None:
    """The ACME issuer of a certificate."""
    found = sight.get(certificate.issuer, IssuerIntent) if certificate.issuer is not None else None
    return found if found is not None and found.type == "acme" else None


def is_public(sight: Sight, issuer: IssuerIntent) -> bool:
    """Is the authority one on the internet, rather than one of the house?"""
    try:
        host = urlsplit(issuer.server).hostname or ""
    except ValueError:
        return False
    found = resolvers.resolutions(sight, (PUBLIC,), host, "A", None)
    return all(
        item.status is Status.UNKNOWN
        or (item.status is Status.ANSWER and not any(map(cidrs.is_private, item.addresses)))
        for item in found
    )


def solver_for(issuer: IssuerIntent, certificate: CertificateIntent, name: str) -> Solver | None:
    """The solver that cert-manager takes for a name of a certificate."""
    return solving.solver_for(issuer, certificate.labels, name)


def names_of(certificate: CertificateIntent) -> tuple[str, ...]:
    """The hostnames of a certificate that are written out: no addresses, and none that a tool will fill in."""
    return tuple(name for name in certificate.names if not has_variable(name) and not is_address(name))


def asked(sight: Sight) -> tuple[str, ...]:
    """Whom cert-manager asks for names."""
    told = sight.ask(controller).nameservers
    return told or (sight.ask(servers.cluster_resolver, cluster(sight)),)
