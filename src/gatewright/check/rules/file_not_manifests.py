"""A file holds manifests that are encrypted, or a template of manifests.

What SOPS or a sealed Secret holds can only be read where its key is, and what a template makes only after it was
rendered.  Such documents are passed over, and everything that refers to them is judged without them.

    sops:
      age: [...]
    data: {tls.key: ENC[AES256_GCM,...]}

Give the rendered or decrypted manifests as well if they matter to routing; certificates usually do not.

It is no fault by itself.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "file-not-manifests",
    "a file with manifests in a form that cannot be read",
    Severity.INFO,
    Scope.PROBLEM,
    __doc__,
    lifts=(
        "encrypted",
        "template",
    ),
    consequence="what it would become is not part of the answers",
    fix="give the manifests that it becomes, rendered or decrypted, instead of it",
)
