"""The ways of putting challenges up, with BIND as the servers of a small public DNS and pebble as the authority."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from msgspec import structs

from gatewright.base.sensitive import Sensitive
from gatewright.engines.certificates.challenge import DNS, Challenge, SolverError
from gatewright.engines.certificates.orders import AcmeObtainer, AcmeOptions
from gatewright.engines.certificates.solvers.acme_dns import AcmeDns
from gatewright.engines.certificates.solvers.choose import Chooser, Offers
from gatewright.engines.certificates.solvers.lookup import Lookup, Server
from gatewright.engines.certificates.solvers.rfc2136 import Rfc2136
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.issuance import SecretEntry, Solver
from support.acme_issuing import HERE, issuer, names_in, new_key, wanted
from support.acme_zones import HOST, KEY_NAME, ROOT, Zones, zones
from support.pebble import pebble

pytestmark = pytest.mark.real

TSIG = SecretEntry(Key("Secret", "cert-manager", "tsig"), "key")


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zones]:
    with zones(tmp_path_factory.mktemp("zones")) as found:
        yield found


@pytest.fixture
def lookup(public: Zones) -> Lookup:
    return Lookup((ROOT,), public.port)


def _settings(public: Zones, **more: str) -> dict[str, str]:
    return {
        "nameserver": f"{HOST}:{public.port}",
        "tsigKeyName": KEY_NAME,
        "tsigAlgorithm": "HMACSHA256",
        **more,
    }


def _rfc2136(public: Zones, lookup: Lookup, secret: str = "", **more: str) -> Rfc2136:
    key = Sensitive((secret or public.secret).encode())
    return Rfc2136(_settings(public, **more), {"tsigSecretSecretRef": key}, lookup)


def _challenge(name: str, value: str) -> Challenge:
    return Challenge(DNS, name, f"_acme-challenge.{name}", "token", value)


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_two_values_at_one_name_come_and_go_one_by_one(public: Zones, lookup: Lookup, protocol: str) -> None:
    solver, host = _rfc2136(public, lookup, protocol=protocol), Server(HOST, public.port)
    first, second = _challenge("a.shop.test", "one"), _challenge("a.shop.test", "two")

    def values() -> frozenset[str] | None:
        return lookup.values(first.record, [host])[host]

    solver.present([first, second])
    assert values() == {"one", "two"}
    solver.present([first])
    assert values() == {"one", "two"}
    solver.remove([first])
    assert values() == {"two"}
    solver.remove([first, second])
    assert values() == set()


def test_zones_are_found_at_the_server(public: Zones, lookup: Lookup) -> None:
    host = Server(HOST, public.port)
    assert lookup.zone("_acme-challenge.a.b.shop.test", host).to_text() == "shop.test."
    assert lookup.zone("_acme-challenge.b.test", host).to_text() == "test."
    with pytest.raises(SolverError, match=r"127\.0\.0\.1:\d+ has no zone that _acme-challenge.shop.example belongs to"):
        lookup.zone("_acme-challenge.shop.example", host)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"secret": base64.b64encode(b"another secret").decode()}, "is it the TSIG key"),
        ({"tsigKeyName": "stranger"}, "is it the TSIG key"),
        ({"tsigAlgorithm": "HMACSHA512"}, "is it the TSIG key"),
    ],
    ids=["secret", "name", "algorithm"],
)
def test_a_wrong_key(public: Zones, lookup: Lookup, changed: dict[str, str], said: str) -> None:
    with pytest.raises(SolverError, match=said) as refused:
        _rfc2136(public, lookup, **changed).present([_challenge("b.shop.test", "one")])
    assert public.secret not in str(refused.value)
    assert changed.get("secret", "-" * 9) not in str(refused.value)


def test_without_a_key(public: Zones, lookup: Lookup) -> None:
    plain = Rfc2136({"nameserver": f"{HOST}:{public.port}"}, {}, lookup)
    with pytest.raises(SolverError, match=r"refuses to change _acme-challenge\.b\.shop\.test: REFUSED"):
        plain.present([_challenge("b.shop.test", "one")])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"nameserver": ""}, "'' is not the address"),
        ({"nameserver": "192.0.2.1:x"}, "is not the address"),
        ({"nameserver": "192.0.2.1:70000"}, "is not the address"),
        ({"nameserver": "192.0.2.1", "tsigKeyName": ""}, "are set together"),
        ({"nameserver": "192.0.2.1", "tsigAlgorithm": "ROT13"}, "ROT13 is none of HMACMD5"),
        ({"nameserver": "[2001:db8::1]:5353", "tsigKeyName": "k", "secret": "%%%"}, "is not in base64"),
    ],
)
def test_settings_that_cannot_be(lookup: Lookup, settings: dict[str, str], said: str) -> None:
    secret = Sensitive(settings.pop("secret", "c2VjcmV0").encode())
    with pytest.raises(SolverError, match=said):
        Rfc2136(settings, {"tsigSecretSecretRef": secret}, lookup)


def test_delegations_are_followed_from_the_roots(public: Zones, lookup: Lookup) -> None:
    host = Server(HOST, public.port)
    assert lookup.public("a.shop.test") == (host,)
    assert lookup.public("first.glueless") == (host,)
    assert lookup.target("_acme-challenge.www.shop.test") == "www.acme.shop.test"
    assert lookup.target("_acme-challenge.app.shop.test") == "second.glueless"
    assert lookup.target("_acme-challenge.plain.shop.test") == "_acme-challenge.plain.shop.test"
    with pytest.raises(SolverError, match="leads in a circle"):
        lookup.target("_acme-challenge.pool.shop.test")


@pytest.mark.parametrize("name", ["a" * 64 + ".shop.test", ".".join(["a" * 60] * 5), "a..shop.test"])
def test_names_that_dns_cannot_have(public: Zones, lookup: Lookup, name: str) -> None:
    with pytest.raises(SolverError, match="is not a name that DNS can have"):
        _rfc2136(public, lookup).present([_challenge(name, "one")])
    with pytest.raises(SolverError, match="is not a name that DNS can have"):
        lookup.target(name)


def test_a_delegation_to_nobody(lookup: Lookup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatewright.engines.certificates.solvers.lookup._TIMEOUT", 0.2)
    with pytest.raises(SolverError, match=r"no name server that the public delegations name for x\.dead answers"):
        lookup.target("_acme-challenge.dead.shop.test")


def _solver(public: Zones, **more: str) -> Solver:
    return Solver(
        "dns01",
        HERE,
        provider="rfc2136",
        settings=tuple(_settings(public, **more).items()),
        secrets=(("tsigSecretSecretRef", TSIG),),
    )


@pytest.mark.parametrize("follow", [False, True])
def test_a_certificate_by_dynamic_update(tmp_path: Path, public: Zones, lookup: Lookup, follow: bool) -> None:
    """Direct, and where the CNAME of the challenge name leads."""
    by = issuer(
        structs.replace(_solver(public), follow_cname=follow),
        secrets={(TSIG.secret, TSIG.entry): public.secret.encode()},
    )
    name = "moved.shop.test" if follow else "direct.shop.test"
    with pebble(tmp_path, dns=f"{HOST}:{public.port}") as ca:
        ours = AcmeObtainer(
            tmp_path / "state", by, AcmeOptions(ca.directory, ca.trust_file), Chooser(by, Offers(lookup))
        )
        issued = ours.obtain(wanted(name, f"*.{name}"), new_key())
    assert names_in(issued.chain) == {name, f"*.{name}"}
    host = Server(HOST, public.port)
    record = "moved.acme.shop.test" if follow else f"_acme-challenge.{name}"
    assert lookup.values(record, [host]) == {host: frozenset()}


# -- acme-dns -----------------------------------------------------------------------------------------------


class _AcmeDnsServer:
    """The HTTP side of acme-dns."""

    def __init__(self) -> None:
        self.updates: list[tuple[str, str, str, str]] = []
        owner = self
        self.is_endless, self.written = False, 0

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                user, key = self.headers.get("X-Api-User", ""), self.headers.get("X-Api-Key", "")
                good = self.path == "/update" and key == "hunter2"
                if good:
                    owner.updates.append((user, key, body["subdomain"], body["txt"]))
                self.send_response(200 if good else 401)
                self.end_headers()
                with contextlib.suppress(OSError):
                    while owner.is_endless and owner.written < 64 << 20:
                        owner.written += self.wfile.write(b"x" * 65_536)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def server() -> Iterator[_AcmeDnsServer]:
    found = _AcmeDnsServer()
    thread = threading.Thread(target=found.server.serve_forever, args=(0.02,))
    thread.start()
    with contextlib.closing(found.server.socket):
        yield found
        found.server.shutdown()
        thread.join()


def _account(password: str = "hunter2", domain: str = "www.acme.shop.test") -> dict[str, Sensitive]:
    account = {"username": "u", "password": password, "fulldomain": domain, "subdomain": "www"}
    return {"accountSecretRef": Sensitive(json.dumps({"www.shop.test": account, "app.shop.test": account}).encode())}


def test_acme_dns(server: _AcmeDnsServer, lookup: Lookup) -> None:
    solver = AcmeDns({"host": server.url}, _account(), lookup)
    both = [_challenge("www.shop.test", "one"), _challenge("www.shop.test", "two")]
    solver.present(both)
    solver.remove(both)
    assert server.updates == [("u", "hunter2", "www", "one"), ("u", "hunter2", "www", "two")]


def test_what_acme_dns_says_without_end_is_not_read(server: _AcmeDnsServer, lookup: Lookup) -> None:
    server.is_endless = True
    AcmeDns({"host": server.url}, _account(), lookup).present([_challenge("www.shop.test", "one")])
    assert server.written < 32 << 20


def test_what_acme_dns_cannot_do(server: _AcmeDnsServer, lookup: Lookup) -> None:
    good = AcmeDns({"host": server.url}, _account(), lookup)
    with pytest.raises(SolverError, match=r"_acme-challenge\.app\.shop\.test needs a CNAME to www\.acme\.shop\.test"):
        good.present([_challenge("app.shop.test", "one")])
    with pytest.raises(SolverError, match=r"has no account for other\.shop\.test"):
        good.present([_challenge("other.shop.test", "one")])
    with pytest.raises(SolverError, match="holds only two values"):
        good.present([_challenge("www.shop.test", value) for value in ("1", "2", "3")])
    wrong = AcmeDns({"host": server.url}, _account("*******"), lookup)
    with pytest.raises(SolverError, match=r"refused _acme-challenge\.www\.shop\.test: HTTP 401") as refused:
        wrong.present([_challenge("www.shop.test", "one")])
    assert "*******" not in str(refused.value)
    with pytest.raises(SolverError, match="is not the address of a server"):
        AcmeDns({"host": ""}, _account(), lookup)
    with pytest.raises(SolverError, match="holds no accounts by domain"):
        AcmeDns({"host": server.url}, {"accountSecretRef": Sensitive(b'{"a": 1}')}, lookup)
    with pytest.raises(SolverError, match="accountSecretRef is not set"):
        AcmeDns({"host": server.url}, {}, lookup)
