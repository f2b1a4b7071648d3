"""Settings for every test: a deterministic Hypothesis profile for `make test`, a long one for `make fuzz`; signals as
programs expect them; what the workers of a run share."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

from support.shared import Shared

# What is printed is as wide as the terminal; tests have the same one everywhere.
os.environ["COLUMNS"] = "120"

# No deadline: a timed assertion on a shared machine tells about the machine, not about the code.
settings.register_profile(
    "default", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("fuzz", deadline=None, max_examples=5_000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_configure() -> None:
    """SIGINT as a terminal has it: shells ignore it for what they start with `&`, nohup too, and every program that a
    test starts and interrupts would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shared:
    """What is made once for all workers of pytest-xdist, whose folders have one parent."""
    own = tmp_path_factory.getbasetemp()
    return Shared(own.parent if hasattr(request.config, "workerinput") else None)
