"""HAProxy's annotations of both controllers: values, mistakes, and what refuses."""

from __future__ import annotations

from typing import Any

import pytest

from gatewright.base.origin import Origin
from gatewright.kinds.annotations import readers
from gatewright.kinds.annotations.haproxy import community as haproxy_community
from gatewright.kinds.annotations.haproxy import ingress as haproxy
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.annotations.reader import Reader
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.filters import AllowSources, BasicAuth, Cors, ForwardAuth, RateLimit, Rewrite, Variable
from gatewright.kinds.intents.options import Options, TlsRedirect, laid_over
from gatewright.kinds.intents.routing import HashKey, PathKind, RuleIntent

OWNER = Key("Ingress", "apps", "app")
ORG, COMMUNITY = haproxy.READER, haproxy_community.READER


def read(reader: Reader, **values: str) -> tuple[Options, list[str]]:
    notes = Notes(
        {reader.prefix + name.replace("_", "-"): value for name, value in values.items()},
        OWNER,
        Origin("a.yaml").at("metadata", "annotations"),
        reader.prefix,
    )
    return reader.read(notes), sorted(problem.id for problem in notes.problems)


def only(options: Options, kind: type[Any]) -> Any:
    (found,) = [item for item in options.filters if isinstance(item, kind)]
    return found


@pytest.mark.parametrize(("text", "seconds"), [("500", 0.5), ("5s", 5.0), ("2m", 120.0), ("100ms", 0.1)])
def test_a_time_without_unit_is_in_milliseconds(text: str, seconds: float) -> None:
    for reader in (ORG, COMMUNITY):
        assert read(reader, timeout_server=text)[0].read_timeout == pytest.approx(seconds)


@pytest.mark.parametrize(
    "values",
    [
        {"allow_list": "patterns/ips"},
        {"allow_list": "10.0.0.0/33"},
        {"deny_list": "everybody"},
        {"allow_list": ","},
        {"rate_limit_requests": "10/s"},
        {"rate_limit_requests": "0"},
        {"auth_secret": "users"},
        {"auth_type": "basic-auth"},
        {"auth_type": "digest", "auth_secret": "users"},
        {"server_ca": "Not A Name"},
        {"backend_config_snippet": "http-request deny if { path /x }"},
    ],
    ids=str,
)
def test_what_protects_and_cannot_be_built_refuses(values: dict[str, str]) -> None:
    options, problems = read(ORG, **values)
    assert options.unbuildable
    assert "protection-unbuildable" in problems


@pytest.mark.parametrize(
    "values",
    [
        {"allowlist_source_range": "nobody"},
        {"allowlist_source_range": "10.0.0.0/30,!10.0.0.0/24"},
        {"limit_rps": "many"},
        {"auth_type": "basic"},
        {"auth_secret": "file:///users"},
        {"auth_url": "ftp://auth"},
        {"auth_url": "http://auth/%[path]"},
        {"auth_tls_verify_client": "on"},
        {"auth_tls_secret": "file:///ca.pem"},
        {"waf": "modsecurity"},
        {"oauth": "oauth2_proxy"},
        {"allowlist_source_header": "X-Client", "allowlist_source_range": "10.0.0.0/8"},
        {"secure_backends": "true", "secure_verify_ca_secret": "file:///ca.pem"},
    ],
    ids=str,
)
def test_what_protects_and_cannot_be_built_refuses_there_too(values: dict[str, str]) -> None:
    options, problems = read(COMMUNITY, **values)
    assert options.unbuildable
    assert "protection-unbuildable" in problems


def test_an_unknown_name_that_looks_like_a_lock_refuses() -> None:
    options, problems = read(ORG, allow_lists="10.0.0.0/8")
    assert (bool(options.unbuildable), problems) == (True, ["annotation-unknown"])
    options, problems = read(ORG, timeout_servr="5s")
    assert (options.unbuildable, problems) == ("", ["annotation-unknown"])


@pytest.mark.parametrize(
    ("text", "cidrs"),
    [
        ("10.0.0.0/8,192.168.2.100", ("10.0.0.0/8", "192.168.2.100/32")),
        ("10.0.0.0/30,!10.0.0.2/31", ("10.0.0.0/31",)),
    ],
)
def test_exceptions_are_taken_out(text: str, cidrs: tuple[str, ...]) -> None:
    allow = read(COMMUNITY, allowlist_source_range=text)[0].allow
    assert isinstance(allow, AllowSources)
    assert allow.cidrs == cidrs


@pytest.mark.parametrize(
    ("text", "balance", "hashed"),
    [
        ("roundrobin", "round-robin", ()),
        ("leastconn", "least-request", ()),
        ("random(1)", "random", ()),
        ("source", "ring-hash", (HashKey("client"),)),
        ("uri whole", "ring-hash", (HashKey("uri"),)),
        ("url_param id", "ring-hash", (HashKey("query", "id"),)),
        ("hdr(X-User)", "ring-hash", (HashKey("header", "x-user"),)),
    ],
)
def test_balance(text: str, balance: str, hashed: tuple[HashKey, ...]) -> None:
    options, problems = read(ORG, load_balance=text)
    assert options.upstream is not None
    assert (options.upstream.balance, options.hash, problems) == (balance, hashed, [])


@pytest.mark.parametrize(("text", "told"), [("rdp-cookie", "unsupported-annotation"), ("best", "annotation-value")])
def test_a_balance_that_is_not_possible(text: str, told: str) -> None:
    assert read(ORG, load_balance=text)[1] == [told]


def test_a_rate_limit() -> None:
    options, _ = read(ORG, rate_limit_requests="15", rate_limit_period="1m", rate_limit_whitelist="patterns/x")
    limit = only(options, RateLimit)
    assert (limit.requests, limit.period, limit.burst, limit.status, limit.excepts) == (15, 60.0, 15, 403, ())


def test_users_are_keys_of_the_secret() -> None:
    auth = only(read(ORG, auth_type="basic-auth", auth_secret="other/users")[0], BasicAuth)
    assert (auth.secret, auth.by_name, auth.realm) == (Key("Secret", "other", "users"), True, "Protected Content")


@pytest.mark.parametrize("reader", [ORG, COMMUNITY], ids=lambda reader: reader.prefix)
def test_credentials_are_never_allowed_to_any_origin(reader: Reader) -> None:
    options, problems = read(reader, cors_enable="true", cors_allow_credentials="true")
    assert not only(options, Cors).allow_credentials
    assert problems == ["annotation-contradiction"]


def test_an_expression_as_origin_allows_none() -> None:
    options, problems = read(ORG, cors_enable="true", cors_allow_origin=r"^https://(a|b)\.example\.com$")
    assert (only(options, Cors).allow_origins, problems) == ((), ["unsupported-annotation"])
    options, problems = read(ORG, cors_enable="true", cors_allow_origin=r"^https://a\.example\.com$")
    assert (only(options, Cors).allow_origins, problems) == (("https://a.example.com",), [])


def test_a_rewrite_that_re2_refuses_has_no_effect() -> None:
    options, problems = read(ORG, path_rewrite="/a(?=b) /c")
    assert not [item for item in options.filters if isinstance(item, Rewrite)]
    assert problems == ["annotation-value"]


def test_the_newer_of_two_names_counts() -> None:
    options, problems = read(ORG, allow_list="10.0.0.0/8", whitelist="0.0.0.0/0")
    assert options.allow is not None
    assert (options.allow.cidrs, problems) == (("10.0.0.0/8",), ["annotation-contradiction"])


def test_another_server_is_asked() -> None:
    options, problems = read(
        COMMUNITY,
        auth_url="svc://other/auth:8080/check",
        auth_headers_request="-",
        auth_headers_succeed="X-User,X-Group-*",
        auth_signin="https://login.test/?rd=%[path]",
    )
    auth = options.auth
    assert isinstance(auth, ForwardAuth)
    assert auth.url == ("http://auth.other.svc.cluster.local:8080/check",)
    assert (auth.sends, auth.copies, auth.copies_matching) == ((), ("X-User",), r"(?i)(?:X\-Group\-.*)")
    assert (auth.signin, auth.status_on_error) == (("https://login.test/?rd=", Variable.PATH), 403)
    assert problems == []


def test_a_condition_that_cannot_be_read_is_never_fulfilled() -> None:
    annotations = {f"{COMMUNITY.prefix}http-header-match": "nonsense"}
    (rule,), _ = readers.rules(annotations, OWNER, Origin("a.yaml"), (RuleIntent(0, Origin("a.yaml")),))
    (condition,) = rule.matches[0].headers
    assert (condition.name, condition.negate) == ("host", True)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("", PathKind.RAW_PREFIX), ("Exact", PathKind.EXACT), ("prefix", PathKind.PREFIX), ("regex", PathKind.REGEX)],
)
def test_path_type(kind: str, expected: PathKind) -> None:
    assert haproxy_community.implementation_specific("/app", kind=kind).kind is expected


def test_dialects_of_one_implementation_are_laid_over_each_other() -> None:
    annotations = {"haproxy.org/timeout-server": "5s", "haproxy.com/set-host": "in.test"}
    annotations["haproxy-ingress.github.io/timeout-server"] = "7s"
    found, problems = readers.read(annotations, OWNER, Origin("a.yaml"))
    assert [(name, options.read_timeout, options.upstream_host) for name, options in found] == [
        ("haproxy", 7.0, "in.test"),  # which may be the door of either controller
        ("haproxy-ingress", 7.0, None),
    ]
    assert problems == []


def test_the_two_controllers_have_usual_values_of_their_own() -> None:
    assert readers.usual("haproxy").tls_redirect == TlsRedirect("tls", 302, 8443)
    assert readers.usual("haproxy").hsts is None
    assert readers.usual("haproxy-ingress").hsts == "max-age=15768000"


@pytest.mark.parametrize(
    ("prefix", "annotations", "expected"),
    [
        ("haproxy.org/", {"ssl-redirect": "true"}, ("always", 303, 9443)),
        ("haproxy.org/", {"ssl-redirect": "false"}, ("never", 303, 9443)),
        ("haproxy.org/", {"ssl-redirect-code": "301"}, ("tls", 301, 9443)),
        ("haproxy.org/", {"ssl-redirect-port": "443"}, ("tls", 303, 0)),
        ("haproxy-ingress.github.io/", {"timeout-server": "1s"}, ("tls", 303, 0)),
        ("haproxy-ingress.github.io/", {"ssl-redirect": "true"}, ("tls", 303, 0)),
    ],
)
def test_redirects_to_tls_are_laid_over_what_holds_for_all(
    prefix: str, annotations: dict[str, str], expected: tuple[str, int, int]
) -> None:
    notes = Notes({"ssl-redirect-code": "303", "ssl-redirect-port": "9443"}, OWNER, Origin("c.yaml"))
    assert haproxy.READER.class_wide is not None
    door = laid_over(readers.usual("haproxy"), haproxy.READER.class_wide(notes))
    found, _ = readers.read({prefix + name: value for name, value in annotations.items()}, OWNER, Origin("a.yaml"))
    redirect = laid_over(door, dict(found)["haproxy"]).tls_redirect
    assert redirect is not None
    assert (redirect.when, redirect.status, redirect.port) == expected


def test_class_wide() -> None:
    assert haproxy.READER.class_wide is not None
    assert haproxy_community.READER.class_wide is not None
    notes = Notes({"timeout-connect": "2s", "client-ca": "certs/ca"}, Key("ConfigMap", "a", "b"), Origin("c.yaml"))
    options = haproxy.READER.class_wide(notes)
    assert options.upstream is not None
    assert options.client is not None
    assert (options.upstream.connect_timeout, options.client.mode) == (2.0, "handshake")
    assert (options.client.ca_entry, notes.problems) == ("tls.crt", [])
    notes = Notes({"ssl-redirect-code": "301", "hsts-max-age": "60"}, Key("ConfigMap", "a", "b"), Origin("c.yaml"))
    options = haproxy_community.READER.class_wide(notes)
    assert options.tls_redirect is not None
    assert (options.tls_redirect.status, options.hsts, notes.problems) == (301, "max-age=60", [])


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["allow-list", "timeout-server"], ORG),
        (["allowlist-source-range", "timeout-server"], COMMUNITY),
        (["timeout-server"], ORG),
    ],
)
def test_the_keys_say_whose_configmap_it_is(keys: list[str], expected: Reader) -> None:
    assert readers.meant([ORG, COMMUNITY], keys) is expected
