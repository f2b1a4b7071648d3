from gatewright.base.hostnames import Depth
from gatewright.base.origin import Origin
from gatewright.graph.listeners import PLAIN, TLS, UDP, Listeners, differing
from gatewright.graph.nodes import Listener
from gatewright.kinds.intents.routing import Protocol

ORIGIN = Origin("f.yaml")


def listener(
    name: str, hostname: str = "*", protocol: Protocol = Protocol.HTTP, port: int = 80, **more: object
) -> Listener:
    tls = protocol in (Protocol.HTTPS, Protocol.TLS)
    return Listener(name, port, protocol, hostname, ORIGIN, tls=tls, **more)  # type: ignore[arg-type]


def test_a_name_belongs_to_the_most_specific_listener_of_its_port() -> None:
    index = Listeners(
        (listener("any"), listener("wild", "*.x.test"), listener("exact", "a.x.test"), listener("o", "*", port=81))
    )
    owners = {
        name: index.owner(80, PLAIN, name, Depth.MANY) for name in ("a.x.test", "b.c.x.test", "*.x.test", "y", "*")
    }
    assert owners == {"a.x.test": "exact", "b.c.x.test": "wild", "*.x.test": "wild", "y": "any", "*": "any"}
    assert index.owner(80, TLS, "a.x.test", Depth.MANY) is None
    assert index.owner(82, PLAIN, "a.x.test", Depth.MANY) is None


def test_what_is_spoken_keeps_listeners_apart() -> None:
    index = Listeners(
        (listener("dns", protocol=Protocol.UDP), listener("web"), listener("secure", protocol=Protocol.HTTPS))
    )
    assert [index.owner(80, spoken, "*", Depth.MANY) for spoken in (UDP, PLAIN, TLS)] == ["dns", "web", "secure"]


def test_a_listener_in_conflict_owns_nothing() -> None:
    index = Listeners((listener("out", "a.x.test", conflict="HostnameConflict"), listener("any")))
    assert index.owner(80, PLAIN, "a.x.test", Depth.MANY) == "any"


def test_a_change_of_one_of_many_listeners_touches_that_one() -> None:
    many = tuple(listener(f"l{n}", f"h{n}.test") for n in range(1000))
    more = (*many, listener("new", "new.test"))
    assert differing("gw", Listeners(many), Listeners(more)) == {
        ("listener", "gw", "new"),
        ("owner", "gw", 80, PLAIN, "new.test"),
    }
    assert differing("gw", Listeners(many), Listeners(many)) == set()
