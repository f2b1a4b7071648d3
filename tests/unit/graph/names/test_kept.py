"""What gateways go by while nobody answers them: their last answer, unless they begin anew or are told otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gatewright.graph.names.kept import begins_anew, kept
from gatewright.graph.names.nodes import Resolution, Status
from gatewright.graph.names.resolvers import resolutions
from gatewright.graph.sight import Sight, without
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.naming import ResolverIntent
from gatewright.kinds.intents.outages import OutageIntent
from gatewright.kinds.intents.stays import StayIntent
from gatewright.pipeline import Model
from gatewright.trace.hops import OutcomeKind
from gatewright.trace.journey import Branch, journey
from gatewright.trace.request import request
from support.mapped import World, override, resolver
from support.networked import at, homes

DOWN = Key("Outage", "", "supposed")
STAY = Key("Stay", "", "seen")
DUAL = Path(__file__).parents[4] / "examples" / "dual-ingress"
GATEWAY = "traefik-aws/aws"


def outage(**down: tuple[str, ...]) -> OutageIntent:
    return OutageIntent(DOWN, at("supposed"), **down)


def goes_by(sight: Sight, name: str, *servers: str) -> tuple[Resolution, ...]:
    """A question: what a gateway goes by that asks these resolvers."""
    lookup = (servers, name, "A", None)
    return kept(sight, "doors/edge", lookup, sight.ask(resolutions, *lookup))


def dns(address: str = "192.0.2.1", name: str = "dns", **more: Any) -> ResolverIntent:
    return resolver(name, override("app.test", "A", address), address="192.168.178.5", **more)


def test_the_last_answer_is_kept_while_nobody_answers_and_forgotten_when_it_is_mended() -> None:
    world = World(*homes(), dns())
    before = world.answer(goes_by, "app.test", "dns")
    assert before[0].addresses == ("192.0.2.1",)
    world.put(outage(resolvers=("dns",)))
    (now,) = world.answer(goes_by, "app.test", "dns")
    assert (now.status, now.addresses) == (Status.ANSWER, ("192.0.2.1",))
    assert [step.summary for step in now.steps] == [
        "dns does not answer: dns is down",
        "doors/edge keeps the last answer for app.test",
    ]
    world.put(dns("192.0.2.2"))  # the description is another one now
    assert world.answer(goes_by, "app.test", "dns")[0].addresses == ("192.0.2.2",)
    world.remove(DOWN)
    assert len(world.answer(goes_by, "app.test", "dns")[0].steps) == len(before[0].steps)


def test_a_name_that_had_no_answer_before_has_none_to_keep() -> None:
    world = World(*homes(), dns(), outage(resolvers=("dns",)))
    assert [one.status for one in world.answer(goes_by, "other.test", "dns")] == [Status.UNREACHED]


def test_whoever_answers_is_believed_also_that_there_is_no_such_name() -> None:
    other = resolver("other", override("app.test", "A", "192.0.2.9"), address="192.168.178.6")
    world = World(*homes(), dns(), other, outage(resolvers=("dns",)))
    assert {one.addresses for one in world.answer(goes_by, "app.test", "other")} == {("192.0.2.9",)}
    world.put(resolver("other", override("app.test", "AAAA", "2001:db8::9"), address="192.168.178.6"))
    assert [one.addresses for one in world.answer(goes_by, "app.test", "other")] == [()]


def test_without_an_outage_what_fails_fails() -> None:
    world = World(*homes(), dns(), resolver("far", address="192.168.178.61", upstreams=("far",)))
    assert world.answer(goes_by, "app.test", "far") == world.answer(resolutions, ("far",), "app.test", "A", None)


def test_questions_without_the_objects_of_a_kind_see_none_of_them_all_the_way_down() -> None:
    world = World(*homes(), dns(), outage(machines=("home/n1",)))
    lookup = (("dns",), "app.test", "A", None)
    assert world.answer(resolutions, *lookup)[0].status is Status.UNREACHED
    assert world.answer(without, "Outage", resolutions, lookup)[0].status is Status.ANSWER


# --- one that starts again ----------------------------------------------------------------------


def grafana(model: Model, **down: tuple[str, ...]) -> list[Branch]:
    """The way from AWS to the homelab, by a name that only the resolver of the cluster on AWS knows."""
    model.provide({DOWN: outage(**down)})
    asked = request("https://grafana.aws.example.com/", "GET", (), None, "127.0.0.1")
    return list(model.analysis.answer(journey, "internet", asked, ("4",)).branches)


@pytest.fixture(scope="module")
def dual() -> Model:
    model = Model()
    model.read([str(DUAL)])
    return model


def test_routes_to_names_survive_their_resolver(dual: Model) -> None:
    (branch,) = grafana(dual, resolvers=("aws-dns",))
    assert (branch.outcome.kind, branch.links) == (OutcomeKind.DELIVERED, ("nebula",))
    said = [hop.summary for hop in branch.hops]
    assert f"{GATEWAY} keeps the last answer for grafana.mesh.home.arpa" in said


def test_a_kept_address_behind_a_broken_link_is_not_reached(dual: Model) -> None:
    (branch,) = grafana(dual, resolvers=("aws-dns",), links=("nebula",))
    assert (branch.outcome.kind, branch.outcome.status) == (OutcomeKind.REFUSED, 502)


def test_a_gateway_whose_machine_is_lost_begins_anew(dual: Model) -> None:
    dual.provide({DOWN: outage(machines=("homelab/talos00",))})
    assert not dual.analysis.answer(begins_anew, GATEWAY)
    dual.provide({DOWN: outage(machines=("aws/aws",))})
    assert dual.analysis.answer(begins_anew, GATEWAY)
    dual.provide({STAY: StayIntent(STAY, at("seen"), ((GATEWAY, "aws/aws"),)), DOWN: None})
    assert not dual.analysis.answer(begins_anew, GATEWAY)
