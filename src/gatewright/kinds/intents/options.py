"""Options: what holds for all rules of a route, or of a whole door, in the words of no dialect.

Annotations of an Ingress, the ConfigMap of its controller, policies that attach to gateways and routes: each lowers to
`Options`, where None (or empty) means "not said".  The graph lays the narrower over the wider (implementation's own
defaults, door, listener, route, rule) with `laid_over` and applies the result to each rule.  What a rule says itself
wins over all of them.
"""

from __future__ import annotations

from msgspec import Struct, structs

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key, Selector
from gatewright.kinds.intents.filters import (
    AllowSources,
    BodyLimit,
    DenySources,
    ErrorPages,
    Filter,
    ForwardAuth,
)
from gatewright.kinds.intents.routing import HashKey, HostMatch, Retry, SessionPersistence, Upstream


class TlsRedirect(Struct, frozen=True, gc=False):
    """Redirect plain HTTP to HTTPS: `when` "never", "tls" (where the host has TLS) or "always".

    `when` "", `status` 0, `port` 0, no `excepts`: as the wider says; without one the usual port.  `excepts`: not where
    the path of the rule begins like one of these.
    """

    when: str
    status: int = 308
    port: int = 0
    origin: Origin | None = None
    excepts: tuple[str, ...] = ()


class Canary(Struct, frozen=True):
    """This route's rules are an alternative to those with the same host and path of another one.

    In order: `header` equal to "always" or "never" (or to `header_value`, or matching RE2 `header_pattern`, in full),
    `cookie` equal to "always" or "never", then `weight` of `total` requests.
    """

    origin: Origin
    weight: int = 0
    total: int = 100
    header: str = ""
    header_value: str = ""
    header_pattern: str = ""
    cookie: str = ""


class ClientAuth(Struct, frozen=True):
    """Client certificates at a hostname, verified against `ca` (a Secret's ca.crt, or its entry `ca_entry`).

    `mode`: "handshake" (refused there), "answer" (400 without a valid one), "optional" (400 for an invalid one only),
    "told" (never refused, the backend is told), "any" (400 without one, which nobody verifies).  `tells`: certificate
    headers, see ClientCertificateHeaders.  `common_name`: RE2 that the subject's has to match, in full; "" any.
    `error_page`: redirect there instead of 400.
    """

    origin: Origin
    ca: Key | None
    mode: str = "answer"
    depth: int = 1
    tells: tuple[tuple[str, str], ...] = ()
    common_name: str = ""
    error_page: str = ""
    ca_entry: str = ""


class DoorOptions(Struct, frozen=True):
    """What the configuration of a controller says of the door itself; None or empty: nothing.

    `trusted`: CIDRs of the proxies in front, which send PROXY protocol where `proxy_protocol`, and whose `header`
    (X-Forwarded-For) is believed where `forwarded`; `appends`: the addresses that it had are passed on to backends.
    TLS versions are "1.0".."1.3".  `trusted_hops`: the client is that entry of X-Forwarded-For from the right, whoever
    sends it.  Times as in EntrySettings of a listener.  `underscores`: request headers with such names reach backends.
    """

    proxy_protocol: bool | None = None
    forwarded: bool | None = None
    trusted: tuple[str, ...] = ()
    header: str = ""
    appends: bool | None = None
    snippets: bool | None = None
    min_version: str = ""
    max_version: str = ""
    ciphers: tuple[str, ...] = ()
    http2: bool | None = None
    alpn: tuple[str, ...] = ()
    trusted_hops: int | None = None
    request_timeout: float | None = None
    keepalive_timeout: float | None = None
    idle_timeout: float | None = None
    underscores: bool | None = None


class ForeignUse(Struct, frozen=True):
    """An object of another namespace that a route uses, where not every door lets it.

    `use`: as what ("passwords", "authorities", "key pairs", "headers").  `message` says what uses what, `hint` how a
    door is told to let it.
    """

    use: str
    message: str
    hint: str
    origin: Origin


class Options(Struct, frozen=True):
    """See the module.  Times in seconds, 0 for no limit; sizes in octets.

    `first` are filters that come before everything else a dialect does, `filters` before those of the rules, `last`
    behind them.  `allow`, `deny`, `auth`, `body_limit`, `errors`: at most one of each, so that a narrower one replaces
    a wider.  `satisfy_any`: clients in `allow` need no authentication, others do (nginx `satisfy any`).
    `rewrite`: the path becomes this text, with \\1 groups where `regex_paths` (ingress-nginx rewrite-target).
    `regex_paths`: paths are case-insensitive regular expressions that match from the start, at the whole host.
    `strip_matched`: a path is matched by the regular expression and what the groups leave goes on.
    `aliases`: further hosts of the route; `www_redirect`: the host with or without www. redirects to the one described.
    `app_root`: where `/` redirects to (302).  `upstream_host`: the Host that backends see.  `default_backend`: who
    answers where the backend has no endpoints.  `unbuildable`: a protection is asked for that cannot be built; its
    reason; every rule answers 503.  `proxy_protocol`: the version that backends are sent.  `tunnel_timeout` in place of
    `read_timeout` on WebSockets and other upgraded connections.
    `listen`: (port, "HTTP" | "HTTPS") of the door that the route is at, where routes say so themselves (ALB).  `group`:
    routes of one group share a load balancer, where `order` says whose rules are asked first (the smaller; ALB).
    `unasked`: rules whose path begins like one of these need no authentication.  `wider_auth` False: an `auth` that a
    wider says does not hold.  `limit_status`: of RateLimits whose own is 0.  `snippets`: the route has configuration
    snippets, and a door where they are off (DoorSettings) does not serve it: 503.  `door`: see DoorOptions.
    `foreign`: what the route uses of other namespaces; unless all is among the `foreign_uses` of its door: 503.
    `client_header`: the original looks for the client's address in this request header, which no door does here.  Lists
    of addresses would judge a proxy's: 503.
    """

    first: tuple[Filter, ...] = ()
    filters: tuple[Filter, ...] = ()
    last: tuple[Filter, ...] = ()
    allow: AllowSources | None = None
    deny: DenySources | None = None
    satisfy_any: bool | None = None
    auth: ForwardAuth | None = None
    body_limit: BodyLimit | None = None
    errors: ErrorPages | None = None
    tls_redirect: TlsRedirect | None = None
    hsts: str | None = None
    timeout: float | None = None
    read_timeout: float | None = None
    retry: Retry | None = None
    websocket: bool | None = None
    persistence: SessionPersistence | None = None
    hash: tuple[HashKey, ...] = ()
    upstream: Upstream | None = None
    scheme: str | None = None
    rewrite: str | None = None
    regex_paths: bool | None = None
    app_root: str | None = None
    upstream_host: str | None = None
    forwarded_prefix: str | None = None
    aliases: tuple[HostMatch, ...] = ()
    www_redirect: bool | None = None
    canary: Canary | None = None
    client: ClientAuth | None = None
    default_backend: Key | None = None
    unbuildable: str = ""
    proxy_protocol: int | None = None
    tunnel_timeout: float | None = None
    listen: tuple[tuple[int, str], ...] = ()
    group: str = ""
    order: int | None = None
    unasked: tuple[str, ...] = ()
    wider_auth: bool | None = None
    limit_status: int | None = None
    snippets: bool | None = None
    door: DoorOptions | None = None
    foreign: tuple[ForeignUse, ...] = ()
    foreign_uses: tuple[str, ...] = ()
    client_header: str = ""


NOTHING = Options()
_HTTPS = 443


def laid_over(wider: Options, narrower: Options) -> Options:
    """What holds where both are said: the narrower's word, field by field; lists of filters follow one another.

    `upstream` is laid over field by field, too.  `hsts` "" is a word: none.
    """
    if narrower is NOTHING or narrower == NOTHING:
        return wider
    if wider is NOTHING:
        return narrower
    upstream = narrower.upstream
    if wider.upstream is not None and upstream is not None:
        own = {n: v for n in Upstream.__struct_fields__ if (v := getattr(upstream, n)) not in (None, "", 0)}
        upstream = structs.replace(wider.upstream, **own)
    values = [
        broad if narrow is None or narrow == () or narrow == "" else narrow
        for broad, narrow in zip(structs.astuple(wider), structs.astuple(narrower), strict=True)
    ]
    found = Options(*values)
    if narrower.hsts == "" or narrower.wider_auth is False or narrower.tls_redirect is not None:
        found = _with_words_of_their_own(found, wider, narrower)
    if not (upstream or wider.first or wider.filters or wider.last):
        return found
    return structs.replace(
        found,
        upstream=upstream or wider.upstream,
        first=wider.first + narrower.first,
        filters=wider.filters + narrower.filters,
        last=wider.last + narrower.last,
    )


def _with_words_of_their_own(found: Options, wider: Options, narrower: Options) -> Options:
    """What is laid over in another way than the rest: `hsts` "", `wider_auth`, and parts of `tls_redirect`."""
    redirect, usual = narrower.tls_redirect, wider.tls_redirect
    if redirect is not None and usual is not None:
        port = redirect.port or usual.port
        redirect = structs.replace(
            redirect,
            when=redirect.when or usual.when,
            status=redirect.status or usual.status,
            port=0 if port == _HTTPS else port,
            excepts=redirect.excepts or usual.excepts,
        )
    return structs.replace(
        found,
        hsts=wider.hsts if narrower.hsts is None else narrower.hsts,
        auth=narrower.auth if narrower.wider_auth is False else found.auth,
        tls_redirect=redirect or usual,
    )


class PolicyTarget(Struct, frozen=True):
    """What a policy attaches to: an object, or those that `selector` selects (`key` then has no name); `section` a
    listener or rule of it, "" all.

    `namespaces` selects the namespaces of what is selected (`key` then has none); None: that of `key`.
    """

    key: Key
    origin: Origin
    section: str = ""
    selector: Selector | None = None
    namespaces: Selector | None = None


class OptionsPolicyIntent(Struct, frozen=True):
    """A policy that gives options to gateways and routes (Envoy Gateway's SecurityPolicy and BackendTrafficPolicy).

    Those of other namespaces it has where it selects them, and a ReferenceGrant there lets it.

    The most specific one of a kind counts alone (rule, route, listener, gateway; then the oldest), unless `merges`:
    then it is laid over the gateway's.
    """

    key: Key
    origin: Origin
    targets: tuple[PolicyTarget, ...]
    options: Options
    merges: bool = False
    created: str = ""
