"""View: clients and places in one list, keys and who uses them, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright.kinds.identity import Key
from gatewright.kinds.intents.naming import RateLimit, ViewIntent
from gatewright.kinds.intents.places import Spot
from gatewright.kinds.site_map.view import lower
from support.lowering import document, good
from support.sitemaps import changed, refused, written

SPEC: dict[str, Any] = {
    "clients": [{"network": "home/lan"}, "10.8.0.0/24", {"cluster": "k3s"}, "2001:DB8::1"],
    "listen": ["192.168.178.2"],
    "clientSubnet": True,
    "tsigKeys": [
        {"name": "To-Secondary.", "secret": {"namespace": "dns", "name": "tsig", "key": "secret"}},
        {"name": "acme", "algorithm": "hmac-sha512", "secret": {"name": "acme", "key": "key"}},
    ],
    "transferTo": ["192.168.178.3"],
    "secondaries": [{"address": "192.168.178.3", "key": "to-secondary"}, {"address": "fd00::3", "port": 5353}],
    "updates": [{"key": "acme", "names": ["_acme-challenge.example.com", "*.example.org"], "types": ["TXT"]}],
    "rateLimit": {"perSecond": 50, "slip": 0, "exempt": ["10.0.0.0/8"]},
}


def view(spec: dict[str, Any]) -> ViewIntent:
    return good(written("View", spec), ViewIntent)


def test_everything_said() -> None:
    found = view(SPEC)
    assert found.clients == ("10.8.0.0/24", "2001:db8::1/128")
    assert found.spots == (Spot(network="home/lan"), Spot(cluster="k3s"))
    assert (found.listen, found.client_subnet, found.transfer_to) == (("192.168.178.2",), True, ("192.168.178.3/32",))
    first, second = found.keys
    assert (first.name, first.algorithm, first.secret, first.entry) == (
        "to-secondary", "hmac-sha256", Key("Secret", "dns", "tsig"), "secret",
    )  # fmt: skip
    assert (second.algorithm, second.secret) == ("hmac-sha512", Key("Secret", "default", "acme"))
    assert [(one.address, one.port, one.key) for one in found.secondaries] == [
        ("192.168.178.3", 53, "to-secondary"),
        ("fd00::3", 5353, ""),
    ]
    (grant,) = found.updates
    assert (grant.key, grant.names, grant.types) == (
        "acme", ("_acme-challenge.example.com", "*.example.org"), ("TXT",),
    )  # fmt: skip
    assert found.rate_limit == RateLimit(50, 0, ("10.0.0.0/8",))


def test_defaults() -> None:
    found = view({})
    assert (found.clients, found.spots, found.keys, found.updates) == ((), (), (), ())
    assert found.rate_limit == RateLimit()


def test_the_rate_limit_can_be_switched_off_and_on() -> None:
    assert view({"rateLimit": False}).rate_limit is None
    assert view({"rateLimit": True}).rate_limit == RateLimit()


@pytest.mark.parametrize(
    ("path", "value", "where", "message"),
    [
        ("clients.0", {}, "clients.0", "names no place"),
        ("clients.1", "the house", "clients.1", "'the house' is not a CIDR"),
        ("listen.0", "192.168.178.0/24", "listen.0", "'192.168.178.0/24' is not an IP address"),
        ("tsigKeys.1.name", "to-secondary", "tsigKeys.1.name", "the key to-secondary is listed twice"),
        ("secondaries.0.key", "to-secondry", "secondaries.0.key", "there is no key 'to-secondry'"),
        ("updates.0.key", "other", "updates.0.key", "there is no key 'other'"),
        ("rateLimit.exempt", ["lan"], "rateLimit.exempt.0", "'lan' is not a CIDR"),
    ],
)
def test_refused(path: str, value: Any, where: str, message: str) -> None:
    assert (where, message) in refused("View", changed(SPEC, path, value))


@pytest.mark.parametrize("spec", [{"clients": ["10.8.0.0/33"]}, {"listen": ["10.0.0.300"]}, {"clients": 7}])
def test_an_unusable_one_is_for_nobody(spec: dict[str, Any]) -> None:
    data = document(yaml.safe_load(written("View", spec)))
    lowered = lower(data)
    assert lowered.intent is None
    assert lowered.instead == ViewIntent(Key("View", "", "x"), data.origin, unusable=True)
