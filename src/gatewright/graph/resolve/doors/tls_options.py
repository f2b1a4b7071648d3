"""How TLS is ended for one hostname, where that is not as its port does it, and what is asked of its clients.

Traefik: the TLSOption of the host's routes; where they disagree, the default one, as Traefik does.  Ingress: what
annotations ask of client certificates; the oldest route that asks decides for its host.  Gateway API: the listener's
own settings, where it shares its port with others.  A route that asks for more than it can get (client certificates
without authorities to verify them) is refused rather than served with weaker TLS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import re2
from msgspec import Struct, structs

from gatewright.base.problem import Problem, Severity
from gatewright.graph.nodes import Entry, Family, Gateway, Listener, Respond, TlsSettings, VirtualHostKey
from gatewright.graph.objects import View
from gatewright.graph.resolve.certificates import authorities
from gatewright.graph.resolve.doors.gateways import tls_settings
from gatewright.graph.resolve.rules.options import effective
from gatewright.graph.resolve.rules.precedence import age
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.material import TlsOptionIntent
from gatewright.kinds.intents.options import ClientAuth
from gatewright.kinds.intents.routing import Dialect

DEFAULT = "default"
EVERY: Key | None = None
"""Stands for all routes of a host among `HostTls.refusals`."""
_LOWEST, _HIGHEST = "1.2", "1.3"  # what is spoken where nothing is said
_VERIFIED = ("require", "verify")
"""The modes that need authorities."""
_MODES = {"handshake": "require", "answer": "answer", "optional": "optional", "told": "request"}


class HostTls(Struct, frozen=True):
    """What TLS is at a hostname.

    `settings` None: as its port.  `client`: what is asked of client certificates after the handshake.  `refusals`: what
    a route answers (None: every route) instead of being served with less than it asks for.
    """

    settings: TlsSettings | None = None
    client: ClientAuth | None = None
    refusals: Mapping[Key | None, Respond] = {}

    def kept(self, entries: Iterable[Entry]) -> tuple[Entry, ...]:
        """The entries, refused where they have to be."""
        if not self.refusals:
            return tuple(entries)
        return tuple(self._kept(entry) for entry in entries)

    def _kept(self, entry: Entry) -> Entry:
        answer = self.refusals.get(EVERY) or self.refusals.get(entry.rule.route)
        return structs.replace(entry, rule=structs.replace(entry.rule, action=answer)) if answer else entry


USUAL = HostTls()


def host_tls(
    view: View, gateway: Gateway, listener: Listener, key: VirtualHostKey, routes: Sequence[RouteIntent]
) -> tuple[HostTls, tuple[Problem, ...]]:
    """How TLS is ended for a hostname that these routes have to do with."""
    problems: list[Problem] = []
    if key.family is Family.HTTP and gateway.dialect is Dialect.INGRESS:
        # There is no TLS, but a route that asks for client certificates without authorities is not served here either.
        found = _clients(view, gateway, listener, routes, problems)
        return HostTls(refusals=found.refusals), tuple(problems)
    if key.family not in (Family.HTTPS, Family.TERMINATED):
        return USUAL, ()
    if gateway.dialect is Dialect.TRAEFIK:
        # Rules of names that cover this one answer here, too, but say nothing of its TLS.
        own = {placed.route for placed in view.placements(key)}
        found = _traefik(view, listener, [r for r in routes if r.key in own], problems)
        return _demanding(found, listener, key, problems), tuple(problems)
    found = _clients(view, gateway, listener, routes, problems)
    if found.settings is None and listener.apart:
        found = structs.replace(found, settings=listener.settings)
    return found, tuple(problems)


# --- Traefik ------------------------------------------------------------------------------------


def _traefik(view: View, listener: Listener, routes: Sequence[RouteIntent], problems: list[Problem]) -> HostTls:
    asked = {route.key: _asked(route, listener) for route in routes}
    wanted = {option for option in asked.values() if option is None or option.name != DEFAULT} | {
        None for option in asked.values() if option is not None and option.name == DEFAULT
    }
    default = _without_authorities(listener)
    if wanted <= {None}:
        return HostTls(refusals={EVERY: default}) if default else USUAL
    if len(wanted) > 1:
        return _disagreeing(view, listener, routes, asked, problems)
    option = next(iter(wanted))
    assert option is not None
    settings, why = option_settings(view, option)
    if why:
        first = next(route for route in routes if asked[route.key] == option)
        return HostTls(refusals={EVERY: _refused(first, why, problems)})
    return HostTls(settings=settings if settings != listener.settings else None)


def _demanding(found: HostTls, listener: Listener, key: VirtualHostKey, problems: list[Problem]) -> HostTls:
    """Any certificate will do, but none will not: that is said by an answer, where there are requests to answer."""
    settings = found.settings or listener.settings
    if settings.client_mode != "any" or EVERY in found.refusals:
        return found
    if key.family is Family.HTTPS:
        return structs.replace(found, client=ClientAuth(listener.origin, None, "any"))
    why = "client certificates that nobody verifies cannot be demanded where there are no requests"
    hint = "use RequireAndVerifyClientCert; until then connections are closed"
    problems.append(Problem("tls-option", f"{key.hostname}: {why}", listener.origin, Severity.ERROR, hint))
    return structs.replace(found, refusals={EVERY: Respond(503, why, listener.origin)})


def _asked(route: RouteIntent, listener: Listener) -> Key | None:
    """The TLSOption of a route; None: the default one."""
    named = next((use.options for use in route.tls if use.options is not None), None)
    return named or (listener.tls_options if not route.tls else None)


def _without_authorities(listener: Listener) -> Respond | None:
    if listener.settings.client_mode not in _VERIFIED or listener.settings.client_ca:
        return None
    return Respond(503, "the TLSOption default verifies client certificates but its CA is missing", listener.origin)


def _disagreeing(
    view: View,
    listener: Listener,
    routes: Sequence[RouteIntent],
    asked: Mapping[Key, Key | None],
    problems: list[Problem],
) -> HostTls:
    """Traefik uses the default options; whoever asked for client certificates is not served without."""
    refusals: dict[Key | None, Respond] = {}
    default = _without_authorities(listener)
    if default is not None:
        return HostTls(refusals={EVERY: default})
    for route in routes:
        option = asked[route.key]
        if option is None or option.name == DEFAULT:
            continue
        settings, why = option_settings(view, option)
        if not why and settings.client_mode and settings != listener.settings:
            why = f"{option} asks for client certificates, but other routes of its host have other TLS options"
        if why:
            refusals[route.key] = _refused(route, why, problems)
            continue
        message = f"{route.key}: {option} is not used, as other routes of its host have other TLS options"
        hint = f"name one TLSOption in all of them; the one named {DEFAULT} is used instead"
        problems.append(Problem("tls-option", message, route.origin, Severity.WARNING, hint))
    return HostTls(refusals=refusals)


def option_settings(view: View, key: Key) -> tuple[TlsSettings, str]:
    """The settings of a TLSOption; a reason why nothing may be served with it, "" if all is well."""
    option = view.get(key, TlsOptionIntent)
    if option is None:
        return TlsSettings(), f"{key} does not exist or cannot be used"
    settings, conflict, _ = tls_settings(view, option.tls)
    settings = of_traefik(settings)
    _, missing = authorities(view, option.tls.client_ca)
    if conflict or missing or (settings.client_mode in _VERIFIED and not settings.client_ca):
        return settings, f"{key} has no CA to verify client certificates with"
    return settings, ""


def of_traefik(settings: TlsSettings) -> TlsSettings:
    """What is as usual is not said, so that equal settings are equal."""
    return structs.replace(
        settings,
        min_version="" if settings.min_version == _LOWEST else settings.min_version,
        max_version="" if settings.max_version == _HIGHEST else settings.max_version,
    )


def _refused(route: RouteIntent, why: str, problems: list[Problem]) -> Respond:
    origin = next((use.origin for use in route.tls if use.options is not None), route.origin)
    hint = f"create it, or name another; without a name the TLSOption {DEFAULT} is used"
    problems.append(Problem("tls-option", f"{route.key} answers 503: {why}", origin, Severity.ERROR, hint))
    return Respond(503, why, origin)


# --- client certificates by annotation or policy ------------------------------------------------


def _clients(
    view: View, gateway: Gateway, listener: Listener, routes: Sequence[RouteIntent], problems: list[Problem]
) -> HostTls:
    said = [
        (route, client)
        for route in sorted(routes, key=age)
        if (client := effective(view, gateway, listener, route, None).client) is not None
    ]
    if not said:
        return USUAL
    route, client = said[0]
    for other, unheard in said[1:]:
        if structs.replace(unheard, origin=client.origin) != client:
            message = f"{other.key}: client certificates at its host are asked for as {route.key} says"
            hint = "say the same in all routes of a host"
            problems.append(Problem("client-auth", message, unheard.origin, Severity.WARNING, hint))
    bundle, why = _bundle(view, client)
    if not why and client.common_name:
        why = _unusable(client.common_name)
    if why:
        hint = "until then the host answers 503 rather than serve without client certificates"
        problems.append(Problem("client-auth", f"{route.key}: {why}", client.origin, Severity.ERROR, hint))
        return HostTls(refusals={EVERY: Respond(503, why, client.origin)})
    mode = _MODES[client.mode]
    settings = structs.replace(listener.settings, client_ca=bundle, client_mode=mode, client_depth=client.depth)
    further = client.mode in ("answer", "optional") or client.common_name
    return HostTls(settings, client if further else None)


def _bundle(view: View, client: ClientAuth) -> tuple[bytes, str]:
    """The authorities, and why there are none."""
    if client.ca is None:
        return b"", "client certificates are asked for, but no CA is named to verify them with"
    bundle, missing = authorities(view, (client.ca,), client.ca_entry)
    return bundle, f"{client.ca} with the CA of client certificates is missing, or holds none" if missing else ""


def _unusable(pattern: str) -> str:
    try:
        re2.compile(pattern)
    except re2.error:
        return f"the expression {pattern} for subjects of client certificates cannot be used"
    return ""
