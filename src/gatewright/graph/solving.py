"""Which names an authority can be shown control of, and by which solver: what keeps a certificate from being made.

Counterparts: `issuing`, which asks for each name; the engine's own choice among the solvers that it can carry out.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from gatewright.base import hostnames
from gatewright.kinds.intents.issuance import IssuerIntent, Solver

PUBLIC_DIRECTORIES = (
    "letsencrypt.org",
    "zerossl.com",
    "buypass.com",
    "pki.goog",
    "ssl.com",
    "sectigo.com",
    "digicert.com",
    "globalsign.com",
)
"""The domains of authorities that everybody trusts; a staging directory's certificates are not."""

# Names that are for use at home, and so belong to nobody: RFC 6761, RFC 6762, RFC 8375, and those that are usual.
_NOBODYS = frozenset(("arpa", "corp", "example", "home", "internal", "intranet", "invalid", "lan")) | {
    "local",
    "localdomain",
    "localhost",
    "private",
    "test",
}
_REGISTRY_LABELS = frozenset(
    ("ac", "co", "com", "edu", "go", "gob", "gov", "govt", "mil", "ne", "net", "nom", "or", "org", "sch")
)


def is_public(issuer: IssuerIntent) -> bool:
    """Is it an authority that everybody trusts (or the staging server of one, which has the same rules)?"""
    return issuer.type == "acme" and any(name in issuer.server for name in PUBLIC_DIRECTORIES)


def not_public(name: str) -> str:
    """Why no public authority makes a certificate for a name, "" when one may."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        bare = name.removeprefix("*.")
        if "." not in bare:
            return "it is no full domain name"
        if bare.rpartition(".")[2] in _NOBODYS:
            return f".{'home.arpa' if bare.endswith('.home.arpa') else bare.rpartition('.')[2]} is for private use"
        return ""
    return "" if address.is_global else "it is a private address"


def is_registry(domain: str) -> bool:
    """Is it one below which anybody may register (`com`, `co.uk`), so that no wildcard is to be had there?"""
    first, _, rest = domain.partition(".")
    return not rest or (first in _REGISTRY_LABELS and len(rest) == 2)


def solver_for(issuer: IssuerIntent, labels: Collection[tuple[str, str]], name: str) -> Solver | None:
    """The solver that cert-manager takes: one that names it before those for zones (the longest) before labels, then
    the first.  A wildcard can only be proved by DNS-01 (RFC 8555, 8.4 and the Baseline Requirements)."""
    best: tuple[tuple[bool, int, int], Solver] | None = None
    bare = name.removeprefix("*.")
    for solver in issuer.solvers:
        if solver.type == "http01" and hostnames.is_wildcard(name):
            continue
        zones = [zone for zone in solver.zones if f".{bare}".endswith(f".{zone}")]
        if (solver.zones and not zones) or (solver.names and name not in solver.names):
            continue
        if not set(solver.labels) <= set(labels):
            continue
        rank = (bool(solver.names), max(map(len, zones), default=0), len(solver.labels))
        if best is None or rank > best[0]:
            best = rank, solver
    return best[1] if best is not None else None
