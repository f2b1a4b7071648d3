"""cert-manager's solvers for providers: what they may not be told."""

from __future__ import annotations

import pytest

from gatewright.base.sensitive import Sensitive
from gatewright.engines.certificates.challenge import SolverError
from gatewright.runtime.provider_challenges import provider_solver


@pytest.mark.parametrize(
    ("name", "settings", "secrets"),
    [
        ("cloudflare", {}, {"apiTokenSecretRef": Sensitive(b"env/SOMEBODY_ELSES_TOKEN\n")}),
        ("route53", {"accessKeyID": "env/SOMEBODY_ELSES_KEY"}, {"secretAccessKeySecretRef": Sensitive(b"x")}),
    ],
)
def test_the_environment_is_not_for_issuers(name: str, settings: dict[str, str], secrets: dict[str, Sensitive]) -> None:
    with pytest.raises(SolverError, match="environment") as refused:
        provider_solver(name, settings, secrets)
    assert "SOMEBODY" not in str(refused.value)
