"""Lines are found by the longest part of a path that exists, whatever the document looks like."""

import pytest

from gatewright.base.origin import Origin, Place
from gatewright.sources.lines import FileLocator, line_of

TEXT = """---
# a comment
metadata:
  name: &n x
  labels: {a: 1,
    b: *n}
spec:
  rules:
  - host: a
    port: &n 80
  - host: b
    <<: {c: 1}
    host: c
0: zero
broken: [
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 3),
        (("metadata", "name"), 4),
        (("metadata", "labels", "b"), 6),
        (("metadata", "labels", "b", "of", "alias"), 6),
        (("spec", "rules", 0), 9),
        (("spec", "rules", 0, "port"), 10),
        (("spec", "rules", 1, "host"), 13),
        (("spec", "rules", 1, "c"), 11),
        (("spec", "rules", 2), 8),
        (("spec", "gone", "deeper"), 7),
        (("0",), 14),
    ],
)
def test_the_line_of_a_path(path: tuple[str | int, ...], line: int) -> None:
    assert line_of(TEXT, path) == line


@pytest.mark.parametrize("document", ["", "nonsense", "0123456789abcdef"])
def test_what_is_unknown_has_no_line(document: str) -> None:
    assert FileLocator({}).locate(Origin("a.yaml", document)) == Place("a.yaml", 0)
