"""Which certificates are wanted: what the objects and listeners ask of issuers, one Wanted for each target.

Targets are Secrets that somebody is to make (a Certificate of cert-manager, or the annotations of an Ingress or a
Gateway) and, where a door names an issuer of its own, its names without a certificate.  Questions:

- `targets(sight) -> frozenset[Key]`: the Key of every Secret or Gateway that certificates are wanted for
- `wanted(sight, target) -> tuple[Wanted, ...]`: one for a Secret, several (by group of names) for a Gateway
- `issuer(sight, key) -> Issuer | None`: an issuer with its solvers and the Secrets that it needs, or what is wrong
- `problems(sight) -> tuple[Problem, ...]`: certificates that cannot be had as described (no such issuer, no solver ...)

Counterparts: `resolve.certificates`, which judges the certificates that exist; `engines.certificates`, which gets them.
"""

from __future__ import annotations

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.base.sensitive import Sensitive
from gatewright.kinds.identity import Key
from gatewright.kinds.world import IssuerIntent, PrivateKey


class Wanted(Struct, frozen=True):
    """A certificate that somebody is to make.

    `id` names it for status, files and metrics: "namespace/secret", or "gateway-id name" for a door's own.  `names`:
    hostnames and addresses, the first is the subject's; `issuer` Key of an Issuer or ClusterIssuer; seconds; `labels`
    are the Certificate's, by which solvers are selected.  `duration` 0: the issuer's.  `present`: the manifests hold
    a usable certificate for it until this moment (POSIX seconds, 0 for none), so that it is only to be renewed.
    `common_name` is the subject's where it is said.  `reuse`: the id of another Wanted whose certificate has all of these names, so that it needs none of its own.
    """

    id: str
    target: Key
    origin: Origin
    names: tuple[str, ...]
    issuer: Key
    private_key: PrivateKey = PrivateKey()
    duration: float = 0.0
    renew_before: float = 0.0
    renew_percentage: int = 0
    is_ca: bool = False
    labels: tuple[tuple[str, str], ...] = ()
    present: float = 0.0
    reuse: str = ""
    common_name: str = ""


class Issuer(Struct, frozen=True):
    """An issuer ready for use.  `secrets`: the entries that it and its solvers refer to, by (Secret, entry); `fault`
    says in one sentence why it cannot be used."""

    intent: IssuerIntent
    secrets: tuple[tuple[tuple[Key, str], Sensitive], ...] = ()
    fault: str = ""

    def secret(self, key: Key, entry: str) -> Sensitive | None:
        return dict(self.secrets).get((key, entry))
