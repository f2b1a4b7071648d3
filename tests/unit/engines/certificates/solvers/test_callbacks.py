import pytest

from gatewright.engines.certificates.challenge import DNS, HTTP, Challenge, SolverError
from gatewright.engines.certificates.solvers import callbacks
from gatewright.engines.certificates.solvers.callbacks import OwnDns, OwnGateways, wait_until


def _challenge(value: str, kind: str = DNS) -> Challenge:
    return Challenge(kind, "a.test", "_acme-challenge.a.test", f"token-{value}", value)


def test_records_are_waited_for() -> None:
    put: list[tuple[str, str]] = []
    seen = iter([(), ("one",), ("one", "two"), ("one", "two")])
    dns = OwnDns(lambda *one: put.append(one), lambda *one: put.remove(one), lambda _record: next(seen))
    dns.present([_challenge("one"), _challenge("two")])
    assert put == [("_acme-challenge.a.test", "one"), ("_acme-challenge.a.test", "two")]
    dns.remove([_challenge("one")])
    assert put == [("_acme-challenge.a.test", "two")]


def test_a_record_that_does_not_appear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "_WAIT", 0.01)
    dns = OwnDns(lambda *_: None, lambda *_: None, lambda _record: ())
    with pytest.raises(SolverError, match=r"does not answer with the TXT record _acme-challenge\.a\.test"):
        dns.present([_challenge("one")])


def test_waiting_grows_and_ends() -> None:
    waited: list[float] = []
    answers = iter([False] * 12 + [True])
    assert wait_until(lambda: next(answers), 3600, waited.append)
    assert waited == sorted(waited)
    assert waited[0] < 0.01
    assert waited[-1] == 2.0
    assert not wait_until(lambda: False, 0, waited.append)


def test_gateways() -> None:
    answers: dict[tuple[str, str], str] = {}

    def put(name: str, token: str, body: str) -> None:
        answers[name, token] = body

    gateways = OwnGateways(put, lambda name, token: answers.pop((name, token), None) and None)
    gateways.present([_challenge("body", HTTP)])
    assert answers == {("a.test", "token-body"): "body"}
    gateways.remove([_challenge("body", HTTP)])
    gateways.remove([_challenge("body", HTTP)])
    assert answers == {}
