"""Annotations of Traefik: what those of Ingresses and of Services mean, in any spelling, and their mistakes."""

from __future__ import annotations

from typing import Any

import pytest

from gatewright.base.origin import Origin
from gatewright.graph.nodes import Gateway
from gatewright.graph.resolve.upstreams import service_annotations
from gatewright.kinds.annotations.names import TRAEFIK
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.annotations.traefik import ingress as traefik
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import ClassRef, RouteIntent
from gatewright.kinds.intents.filters import FilterRef, Refuse
from gatewright.kinds.intents.material import ServiceIntent, TransportIntent
from gatewright.kinds.intents.options import Options
from gatewright.kinds.intents.routing import BackendRef, Dialect, Protocol, SessionPersistence

INGRESS = Key("Ingress", "apps", "app")
SERVICE = Key("Service", "apps", "app")
HERE = Origin("a.yaml")


def read(values: dict[str, str]) -> tuple[Options, list[str]]:
    notes = Notes({TRAEFIK + name: value for name, value in values.items()}, INGRESS, HERE, TRAEFIK)
    return traefik.read(notes), [problem.id for problem in notes.problems]


def test_a_reference_may_mean_several() -> None:
    options, problems = read({"router.middlewares": "kube-system-auth@kubernetescrd, apps-a@kubernetescrd"})
    assert problems == []
    first, second = options.filters
    assert isinstance(first, FilterRef)
    assert isinstance(second, FilterRef)
    assert (first.target, first.others) == (
        Key("Middleware", "kube", "system-auth"),
        (Key("Middleware", "kube-system", "auth"),),
    )
    assert (second.target, second.anywhere) == (Key("Middleware", "apps", "a"), True)


@pytest.mark.parametrize("reference", ["auth@file", "auth", "auth@kubernetescrd"])
def test_what_no_manifest_holds_refuses(reference: str) -> None:
    options, problems = read({"router.middlewares": reference})
    assert problems == ["foreign-provider"]
    (refuse,) = options.filters
    assert isinstance(refuse, Refuse)
    assert refuse.status == 404


@pytest.mark.parametrize(
    ("values", "problems", "locked"),
    [
        ({"whitelist-source-range": "10.0.0.0/8"}, ["protection-unbuildable"], True),
        ({"redirect-regex": "a"}, ["unsupported-annotation"], False),
        ({"service.passhostheader": "false"}, ["unsupported-annotation"], False),
        ({"router.middleware": "a"}, ["annotation-unknown"], True),
        ({"router.tls.domains.0.main": "a.test"}, [], False),
    ],
)
def test_what_has_no_effect_is_told(values: dict[str, str], problems: list[str], locked: bool) -> None:
    options, found = read(values)
    assert found == problems
    assert bool(options.unbuildable) == locked


@pytest.mark.parametrize("name", ["router.tls.options", "router.TLS.Options"])
def test_tls_of_the_annotations(name: str) -> None:
    use = traefik.tls({TRAEFIK + name: "apps-strict@kubernetescrd"}, INGRESS, HERE)
    assert use is not None
    assert use.options == Key("TLSOption", "apps", "strict")
    unknown = traefik.tls({TRAEFIK + name: "strict@file"}, INGRESS, HERE)
    assert unknown is not None
    assert unknown.options == Key("TLSOption", "apps", "strict@file")
    assert traefik.tls({f"{TRAEFIK}router.tls": "false"}, INGRESS, HERE) is None


class Objects:
    """What a view gives of one Service and one ServersTransport."""

    def __init__(self, annotations: dict[str, str]) -> None:
        notes = tuple((TRAEFIK + name, value) for name, value in annotations.items())
        transport = Key("ServersTransport", "apps", "tls")
        self._held: dict[Key, Any] = {
            SERVICE: ServiceIntent(SERVICE, HERE, annotations=notes),
            transport: TransportIntent(transport, HERE),
        }

    def get(self, key: Key, kind: type) -> Any:
        found = self._held.get(key)
        return found if isinstance(found, kind) else None

    def exists(self, key: Key) -> bool:
        return key in self._held


def told(annotations: dict[str, str], dialect: Dialect = Dialect.INGRESS) -> service_annotations.Told:
    gateway: Any = type("Door", (), {"dialect": Dialect.TRAEFIK})()
    assert not isinstance(gateway, Gateway)
    route = RouteIntent(INGRESS, HERE, dialect, Protocol.HTTP, ClassRef(None, "ingress"), ())
    view: Any = Objects(annotations)
    return service_annotations.told(view, gateway, route, BackendRef(SERVICE, 80, HERE))


@pytest.mark.parametrize(
    ("annotations", "changed"),
    [
        ({"service.nativelb": "true"}, {"native_lb": True}),
        ({"service.passhostheader": "false"}, {"pass_host": False}),
        ({"service.ServersScheme": "HTTPS"}, {"scheme": "https"}),
        ({"service.serversscheme": "h2c"}, {"scheme": "h2c"}),
        ({"service.serverstransport": "apps-tls@kubernetescrd"}, {"transport": Key("ServersTransport", "apps", "tls")}),
    ],
)
def test_how_a_service_is_spoken_to(annotations: dict[str, str], changed: dict[str, Any]) -> None:
    found = told(annotations)
    assert {name: getattr(found.ref, name) for name in changed} == changed
    assert told(annotations, Dialect.TRAEFIK).ref == BackendRef(SERVICE, 80, HERE)


def test_a_cookie_in_full() -> None:
    cookie = "service.sticky.cookie"
    annotations = {
        cookie: "true",
        f"{cookie}.name": "s",
        "service.sticky.cookie.path": "/x",
        "service.sticky.cookie.maxage": "60",
        "service.sticky.cookie.secure": "true",
        "service.sticky.cookie.httponly": "true",
        "service.sticky.cookie.samesite": "lax",
    }
    assert told(annotations).persistence == SessionPersistence("cookie", "s", "/x", 60, True, True, "lax")
    assert told({cookie: "false"}).persistence is None


def test_mistakes_of_services() -> None:
    assert told({"service.serverstransport": "apps-gone@kubernetescrd"}).missing
    assert [p.id for p in told({"service.serversscheme": "ftp"}).problems] == ["annotation-value"]
