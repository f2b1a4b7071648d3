"""A file or document is no YAML, or breaks the limits of what is read.

Where YAML is broken the whole document is lost, and with a tool that stops at the first mistake everything after it.
A key that stands twice is worse: parsers take the last one, so half of what the author wrote is silently gone.

    metadata:
      name: shop
      labels: {app: shop}
      labels: {team: web}        # a key twice: app is lost

Correct the line that is named.  Files above 64 MiB, documents nested deeper than any real one, and aliases that blow up
are not read at all.

A gateway that is running keeps the last good version of what can no longer be read, and says so; the next start has
none to keep.

It is no fault when the file is a template (Helm, Jinja): give the rendered manifests instead, or leave it out.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "unreadable-file",
    "a file that cannot be read as manifests",
    Severity.ERROR,
    Scope.PROBLEM,
    __doc__,
    lifts=(
        "held",
        "held-back",
        "input-gone",
        "unreadable",
        "yaml-syntax",
        "yaml-key",
        "yaml-tag",
        "alias-bomb",
        "control-character",
        "duplicate-key",
        "merge-key",
        "unknown-anchor",
        "document-too-deep",
        "document-too-large",
        "file-too-large",
        "values-too-large",
        "not-utf8",
        "more-problems",
    ),
    consequence="nothing of what stands there is looked at, here or in the cluster",
    fix="correct the file until it reads as YAML, or take it out of the input",
)
