"""A dashboard or admin page answers on the internet, and nothing asks who comes.

Traefik's dashboard and API (`api@internal`), Prometheus, Alertmanager, Longhorn and Hubble have no login of their own:
whoever reaches them reads every route and target, and with Longhorn deletes volumes.  Others have a login, but are the
first thing that scanners try.  A route meant for home becomes public by its entry point, by a class-less object that a
second controller takes, or by a wildcard record.

    kind: IngressRoute
    spec:
      entryPoints: [websecure]               # of the Traefik with a public address
      routes:
        - match: Host(`traefik.example.com`)
          services: [{name: api@internal, kind: TraefikService}]       # no middlewares

Serve it on a gateway that only your networks reach, or put an allow list or authentication before it.

It is no fault when something before the gateway asks (an SSO at the CDN, a SecurityPolicy of Envoy Gateway): accept it
with that as the reason.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules._doors import open_ports
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.filters import (
    AllowSources,
    BasicAuth,
    Filter,
    FilterRef,
    Refuse,
)
from gatewright.kinds.intents.material import MiddlewareIntent
from gatewright.kinds.intents.routing import Dialect, RuleIntent

ID = "dashboard-public"
DEPTH = 4

# Names of Services, as their charts and manifests call them; also as the end of a longer name (release-NAME).
WITHOUT_LOGIN = {
    "prometheus": "Prometheus",
    "prometheus-server": "Prometheus",
    "prometheus-operated": "Prometheus",
    "prometheus-k8s": "Prometheus",
    "alertmanager": "Alertmanager",
    "alertmanager-main": "Alertmanager",
    "alertmanager-operated": "Alertmanager",
    "longhorn-frontend": "Longhorn",
    "hubble-ui": "Hubble",
    "traefik-dashboard": "Traefik's dashboard",
}
WITH_LOGIN = {
    "argocd-server": "Argo CD",
    "kubernetes-dashboard": "the Kubernetes dashboard",
    "kubernetes-dashboard-kong-proxy": "the Kubernetes dashboard",
    "adminer": "Adminer",
    "phpmyadmin": "phpMyAdmin",
    "pgadmin": "pgAdmin",
}
OWN = ("api@internal", "dashboard@internal")


def check(sight: Sight, route: RouteIntent) -> Iterable[Finding]:
    """Rules that lead to an admin page at a door that the internet reaches."""
    for rule in route.rules:
        found = _admin(rule)
        if found is None:
            continue
        what, login = found
        if any(_guards(sight, item, DEPTH) for item in rule.filters):
            continue
        attachment = sight.attachment(route.key)
        for key in attachment.virtual_hosts if attachment is not None else ():
            address = next((a for a, port in sight.ask(open_ports, key.gateway) if port == key.port), "")
            if not address:
                continue
            weak = login or route.dialect is Dialect.GATEWAY_API  # policies of an implementation may guard the latter
            yield Finding(
                ID,
                Severity.INFO if weak else Severity.WARNING,
                f"{route.key} publishes {what} at {key.gateway} ({address}), which the internet reaches, with neither "
                "authentication nor an allow list before it",
                f"anybody gets to the login of {what}"
                if login
                else f"anybody sees all that {what} shows, and may do what it lets do",
                "move it to a gateway for your own networks, or put an allow list or authentication before it",
                (rule.origin,),
                hosts=(key.hostname,),
            )


def _admin(rule: RuleIntent) -> tuple[str, bool] | None:
    """The admin page that a rule leads to, and whether it has a login of its own."""
    for ref in rule.backends:
        name = ref.target.name
        for known, login in ((WITHOUT_LOGIN, False), (WITH_LOGIN, True)):
            what = known.get(name) or known.get(name.rpartition("-")[2])
            if what is not None:
                return what, login
    for item in rule.filters:
        if isinstance(item, Refuse) and item.reason.startswith(OWN):
            return "Traefik's dashboard", False
    return None


def _guards(sight: Sight, item: Filter, depth: int) -> bool:
    """Does a filter keep anybody out?  What is missing or not followed is given the benefit of the doubt."""
    if isinstance(item, FilterRef):
        middleware = sight.get(item.target, MiddlewareIntent)
        return middleware is None or not depth or any(_guards(sight, one, depth - 1) for one in middleware.filters)
    if isinstance(item, Refuse):
        return not item.reason.startswith(OWN)
    return isinstance(item, AllowSources | BasicAuth)


RULE = Rule(ID, "an admin page on the internet", Severity.WARNING, Scope.OBJECT, __doc__, check, (RouteIntent,))
