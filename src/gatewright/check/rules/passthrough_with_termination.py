"""A route passes TLS through and asks for what only whoever ends TLS can do.

Passed through means that the door sees the name in the TLS greeting and nothing else: no path, no header, no status.
Authentication, rewrites, allowed headers and a certificate of the door have no effect on such a host.  Where another
route serves the same host over HTTPS at the same door, it is never asked: the door takes the connection by its SNI
before anybody reads a request.

    kind: Ingress
    metadata:
      annotations:
        nginx.ingress.kubernetes.io/ssl-passthrough: "true"
        nginx.ingress.kubernetes.io/auth-url: https://auth.example.com/verify      # nobody asks it

Let the door end TLS for this host (drop the passthrough), or have the backend do what the annotations ask for.  Until
then what was meant as protection is missing.

It is no fault to name a Secret under `spec.tls` of a passed-through Ingress: the backend may read it.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import structs

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _names
from gatewright.graph.nodes import Family
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.doors import RouteIntent

ID = "passthrough-with-termination"

PROTECTING = frozenset(
    {
        "auth-url", "auth-signin", "auth-type", "auth-secret", "auth-realm", "auth-tls-secret",
        "auth-tls-verify-client", "auth-tls-pass-certificate-to-upstream", "enable-modsecurity",
        "enable-owasp-core-rules", "limit-rps", "limit-rpm", "rate-limit-requests",
    }
)  # fmt: skip
"""Annotations of ingress-nginx and of both HAProxy controllers that guard a host, without their prefix."""

SHAPING = frozenset(
    {
        "rewrite-target", "app-root", "permanent-redirect", "temporal-redirect", "configuration-snippet", "enable-cors",
        "custom-headers", "upstream-vhost", "add-base-url", "affinity", "canary", "use-regex", "path-rewrite",
        "request-set-header", "response-set-header", "cors-enable", "cookie-persistence", "set-host",
    }
)  # fmt: skip
PREFIXES = ("nginx.ingress.kubernetes.io/", "haproxy.org/", "haproxy-ingress.github.io/", "ingress.kubernetes.io/")
OFF = frozenset({"", "false", "0", "none"})


def check(sight: Sight, route: RouteIntent) -> Iterable[Finding]:
    """A passed-through route with what needs TLS to be ended, or before a route that ends it."""
    if not any(use.passthrough for use in route.tls):
        return
    yield from _annotations(route)
    yield from _secrets(route)
    attachment = sight.attachment(route.key)
    for key in attachment.virtual_hosts if attachment is not None else ():
        if key.family is not Family.PASSTHROUGH:
            continue
        hidden = sight.virtual_host(structs.replace(key, family=Family.HTTPS))
        if hidden is None or not hidden.entries:
            continue
        others = sorted({entry.rule.route for entry in hidden.entries})
        yield Finding(
            ID,
            Severity.ERROR,
            f"{route.key} passes TLS of {key.hostname} through at gateway {key.gateway}, where "
            f"{_names.listing(map(str, others))} would serve it over HTTPS",
            "what the other route says of this host is never asked",
            "end TLS for this host in one way: drop the passthrough, or give the other route a name of its own",
            _names.places(route.tls[0].origin, *(entry.rule.origin for entry in hidden.entries[:4])),
            hosts=(key.hostname,),
        )


def _annotations(route: RouteIntent) -> Iterable[Finding]:
    asked = {
        name: short
        for name, value in route.annotations
        if name.startswith(PREFIXES) and value.strip().lower() not in OFF
        for short in (name.partition("/")[2],)
        if short in PROTECTING or short in SHAPING
    }
    if not asked:
        return
    guarding = any(short in PROTECTING for short in asked.values())
    hosts = tuple(sorted({host for use in route.tls for host in use.hosts}))
    yield Finding(
        ID,
        Severity.ERROR if guarding else Severity.WARNING,
        f"{route.key} passes TLS through, so {_names.listing(asked)} {'have' if len(asked) > 1 else 'has'} no effect",
        "requests reach the backend without the protection that was asked for"
        if guarding
        else "requests reach the backend as they are",
        "drop the passthrough, so that the door ends TLS, or leave this to the backend and drop the annotations",
        tuple(route.origin.at("metadata", "annotations", name) for name in asked),
        hosts=hosts,
    )


def _secrets(route: RouteIntent) -> Iterable[Finding]:
    for use in route.tls:
        if use.passthrough and use.secret is not None:
            yield Finding(
                ID,
                Severity.WARNING,
                f"{route.key} passes TLS through and names {use.secret}, which is not shown to anybody",
                "clients get the backend's own certificate",
                "drop passthrough where the door shall end TLS, else drop the Secret",
                (use.origin,),
            )


RULE = Rule(
    ID, "passthrough, and features that need its end", Severity.ERROR, Scope.OBJECT, __doc__, check, (RouteIntent,)
)
