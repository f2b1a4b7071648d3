"""Real clients of a rehearsal in a world that stands: what they see of names, connections, certificates and answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from tests.support import worlds
from tests.support.shared import Shared
from tests.support.small_world import DROPPED, FAR, SERVER, SERVER_6, Standing

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.asking import ExpectationIntent
from gatewright.rehearsal.asking import Ended, Named, Observation, Question
from gatewright.rehearsal.clients.connect import Limits
from gatewright.rehearsal.clients.http import LARGEST_BODY
from gatewright.rehearsal.clients.streams import TRIES
from gatewright.trace.request import request

pytestmark = pytest.mark.real

MIB = 1 << 20

URLS: Mapping[str, tuple[str, str, str, int]] = {
    "http": ("http://app.test/x?y=1", "GET", "4", 0),
    "ipv6": ("http://app.test/", "GET", "6", 0),
    "https": ("https://app.test/", "GET", "4", 0),
    "alias": ("http://alias.test/", "GET", "4", 0),
    "two": ("http://two.test/", "GET", "4", 0),
    "large": ("https://large.test/", "GET", "4", 0),
    "nodata": ("http://four.test/", "GET", "6", 0),
    "nxdomain": ("http://nobody.test/", "GET", "4", 0),
    "refused name": ("http://refused.test/", "GET", "4", 0),
    "literal": (f"http://{SERVER}/", "GET", "4", 0),
    "literal of the other family": (f"http://{SERVER}/", "GET", "6", 0),
    "literal ipv6": (f"http://[{SERVER_6}]/", "GET", "6", 0),
    "no port": ("http://app.test:81/", "GET", "4", 0),
    "dropped": (f"http://{DROPPED}/", "GET", "4", 0),
    "no route": ("http://nowhere.test/", "GET", "4", 0),
    "expired": ("https://expired.test/", "GET", "4", 0),
    "strange": ("https://strange.test/", "GET", "4", 0),
    "for another name": ("https://alias.test/", "GET", "4", 0),
    "no tls": ("https://app.test:8083/", "GET", "4", 0),
    "head": ("http://app.test/", "HEAD", "4", 0),
    "body": ("https://app.test/", "POST", "4", 300_000),
    "body over http": ("http://app.test/", "PUT", "4", 300_000),
    "more than is sent": ("https://app.test/", "POST", "4", 4 << 30),
    "too large": ("http://app.test:8082/", "POST", "4", 4 << 30),
    "websocket": ("ws://app.test/chat", "GET", "4", 0),
    "secure websocket": ("wss://app.test/chat", "GET", "4", 0),
    "no websocket": ("ws://app.test:8082/", "GET", "4", 0),
    "call": ("grpcs://app.test/pkg.Service/Call", "GET", "4", 0),
    "call in clear": ("grpc://app.test/pkg.Service/Call", "GET", "4", 0),
    "octets": ("tcp://app.test:80", "GET", "4", 0),
    "octets to nobody": ("tcp://app.test:8083", "GET", "4", 0),
    "octets over tls": ("tls://app.test:8443", "GET", "4", 0),
    "datagrams": ("udp://app.test:5000", "GET", "4", 0),
    "datagrams to nobody": ("udp://app.test:5001", "GET", "4", 0),
    "redirected": ("http://app.test:8081/on", "POST", "4", 10),
    "redirected away": ("http://app.test:8081/out", "GET", "4", 0),
    "round": ("http://app.test:8081/round", "GET", "4", 0),
    "on and on": ("http://app.test:8081/0", "GET", "4", 0),
    "not followed": ("http://app.test:8081/ftp", "GET", "4", 0),
    "hung up": ("http://app.test:8083/", "GET", "4", 0),
    "silent": ("http://app.test:8084/", "GET", "4", 0),
}


def observed() -> dict[str, list[Any]]:
    """All of them, asked at once, and what came of each."""

    async def ask() -> dict[str, list[Any]]:
        standing = Standing()
        await standing.begin()
        questions = [
            Question(number, "phone", family, request(url, method), None, body)
            for number, (url, method, family, body) in enumerate(URLS.values())
        ]
        found = await standing.clients().ask_all(questions)
        names = [list(query) for query in standing.queries if query[1] == "app.test."]
        return {**dict(zip(URLS, map(msgspec.to_builtins, found), strict=True)), "queries": names}

    return asyncio.run(ask())


class Seen:
    """What came of each question of URLS, by its name."""

    def __init__(self, found: Mapping[str, list[Any]]) -> None:
        self.found = found

    def all(self, name: str) -> tuple[Observation, ...]:
        return msgspec.convert(self.found[name], tuple[Observation, ...])

    def one(self, name: str) -> Observation:
        (found,) = self.all(name)
        return found


@pytest.fixture(scope="module")
def seen(shared: Shared) -> Seen:
    return Seen(shared.value("clients", lambda: worlds.run(observed)))


@pytest.mark.parametrize(
    "name", ["http", "ipv6", "https", "alias", "literal", "literal ipv6", "body", "body over http", "more than is sent"]
)
def test_what_arrives_is_told_by_the_backend(name: str, seen: Seen) -> None:
    url, _, family, _ = URLS[name]
    found = seen.one(name)

    assert (found.ended, found.status) == (Ended.ANSWERED, 200)
    assert found.address == {"4": SERVER, "6": SERVER_6}[family]
    assert found.echo is not None
    assert (found.echo.namespace, found.echo.service, found.echo.port) == ("shop", "web", 80)
    assert found.echo.peer == {"4": "198.51.100.1", "6": "2001:db8:1::1"}[family]
    assert found.echo.host == url.split("/")[2]
    assert found.alpn == ("h2" if url.startswith("https") else "")


def test_only_what_the_question_says_is_sent(seen: Seen) -> None:
    echo = seen.one("http").echo

    assert echo is not None
    assert echo.path == "/x?y=1"
    assert echo.headers == ()


def test_a_body_is_sent_whole_up_to_a_limit(seen: Seen) -> None:
    lengths = {}
    for name in ("body", "body over http", "more than is sent"):
        echo = seen.one(name).echo
        assert echo is not None
        lengths[name] = dict(echo.headers)["content-length"]

    assert lengths == {"body": "300000", "body over http": "300000", "more than is sent": str(LARGEST_BODY)}


def test_who_objects_to_a_declared_length_is_heard(seen: Seen) -> None:
    assert (seen.one("too large").ended, seen.one("too large").status) == (Ended.ANSWERED, 413)


def test_each_address_of_an_answer_is_tried(seen: Seen) -> None:
    found = {item.address: item.ended for item in seen.all("two")}

    assert found == {SERVER: Ended.ANSWERED, DROPPED: Ended.TIMEOUT}


def test_an_answer_that_was_cut_off_comes_over_tcp(seen: Seen) -> None:
    assert len(seen.all("large")[0].addresses) == 50


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("nodata", Named.NODATA),
        ("nxdomain", Named.NXDOMAIN),
        ("refused name", Named.REFUSED),
        ("literal of the other family", Named.LITERAL),
    ],
)
def test_without_an_address_nothing_is_tried(name: str, named: Named, seen: Seen) -> None:
    found = seen.one(name)

    assert (found.named, found.ended, found.address) == (named, Ended.NOT_TRIED, "")


@pytest.mark.parametrize(
    ("name", "ended"),
    [
        ("no port", Ended.REFUSED),
        ("dropped", Ended.TIMEOUT),
        ("no route", Ended.UNREACHABLE),
        ("no tls", Ended.TLS_FAILED),
        ("hung up", Ended.CLOSED),
        ("silent", Ended.SILENT),
        ("octets to nobody", Ended.CLOSED),
        ("datagrams to nobody", Ended.REFUSED),
    ],
)
def test_how_it_fails_is_told_apart(name: str, ended: Ended, seen: Seen) -> None:
    found = seen.one(name)

    assert found.ended is ended
    assert found.echo is None
    assert found.detail


@pytest.mark.parametrize(
    ("name", "why"), [("expired", "expired"), ("strange", "untrusted"), ("for another name", "name-mismatch")]
)
def test_a_certificate_is_refused_for_a_reason(name: str, why: str, seen: Seen) -> None:
    """And a client that trusts anybody says who is behind it."""
    found = seen.one(name)

    assert (found.ended, found.distrust, found.beyond) == (Ended.UNTRUSTED, why, Ended.ANSWERED)
    assert found.echo is not None
    assert found.certificate == (("app.test",) if name == "for another name" else (f"{name}.test",))


def test_trust_is_no_complaint(seen: Seen) -> None:
    found = seen.one("https")

    assert (found.distrust, found.certificate) == ("", ("app.test",))


def test_who_answers_head_does_not_tell(seen: Seen) -> None:
    assert (seen.one("head").status, seen.one("head").echo) == (200, None)


@pytest.mark.parametrize("name", ["websocket", "secure websocket"])
def test_a_websocket_echoes(name: str, seen: Seen) -> None:
    found = seen.one(name)

    assert (found.ended, found.status) == (Ended.ANSWERED, 101)
    assert found.echo is not None
    assert found.echo.path == "/chat"


def test_a_handshake_that_is_refused_has_its_status(seen: Seen) -> None:
    assert (seen.one("no websocket").ended, seen.one("no websocket").status) == (Ended.ANSWERED, 200)


@pytest.mark.parametrize("name", ["call", "call in clear"])
def test_a_call_has_a_status_of_its_own(name: str, seen: Seen) -> None:
    found = seen.one(name)

    assert (found.status, found.grpc_status) == (200, 0)
    assert found.echo is not None
    assert found.echo.path == "/pkg.Service/Call"


@pytest.mark.parametrize(("name", "service"), [("octets", "web"), ("octets over tls", "web"), ("datagrams", "games")])
def test_octets_come_back_and_tell_from_whom(name: str, service: str, seen: Seen) -> None:
    found = seen.one(name)

    assert (found.ended, found.status) == (Ended.ANSWERED, 0)
    assert found.echo is not None
    assert found.echo.service == service


def test_a_redirect_is_followed_as_browsers_do(seen: Seen) -> None:
    found = seen.one("redirected")

    assert found.redirects == ((301, "http://app.test/arrived"),)
    assert found.echo is not None
    assert found.echo.path == "/arrived"
    assert "content-length" not in dict(found.echo.headers)


def test_a_redirect_out_of_the_world_ends_there(seen: Seen) -> None:
    found = seen.one("redirected away")

    assert found.redirects == ((301, "https://elsewhere.test/"),)
    assert (found.named, found.ended) == (Named.NXDOMAIN, Ended.NOT_TRIED)


def test_redirects_end(seen: Seen) -> None:
    assert len(seen.one("round").redirects) == 1
    assert [place for _, place in seen.one("on and on").redirects] == [f"http://app.test:8081/{n}" for n in range(1, 7)]
    assert (seen.one("not followed").redirects, seen.one("not followed").location) == ((), "ftp://app.test/")


def test_a_name_is_asked_for_once(seen: Seen) -> None:
    """For each type, but again where no answer comes in time; nothing in a world changes while it is asked."""
    assert 2 <= len(seen.found["queries"]) <= 2 * TRIES


# --- more than one resolver, links, silence -----------------------------------------------------


def _expecting(url: str, number: int = 0, **more: Any) -> Question:
    wanted = ExpectationIntent(Key("Expectation", "", "e"), Origin("map.yaml", "1"), url, **more)
    return Question(number, "phone", "4", request(url), wanted)


def special() -> list[Any]:
    """Resolvers of which one is silent; links that are taken and not; a WebSocket that is left alone; a slow answer for
    hasty and for patient clients."""

    async def ask() -> list[Any]:
        standing = Standing()
        await standing.begin()
        silent = standing.clients(("home", DROPPED), ("home", SERVER), ("away", DROPPED))
        hasty, slow = standing.clients(limits=Limits(10.0, 0.5)), request("http://app.test/?delay=1s")
        linked = [_expecting("http://linked.test/", 0, via=("wg",)), _expecting("http://app.test/", 1, not_via=("wg",))]
        return [
            msgspec.to_builtins(found)
            for found in (
                await silent.ask(Question(0, "phone", "4", request("http://app.test/"))),
                *await standing.clients().ask_all(linked),
                await standing.clients(patience=1.0).ask(_expecting("ws://app.test/", idle_timeout=3600.0)),
                *[await one.ask(Question(0, "phone", "4", slow)) for one in (hasty, hasty.patient())],
            )
        ]

    return asyncio.run(ask())


def changed() -> list[int]:
    """Queries after each of three times that a name was asked for, the last after something had changed."""

    async def ask() -> list[int]:
        standing = Standing()
        await standing.begin()
        clients = standing.clients()
        counts = []
        for change in (lambda: None, lambda: None, clients.forget):
            change()
            await clients.ask(Question(0, "phone", "6", request("http://four.test/")))
            counts.append(len(standing.queries))
        return counts

    return asyncio.run(ask())


def test_after_a_change_names_are_asked_for_anew() -> None:
    first, second, third = worlds.run(changed)

    assert first == second < third


def test_resolvers_links_silence_and_patience() -> None:
    found = [msgspec.convert(item, tuple[Observation, ...]) for item in worlds.run(special)]

    assert {item.resolver: item.named for item in found[0]} == {"home": Named.ANSWER, "away": Named.SILENT}
    assert [(item.address, item.links) for item in found[1]] == [(FAR, ("wg",))]
    assert [(item.address, item.links) for item in found[2]] == [(SERVER, ())]
    assert [(item.status, item.silence) for item in found[3]] == [(101, 1.0)]
    assert [(item.ended, item.detail) for item in found[4]] == [(Ended.SILENT, "no answer in 0.5 s")]
    assert [(item.ended, item.seconds >= 1) for item in found[5]] == [(Ended.ANSWERED, True)]
