"""What clients behind a CDN meet when the origin's gateway ends, or its default certificate does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gatewright.base.origin import made
from gatewright.base.sensitive import Sensitive
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.material import SecretIntent
from gatewright.kinds.intents.outages import OutageIntent
from gatewright.pipeline import Model
from gatewright.trace.hops import OutcomeKind
from gatewright.trace.journey import Branch, journey
from gatewright.trace.request import request
from support import keys

DUAL = Path(__file__).parents[3] / "examples" / "dual-ingress"
DOWN = Key("Outage", "", "supposed")
SECRET = Key("Secret", "traefik-aws", "wildcard-aws-tls")
URL = "https://ollama.aws.example.com/"


@pytest.fixture(scope="module")
def read() -> Model:
    model = Model()
    model.read([str(DUAL)])
    return model


@pytest.fixture
def model(read: Model) -> Iterator[Model]:
    yield read
    read.provide({DOWN: None, SECRET: None})


def ending(model: Model, url: str = URL) -> Branch:
    """How the only branch from the internet ends."""
    (branch,) = model.analysis.answer(journey, "internet", request(url, "GET", (), None, "127.0.0.1"), ("4",)).branches
    return branch


def test_a_gateway_that_ended_is_a_closed_port_to_the_edge_before_it(model: Model) -> None:
    assert ending(model).outcome.kind is OutcomeKind.DELIVERED
    model.provide({DOWN: OutageIntent(DOWN, made("--break"), gateways=("traefik-aws/aws",))})
    outcome = ending(model).outcome
    assert (outcome.kind, outcome.status) == (OutcomeKind.REFUSED, 521)
    assert outcome.reason == "connection refused: traefik-aws/aws is down"


def test_a_machine_that_is_lost_does_not_answer_the_edge(model: Model) -> None:
    model.provide({DOWN: OutageIntent(DOWN, made("--break"), machines=("aws/aws",))})
    outcome = ending(model).outcome
    assert (outcome.kind, outcome.status) == (OutcomeKind.UNREACHABLE, 522)


def test_the_default_certificate_is_what_its_certificate_makes(model: Model) -> None:
    said = [detail for hop in ending(model).hops for detail in hop.details]
    assert any("Secret traefik-aws/wildcard-aws-tls" in one and "a public authority" in one for one in said)


def test_a_default_certificate_that_ended_is_not_trusted_by_a_strict_edge(model: Model) -> None:
    pair = keys.pair("*.aws.example.com", now=datetime.now(UTC) - timedelta(days=40))
    data = (("tls.crt", Sensitive(pair.cert_pem)), ("tls.key", Sensitive(pair.key_pem)))
    model.provide({SECRET: SecretIntent(SECRET, made("an issuer"), "kubernetes.io/tls", data)})
    outcome = ending(model).outcome
    assert (outcome.kind, outcome.status) == (OutcomeKind.REFUSED, 526)
    assert "expired on" in outcome.reason


def test_a_certificate_that_is_supposed_to_have_ended_is_not_trusted(model: Model) -> None:
    model.provide({DOWN: OutageIntent(DOWN, made("--break"), certificates=("traefik-aws/wildcard-aws-tls",))})
    assert (ending(model).outcome.kind, ending(model).outcome.status) == (OutcomeKind.REFUSED, 526)
    model.provide({DOWN: OutageIntent(DOWN, made("--break"), certificates=("traefik-aws/other",))})
    assert ending(model).outcome.kind is OutcomeKind.DELIVERED
