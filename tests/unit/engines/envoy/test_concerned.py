"""Exactly whom a change of certificates concerns; that it is never too few, the property tests show."""

from __future__ import annotations

from typing import Any

import yaml

from gatewright.engines.envoy.concerned import Concerned
from gatewright.kinds.identity import Key
from support import session as s
from support.keys import NOW, Pair, pair
from support.modelled import Modelled

A, B, OTHER = (pair(f"{name}.test", now=NOW) for name in ("a", "b", "other"))


def secret(name: str, one: Pair) -> dict[str, Any]:
    return yaml.safe_load(s.secret(name, one.cert_pem, one.key_pem))


def listener(*secrets: str, hostname: str = "") -> dict[str, Any]:
    made = {**s.https(), "tls": {"certificateRefs": [{"name": name} for name in secrets]}}
    return {**made, "hostname": hostname} if hostname else made


class Kept:
    """A model and what is told of each change of it."""

    def __init__(self, *documents: str) -> None:
        self.model, self.concerned = Modelled(), Concerned()
        self.put(*(one for text in documents for one in yaml.safe_load_all(text)))

    def put(self, *documents: dict[str, Any]) -> set[str]:
        change = self.model.put(*documents)
        return self.concerned.take(self.model.graph, change)

    def remove(self, kind: str, namespace: str, name: str) -> set[str]:
        change = self.model.remove(Key(kind, namespace, name))
        return self.concerned.take(self.model.graph, change)


def test_a_renewal_concerns_the_names_of_the_certificate() -> None:
    kept = Kept(s.gateway(listener("a", "b")), s.route("r", host="a.test"), s.service("web"))
    kept.put(secret("a", A), secret("b", B))
    assert kept.put(secret("b", pair("b.test", now=NOW))) == {"b.test"}
    assert kept.put(secret("b", OTHER)) == {"b.test", "other.test"}
    assert kept.remove("Secret", "infra", "b") >= {"other.test"}


def test_the_first_of_a_listener_is_shown_to_names_that_none_covers() -> None:
    kept = Kept(s.gateway(listener("a", "b", hostname="*.test")), s.service("web"))
    kept.put(secret("a", A), secret("b", B))
    assert kept.put(secret("a", pair("a.test", now=NOW))) == {"a.test", "*.test"}
    assert kept.put(secret("b", pair("b.test", now=NOW))) == {"b.test"}
    expired = pair("a.test", now=NOW.replace(year=2020))
    assert kept.put(secret("a", expired)) >= {"a.test", "*.test"}, "now it is the other one"
    assert kept.put(secret("b", pair("b.test", now=NOW))) >= {"*.test"}


def test_a_route_that_changes_concerns_no_certificate() -> None:
    kept = Kept(s.gateway(listener("a")), s.route("r", host="a.test"), s.service("web"))
    kept.put(secret("a", A))
    timeouts = {"timeouts": {"request": "1s"}}
    assert kept.put(yaml.safe_load(s.route("r", host="a.test", rule=timeouts))) == set()
    assert kept.put(*yaml.safe_load_all(s.route("new", host="new.test"))) == {"new.test"}
    assert kept.remove("HTTPRoute", "apps", "new") == {"new.test"}


def test_a_default_certificate_concerns_everybody() -> None:
    door = """
    apiVersion: gatewright.dev/v1alpha1
    kind: IngressController
    metadata: {name: edge, namespace: infra}
    spec: {implementation: traefik, classes: [web]}
    """
    store = """
    apiVersion: traefik.io/v1alpha1
    kind: TLSStore
    metadata: {name: default, namespace: infra}
    spec: {defaultCertificate: {secretName: a}}
    """
    kept = Kept(door)
    assert "*" not in kept.put(secret("a", A))
    assert "*" in kept.put(yaml.safe_load(store))
    assert "*" in kept.put(secret("a", OTHER))
    assert "*" in kept.remove("TLSStore", "infra", "default")
