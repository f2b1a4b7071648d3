"""TXT records at an acme-dns server, which the challenge names are delegated to by CNAME.

Settings as cert-manager's `acmeDNS` has them: host, and accountSecretRef with the accounts by domain.  Such a server
keeps the last two values of an account, and has no way to remove one.  https://github.com/joohoi/acme-dns
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import msgspec
import requests

from gatewright.base.sensitive import Sensitive
from gatewright.engines.certificates.challenge import Challenge, SolverError
from gatewright.engines.certificates.solvers.lookup import Lookup

_TIMEOUT = 20
_MOST_VALUES = 2


class _Account(msgspec.Struct, frozen=True):
    username: str
    password: str
    fulldomain: str
    subdomain: str

    def __repr__(self) -> str:
        return f"_Account({self.fulldomain})"


class AcmeDns:
    """Writes at one acme-dns server; SolverError for settings that cannot be."""

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, Sensitive], lookup: Lookup) -> None:
        host = settings.get("host", "")
        self._url = host.rstrip("/") if "://" in host else f"https://{host}"
        if not urlsplit(self._url).hostname or urlsplit(self._url).scheme not in ("http", "https"):
            raise SolverError(f"acmeDNS: {host!r} is not the address of a server")
        self._accounts = _accounts(secrets.get("accountSecretRef"))
        self._lookup = lookup

    def present(self, challenges: Sequence[Challenge]) -> None:
        """Write each value, after a look at the CNAME that has to lead there."""
        counts: dict[str, int] = {}
        for challenge in challenges:
            account = self._account(challenge.name)
            counts[account.subdomain] = counts.get(account.subdomain, 0) + 1
            if counts[account.subdomain] > _MOST_VALUES:
                raise SolverError(f"acmeDNS: {account.fulldomain} holds only two values: each domain needs an account")
            target = self._lookup.target(challenge.record)
            if target != account.fulldomain.rstrip(".").lower():
                raise SolverError(f"{challenge.record} needs a CNAME to {account.fulldomain}, it leads to {target}")
            self._write(account, challenge)

    def remove(self, challenges: Sequence[Challenge]) -> None:
        """Nothing to do: newer values push older ones out."""

    def _account(self, name: str) -> _Account:
        found = self._accounts.get(name)
        if found is None:
            raise SolverError(f"acmeDNS: the Secret of accountSecretRef has no account for {name}")
        return found

    def _write(self, account: _Account, challenge: Challenge) -> None:
        try:
            with requests.post(
                f"{self._url}/update",
                data=json.dumps({"subdomain": account.subdomain, "txt": challenge.value}),
                headers={"X-Api-User": account.username, "X-Api-Key": account.password},
                timeout=_TIMEOUT,
                allow_redirects=False,
                stream=True,  # what it says besides is not read: it may be without end
            ) as answer:
                status = answer.status_code
        except requests.exceptions.RequestException as error:
            raise SolverError(f"the acme-dns server {self._url} cannot be reached ({type(error).__name__})") from None
        if status != requests.codes.ok:
            raise SolverError(f"the acme-dns server {self._url} refused {challenge.record}: HTTP {status}")


def _accounts(secret: Sensitive | None) -> dict[str, _Account]:
    if secret is None:
        raise SolverError("acmeDNS: accountSecretRef is not set")
    try:
        found = msgspec.json.decode(secret.reveal(), type=dict[str, _Account])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise SolverError("acmeDNS: the Secret of accountSecretRef holds no accounts by domain in JSON") from None
    return {name.rstrip(".").lower().removeprefix("*."): account for name, account in found.items()}
