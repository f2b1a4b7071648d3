"""DNS-01 challenges in public zones of others: cert-manager's solvers for Cloudflare and Route 53, by octoDNS.

Which zone a name belongs to, and whether the record is there, is asked of the servers that the public delegations name:
what this network's resolver knows of the zone may be another view of it.  Counterparts: `dns_challenges` for zones of
our own, `engines.publish.challenges`, which writes the records.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from gatewright.base.errors import EngineError, UsageError
from gatewright.base.sensitive import Sensitive
from gatewright.engines.certificates.challenge import Challenge, ChallengeSolver, SolverError
from gatewright.engines.certificates.solvers.lookup import Lookup
from gatewright.engines.publish.challenges import ZoneRecords
from gatewright.engines.publish.settings import ENVIRONMENT

SECONDS = 180.0
"""How long a provider may take to show a record at all of its servers."""

# cert-manager's fields of each solver, with what octoDNS calls them.
SETTINGS: Mapping[str, Mapping[str, str]] = {
    "cloudflare": {"apiTokenSecretRef": "token"},
    "route53": {
        "accessKeyID": "access_key_id",
        "accessKeyIDSecretRef": "access_key_id",
        "secretAccessKeySecretRef": "secret_access_key",
        "role": "role_arn",
    },
}
# Fields that say which zone or where, which is found without them.
SAID_OTHERWISE = frozenset({"region", "hostedZoneID", "email"})


def provider_solver(name: str, settings: Mapping[str, str], secrets: Mapping[str, Sensitive]) -> ChallengeSolver | None:
    """The solver for a provider under cert-manager's name; None for one that we do not write to.

    SolverError for a field that has no effect here: what it asks for would not be done.
    """
    known = SETTINGS.get(name)
    if known is None:
        return None
    unknown = sorted({*settings, *secrets} - known.keys() - SAID_OTHERWISE)
    if unknown:
        raise SolverError(f"{unknown[0]} of the {name} solver is not supported here; use {', '.join(known)}")
    values = {known[field]: value for field, value in settings.items() if field in known}
    try:
        values |= {
            known[field]: secret.reveal().decode().strip() for field, secret in secrets.items() if field in known
        }
    except UnicodeDecodeError as error:
        raise SolverError(f"a secret of the {name} solver is no text") from error
    if any(value.startswith(ENVIRONMENT) for value in values.values()):
        # An issuer that somebody may write does not thereby get at what this process was given.
        raise SolverError(f"the {name} solver may not take its settings from the environment: put them into a Secret")
    return _AtProvider(name, values, Lookup())


class _AtProvider:
    """A ChallengeSolver.  Keeps one ZoneRecords for each zone, so that its threads do not overwrite one another."""

    def __init__(self, provider: str, settings: Mapping[str, str], lookup: Lookup) -> None:
        self._provider = provider
        self._settings = settings
        self._lookup = lookup
        self._zones: dict[str, ZoneRecords] = {}
        self._lock = threading.Lock()

    def present(self, challenges: Sequence[Challenge]) -> None:
        """Write them, and wait until every authoritative server shows them."""
        try:
            for challenge in challenges:
                self._zone(challenge.record).add(challenge.record, challenge.value)
            for challenge in challenges:
                self._zone(challenge.record).wait_visible(challenge.record, challenge.value, SECONDS)
        except (EngineError, UsageError) as error:
            raise SolverError(str(error)) from error

    def remove(self, challenges: Sequence[Challenge]) -> None:
        """Delete them."""
        try:
            for challenge in challenges:
                self._zone(challenge.record).remove(challenge.record, challenge.value)
        except (EngineError, UsageError) as error:
            raise SolverError(str(error)) from error

    def _zone(self, record: str) -> ZoneRecords:
        servers = self._lookup.public(record)
        if not servers:
            raise SolverError(f"no public zone holds {record}")
        domain = self._lookup.zone(record, servers[0]).to_text(omit_final_dot=True).lower()
        with self._lock:
            if domain not in self._zones:
                self._zones[domain] = ZoneRecords(self._provider, self._settings, domain, servers)
            return self._zones[domain]
