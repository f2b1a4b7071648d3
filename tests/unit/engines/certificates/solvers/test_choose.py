from collections.abc import Mapping, Sequence

import pytest
from msgspec import structs

from gatewright.engines.certificates.challenge import DNS, HTTP, Challenge, ChallengeSolver, SolverError
from gatewright.engines.certificates.solvers.choose import Chooser, Offers, Secrets, select
from gatewright.engines.certificates.solvers.lookup import Lookup
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.issuance import SecretEntry, Solver
from support.acme_issuing import HERE, issuer, wanted

BOTH = (DNS, HTTP)
TOKEN = SecretEntry(Key("Secret", "cert-manager", "cloudflare"), "token")


def _dns(**limits: tuple[str, ...]) -> Solver:
    return structs.replace(Solver("dns01", HERE, provider="cloudflare"), **limits)


def _http(**limits: tuple[str, ...]) -> Solver:
    return structs.replace(Solver("http01", HERE), **limits)


def _labelled(**labels: str) -> Solver:
    return structs.replace(_dns(), labels=tuple(labels.items()))


@pytest.mark.parametrize(
    ("solvers", "name", "chosen"),
    [
        ([_http(), _dns()], "a.test", 0),
        ([_http(), _dns()], "*.a.test", 1),
        ([_http()], "*.a.test", None),
        ([_dns(), _dns(zones=("a.test",))], "x.a.test", 1),
        ([_dns(zones=("a.test",)), _dns(zones=("b.a.test", "c.test"))], "x.b.a.test", 1),
        ([_dns(zones=("a.test",))], "xa.test", None),
        ([_dns(zones=("a.test",))], "a.test", 0),
        ([_dns(zones=("b.a.test",)), _dns(names=("x.b.a.test",))], "x.b.a.test", 1),
        ([_dns(names=("a.test",)), _http()], "b.test", 1),
        ([_dns(names=("*.a.test",)), _dns()], "*.a.test", 0),
        ([_dns(names=("a.test",)), _dns()], "*.a.test", 1),
        ([_dns(), _labelled(team="web")], "a.test", 1),
        ([_labelled(team="web"), _labelled(team="web", tier="1")], "a.test", 1),
        ([_labelled(team="data"), _dns()], "a.test", 1),
        ([_labelled(team="web"), _dns(zones=("test",))], "a.test", 1),
    ],
)
def test_the_choice_is_cert_managers(solvers: Sequence[Solver], name: str, chosen: int | None) -> None:
    found = select(solvers, name, (("team", "web"), ("tier", "1")), BOTH)
    assert (None if found is None else solvers.index(found)) == chosen


def test_only_what_the_authority_offers() -> None:
    assert select([_http(), _dns()], "a.test", (), (DNS,)) == _dns()
    assert select([_http(), _dns()], "a.test", (), ("tls-alpn-01",)) is None


class _Solver:
    def present(self, challenges: Sequence[Challenge]) -> None:
        pass

    def remove(self, challenges: Sequence[Challenge]) -> None:
        pass


def test_our_own_dns_comes_first() -> None:
    ours = _Solver()
    asked = []

    def own(record: str, issuer: Key) -> ChallengeSolver:
        asked.append((record, issuer))
        return ours

    made = issuer(_dns())
    chooser = Chooser(made, Offers(Lookup(), own_dns=own))
    assert chooser(wanted("*.a.test"), "*.a.test", DNS) is ours
    assert asked == [("_acme-challenge.a.test", made.intent.key)]


def test_providers_get_their_settings_and_secrets() -> None:
    theirs, calls = _Solver(), []

    def provider(name: str, settings: Mapping[str, str], secrets: Secrets) -> ChallengeSolver:
        calls.append((name, dict(settings), {field: secret.reveal() for field, secret in secrets.items()}))
        return theirs

    solver = structs.replace(_dns(), settings=(("email", "a@b.test"),), secrets=(("apiTokenSecretRef", TOKEN),))
    given = issuer(solver, secrets={(TOKEN.secret, TOKEN.entry): b"t0ken"})
    assert Chooser(given, Offers(Lookup(), provider=provider))(wanted("a.test"), "a.test", DNS) is theirs
    assert calls == [("cloudflare", {"email": "a@b.test"}, {"apiTokenSecretRef": b"t0ken"})]


@pytest.mark.parametrize(
    ("solver", "kind", "said"),
    [
        (structs.replace(_dns(), provider="webhook"), DNS, "dns01 by webhook is not supported here"),
        (structs.replace(_dns(), provider=""), DNS, "dns01 by no provider is not supported"),
        (_http(), HTTP, "no gateway of ours answers http-01 challenges for a.test"),
        (_http(), DNS, "no solver of ClusterIssuer local is for a.test by dns-01"),
        (
            structs.replace(_dns(), secrets=(("apiTokenSecretRef", TOKEN),)),
            DNS,
            "Secret cert-manager/cloudflare has no entry token, which apiTokenSecretRef of the solver refers to",
        ),
    ],
)
def test_what_nobody_can_do_is_named(solver: Solver, kind: str, said: str) -> None:
    with pytest.raises(SolverError, match=said):
        Chooser(issuer(solver), Offers(Lookup()))(wanted("a.test"), "a.test", kind)
