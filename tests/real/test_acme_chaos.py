"""ACME on bad days: what authorities and networks do to us, by a proxy before pebble; and renewalInfo."""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from gatewright.engines.certificates.obtaining import IssueError
from gatewright.engines.certificates.request import renewal_identity
from gatewright.kinds.intents.issuance import AcmeSettings
from support.acme_issuing import issuer, names_in, new_key, obtainer, wanted
from support.acme_names import TxtServer, txt_server
from support.acme_proxy import AcmeProxy, Answer, acme_proxy, problem, suggested
from support.pebble import Pebble, pebble

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def names() -> Iterator[TxtServer]:
    with txt_server() as server:
        yield server


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory, names: TxtServer) -> Iterator[Pebble]:
    with pebble(tmp_path_factory.mktemp("pebble"), dns=names.address) as ca:
        yield ca


@pytest.fixture
def proxy(authority: Pebble) -> Iterator[AcmeProxy]:
    with acme_proxy(authority) as before:
        yield before


def _via(proxy: AcmeProxy) -> tuple[str, Path]:
    return proxy.directory, proxy.trust_file


@pytest.mark.parametrize(
    "path", ["/dir", "/nonce-plz", "/sign-me-up", "/order-plz", "/authZ", "/chalZ", "/finalize-order", "/certZ"]
)
@pytest.mark.parametrize(
    "answer",
    [Answer(), Answer(after=True), problem("serverInternal", 503, "busy", Retry_After="0"), Answer(502, b"<html>")],
    ids=["reset", "lost", "503", "502"],
)
def test_a_moment_of_trouble_is_got_over(
    tmp_path: Path, names: TxtServer, proxy: AcmeProxy, path: str, answer: Answer
) -> None:
    proxy.fault(path, answer)
    issued = obtainer(tmp_path / "state", _via(proxy), names).obtain(wanted("*.a.test"), new_key())
    assert names_in(issued.chain) == {"*.a.test"}
    assert names.records == {}


def test_the_authority_is_down_and_comes_back(tmp_path: Path, names: TxtServer, proxy: AcmeProxy) -> None:
    waited: list[float] = []
    ours = obtainer(tmp_path / "state", _via(proxy), names, sleep=waited.append)
    proxy.down = True
    for _ in range(3):
        with pytest.raises(IssueError, match=r"127\.0\.0\.1:\d+ cannot be reached") as down:
            ours.obtain(wanted("a.test"), new_key())
        assert not down.value.permanent
    assert sum(waited) < 30
    proxy.down = False
    assert obtainer(tmp_path / "state", _via(proxy), names).obtain(wanted("a.test"), new_key())


def test_down_in_the_middle_the_same_order_goes_on(tmp_path: Path, names: TxtServer, proxy: AcmeProxy) -> None:
    key = new_key()
    for path in ("/authZ", "/my-order", "/finalize-order", "/certZ"):
        ours = obtainer(tmp_path / "state", _via(proxy), names)
        proxy.fault(path, *[Answer()] * 4)
        with pytest.raises(IssueError, match="cannot be reached"):
            ours.obtain(wanted("a.test"), key)
        assert names.records == {}
    assert obtainer(tmp_path / "state", _via(proxy), names).obtain(wanted("a.test"), key)
    assert proxy.paths("/order-plz") == 1


@pytest.mark.parametrize("as_date", [False, True], ids=["seconds", "date"])
@pytest.mark.parametrize("path", ["/order-plz", "/finalize-order", "/my-order"])
def test_rate_limits_say_when(tmp_path: Path, names: TxtServer, proxy: AcmeProxy, path: str, as_date: bool) -> None:
    after = email.utils.formatdate(time.time() + 3600, usegmt=True) if as_date else "3600"
    proxy.fault(path, problem("rateLimited", 429, "too many certificates", Retry_After=after))
    with pytest.raises(IssueError, match=r"too many certificates \(rateLimited\)") as limited:
        obtainer(tmp_path / "state", _via(proxy), names).obtain(wanted("a.test"), new_key())
    assert limited.value.retry_after is not None
    assert 3500 < limited.value.retry_after <= 3600
    assert not limited.value.permanent
    # Asked once: a limit is not tried against.
    assert proxy.paths(path) == 1


def test_a_long_overload_is_reported_not_waited_for(tmp_path: Path, names: TxtServer, proxy: AcmeProxy) -> None:
    proxy.fault("/order-plz", problem("serverInternal", 503, "maintenance", Retry_After="600"))
    with pytest.raises(IssueError, match="maintenance") as busy:
        obtainer(tmp_path / "state", _via(proxy), names).obtain(wanted("a.test"), new_key())
    assert busy.value.retry_after == 600


def test_a_refusal_names_each_name(tmp_path: Path, names: TxtServer, proxy: AcmeProxy) -> None:
    body = (
        b'{"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"some names\\nare refused","subproblems":['
        b'{"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"not yours",'
        b'"identifier":{"type":"dns","value":"b.test"}}]}'
    )
    proxy.fault("/order-plz", Answer(403, body, {"Content-Type": "application/problem+json"}))
    with pytest.raises(IssueError) as refused:
        obtainer(tmp_path / "state", _via(proxy), names).obtain(wanted("a.test", "b.test"), new_key())
    assert str(refused.value).endswith("some names are refused (rejectedIdentifier); b.test: not yours")
    assert refused.value.permanent


@pytest.mark.parametrize("path", ["/dir", "/order-plz", "/authZ", "/my-order", "/certZ"])
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"status": 7}', b'{"status": "valid"}', b"\xff" * 99, b'"' + b"x" * (1 << 20) + b'"'],
    ids=["empty", "cut", "list", "null", "number", "little", "binary", "huge"],
)
def test_nonsense_is_an_issue_error(tmp_path: Path, names: TxtServer, proxy: AcmeProxy, path: str, body: bytes) -> None:
    nonsense = Answer(200, body, {"Content-Type": "application/json", "Location": "https://127.0.0.1:1/x"})
    proxy.fault(path, *[nonsense] * 9)
    with pytest.raises(IssueError) as refused:
        obtainer(tmp_path / "state", _via(proxy), names, sleep=lambda _: None).obtain(wanted("a.test"), new_key())
    assert len(str(refused.value)) < 300
    assert names.records == {}


def test_a_chain_for_another_key_is_not_taken(tmp_path: Path, names: TxtServer, proxy: AcmeProxy) -> None:
    other = obtainer(tmp_path / "state", _via(proxy), names).obtain(wanted("a.test"), new_key())
    proxy.fault("/certZ", Answer(200, other.chain, {"Content-Type": "application/pem-certificate-chain"}))
    with pytest.raises(IssueError, match="another key or other names"):
        obtainer(tmp_path / "state", _via(proxy), names).obtain(wanted("a.test"), new_key())


def test_between_the_certificates_of_a_chain_nothing_is_kept(
    tmp_path: Path, names: TxtServer, proxy: AcmeProxy
) -> None:
    key = new_key()
    plain = obtainer(tmp_path / "state", _via(proxy), names).obtain(wanted("a.test"), key).chain
    more = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n# authorities\n" + plain + b"more\n"
    proxy.fault("/certZ", Answer(200, more, {"Content-Type": "application/pem-certificate-chain"}))
    assert obtainer(tmp_path / "state", _via(proxy), names).obtain(wanted("a.test"), key).chain == plain
    proxy.fault("/certZ", Answer(200, plain * 20, {"Content-Type": "application/pem-certificate-chain"}))
    with pytest.raises(IssueError, match="a chain of"):
        obtainer(tmp_path / "state", _via(proxy), names).obtain(wanted("a.test"), key)


@pytest.mark.parametrize("value", ["bank.test", "b.test\r\nevil", "../../a.test", "a.test.", "com"])
def test_nothing_is_proved_that_is_not_in_the_order(
    tmp_path: Path, names: TxtServer, proxy: AcmeProxy, value: str
) -> None:
    challenge = {
        "type": "dns-01",
        "status": "pending",
        "url": f"{proxy.url}/chalZ/1",
        "token": "9Vn3Yx2mHkq0B1ZbIxvZ6QO3kq0B1ZbIxvZ6QO3kq0A",
    }
    asked = {"status": "pending", "identifier": {"type": "dns", "value": value}, "challenges": [challenge]}
    proxy.fault("/authZ", Answer(200, json.dumps(asked).encode(), {"Content-Type": "application/json"}))
    before = list(names.put_up)
    with pytest.raises(IssueError, match="is not in the order"):
        obtainer(tmp_path / "state", _via(proxy), names).obtain(wanted("a.test"), new_key())
    assert names.put_up == before


@pytest.mark.parametrize("path", ["/dir", "/order-plz", "/certZ"])
def test_a_redirect_leads_neither_away_from_https_nor_in_circles(
    tmp_path: Path, names: TxtServer, proxy: AcmeProxy, path: str
) -> None:
    proxy.fault(path, Answer(302, b"", {"Location": "http://127.0.0.1:1/elsewhere"}))
    with pytest.raises(IssueError, match="over HTTPS only"):
        obtainer(tmp_path / "state", _via(proxy), names).obtain(wanted("a.test"), new_key())
    before = len(proxy.seen)
    proxy.fault("/circle", *[Answer(302, b"", {"Location": f"{proxy.url}/circle"})] * 99)
    ours = obtainer(tmp_path / "other", (f"{proxy.url}/circle", proxy.trust_file), names, sleep=lambda _: None)
    with pytest.raises(IssueError, match="redirects"):
        ours.obtain(wanted("a.test"), new_key())
    assert len(proxy.seen) - before < 30


@pytest.mark.parametrize("path", ["/dir", "/order-plz", "/certZ"])
def test_an_answer_that_breaks_off_is_asked_for_again(
    tmp_path: Path, names: TxtServer, proxy: AcmeProxy, path: str
) -> None:
    broken = Answer(200, b'{"status"', {"Content-Encoding": "gzip", "Content-Type": "application/json"})
    proxy.fault(path, broken)
    issued = obtainer(tmp_path / "state", _via(proxy), names).obtain(wanted("a.test"), new_key())
    assert names_in(issued.chain) == {"a.test"}


def test_trust_is_the_bundle_alone(tmp_path: Path, names: TxtServer, proxy: AcmeProxy) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with pebble(other, dns=names.address) as stranger, pytest.raises(IssueError, match="cannot be trusted"):
        obtainer(tmp_path / "state", (proxy.directory, stranger.trust_file), names).obtain(wanted("a.test"), new_key())


# -- renewal ------------------------------------------------------------------------------------------------


def test_renewal_info(tmp_path: Path, names: TxtServer, proxy: AcmeProxy) -> None:
    start = datetime(2030, 1, 1, tzinfo=UTC)
    asked: list[str] = []

    def renewal(identity: str) -> Answer:
        asked.append(identity)
        return suggested(start, start + timedelta(days=2), Retry_After="7200")

    proxy.renewal = renewal
    ours = obtainer(tmp_path / "state", _via(proxy), names)
    old = ours.obtain(wanted("a.test"), new_key()).chain
    window = ours.window(old)
    assert window is not None
    assert (window.start, window.end, window.ask_again) == (start.timestamp(), start.timestamp() + 2 * 86400, 7200)
    identity = renewal_identity(x509.load_pem_x509_certificate(old))
    assert asked == [identity]
    # What replaces it says so, once.
    ours.obtain(wanted("a.test"), new_key())
    ours.obtain(wanted("a.test"), new_key())
    orders = [one.payload for one in proxy.seen if one.path == "/order-plz"]
    assert [order.get("replaces") for order in orders] == [None, identity, None]


def test_a_certificate_that_was_replaced_already(tmp_path: Path, names: TxtServer, proxy: AcmeProxy) -> None:
    now = datetime.now(UTC)
    proxy.renewal = lambda _identity: suggested(now, now)
    ours = obtainer(tmp_path / "state", _via(proxy), names)
    assert ours.window(ours.obtain(wanted("a.test"), new_key()).chain)
    proxy.fault("/order-plz", problem("alreadyReplaced", 409, "it was replaced"))
    assert ours.obtain(wanted("a.test"), new_key())


@pytest.mark.parametrize(
    "answer",
    [
        None,
        Answer(404),
        Answer(200, b"{"),
        Answer(200, b'{"suggestedWindow": {}}'),
        Answer(200, b'{"suggestedWindow": {"start": "2030-01-02T00:00:00Z", "end": "2030-01-01T00:00:00Z"}}'),
    ],
    ids=["no resource", "404", "cut", "empty", "backwards"],
)
def test_no_window(tmp_path: Path, names: TxtServer, proxy: AcmeProxy, answer: Answer | None) -> None:
    proxy.renewal = (lambda _identity: answer) if answer else None
    ours = obtainer(tmp_path / "state", _via(proxy), names)
    chain = ours.obtain(wanted("a.test"), new_key()).chain
    assert ours.window(chain) is None
    proxy.down = True
    assert ours.window(chain) is None
    assert ours.window(b"no certificate") is None


def test_profiles(tmp_path: Path, names: TxtServer, proxy: AcmeProxy) -> None:
    proxy.profiles = {"classic": "as ever", "shortlived": "six days"}
    short = issuer(acme=AcmeSettings(profile="shortlived"))
    obtainer(tmp_path / "state", _via(proxy), names, short).obtain(wanted("a.test"), new_key())
    [order] = [one.payload for one in proxy.seen if one.path == "/order-plz"]
    assert order["profile"] == "shortlived"
    unknown = issuer(acme=AcmeSettings(profile="eternal"))
    with pytest.raises(IssueError, match="no profile eternal: it offers classic, shortlived") as refused:
        obtainer(tmp_path / "state", _via(proxy), names, unknown).obtain(wanted("a.test"), new_key())
    assert refused.value.permanent
