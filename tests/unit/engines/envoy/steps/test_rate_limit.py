"""Token buckets: filled at the rate asked for, and never more often than Envoy can."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gatewright.engines.envoy.steps.rate_limit import bucket_of
from gatewright.kinds.intents.filters import RateLimit
from support import compiled as c


@given(st.integers(1, 100_000), st.floats(0.001, 86_400), st.integers(1, 1000))
def test_the_rate_is_kept(requests: int, period: float, burst: int) -> None:
    bucket = bucket_of(RateLimit(c.ORIGIN, requests, period, burst))
    interval = bucket.fill_interval.seconds + bucket.fill_interval.nanos / 1e9
    assert interval >= 0.05
    assert abs(bucket.tokens_per_fill.value / interval - requests / period) <= 1e-6 * requests / period
    assert bucket.max_tokens == burst
    # As evenly as can be: half as many tokens would have to come too often.
    assert bucket.tokens_per_fill.value == 1 or interval * (1 - 1 / bucket.tokens_per_fill.value) < 0.05 + 1e-6
