"""What is made of a reference's words about its upstream: the backend, its TLS, and what keeps it closed."""

from __future__ import annotations

from typing import Any

import pytest

from gatewright.base.origin import Origin
from gatewright.base.sensitive import Sensitive
from gatewright.graph.builder import Builder
from gatewright.graph.nodes import Backend, BackendKey, UpstreamProtocol
from gatewright.graph.objects import View
from gatewright.graph.resolve.upstreams import backends
from gatewright.graph.resolve.upstreams.variants import Variant, encode
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.material import (
    BackendTlsIntent,
    SecretIntent,
    ServiceIntent,
    ServicePort,
    TransportIntent,
)
from gatewright.kinds.intents.routing import HealthCheck, Upstream, UpstreamTls
from support.keys import NOW, pair

ORIGIN = Origin("input.yaml")
SERVICE = Key("Service", "web", "app")
CA, OTHER_CA, CLIENT, GONE = (Key("Secret", "web", name) for name in ("ca", "other-ca", "client", "gone"))
AUTHORITY, OTHER = (pair(ca=True, subject=name).cert_pem for name in ("authority", "other"))
POLICY = Key("BackendTLSPolicy", "web", "policy")
TRANSPORT = Key("ServersTransport", "web", "transport")


def secret(key: Key, **entries: bytes) -> SecretIntent:
    data = tuple((name.replace("_", "."), Sensitive(value)) for name, value in entries.items())
    return SecretIntent(key, ORIGIN, "Opaque", data)


def resolve(variant: Variant, *more: Any, service: ServiceIntent | None = None) -> tuple[Backend, list[str]]:
    client = pair("gateway")
    objects = (
        service or ServiceIntent(SERVICE, ORIGIN, ports=(ServicePort("web", 443),)),
        secret(CA, ca_crt=AUTHORITY),
        secret(OTHER_CA, ca_crt=OTHER),
        secret(CLIENT, tls_crt=client.cert_pem, tls_key=client.key_pem),
        *more,
    )
    builder = Builder(lambda: NOW)
    builder.apply({one.key: one for one in objects})
    key = BackendKey("web", "app", 443, encode(variant))
    found, problems = backends.backend(View(builder.objects, builder), key)
    assert found is not None
    return found, [problem.id for problem in problems]


def asking(scheme: str = "https", **tls: Any) -> Variant:
    return Variant(scheme, upstream=Upstream(tls=UpstreamTls(**tls)))


def policy(**more: Any) -> BackendTlsIntent:
    return BackendTlsIntent(POLICY, ORIGIN, ((SERVICE, ""),), "policy.test", **more)


def test_all_that_is_said_arrives() -> None:
    health = HealthCheck("/healthz", interval=3)
    said = Upstream("maglev", 5.0, 20.0, 1, 2, 3, 4, None, health, 5, 6.0)
    found, _ = resolve(Variant("http", upstream=said))
    assert found.upstream == said
    assert found.connect_timeout == 5.0
    assert resolve(Variant("http"))[0].connect_timeout == 10.0
    transport = TransportIntent(TRANSPORT, ORIGIN, dial_timeout=7.0)
    assert resolve(Variant("http", TRANSPORT), transport)[0].connect_timeout == 7.0
    assert resolve(Variant("http", TRANSPORT, upstream=said), transport)[0].connect_timeout == 5.0


@pytest.mark.parametrize(
    ("tls", "server_name", "ca", "names", "follows"),
    [
        ({}, "", b"", (), True),
        ({"server_name": "a.test"}, "a.test", b"", (), False),
        ({"verify": True, "ca": CA}, "", AUTHORITY, (), True),
        ({"verify": True, "ca": CA, "server_name": "a.test"}, "a.test", AUTHORITY, ("a.test",), False),
        ({"verify": True, "verify_name": "b.test"}, "", b"", ("b.test",), True),
        (
            {"verify": True, "ca": CA, "server_name": "a.test", "verify_name": "b"},
            "a.test",
            AUTHORITY,
            ("b",),
            False,
        ),
        ({"ca": GONE}, "", b"", (), True),  # nothing is verified, so nothing is missed
    ],
)
def test_tls_is_as_the_reference_describes_it(
    tls: dict[str, Any], server_name: str, ca: bytes, names: tuple[str, ...], follows: bool
) -> None:
    found, problems = resolve(asking(**tls))
    assert found.tls is not None
    assert (found.usable, problems) == (True, [])
    assert (found.tls.server_name, found.tls.ca, found.tls.follows_host) == (server_name, ca, follows)
    assert found.tls.verify is tls.get("verify", False)
    assert found.tls.system_ca is (found.tls.verify and not ca)
    assert tuple(value for _, value in found.tls.verify_names) == names


@pytest.mark.parametrize(
    ("variant", "why"),
    [
        (asking(verify=True, ca=GONE), "gone"),
        (asking(verify=True, ca=CLIENT), "client"),  # no authority in it
        (asking(verify=True, ca=CA, ca_entry="tls.crt"), "tls.crt"),
        (asking(client=GONE), "gone"),
        (asking(client=CA), "ca"),  # no pair in it
        (asking("tls", verify=True), "no name"),
        (Variant("https", TRANSPORT), "ServersTransport web/transport does not exist"),
    ],
)
def test_what_cannot_be_verified_as_asked_is_not_asked_at_all(variant: Variant, why: str) -> None:
    for more in ((), (policy(well_known="System"),)):
        found, problems = resolve(variant, *more)
        assert not found.usable
        assert not found.endpoints
        assert not found.dns_name
        assert why in found.reason
        assert problems == ["backend-tls"]


def test_tls_is_spoken_where_it_is_described_unless_the_scheme_is_plain() -> None:
    assert resolve(asking(""))[0].tls is not None
    assert resolve(asking("grpcs"))[0].protocol is UpstreamProtocol.H2
    assert resolve(asking("http"))[0].tls is None
    h2c = ServiceIntent(SERVICE, ORIGIN, ports=(ServicePort("web", 443, app_protocol="h2c"),))
    found, _ = resolve(asking(""), service=h2c)
    assert (found.protocol, found.tls is None) == (UpstreamProtocol.H2, False)


@pytest.mark.parametrize(
    ("variant", "names", "ca"),
    [
        (Variant("https"), ("policy.test",), OTHER),
        (Variant("http"), ("policy.test",), OTHER),
        (asking(server_name="a.test"), ("policy.test",), OTHER),
        (asking(verify=True, server_name="a.test"), ("policy.test",), OTHER),
        (asking(verify=True, ca=CA, server_name="a.test"), ("a.test",), AUTHORITY),
    ],
)
def test_a_policy_makes_nothing_less_strict(variant: Variant, names: tuple[str, ...], ca: bytes) -> None:
    found, problems = resolve(variant, policy(ca=(OTHER_CA,)))
    assert found.tls is not None
    assert (found.usable, found.tls.verify, found.tls.ca, problems) == (True, True, ca, [])
    assert tuple(value for _, value in found.tls.verify_names) == names


def test_a_client_certificate_is_shown_also_under_a_policy() -> None:
    found, _ = resolve(asking(client=CLIENT), policy(ca=(CA,)))
    assert found.tls is not None
    assert found.tls.client_certificate
    assert found.tls.client_key
    assert found.tls.verify


def outside(host: str, *, tls: bool, upstream: Upstream | None = None) -> Backend:
    builder = Builder(lambda: NOW)
    builder.apply({CA: secret(CA, ca_crt=AUTHORITY)})
    key = backends.external(host, 8443, tls=tls, upstream=upstream)
    assert key.namespace == ""
    found, problems = backends.backend(View(builder.objects, builder), key)
    assert problems == ()
    assert found is not None
    return found


def test_a_host_outside_is_found_by_name_or_address() -> None:
    by_name, by_address = outside("auth.test", tls=False), outside("10.0.0.1", tls=False)
    assert (by_name.dns_name, by_name.endpoints, by_name.tls) == ("auth.test", (), None)
    assert (by_address.dns_name, [e.address for e in by_address.endpoints]) == ("", ["10.0.0.1"])
    assert [(e.address, e.port) for e in outside("fd00::1", tls=False).endpoints] == [("fd00::1", 8443)]


def test_a_host_outside_is_verified_for_its_name_unless_said_otherwise() -> None:
    usual, address = outside("auth.test", tls=True).tls, outside("10.0.0.1", tls=True).tls
    assert usual is not None
    assert address is not None
    assert (usual.verify, usual.system_ca, usual.server_name) == (True, True, "auth.test")
    assert usual.verify_names == (("Hostname", "auth.test"),)
    assert (address.server_name, address.verify_names) == ("", (("IP", "10.0.0.1"),))
    own = outside("auth.test", tls=True, upstream=Upstream(tls=UpstreamTls(verify=True, ca=CA, verify_name="x.test")))
    assert own.tls is not None
    assert (own.tls.ca, own.tls.verify_names) == (AUTHORITY, (("Hostname", "x.test"),))
    careless = outside("auth.test", tls=True, upstream=Upstream(tls=UpstreamTls())).tls
    assert careless is not None
    assert not careless.verify
    closed = outside("auth.test", tls=True, upstream=Upstream(tls=UpstreamTls(verify=True, ca=GONE)))
    assert not closed.usable
    assert not closed.dns_name
