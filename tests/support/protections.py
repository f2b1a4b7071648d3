"""What keeps somebody out, of every dialect: each protection whole, and with every part of it broken in turn.

A whole one lets in whoever shows its `proof`, and nobody else: else a test that broken ones let nobody in would show
nothing.  Counterpart: `keeper`, who the proofs are, and the server that is asked for them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from support import keeper

Manifest = dict[str, Any]
APP, AUTH = "app", "auth"
MANY = ",".join(f"10.{n // 256}.{n % 256}.0/24" for n in range(2000))
NEVER = ""
"""The proof of what is not carried over: there is no whole one, and nobody gets in."""


@dataclass(frozen=True)
class Protection:
    """One, in the words of its dialect.  `proof`: a key of `keeper.RIGHT`; `broken`: with one part of `whole` changed.

    `partly`: those of `broken` that a proof may still get through, because the part that it needs is there.
    """

    proof: str
    whole: Any
    broken: tuple[Any, ...]
    partly: tuple[Any, ...] = ()


# --- Secrets ------------------------------------------------------------------------------------

SHA = keeper.DIGEST
LINE = f"{keeper.USER}:{SHA}"
ELSEWHERE = "elsewhere/users"
BROKEN_SECRETS = (
    "gone",
    *("empty", "blank", "octets", "no-base64", "plain", "no-password", "other-key", "pair", "garbage-ca", "no-user"),
)
"""By name; `mixed` has a line too many that is none, beside the right one.  Annotations may name those of ELSEWHERE."""


def _htpasswd(key: str) -> dict[str, Manifest]:
    return {
        "users": {"stringData": {key: LINE}},
        "empty": {"data": {}},
        "blank": {"stringData": {key: ""}},
        "octets": {"data": {key: "////"}},
        "no-base64": {"data": {key: "***"}},
        "plain": {"stringData": {key: f"{keeper.USER}:{keeper.PASSWORD}"}},
        "no-password": {"stringData": {key: f"{keeper.USER}:"}},
        "no-user": {"stringData": {key: f":{SHA}"}},
        "mixed": {"stringData": {key: f"{LINE}\nann:secret"}},
    }


def _by_name() -> dict[str, Manifest]:
    """A key for each user."""
    return {
        "users": {"stringData": {keeper.USER: SHA}},
        "empty": {"data": {}},
        "blank": {"stringData": {keeper.USER: ""}},
        "octets": {"data": {keeper.USER: "////"}},
        "no-base64": {"data": {keeper.USER: "***"}},
        "plain": {"stringData": {keeper.USER: keeper.PASSWORD}},
        "no-password": {"stringData": {"ann": ""}},
        "no-user": {"stringData": {"eve": SHA}},
        "mixed": {"stringData": {keeper.USER: SHA, "ann": "secret"}},
    }


_USERS: Mapping[str, dict[str, Manifest]] = {
    "ingress-nginx": {**_htpasswd("auth"), **{f"map-{name}": one for name, one in _by_name().items()}},
    "haproxy": _by_name(),
    "haproxy-ingress": _htpasswd("auth"),
    "alb": {},
    "traefik": {**_htpasswd("users"), "two-keys": {"stringData": {"users": LINE, "auth": LINE}}},
    "envoy-gateway": _htpasswd(".htpasswd"),
}
"""By dialect, since each looks for users under another key."""
_OTHER_SECRETS: Mapping[str, Manifest] = {
    "other-key": {"stringData": {"passwords": LINE, "more": LINE}},
    "pair": {"type": "kubernetes.io/tls", "stringData": {"tls.crt": "x", "tls.key": "y"}},
    "garbage-ca": {"stringData": {"ca.crt": "-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n"}},
}


def named(kind: str, api: str, name: str, **more: Any) -> Manifest:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "apps"}, **more}


def parts(dialect: str) -> Iterator[Manifest]:
    """Secrets, ConfigMaps and Services that the protections of a dialect are made of."""
    users = _USERS[dialect]
    for name, more in {**users, **_OTHER_SECRETS}.items():
        yield named("Secret", "v1", name, **more)
    if "users" in users:
        elsewhere = named("Secret", "v1", "users", **users["users"])
        elsewhere["metadata"]["namespace"] = "elsewhere"
        yield elsewhere
    authority = base64.b64encode(keeper.authority().cert_pem).decode()
    yield named("Secret", "v1", "clients", data={"ca.crt": base64.b64encode(keeper.client_authority()).decode()})
    yield named("Secret", "v1", "authority", data={"ca.crt": authority})
    yield named("ConfigMap", "v1", "told", data={"X-Told": "yes"})
    yield named("ConfigMap", "v1", "keys", data={"jwks": keeper.JWKS})
    for name in (APP, AUTH):
        ports = [{"name": "http", "port": 80}, {"name": "https", "port": 443}]
        yield named("Service", "v1", name, spec={"ports": ports})


# --- annotations --------------------------------------------------------------------------------

ASKED = "http://auth.apps.svc.cluster.local"
INSIDE, OUTSIDE = "127.0.0.0/24", "127.0.1.0/24"
"""Where who may come in comes from, and who may not."""
BROKEN_CIDRS = ("garbage", "10.0.0.0/99", f"{INSIDE},,x", f"{INSIDE};y", "127.0.0.0/24/8")
OTHER_CIDRS = ("10.0.0.0/8", MANY)
BROKEN_SERVERS = (
    "not-a-url",
    "http://",
    "http://[",
    "ftp://auth/",
    "http://gone.apps.svc.cluster.local/",
    "http://auth.apps.svc.cluster.local:81/",
    "http://no-such-name.invalid/",
    *(f"{ASKED}/status/{status}" for status in (401, 403, 404, 500, 503)),
)
BROKEN_NUMBERS = ("-1", "5r/s", "x", "99999999999999999999")

ALIAS = "@ALIAS@"
"""Another name of the host."""
NGINX, HAPROXY, COMMUNITY, ALB = (
    "nginx.ingress.kubernetes.io/",
    "haproxy.org/",
    "haproxy-ingress.github.io/",
    "alb.ingress.kubernetes.io/",
)

Notes = dict[str, str]


def _part(
    proof: str, name: str, whole: str, broken: tuple[str, ...], partly: tuple[str, ...] = (), **more: str
) -> Protection:
    """Annotations of which one is broken; in the names of `more` underscores stand for dashes."""
    others = {key.replace("_", "-"): value for key, value in more.items()}
    each = tuple({**others, name: value} for value in broken)
    rest = tuple({**others, name: value} for value in partly)
    return Protection(proof, {**others, name: whole} if proof else None, each, rest)


INGRESSES: Mapping[str, tuple[str, list[Protection]]] = {
    "ingress-nginx": (
        NGINX,
        [
            _part("password", "auth-secret", "users", BROKEN_SECRETS, ("mixed", ELSEWHERE), auth_type="basic"),
            _part(
                "password",
                "auth-secret",
                "map-users",
                ("gone", *(f"map-{one}" for one in _by_name() if one not in ("users", "mixed"))),
                ("map-mixed",),
                auth_type="basic",
                auth_secret_type="auth-map",
            ),
            _part(
                "password", "auth-secret-type", "auth-file", ("auth-map", "x"), auth_type="basic", auth_secret="users"
            ),
            _part(
                "password",
                "auth-secret",
                "users",
                BROKEN_SECRETS,
                ("mixed", ELSEWHERE),
                auth_type="basic",
                satisfy="any",
                whitelist_source_range="10.0.0.0/8",
            ),
            _part(
                "password",
                "auth-secret",
                "users",
                ("gone",),
                auth_type="basic",
                server_alias=ALIAS,
            ),
            _part("password", "auth-type", "basic", ("digest", "x"), auth_secret="users"),
            _part("password", "auth-url", f"{ASKED}/", BROKEN_SERVERS),
            _part(
                "password",
                "auth-url",
                f"{ASKED}/",
                BROKEN_SERVERS[:4],
                satisfy="any",
                whitelist_source_range="10.0.0.0/8",
            ),
            _part("password", "auth-proxy-set-headers", "told", ("gone", "other/gone"), auth_url=f"{ASKED}/"),
            _part("address", "whitelist-source-range", INSIDE, (*BROKEN_CIDRS, *OTHER_CIDRS)),
            _part("address", "denylist-source-range", OUTSIDE, ("garbage", f"{OUTSIDE},garbage", "0.0.0.0/0")),
            _part(
                "password",
                "whitelist-source-range",
                "10.0.0.0/8",
                ("garbage",),
                satisfy="any",
                auth_type="basic",
                auth_secret="users",
            ),
            _part(
                "certificate",
                "auth-tls-secret",
                "apps/clients",
                ("gone", "apps/gone", "a/b/c", "apps/empty", "apps/garbage-ca"),
            ),
            *(_part("rate", name, "1", BROKEN_NUMBERS) for name in ("limit-rps", "limit-rpm")),
            _part("rate", "global-rate-limit", "5", BROKEN_NUMBERS, global_rate_limit_window="1m"),
            _part("rate", "global-rate-limit-window", "1m", ("x", "-1"), global_rate_limit="5"),
            _part("body", "proxy-body-size", "1000", ()),
            _part(NEVER, "enable-modsecurity", "", ("true",)),
            _part(
                "address",
                "configuration-snippet",
                f"allow {INSIDE}; deny all;",
                ("deny all;", "auth_basic x;", "allow 10.0.0.0/8; deny all;", "allow garbage; deny all;"),
            ),
        ],
    ),
    "haproxy": (
        HAPROXY,
        [
            _part("password", "auth-secret", "users", BROKEN_SECRETS, ("mixed", ELSEWHERE), auth_type="basic-auth"),
            _part("password", "auth-type", "basic-auth", ("digest", "x"), auth_secret="users"),
            _part("address", "allow-list", INSIDE, (*BROKEN_CIDRS, *OTHER_CIDRS, "patterns/gone")),
            _part("address", "deny-list", OUTSIDE, ("garbage", f"{OUTSIDE},garbage", "patterns/gone")),
            _part("rate", "rate-limit-requests", "5", BROKEN_NUMBERS),
            _part(
                NEVER,
                "backend-config-snippet",
                "",
                ("http-request deny", "http-request auth if TRUE", f"http-request deny unless {{ src {INSIDE} }}"),
            ),
        ],
    ),
    "haproxy-ingress": (
        COMMUNITY,
        [
            _part("password", "auth-secret", "users", BROKEN_SECRETS, ("mixed", ELSEWHERE)),
            _part("password", "auth-url", f"{ASKED}/", BROKEN_SERVERS),
            _part(NEVER, "oauth", "", ("oauth2_proxy", "x")),
            _part("address", "allowlist-source-range", INSIDE, (*BROKEN_CIDRS, *OTHER_CIDRS)),
            _part("address", "denylist-source-range", OUTSIDE, ("garbage", f"{OUTSIDE},garbage")),
            _part(
                "certificate",
                "auth-tls-secret",
                "apps/clients",
                ("gone", "apps/gone", "apps/empty", "apps/garbage-ca"),
            ),
            _part("rate", "limit-rps", "1", BROKEN_NUMBERS),
            _part("body", "proxy-body-size", "1000", ("x", "-1")),
            _part(NEVER, "waf", "", ("modsecurity",)),
        ],
    ),
    "alb": (
        ALB,
        [
            _part(NEVER, "auth-type", "", ("oidc", "cognito", "x")),
            _part("address", "inbound-cidrs", INSIDE, (*BROKEN_CIDRS, *OTHER_CIDRS)),
            _part(NEVER, "mutual-authentication", "", ('[{"port": 80, "mode": "verify"}]', "x")),
            _part(NEVER, "wafv2-acl-arn", "", ("arn:aws:wafv2:x",)),
            _part(NEVER, "jwt-validation", "", ("x", "{}", '{"jwksEndpoint": "https://gone.test/", "issuer": "x"}')),
        ],
    ),
}
"""The keys of `jwt-validation` come from the Internet: that it lets in who has a token is not shown here."""

# --- middlewares --------------------------------------------------------------------------------


def _of(kind: str, proof: str, whole: Any, broken: tuple[Any, ...], partly: tuple[Any, ...] = ()) -> Protection:
    """A middleware, or a part of a policy."""
    made = tuple({kind: one} for one in broken)
    return Protection(proof, {kind: whole} if proof else None, made, tuple({kind: one} for one in partly))


def _server(address: Any, **more: Any) -> Manifest:
    return {"address": address, **more}


_TLS = f"https://{AUTH}.apps.svc.cluster.local/"
MIDDLEWARES: list[Protection] = [
    _of(
        "basicAuth",
        "password",
        {"secret": "users"},
        (
            *({"secret": name} for name in (*BROKEN_SECRETS, ELSEWHERE, "two-keys")),
            *({}, None, 5, {"users": []}, {"users": ["x"]}, {"users": [LINE]}, {"secret": None}, {"secrets": "users"}),
        ),
        ({"secret": "mixed"},),
    ),
    _of("digestAuth", NEVER, None, tuple({"secret": name} for name in ("users", ELSEWHERE, *BROKEN_SECRETS))),
    _of(
        "ipAllowList",
        "address",
        {"sourceRange": [INSIDE]},
        tuple(
            {"sourceRange": one}
            for one in ([], None, INSIDE, ["garbage"], [INSIDE, "garbage"], [""], ["10.0.0.0/8"], MANY.split(","))
        ),
    ),
    _of(
        "ipWhiteList",
        "address",
        {"sourceRange": [INSIDE]},
        tuple({"sourceRange": one} for one in ([], ["garbage"], ["10.0.0.0/8"])),
    ),
    _of(
        "ipAllowList",
        "forwarded",
        {"sourceRange": [keeper.FAR], "ipStrategy": {"depth": 1}},
        tuple(
            {"sourceRange": [keeper.FAR], "ipStrategy": one}
            for one in ({"depth": 3}, {"depth": -1}, {"depth": "x"}, {"excludedIPs": ["x"]}, {"excludedIPs": 5}, "x")
        ),
    ),
    _of("forwardAuth", "password", _server(f"{ASKED}/"), tuple(_server(one) for one in (*BROKEN_SERVERS, "", None, 5))),
    _of(
        "forwardAuth",
        "password",
        _server(_TLS, tls={"caSecret": "authority"}),
        tuple(
            _server(_TLS, tls=one)
            for one in ({"caSecret": "gone"}, {"caSecret": "garbage-ca"}, {"caSecret": "clients"})
        ),
    ),
    _of(
        "forwardAuth",
        "password",
        _server(f"{ASKED}/", authResponseHeadersRegex="^X-"),
        tuple(_server(f"{ASKED}/", authResponseHeadersRegex=one) for one in ("(((", "(?=x)")),
    ),
    _of(
        "rateLimit",
        "rate",
        {"average": 1, "period": "1s"},
        ({"average": "x"}, {"average": -1}, {"average": 5, "period": "x"}),
    ),
    _of("inFlightReq", "rate", {"amount": 1}, ({"amount": "x"},)),
    _of("buffering", "body", {"maxRequestBodyBytes": 1000}, ({"maxRequestBodyBytes": "x"},)),
    _of("plugin", NEVER, None, ({"jwt": {}},)),
    _of(
        "chain",
        "password",
        {"middlewares": [{"name": "m0"}]},
        (
            {"middlewares": [{"name": "gone"}]},
            {"middlewares": [{"name": "m0"}, {"name": "gone"}]},
            {"middlewares": [{"name": "circle"}]},
            {"middlewares": "x"},
        ),
    ),
    Protection(NEVER, None, ({"unknown": {}}, {}, None, 5)),
]
"""The first is called m0 when it is whole."""
REFERENCES = Protection(
    "password",
    [{"name": "m0"}],
    (
        [{"name": "gone"}],
        [{"name": "m0"}, {"name": "gone"}],
        [{"name": "m0", "namespace": "elsewhere"}],
        [{"name": "m0@file"}],
        [{"name": ""}],
        [{}],
        [{"name": 5}],
        [None],
        "m0",
        {"name": "m0"},
    ),
)
NAMED = Protection(
    "password",
    "apps-m0@kubernetescrd",
    ("m0", "apps-gone@kubernetescrd", "apps-m0@file", "elsewhere-m0@kubernetescrd", "@", "apps-m0@kubernetescrd,@"),
)

# --- policies -----------------------------------------------------------------------------------


def _provider(**more: Any) -> Manifest:
    return {"providers": [{"name": "a", "issuer": keeper.ISSUER, **more}]}


def _http(**more: Any) -> Manifest:
    return {"http": {"backendRefs": [{"name": AUTH, "port": 80, **more}]}}


def _rules(action: str, cidr: Any, otherwise: str) -> Manifest:
    return {"rules": [{"action": action, "principal": {"clientCIDRs": cidr}}], "defaultAction": otherwise}


_HELD = {"group": "", "kind": "ConfigMap"}
POLICIES: list[Protection] = [
    _of(
        "basicAuth",
        "password",
        {"users": {"name": "users"}},
        (
            *({"users": {"name": name}} for name in BROKEN_SECRETS),
            {"users": {"name": "users", "namespace": "elsewhere"}},
            {},
            "x",
        ),
        ({"users": {"name": "mixed"}},),
    ),
    _of(
        "jwt",
        "token",
        _provider(localJWKS={"type": "Inline", "inline": keeper.JWKS}),
        (
            {"providers": []},
            {"providers": "x"},
            _provider(),
            _provider(localJWKS={"type": "Inline", "inline": "garbage"}),
            _provider(localJWKS={"type": "Inline", "inline": '{"keys": []}'}),
        ),
    ),
    _of(
        "jwt",
        "token",
        _provider(localJWKS={"type": "ValueRef", "valueRef": {**_HELD, "name": "keys"}}),
        (_provider(localJWKS={"type": "ValueRef", "valueRef": {**_HELD, "name": "gone"}}),),
    ),
    _of(
        "jwt",
        "token",
        _provider(remoteJWKS={"uri": f"{ASKED}/keys"}),
        tuple(
            _provider(remoteJWKS={"uri": uri})
            for uri in (
                "http://gone.apps.svc.cluster.local/",
                "not a url",
                f"{ASKED}/status/500",
                f"{ASKED}/status/200",
            )
        ),
    ),
    _of(
        "extAuth",
        "password",
        _http(),
        (
            *(_http(name=name) for name in ("gone", "")),
            _http(namespace="elsewhere"),
            _http(port=81),
            {"grpc": {"backendRefs": [{"name": AUTH, "port": 80}]}},
            {},
        ),
    ),
    _of(
        "authorization",
        "address",
        _rules("Allow", [INSIDE], "Deny"),
        (
            {"defaultAction": "Deny"},
            {"defaultAction": "Deny", "rules": "x"},
            _rules("Allow", ["garbage"], "Deny"),
            _rules("x", [INSIDE], "Deny"),
            {"rules": [{"action": "Allow", "principal": {"clientCIDRs": ["garbage"]}}]},
        ),
    ),
    _of("authorization", "address", _rules("Deny", [OUTSIDE], "Allow"), (_rules("Deny", ["garbage"], "Allow"),)),
    _of(
        "oidc",
        NEVER,
        None,
        ({"provider": {"issuer": "https://x.test"}, "clientID": "x", "clientSecret": {"name": "gone"}},),
    ),
    _of("apiKeyAuth", NEVER, None, ({},)),
]
