"""Where gateways listen: addresses of their own, ports as described where they can be had, and nothing ever moves."""

import socket

import pytest

from gatewright.base.errors import UsageError
from gatewright.engines.envoy.bindings import PortKey, Socket
from gatewright.graph.nodes import Gateway
from gatewright.runtime.addresses import TAKEN, Assignment, Loopback, OnSite, Placed, Reservations, probe
from support.compiled import gateway, http_port


class Machine:
    """Sockets that cannot be bound, and why."""

    def __init__(self, **refused: str) -> None:
        self.refused = {name.removeprefix("p"): why for name, why in refused.items()}
        self.asked: list[Socket] = []

    def __call__(self, where: Socket, udp: bool) -> str:
        self.asked.append(where)
        return self.refused.get(str(where.port), "")


def everybody(address: str) -> bool:
    return True


def named(*gateways: Gateway) -> dict[str, Gateway]:
    return {one.id: one for one in gateways}


EDGE = gateway(http_port(80), http_port(443), identity="infra/edge")
INNER = gateway(http_port(80), identity="infra/inner")


def at(placed: Placed) -> dict[tuple[str, int], tuple[str, int]]:
    return {(key.gateway, key.port): (one.address, one.port) for key, (one,) in placed.sockets.items()}


def test_each_gateway_has_an_address_of_its_own_and_its_described_ports() -> None:
    placed = Loopback(Assignment(), everybody, test=Machine()).place(named(EDGE, INNER))
    assert at(placed) == {
        ("infra/edge", 80): ("127.20.0.1", 80),
        ("infra/edge", 443): ("127.20.0.1", 443),
        ("infra/inner", 80): ("127.20.0.2", 80),
    }
    assert placed.problems == ()


def test_low_ports_that_need_privileges_have_usual_stand_ins_without_a_word() -> None:
    machine = Machine(p80="needs privileges", p443="needs privileges")
    placed = Loopback(Assignment(), everybody, test=machine).place(named(EDGE))
    assert [local[1] for local in at(placed).values()] == [8080, 8443]
    assert placed.problems == ()


def test_a_taken_port_is_replaced_and_that_is_told_as_long_as_it_lasts() -> None:
    loopback = Loopback(Assignment(), everybody, test=Machine(p80=TAKEN, p8080=TAKEN))
    for placed in (loopback.place(named(INNER)), loopback.place(named(INNER))):
        ((_, number),) = at(placed).values()
        assert number not in (80, 8080)
        (problem,) = placed.problems
        assert problem.id == "port-moved"
        assert str(number) in problem.message


def test_a_stand_in_never_takes_the_place_of_another_port() -> None:
    both = gateway(http_port(80), http_port(8080), identity="infra/both")
    placed = Loopback(Assignment(), everybody, test=Machine(p80="needs privileges")).place(named(both))
    assert len(set(at(placed).values())) == 2


def test_what_is_placed_stays_although_better_became_free() -> None:
    machine = Machine(p80=TAKEN)
    loopback = Loopback(Assignment(), everybody, test=machine)
    before = at(loopback.place(named(INNER)))
    machine.refused.clear()
    machine.asked.clear()
    assert at(loopback.place(named(INNER))) == before
    assert machine.asked == []


def test_nothing_is_free() -> None:
    class Full(Machine):
        def __call__(self, where: Socket, udp: bool) -> str:
            return TAKEN

    placed = Loopback(Assignment(), everybody, test=Full()).place(named(INNER))
    assert placed.sockets == {}
    assert [problem.id for problem in placed.problems] == ["port-unavailable"]


def test_the_next_run_has_the_same_addresses_unless_another_run_has_them() -> None:
    assignment = Assignment()
    Loopback(assignment, everybody, test=Machine()).place(named(INNER))
    again = Loopback(assignment, everybody, test=Machine()).place(named(EDGE, INNER))
    assert at(again)["infra/inner", 80] == ("127.20.0.1", 80)
    beside = Loopback(assignment, lambda address: address != "127.20.0.1", test=Machine()).place(named(INNER))
    assert at(beside)["infra/inner", 80] != ("127.20.0.1", 80)


def test_sockets_of_an_envoy_that_was_taken_over_are_not_probed() -> None:
    assignment = Assignment({"infra/inner": "127.20.0.9"}, {"infra/inner|80|tcp": 8080})
    machine = Machine(p8080=TAKEN)
    placed = Loopback(assignment, lambda _: False, taken_over=True, test=machine).place(named(INNER))
    assert at(placed) == {("infra/inner", 80): ("127.20.0.9", 8080)}
    assert machine.asked == []


def test_a_reserved_address_is_one_runs_alone_until_it_ends() -> None:
    one, other = Reservations(), Reservations()
    address = "127.20.255.254"
    try:
        assert one.take(address)
        assert one.take(address)
        assert not other.take(address)
        one.close()
        assert other.take(address)
    finally:
        one.close()
        other.close()


def test_on_site_means_the_described_addresses_of_this_machine() -> None:
    here = gateway(http_port(80), identity="infra/here", addresses=("127.0.0.1", "lb.example.com"))
    placed = OnSite(test=Machine()).place(named(here, INNER))
    assert dict(placed.sockets) == {PortKey("infra/here", 80): (Socket("127.0.0.1", 80),)}
    assert [problem.id for problem in placed.problems] == ["address-elsewhere"]


def test_on_site_needs_something_to_bind_only_at_the_start() -> None:
    with pytest.raises(UsageError, match="infra/inner has no address on this machine"):
        OnSite(test=Machine()).place(named(INNER))
    here = gateway(http_port(80), identity="infra/inner", addresses=("127.0.0.1",))
    placing = OnSite(test=Machine())
    placing.place(named(here))
    assert placing.place(named(INNER)).sockets == {}


def test_on_site_our_own_sockets_are_not_probed_again() -> None:
    here = gateway(http_port(80), identity="infra/here", addresses=("127.0.0.1",))
    machine = Machine()
    placing = OnSite(test=machine)
    before = placing.place(named(here))
    machine.refused["80"] = TAKEN
    assert placing.place(named(here)) == before
    taken_over = OnSite(taken_over=True, test=machine)
    assert taken_over.place(named(here)) == before


def test_on_site_one_socket_has_one_gateway() -> None:
    one, two = (gateway(http_port(80), identity=f"infra/{name}", addresses=("127.0.0.1",)) for name in ("one", "two"))
    placed = OnSite(test=Machine()).place(named(two, one))
    assert [key.gateway for key in placed.sockets] == ["infra/one"]
    (problem,) = placed.problems
    assert "infra/one" in problem.message


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_probe_tells_free_from_taken(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        taken = socket.create_server((address, 0), family=family)
    except OSError:
        pytest.skip(f"no {address} here")
    with taken:
        where = Socket(address, taken.getsockname()[1])
        assert probe(where, False) == TAKEN
    assert probe(where, False) == ""
