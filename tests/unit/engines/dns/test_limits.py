"""Rate limiting: buckets by network and identity, slip, exempt clients, bounded memory."""

import pytest

from gatewright.engines.dns.content import RateConfig
from gatewright.engines.dns.limits import Limiter, Verdict

SEND, TRUNCATE, DROP = Verdict.SEND, Verdict.TRUNCATE, Verdict.DROP


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_above_the_rate_every_second_is_truncated_and_the_bucket_fills_again() -> None:
    clock = Clock()
    limiter = Limiter(RateConfig(2, 2), clock)
    network = limiter.network("203.0.113.7")
    assert network is None or network == b"\xcb\0\x71"
    verdicts = [limiter.judge(b"net", b"name") for _ in range(6)]
    assert verdicts == [SEND, SEND, DROP, TRUNCATE, DROP, TRUNCATE]
    assert limiter.judge(b"other", b"name") is SEND
    assert limiter.judge(b"net", b"another name") is SEND
    clock.now += 0.5
    assert [limiter.judge(b"net", b"name") for _ in range(2)] == [SEND, DROP]


@pytest.mark.parametrize(("slip", "wanted"), [(0, [DROP] * 3), (1, [TRUNCATE] * 3), (3, [DROP, DROP, TRUNCATE])])
def test_slip(slip: int, wanted: list[Verdict]) -> None:
    limiter = Limiter(RateConfig(1, slip), Clock())
    limiter.judge(b"net", b"name")
    assert [limiter.judge(b"net", b"name") for _ in range(3)] == wanted


def test_networks() -> None:
    limiter = Limiter(RateConfig(1, 2, ("8.8.8.0/24", "2620:fe::/48")), Clock())
    for free in ("127.0.0.1", "::1", "10.1.2.3", "192.168.0.1", "fe80::1%eth0", "fd00::1", "8.8.8.8", "2620:fe::9"):
        assert limiter.network(free) is None
    assert limiter.network("9.9.9.9") == limiter.network("9.9.9.1") == limiter.network("::ffff:9.9.9.7")
    assert limiter.network("9.9.9.9") != limiter.network("9.9.8.9")
    assert limiter.network("2001:4860:4860::8888") == limiter.network("2001:4860:4860:ff::1")
    assert Limiter(RateConfig(0, 2), Clock()).network("9.9.9.9") is None


def test_memory_is_bounded() -> None:
    clock = Clock()
    limiter = Limiter(RateConfig(1, 2), clock, most=100)
    for number in range(10_000):
        limiter.judge(number.to_bytes(4), b"name")
        clock.now += 0.001
        assert len(limiter._buckets) <= 100
