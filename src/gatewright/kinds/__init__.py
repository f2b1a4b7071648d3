"""Kinds: one file per Kubernetes kind that decodes its documents strictly and lowers them to intents.

`KINDS` is the visible list; `lower` is the door.  A kind is one file in one of the folders here that exports `KIND` (or
`KINDS`) and one line in the list.  Everything is pure: no file, network or clock, and no look at other documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatewright.base.document import Document
from gatewright.base.problem import Problem, Severity
from gatewright.kinds import syntax
from gatewright.kinds.envoy_gateway import backend as envoy_backend
from gatewright.kinds.envoy_gateway import (
    backendtrafficpolicy,
    clienttrafficpolicy,
    httproutefilter,
    securitypolicy,
    unread,
)
from gatewright.kinds.gateway_api import (
    backendtlspolicy,
    gateway,
    gatewayclass,
    grpcroute,
    httproute,
    listenerset,
    referencegrant,
    streamroutes,
)
from gatewright.kinds.intents import Lowered
from gatewright.kinds.kind import Kind
from gatewright.kinds.kubernetes import (
    configmap,
    endpoints,
    endpointslice,
    ingress,
    ingressclass,
    namespace,
    networkpolicy,
    node,
    secret,
    service,
    workloads,
)
from gatewright.kinds.operators import certmanager, ciliumlb, ciliumpolicy, externaldns, metallb, tenantcontrolplane
from gatewright.kinds.programs import (
    adguard,
    cloudflared,
    corefile,
    dnsmasqconf,
    files,
    helm,
    nebula,
    traefikconfig,
    wireguard,
    zonefile,
)
from gatewright.kinds.site_map import (
    expectation,
    firewall,
    ingresscontroller,
    link,
    resolver,
    site,
    vantage,
    view,
    zone,
)
from gatewright.kinds.suppressions import suppressions
from gatewright.kinds.traefik import ingressroute as traefik_ingressroute
from gatewright.kinds.traefik import middleware as traefik_middleware
from gatewright.kinds.traefik import service as traefik_service
from gatewright.kinds.traefik import tcp as traefik_tcp
from gatewright.kinds.traefik import tls as traefik_tls

KINDS: tuple[Kind, ...] = (
    # core
    namespace.KIND,
    service.KIND,
    endpoints.KIND,
    endpointslice.KIND,
    secret.KIND,
    configmap.KIND,
    *workloads.KINDS,
    node.KIND,
    # Ingress
    ingress.KIND,
    ingressclass.KIND,
    # Gateway API
    gatewayclass.KIND,
    gateway.KIND,
    *listenerset.KINDS,
    httproute.KIND,
    grpcroute.KIND,
    *streamroutes.KINDS,
    referencegrant.KIND,
    backendtlspolicy.KIND,
    # Envoy Gateway
    securitypolicy.KIND,
    backendtrafficpolicy.KIND,
    clienttrafficpolicy.KIND,
    envoy_backend.KIND,
    httproutefilter.KIND,
    *unread.KINDS,
    # Traefik
    traefik_ingressroute.KIND,
    *traefik_tcp.KINDS,
    traefik_service.KIND,
    *traefik_middleware.KINDS,
    *traefik_tls.KINDS,
    # addresses of load balancers
    *metallb.KINDS,
    *ciliumlb.KINDS,
    # network policies
    networkpolicy.KIND,
    *ciliumpolicy.KINDS,
    # certificates, names and hosted control planes
    *certmanager.KINDS,
    externaldns.KIND,
    tenantcontrolplane.KIND,
    # Helm
    *helm.KINDS,
    # configuration files of other programs
    adguard.KIND,
    cloudflared.KIND,
    dnsmasqconf.KIND,
    nebula.KIND,
    traefikconfig.KIND,
    wireguard.KIND,
    corefile.KIND,
    zonefile.KIND,
    # site map
    ingresscontroller.KIND,
    site.KIND,
    link.KIND,
    firewall.KIND,
    zone.KIND,
    view.KIND,
    resolver.KIND,
    vantage.KIND,
    expectation.KIND,
)

# A kind is looked up by name and group: other groups have a Gateway or Service of their own.
_BY_NAME = {(kind.name, version.rpartition("/")[0]): kind for kind in KINDS for version in kind.api_versions}


def lower(document: Document) -> Lowered | None:
    """What the document asks for, or None for a kind that is not known (which is no error).

    A known kind in an unknown version of its group is read as far as it can be, with a warning.
    """
    lowered = _lower(document)
    if lowered is None:
        return None
    accepted, faults = suppressions(document)
    if not accepted and not faults:
        return lowered
    return Lowered(lowered.intent, (*lowered.problems, *faults), accepted)


def _lower(document: Document) -> Lowered | None:
    kind = _BY_NAME.get((document.kind, document.group))
    if kind is None:
        return None
    if document.group == files.GROUP:  # a file goes by its path
        data: Any = document.data  # a file may hold anything
        return kind.lower(document) if isinstance(data, Mapping) else Lowered(None, (_not_a_file(document),))
    scope = (document.namespace or "default") if kind.namespaced else ""
    fault = _identity_fault(document, scope)
    if fault is not None:
        return Lowered(None, (fault,))
    if scope != document.namespace:
        document = Document(document.origin, document.api_version, document.kind, scope, document.name, document.data)
    lowered = kind.lower(document)
    if document.api_version in kind.api_versions:
        return lowered
    return Lowered(lowered.intent, (_unknown_version(document, kind), *lowered.problems))


def _identity_fault(document: Document, scope: str) -> Problem | None:
    """Why the object cannot be told from others: no name, or one that Kubernetes refuses."""
    if not document.name:
        message = f"this {document.kind} has no name"
        hint = "give it a metadata.name, in quotes if it looks like a number, yes or no"
        return Problem("missing-name", message, document.origin, hint=hint)
    if not syntax.is_dns_subdomain(document.name):
        origin = document.origin.at("metadata", "name")
        message = f"{document.name[:80]!r} is not a name that Kubernetes accepts"
        return Problem("invalid-name", message, origin, hint="lower-case letters, digits, '-' and '.'")
    if scope and not syntax.is_dns_label(scope):
        origin = document.origin.at("metadata", "namespace")
        message = f"{scope[:80]!r} is not a namespace that Kubernetes accepts"
        return Problem("invalid-name", message, origin, hint="at most 63 lower-case letters, digits and '-'")
    return None


def _not_a_file(document: Document) -> Problem:
    return Problem("not-an-object", f"this is no {document.kind}", document.origin)


def _unknown_version(document: Document, kind: Kind) -> Problem:
    known = ", ".join(version for version in kind.api_versions if version.startswith(document.group))
    message = f"{document.kind} is not known in {document.api_version}; it is read as {kind.api_versions[0]}"
    return Problem(
        "unknown-version", message, document.origin.at("apiVersion"), Severity.WARNING, f"known are: {known}"
    )
