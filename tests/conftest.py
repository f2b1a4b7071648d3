"""Settings for every test: a deterministic Hypothesis profile for `make test`, a long one for `make fuzz`."""

import os

from hypothesis import HealthCheck, settings

# What is printed is as wide as the terminal; tests have the same one everywhere.
os.environ["COLUMNS"] = "120"

# No deadline: a timed assertion on a shared machine tells about the machine, not about the code.
settings.register_profile(
    "default", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("fuzz", deadline=None, max_examples=5_000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
