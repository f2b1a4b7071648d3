"""What is told: Problems in one line each, refusals in the user's terms."""

from msgspec import structs

from gatewright.base import keypair
from gatewright.base.origin import Origin, Place
from gatewright.base.problem import Problem, Severity
from gatewright.base.sensitive import Sensitive
from gatewright.engines.envoy import names
from gatewright.engines.envoy.bindings import Bindings, PortKey, Socket
from gatewright.engines.envoy.types import CLUSTER, LISTENER, SCOPE
from gatewright.graph.builder import empty_graph
from gatewright.graph.nodes import Certificate, Family, VirtualHostKey
from gatewright.kinds.identity import Key
from gatewright.runtime import report
from gatewright.runtime.report import Refusal
from support import compiled as c
from support import keys


class Lines:
    """Every document starts at line 7."""

    def locate(self, origin: Origin) -> Place:
        return Place(origin.file, 7 if origin.document else 0)


BROKEN = Problem("yaml-syntax", "not YAML", Origin("a.yaml", "1"), Severity.ERROR, "close the bracket")
HELD = Problem("held", "the last good version stays live", Origin("a.yaml"), Severity.WARNING)
ELSEWHERE = Problem("held-back", "Route x is unusable", Origin("b.yaml", "2"), Severity.WARNING)


def test_that_something_stays_live_is_told_with_what_caused_it() -> None:
    (fault,) = report.faults([HELD, BROKEN], Lines())
    assert (fault.file, fault.line, fault.hint) == ("a.yaml", 7, "close the bracket")
    assert fault.message == "not YAML; its last good version stays live"


def test_and_alone_where_its_cause_was_told_before() -> None:
    assert [fault.id for fault in report.faults([BROKEN, ELSEWHERE], Lines())] == ["yaml-syntax", "held-back"]


def test_an_error_rather_than_a_warning_is_the_cause() -> None:
    warning = Problem("unknown-field", "x is unknown", Origin("a.yaml", "1"), Severity.WARNING)
    notes = {fault.id: "stays live" in fault.message for fault in report.faults([warning, BROKEN, HELD], Lines())}
    assert notes == {"unknown-field": False, "yaml-syntax": True}


def test_refusals_are_named_as_users_name_things() -> None:
    graph = c.graph([c.gateway(c.http_port(), identity="infra/edge")], [], [])
    host = VirtualHostKey("infra/edge", 80, Family.HTTP, "a.example.com")
    refusals = [
        Refusal(SCOPE, names.scope(host), "bad\n  regex", True),
        Refusal(LISTENER, names.listener("infra/edge", 80, udp=False), "taken", False),
        Refusal(CLUSTER, "gone/away:80", "odd", False),
    ]
    scope, listener, cluster = report.refused(refusals, graph, Lines())
    assert (scope.name, scope.message, scope.served) == ("a.example.com:80 on infra/edge", "bad regex", True)
    assert listener.name == "port 80 of infra/edge"
    assert listener.file == c.ORIGIN.file
    assert cluster.name == "gone/away:80"
    line = report.refused_fault(scope)
    assert (line.severity, "stays live" in line.message) == ("error", True)
    assert "not served" in report.refused_fault(listener).message


def test_a_refusal_of_what_is_gone_from_the_graph_is_still_told() -> None:
    (one,) = report.refused([Refusal(SCOPE, "infra/edge|80|http|a.example.com", "bad", False)], empty_graph(), Lines())
    assert one.message == "bad"


def test_our_authority_is_named_only_where_it_has_signed() -> None:
    key = Key("Secret", "infra", "edge")
    pair = keys.pair("a.example.com")
    private = Sensitive(pair.key_pem)
    theirs = Certificate(key, c.ORIGIN, pair.cert_pem, private, keypair.inspect(pair.cert_pem, pair.key_pem, keys.NOW))
    where = PortKey(c.GATEWAY, 443, udp=False)
    bindings = Bindings({where: (Socket("127.20.0.1", 8443),)})
    door = c.gateway(c.tls_port(), listeners=[c.tls_listener()])
    host = c.host("a.example.com", c.entry(c.to("web")), family=Family.HTTPS, port=443)
    (ours,) = report.listening(c.graph([door], [host]), bindings, "/ca.crt")
    assert ours.ca_file == "/ca.crt"
    assert report.curl(ours) == "curl --cacert /ca.crt --connect-to ::127.20.0.1:8443 https://a.example.com/"
    graph = c.graph([door], [structs.replace(host, certificates=(key,))], certificates={key: theirs})
    (other,) = report.listening(graph, bindings, "/ca.crt")
    assert other.ca_file == ""
    assert report.curl(other) == "curl --connect-to ::127.20.0.1:8443 https://a.example.com/"
