"""Which of an issuer's solvers meets a challenge, and the way that it goes.

`select` is cert-manager's choice; `Chooser` makes a ChallengeSolver of what was chosen: the ways of this folder, or
what the runtime offers.  What nobody can do is a SolverError that names it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from msgspec import Struct

from gatewright.base.sensitive import Sensitive
from gatewright.engines.certificates.challenge import DNS, HTTP, ChallengeSolver, SolverError
from gatewright.engines.certificates.solvers.acme_dns import AcmeDns
from gatewright.engines.certificates.solvers.delegation import Delegated
from gatewright.engines.certificates.solvers.lookup import Lookup
from gatewright.engines.certificates.solvers.rfc2136 import Rfc2136
from gatewright.graph.issuing import Issuer, Wanted
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.issuance import Solver

_TYPES = {"dns01": DNS, "http01": HTTP}
Secrets = Mapping[str, Sensitive]


class Offers(Struct, frozen=True):
    """What the runtime can do.

    `own_dns(record, issuer)`: our own server answers publicly for this name, and this issuer may have it say so.
    `http(solver)`: our own gateways answer for it.
    `provider(name, settings, secrets)`: somebody's API.  Each gives None for what it cannot do.  `lookup` asks
    authoritative servers.
    """

    lookup: Lookup
    own_dns: Callable[[str, Key], ChallengeSolver | None] = lambda _record, _issuer: None
    http: Callable[[Solver], ChallengeSolver | None] = lambda _solver: None
    provider: Callable[[str, Mapping[str, str], Secrets], ChallengeSolver | None] = lambda *_: None


def challenge_type(solver: Solver) -> str:
    """ "dns-01" or "http-01"."""
    return _TYPES.get(solver.type, solver.type)


def select(
    solvers: Sequence[Solver], name: str, labels: Collection[tuple[str, str]], types: Collection[str]
) -> Solver | None:
    """The solver for `name` ("*.x" too) among those for `types`, as cert-manager chooses: one that names it exactly,
    else the one with the longest zone, else the one with most labels, else the first.  A wildcard needs dns-01."""
    bare = name.removeprefix("*.")
    best: tuple[bool, int, int] | None = None
    chosen = None
    for solver in solvers:
        kind = challenge_type(solver)
        if kind not in types or (name != bare and kind != DNS):
            continue
        zones = [zone for zone in solver.zones if bare == zone or bare.endswith(f".{zone}")]
        if (
            (solver.names and name not in solver.names)
            or (solver.zones and not zones)
            or not set(solver.labels) <= set(labels)
        ):
            continue
        rank = (bool(solver.names), max(map(len, zones), default=0), len(solver.labels))
        if best is None or rank > best:
            best, chosen = rank, solver
    return chosen


class Chooser:
    """From (wanted, name, challenge type) to what solves it, for one issuer: what AcmeObtainer calls `solve`."""

    def __init__(self, issuer: Issuer, offers: Offers) -> None:
        self._issuer = issuer
        self._offers = offers
        self._made: dict[tuple[Solver, str], ChallengeSolver] = {}

    def __call__(self, wanted: Wanted, name: str, kind: str) -> ChallengeSolver:
        """SolverError when there is no way."""
        solver = select(self._issuer.intent.solvers, name, wanted.labels, (kind,))
        if solver is None:
            raise SolverError(f"no solver of {self._issuer.intent.key} is for {name} by {kind}")
        if kind == HTTP:
            return self._http(solver, name)
        record = f"_acme-challenge.{name.removeprefix('*.')}"
        if solver.follow_cname:
            return Delegated(self._offers.lookup, lambda target: self._dns(solver, target))
        return self._dns(solver, record)

    def _http(self, solver: Solver, name: str) -> ChallengeSolver:
        found = self._offers.http(solver)
        if found is None:
            raise SolverError(f"no gateway of ours answers http-01 challenges for {name}")
        return found

    def _dns(self, solver: Solver, record: str) -> ChallengeSolver:
        own = None if solver.provider == "acmeDNS" else self._offers.own_dns(record, self._issuer.intent.key)
        if own is not None:
            return own
        # The ways of this folder keep connections and what they found out of zones.
        known = (solver, "" if solver.provider in ("rfc2136", "acmeDNS") else record)
        if known not in self._made:
            self._made[known] = self._make(solver, record)
        return self._made[known]

    def _make(self, solver: Solver, record: str) -> ChallengeSolver:
        settings, secrets = dict(solver.settings), self._secrets(solver)
        if solver.provider == "rfc2136":
            return Rfc2136(settings, secrets, self._offers.lookup)
        if solver.provider == "acmeDNS":
            return AcmeDns(settings, secrets, self._offers.lookup)
        found = self._offers.provider(solver.provider, settings, secrets)
        if found is None:
            what = solver.provider or "no provider"
            raise SolverError(f"{record} cannot be written: dns01 by {what} is not supported here")
        return found

    def _secrets(self, solver: Solver) -> Secrets:
        found = {}
        for field, entry in solver.secrets:
            secret = self._issuer.secret(entry.secret, entry.entry)
            if not secret:
                raise SolverError(f"{entry.secret} has no entry {entry.entry}, which {field} of the solver refers to")
            found[field] = secret
        return found
