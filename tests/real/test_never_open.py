"""What keeps somebody out and lacks a part lets nobody in: every protection of every dialect, with every part broken.

`CASES` says what is written; none of it may lead a request without credentials to the application, however its host is
spelt.  And over edits, while somebody keeps asking.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from msgspec import structs

from gatewright.graph.nodes import Graph
from gatewright.pipeline import Model
from support import compiled as c
from support import dialects, needs
from support import session as s
from support.dialects import Ask, Got
from support.keys import NOW
from support.live import Live
from support.session import Session

pytestmark = pytest.mark.real

APP, AUTH = "app", "auth"
SHA = "joe:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M="
ASKED = "http://auth.apps.svc.cluster.local"
MANY = ",".join(f"10.{n // 256}.{n % 256}.0/24" for n in range(2000))


@pytest.fixture(autouse=True)
def _envoy() -> None:
    needs.package("envoy")
    needs.package("grpc")


# --- what is written ----------------------------------------------------------------------------

SECRETS: Mapping[str, dict[str, Any]] = {
    "empty": {"data": {}},
    "blank": {"stringData": {"auth": "", "users": "", "auth-file": ""}},
    "octets": {"data": {"auth": "////", "users": "////"}},
    "no-base64": {"data": {"auth": "***", "users": "***"}},
    "plain": {"stringData": {"auth": "joe:secret", "users": "joe:secret"}},
    "no-password": {"stringData": {"auth": "joe:", "users": "joe:"}},
    "mixed": {"stringData": {"auth": f"{SHA}\nann:secret", "users": f"{SHA}\nann:secret"}},
    "pair": {"type": "kubernetes.io/tls", "stringData": {"tls.crt": "x", "tls.key": "y"}},
    "garbage-ca": {"stringData": {"ca.crt": "-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n"}},
}
BROKEN_SECRETS = ("gone", "elsewhere/users", *SECRETS)
BROKEN_CIDRS = ("garbage", "10.0.0.0/99", "10.0.0.1,,x", "10.0.0.0/8;y", "10.0.0.0/8", MANY)
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

NGINX, HAPROXY, COMMUNITY, ALB = (
    "nginx.ingress.kubernetes.io/",
    "haproxy.org/",
    "haproxy-ingress.github.io/",
    "alb.ingress.kubernetes.io/",
)

Notes = dict[str, str]


def each(name: str, values: tuple[str, ...], **more: str) -> list[Notes]:
    """Annotations with every value in turn; in `more` underscores stand for dashes."""
    others = {key.replace("_", "-"): value for key, value in more.items()}
    return [{**others, name: value} for value in values]


INGRESSES: Mapping[str, tuple[str, list[Notes]]] = {
    "ingress-nginx": (
        NGINX,
        [
            *each("auth-secret", BROKEN_SECRETS, auth_type="basic"),
            *each("auth-secret", BROKEN_SECRETS, auth_type="basic", auth_secret_type="auth-map"),
            *each("auth-secret", BROKEN_SECRETS, auth_type="basic", satisfy="any", whitelist_source_range="10.0.0.0/8"),
            *each("auth-secret", ("gone",), auth_type="basic", server_alias="alias.nginx.test", app_root="/app"),
            *each("auth-type", ("digest", "x"), auth_secret="users"),
            *each("auth-url", BROKEN_SERVERS),
            *each("auth-url", BROKEN_SERVERS[:4], satisfy="any", whitelist_source_range="10.0.0.0/8"),
            *each("auth-proxy-set-headers", ("gone", "other/gone"), auth_url=f"{ASKED}/"),
            *each("whitelist-source-range", BROKEN_CIDRS),
            *each("denylist-source-range", ("garbage", "127.0.0.0/8,garbage", "127.0.0.1", "0.0.0.0/0")),
            *each("whitelist-source-range", ("garbage",), satisfy="any", auth_type="basic", auth_secret="users"),
            *each("auth-tls-secret", ("gone", "apps/gone", "a/b/c", "apps/empty", "apps/garbage-ca")),
            *[note for name in ("limit-rps", "limit-rpm") for note in each(name, BROKEN_NUMBERS)],
            *each("global-rate-limit", BROKEN_NUMBERS, global_rate_limit_window="1m"),
            *each("global-rate-limit-window", ("x", "-1"), global_rate_limit="5"),
            *each("enable-modsecurity", ("true",)),
            *each("configuration-snippet", ("deny all;", "auth_basic x;", "allow 10.0.0.0/8; deny all;")),
        ],
    ),
    "haproxy": (
        HAPROXY,
        [
            *each("auth-secret", BROKEN_SECRETS, auth_type="basic-auth"),
            *each("auth-type", ("digest", "x"), auth_secret="users"),
            *each("allow-list", (*BROKEN_CIDRS, "patterns/gone")),
            *each("deny-list", ("garbage", "127.0.0.0/8", "patterns/gone")),
            *each("rate-limit-requests", BROKEN_NUMBERS),
            *each("backend-config-snippet", ("http-request deny", "http-request auth if TRUE")),
        ],
    ),
    "haproxy-ingress": (
        COMMUNITY,
        [
            *each("auth-secret", BROKEN_SECRETS),
            *each("auth-url", BROKEN_SERVERS),
            *each("oauth", ("oauth2_proxy", "x")),
            *each("allowlist-source-range", BROKEN_CIDRS),
            *each("denylist-source-range", ("garbage", "127.0.0.0/8")),
            *each("auth-tls-secret", ("gone", "apps/gone", "apps/empty", "apps/garbage-ca")),
            *each("limit-rps", BROKEN_NUMBERS),
            *each("proxy-body-size", ("x", "-1")),
            *each("waf", ("modsecurity",)),
        ],
    ),
    "alb": (
        ALB,
        [
            *each("auth-type", ("oidc", "cognito", "x")),
            *each("inbound-cidrs", BROKEN_CIDRS),
            *each("mutual-authentication", ('[{"port": 80, "mode": "verify"}]', "x")),
            *each("wafv2-acl-arn", ("arn:aws:wafv2:x",)),
            *each("jwt-validation", ("x", "{}", '{"jwksEndpoint": "https://gone.test/", "issuer": "x"}')),
        ],
    ),
}

MIDDLEWARES: list[Any] = [
    *({kind: {"secret": name}} for kind in ("basicAuth", "digestAuth") for name in BROKEN_SECRETS),
    *(
        {"basicAuth": one}
        for one in ({}, None, 5, {"users": []}, {"users": ["x"]}, {"secret": None}, {"secrets": "users"})
    ),
    *({"ipAllowList": {"sourceRange": one}} for one in ([], None, "10.0.0.0/8", ["garbage"], [""], MANY.split(","))),
    *({"ipWhiteList": {"sourceRange": one}} for one in ([], ["garbage"], ["10.0.0.0/8"])),
    *(
        {"ipAllowList": {"sourceRange": ["127.0.0.0/8"], "ipStrategy": one}}
        for one in ({"depth": 1}, {"depth": "x"}, {"excludedIPs": ["x"]}, {"excludedIPs": ["127.0.0.1"]})
    ),
    *({"forwardAuth": {"address": one}} for one in (*BROKEN_SERVERS, "", None, 5)),
    *(
        {"forwardAuth": {"address": f"https://{AUTH}.apps.svc.cluster.local/", **more}}
        for more in ({"tls": {"caSecret": "gone"}}, {"tls": {"caSecret": "garbage-ca"}})
    ),
    *({"forwardAuth": {"address": f"{ASKED}/", "authResponseHeadersRegex": one}} for one in ("(((", "(?=x)")),
    *({"rateLimit": one} for one in ({"average": "x"}, {"average": -1}, {"average": 5, "period": "x"})),
    {"inFlightReq": {"amount": "x"}},
    {"buffering": {"maxRequestBodyBytes": "x"}},
    {"plugin": {"jwt": {}}},
    {"chain": {"middlewares": [{"name": "gone"}]}},
    {"chain": {"middlewares": [{"name": "circle"}]}},
    {"chain": {"middlewares": "x"}},
    {"unknown": {}},
    {},
    None,
    5,
]
REFERENCES: list[Any] = [
    [{"name": "gone"}],
    [{"name": "users", "namespace": "elsewhere"}],
    [{"name": "gone@file"}],
    [{"name": ""}],
    [{}],
    [{"name": 5}],
    [None],
    "users",
    {"name": "users"},
]
NAMED = ("gone", "apps-gone@kubernetescrd", "apps-0@file", "elsewhere-users@kubernetescrd", "@")

POLICIES: list[Any] = [
    *({"basicAuth": {"users": {"name": name}}} for name in BROKEN_SECRETS if "/" not in name),
    {"basicAuth": {}},
    {"basicAuth": "x"},
    {"jwt": {"providers": []}},
    {"jwt": {"providers": "x"}},
    {"jwt": {"providers": [{"name": "a", "remoteJWKS": {"uri": "http://gone.apps.svc.cluster.local/"}}]}},
    {"jwt": {"providers": [{"name": "a", "remoteJWKS": {"uri": "not a url"}}]}},
    {"jwt": {"providers": [{"name": "a", "remoteJWKS": {"uri": f"{ASKED}/status/500"}}]}},
    {"jwt": {"providers": [{"name": "a", "localJWKS": {"type": "Inline", "inline": "garbage"}}]}},
    {"jwt": {"providers": [{"name": "a", "localJWKS": {"type": "Inline", "inline": '{"keys": []}'}}]}},
    {"jwt": {"providers": [{"name": "a", "localJWKS": {"valueRef": {"kind": "ConfigMap", "name": "gone"}}}]}},
    {"jwt": {"providers": [{"name": "a"}]}},
    *({"extAuth": {"http": {"backendRefs": [{"name": name, "port": 80}]}}} for name in ("gone", "")),
    {"extAuth": {"http": {"backendRefs": [{"name": AUTH, "namespace": "elsewhere", "port": 80}]}}},
    {"extAuth": {"grpc": {"backendRefs": [{"name": AUTH, "port": 80}]}}},
    {"extAuth": {}},
    {"authorization": {"defaultAction": "Deny"}},
    {"authorization": {"defaultAction": "Deny", "rules": "x"}},
    {"authorization": {"rules": [{"action": "Allow", "principal": {"clientCIDRs": ["garbage"]}}]}},
    {
        "authorization": {
            "rules": [{"action": "Deny", "principal": {"clientCIDRs": ["garbage"]}}],
            "defaultAction": "Allow",
        }
    },
    {"oidc": {"provider": {"issuer": "https://x.test"}, "clientID": "x", "clientSecret": {"name": "gone"}}},
    {"apiKeyAuth": {}},
]


def _named(kind: str, api: str, name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "apps"}, **more}


def _secrets() -> Iterator[dict[str, Any]]:
    for name, more in SECRETS.items():
        yield _named("Secret", "v1", name, **more)
    yield _named("Secret", "v1", "users", stringData={"auth": SHA, "users": SHA})
    yield {
        **_named("Secret", "v1", "users", stringData={"users": SHA}),
        "metadata": {"name": "users", "namespace": "elsewhere"},
    }
    for name in (APP, AUTH):
        yield _named("Service", "v1", name, spec={"ports": [{"port": 80}]})


def ingress(name: str, host: str, annotations: Mapping[str, str], cls: str) -> dict[str, Any]:
    backend = {"service": {"name": APP, "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    made = _named("Ingress", "networking.k8s.io/v1", name, spec={"ingressClassName": cls, "rules": [rule]})
    made["metadata"]["annotations"] = dict(annotations)
    return made


def _controller(implementation: str) -> dict[str, Any]:
    spec = {"implementation": implementation, "classes": ["door"], "settings": {}}
    if implementation == "ingress-nginx":
        spec["settings"] = {"snippets": True}
    return _named("IngressController", "gatewright.dev/v1alpha1", "door", spec=spec)


def _of_ingresses(implementation: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    prefix, notes = INGRESSES[implementation]
    written = {f"n{number}.test": one for number, one in enumerate(notes)}
    made = [
        ingress(host.removesuffix(".test"), host, {prefix + name: value for name, value in one.items()}, "door")
        for host, one in written.items()
    ]
    return [_controller(implementation), *made], written


def _of_traefik() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    api = "traefik.io/v1alpha1"
    made = [
        _controller("traefik"),
        _named("Middleware", api, "circle", spec={"chain": {"middlewares": [{"name": "circle"}]}}),
    ]
    written: dict[str, Any] = {}
    asked = [[{"name": f"m{number}"}] for number in range(len(MIDDLEWARES))]
    made += [_named("Middleware", api, f"m{number}", spec=one) for number, one in enumerate(MIDDLEWARES)]
    for number, (refs, what) in enumerate(zip([*asked, *REFERENCES], [*MIDDLEWARES, *REFERENCES], strict=True)):
        host = f"r{number}.test"
        services = [{"name": APP, "port": 80}]
        rule = {"match": f"Host(`{host}`)", "kind": "Rule", "middlewares": refs, "services": services}
        made.append(_named("IngressRoute", api, f"r{number}", spec={"entryPoints": ["web"], "routes": [rule]}))
        written[host] = what
    for number, name in enumerate(NAMED):
        host = f"i{number}.test"
        made.append(ingress(f"i{number}", host, {"traefik.ingress.kubernetes.io/router.middlewares": name}, "door"))
        written[host] = name
    return made, written


def _of_policies() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    api = "gateway.networking.k8s.io/v1"
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    made = [
        _named("Gateway", api, "edge", spec={"gatewayClassName": "envoy", "listeners": [listener]}),
    ]
    written: dict[str, Any] = {}
    for number, one in enumerate(POLICIES):
        host = f"p{number}.test"
        rule = {"backendRefs": [{"name": APP, "port": 80}]}
        parents = [{"name": "edge"}]
        made.append(
            _named("HTTPRoute", api, f"p{number}", spec={"parentRefs": parents, "hostnames": [host], "rules": [rule]})
        )
        target = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": f"p{number}"}
        spec = {"targetRefs": [target], **one}
        made.append(_named("SecurityPolicy", "gateway.envoyproxy.io/v1alpha1", f"p{number}", spec=spec))
        written[host] = one
    return made, written


# --- what is answered ---------------------------------------------------------------------------


def _graph(documents: list[dict[str, Any]]) -> Graph:
    """The graph, with an echo behind the two Services that there are."""
    with TemporaryDirectory() as folder:
        text = "".join(f"---\n{json.dumps(one)}\n" for one in documents)
        (Path(folder) / "all.yaml").write_text(text, encoding="utf-8")
        graph = Model(lambda: NOW).read([folder]).graph
    backends = graph.backends
    for key, one in backends.items():
        if key.namespace == "apps" and key.name in (APP, AUTH) and key.port == 80 and one.usable:
            backends = backends.set(key, structs.replace(one, endpoints=(), reason="", pods="echo"))
    return structs.replace(graph, backends=backends)


async def _asked(port: int, host: str) -> Got:
    """Without credentials, or with those of a user without a password, and a forged way here."""
    headers = (
        ("Host", host),
        ("Authorization", "Basic am9lOg=="),
        ("X-Forwarded-For", "10.0.0.1"),
        ("X-Real-IP", "10.0.0.1"),
        ("X-Forwarded-Proto", "https"),
    )
    ask = Ask(
        method="GET",
        url="http://any.test/",
        headers=headers,
        body=0,
        chunked=False,
        client="127.0.0.1",
        times=1,
        together=False,
        expect={},
        certificate="",
        traced=None,
    )
    return await dialects.send(ask, "127.0.0.1", port)


DIALECTS = {
    **{name: lambda name=name: _of_ingresses(name) for name in INGRESSES},
    "traefik": _of_traefik,
    "envoy-gateway": _of_policies,
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_protection_that_lacks_a_part_lets_nobody_in(dialect: str) -> None:
    documents, written = DIALECTS[dialect]()
    graph = _graph([*_secrets(), *documents])
    doors = {key.hostname: key.gateway for key in graph.virtual_hosts if key.port == 80}

    async def scenario(world: c.World) -> None:
        hosts = {host: what for host, what in written.items() if host in doors}
        assert len(hosts) > len(written) / 2, "nothing is asked"
        opened = {}
        if "alias.nginx.test" in doors:
            hosts["alias.nginx.test"] = "an alias"
        for host, what in hosts.items():
            port = world.port(80, doors[host])
            for spelt in (host, host.upper(), f"{host}.:81"):
                got = await _asked(port, spelt)
                if not got.status or got.status < 300 or got.echo.get("service") == APP:
                    opened[spelt] = (got.status, what)
        assert not opened

    c.serve(graph, scenario)


@pytest.mark.parametrize("name", ["whitelist-source-range", "denylist-source-range"])
@pytest.mark.parametrize("count", [1_000, 20_000])
def test_lists_without_end_behind_believed_peers_refuse_their_rule_alone(name: str, count: int) -> None:
    """Envoy would refuse the host, and keep the list that it had."""
    many = ",".join(f"10.{n // 128 % 256}.{n * 2 % 256}.{n // 32768 * 16}/28" for n in range(count))
    door = _controller("ingress-nginx")
    door["spec"]["settings"]["forwardedHeaders"] = {"trustedFrom": ["127.0.0.9/32"]}
    written = [ingress("many", "many.test", {NGINX + name: many}, "door"), ingress("open", "open.test", {}, "door")]
    graph = _graph([*_secrets(), door, *written])
    (gateway,) = graph.gateways

    async def scenario(world: c.World) -> None:
        answers = [await _asked(world.port(80, gateway), host) for host in ("many.test", "open.test")]
        assert [got.status for got in answers] == [500, 200]
        assert world.plan is not None
        assert [p.id for problems in world.plan.problems.values() for p in problems]

    c.serve(graph, scenario)


def test_the_application_answers_where_nothing_is_asked_for() -> None:
    """Else the other tests would show nothing."""
    graph = _graph([*_secrets(), _controller("ingress-nginx"), ingress("open", "open.test", {}, "door")])
    (gateway,) = graph.gateways

    async def scenario(world: c.World) -> None:
        assert (await _asked(world.port(80, gateway), "open.test")).echo["service"] == APP

    c.serve(graph, scenario)


# --- while somebody keeps asking ----------------------------------------------------------------


@contextmanager
def _watched(live: Live, gateway: str, *hosts: str) -> Iterator[list[str]]:
    """Somebody asks all the time; what he got from the application is in the list."""
    passed: list[str] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            for host in hosts:
                if live.ask(gateway, f"http://{host}/").echo:
                    passed.append(host)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield passed
    finally:
        ended.set()
        thread.join()


@pytest.fixture
def run() -> Iterator[Session]:
    with s.session() as made:
        yield made


def test_nothing_opens_while_parts_come_and_go(run: Session) -> None:
    def users(name: str = "users", text: str = SHA) -> str:
        return s.documents(_named("Secret", "v1", name, stringData={"auth": text, "users": text}))

    basic = {f"{NGINX}auth-type": "basic", f"{NGINX}auth-secret": "users"}
    asking = {f"{NGINX}auth-url": f"{ASKED}/status/401"}
    listed = {f"{NGINX}whitelist-source-range": "10.0.0.0/8"}
    hosts = {"basic.test": basic, "asking.test": asking, "listed.test": listed}
    settings = _named("ConfigMap", "v1", "ingress-nginx-controller", data={"whitelist-source-range": "10.0.0.0/8"})
    run.write("door.yaml", s.documents(_controller("ingress-nginx")))
    run.write(
        "services.yaml", s.documents(*(_named("Service", "v1", n, spec={"ports": [{"port": 80}]}) for n in (APP, AUTH)))
    )
    run.write("users.yaml", users())
    for host, notes in hosts.items():
        run.write(f"{host}.yaml", s.documents(ingress(host.removesuffix(".test"), host, notes, "door")))
    run.write("open.yaml", s.documents(ingress("open", "open.test", {}, "door")))
    live = run.start("--echo")
    (gateway,) = live.gateways

    def status(host: str) -> int:
        return live.ask(gateway, f"http://{host}/").status

    s.wait(lambda: [status(h) for h in (*hosts, "open.test")] == [401, 500, 403, 200])
    with _watched(live, gateway, *hosts) as passed:
        for text in (users("others"), users(text=""), users(text="joe:secret"), "", "kind: [", users()):
            run.write("users.yaml", text)
            marked = f"m{abs(hash(text))}.test"  # what is written behind it goes live behind it, or with it
            run.write("mark.yaml", s.documents(ingress("mark", marked, {}, "door")))
            s.wait(lambda marked=marked: status(marked) == 200)
        for notes in ({f"{NGINX}whitelist-source-range": "garbage"}, {f"{NGINX}whitelist-source-range": MANY}, listed):
            run.write("listed.test.yaml", s.documents(ingress("listed", "listed.test", notes, "door")))
            wanted = 503 if "garbage" in notes.values() else 403
            s.wait(lambda wanted=wanted: status("listed.test") == wanted)
        (run.manifests / "services.yaml").unlink()
        s.wait(lambda: status("open.test") == 503)
        run.write(
            "services.yaml",
            s.documents(*(_named("Service", "v1", n, spec={"ports": [{"port": 80}]}) for n in (APP, AUTH))),
        )
        s.wait(lambda: status("open.test") == 200)
        run.write("settings.yaml", s.documents({**settings, "metadata": {**settings["metadata"], "namespace": "apps"}}))
        run.write("settings.yaml", "kind: [")
        run.kill()
        run.start("--echo")
        s.wait(lambda: status("basic.test") == 401)
    assert not passed
