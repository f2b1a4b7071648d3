"""TLSOptions of Traefik routes, which apply per host there; here a port has one setting for all of its hosts.

A route whose option asks for no more than its port gives is served.  One that asks for more (client certificates, a
later version, other ciphers) is refused rather than served with weaker TLS.
"""

from __future__ import annotations

from gatewright.base.problem import Problem, Severity
from gatewright.graph.nodes import Family, Gateway, Listener, Respond, TlsSettings
from gatewright.graph.objects import View
from gatewright.graph.resolve.gateways import tls_settings
from gatewright.kinds.intents.doors import RouteIntent, TlsUse
from gatewright.kinds.intents.material import TlsOptionIntent
from gatewright.kinds.intents.routing import Dialect

DEFAULT = "default"
_LOWEST = "1.2"  # what is spoken at least where nothing is said


def tls_refusal(
    view: View, gateway: Gateway, listener: Listener, family: Family, route: RouteIntent, problems: list[Problem]
) -> Respond | None:
    """The answer of a route that needs stricter TLS than its port has; None when all is well."""
    if gateway.dialect is not Dialect.TRAEFIK or family not in (Family.HTTPS, Family.TERMINATED):
        return None
    if listener.settings.client_mode and not listener.settings.client_ca:
        why = "the TLSOption default verifies client certificates but its CA is missing"
        return Respond(503, why, listener.origin)
    for use in route.tls:
        if use.options is None or use.options.name == DEFAULT:
            continue
        why = _stricter(view, use, listener.settings)
        if why:
            hint = f"make it the TLSOption named {DEFAULT}, or give the route a gateway of its own"
            message = f"{route.key} answers 503: {why}"
            problems.append(Problem("tls-option", message, use.origin, Severity.ERROR, hint))
            return Respond(503, why, use.origin)
    return None


def _stricter(view: View, use: TlsUse, port: TlsSettings) -> str:
    """Why an option cannot be kept by a port; "" when it can."""
    assert use.options is not None
    option = view.get(use.options, TlsOptionIntent)
    if option is None:
        return f"{use.options} does not exist or cannot be used"
    wanted, conflict, _ = tls_settings(view, option.tls)
    if conflict:
        return f"{use.options} has no CA to verify client certificates with"
    for what, kept in (
        ("minVersion", (wanted.min_version or _LOWEST) <= (port.min_version or _LOWEST)),
        ("maxVersion", wanted.max_version in ("", port.max_version)),
        ("cipherSuites", wanted.ciphers in ((), port.ciphers)),
        ("alpnProtocols", wanted.alpn in ((), port.alpn)),
        ("sniStrict", port.sni_strict or not wanted.sni_strict),
        ("clientAuth", not wanted.client_mode or _same_clients(wanted, port)),
    ):
        if not kept:
            return f"{what} of {use.options} differs from that of the port, and TLS options per host are not supported"
    return ""


def _same_clients(wanted: TlsSettings, port: TlsSettings) -> bool:
    return (wanted.client_mode, wanted.client_ca) == (port.client_mode, port.client_ca)
