"""What a trace says of the steps of a rule: what the request itself decides, and what has to be assumed."""

from __future__ import annotations

import base64

import msgspec
import pytest

from gatewright.base.origin import Origin
from gatewright.base.sensitive import Sensitive
from gatewright.graph.nodes import AskAuth, BackendKey, BasicAuthUsers, ErrorPage, Step, TokenCheck
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.filters import (
    Authorize,
    AuthorizeRule,
    BodyLimit,
    Compress,
    ErrorPages,
    ForwardAuth,
    InFlight,
    Jwt,
    JwtProvider,
    LimitBy,
    RateLimit,
    Variable,
)
from gatewright.kinds.intents.routing import BackendRef
from gatewright.trace.request import request
from gatewright.trace.steps import error_page, judge

HERE = Origin("manifest.yaml", "1")
SSO = BackendKey("id", "sso", 8080)
SLOW = "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC"
USERS = Sensitive(f"joe:{{SHA}}qUqP5cyxm6YcTAhz05Hph5gvu9M=\nann:{SLOW}".encode())


def status(
    step: Step, *headers: str, method: str = "GET", client: str = "127.0.0.1", url: str = "http://a.test/"
) -> int:
    verdict = judge(step, request(url, method, headers, client=client))
    return verdict.status if verdict else 0


def basic(login: str) -> str:
    return f"Authorization: Basic {base64.b64encode(login.encode()).decode()}"


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ((), 401),
        ((basic("joe:test"),), 0),
        ((basic("joe:wrong"),), 401),
        ((basic("ann:anything"),), 0),  # whether that is her password, only the hash knows
        ((basic("eve:test"),), 401),
        (("Authorization: Basic !",), 401),
    ],
)
def test_basic_authentication(headers: tuple[str, ...], wanted: int) -> None:
    assert status(BasicAuthUsers(USERS, HERE), *headers) == wanted


def test_who_is_not_asked() -> None:
    assert status(BasicAuthUsers(USERS, HERE, excepts=("192.0.2.0/24",)), client="192.0.2.7") == 0


def test_a_question_says_what_it_assumes() -> None:
    step = AskAuth(ForwardAuth(HERE, ()), SSO, (Variable.HOST,), ("/verify?u=", Variable.ESCAPED_URL), tls=True)
    verdict = judge(step, request("http://a.test/"))
    assert verdict is not None
    assert verdict.summary == "asks https://{host}/verify?u={escaped-url} (id/sso:8080); goes on if it answers 2xx"


def token(**claims: object) -> str:
    body = base64.urlsafe_b64encode(msgspec.json.encode(claims)).decode().rstrip("=")
    return f"Authorization: Bearer e30.{body}.x"


def test_tokens() -> None:
    check = Jwt(HERE, (JwtProvider("one"),))
    step = TokenCheck(check, (("one", "{}"),))
    assert status(step) == 401
    assert status(step, token(sub="joe")) == 0
    assert status(step, url="http://a.test/?access_token=x") == 0
    assert status(TokenCheck(Jwt(HERE, check.providers, optional=True), ())) == 0
    elsewhere = Jwt(HERE, (JwtProvider("one", headers=(("X-Token", ""),), cookies=("t",)),))
    assert status(TokenCheck(elsewhere, ()), token(sub="joe")) == 401
    assert status(TokenCheck(elsewhere, ()), "Cookie: a=b; t=x") == 0
    assert status(TokenCheck(elsewhere, ()), "X-Token: x") == 0


def test_authorization_is_decided_by_the_first_rule_that_fits() -> None:
    deny = AuthorizeRule(allow=False, cidrs=("10.0.0.0/8",))
    allow = AuthorizeRule(allow=True, methods=("GET",), claims=(("one", "realm.roles", ("admin",)),))
    step = Authorize(HERE, (deny, allow))
    admin = token(realm={"roles": ["user", "admin"]})
    assert status(step, admin) == 0
    assert status(step, admin, method="POST") == 403
    assert status(step, admin, client="10.1.2.3") == 403
    assert status(step, token(realm={"roles": ["user"]})) == 403
    assert status(Authorize(HERE, (), allow=True)) == 0


def test_a_body_is_judged_by_its_length() -> None:
    assert status(BodyLimit(HERE, 10), "Content-Length: 11") == 413
    assert status(BodyLimit(HERE, 10), "Content-Length: 10") == 0
    assert status(BodyLimit(HERE, 10)) == 0


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (RateLimit(HERE, 5, burst=25, status=503), "at most 5 requests in 1 s for each client (burst 25), else 503"),
        (
            InFlight(HERE, 3, by=LimitBy.HEADER, header="x-a"),
            "at most 3 requests at the same time for each value of x-a",
        ),
    ],
)
def test_limits_are_told(step: Step, told: str) -> None:
    verdict = judge(step, request("http://a.test/"))
    assert verdict is not None
    assert verdict.summary.startswith(told)
    assert verdict.status == 0


def test_what_no_trace_shows() -> None:
    assert judge(Compress(HERE), request("http://a.test/")) is None


def test_pages_by_status() -> None:
    ref = BackendRef(Key("Service", "web", "errors"), 80, HERE)
    page = ErrorPage(ErrorPages(HERE, ((404, 404), (500, 599)), ref), SSO)
    assert error_page((page,), 503) is page
    assert error_page((page,), 403) is None
