"""Playbooks of the delta xDS protocol: what the client or the cache says, and what must be sent then."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from gatewright.base.observed import Ack, Nack
from gatewright.engines.envoy.delta import DeltaStream, Limits
from gatewright.engines.envoy.messages import Output, Request, Response
from gatewright.engines.envoy.resources import Change, Resources
from gatewright.engines.envoy.subscription import mentions
from gatewright.engines.envoy.types import CLUSTER, ENDPOINTS, LISTENER, SCOPE, SECRET


class Playbook:
    """One cache and one stream, as the server wires them."""

    def __init__(self, resolve: dict[str, bytes] | None = None, limits: Limits | None = None) -> None:
        self.resolvable = {} if resolve is None else resolve
        self.resources = Resources()
        self.limits = limits or Limits()
        self.reconnect()

    def reconnect(self) -> None:
        self.stream = DeltaStream(self.resources, lambda _, name: self.resolvable.get(name), self.limits)

    def set(self, type_url: str, *names: str, to: bytes = b"1", on_demand: bool = False) -> list[Output]:
        return self.apply(Change(type_url, name, to, on_demand) for name in names)

    def remove(self, type_url: str, *names: str) -> list[Output]:
        return self.apply(Change(type_url, name) for name in names)

    def apply(self, changes: Iterable[Change]) -> list[Output]:
        return self._settle(self.stream.changed(self.resources.apply(changes)))

    def ask(self, type_url: str, *names: str, drop: tuple[str, ...] = (), **versions: str) -> list[Output]:
        return self._settle(self.stream.receive(Request(type_url, names, drop, versions)))

    def ack(self, sent: Output) -> list[Output]:
        assert isinstance(sent, Response)
        return self._settle(self.stream.receive(Request(sent.type_url, nonce=sent.nonce)))

    def nack(self, sent: Output, error: str = "no") -> list[Output]:
        assert isinstance(sent, Response)
        return self._settle(self.stream.receive(Request(sent.type_url, nonce=sent.nonce, error=error)))

    def version(self, type_url: str, name: str) -> str:
        resource = self.resources.get(type_url, name)
        assert resource is not None
        return resource.version

    def _settle(self, outputs: list[Output]) -> list[Output]:
        for output in outputs:
            if isinstance(output, Nack) and self.resources.refuse(output.type_url, output.name, output.version):
                outputs = [*outputs, *self.stream.changed({output.type_url: [output.name]})]
            elif isinstance(output, Ack):
                self.resources.accept(output.type_url, output.versions)
        return outputs


def sent(outputs: list[Output]) -> list[tuple[str, list[str], list[str]]]:
    """The responses: type, upserts, removals."""
    return [
        (output.type_url, [resource.name for resource in output.resources], list(output.removed))
        for output in outputs
        if isinstance(output, Response)
    ]


def last(outputs: list[Output]) -> Response:
    output = outputs[-1]
    assert isinstance(output, Response)
    return output


def nacks(outputs: list[Output]) -> list[str]:
    return [output.name for output in outputs if isinstance(output, Nack)]


def test_nothing_is_said_before_the_cache_is_filled() -> None:
    """A control plane that just started must not tell an Envoy that all it has is gone."""
    book = Playbook()
    assert book.ask(CLUSTER, a="1") == []
    outputs = book.set(CLUSTER, "b")
    assert sent(outputs) == [(CLUSTER, ["b"], ["a"])]


def test_empty_first_request_is_a_wildcard_and_is_always_answered() -> None:
    book = Playbook()
    book.apply([])
    first = book.ask(LISTENER)
    assert sent(first) == [(LISTENER, [], [])]
    book.ack(last(first))
    assert sent(book.set(LISTENER, "l")) == [(LISTENER, ["l"], [])]


def test_empty_first_request_for_a_named_type_asks_for_nothing() -> None:
    book = Playbook()
    book.set(SECRET, "s")
    assert book.ask(SECRET) == []


def test_on_demand_resources_are_no_part_of_the_wildcard() -> None:
    book = Playbook()
    book.set(CLUSTER, "always")
    book.set(CLUSTER, "asked", on_demand=True)
    first = book.ask(CLUSTER)
    assert sent(first) == [(CLUSTER, ["always"], [])]
    book.ack(last(first))
    asked = book.ask(CLUSTER, "asked")
    assert sent(asked) == [(CLUSTER, ["asked"], [])]
    book.ack(last(asked))
    assert sent(book.remove(CLUSTER, "asked")) == [(CLUSTER, [], ["asked"])]


def test_only_changed_bytes_are_sent() -> None:
    book = Playbook()
    book.set(SCOPE, "a", "b")
    book.ack(last(book.ask(SCOPE)))
    assert sent(book.set(SCOPE, "a")) == []
    assert sent(book.set(SCOPE, "a", to=b"2")) == [(SCOPE, ["a"], [])]


def test_changes_while_a_response_is_in_flight_are_merged() -> None:
    book = Playbook()
    book.set(SCOPE, "a")
    flying = last(book.ask(SCOPE))
    assert book.set(SCOPE, "a", to=b"2") == []
    assert book.set(SCOPE, "a", to=b"3") == []
    assert book.set(SCOPE, "b") == []
    outputs = book.ack(flying)
    assert sent(outputs) == [(SCOPE, ["a", "b"], [])]
    assert last(outputs).resources[0].version == book.version(SCOPE, "a")


def test_going_back_while_a_response_is_in_flight_is_sent_too() -> None:
    book = Playbook()
    book.set(SCOPE, "a")
    book.ack(last(book.ask(SCOPE)))
    flying = last(book.set(SCOPE, "a", to=b"2"))
    assert book.set(SCOPE, "a", to=b"1") == []
    assert sent(book.ack(flying)) == [(SCOPE, ["a"], [])]


def test_unknown_name_is_answered_at_once_and_told_when_it_comes() -> None:
    book = Playbook()
    book.apply([])
    unknown = book.ask(SECRET, "s")
    assert sent(unknown) == [(SECRET, [], ["s"])]
    book.ack(last(unknown))
    assert sent(book.set(SECRET, "s")) == [(SECRET, ["s"], [])]


def test_a_name_asked_for_again_is_sent_again() -> None:
    book = Playbook()
    book.set(SECRET, "s")
    book.ack(last(book.ask(SECRET, "s")))
    assert sent(book.ask(SECRET, "s")) == [(SECRET, ["s"], [])]


def test_unsubscribed_names_are_not_followed() -> None:
    book = Playbook()
    book.set(SECRET, "s")
    book.ack(last(book.ask(SECRET, "s")))
    assert book.ask(SECRET, drop=("s",)) == []
    assert sent(book.set(SECRET, "s", to=b"2")) == []


def test_a_resolver_makes_names_on_demand_and_anew_on_refresh() -> None:
    book = Playbook({"a.example.com": b"wildcard"})
    book.apply([])
    made = book.ask(SECRET, "a.example.com", "b.example.net")
    assert sent(made) == [(SECRET, ["a.example.com"], ["b.example.net"])]
    book.ack(last(made))
    assert sorted(book.stream.on_demand_names(SECRET)) == ["a.example.com", "b.example.net"]
    book.resolvable["b.example.net"] = b"other"
    refreshed = book.stream.changed({SECRET: book.stream.on_demand_names(SECRET)})
    assert sent(refreshed) == [(SECRET, ["b.example.net"], [])]
    book.ack(last(refreshed))
    assert sent(book.set(SECRET, "a.example.com", to=b"its own")) == [(SECRET, ["a.example.com"], [])]


def test_secrets_made_on_demand_are_bounded() -> None:
    book = Playbook({f"{number}.x": b"w" for number in range(3)}, Limits(resolved=2))
    book.apply([])
    for number in range(2):
        book.ack(last(book.ask(SECRET, f"{number}.x")))
    assert sent(book.ask(SECRET, "2.x")) == [(SECRET, ["2.x"], ["0.x"])]


def test_forgotten_unknown_names_are_still_told_when_they_come() -> None:
    book = Playbook(limits=Limits(unknown=2))
    book.apply([])
    book.ack(last(book.ask(CLUSTER)))
    for number in range(3):
        book.ack(last(book.ask(CLUSTER, f"{number}")))
    assert sent(book.set(CLUSTER, "0", on_demand=True)) == [(CLUSTER, ["0"], [])]


def test_reconnect_sends_only_what_differs() -> None:
    book = Playbook()
    book.set(SCOPE, "same", "changed", "new")
    outputs = book.ask(SCOPE, same=book.version(SCOPE, "same"), changed="old", gone="old")
    assert sent(outputs) == [(SCOPE, ["changed", "new"], ["gone"])]


def test_reconnect_of_an_envoy_that_is_up_to_date_says_nothing() -> None:
    book = Playbook()
    book.set(SECRET, "s")
    book.set(LISTENER, "l")
    assert book.ask(SECRET, "s", s=book.version(SECRET, "s")) == []
    assert book.ask(LISTENER, l=book.version(LISTENER, "l")) == []


def test_routes_wait_until_envoy_has_the_new_clusters_endpoints() -> None:
    book = Playbook()
    book.apply([])
    for type_url in (CLUSTER, SCOPE):
        book.ack(last(book.ask(type_url)))
    change = [Change(SCOPE, "r", b"r"), Change(ENDPOINTS, "c", b"e"), Change(CLUSTER, "c", b"c")]
    clusters = book.apply(change)
    assert sent(clusters) == [(CLUSTER, ["c"], [])]
    assert sent(book.ack(last(clusters))) == []
    endpoints = book.ask(ENDPOINTS, "c")
    assert sent(endpoints) == [(ENDPOINTS, ["c"], [])]
    assert sent(book.ack(last(endpoints))) == [(SCOPE, ["r"], [])]


def test_a_changed_cluster_is_given_its_endpoints_again() -> None:
    book = Playbook()
    book.apply([Change(CLUSTER, "c", b"1"), Change(ENDPOINTS, "c", b"e")])
    book.ack(last(book.ask(CLUSTER)))
    book.ack(last(book.ask(ENDPOINTS, "c")))
    assert sent(book.set(CLUSTER, "c", to=b"2")) == [(CLUSTER, ["c"], []), (ENDPOINTS, ["c"], [])]


def test_routes_do_not_wait_for_ever() -> None:
    book = Playbook()
    book.apply([])
    book.ack(last(book.ask(CLUSTER)))
    book.ack(last(book.ask(SCOPE)))
    change = [Change(SCOPE, "r", b"r"), Change(ENDPOINTS, "c", b"e"), Change(CLUSTER, "c", b"c")]
    book.ack(last(book.apply(change)))
    assert book.stream.is_warming
    assert sent(book.stream.release()) == [(SCOPE, ["r"], [])]


def test_a_cluster_is_removed_after_the_routes_that_used_it() -> None:
    book = Playbook()
    book.apply([Change(CLUSTER, "c", b"1"), Change(SCOPE, "r", b"to c"), Change(SCOPE, "q", b"q")])
    book.ack(last(book.ask(CLUSTER)))
    book.ack(last(book.ask(SCOPE)))
    routes = book.apply([Change(CLUSTER, "c"), Change(SCOPE, "r", b"elsewhere"), Change(SCOPE, "q")])
    assert sent(routes) == [(SCOPE, ["r"], ["q"])]
    assert sent(book.ack(last(routes))) == [(CLUSTER, [], ["c"])]


def test_a_steady_stream_of_changes_does_not_hold_up_a_removal() -> None:
    book = Playbook()
    book.apply([Change(CLUSTER, "c", b"1"), Change(SCOPE, "r", b"0")])
    book.ack(last(book.ask(CLUSTER)))
    book.ack(last(book.ask(SCOPE)))
    flying = last(book.apply([Change(CLUSTER, "c"), Change(SCOPE, "r", b"1")]))
    book.set(SCOPE, "r2", to=b"2")
    assert sent(book.ack(flying)) == [(CLUSTER, [], ["c"]), (SCOPE, ["r2"], [])]


def test_nack_that_names_the_culprit_tries_it_alone_and_the_rest_goes_live() -> None:
    book = Playbook()
    book.set(CLUSTER, "good", "bad", "bad.too.long")
    rest = book.nack(last(book.ask(CLUSTER)), "Error adding/updating cluster(s) bad: nonsense")
    assert sent(rest) == [(CLUSTER, ["good", "bad.too.long"], [])]
    alone = book.ack(last(rest))
    assert sent(alone) == [(CLUSTER, ["bad"], [])]
    done = book.nack(last(alone), "dump of it\n: nonsense")
    assert done == [Nack(CLUSTER, "bad", done[0].version if isinstance(done[0], Nack) else "", "nonsense")]
    assert [held.name for held in book.resources.held()] == ["bad"]


def test_a_culprit_stays_at_its_last_good_version_until_its_bytes_change() -> None:
    book = Playbook()
    book.set(SCOPE, "r", to=b"good")
    book.ack(last(book.ask(SCOPE)))
    good = book.version(SCOPE, "r")
    refused = book.nack(last(book.set(SCOPE, "r", to=b"bad")))
    assert nacks(refused) == ["r"]
    assert sent(refused) == []
    assert book.version(SCOPE, "r") == good
    assert sent(book.set(SCOPE, "r", to=b"bad")) == []
    assert sent(book.set(SCOPE, "r", to=b"fixed")) == [(SCOPE, ["r"], [])]


def test_a_scope_that_was_refused_beside_a_culprit_is_sent_again_in_other_bytes() -> None:
    """Envoy may have noted it without serving it, and would take the same bytes for old news."""
    book = Playbook()
    book.apply([])
    book.ack(last(book.ask(SCOPE)))
    first = last(book.set(SCOPE, "innocent", "bad"))
    (before,) = [one for one in first.resources if one.name == "innocent"]
    again = last(book.nack(first, "bad is bad"))
    assert [one.name for one in again.resources] == ["innocent"]
    assert again.resources[0].frame != before.frame
    assert again.resources[0].version == before.version
    book.nack(last(book.ack(again)))
    # Once it was taken, its next version is sent as it is.
    later = last(book.set(SCOPE, "innocent", to=b"2"))
    assert later.resources[0] == book.resources.get(SCOPE, "innocent")


def test_a_restarted_envoy_gets_the_last_good_version() -> None:
    book = Playbook()
    book.set(SCOPE, "r", to=b"good")
    book.ack(last(book.ask(SCOPE)))
    good = book.version(SCOPE, "r")
    book.nack(last(book.set(SCOPE, "r", to=b"bad")))
    book.reconnect()
    assert last(book.ask(SCOPE)).resources[0].version == good


def test_a_restarted_control_plane_does_not_take_back_what_it_cannot_replace() -> None:
    """It knows only the bad version; Envoy still holds a good one of before."""
    book = Playbook()
    book.set(SCOPE, "r", to=b"bad")
    outputs = book.nack(last(book.ask(SCOPE, r="good of before")))
    assert nacks(outputs) == ["r"]
    assert sent(outputs) == []
    assert sent(book.set(SCOPE, "other")) == [(SCOPE, ["other"], [])]


def test_an_old_route_that_is_held_keeps_its_cluster() -> None:
    book = Playbook()
    book.apply([Change(CLUSTER, "c", b"1"), Change(SCOPE, "r", b"to c")])
    book.ack(last(book.ask(CLUSTER)))
    book.ack(last(book.ask(SCOPE)))
    refused = book.nack(last(book.apply([Change(CLUSTER, "c"), Change(SCOPE, "r", b"bad")])))
    assert sent(refused) == []
    fixed = book.set(SCOPE, "r", to=b"fixed")
    assert sent(book.ack(last(fixed))) == [(CLUSTER, [], ["c"])]


def test_a_refused_secret_that_someone_waits_for_is_answered() -> None:
    book = Playbook()
    book.set(SECRET, "s", to=b"bad")
    outputs = book.nack(last(book.ask(SECRET, "s")))
    assert nacks(outputs) == ["s"]
    assert sent(outputs) == [(SECRET, [], ["s"])]


def test_good_changes_go_on_while_culprits_are_sought() -> None:
    book = Playbook()
    book.set(SCOPE, *(f"r{number}" for number in range(8)))
    half = book.nack(last(book.ask(SCOPE)))
    book.set(SCOPE, "new")
    assert sent(book.nack(last(half))) == [(SCOPE, ["new"], [])]


def test_stale_nonces_are_ignored() -> None:
    book = Playbook()
    book.set(SCOPE, "a")
    first = last(book.ask(SCOPE))
    book.ack(first)
    second = last(book.set(SCOPE, "a", to=b"2"))
    assert book.nack(first) == []
    assert [type(output) for output in book.ack(second)] == [Ack]


def test_names_in_messages() -> None:
    assert mentions("Error adding/updating cluster(s) a, b: no", "a")
    assert mentions('name: "http|a.example.com"', "http|a.example.com")
    assert not mentions("cluster b.a.example.com: no", "a.example.com")
    assert not mentions("bad cat", "a")


NAMES = [f"r{number}" for number in range(40)]


@given(bad=st.sets(st.sampled_from(NAMES)), named=st.booleans())
def test_isolation_finds_exactly_the_culprits(bad: set[str], named: bool) -> None:
    """Whatever the client refuses, everything else goes live, and it ends."""
    book = Playbook()
    book.set(SCOPE, *NAMES)
    outputs = book.ask(SCOPE)
    live: set[str] = set()
    blamed: list[str] = []
    for _ in range(40 * 12):
        responses = [output for output in outputs if isinstance(output, Response)]
        if not responses:
            break
        names = [resource.name for resource in responses[0].resources]
        culprits = [name for name in names if name in bad]
        if culprits:
            outputs = book.nack(responses[0], f"r1, {culprits[0]}: no" if named else "no")
        else:
            live.update(names)
            outputs = book.ack(responses[0])
        blamed.extend(nacks(outputs))
    assert live == set(NAMES) - bad
    assert sorted(blamed) == sorted(bad)
