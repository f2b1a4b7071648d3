"""What is provided to a Model beside its documents: issued Secrets and the like."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatewright.base.origin import made
from gatewright.base.sensitive import Sensitive
from gatewright.graph.names import serving
from gatewright.graph.nodes import Change
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.material import SecretIntent
from gatewright.pipeline import Model, State
from support import session as s
from support.keys import NOW, Pair, pair

TLS = Key("Secret", "infra", "tls")
HOST = "a.example.com"
ISSUED = made("issued by ClusterIssuer letsencrypt")
FIRST, SECOND = pair(HOST, now=NOW), pair(HOST, now=NOW)


def issued(one: Pair) -> SecretIntent:
    data = (("tls.crt", Sensitive(one.cert_pem)), ("tls.key", Sensitive(one.key_pem)))
    return SecretIntent(TLS, ISSUED, "kubernetes.io/tls", data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "gateway.yaml").write_text(s.gateway(s.https()))
    (tmp_path / "web.yaml").write_text(s.service("web") + s.route("a"))
    return tmp_path


@pytest.fixture
def model(folder: Path) -> Model:
    made = Model(lambda: NOW)
    made.read([str(folder)])
    return made


def shown(state: State | Model) -> bytes | None:
    found = state.graph.certificates.get(TLS)
    return found.chain if found else None


def test_an_issued_secret_is_served_until_it_is_taken_back(model: Model) -> None:
    assert shown(model) is None
    state = model.provide({TLS: issued(FIRST)})
    assert shown(state) == FIRST.cert_pem
    assert TLS in state.change.certificates
    assert shown(model.provide({TLS: None})) is None


def test_it_costs_what_it_concerns(model: Model) -> None:
    state = model.provide({TLS: issued(FIRST)})
    renewed = model.provide({TLS: issued(SECOND)})
    assert shown(renewed) == SECOND.cert_pem
    assert (renewed.change.certificates, renewed.change.virtual_hosts) == ({TLS}, frozenset())
    assert renewed.graph.virtual_hosts is state.graph.virtual_hosts
    assert model.provide({TLS: issued(SECOND)}).change == Change()
    assert model.provide({}).change == Change()


def test_it_wins_over_a_document_until_that_is_saved_again(folder: Path, model: Model) -> None:
    file = folder / "tls.yaml"
    file.write_text(s.secret("tls", FIRST.cert_pem, FIRST.key_pem))
    assert shown(model.refresh([str(file)]) or model) == FIRST.cert_pem
    model.provide({TLS: issued(SECOND)})
    assert shown(model) == SECOND.cert_pem
    file.write_text(file.read_text() + "# what is said is the same\n")
    model.refresh([str(file)])
    assert shown(model) == SECOND.cert_pem
    third = pair(HOST, now=NOW)
    file.write_text(s.secret("tls", third.cert_pem, third.key_pem))
    state = model.refresh([str(file)])
    assert state is not None
    assert state.reclaimed == {TLS}
    assert shown(model) == third.cert_pem
    model.provide({TLS: issued(SECOND)})
    file.unlink()
    model.refresh([str(folder)])
    assert shown(model) == SECOND.cert_pem, "although its document is gone"


def test_its_place_can_be_printed(model: Model) -> None:
    broken = SecretIntent(TLS, ISSUED, "kubernetes.io/tls", (("tls.crt", Sensitive(b"nonsense")),))
    model.provide({TLS: broken})
    found = [one for one in model.problems() if one.id == "unusable-certificate"]
    places = {str(model.locator.locate(one.origin)) for one in found if one.origin}
    assert places == {"(issued by ClusterIssuer letsencrypt)"}


def view(client: str) -> str:
    return (
        "apiVersion: gatewright.dev/v1alpha1\nkind: View\nmetadata: {name: house}\n"
        f"spec: {{clients: [{client}]}}\n---\n"
        "apiVersion: gatewright.dev/v1alpha1\nkind: Zone\nmetadata: {name: z}\n"
        "spec: {domain: example.com, view: house, provider: gatewright}\n"
    )


def test_a_view_that_was_never_understood_is_for_nobody(tmp_path: Path) -> None:
    file = tmp_path / "view.yaml"
    model = Model(lambda: NOW)
    found = []
    for client in ("10.8.0.0/33", "10.8.0.0/34", "10.8.0.0/24", "10.8.0.0/35"):
        file.write_text(view(client))
        if found:
            model.refresh([str(file)])
        else:
            model.read([str(tmp_path)])
        (seen,) = model.analysis.answer(serving.views)
        found.append(seen.clients)
    # What was once good stays as it was.
    assert found == [(), (), ("10.8.0.0/24",), ("10.8.0.0/24",)]
