"""Certificates by DNS-01 through our own DNS server: its records put there directly, and by signed updates."""

from __future__ import annotations

import asyncio
import base64
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec import structs

from gatewright.base.sensitive import Sensitive
from gatewright.engines.certificates.challenge import SolverError
from gatewright.engines.certificates.orders import AcmeObtainer, AcmeOptions
from gatewright.engines.certificates.solvers.choose import Chooser, Offers
from gatewright.engines.certificates.solvers.lookup import Lookup
from gatewright.engines.dns.content import GrantConfig, KeyConfig, Plan, ViewConfig
from gatewright.graph.issuing import Issuer
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.issuance import SecretEntry, Solver
from gatewright.runtime.dns_challenges import DnsChallenges
from support.acme_issuing import EVERYTHING, HERE, issuer, names_in, new_key, wanted
from support.dnsserver import serving
from support.dnszones import EVERYBODY, plan, wire
from support.needs import binary
from support.pebble import pebble

pytestmark = pytest.mark.real

TSIG = SecretEntry(Key("Secret", "cert-manager", "tsig"), "key")


def _zone(view: ViewConfig) -> Plan:
    """A zone whose name server has no address: nothing is asked anywhere else."""
    made = plan({"shop.test": "www A 192.0.2.1\n"}, (view,))
    names = {name: sets for name, sets in made.changes["shop.test/lan"].items() if name != wire("ns1.shop.test")}
    return structs.replace(made, changes={"shop.test/lan": names})


def test_four_at_a_time_in_our_own_dns(tmp_path: Path) -> None:
    async def scenario() -> list[frozenset[str] | BaseException]:
        async with serving(tmp_path / "dns", _zone(ViewConfig("lan", EVERYBODY))) as server:
            at, loop = server.bound[0], asyncio.get_running_loop()
            by, challenges = issuer(EVERYTHING), DnsChallenges(loop, server, tmp_path / "up.json")
            with pebble(tmp_path, dns=f"{at.address}:{at.port}", nonce_reject=5) as ca, ThreadPoolExecutor(4) as pool:
                options = AcmeOptions(ca.directory, ca.trust_file)
                offers = Offers(Lookup(), own_dns=lambda record, _issuer: challenges.solver(record))
                ours = AcmeObtainer(tmp_path / "state", by, options, Chooser(by, offers))

                def one(number: int) -> frozenset[str]:
                    # All of them share one challenge name, with eight values: pebble reads no more than 512 octets.
                    asked = wanted("shop.test", "*.shop.test", id=f"shop/{number}")
                    return names_in(ours.obtain(asked, new_key()).chain)

                begun = [loop.run_in_executor(pool, one, number) for number in range(4)]
                # All of them end before the pool does, which would wait for them and block what they wait for.
                found = await asyncio.gather(*begun, return_exceptions=True)
                left = await loop.run_in_executor(pool, challenges._see, "_acme-challenge.shop.test")
            assert not left
            return found

    assert asyncio.run(scenario()) == [{"shop.test", "*.shop.test"}] * 4


def _updating(secret: str, at: str) -> Issuer:
    settings = {"nameserver": at, "tsigKeyName": "acme", "tsigAlgorithm": "HMACSHA256"}
    solver = Solver(
        "dns01",
        HERE,
        provider="rfc2136",
        settings=tuple(settings.items()),
        secrets=(("tsigSecretSecretRef", TSIG),),
    )
    return issuer(solver, secrets={(TSIG.secret, TSIG.entry): secret.encode()})


def test_signed_updates_at_our_own_dns(tmp_path: Path) -> None:
    """Our client against our server, as another Gatewright would use it; what the key may not do is refused."""
    binary("pebble")
    secret = base64.b64encode(os.urandom(32)).decode()
    view = ViewConfig(
        "lan",
        EVERYBODY,
        keys=(KeyConfig(wire("acme"), "hmac-sha256", Sensitive(base64.b64decode(secret))),),
        grants=(GrantConfig(wire("acme"), (wire("_acme-challenge.shop.test"),), (16,)),),
    )

    async def scenario() -> frozenset[str]:
        async with serving(tmp_path / "dns", _zone(view)) as server:
            at, loop = server.bound[0], asyncio.get_running_loop()
            address = f"{at.address}:{at.port}"

            def work() -> frozenset[str]:
                by, lookup = _updating(secret, address), Lookup(port=at.port)
                with pebble(tmp_path, dns=address) as ca:
                    options = AcmeOptions(ca.directory, ca.trust_file)
                    ours = AcmeObtainer(tmp_path / "state", by, options, Chooser(by, Offers(lookup)))
                    found = names_in(ours.obtain(wanted("*.shop.test", "shop.test"), new_key()).chain)
                    with pytest.raises(Exception, match="REFUSED") as refused:
                        ours.obtain(wanted("www.shop.test"), new_key())
                assert isinstance(refused.value.__cause__, SolverError)
                return found

            return await loop.run_in_executor(None, work)

    assert asyncio.run(scenario()) == {"shop.test", "*.shop.test"}
