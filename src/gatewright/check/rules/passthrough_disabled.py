"""An Ingress asks for TLS passthrough, and its ingress-nginx is not started for it.

ingress-nginx reads `nginx.ingress.kubernetes.io/ssl-passthrough` only when it runs with `--enable-ssl-passthrough`,
which is off by default.  Without it the annotation is ignored in silence: the controller ends TLS itself, with a
certificate that clients do not expect, and speaks plain HTTP to a backend that wants TLS.

    metadata:
      annotations:
        nginx.ingress.kubernetes.io/ssl-passthrough: "true"

Start the controller with the option; in the values of its chart:

    controller:
      extraArgs: {enable-ssl-passthrough: "true"}

Where the site map describes the controller, `settings.passthrough: true` says that it is on, or its Deployment beside
it does.  An Ingress whose controller nobody describes is no finding.  HAProxy's annotation needs no such option.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules._doors import is_described
from gatewright.graph.nodes import Gateway
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.material import WorkloadIntent

ID = "passthrough-disabled"
ANNOTATION = "nginx.ingress.kubernetes.io/ssl-passthrough"
OPTION = "enable-ssl-passthrough"


def check(sight: Sight, route: RouteIntent) -> Iterable[Finding]:
    """Passthrough on an Ingress that an ingress-nginx serves which does not pass through."""
    if not any(name == ANNOTATION and value.strip().lower() == "true" for name, value in route.annotations):
        return
    attachment = sight.attachment(route.key)
    if attachment is None:
        return
    for door in sorted({key.gateway for key in attachment.virtual_hosts}):
        gateway = sight.gateway(door)
        if gateway is None or gateway.implementation != "ingress-nginx" or gateway.settings.passthrough:
            continue
        if not is_described(sight, gateway) or (gateway.settings.passthrough is None and _started(sight, gateway)):
            continue
        yield Finding(
            ID,
            Severity.ERROR,
            f"{route.key} wants TLS passed through, and {gateway.id} runs without --enable-ssl-passthrough"
            + ("" if gateway.settings.passthrough is False else ", which is off unless asked for"),
            "the controller ends TLS with a certificate of its own, and the backend gets plain HTTP",
            "start the controller with --enable-ssl-passthrough (controller.extraArgs.enable-ssl-passthrough in the "
            "values of its chart), and say so in settings.passthrough",
            (route.origin.at("metadata", "annotations", ANNOTATION), gateway.origin),
            hosts=tuple(sorted({key.hostname for key in attachment.virtual_hosts if key.gateway == door})),
        )


def _started(sight: Sight, gateway: Gateway) -> bool:
    """Is there a workload beside the door whose command line has the option?"""
    for workload in sight.listed("workloads-in", gateway.key.namespace, WorkloadIntent):
        for argument in workload.args:
            name, _, value = argument.lstrip("-").partition("=")
            if name == OPTION and value != "false":
                return True
    return False


RULE = Rule(ID, "TLS passthrough that is switched off", Severity.ERROR, Scope.OBJECT, __doc__, check, (RouteIntent,))
