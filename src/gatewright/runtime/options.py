"""What the user asks of a run, as values.

Apart from those who do it, so that a run which answers no names and asks no authority does not load what would.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from gatewright.engines.dns.content import Listen
from gatewright.engines.envoy.process import EnvoyOptions


class NamesOptions(Struct, frozen=True):
    """Where to answer DNS.  `workers` 0: as many as there are processors, two at most."""

    listen: tuple[Listen, ...]
    workers: int = 0


class CertificateOptions(Struct, frozen=True):
    """Whom to ask for certificates.  `described`: the issuers that the manifests name; `server`: an ACME directory in
    place of theirs, which is verified by the certificates of `trust_file` (PEM)."""

    described: bool = False
    server: str = ""
    trust_file: Path | None = None


class RunOptions(Struct, frozen=True):
    """A run.  `echo`: "", "missing" or "all"; `bind`: "loopback" or "site"; `names` None: no DNS."""

    paths: tuple[str, ...]
    state: Path
    gateways: tuple[str, ...] = ()
    bind: str = "loopback"
    echo: str = ""
    ready_file: Path | None = None
    metrics: str = ""
    drain_seconds: float = 10.0
    envoy: EnvoyOptions = EnvoyOptions()
    names: NamesOptions | None = None
    certificates: CertificateOptions = CertificateOptions()

    @property
    def on_loopback(self) -> bool:
        """Are the gateways only tried out, at addresses of their own?"""
        return self.bind != "site"
