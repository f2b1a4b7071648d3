"""hosts(5)."""

from __future__ import annotations

from gatewright.base.origin import Origin
from gatewright.kinds.programs import hostsfile
from support.resolved import noted, said

ORIGIN = Origin("custom.list", "1")


def test_names_with_all_their_addresses() -> None:
    text = "127.0.0.1 localhost\n# x\n10.0.0.1\tA.lan. a # mine\n10.0.0.2 a\nfd00::1 a\n"
    config, problems = hostsfile.parse(text, ORIGIN)
    assert said(config) == [
        "localhost A 127.0.0.1 forward",
        "a.lan A 10.0.0.1 forward",
        "a A 10.0.0.1 10.0.0.2 forward",
        "a AAAA fd00::1 forward",
    ]
    assert problems == ()


def test_mistakes() -> None:
    config, problems = hostsfile.parse("nas 10.0.0.1\n10.0.0.1 *.lan b_d ok-\n", ORIGIN)
    assert said(config) == ["b_d A 10.0.0.1 forward"]
    assert noted(problems) == [
        ("error", "invalid-value", 1),
        ("error", "invalid-value", 2),
        ("error", "invalid-value", 2),
    ]
