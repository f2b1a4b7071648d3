"""What real clients met against what the model says: agreement in every sort of outcome, and every way to disagree."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from gatewright.base.origin import Origin
from gatewright.engines.echo.service import EchoService
from gatewright.graph.nodes import Backend, BackendKey, Endpoint, UpstreamProtocol
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.asking import ExpectationIntent
from gatewright.rehearsal.asking import EchoSeen, Ended, Named, Observation, Question
from gatewright.rehearsal.compare import (
    Comparison,
    Landmarks,
    Verdict,
    compare,
    landmarks,
    unmet_for_real,
    unseen_demands,
)
from gatewright.rehearsal.world import Draft, Echo, GatewaySpot
from gatewright.trace.branches import Branch, Limit, Limits, Trust
from gatewright.trace.hops import BackendName, Hop, HopKind, Outcome, OutcomeKind, Sent, Share
from gatewright.trace.request import request
from gatewright.trace.walk import CLIENTS, UNLISTED

WEB = BackendName("shop", "web", 80)
OTHER = BackendName("shop", "other", 80)
EDGE, INNER = "infra/edge", "infra/inner"
DOOR, SIDE_DOOR = "192.0.2.10", "192.0.2.11"

KNOWN = Landmarks(
    doors={DOOR: frozenset({EDGE}), SIDE_DOOR: frozenset({INNER})},
    sources={"10.0.0.1": frozenset({EDGE}), "10.0.0.2": frozenset({INNER})},
    served={("shop", "web-pods", 8080): frozenset({("shop", "web", 80)})},
    links=frozenset({"wg"}),
)


def question(url: str = "https://app.test/", method: str = "GET", **more: Any) -> Question:
    return Question(7, "phone", more.pop("family", "4"), request(url, method), **more)


def outcome(kind: OutcomeKind = OutcomeKind.DELIVERED, **more: Any) -> Outcome:
    delivered = {"status": 200, "backend": WEB, "sent": Sent("app.test", "/")}
    return Outcome(kind, gateway=EDGE, **(delivered if kind is OutcomeKind.DELIVERED else {}) | more)


def branch(end: Outcome | None = None, **more: Any) -> Branch:
    usual = {"resolver": "home", "address": DOOR, "trust": Trust.TRUSTED, "gateways": (EDGE,), "resolvers": ("home",)}
    return Branch(**{"family": "4", "hops": (), "outcome": end or outcome(), **usual, **more})


ECHO = EchoSeen("shop", "web", 80, peer="10.0.0.1", host="app.test", path="/")


def seen(**more: Any) -> Observation:
    usual = {"addresses": (DOOR,), "address": DOOR, "ended": Ended.ANSWERED, "status": 200, "echo": ECHO}
    return Observation(7, **{"resolver": "home", "named": Named.ANSWER, "certificate": ("app.test",), **usual, **more})


def untried(named: Named, **more: Any) -> Observation:
    return seen(named=named, addresses=(), address="", ended=Ended.NOT_TRIED, status=0, echo=None, **more)


def failed(ended: Ended, **more: Any) -> Observation:
    return seen(ended=ended, status=0, echo=None, **more)


def said(status: int, **more: Any) -> Observation:
    return seen(status=status, echo=None, **more)


def refused(reason: str, status: int = 0, **more: Any) -> Branch:
    return branch(outcome(OutcomeKind.REFUSED, reason=reason, status=status), **more)


def compared(
    branches: Branch | list[Branch], observed: Observation | list[Observation], asked: Question | None = None
) -> Comparison:
    return compare(
        asked or question(),
        branches if isinstance(branches, list) else [branches],
        observed if isinstance(observed, list) else [observed],
        KNOWN,
    )


HTTP = question("http://app.test/")
SOCKET = question("wss://app.test/")
STREAM = question("tcp://app.test:5432")
DATAGRAM = question("udp://app.test:5000")
CALL = question("grpcs://app.test/pkg.Service/Call")
REDIRECT = branch(outcome(OutcomeKind.RESPONSE, status=301, location="https://www.app.test/"))
STREAMED = branch(Outcome(OutcomeKind.DELIVERED, backend=WEB, sent=Sent("app.test", "")), trust=Trust.NONE)
UNREACHABLE = branch(Outcome(OutcomeKind.UNREACHABLE, reason="a firewall"), trust=Trust.NONE, gateways=())
SPLIT = branch(outcome(shares=(Share(WEB, 0, 50), Share(OTHER, 0, 40), Share(None, 500, 10))))
FAR = branch(Outcome(OutcomeKind.DELIVERED, 200, backend=WEB, gateway=INNER), gateways=(EDGE, INNER))
NO_EDGE = "TLS handshake fails: nothing on port 443 serves app.test"

AGREEING: dict[str, tuple[Branch, Observation, Question]] = {
    "delivered": (branch(), seen(), question()),
    "delivered, for pods that two Services share": (
        branch(),
        seen(echo=structs.replace(ECHO, service="web-pods", port=8080)),
        question(),
    ),
    "delivered to HEAD": (branch(), said(200), question(method="HEAD")),
    "delivered to a page of a status of its own": (
        branch(outcome(sent=Sent("app.test", "/status/418"))),
        said(418),
        question(),
    ),
    "delivered over a WebSocket": (branch(), seen(status=101), SOCKET),
    "delivered as a call": (
        branch(outcome(sent=Sent("app.test", "/pkg.Service/Call"))),
        seen(grpc_status=0, echo=structs.replace(ECHO, path="/pkg.Service/Call")),
        CALL,
    ),
    "delivered octets": (STREAMED, seen(status=0), STREAM),
    "delivered datagrams": (STREAMED, seen(status=0), DATAGRAM),
    "delivered to one of several": (SPLIT, seen(echo=structs.replace(ECHO, service="other")), question()),
    "refused by its share": (SPLIT, said(500), question()),
    "delivered by the last of two gateways": (FAR, seen(echo=structs.replace(ECHO, peer="10.0.0.2")), question()),
    "redirected": (REDIRECT, said(301, location="https://WWW.app.test:443/"), question()),
    "answered 404": (refused("no rule matches", 404), said(404), question()),
    "answered 404 to a call": (refused("no rule matches", 404), said(200, grpc_status=12), CALL),
    "handshake broken off": (refused(NO_EDGE), failed(Ended.TLS_FAILED), question()),
    "closed": (refused("no tcp route on port 80: connection closed"), failed(Ended.CLOSED), STREAM),
    "nothing listens": (refused("nothing listens on port 443 (open: 80)"), failed(Ended.REFUSED), question()),
    "round in circles": (refused("the request goes round in circles", 508), said(431), question()),
    "unreachable": (UNREACHABLE, failed(Ended.TIMEOUT), question()),
    "unreachable, says ICMP": (UNREACHABLE, failed(Ended.UNREACHABLE), question()),
    "unreachable, says a proxy": (
        branch(Outcome(OutcomeKind.UNREACHABLE, 522, reason="a firewall")),
        said(522),
        question(),
    ),
    "datagrams lost": (UNREACHABLE, failed(Ended.SILENT), DATAGRAM),
    "resolver out of reach": (
        branch(Outcome(OutcomeKind.UNREACHABLE, reason="resolver home cannot be reached"), address="", gateways=()),
        untried(Named.SILENT),
        question(),
    ),
    "absent": (
        branch(Outcome(OutcomeKind.ABSENT), address="", gateways=(), trust=Trust.NONE),
        untried(Named.NODATA),
        question(),
    ),
    "untrusted": (
        branch(Outcome(OutcomeKind.UNTRUSTED, gateway=EDGE), trust=Trust.EXPIRED),
        failed(Ended.UNTRUSTED, distrust="expired", beyond=Ended.ANSWERED),
        question(),
    ),
    "from who knows whom, but to the right one": (
        branch(trust=Trust.UNKNOWN),
        seen(ended=Ended.UNTRUSTED, beyond=Ended.ANSWERED, distrust="untrusted"),
        question(),
    ),
    "by a CDN": (
        branch(address="cloudflare"),
        seen(address="104.16.0.9", addresses=("104.16.0.9",)),
        question(),
    ),
    "at a door that has a name": (branch(address="elb.test"), seen(), question()),
    "too large a body": (
        branch(limits=Limits(body=Limit(1000, "nginx"))),
        said(413),
        question(method="POST", body=2000),
    ),
    "too long a silence": (
        branch(limits=Limits(idle_timeout=Limit(60, "nginx"))),
        failed(Ended.CLOSED, silence=65.0),
        SOCKET,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", AGREEING)
def test_what_means_the_same_agrees(name: str) -> None:
    told, met, asked = AGREEING[name]

    found = compared(told, met, asked)

    assert found.differences == ()
    assert found.agrees


DISAGREEING: dict[str, tuple[Branch, Observation, Question, str]] = {
    "another Service": (branch(), seen(echo=structs.replace(ECHO, service="other")), question(), "shop/other:80"),
    "another namespace": (branch(), seen(echo=structs.replace(ECHO, namespace="x")), question(), "x/web:80"),
    "another port": (branch(), seen(echo=structs.replace(ECHO, port=81)), question(), "shop/web:81"),
    "none of the shares": (SPLIT, seen(echo=structs.replace(ECHO, service="third")), question(), "third"),
    "another status than a share's": (SPLIT, said(503), question(), "503"),
    "another status of the backend": (branch(), seen(status=201), question(), "201"),
    "answered by somebody else": (branch(), said(200), question(), "answered 200"),
    "octets echoed by nobody knows whom": (STREAMED, seen(status=0, echo=None), STREAM, "answered"),
    "no WebSocket": (branch(), seen(status=200), SOCKET, "101"),
    "a call that fails": (branch(), seen(grpc_status=14), CALL, "14"),
    "another path": (branch(), seen(echo=structs.replace(ECHO, path="/x")), question(), "/x"),
    "another Host": (branch(), seen(echo=structs.replace(ECHO, host="x.test")), question(), "x.test"),
    "called by another gateway": (branch(), seen(echo=structs.replace(ECHO, peer="10.0.0.2")), question(), INNER),
    "another gateway at the address": (
        branch(address=SIDE_DOOR),
        seen(address=SIDE_DOOR, echo=structs.replace(ECHO, peer="10.0.0.9")),
        question(),
        INNER,
    ),
    "a gateway where there is none": (branch(gateways=()), seen(), question(), EDGE),
    "past the CDN": (
        branch(address="cloudflare", hops=(Hop(HopKind.EDGE, "cloudflare answers"),)),
        seen(),
        question(),
        "straight",
    ),
    "another gateway at a name": (branch(address="elb.test"), seen(address=SIDE_DOOR), question(), INNER),
    "delivered, though refused": (refused("no rule matches", 404), seen(), question(), "delivered to shop/web:80"),
    "delivered with the status of a refusal": (refused("x", 404), seen(status=404), question(), "404"),
    "another status": (refused("no rule matches", 404), said(503), question(), "503"),
    "another status of a call": (refused("no rule matches", 404), said(200, grpc_status=14), CALL, "14"),
    "another redirect": (REDIRECT, said(301, location="https://app.test/x"), question(), "https://app.test/x"),
    "another sort of redirect": (REDIRECT, said(302, location="https://www.app.test/"), question(), "302"),
    "no redirect": (REDIRECT, said(301), question(), "nowhere"),
    "closed, though delivered": (branch(), failed(Ended.CLOSED), question(), "closed"),
    "delivered, though closed": (refused(NO_EDGE), seen(), question(), "delivered"),
    "closed, though no port": (refused("nothing listens on port 1"), failed(Ended.CLOSED), question(), "closed"),
    "refused, though closed": (refused(NO_EDGE), failed(Ended.REFUSED), question(), "refused"),
    "silence, though closed": (refused(NO_EDGE), failed(Ended.SILENT), question(), "no answer"),
    "reached, though unreachable": (UNREACHABLE, seen(), question(), "delivered"),
    "closed, though unreachable": (UNREACHABLE, failed(Ended.CLOSED), question(), "closed"),
    "unreachable, though delivered": (branch(), failed(Ended.TIMEOUT), question(), "no connection in time"),
    "a proxy reaches what it cannot": (
        branch(Outcome(OutcomeKind.UNREACHABLE, 522, reason="x")),
        seen(status=522),
        question(),
        "delivered",
    ),
    "no such name, though delivered": (branch(), untried(Named.NXDOMAIN), question(), "no way home → nxdomain"),
    "silent, though absent": (
        branch(Outcome(OutcomeKind.ABSENT), address="", gateways=()),
        untried(Named.SILENT),
        question(),
        "does not answer",
    ),
    "an answer, though absent": (
        branch(Outcome(OutcomeKind.ABSENT), address="", gateways=()),
        seen(),
        question(),
        f"no way home → {DOOR}",
    ),
    "absent, though the resolver is out of reach": (
        branch(Outcome(OutcomeKind.UNREACHABLE, reason="x"), address="", gateways=()),
        untried(Named.NODATA),
        question(),
        "no address",
    ),
    "trusted, though untrusted": (
        branch(Outcome(OutcomeKind.UNTRUSTED), trust=Trust.UNTRUSTED),
        seen(),
        question(),
        "delivered",
    ),
    "untrusted, though trusted": (
        branch(),
        seen(ended=Ended.UNTRUSTED, beyond=Ended.ANSWERED, distrust="expired"),
        question(),
        "expired",
    ),
    "untrusted for another reason": (
        branch(Outcome(OutcomeKind.UNTRUSTED), trust=Trust.EXPIRED),
        failed(Ended.UNTRUSTED, distrust="name-mismatch"),
        question(),
        "name-mismatch",
    ),
    "not to be trusted, but trusted": (branch(trust=Trust.EXPIRED), seen(), question(), "trusts it"),
    "from who knows whom, and to somebody else": (
        branch(trust=Trust.UNKNOWN),
        seen(ended=Ended.UNTRUSTED, beyond=Ended.ANSWERED, echo=structs.replace(ECHO, service="other")),
        question(),
        "shop/other:80",
    ),
    "another address": (branch(), seen(address=SIDE_DOOR), question(), SIDE_DOOR),
    "another resolver": (branch(), seen(resolver="public"), question(), "public"),
    "another family": (branch(), seen(address="2001:db8::1"), question(), "no IPv4 address"),
    "a redirect that was followed": (
        branch(),
        seen(redirects=((301, "https://www.app.test/"),)),
        question(),
        "no way home",
    ),
    "a redirect that was not": (branch(redirects=((301, "https://www.app.test/"),)), seen(), question(), "no way home"),
    "too large a body is taken": (
        branch(limits=Limits(body=Limit(1000, "nginx"))),
        seen(),
        question(method="POST", body=2000),
        "1000 octets",
    ),
    "a body within the limit is refused": (
        branch(limits=Limits(body=Limit(3000, "nginx"))),
        said(413),
        question(method="POST", body=2000),
        "413",
    ),
    "too long a silence is borne": (
        branch(limits=Limits(idle_timeout=Limit(60, "nginx"))),
        seen(status=101, silence=65.0),
        SOCKET,
        "60 s",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DISAGREEING)
def test_what_means_something_else_is_a_difference(name: str) -> None:
    told, met, asked, words = DISAGREEING[name]

    found = compared(told, met, asked)

    assert found.verdict is Verdict.DIFFERS
    assert words in "\n".join(found.differences)


# --- failures of proxies ------------------------------------------------------------------------

POD, NAME = ("10.42.0.7:8080",), ("db.example.net:5432",)
TRIED = (Hop(HopKind.BACKEND, "shop/web:80"), Hop(HopKind.ENDPOINTS, "10.42.0.7:8080"))
NOBODY = TRIED[:1]


def failing(status: int, hops: tuple[Hop, ...] = TRIED, endpoints: tuple[str, ...] = POD) -> Branch:
    return branch(outcome(OutcomeKind.REFUSED, status=status, backend=WEB, reason="x", endpoints=endpoints), hops=hops)


def lost(status: int) -> Branch:
    return branch(Outcome(OutcomeKind.UNREACHABLE, status, reason="x"))


ANSWERS = {502, 503, 504, 520, 521, 522, 525, 526, 530, 500, 404, 200}


@pytest.mark.parametrize(
    ("told", "meant", "may_wait"),
    [
        (failing(503, NOBODY, ()), {503}, False),
        (failing(502, TRIED, NAME), {502, 503, 504}, True),
        (failing(503, TRIED, NAME), {502, 503, 504}, True),
        (failing(502), {502, 504}, True),
        (failing(503), {503, 504}, True),
        (lost(502), {502, 504}, True),
        (lost(503), {503, 504}, True),
        (lost(522), {522}, True),
        (lost(530), {530}, False),
        (failing(526, ()), {526}, False),
        (failing(521, ()), {521}, False),
        (failing(502, ()), {502}, False),
        (failing(503, ()), {503}, False),
    ],
    ids=[
        "no endpoints", "a name, for those who tell apart", "a name, for others", "refused or dropped",
        "refused or dropped, for others", "dropped behind a tunnel", "dropped behind a gateway", "dropped behind a CDN",
        "no tunnel", "not trusted", "a closed port behind a CDN", "a closed port behind a tunnel", "a rule's own",
    ],
)  # fmt: skip
def test_a_status_that_the_model_names_is_met(told: Branch, meant: set[int], may_wait: bool) -> None:
    assert {status for status in ANSWERS if compared(told, said(status)).agrees} == meant
    assert compared(told, failed(Ended.SILENT)).agrees == may_wait
    assert not compared(told, failed(Ended.CLOSED)).agrees
    assert not compared(told, seen(status=told.outcome.status)).agrees


# --- ways that are left over --------------------------------------------------------------------


def test_without_observations_nothing_agrees() -> None:
    assert compared(branch(), []).verdict is Verdict.DIFFERS
    assert compared([], []).differences == ("nothing was observed",)


def test_every_address_has_to_be_met() -> None:
    found = compared([branch(), branch(address="192.0.2.99")], seen())

    assert found.differences == (
        "nobody met what the model says of home → 192.0.2.99: delivered to shop/web:80 via infra/edge",
    )


def test_every_resolver_has_to_be_met() -> None:
    found = compared([branch(), branch(resolver="public")], seen())

    assert "public" in found.differences[0]


def test_whom_a_resolver_asks_is_chance() -> None:
    """One of two upstreams was asked: what the other one says was not met, and may be so."""
    others = branch(resolvers=("home", "second"), address="192.0.2.99")

    found = compared([branch(resolvers=("home", "first")), others], seen())

    assert found.agrees
    assert "chance" in found.notes[0]


def test_which_gateway_answers_at_an_address_is_chance() -> None:
    twin = branch(outcome(backend=OTHER), gateways=(INNER,))

    found = compared([branch(), twin], seen())

    assert found.agrees
    assert "chance" in found.notes[0]


def test_what_the_model_does_not_know_counts_neither_way() -> None:
    vague = branch(Outcome(OutcomeKind.UNKNOWN, reason="nobody says"), address="", gateways=())

    alone = compared(vague, seen())
    beside = compared([vague, branch(resolver="public")], [seen(), seen(resolver="public")])

    assert alone.verdict is Verdict.UNKNOWN
    assert beside.agrees
    assert (alone.unknown, beside.unknown) == (1, 1)


def test_an_address_at_which_the_model_knows_nobody_counts_neither_way() -> None:
    vague = branch(Outcome(OutcomeKind.UNKNOWN, reason="nothing is known to answer there"), gateways=())

    found = compared(vague, seen())

    assert (found.verdict, found.unknown) == (Verdict.UNKNOWN, 1)


def test_what_only_a_server_knows_is_no_disagreement() -> None:
    hop = Hop(HopKind.FILTER, "basic authentication: goes on if the password is right")

    found = compared(branch(hops=(hop,)), said(401))

    assert found.verdict is Verdict.UNKNOWN
    assert compared(branch(), said(401)).verdict is Verdict.DIFFERS


def test_only_gateways_since_the_last_redirect_are_met_at_the_address() -> None:
    """The first one has redirected: whoever is at the address that was connected to last is another one."""
    moved = {"redirects": ((301, "https://side.test/"),), "gateways": (EDGE, INNER), "turned": 1, "address": SIDE_DOOR}
    met = {"redirects": ((301, "https://side.test/"),), "address": SIDE_DOOR}
    inner = structs.replace(ECHO, peer="10.0.0.2")
    assert compared(branch(**moved), seen(echo=inner, **met)).agrees
    assert not compared(branch(**moved | {"turned": 0}), seen(echo=inner, **met)).agrees
    kept_out = branch(Outcome(OutcomeKind.UNREACHABLE, reason="a firewall"), **moved | {"gateways": (EDGE,)})
    assert compared(kept_out, failed(Ended.TIMEOUT, **met)).agrees


def test_a_certificate_that_only_stands_in_is_not_held_against_the_model() -> None:
    """The door described has none that fits, and its clients would go away; here one is made for the name."""
    wrong = Outcome(OutcomeKind.UNTRUSTED, reason="Secret shop/tls is for other.test, not for app.test")
    made = Hop(HopKind.TLS, "SNI app.test: terminated with a certificate of the private CA")
    shown = Hop(HopKind.TLS, "SNI app.test: terminated with Secret shop/tls (other.test)")
    assert compared(branch(wrong, trust=Trust.NAME_MISMATCH, hops=(made,)), seen()).verdict is Verdict.UNKNOWN
    assert compared(branch(wrong, trust=Trust.NAME_MISMATCH, hops=(shown,)), seen()).verdict is Verdict.DIFFERS
    refused = Outcome(OutcomeKind.REFUSED, status=526, reason="Secret shop/tls is for other.test, not for app.test")
    assert compared(branch(refused, hops=(made,)), seen()).verdict is Verdict.UNKNOWN
    assert compared(branch(refused, hops=(shown,)), seen()).verdict is Verdict.DIFFERS


@pytest.mark.parametrize("mode", ["require", "any", "answer"])
def test_clients_of_a_rehearsal_have_no_certificate(mode: str) -> None:
    asked = Hop(HopKind.TLS, "SNI app.test: terminated with Secret shop/tls", details=(CLIENTS[mode],))
    met = said(400) if mode != "require" else failed(Ended.CLOSED)

    assert compared(branch(hops=(asked,)), met).verdict is Verdict.UNKNOWN
    assert compared(branch(), met).verdict is Verdict.DIFFERS
    assert compared(branch(hops=(asked,)), said(404)).verdict is Verdict.DIFFERS


def test_pods_that_are_in_no_cluster_of_the_map_are_not_held_against_the_model() -> None:
    """Only for those that have a place endpoints are invented."""
    pods = Hop(HopKind.ENDPOINTS, f"pods of Deployment shop/web{UNLISTED}")

    found = compared(branch(hops=(pods,)), said(503))

    assert found.verdict is Verdict.UNKNOWN
    assert compared(branch(hops=(pods,)), said(404)).verdict is Verdict.DIFFERS


def test_who_answers_outside_of_the_map_is_not_known() -> None:
    out = branch(outcome(endpoints=("api.elsewhere.test:443",)))

    assert compared(out, said(503)).verdict is Verdict.UNKNOWN
    assert compared(out, said(404)).verdict is Verdict.DIFFERS
    assert compared(branch(outcome(endpoints=("10.1.2.3:443",))), said(503)).verdict is Verdict.DIFFERS


def test_where_a_redirect_out_of_the_map_leads_is_not_asked() -> None:
    followed = ((301, "https://www.app.test/"),)

    out = compared(REDIRECT, untried(Named.NXDOMAIN, redirects=followed))
    elsewhere = compared(REDIRECT, untried(Named.NXDOMAIN, redirects=((301, "https://app.test/x"),)))
    known = compared(REDIRECT, seen(redirects=followed))

    assert out.agrees
    assert elsewhere.verdict is Verdict.DIFFERS
    assert known.verdict is Verdict.DIFFERS


def test_an_address_of_the_other_family_is_no_question() -> None:
    literal = Observation(7, "", Named.LITERAL)

    assert compared([], literal, question(f"https://{DOOR}/", family="6")).agrees
    assert compared([], seen(resolver="", named=Named.LITERAL)).verdict is Verdict.DIFFERS


def test_another_question_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="question 8"):
        compared(branch(), structs.replace(seen(), question=8))


def test_links_that_somebody_asks_about_are_compared() -> None:
    wanted = expectation(via=("wg",))
    asked = question(expectation=wanted)

    assert compared(branch(links=("wg",)), seen(links=("wg",)), asked).agrees
    assert "does not" in compared(branch(links=("wg",)), seen(links=()), asked).differences[0]
    assert "does not" in compared(branch(), seen(links=("wg",)), asked).differences[0]


# --- demands ------------------------------------------------------------------------------------


def expectation(**more: Any) -> ExpectationIntent:
    return ExpectationIntent(
        Key("Expectation", "", "e"), Origin("map.yaml", "1"), **{"url": "https://app.test/", **more}
    )


LARGE = failed(Ended.CLOSED, silence=3.0, detail="the WebSocket is closed while silent")
DEMANDS: dict[str, tuple[dict[str, Any], Observation, str]] = {
    "delivered": ({"outcome": "delivered"}, seen(), ""),
    "not delivered": ({"outcome": "delivered"}, said(404), "expected delivered, but answered 404"),
    "answered": ({"outcome": "answered"}, said(301), ""),
    "not answered but delivered": ({"outcome": "answered"}, seen(), "expected answered"),
    "refused": ({"outcome": "refused"}, said(403), ""),
    "refused, closed": ({"outcome": "refused"}, failed(Ended.TLS_FAILED), ""),
    "not refused": ({"outcome": "refused"}, seen(), "expected refused"),
    "unreachable": ({"outcome": "unreachable"}, failed(Ended.TIMEOUT), ""),
    "not unreachable": ({"outcome": "unreachable"}, said(404), "expected unreachable"),
    "absent": ({"outcome": "absent"}, untried(Named.NXDOMAIN), ""),
    "not absent": ({"outcome": "absent"}, untried(Named.SILENT), "expected absent"),
    "untrusted": ({"outcome": "untrusted"}, failed(Ended.UNTRUSTED), ""),
    "untrusted, though delivered": ({"outcome": "delivered"}, seen(ended=Ended.UNTRUSTED), "expected delivered"),
    "status": ({"status": 200}, seen(), ""),
    "another status": ({"status": 200}, said(503), "expected status 200, got 503"),
    "gateway": ({"gateway": EDGE}, seen(), ""),
    "another gateway": ({"gateway": INNER}, seen(), f"expected gateway {INNER}, got {EDGE}"),
    "no gateway": ({"gateway": EDGE}, failed(Ended.TIMEOUT, address="192.0.2.99"), "expected gateway"),
    "backend": ({"backend": "shop/web"}, seen(), ""),
    "backend and port": ({"backend": "shop/web:80"}, seen(), ""),
    "another backend": ({"backend": "shop/other"}, seen(), "expected backend shop/other"),
    "another port": ({"backend": "shop/web:81"}, seen(), "expected backend shop/web:81"),
    "no backend": ({"backend": "shop/web"}, said(200), "expected backend shop/web"),
    "location": ({"location": "https://www.app.test/"}, said(301, location="https://www.app.test/"), ""),
    "another location": ({"location": "https://www.app.test/"}, said(301, location="/"), "redirect to"),
    "followed": ({"location": "https://www.app.test/"}, seen(redirects=((301, "https://www.app.test/"),)), ""),
    "address": ({"resolves_to": (DOOR,)}, seen(), ""),
    "another address": ({"resolves_to": (SIDE_DOOR,)}, seen(), f"expected the address {SIDE_DOOR}, got {DOOR}"),
    "via": ({"via": ("wg", "home", EDGE)}, seen(links=("wg",)), ""),
    "not via": ({"via": ("wg",)}, seen(links=()), "expected to pass wg"),
    "not via the gateway": ({"via": (INNER,)}, seen(), f"expected to pass {INNER}"),
    "notVia": ({"not_via": ("wg",)}, seen(links=()), ""),
    "notVia, but it does": ({"not_via": ("wg",)}, seen(links=("wg",)), "expected not to pass wg"),
    "notVia the resolver": ({"not_via": ("home",)}, seen(), "expected not to pass home"),
    "via, not looked at": ({"via": ("wg",)}, seen(), "nobody looked"),
    "notVia, not looked at": ({"not_via": ("wg",)}, seen(), "nobody looked"),
    "body": ({"body": 2000}, said(413), "a body of 2000 octets"),
    "silence": ({"idle_timeout": 3.0}, seen(status=101, silence=3.0), ""),
    "too long a silence": ({"idle_timeout": 3.0}, LARGE, "3 s of silence"),
}  # fmt: skip


@pytest.mark.parametrize("name", DEMANDS)
def test_demands_are_held_against_reality(name: str) -> None:
    wanted, met, words = DEMANDS[name]

    failures = unmet_for_real(expectation(**wanted), met, KNOWN)

    assert bool(failures) == bool(words), failures
    assert words in "\n".join(failures)


def test_what_no_client_sees_is_said() -> None:
    wanted = expectation(via=("home", "upstream", "wg"), gateway=EDGE, idle_timeout=60.0)
    translated = seen(address="198.51.100.1", echo=structs.replace(ECHO, peer="10.9.9.9"), silence=2.0)

    unseen = unseen_demands(wanted, translated, KNOWN)

    assert unseen == [
        "nobody sees whether upstream is passed",
        f"nobody sees whether the gateway is {EDGE}",
        "2 of 60 s of silence were tried",
    ]


# --- who is where -------------------------------------------------------------------------------


def test_services_that_share_pods_stand_for_each_other() -> None:
    """The echo says one of the Services; whoever has that endpoint may be meant."""
    draft = Draft()
    draft.gateways.append(GatewaySpot(EDGE, "gateway:infra/edge", (DOOR,), ("10.0.0.1",)))
    draft.echoes.append(Echo("pod:shop/web-0", "10.0.1.1", 8080, EchoService("shop", "web", 80)))
    backends = [
        Backend(BackendKey("shop", name, port), UpstreamProtocol.HTTP1, (), (Endpoint(address, 8080),))
        for name, port, address in (("web", 80, "10.0.1.1"), ("canary", 90, "10.0.1.1"), ("other", 80, "10.0.1.2"))
    ]

    known = landmarks(draft.world(), backends)

    assert known.stands_for(ECHO) == {("shop", "web", 80), ("shop", "canary", 90)}
    assert known.first_gateways(seen()) == known.last_gateways(seen()) == {EDGE}


def test_a_service_that_is_a_name_stands_for_whoever_answers_where_it_leads() -> None:
    draft = Draft()
    draft.named["grafana.mesh.home.arpa"] = ("10.66.0.54",)
    draft.echoes.append(Echo("node:home/nas", "10.66.0.54", 80, EchoService("shop", "web", 80)))
    backends = [
        Backend(BackendKey("away", name, 80), UpstreamProtocol.HTTP1, (), (), dns_name=host)
        for name, host in (("grafana", "grafana.mesh.home.arpa"), ("other", "elsewhere.example.com"))
    ]

    known = landmarks(draft.world(), backends)

    assert known.stands_for(ECHO) == {("shop", "web", 80), ("away", "grafana", 80)}


def test_a_service_that_is_another_ones_name_stands_for_its_pods() -> None:
    draft = Draft()
    draft.named["web.shop.svc.cluster.local"] = ("10.43.0.7",)
    draft.echoes.append(Echo("pod:shop/web-0", "10.42.0.7", 8080, EchoService("shop", "web", 80)))
    names = {("away", "long", 80): "web.shop.svc.cluster.local", ("shop", "near", 80): "web"}
    others = {("away", "port", 81): "web.shop.svc.cluster.local", ("away", "far", 80): "web"}
    backends = [
        Backend(BackendKey(*key), UpstreamProtocol.HTTP1, (), (), dns_name=host)
        for key, host in (names | others).items()
    ]

    known = landmarks(draft.world(), backends)

    assert known.stands_for(ECHO) == {("shop", "web", 80), *names}
