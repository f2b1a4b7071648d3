from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.engines.certificates.limits import Limits, registered_domain
from gatewright.engines.certificates.obtaining import IssueError

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
HOUR, DAY = 3600.0, 86400.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_900_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _names(number: int) -> tuple[str, ...]:
    return (f"www.site{number}.com",)


def _taken(limits: Limits, sets: Sequence[tuple[str, ...]]) -> IssueError | None:
    """Reserve one after the other: the first refusal."""
    for names in sets:
        try:
            limits.reserve("account", names)
        except IssueError as error:
            return error
    return None


def test_servers_whose_limits_are_unknown_have_none(tmp_path: Path, clock: Clock) -> None:
    limits = Limits(tmp_path, "https://ca.internal:14000/dir", clock)
    assert _taken(limits, [("a.test",)] * 1000) is None
    assert list(tmp_path.iterdir()) == []


def test_orders_of_an_account(tmp_path: Path, clock: Clock) -> None:
    limits = Limits(tmp_path, LETS_ENCRYPT, clock)
    assert _taken(limits, [_names(number) for number in range(300)]) is None
    refused = _taken(limits, [_names(300)])
    assert refused is not None
    assert str(refused) == "the rate limit of the authority is reached: 300 new orders of this account"
    assert refused.retry_after == pytest.approx(36)
    assert not refused.permanent
    limits.reserve("another", _names(300))
    clock.now += 36
    assert _taken(limits, [_names(300)]) is None


def test_the_same_names_again_and_again(tmp_path: Path, clock: Clock) -> None:
    limits = Limits(tmp_path, LETS_ENCRYPT, clock)
    assert _taken(limits, [("b.a.com", "a.com"), ("a.com", "b.a.com")] * 2 + [("a.com", "b.a.com")]) is None
    refused = _taken(limits, [("a.com", "b.a.com")])
    assert refused is not None
    assert "5 certificates for exactly a.com b.a.com" in str(refused)
    assert refused.retry_after == pytest.approx(7 * DAY / 5)
    assert _taken(limits, [("a.com",)]) is None


def test_a_domain(tmp_path: Path, clock: Clock) -> None:
    limits = Limits(tmp_path, LETS_ENCRYPT, clock)
    assert _taken(limits, [(f"n{number}.example.co.uk",) for number in range(50)]) is None
    refused = _taken(limits, [("*.more.example.co.uk",)])
    assert refused is not None
    assert "50 certificates for the domain example.co.uk" in str(refused)
    assert _taken(limits, [("other.co.uk",)]) is None


def test_what_came_to_nothing_is_given_back_but_the_order(tmp_path: Path, clock: Clock) -> None:
    limits = Limits(tmp_path, LETS_ENCRYPT, clock)
    for _ in range(300):
        limits.give_back(limits.reserve("account", ("a.com",)))
    refused = _taken(limits, [("a.com",)])
    assert refused is not None
    assert "new orders" in str(refused)


def test_failed_validations(tmp_path: Path, clock: Clock) -> None:
    limits = Limits(tmp_path, LETS_ENCRYPT, clock)
    for _ in range(5):
        limits.failed("account", ("a.com",))
    refused = _taken(limits, [("a.com", "b.com")])
    assert refused is not None
    assert "5 failed validations of a.com" in str(refused)
    assert _taken(limits, [("b.com",)]) is None
    clock.now += HOUR / 5
    assert _taken(limits, [("a.com",)]) is None


def test_renewals_in_their_window_cost_nothing(tmp_path: Path, clock: Clock) -> None:
    limits = Limits(tmp_path, LETS_ENCRYPT, clock)
    for _ in range(400):
        limits.reserve("account", ("a.com",), renewal=True)
    assert _taken(limits, [("a.com",)] * 5) is None


def test_a_clock_that_was_a_year_ahead_costs_no_year(tmp_path: Path, clock: Clock) -> None:
    clock.now += 365 * 86400
    for _ in range(5):
        Limits(tmp_path, LETS_ENCRYPT, clock).reserve("account", ["a.test"])
    clock.now -= 365 * 86400
    Limits(tmp_path, LETS_ENCRYPT, clock).reserve("account", ["a.test"])


def test_a_restart_loop_burns_nothing(tmp_path: Path, clock: Clock) -> None:
    refusals = 0
    for _ in range(20):
        refusals += _taken(Limits(tmp_path, LETS_ENCRYPT, clock), [("a.com",)]) is not None
        clock.now += 1
    assert refusals == 15
    [file] = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


@given(st.lists(st.floats(0, 3 * DAY), max_size=60))
def test_never_more_than_the_limit_in_any_window(tmp_path_factory: pytest.TempPathFactory, pauses: list[float]) -> None:
    """Each refill is steady, so a window of a week never has more than twice the bucket, and never five at once."""
    clock, granted = Clock(), list[float]()
    limits = Limits(tmp_path_factory.mktemp("limits"), LETS_ENCRYPT, clock)
    for pause in pauses:
        clock.now += pause
        if _taken(limits, [("a.com",)]) is None:
            granted.append(clock.now)
    for index, moment in enumerate(granted):
        within = [later for later in granted[index:] if later <= moment + 7 * DAY / 5 * 0.99]
        assert len(within) <= 6
    assert len(granted) >= min(5, len(pauses))


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("example.com", "example.com"),
        ("*.a.b.example.com", "example.com"),
        ("a.example.co.uk", "example.co.uk"),
        ("example.de", "example.de"),
        ("a.example.de", "example.de"),
        ("co.de", "co.de"),
        ("localhost", "localhost"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_registered_domains(name: str, domain: str) -> None:
    assert registered_domain(name) == domain
