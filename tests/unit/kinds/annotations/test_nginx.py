"""Annotations and settings of ingress-nginx: defaults, units, contradictions, and locks without their parts."""

from __future__ import annotations

from typing import Any

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from gatewright.base.origin import Origin
from gatewright.kinds.annotations.names import NAMES, NGINX
from gatewright.kinds.annotations.nginx import ingress as nginx
from gatewright.kinds.annotations.nginx import settings as nginx_settings
from gatewright.kinds.annotations.nginx import variables as nginx_variables
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.filters import BasicAuth, Compress, Cors, RateLimit, Variable
from gatewright.kinds.intents.options import DoorOptions, Options, laid_over
from gatewright.kinds.intents.routing import HashKey

OWNER = Key("Ingress", "apps", "shop")
HERE = Origin("a.yaml")


def read(**values: str) -> tuple[Options, list[str]]:
    notes = Notes({NGINX + name.replace("_", "-"): value for name, value in values.items()}, OWNER, HERE, NGINX)
    return nginx.read(notes), [problem.id for problem in notes.problems]


def settings(**values: str) -> tuple[Options, list[str]]:
    notes = Notes({name.replace("_", "-"): value for name, value in values.items()}, OWNER, HERE)
    return nginx_settings.read(notes), [problem.id for problem in notes.problems]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("proxy-read-timeout", "60s"),
        ("proxy-connect-timeout", "five"),
        ("proxy-body-size", "8 MB"),
        ("ssl-redirect", "on"),
        ("upstream-hash-by", "$upstream_addr"),
        ("app-root", "app"),
        ("rewrite-target", "/x?y=1"),
        ("server-alias", "not a host"),
        ("backend-protocol", "AJP"),
        ("proxy-next-upstream", "sometimes"),
    ],
)
def test_a_wrong_value_is_told_and_the_default_holds(name: str, value: str) -> None:
    options, told = read(**{name: value})
    assert told == ["annotation-value"]
    usual = laid_over(nginx_settings.USUAL, options)
    assert not usual.unbuildable
    assert (usual.read_timeout, usual.body_limit, usual.tls_redirect) == (
        60.0,
        nginx_settings.USUAL.body_limit,
        nginx_settings.USUAL.tls_redirect,
    )


@pytest.mark.parametrize(
    "values",
    [
        {"auth_type": "basic"},
        {"auth_type": "digest", "auth_secret": "users"},
        {"auth_secret": "users"},
        {"auth_type": "basic", "auth_secret": "no/such/thing"},
        {"auth_url": "auth.apps"},
        {"auth_url": "http://a..b/"},
        {"auth_url": "http://auth/$nonsense"},
        {"auth_url": "http://auth/", "auth_method": "FETCH"},
        {"auth_url": "http://auth/", "auth_response_headers": "X User"},
        {"whitelist_source_range": "10.0.0.0/33"},
        {"denylist_source_range": ";"},
        {"auth_tls_secret": "ca"},
        {"auth_tls_secret": "apps/ca", "auth_tls_match_cn": "alice"},
        {"auth_tls_verify_client": "on"},
        {"limit_rps": "5r/s"},
        {"enable_modsecurity": "true"},
        {"proxy_ssl_secret": "upstream"},
        {"auth_ur1": "http://auth/"},
    ],
)
def test_a_lock_without_its_parts_closes_the_rules(values: dict[str, str]) -> None:
    options, told = read(**values)
    assert options.unbuildable
    assert len(told) == 1


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"permanent_redirect": "https://a.test", "temporal_redirect": "https://b.test"}, ["annotation-contradiction"]),
        ({"ssl_redirect": "false", "force_ssl_redirect": "true"}, ["annotation-contradiction"]),
        ({"use_regex": "false", "rewrite_target": "/$1"}, ["annotation-contradiction"]),
        ({"affinity": "cookie", "upstream_hash_by": "$host"}, ["annotation-contradiction"]),
        ({"canary_weight": "20"}, ["annotation-without-effect"]),
        ({"auth_signin": "https://login.test"}, ["annotation-without-effect"]),
        ({"cors_allow_origin": "*"}, ["annotation-without-effect"]),
        ({"enable_cors": "false", "cors_allow_origin": "*"}, []),
        ({"proxy_redirect_from": "off", "proxy_http_version": "1.1", "load_balance": "round_robin"}, []),
    ],
)
def test_what_is_told_of_several(values: dict[str, str], told: list[str]) -> None:
    assert read(**values)[1] == told


def test_passwords() -> None:
    (check,) = read(auth_type="basic", auth_secret="other/users", auth_secret_type="auth-map")[0].filters
    assert isinstance(check, BasicAuth)
    assert check.secret == Key("Secret", "other", "users")
    assert check.by_name
    assert check.remove_header


def test_an_authentication_server() -> None:
    asked = read(auth_url="https://$host/oauth2/auth", auth_signin="https://$host/oauth2/start?x=1")[0].auth
    assert asked is not None
    assert asked.url == ("https://", Variable.HOST, "/oauth2/auth")
    assert asked.signin == ("https://", Variable.HOST, "/oauth2/start?x=1", "&rd=", Variable.ESCAPED_URL)
    assert (asked.method, asked.denials, asked.status_on_error) == ("GET", (401, 403), 500)
    assert dict(asked.tells)["X-Original-Method"] == (Variable.METHOD,)
    own = read(auth_url="http://auth/", auth_signin="https://login.test/?rd=$escaped_request_uri")[0].auth
    assert own is not None
    assert own.signin[-1] is Variable.ESCAPED_URI


def test_an_authentication_server_of_its_own_in_place_of_the_doors() -> None:
    wide = settings(global_auth_url="http://wide/")[0]
    own = read(enable_global_auth="false", auth_url="http://own/")[0]
    assert (asked := laid_over(wide, own).auth) is not None
    assert asked.url == ("http://own/",)
    assert laid_over(wide, read(enable_global_auth="false")[0]).auth is None


@pytest.mark.parametrize(
    ("subject", "passes"),
    [
        ("CN=alice", True),
        ("O=Shop,CN=bob,C=DE", True),
        ("CN=alice.shop", True),
        ("CN=mallory", False),
        ("O=x\\,CN=alice,CN=mallory", False),
        ("O=xCN=alice", False),
    ],
)
def test_whose_certificate_it_is(subject: str, passes: bool) -> None:
    asked = read(auth_tls_secret="apps/ca", auth_tls_match_cn="CN=(alice|bob)")[0].client
    assert asked is not None
    assert bool(re2.fullmatch(asked.common_name, subject)) == passes


def test_to_any_origin_browsers_give_no_credentials() -> None:
    for origins, credentials in (("*", False), ("https://a.test", True)):
        (cors,) = read(enable_cors="true", cors_allow_origin=origins)[0].filters
        assert isinstance(cors, Cors)
        assert cors.allow_credentials == credentials


def test_connections_of_a_client_are_not_counted_and_do_not_close() -> None:
    options, told = read(limit_connections="10")
    assert told == ["unsupported-annotation"]
    assert not options.filters
    assert not options.unbuildable


def test_rates() -> None:
    (limit,) = read(limit_rpm="60", limit_burst_multiplier="2", limit_whitelist="10.0.0.0/8")[0].filters
    assert isinstance(limit, RateLimit)
    assert (limit.requests, limit.period, limit.burst, limit.status) == (60, 60.0, 121, 0)
    assert limit.excepts == ("10.0.0.0/8",)


def test_a_canary_says_nothing_else() -> None:
    options, _ = read(canary="true", canary_weight="5", rewrite_target="/x", read_timeout="5")
    assert options.canary is not None
    assert options.rewrite is None


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("$binary_remote_addr", (HashKey("client"),)),
        ("$host$request_uri", (HashKey("host"), HashKey("uri"))),
        ("${http_x_user}-$cookie_sid", (HashKey("header", "x-user"), HashKey("cookie", "sid"))),
        ("$arg_id", (HashKey("query", "id"),)),
        ("plain", None),
        ("$time_local", None),
    ],
)
def test_what_decides_the_endpoint(text: str, keys: Any) -> None:
    assert nginx_variables.hash_keys(text) == keys


@pytest.mark.parametrize(
    "text", ["ftp://a.test/", "https://a.test:99999/", "https://a b/", "https://a.test/#x", "a.test", "$scheme", ""]
)
def test_what_is_no_redirect(text: str) -> None:
    assert nginx_variables.redirect(text, 301, HERE, OWNER) is None


def test_the_configmap_says_what_holds_for_all() -> None:
    options, told = settings(
        hsts="false", use_gzip="true", http_redirect_code="301", limit_req_status_code="429", ssl_protocols="TLSv1.3"
    )
    assert told == []
    usual = laid_over(nginx_settings.USUAL, options)
    assert usual.hsts == ""
    assert usual.tls_redirect is not None
    assert (usual.tls_redirect.when, usual.tls_redirect.status) == ("tls", 301)
    assert usual.limit_status == 429
    assert any(isinstance(item, Compress) for item in usual.filters)
    assert options.door == DoorOptions(min_version="1.3", max_version="1.3")
    redirected = laid_over(usual, read(force_ssl_redirect="true")[0]).tls_redirect
    assert redirected is not None
    assert (redirected.when, redirected.status) == ("always", 301)


@pytest.mark.parametrize(
    ("values", "allowed"),
    [
        ({"allow_snippet_annotations": "true"}, True),
        ({"allow_snippet_annotations": "true", "annotations_risk_level": "High"}, False),
        ({"allow_snippet_annotations": "false", "annotations_risk_level": "Critical"}, False),
        ({}, None),
    ],
)
def test_snippets_at_a_door(values: dict[str, str], allowed: bool | None) -> None:
    door = settings(**values)[0].door
    assert (door.snippets if door else None) is allowed


@pytest.mark.parametrize(
    "values",
    [
        {"global_auth_url": "nowhere"},
        {"block_cidrs": "x"},
        {"block_user_agents": "~*bot"},
        {"enable_modsecurity": "true", "modsecurity_snippet": "SecRuleEngine  On"},
        {"enable_modsecurity": "true", "modsecurity_snippet": 'SecRuleEngine DetectionOnly\nSecRuleEngine "On"'},
        {"enable_modsecurity": "true", "modsecurity_snippet": "Include /etc/nginx/custom.conf"},
        {"whitelist_source_range": "everybody"},
    ],
)
def test_a_lock_of_the_configmap_without_its_parts_closes_all(values: dict[str, str]) -> None:
    assert settings(**values)[0].unbuildable


@pytest.mark.parametrize("mode", ["DetectionOnly", "Off"])
def test_a_firewall_that_only_looks_on_is_left_out(mode: str) -> None:
    options, problems = settings(enable_modsecurity="true", modsecurity_snippet=f"SecRuleEngine {mode}\nInclude a.conf")
    assert not options.unbuildable
    assert problems


@given(st.dictionaries(st.sampled_from(sorted(NAMES[NGINX])), st.text(max_size=40), max_size=8))
def test_any_values_are_read(values: dict[str, str]) -> None:
    nginx.read(Notes({NGINX + name: value for name, value in values.items()}, OWNER, HERE, NGINX))
    nginx_settings.read(Notes(values, OWNER, HERE))
