"""Issuers and Certificates as manifests, and an ACME server beside a run that answers its own names."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from support import naming as n
from support import session as s
from support.acme_proxy import AcmeProxy, acme_proxy
from support.live import Live
from support.pebble import Pebble, pebble
from support.ports import free_port
from support.session import GATEWAY, Session

ADDRESS = "192.0.2.10"
ISSUER = "house"
DNS01 = {"dns01": {"cloudflare": {"apiTokenSecretRef": {"name": "cloudflare", "key": "token"}}}}
"""What a manifest says whose zone another provider has; here our own DNS stands in for it."""
HTTP01 = {"http01": {"ingress": {}}}
SECONDS = 60.0


# --- manifests ----------------------------------------------------------------------------------


def issuer(name: str = ISSUER, *solvers: dict[str, Any], **acme: Any) -> str:
    """A ClusterIssuer of ACME, whose own server is nowhere."""
    spec = {"server": "https://ca.invalid/dir", "privateKeySecretRef": {"name": "account"}, "solvers": list(solvers)}
    return _manager("ClusterIssuer", name, {"acme": {**spec, **acme}})


def local_issuer(name: str, namespace: str = "infra", **spec: Any) -> str:
    return _manager("Issuer", name, spec, namespace)


def certificate(name: str, *names: str, issuer: str = ISSUER, kind: str = "ClusterIssuer", **more: Any) -> str:
    """A Certificate in the gateway's namespace; the Secret has its name."""
    said = {"secretName": name, "dnsNames": list(names), "issuerRef": {"name": issuer, "kind": kind}}
    return _manager("Certificate", name, {**said, **more}, "infra")


def _manager(kind: str, name: str, spec: dict[str, Any], namespace: str = "") -> str:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return s.documents({"apiVersion": "cert-manager.io/v1", "kind": kind, "metadata": metadata, "spec": spec})


def opaque(name: str, namespace: str = "cert-manager", **data: str) -> str:
    metadata = {"name": name, "namespace": namespace}
    return s.documents({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})


# --- an ACME server beside a run ------------------------------------------------------------------


@dataclass(frozen=True)
class Authority:
    """A pebble that asks the DNS at 127.0.0.1:`port`, with the proxy that runs speak to, and what it trusts.

    `arguments` for `gatewright run`; `root`: the file of the only root that clients trust.
    """

    pebble: Pebble
    proxy: AcmeProxy
    port: int
    root: Path

    @property
    def arguments(self) -> list[str]:
        trust = str(self.proxy.trust_file)
        return ["--dns", f"127.0.0.1:{self.port}=public", "--acme-server", self.proxy.directory, "--acme-ca", trust]

    @property
    def orders(self) -> int:
        """How many were completed."""
        return len({one.path for one in self.proxy.seen if one.path.startswith("/finalize-order/")})

    def ask(self, live: Live, url: str, gateway: str = GATEWAY) -> int:
        """The status that a client gets who trusts this authority alone; 0 for whom it does not trust."""
        return live.trusting(self.root).ask(gateway, url).status


@contextlib.contextmanager
def authority(folder: Path, dns_port: int = 0, **options: Any) -> Iterator[Authority]:
    """An ACME server until the block is left; `options` are pebble's."""
    port = dns_port or free_port()
    with pebble(folder, dns=f"127.0.0.1:{port}", **options) as ca, acme_proxy(ca) as proxy:
        root = folder / "root.pem"
        root.write_bytes(ca.roots()[0])
        yield Authority(ca, proxy, port, root)


def local_port(described: int) -> int:
    """The port at which gateways listen here on loopback for a described one."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", described))
        except PermissionError:
            return described + 8000
        except OSError:
            pass
        return described


# --- what is seen ---------------------------------------------------------------------------------


def basics(run: Session, *secrets: str, domain: str = "example.com") -> None:
    """A gateway with a TLS listener for each Secret, which shares its name with a hostname below the domain."""
    run.write(
        "gateway.yaml",
        s.gateway(
            s.listener("http", 80),
            *({**s.https(one, secret=one), "hostname": f"{one}.{domain}"} for one in secrets),
            addresses=(ADDRESS,),
        ),
    )
    run.write("routes.yaml", *(s.route(one, host=f"{one}.{domain}") for one in secrets))
    run.write("web.yaml", s.service("web"))
    run.write("zones.yaml", n.zone("public", domain, gateways=["infra/edge"]))


def status(run: Session, id: str) -> dict[str, Any]:
    """What `gatewright status` says of a certificate; {} for nothing."""
    lines: Sequence[dict[str, Any]] = run.status()[1].get("certificates", ())
    return next((line for line in lines if line["id"] == id), {})


def await_state(run: Session, id: str, state: str, word: str = "") -> dict[str, Any]:
    """Wait until a certificate is in this state, with a word in its message."""
    found: dict[str, Any] = {}

    def is_so() -> bool:
        found.clear()
        found.update(status(run, id))
        return found.get("state") == state and word in found.get("message", "")

    try:
        s.wait(is_so, SECONDS)
    except AssertionError:
        raise AssertionError(f"{id} is not {state}: {json.dumps(found)}\n{run.errors()}") from None
    return found


def hang_up(run: Session) -> None:
    """SIGHUP: try again what failed."""
    assert run.process is not None
    os.kill(run.process.pid, signal.SIGHUP)


def shown(live: Live, host: str, gateway: str = GATEWAY, port: int = 443) -> x509.Certificate:
    """The certificate that a client is shown, whoever signed it."""
    where = live.socket_of(gateway, port)
    assert where is not None
    careless = ssl.create_default_context()
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(where, s.DEADLINE) as raw, careless.wrap_socket(raw, server_hostname=host) as secured:
        der = secured.getpeercert(binary_form=True)
        assert der is not None
        return x509.load_der_x509_certificate(der)


def names_of(shown: x509.Certificate) -> set[str]:
    """The hostnames on a certificate."""
    names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(names.get_values_for_type(x509.DNSName))


def public_key(shown: x509.Certificate) -> bytes:
    """The public half of its key."""
    return shown.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def is_self_signed(shown: x509.Certificate) -> bool:
    """Is its subject its own issuer?"""
    return shown.issuer == shown.subject
