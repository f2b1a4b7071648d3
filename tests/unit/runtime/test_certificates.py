"""Certificates beside the gateways: what is asked for as manifests change, what is given, and what is taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gatewright.engines.certificates.solvers.choose import Offers
from gatewright.engines.certificates.solvers.lookup import Lookup
from gatewright.graph import issuing
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.pipeline import Model, State
from gatewright.runtime.certificates import Certificates, Tell
from gatewright.runtime.options import CertificateOptions
from support import certifying as c
from support import session as s
from support.keys import pair

SECRET = Key("Secret", "infra", "a")


class Beside:
    """A model of a folder, and its Certificates."""

    def __init__(self, folder: Path, *, described: bool = False) -> None:
        self.folder = folder / "manifests"
        self.folder.mkdir()
        self.model = Model()
        self.given: list[dict[Key, Intent | None]] = []
        self._state_folder, self._described = folder / "state", described

    def write(self, name: str, *texts: str) -> None:
        (self.folder / name).write_text("".join(texts))

    def begin(self) -> Mapping[Key, Intent | None]:
        """Read everything; gives what earlier runs have got."""
        self.model.read([str(self.folder)])
        self.certificates = Certificates(
            self._state_folder,
            CertificateOptions(described=self._described),
            self.model.analysis,
            lambda: Offers(Lookup()),
            self._provide,
            Tell(lambda: None, lambda: None),
        )
        found = self.certificates.start()
        if found:
            self.certificates.apply(self.model.provide(found))
        return found

    def save(self, name: str, *texts: str) -> State:
        """Change one file, and apply what follows."""
        if texts:
            self.write(name, *texts)
        else:
            (self.folder / name).unlink()
        state = self.model.refresh([str(self.folder / name)])
        assert state is not None
        self.certificates.apply(state)
        return state

    async def _provide(self, intents: Mapping[Key, Intent | None]) -> None:
        self.given.append(dict(intents))
        self.certificates.apply(self.model.provide(intents))

    def get(self, *steps: Callable[[], object]) -> None:
        """Get what is due, once before and once after each of the steps, until something is given each time."""

        async def scenario() -> None:
            running = asyncio.create_task(self.certificates.run())
            try:
                async with asyncio.timeout(s.DEADLINE):
                    for number, step in enumerate((lambda: None, *steps)):
                        step()
                        while len(self.given) <= number:
                            assert not running.done()
                            await asyncio.sleep(0.005)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

        asyncio.run(scenario())


@pytest.fixture
def beside(tmp_path: Path) -> Beside:
    made = Beside(tmp_path)
    made.write("gateway.yaml", s.gateway(s.https(secret="a")), s.service("web"), s.route("a"))
    made.write("issuers.yaml", c.local_issuer("self", selfSigned={}), c.issuer(c.ISSUER, c.DNS01))
    made.write("a.yaml", c.certificate("a", "a.example.com", issuer="self", kind="Issuer"))
    return made


def test_what_is_got_is_given_and_taken_back_with_its_description(beside: Beside) -> None:
    assert beside.begin() == {}

    beside.get()
    (given,) = beside.given
    assert given[SECRET] is not None
    assert beside.model.graph.certificates[SECRET].facts.names == ("a.example.com",)
    beside.save("a.yaml")
    assert beside.certificates._take_got() == {SECRET: None}
    assert beside.certificates.statuses() == ()


def test_a_certificate_that_no_issuer_is_asked_for_is_taken_back(beside: Beside) -> None:
    """In private an ACME issuer is not asked, and that of the former one is not what is described."""
    beside.begin()
    beside.get()
    beside.save("a.yaml", c.certificate("a", "a.example.com"))
    assert beside.certificates._take_got() == {SECRET: None}


def test_what_we_gave_is_no_reason_to_do_without_a_newer_one(beside: Beside) -> None:
    """The graph finds our own certificate in the Secret, which ends later than the one that is wanted now."""
    ends = []

    def shorter() -> None:
        ends.append(beside.model.graph.certificates[SECRET].facts.not_after)
        wanted = c.certificate("a", "a.example.com", issuer="self", kind="Issuer", duration="2h", renewBefore="30m")
        beside.save("a.yaml", wanted)

    beside.begin()
    beside.get(shorter)
    ends.append(beside.model.graph.certificates[SECRET].facts.not_after)
    assert ends == sorted(ends, reverse=True)
    assert ends[0] != ends[1]


def test_what_a_user_saves_counts_more_than_what_was_got(beside: Beside) -> None:
    beside.begin()
    beside.get()
    mine = pair("a.example.com", now=datetime.now(UTC))
    beside.save("secret.yaml", s.secret("a", mine.cert_pem, mine.key_pem))
    assert beside.model.graph.certificates[SECRET].chain == mine.cert_pem
    assert beside.certificates._take_got() == {}


def test_what_a_user_saves_and_is_of_no_use_leaves_what_was_got(beside: Beside) -> None:
    beside.begin()
    beside.get()
    (given,) = beside.given
    mine, other = (pair("a.example.com", now=datetime.now(UTC)) for _ in range(2))
    beside.save("secret.yaml", s.secret("a", mine.cert_pem, other.key_pem))
    assert beside.certificates._take_got() == given


def test_what_is_on_disk_is_there_from_the_start(beside: Beside, tmp_path: Path) -> None:
    beside.begin()
    beside.get()
    (given,) = beside.given
    assert beside.begin().keys() == {SECRET}
    assert beside.model.graph.certificates[SECRET].chain == dict(given[SECRET].data)["tls.crt"].reveal()  # type: ignore[union-attr]


@pytest.mark.parametrize("described", [True, False])
def test_its_problems_are_those_of_the_graph(tmp_path: Path, described: bool) -> None:
    beside = Beside(tmp_path, described=described)
    beside.write("gateway.yaml", s.gateway(s.https(secret="a")), s.service("web"), s.route("a"))
    beside.write("issuers.yaml", c.issuer(c.ISSUER, c.HTTP01))
    beside.write("a.yaml", c.certificate("a", "*.example.com"))
    beside.begin()

    def agree() -> int:
        expected = beside.model.analysis.answer(issuing.problems) if described else ()
        told = [one for one in beside.certificates.problems if one.id != "certificate-failed"]
        assert told == list(expected)
        return len(expected)

    assert agree() == described
    beside.save("b.yaml", c.certificate("b", "*.example.net"))
    assert agree() == 2 * described
    beside.save("issuers.yaml", c.issuer(c.ISSUER, c.DNS01))
    assert agree() == 0
    beside.save("issuers.yaml", c.issuer(c.ISSUER, c.HTTP01))
    beside.save("a.yaml")
    assert agree() == described


def test_a_route_more_concerns_no_certificate(tmp_path: Path) -> None:
    beside = Beside(tmp_path, described=True)
    beside.write("gateway.yaml", s.gateway(s.listener("http", 80)), s.service("web"), s.route("a"))
    beside.write("issuers.yaml", c.issuer(c.ISSUER, c.DNS01))
    for number in range(50):
        beside.write(f"c{number}.yaml", c.certificate(f"c{number}", f"h{number}.example.com"))
    beside.begin()
    state = beside.save("b.yaml", s.route("b"))
    assert not state.concerned
    state = beside.save("c7.yaml", c.certificate("c7", "other.example.com"))
    assert {args for question, args in state.concerned} == {(Key("Secret", "infra", "c7"),)}
