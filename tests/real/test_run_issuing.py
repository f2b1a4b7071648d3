"""Certificates of issuers under a running gateway: got, renewed, lost and found again, as clients see it."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from websockets.asyncio.client import connect

from support import certifying as c
from support import keys, zonehosts
from support import naming as n
from support import session as s
from support.certifying import Authority, authority
from support.ports import free_port
from support.session import GATEWAY, Session

pytestmark = pytest.mark.real


HERE = "127.99.8.1"


@pytest.fixture
def run() -> Iterator[Session]:
    with s.session() as made:
        yield made


# --- getting them ---------------------------------------------------------------------------------


def test_by_dns_for_a_domain_and_its_wildcard(run: Session, tmp_path: Path) -> None:
    listeners = [{**s.https(name, secret="tls"), "hostname": host} for name, host in
                 (("apex", "example.com"), ("below", "*.example.com"))]  # fmt: skip
    run.write("gateway.yaml", s.gateway(*listeners, addresses=(c.ADDRESS,)))
    run.write("routes.yaml", s.service("web"), s.route("apex", host="example.com"), s.route("a"), s.route("b"))
    run.write("zones.yaml", n.zone("public", "example.com", provider="Cloudflare", gateways=["infra/edge"]))
    run.write("tls.yaml", c.issuer(c.ISSUER, c.DNS01), c.certificate("tls", "example.com", "*.example.com"))
    with authority(tmp_path, nonce_reject=20) as ca:
        live = run.start("--echo", *ca.arguments)
        c.await_state(run, "infra/tls", "ready")
        for host in ("example.com", "a.example.com", "b.example.com"):
            s.wait(lambda host=host: ca.ask(live, f"https://{host}/") == 200)
        assert c.names_of(c.shown(live, "a.example.com")) == {"example.com", "*.example.com"}
        assert ca.orders == 1
        # Nothing of the challenge is left, and what is asked for again is there already.
        assert n.values(live.dns("public"), "_acme-challenge.example.com", "TXT") == "NXDOMAIN"
        assert run.stop() == 0
        live = run.start("--echo", *ca.arguments)
        assert ca.ask(live, "https://a.example.com/") == 200
        assert ca.orders == 1
        assert run.status()[0] == 0


def test_where_the_world_asks_another_provider_it_is_written_to(run: Session, tmp_path: Path) -> None:
    """Split horizon in earnest: inside we answer for the domain, the authority asks BIND, and so BIND has to know."""
    port = in_earnest(run)
    with zonehosts.bind(tmp_path_of(tmp_path, "bind"), "example.com") as public:
        solver = {
            "nameserver": f"127.0.0.1:{public.port}",
            "tsigKeyName": public.settings["key_name"],
            "tsigAlgorithm": "HMACSHA256",
            "tsigSecretSecretRef": {"name": "tsig", "key": "key"},
        }
        run.write("tls.yaml", c.issuer(c.ISSUER, {"dns01": {"rfc2136": solver}}), c.certificate("tls", "a.example.com"))
        run.write("tsig.yaml", c.opaque("tsig", key=public.secret))
        run.write(
            "zones.yaml", n.view("home", "127.0.0.2/32"), n.zone("home", "example.com", "home", gateways=True),
            n.zone("public", "example.com", provider="rfc2136"),
        )  # fmt: skip
        with authority(tmp_path, public.port) as ca:
            at = free_port()
            arguments = ["--bind", "site", "--dns", f"127.0.0.1:{at}=home", *ca.arguments[2:]]
            live = run.start("--echo", *arguments)
            c.await_state(run, "infra/tls", "ready")
            s.wait(
                lambda: live.trusting(ca.root).ask(GATEWAY, f"https://a.example.com:{port}/", view="home").status == 200
            )
            assert run.lines(public.secret) == []


def test_where_the_world_asks_us_our_own_zone_has_the_challenge(run: Session, tmp_path: Path) -> None:
    port = in_earnest(run)
    run.write("tls.yaml", c.issuer(c.ISSUER, c.DNS01), c.certificate("tls", "a.example.com"))
    run.write(
        "zones.yaml", n.view("home", "127.0.0.2/32"), n.zone("home", "example.com", "home", gateways=True),
        n.zone("public", "example.com", records=[n.record("www", "203.0.113.5")]),
    )  # fmt: skip
    with authority(tmp_path) as ca:
        live = run.start("--echo", "--bind", "site", "--dns", "127.0.0.1:0=home", *ca.arguments)
        c.await_state(run, "infra/tls", "ready")
        s.wait(lambda: ca.ask(live, f"https://a.example.com:{port}/") == 200)
        # As soon as the world is said to ask somebody else, nothing more is put into ours.
        zones = (n.view("home", "127.0.0.2/32"), n.zone("home", "example.com", "home", gateways=True))
        run.write("zones.yaml", *zones, n.zone("public", "example.com", provider="Cloudflare"))
        s.wait(lambda: n.values(live.dns("public"), "www.example.com") == "REFUSED")
        run.write("tls.yaml", c.issuer(c.ISSUER, c.DNS01), c.certificate("tls", "a.example.com", "b.example.com"))
        found = c.await_state(run, "infra/tls", "failed")
        assert "cloudflare" in found["message"]


def test_an_issuer_of_a_namespace_proves_nothing_by_our_zones(run: Session, tmp_path: Path) -> None:
    """Or whoever may write in one namespace would have certificates for the names of all others."""
    in_earnest(run)
    acme = {"server": "https://ca.invalid/dir", "privateKeySecretRef": {"name": "account"}, "solvers": [c.DNS01]}
    run.write(
        "tls.yaml", c.local_issuer("mine", acme=acme),
        c.certificate("tls", "a.example.com", issuer="mine", kind="Issuer"), n.zone("public", "example.com"),
    )  # fmt: skip
    with authority(tmp_path) as ca:
        run.start("--echo", "--bind", "site", "--dns", "127.0.0.1:0", *ca.arguments)
        found = c.await_state(run, "infra/tls", "failed")
        assert "cloudflare" in found["message"]


def in_earnest(run: Session) -> int:
    """A gateway at a described address of this machine; gives its port for TLS."""
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        port = int(probe.getsockname()[1])
    run.write("gateway.yaml", s.gateway({**s.https(port=port), "hostname": "a.example.com"}, addresses=(HERE,)))
    run.write("web.yaml", s.service("web"), s.route("a"))
    return port


DOORS = (
    s.gateway(s.listener("http", 80), {**s.https(secret="a"), "hostname": "a.example.com"}, addresses=(c.ADDRESS,)),
    s.route("a"),
    c.certificate("a", "a.example.com"),
    """---
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: nginx, namespace: infra}
spec: {implementation: ingress-nginx, classes: [web], addresses: [192.0.2.20]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: b, namespace: apps, annotations: {cert-manager.io/cluster-issuer: house}}
spec:
  ingressClassName: web
  tls: [{hosts: [b.example.com], secretName: b}]
  rules:
    - host: b.example.com
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: traefik, namespace: infra}
spec:
  implementation: traefik
  classes: [traefik]
  addresses: [192.0.2.30]
  entryPoints: [{name: web, port: 80}, {name: websecure, port: 443, protocol: HTTPS}]
---
apiVersion: traefik.io/v1alpha1
kind: Middleware
metadata: {name: secure, namespace: apps}
spec: {redirectScheme: {scheme: https, permanent: true}}
---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: plain, namespace: apps, annotations: {kubernetes.io/ingress.class: traefik}}
spec:
  entryPoints: [web]
  routes: [{match: HostRegexp(`.+`), kind: Rule, middlewares: [{name: secure}], services: [{name: web, port: 80}]}]
---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: c, namespace: apps, annotations: {kubernetes.io/ingress.class: traefik}}
spec:
  entryPoints: [websecure]
  routes: [{match: Host(`c.example.com`), kind: Rule, services: [{name: web, port: 80}]}]
  tls: {secretName: c}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: c, namespace: apps}
spec: {secretName: c, dnsNames: [c.example.com], issuerRef: {name: house, kind: ClusterIssuer}}
""",
)


def test_by_http_through_doors_of_every_kind(run: Session, tmp_path: Path) -> None:
    run.write("doors.yaml", *DOORS)
    run.write("web.yaml", s.service("web"))
    run.write("zones.yaml", n.zone("public", "example.com", gateways=True))
    run.write("issuer.yaml", c.issuer(c.ISSUER, c.HTTP01))
    with authority(tmp_path, http_port=c.local_port(80)) as ca:
        live = run.start("--echo", *ca.arguments)
        for id, host, door in (
            ("infra/a", "a.example.com", GATEWAY),
            ("apps/b", "b.example.com", "infra/nginx"),
            ("apps/c", "c.example.com", "infra/traefik"),
        ):
            c.await_state(run, id, "ready")
            s.wait(lambda host=host, door=door: ca.ask(live, f"https://{host}/", door) == 200)
        assert live.ask("infra/traefik", "http://c.example.com/").status in (301, 308)
        assert run.status()[0] == 0


OWN_ISSUER = """---
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: nginx, namespace: infra}
spec: {implementation: ingress-nginx, classes: [web], addresses: [192.0.2.10], settings: {issuer: {name: house}}}
"""


def ingress(*names: str) -> str:
    service = {"name": "web", "port": {"number": 80}}
    http = {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": service}}]}
    spec = {
        "ingressClassName": "web",
        "tls": [{"hosts": list(names)}],
        "rules": [{"host": name, "http": http} for name in names],
    }
    metadata = {"name": "all", "namespace": "apps"}
    return s.documents({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec})


def test_a_door_with_an_issuer_of_its_own_has_certificates_for_all_that_it_serves(run: Session, tmp_path: Path) -> None:
    run.write("door.yaml", OWN_ISSUER, s.service("web"), c.issuer(c.ISSUER, c.HTTP01))
    run.write("ingress.yaml", ingress("a.example.com"))
    run.write("zones.yaml", n.zone("public", "example.com", gateways=True))
    with authority(tmp_path, http_port=c.local_port(80)) as ca:
        live = run.start("--echo", *ca.arguments)
        s.wait(lambda: ca.ask(live, "https://a.example.com/", "infra/nginx") == 200, c.SECONDS)
        run.write("ingress.yaml", ingress("a.example.com", "b.example.com"))
        s.wait(lambda: ca.ask(live, "https://b.example.com/", "infra/nginx") == 200, c.SECONDS)
        assert ca.orders == 2  # by HTTP each name is proved, and ordered, by itself
        # Once there is a way to prove the domain, one certificate does for both, and the former two are not shown.
        run.write("door.yaml", OWN_ISSUER, s.service("web"), c.issuer(c.ISSUER, c.DNS01))
        for host in ("a.example.com", "b.example.com"):
            is_wild = lambda host=host: "*.example.com" in c.names_of(c.shown(live, host, "infra/nginx"))  # noqa: E731
            s.wait(is_wild, c.SECONDS)
            assert ca.ask(live, f"https://{host}/", "infra/nginx") == 200
        assert ca.orders == 3
        assert run.status()[0] == 0


def test_an_account_that_is_bound_to_another_at_the_authority(run: Session, tmp_path: Path) -> None:
    c.basics(run, "a")
    key = base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
    binding = {"keyID": "kid-1", "keySecretRef": {"name": "eab", "key": "secret"}}
    run.write(
        "tls.yaml", c.issuer(c.ISSUER, c.DNS01, externalAccountBinding=binding), c.certificate("a", "a.example.com")
    )
    with authority(tmp_path, eab={"kid-1": key}) as ca:
        live = run.start("--echo", *ca.arguments)
        assert "eab" in c.await_state(run, "infra/a", "unusable")["message"]
        assert live.ask(GATEWAY, "https://a.example.com/").status == 200
        run.write("eab.yaml", c.opaque("eab", secret=key))
        c.await_state(run, "infra/a", "ready")
        s.wait(lambda: ca.ask(live, "https://a.example.com/") == 200)
        assert key not in everything_told(run)


def test_a_ca_of_ones_own_from_manifests_alone(run: Session, tmp_path: Path) -> None:
    c.basics(run, "a", "b")
    root = keys.pair(now=datetime.now(UTC), days=300, ca=True, subject="a root of the manifests")
    run.write(
        "tls.yaml",
        s.secret("given", root.cert_pem, root.key_pem),
        c.local_issuer("given", ca={"secretName": "given"}),
        c.certificate("a", "a.example.com", issuer="given", kind="Issuer"),
        c.local_issuer("self", selfSigned={}),
        c.certificate("root", issuer="self", kind="Issuer", isCA=True, commonName="ours"),
        c.local_issuer("ours", ca={"secretName": "root"}),
        c.certificate("b", "b.example.com", issuer="ours", kind="Issuer"),
    )
    live = run.start("--echo")
    for id in ("infra/a", "infra/root", "infra/b"):
        c.await_state(run, id, "ready")
    given = tmp_path / "given.pem"
    given.write_bytes(root.cert_pem)
    s.wait(lambda: live.trusting(given).ask(GATEWAY, "https://a.example.com/").status == 200)
    assert live.trusting(given).ask(GATEWAY, "https://b.example.com/").status == 0
    (pem,) = (run.state / "certificates").glob("infra_root-*.pem")
    s.wait(lambda: live.trusting(pem).ask(GATEWAY, "https://b.example.com/").status == 200)
    assert run.status()[0] == 0


def test_in_private_no_authority_is_asked(run: Session, tmp_path: Path) -> None:
    c.basics(run, "a")
    with authority(tmp_path) as ca:
        theirs = c.issuer(c.ISSUER, c.DNS01, server=ca.proxy.directory, skipTLSVerify=True)
        run.write("tls.yaml", theirs, c.certificate("a", "a.example.com"))
        live = run.start("--echo", *ca.arguments[:2], "--certificates", "private")
        assert live.ask(GATEWAY, "https://a.example.com/").status == 200
        run.write("b.yaml", s.route("b"))
        s.wait(lambda: live.ask(GATEWAY, "http://b.example.com/").status == 200)
        c.hang_up(run)
        run.write("d.yaml", s.route("d"))
        s.wait(lambda: live.ask(GATEWAY, "http://d.example.com/").status == 200)
        assert ca.proxy.seen == []
        assert run.status()[0] == 0


def test_in_private_a_certificate_that_is_to_come_from_an_authority_is_given_up(run: Session) -> None:
    c.basics(run, "a")
    run.write("issuers.yaml", c.issuer(c.ISSUER, c.DNS01), c.local_issuer("self", selfSigned={}))
    run.write("a.yaml", c.certificate("a", "a.example.com", issuer="self", kind="Issuer"))
    live = run.start("--echo")
    s.wait(lambda: c.is_self_signed(c.shown(live, "a.example.com")))
    run.write("a.yaml", c.certificate("a", "a.example.com"))
    s.wait(lambda: live.ask(GATEWAY, "https://a.example.com/").status == 200)
    assert c.status(run, "infra/a") == {}
    run.write("a.yaml", c.certificate("a", "a.example.com", issuer="self", kind="Issuer"))
    s.wait(lambda: c.is_self_signed(c.shown(live, "a.example.com")))


def test_metrics_and_status_tell_of_certificates(run: Session, tmp_path: Path) -> None:
    c.basics(run, "a")
    run.write("tls.yaml", c.issuer(c.ISSUER, c.DNS01), c.certificate("a", "a.example.com"))
    port = free_port()

    def metric(name: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        found = [line for line in lines if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    with authority(tmp_path) as ca:
        live = run.start("--echo", *ca.arguments, "--metrics", f"127.0.0.1:{port}")
        found = c.await_state(run, "infra/a", "ready")
        end = c.shown(live, "a.example.com").not_valid_after_utc
        assert found["notAfter"] == end.strftime("%Y-%m-%dT%H:%M:%SZ")
        assert found["names"] == ["a.example.com"]
        s.wait(lambda: metric('gatewright_certificates{state="ready"}') == 1)
        assert metric("gatewright_certificate_expiry_timestamp_seconds") == end.timestamp()
        assert metric("gatewright_certificate_next_attempt_timestamp_seconds") < end.timestamp()
        assert metric("gatewright_certificate_failures_total") == 0
        ca.proxy.down = True
        run.write("tls.yaml", c.issuer(c.ISSUER, c.DNS01), c.certificate("a", "a.example.com", "b.example.com"))
        c.await_state(run, "infra/a", "failed")
        s.wait(lambda: metric('gatewright_certificates{state="failed"}') == 1)
        assert metric("gatewright_certificate_failures_total") == 1
        assert metric("gatewright_certificate_expiry_timestamp_seconds") == end.timestamp()


def test_an_issuer_that_cannot_be_had_is_told_where_it_is_asked_for(run: Session, tmp_path: Path) -> None:
    c.basics(run, "a")
    file = run.write("tls.yaml", c.issuer("vault"), c.certificate("a", "a.example.com", issuer="nobody"))
    with authority(tmp_path) as ca:
        live = run.start("--echo", *ca.arguments)
        found = c.await_state(run, "infra/a", "unusable")
        assert "nobody" in found["message"]
        assert live.ask(GATEWAY, "https://a.example.com/").status == 200
        code, told = run.status()
        assert code == 1
        about = [fault for fault in told["problems"] if fault["id"] == "certificate-failed"]
        assert [(fault["file"], fault["severity"]) for fault in about] == [(str(file), "error")]
        assert about[0]["line"] > 1
        assert run.lines("tls.yaml:", "error", "nobody")
        assert ca.proxy.paths("/order-plz") == 0


# --- renewal --------------------------------------------------------------------------------------

SHORT = 24
"""Seconds that a certificate is valid: it is renewed a third before its end."""


def test_a_renewal_touches_no_connection(run: Session, tmp_path: Path) -> None:
    async def scenario(ca: Authority) -> None:
        async with s.backends("web") as at:
            run.write("web.yaml", s.service("web", at["web"]))
            live = await s.beside(run.start, *ca.arguments)
            for id in ("infra/a", "infra/b"):
                await s.beside(c.await_state, run, id, "ready")
            await s.until(lambda: s.beside(lambda: ca.ask(live, "https://a.example.com/") == 200))
            await s.until(lambda: s.beside(lambda: ca.ask(live, "https://b.example.com/") == 200))
            before = {one: await s.beside(c.shown, live, f"{one}.example.com") for one in "ab"}
            where = live.socket_of(GATEWAY, 443)
            trusting = ssl.create_default_context(cafile=str(ca.root))
            reader, writer = await asyncio.open_connection(*where, ssl=trusting, server_hostname="a.example.com")
            async with connect(
                "wss://a.example.com/", host=where[0], port=where[1], ssl=trusting, proxy=None, ping_interval=None
            ) as chat:
                await s.echoes(chat)
                assert await s.exchange(reader, writer, "a.example.com") == (200, "web")
                for one in "ab":
                    is_new = lambda one=one: c.shown(live, f"{one}.example.com") != before[one]  # noqa: E731
                    await s.until(lambda is_new=is_new: s.beside(is_new), c.SECONDS)
                await s.echoes(chat)
                assert await s.exchange(reader, writer, "a.example.com") == (200, "web")
            writer.close()
            after = {one: await s.beside(c.shown, live, f"{one}.example.com") for one in "ab"}
            assert await s.beside(ca.ask, live, "https://a.example.com/") == 200
            assert c.public_key(after["a"]) != c.public_key(before["a"])
            assert c.public_key(after["b"]) == c.public_key(before["b"])
            assert (await s.beside(run.status))[0] == 0

    c.basics(run, "a", "b")
    stays = {"rotationPolicy": "Never", "algorithm": "ECDSA", "size": 256}
    run.write(
        "tls.yaml", c.issuer(c.ISSUER, c.DNS01), c.certificate("a", "a.example.com"),
        c.certificate("b", "b.example.com", privateKey=stays),
    )  # fmt: skip
    with authority(tmp_path, validity=SHORT) as ca:
        asyncio.run(scenario(ca))


# --- bad days -------------------------------------------------------------------------------------


def test_an_authority_that_is_down_is_asked_again_on_sighup(run: Session, tmp_path: Path) -> None:
    c.basics(run, "a")
    run.write("tls.yaml", c.issuer(c.ISSUER, c.DNS01), c.certificate("a", "a.example.com"))
    with authority(tmp_path) as ca:
        ca.proxy.down = True
        live = run.start("--echo", *ca.arguments)
        found = c.await_state(run, "infra/a", "failed")
        assert found["failures"] == 1
        assert found["nextAttempt"]
        assert live.ask(GATEWAY, "https://a.example.com/").status == 200
        assert run.status()[0] == 1
        s.wait(lambda: run.lines("tls.yaml:", "error", "no certificate for infra/a", "private CA"))
        ca.proxy.down = False
        c.hang_up(run)
        c.await_state(run, "infra/a", "ready")
        s.wait(lambda: ca.ask(live, "https://a.example.com/") == 200)
        s.wait(lambda: run.status()[0] == 0)


def test_what_the_authority_cannot_see_leaves_the_old_certificate(run: Session, tmp_path: Path) -> None:
    """Split horizon: it asks where another view is shown than the one that has the zone."""
    c.basics(run, "a")
    run.write("views.yaml", n.view("home", "127.0.0.2/32"), n.zone("home", "example.net", "home"))
    run.write("tls.yaml", c.issuer(c.ISSUER, c.DNS01), c.certificate("a", "a.example.com"))
    elsewhere = free_port()
    with authority(tmp_path) as ca:
        more = ["--dns", f"127.0.0.1:{elsewhere}=home"]
        live = run.start("--echo", *ca.arguments, *more)
        c.await_state(run, "infra/a", "ready")
        s.wait(lambda: ca.ask(live, "https://a.example.com/") == 200)
        before = c.shown(live, "a.example.com")
        with authority(tmp_path_of(tmp_path, "other"), elsewhere) as blind:
            assert run.stop() == 0
            arguments = ["--acme-server", blind.proxy.directory, "--acme-ca", str(blind.proxy.trust_file)]
            live = run.start("--echo", *ca.arguments[:2], *more, *arguments)
            assert c.shown(live, "a.example.com") == before
            run.write("tls.yaml", c.issuer(c.ISSUER, c.DNS01), c.certificate("a", "a.example.com", "b.example.com"))
            found = c.await_state(run, "infra/a", "failed")
            assert "_acme-challenge" in found["message"] or "TXT" in found["message"]
            assert c.shown(live, "a.example.com") == before
            s.wait(lambda: run.lines("tls.yaml:", "warning", "the one in use stays"))
        assert ca.ask(live, "https://a.example.com/") == 200


def tmp_path_of(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


def test_a_run_that_is_killed_in_the_middle_of_an_order_goes_on_with_it(run: Session, tmp_path: Path) -> None:
    c.basics(run, "a")
    run.write("tls.yaml", c.issuer(c.ISSUER, c.DNS01), c.certificate("a", "a.example.com"))
    slow = {"PEBBLE_VA_NOSLEEP": "0", "PEBBLE_VA_SLEEPTIME": "4"}
    with authority(tmp_path, env=slow) as ca:
        run.start("--echo", *ca.arguments)
        s.wait(lambda: ca.proxy.paths("/chalZ/"), c.SECONDS)
        run.kill()
        placed = ca.proxy.paths("/order-plz")
        (begun,) = (run.state / "certificates").glob("infra_a-*.key")
        key = load_pem_private_key(begun.read_bytes(), None)
        live = run.start("--echo", *ca.arguments)
        c.await_state(run, "infra/a", "ready")
        s.wait(lambda: ca.ask(live, "https://a.example.com/") == 200)
        assert ca.proxy.paths("/order-plz") == placed
        half = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        assert c.public_key(c.shown(live, "a.example.com")) == half
        assert not begun.exists()
        s.wait(lambda: n.values(live.dns("public"), "_acme-challenge.a.example.com", "TXT") == "NXDOMAIN")
        assert run.status()[0] == 0


def test_no_secret_is_told_and_no_file_is_for_others(run: Session, tmp_path: Path) -> None:
    c.basics(run, "a", "b")
    tsig, eab = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
    token = "cf-" + os.urandom(16).hex()
    eab = eab.replace("+", "-").replace("/", "_").rstrip("=")
    binding = {"keyID": "kid-1", "keySecretRef": {"name": "eab", "key": "secret"}}
    given = keys.pair("b.example.com", now=datetime.now(UTC))
    run.write(
        "tls.yaml",
        c.issuer(c.ISSUER, c.DNS01, externalAccountBinding=binding),
        c.certificate("a", "a.example.com"),
        s.secret("b", given.cert_pem, given.key_pem),
        c.opaque("eab", secret=eab),
        c.opaque("cloudflare", token=token),
        c.opaque("tsig", "dns", key=tsig),
        n.view(
            "public",
            tsigKeys=[{"name": "update", "secret": {"namespace": "dns", "name": "tsig", "key": "key"}}],
            updates=[{"key": "update", "names": ["x.example.com"]}],
        ),
    )
    port = free_port()
    with authority(tmp_path, eab={"kid-1": eab}) as ca:
        run.start("--echo", *ca.arguments, "--metrics", f"127.0.0.1:{port}")
        c.await_state(run, "infra/a", "ready")
        ca.proxy.down = True
        run.write("more.yaml", c.certificate("more", "x.example.com"))
        c.await_state(run, "infra/more", "failed")
        told = everything_told(run, f"http://127.0.0.1:{port}/metrics")
        assert "gatewright_certificate" in told
        assert "--acme-server" in told
    secrets = {"tsig": tsig, "eab": eab, "token": token, "given": body_of(given.key_pem.decode())}
    for file in run.state.rglob("*"):
        mode = file.lstat().st_mode & 0o777
        if file.is_dir():
            assert mode == 0o700, file
        elif file.is_file():
            assert mode & 0o077 == 0 or file == run.state / "ca" / "ca.crt", f"{file} {mode:o}"
        if file.is_file() and "certificates" in file.parts and b"PRIVATE KEY" in (pem := file.read_bytes()):
            secrets[file.name] = body_of(pem.decode())
        elif file.is_file() and "certificates" in file.parts and b'"d":' in pem:
            secrets[file.name] = pem.split(b'"d":')[1].split(b'"')[1].decode()
    assert len(secrets) >= 6  # the certificate's, the account's ...
    assert [name for name, secret in secrets.items() if secret in told] == []
    assert "PRIVATE KEY" not in told


def body_of(pem: str) -> str:
    """A line from the middle of a private key."""
    lines = pem[pem.index("PRIVATE KEY") :].splitlines()
    return lines[2]


def everything_told(run: Session, *pages: str) -> str:
    """What a run has said of itself: stderr, status, logs, metrics, and the command lines of all processes."""
    told = [run.errors(), run.command("status", "--state", str(run.state), "-o", "json").stdout.decode()]
    told.append(run.command("status", "--state", str(run.state)).stdout.decode())
    told += [file.read_text(errors="replace") for file in run.state.rglob("*.log")]
    told += [
        run.ready_file.read_text(),
        subprocess.run(["ps", "axww", "-o", "args"], capture_output=True).stdout.decode(),
    ]
    for page in pages:
        with urllib.request.urlopen(page, timeout=60) as answer:
            told.append(answer.read().decode())
    return "\n".join(told)


# --- whose they are -------------------------------------------------------------------------------


def test_a_certificate_that_is_no_longer_described_is_taken_back(run: Session, tmp_path: Path) -> None:
    c.basics(run, "a", "b")
    run.write("issuer.yaml", c.issuer(c.ISSUER, c.DNS01))
    run.write("a.yaml", c.certificate("a", "a.example.com"))
    run.write("b.yaml", c.certificate("b", "b.example.com"))
    with authority(tmp_path) as ca:
        live = run.start("--echo", *ca.arguments)
        for id in ("infra/a", "infra/b"):
            c.await_state(run, id, "ready")
        s.wait(lambda: ca.ask(live, "https://a.example.com/") == 200)
        (run.manifests / "a.yaml").unlink()
        s.wait(lambda: live.ask(GATEWAY, "https://a.example.com/").status == 200)  # by the private CA
        assert c.status(run, "infra/a") == {}
        assert ca.ask(live, "https://b.example.com/") == 200
        # Who wants it again gets what is on disk.
        run.write("a.yaml", c.certificate("a", "a.example.com"))
        s.wait(lambda: ca.ask(live, "https://a.example.com/") == 200)
        assert ca.orders == 2


def test_other_names_and_another_issuer_are_another_certificate(run: Session, tmp_path: Path) -> None:
    c.basics(run, "a")
    run.write("issuer.yaml", c.issuer(c.ISSUER, c.DNS01), c.local_issuer("self", selfSigned={}))
    run.write("a.yaml", c.certificate("a", "a.example.com"))
    with authority(tmp_path) as ca:
        live = run.start("--echo", *ca.arguments)
        s.wait(lambda: ca.ask(live, "https://a.example.com/") == 200, c.SECONDS)
        run.write("a.yaml", c.certificate("a", "a.example.com", "more.example.com"))
        s.wait(lambda: c.names_of(c.shown(live, "a.example.com")) == {"a.example.com", "more.example.com"}, c.SECONDS)
        assert ca.ask(live, "https://a.example.com/") == 200
        run.write("a.yaml", c.certificate("a", "a.example.com", issuer="self", kind="Issuer"))
        s.wait(lambda: ca.ask(live, "https://a.example.com/") == 0, c.SECONDS)
        assert c.is_self_signed(c.shown(live, "a.example.com"))
        assert ca.orders == 2
        s.wait(lambda: run.status()[0] == 0)


def test_two_runs_do_not_share_a_state_folder(run: Session) -> None:
    c.basics(run, "a")
    live = run.start("--echo")
    other = run.command("run", str(run.manifests), "--state", str(run.state))
    assert other.returncode == 3
    (line,) = other.stderr.decode().splitlines()
    assert "in use" in line
    assert live.ask(GATEWAY, "http://a.example.com/").status == 200
    assert run.status()[0] == 0
