"""A backend is reached through its own public name.

An ExternalName Service (or a service of the same kind elsewhere) names a host that a gateway of this very cluster
serves, and that gateway leads to a Service next door.  Each request leaves the cluster, is resolved by whatever DNS
there is, and comes back through a gateway, a tunnel or a CDN: it depends on the router's hairpin NAT, on certificates
and on the internet line, sees the client's address as the gateway's own, and pays every limit twice.

    kind: Service
    metadata: {name: auth}
    spec: {type: ExternalName, externalName: auth.example.com}     # an Ingress here leads that to Service sso/keycloak

Name the Service: a backendRef to it (with a ReferenceGrant where it is in another namespace), or
`externalName: keycloak.sso.svc.cluster.local` with its port.  It is on purpose where what the gateway adds is wanted, a
login for instance; and no fault where the gateway is in another cluster, for then its name is how one gets there.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.graph.network.placement import home
from gatewright.graph.nodes import AskAuth, Backend, BasicAuthUsers, Entry, Family, Forward, TokenCheck, VirtualHost
from gatewright.graph.sight import Sight

ID = "hairpin"
CREDENTIALS = (BasicAuthUsers, AskAuth, TokenCheck)
BY_NAME = frozenset({Family.HTTP, Family.HTTPS, Family.PASSTHROUGH})


def check(sight: Sight, backend: Backend) -> Iterable[Finding]:
    """An external name that is served here, from a Service of the same cluster."""
    name = backend.dns_name
    if not name or not backend.origins:
        return
    for key in sight.serving(name):
        host = sight.virtual_host(key) if key.family in BY_NAME else None
        entry = next(filter(_plain, host.entries), None) if host is not None else None
        target = _leads_to(sight, entry) if entry is not None else None
        if host is None or entry is None or target is None or target.key == backend.key:
            continue
        here, there = (sight.ask(home, one.key.namespace).cluster for one in (backend, target))
        if here != there:
            continue
        yield _finding(backend, host, entry, target, known=bool(here))
        return


def _plain(entry: Entry) -> bool:
    """Does the gateway add nothing that somebody might want: no login, no list of clients?"""
    return not entry.rule.access and not any(isinstance(step, CREDENTIALS) for step in entry.rule.steps)


def _leads_to(sight: Sight, entry: Entry) -> Backend | None:
    """The Service at the end of a rule, if it has just one that is not itself a name."""
    action = entry.rule.action
    keys = [share.backend for share in action.backends if share.weight] if isinstance(action, Forward) else []
    found = sight.backend(keys[0]) if len(keys) == 1 and keys[0] is not None else None
    return found if found is not None and not found.dns_name and (found.endpoints or found.pods) else None


def _finding(backend: Backend, host: VirtualHost, entry: Entry, target: Backend, *, known: bool) -> Finding:
    service = f"Service {target.key.namespace}/{target.key.name}"
    return Finding(
        ID,
        Severity.WARNING if known else Severity.INFO,
        f"Service {backend.key.namespace}/{backend.key.name} leads to {backend.dns_name}, which gateway "
        f"{host.key.gateway} serves from {service}",
        "requests leave the cluster and come back, and depend on DNS, the router and the gateway on the way",
        f"use {service} port {target.key.port} as the backend",
        (backend.origins[0], entry.origin, *target.origins[:1]),
    )


RULE = Rule(ID, "a backend reached through its own public name", Severity.WARNING, Scope.BACKEND, __doc__, check)
