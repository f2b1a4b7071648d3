"""Options of Ingresses at a door, as they come out at the rules: who wins, in which order, and what has to close."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from msgspec import structs

from gatewright.base.origin import Origin
from gatewright.base.sensitive import Sensitive
from gatewright.graph.nodes import (
    AskAuth,
    BackendKey,
    BasicAuthUsers,
    Entry,
    Family,
    Forward,
    Graph,
    RedirectTo,
    Respond,
    VirtualHostKey,
)
from gatewright.kinds.annotations.haproxy import community
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.doors import ControllerIntent, RouteIntent
from gatewright.kinds.intents.filters import (
    AllowSources,
    BasicAuth,
    BodyLimit,
    DenySources,
    ForwardAuth,
    RateLimit,
    Variable,
)
from gatewright.kinds.intents.options import Canary, ForeignUse, Options, OptionsPolicyIntent, PolicyTarget, TlsRedirect
from gatewright.kinds.intents.routing import HostKind, HostMatch, ValueKind
from gatewright.trace.request import request
from gatewright.trace.walk import walk
from support.modelled import Modelled, intents

HERE = Origin("manifest.yaml", "1")
USERS = Sensitive(b"joe:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=")

DOOR = """
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: nginx, namespace: infra}
spec: {implementation: ingress-nginx, classes: [nginx]}
"""


def service(name: str, namespace: str = "web", port: int = 80) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    spec = {"selector": {"app": name}, "ports": [{"port": port}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def ingress(name: str, *paths: tuple[str, str, str], host: str = "a.test", tls: bool = False) -> dict[str, Any]:
    """Paths are (path, kind, Service)."""
    rules = [
        {"path": path, "pathType": kind, "backend": {"service": {"name": to, "port": {"number": 80}}}}
        for path, kind, to in paths
    ]
    spec: dict[str, Any] = {"ingressClassName": "nginx", "rules": [{"host": host, "http": {"paths": rules}}]}
    if tls:
        spec["tls"] = [{"hosts": [host], "secretName": "tls"}]
    metadata = {"name": name, "namespace": "web"}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}


def model(*manifests: dict[str, Any], door: Options | None = None, **told: Options) -> Modelled:
    """A door with Ingresses; `told` are the options of an Ingress by name."""
    door_ = yaml.safe_load(DOOR)
    services = [service(name) for name in ("app", "new", "other")]
    found: dict[Key, Intent | None] = dict(intents([door_, *services, *manifests]))
    for key, intent in found.items():
        if isinstance(intent, RouteIntent):
            options = told.get(key.name.replace("-", "_"), Options())
            found[key] = structs.replace(intent, options=(("ingress-nginx", options),))
        elif isinstance(intent, ControllerIntent) and door is not None:
            settings = structs.replace(intent.settings, options=door)
            found[key] = structs.replace(intent, settings=settings)
    made = Modelled()
    made.apply(found)
    return made


def entries(graph: Graph, host: str = "a.test", family: Family = Family.HTTP) -> tuple[Entry, ...]:
    key = VirtualHostKey("infra/nginx", 443 if family is Family.HTTPS else 80, family, host)
    return graph.virtual_hosts[key].entries


def ask(graph: Graph, url: str, method: str = "GET", headers: tuple[str, ...] = (), client: str = "127.0.0.1") -> str:
    """The outcome in a few words: status, and the Service or Location."""
    made = walk(graph, graph.gateways["infra/nginx"], request(url, method, headers, client=client)).outcome
    where = made.backend.name if made.backend else made.location or ""
    path = made.sent.path if made.sent else ""
    return " ".join(str(part) for part in (made.status, where, path) if part)


def problems(graph: Graph) -> list[str]:
    return sorted(p.id for found in graph.problems.values() for p in found if p.id != "certificate-missing")


APP = ingress("app", ("/", "Prefix", "app"))
DENY = DenySources(HERE, ("10.0.0.0/8",))
ALLOW = AllowSources(HERE, ("192.0.2.0/24",))


# --- layers -------------------------------------------------------------------------------------


def test_what_the_route_says_wins_over_the_door() -> None:
    door = Options(read_timeout=60.0, body_limit=BodyLimit(HERE, 1000), websocket=False)
    graph = model(APP, door=door, app=Options(read_timeout=5.0)).graph
    (entry,) = entries(graph)
    assert isinstance(entry.rule.action, Forward)
    assert entry.rule.action.read_timeout == 5.0
    assert entry.rule.steps == (BodyLimit(HERE, 1000),)
    assert not entry.rule.websocket


def test_options_of_other_implementations_say_nothing() -> None:
    made = model(APP)
    key = Key("Ingress", "web", "app")
    intent = intents([APP])[key]
    assert isinstance(intent, RouteIntent)
    made.apply({key: structs.replace(intent, options=(("haproxy", Options(read_timeout=7.0, unbuildable="x")),))})
    (entry,) = entries(made.graph)
    assert isinstance(entry.rule.action, Forward)
    assert entry.rule.action.read_timeout != 7.0


# --- order --------------------------------------------------------------------------------------


def test_requests_are_counted_before_credentials_are_asked_for() -> None:
    limit, basic = RateLimit(HERE, 5), BasicAuth(HERE, users=USERS)
    graph = model(APP, app=Options(filters=(basic, limit), body_limit=BodyLimit(HERE, 9), deny=DENY)).graph
    (entry,) = entries(graph)
    assert [type(step).__name__ for step in entry.rule.steps] == ["BodyLimit", "RateLimit", "BasicAuthUsers"]
    assert [access.deny for access in entry.rule.access] == [True]


def test_what_cannot_be_built_closes_every_rule() -> None:
    graph = model(APP, app=Options(unbuildable="auth-secret: it is gone")).graph
    assert ask(graph, "http://a.test/x") == "503"


def test_satisfy_any_asks_those_who_are_not_allowed() -> None:
    graph = model(APP, app=Options(satisfy_any=True, allow=ALLOW, filters=(BasicAuth(HERE, users=USERS),))).graph
    (entry,) = entries(graph)
    (step,) = (step for step in entry.rule.steps if isinstance(step, BasicAuthUsers))
    assert entry.rule.access == ()
    assert step.excepts == ALLOW.cidrs
    assert ask(graph, "http://a.test/", client="192.0.2.1") == "200 app /"
    assert ask(graph, "http://a.test/", client="198.51.100.1") == "401"


def test_satisfy_any_without_credentials_still_keeps_others_out() -> None:
    graph = model(APP, app=Options(satisfy_any=True, allow=ALLOW)).graph
    assert ask(graph, "http://a.test/", client="198.51.100.1") == "403"


# --- redirects ----------------------------------------------------------------------------------


def test_to_tls_only_where_the_host_has_it() -> None:
    said = Options(tls_redirect=TlsRedirect("tls"), unbuildable="x")
    plain = ingress("plain", ("/", "Prefix", "app"), host="b.test")
    graph = model(ingress("app", ("/", "Prefix", "app"), tls=True), plain, app=said, plain=said).graph
    assert ask(graph, "http://a.test/x?q=1") == "308 https://a.test/x?q=1"
    assert ask(graph, "https://a.test/x") == "503", "never on HTTPS, and nothing opens by it"
    assert ask(graph, "http://b.test/x") == "503"


def test_challenges_are_not_redirected() -> None:
    path = "/.well-known/acme-challenge/token"
    said = Options(tls_redirect=TlsRedirect("always"))
    graph = model(ingress("app", (path, "Exact", "app"), ("/", "Prefix", "app")), app=said).graph
    assert ask(graph, f"http://a.test{path}") == f"200 app {path}"
    assert ask(graph, "http://a.test/") == "308 https://a.test/"


def test_start_page() -> None:
    graph = model(APP, app=Options(app_root="/ui", unbuildable="x")).graph
    assert ask(graph, "http://a.test/") == "302 http://a.test/ui"
    assert ask(graph, "http://a.test/x") == "503"


def test_missing_slash() -> None:
    app = ingress("app", ("/x/", "ImplementationSpecific", "app"), ("/y/", "ImplementationSpecific", "app"))
    other = ingress("other", ("/y", "Exact", "other"))
    graph = model(app, other).graph
    assert ask(graph, "http://a.test/x?q=1") == "301 http://a.test/x/?q=1"
    assert ask(graph, "http://a.test/x/1") == "200 app /x/1"
    assert ask(graph, "http://a.test/y") == "200 other /y"


# --- expressions --------------------------------------------------------------------------------


def test_expressions_hold_for_the_whole_host() -> None:
    one = ingress("one", ("/API(/|$)(.*)", "ImplementationSpecific", "app"))
    two = ingress("two", ("/ap", "Prefix", "other"))
    graph = model(one, two, one=Options(regex_paths=True, rewrite=r"/v1/\2")).graph
    assert ask(graph, "http://a.test/api/x?q=1") == "200 app /v1/x?q=1"
    assert ask(graph, "http://a.test/Apple") == "200 other /Apple", "a prefix by characters, in any case"
    assert ask(graph, "http://a.test/x") == "404"


def test_a_group_that_is_not_there_is_nothing() -> None:
    app = ingress("app", ("/", "Prefix", "app"))
    graph = model(app, app=Options(regex_paths=True, rewrite=r"/\2")).graph
    assert ask(graph, "http://a.test/x/y") == "200 app /"
    assert problems(graph) == []


def test_an_expression_that_is_none_closes_what_begins_like_it() -> None:
    app = ingress("app", ("/a(?!b)", "ImplementationSpecific", "app"), ("/", "Prefix", "other"))
    graph = model(app, app=Options(regex_paths=True)).graph
    assert ask(graph, "http://a.test/Ab") == "503"
    assert ask(graph, "http://a.test/b") == "200 other /b"
    assert set(problems(graph)) == {"path-pattern"}


def test_a_query_cannot_be_rewritten() -> None:
    graph = model(APP, app=Options(regex_paths=True, rewrite="/x?y=1")).graph
    assert ask(graph, "http://a.test/") == "503"
    assert set(problems(graph)) == {"path-edits"}


# --- what is of other namespaces -----------------------------------------------------------------


@pytest.mark.parametrize("use", ["passwords", "authorities", "key pairs"])
def test_what_is_of_another_namespace_closes_unless_the_door_lets_it(use: str) -> None:
    foreign = Options(foreign=(ForeignUse(use, "auth-secret uses a Secret of the namespace b", "allow it", HERE),))
    closed = model(APP, app=foreign)
    assert ask(closed.graph, "http://a.test/") == "503"
    assert set(problems(closed.graph)) == {"protection-unbuildable"}
    door = Options(foreign_uses=("passwords", "authorities", "key pairs"))
    assert ask(model(APP, app=foreign, door=door).graph, "http://a.test/") == "200 app /"


@pytest.mark.parametrize(
    ("key", "use"),
    [
        ("cross-namespace-secrets-passwd", "passwords"),
        ("cross-namespace-secrets-ca", "authorities"),
        ("cross-namespace-secrets-crt", "key pairs"),
    ],
)
def test_a_door_of_haproxy_ingress_lets_each_use_of_its_own(key: str, use: str) -> None:
    notes = Notes({key: "allow"}, Key("ConfigMap", "infra", "settings"), HERE)
    assert community.class_wide(notes).foreign_uses == (use,)
    assert community.class_wide(Notes({key: "deny"}, notes.owner, HERE)).foreign_uses == ()


# --- further hosts ------------------------------------------------------------------------------


def alias(value: str, kind: HostKind = HostKind.EXACT) -> Options:
    return Options(aliases=(HostMatch(kind, value),))


def test_an_alias_has_all_rules_of_its_host() -> None:
    second = ingress("second", ("/second", "Prefix", "other"))
    graph = model(APP, second, app=alias("b.test")).graph
    assert ask(graph, "http://b.test/second/1") == "200 other /second/1"
    assert ask(graph, "http://b.test/") == "200 app /"


def test_a_host_of_its_own_wins_over_an_alias() -> None:
    own = ingress("own", ("/own", "Prefix", "other"), host="b.test")
    made = model(APP, own, app=alias("b.test"))
    assert ask(made.graph, "http://b.test/") == "404"
    made.remove(Key("Ingress", "web", "own"))
    assert ask(made.graph, "http://b.test/") == "200 app /"


def test_an_alias_by_expression() -> None:
    graph = model(APP, app=alias(r"w[0-9]+\.test", HostKind.REGEX)).graph
    assert ask(graph, "http://w12.test/x") == "200 app /x"
    assert ask(graph, "http://other.test/x") == "404"


def test_www() -> None:
    made = model(APP, app=Options(www_redirect=True))
    assert ask(made.graph, "http://www.a.test/x?q=1") == "308 http://a.test/x?q=1"
    made.put(ingress("www", ("/", "Prefix", "other"), host="www.a.test"))
    assert ask(made.graph, "http://www.a.test/x") == "200 other /x"


# --- canaries -----------------------------------------------------------------------------------

CANARY = ingress("canary", ("/", "Prefix", "new"))


def test_a_canary_by_header_cookie_and_lot() -> None:
    canary = Canary(HERE, weight=20, header="X-New", cookie="new")
    graph = model(APP, CANARY, canary=Options(canary=canary), app=Options(filters=(RateLimit(HERE, 3),))).graph
    always, never = ("X-New: always",), ("X-New: never", "Cookie: new=always")
    assert ask(graph, "http://a.test/", headers=always) == "200 new /"
    assert ask(graph, "http://a.test/", headers=never) == "200 app /"
    assert ask(graph, "http://a.test/", headers=("Cookie: a=b; new=always; c=d",)) == "200 new /"
    assert ask(graph, "http://a.test/", headers=("Cookie: new=never",)) == "200 app /"
    last = entries(graph)[-1].rule
    assert isinstance(last.action, Forward)
    assert [(s.weight, s.backend and s.backend.name) for s in last.action.backends] == [(80, "app"), (20, "new")]
    assert all(RateLimit(HERE, 3) in entry.rule.steps for entry in entries(graph)), "the filters are the primary's"


def test_a_canary_by_value() -> None:
    graph = model(APP, CANARY, canary=Options(canary=Canary(HERE, header="X-New", header_pattern="v[12]"))).graph
    assert entries(graph)[0].match.headers[0].kind is ValueKind.REGEX
    assert ask(graph, "http://a.test/", headers=("X-New: v1",)) == "200 new /"
    assert ask(graph, "http://a.test/", headers=("X-New: always",)) == "200 app /"


def test_a_canary_alone_gets_nothing() -> None:
    graph = model(CANARY, canary=Options(canary=Canary(HERE, weight=100))).graph
    assert ask(graph, "http://a.test/") == "404"
    assert set(problems(graph)) == {"canary-without-effect"}


def test_only_one_of_several_canaries_counts() -> None:
    more = ingress("more", ("/", "Prefix", "other"))
    said = Options(canary=Canary(HERE, weight=100))
    graph = model(APP, CANARY, more, canary=said, more=said).graph
    assert ask(graph, "http://a.test/") == "200 new /"
    assert set(problems(graph)) == {"canary-without-effect"}


# --- who is asked -------------------------------------------------------------------------------


def ask_auth(*url: str) -> AskAuth | Respond | RedirectTo | Forward:
    """What a rule does whose credentials are asked for at a URL."""
    auth = ingress("auth", ("/oauth2", "Prefix", "other"))
    graph = model(APP, auth, service("sso", "id", 8080), app=Options(auth=ForwardAuth(HERE, url=url))).graph
    entry = next(entry for entry in entries(graph) if entry.rule.route.name == "app")
    return next((step for step in entry.rule.steps if isinstance(step, AskAuth)), entry.rule.action)


def test_services_are_asked_by_their_names() -> None:
    for host in ("sso.id.svc.cluster.local:8080", "sso.id.svc:8080", "sso.id:8080"):
        step = ask_auth(f"http://{host}/verify?x=1")
        assert isinstance(step, AskAuth)
        assert (step.backend.namespace, step.backend.name, step.backend.port) == ("id", "sso", 8080)
        assert (step.host, step.path, step.tls) == ((host,), ("/verify?x=1",), False)


def test_a_service_that_is_not_there_closes_the_rule() -> None:
    for url in ("http://gone/verify", "http://gone.id.svc/verify", "http://sso.id.svc:9/", "no url"):
        answer = ask_auth(url)
        assert isinstance(answer, Respond)
        assert (answer.status, answer.refused) == (503, True)


def test_a_host_outside() -> None:
    step = ask_auth("https://login.example.com/", Variable.ESCAPED_URL)
    assert isinstance(step, AskAuth)
    assert isinstance(step.backend, BackendKey)
    assert (step.backend.namespace, step.backend.name, step.backend.port) == ("", "login.example.com", 443)
    assert "external" in step.backend.variant
    assert step.tls


def test_the_host_itself_is_asked_by_its_rule() -> None:
    step = ask_auth("https://", Variable.HOST, "/oauth2/auth")
    assert isinstance(step, AskAuth)
    assert step.backend.name == "other"
    assert step.host == (Variable.HOST,)


def test_the_host_itself_without_such_a_rule() -> None:
    graph = model(
        ingress("app", ("/app", "Prefix", "app")),
        app=Options(auth=ForwardAuth(HERE, url=("https://", Variable.HOST, "/oauth2/auth"))),
    ).graph
    assert ask(graph, "http://a.test/app") == "503"
    assert set(problems(graph)) == {"protection-unbuildable"}


# --- policies -----------------------------------------------------------------------------------

GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: web}
spec:
  gatewayClassName: c
  listeners: [{name: http, port: 80, protocol: HTTP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, namespace: web}
spec:
  parentRefs: [{name: gw}]
  hostnames: [a.test]
  rules:
    - {name: one, matches: [{path: {type: Exact, value: /one}}], backendRefs: [{name: app, port: 80}]}
    - {name: two, matches: [{path: {type: Exact, value: /two}}], backendRefs: [{name: app, port: 80}]}
"""
DOOR_KEY, ROUTE_KEY = Key("Gateway", "web", "gw"), Key("HTTPRoute", "web", "r")


def policy(name: str, target: Key, options: Options, section: str = "", *, merges: bool = False) -> OptionsPolicyIntent:
    key = Key("BackendTrafficPolicy", "web", name)
    return OptionsPolicyIntent(key, HERE, (PolicyTarget(target, HERE, section),), options, merges, created=name)


def read_timeouts(*policies: OptionsPolicyIntent) -> dict[str, tuple[float | None, bool]]:
    """Read timeout, and whether WebSockets are let through, by path."""
    found = dict(intents([*yaml.safe_load_all(GATEWAY), service("app")]))
    made = Modelled()
    made.apply({**found, **{one.key: one for one in policies}})
    host = made.graph.virtual_hosts[VirtualHostKey("web/gw", 80, Family.HTTP, "a.test")]
    timeouts = {}
    for entry in host.entries:
        assert isinstance(entry.rule.action, Forward)
        timeouts[entry.match.paths[0].value] = (entry.rule.action.read_timeout, entry.rule.websocket)
    return timeouts


def test_the_most_specific_policy_counts_alone() -> None:
    door = policy("a", DOOR_KEY, Options(read_timeout=1.0, websocket=False))
    route = policy("b", ROUTE_KEY, Options(read_timeout=2.0))
    rule = policy("c", ROUTE_KEY, Options(read_timeout=3.0), "two")
    assert read_timeouts(door) == {"/one": (1.0, False), "/two": (1.0, False)}
    assert read_timeouts(door, route, rule) == {"/one": (2.0, True), "/two": (3.0, True)}


def test_a_policy_that_merges_is_laid_over_the_gateways() -> None:
    door = policy("a", DOOR_KEY, Options(read_timeout=1.0, websocket=False))
    route = policy("b", ROUTE_KEY, Options(read_timeout=2.0), merges=True)
    assert read_timeouts(door, route)["/one"] == (2.0, False)


def test_of_two_policies_the_older_counts() -> None:
    young, old = policy("z", ROUTE_KEY, Options(read_timeout=1.0)), policy("a", ROUTE_KEY, Options(read_timeout=2.0))
    assert read_timeouts(young, old)["/one"] == (2.0, True)


def test_a_listeners_policy_goes_before_the_gateways() -> None:
    door = policy("a", DOOR_KEY, Options(read_timeout=1.0))
    listener = policy("b", DOOR_KEY, Options(read_timeout=2.0), "http")
    other = policy("c", DOOR_KEY, Options(read_timeout=3.0), "https")
    assert read_timeouts(door, listener, other)["/one"] == (2.0, True)


@pytest.mark.parametrize("entry", ["auth", ".htpasswd", ""])
def test_users_are_looked_for_where_the_controller_looks(entry: str) -> None:
    """Under the key of its own and no other; without one, under the only key."""
    meta = {"name": "users", "namespace": "web"}
    asked = Options(filters=(BasicAuth(HERE, Key("Secret", "web", "users"), entry=entry),))
    for keys in (("auth",), (".htpasswd",), ("users",), ("users", "auth"), ("users", "auth", ".htpasswd"), ()):
        data = {key: f"{key}:{{SHA}}qUqP5cyxm6YcTAhz05Hph5gvu9M=" for key in keys}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": data}
        (made,) = entries(model(secret, APP, app=asked).graph)
        rule = made.rule
        found = [step.users.reveal().decode() for step in rule.steps if isinstance(step, BasicAuthUsers)]
        expected = data.get(entry) if entry else (data[keys[0]] if len(keys) == 1 else None)
        assert found == ([expected] if expected else [])
        assert isinstance(rule.action, Forward if expected else Respond)
