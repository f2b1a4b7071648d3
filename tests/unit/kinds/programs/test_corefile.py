"""Corefiles: plugins, zones and what falls through."""

from __future__ import annotations

import pytest

from gatewright.base.origin import Origin
from gatewright.kinds.programs import corefile
from support.resolved import noted, said

ORIGIN = Origin("Corefile", "1")

CLUSTER = r"""
(common) {
    errors
    cache 30
}

.:53 {
    import common
    health {
        lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    hosts /etc/coredns/NodeHosts {
        10.0.0.5 nas.lan nas
        fd00::5  nas.lan
        ttl 60
        fallthrough
    }
    rewrite name old.lan nas.lan
    rewrite name exact older.lan nas.lan
    rewrite ttl regex .* 30
    prometheus :9153
    forward . 10.0.0.1 tls://9.9.9.9 {
        tls_servername dns.quad9.net
        policy sequential
        except corp.lan
    }
    forward home.lan 192.168.178.1:53
    loop
    reload
    loadbalance
}

ragas.cc, ragas.org:53 {
    import common
    k8s_gateway {
        resources HTTPRoute Service
        gatewayClasses cilium
        ingressClasses internal external
        apex exdns.kube-system
        ttl 10
        fallthrough
    }
    forward . [2606:4700:4700::1111]:53 1.1.1.1 # random
}
example.com {
    file /zones/db.example.com
}
"""


def test_a_cluster() -> None:
    config, problems = corefile.parse(CLUSTER, ORIGIN)
    assert noted(problems) == [("info", "unsupported-option", 18)]
    assert said(config) == [
        "old.lan CNAME nas.lan empty",
        "older.lan CNAME nas.lan empty",
        "nas.lan A 10.0.0.5 empty",
        "nas A 10.0.0.5 empty",
        "nas.lan AAAA fd00::5 empty",
        "home.lan -> 192.168.178.1 any",
        "ragas.cc -> 2606:4700:4700::1111 1.1.1.1 any",
        "ragas.org -> 2606:4700:4700::1111 1.1.1.1 any",
        "ragas.cc ragas.org k8s_gateway HTTPRoute Service",
        "example.com file /zones/db.example.com",
        "cluster.local cluster",
        "corp.lan own",
        "example.com own",
    ]
    assert (config.upstreams, config.order) == (("10.0.0.1", "9.9.9.9"), "first")
    names = config.gateway_names[0]
    assert (names.classes, names.ingress_classes, names.fallthrough) == (("cilium",), ("internal", "external"), True)
    assert names.origin.path == ("line", 41)


FORWARD = "forward . 10.0.0.1\n"


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (
            'k8s.example.com:53 {\n template IN A {\n answer "{{ .Name }} 60 IN A 10.0.0.50"\n }\n}',
            ["*.k8s.example.com+ A 10.0.0.50 empty", "k8s.example.com own"],
        ),
        (  # the other family goes on to forward
            'x.lan {\n template IN A {\n answer "{{ .Name }} 60 IN A 10.0.0.50"\n }\n forward . 10.0.0.1\n}',
            ["*.x.lan+ A 10.0.0.50 forward", "x.lan -> 10.0.0.1 any"],
        ),
        (
            '. {\n template IN A x.lan {\n answer "{{ .Name }} IN A 10.0.0.50"\n }\n forward . 10.0.0.1\n}',
            ["*.x.lan+ A 10.0.0.50 forward"],
        ),
        (
            ". {\n template IN ANY x.lan {\n rcode NXDOMAIN\n }\n forward . 10.0.0.1\n}",
            ["*.x.lan+ NXDOMAIN empty", "x.lan own"],
        ),
        (". {\n template IN AAAA {\n rcode NOERROR\n }\n forward . 10.0.0.1\n}", ["no AAAA"]),
        (". {\n template IN AAAA . { rcode NXDOMAIN }\n forward . 10.0.0.1\n}", ["* AAAA forward"]),
        (". {\n template IN AAAA x.lan {\n rcode NOERROR\n }\n forward . 10.0.0.1\n}", ["*.x.lan+ AAAA forward"]),
        (
            '. {\n template IN A {\n match "^a\\.x\\.lan\\.$"\n answer "{{ .Name }} A 10.0.0.1"\n }\n'
            " forward . 10.0.0.1\n}",
            ["a.x.lan A 10.0.0.1 forward"],
        ),
        (
            '. {\n template IN A {\n match (^|[.])x[.]lan[.]$\n answer "{{ .Name }} A 10.0.0.1"\n }\n'
            " forward . 10.0.0.1\n}",
            ["*.x.lan+ A 10.0.0.1 forward"],
        ),
        (
            '. {\n template IN A {\n match ".*\\.x\\.lan\\.$"\n answer "{{.Name}} 60 IN A 10.0.0.1"\n fallthrough\n }\n'
            " forward . 10.0.0.1\n}",
            ["*.x.lan A 10.0.0.1 forward"],
        ),
        (
            '. {\n template ANY ANY x.lan {\n answer "{{ .Name }} 60 IN CNAME y.lan."\n }\n forward . 10.0.0.1\n}',
            ["*.x.lan+ CNAME y.lan empty", "x.lan own"],
        ),
        ("x.lan {\n hosts {\n 10.0.0.1 a.x.lan\n }\n forward . 10.0.0.1\n}", ["a.x.lan A 10.0.0.1 empty", "x.lan own"]),
        (". {\n rewrite stop {\n name exact a.lan b.lan\n }\n forward . 10.0.0.1\n}", ["a.lan CNAME b.lan empty"]),
        ("x.lan {\n erratic\n}", ["x.lan own"]),
        (". {\n forward x.lan 10.0.0.1\n forward . /etc/resolv.conf\n}", ["x.lan -> 10.0.0.1 any"]),
        ("dns://x.lan:53 {\n forward . dns://10.0.0.1:53\n}", ["x.lan -> 10.0.0.1 any"]),
        (".:53 {\n forward . 10.0.0.1\n}\n.:5353 {\n hosts {\n 10.0.0.1 a.lan\n }\n}", []),
        ("10.0.0.0/24 {\n whoami\n}", []),
    ],
)
def test_a_block(block: str, expected: list[str]) -> None:
    config, problems = corefile.parse(block, ORIGIN)
    assert said(config) == expected
    assert [p for p in problems if p.severity == "error"] == []


def test_another_port_is_the_only_one() -> None:
    config, problems = corefile.parse(".:1053 {\n k8s_gateway x.lan {\n resources Ingress\n }\n}", ORIGIN)
    assert (said(config), problems) == (["x.lan k8s_gateway Ingress"], ())


def test_hosts_without_fallthrough_keep_every_name() -> None:
    config, problems = corefile.parse(". {\n hosts {\n 10.0.0.1 a.lan\n }\n forward . 10.0.0.2\n}", ORIGIN)
    assert config.upstreams == ()
    assert noted(problems) == [("warning", "no-fallthrough", 2)]


def test_a_name_that_belongs_to_another_block() -> None:
    text = ". {\n hosts {\n 10.0.0.1 a.x.lan\n fallthrough\n }\n forward . 10.0.0.2\n}\nx.lan {\n forward . 10.0.0.3\n}"
    config, problems = corefile.parse(text, ORIGIN)
    assert said(config) == ["x.lan -> 10.0.0.3 any"]
    assert noted(problems) == [("warning", "unreachable", 2)]


@pytest.mark.parametrize(
    ("lines", "severity", "problem_id", "line"),
    [
        ("frobnicate", "warning", "unknown-option", 2),
        ("acl {\n block\n}", "warning", "unsupported-option", 2),
        ("auto {\n directory /zones\n}", "warning", "unsupported-option", 2),
        ("rewrite name regex (.*)\\.a b", "warning", "unsupported-option", 2),
        ("rewrite name suffix .a .b", "warning", "unsupported-option", 2),
        ("rewrite stop {\n name regex (.*)\\.a b\n answer name b a\n}", "warning", "unsupported-option", 3),
        (
            "template IN A {\n match ^(a|b).x$\n answer {{ .Name }} 60 IN A 10.0.0.1\n}",
            "warning",
            "unsupported-option",
            2,
        ),
        ('template IN A {\n answer "{{ .Name }} 60 IN A {{ .Group.ip }}"\n}', "warning", "unsupported-option", 3),
        ("forward . 10.0.0.1 {\n policy randm\n}", "error", "invalid-value", 3),
        ("forward . 10.0.0.1 {\n polic random\n}", "error", "unknown-option", 3),
        ("forward .", "error", "invalid-value", 2),
        ("forward . {$UPSTREAM} 10.0.0.1", "warning", "unresolved-variable", 2),
        ("import /etc/coredns/custom/*.override", "info", "unsupported-option", 2),
        ("forward . /etc/resolv.conf", "info", "assumed-upstream", 2),
        ("k8s_gateway x.lan", "info", "assumed-resources", 2),
        ("k8s_gateway", "error", "missing-field", 2),
        ("file", "error", "missing-field", 2),
        ("hosts {\n nas 10.0.0.1\n fallthrough\n}", "error", "invalid-value", 3),
    ],
)
def test_what_is_noted(lines: str, severity: str, problem_id: str, line: int) -> None:
    _, problems = corefile.parse(f". {{\n{lines}\n}}", ORIGIN)
    assert (severity, problem_id, line) in noted(problems)


@pytest.mark.parametrize(
    ("text", "problem_id"),
    [
        (". {\n forward . 10.0.0.1\n", "syntax"),
        ("}\n", "syntax"),
        ("x.lan\n", "syntax"),
        ("(a) {\n import a\n}\n. {\n import a\n}", "syntax"),
        (". {\n a {\n b {\n c {\n d {\n e {\n}\n}\n}\n}\n}\n}", "syntax"),
        (". {\n}\n. {\n}", "duplicate-zone"),
        ("a b*c {\n}", "invalid-value"),
    ],
)
def test_broken_files(text: str, problem_id: str) -> None:
    _, problems = corefile.parse(text, ORIGIN)
    assert problem_id in [p.id for p in problems]


def test_snippets_cannot_make_the_file_explode() -> None:
    snippets = "".join(f"(s{n}) {{\n" + f"import s{n + 1}\n" * 100 + "}\n" for n in range(4))
    text = snippets + "(s4) {\n" + "errors\n" * 100 + "}\n. {\n import s0\n}"
    _, problems = corefile.parse(text, ORIGIN)
    assert "document-too-large" in [p.id for p in problems]
