"""The Secret of a TSIG key is not there, or holds no base64.

Servers that share a zone know each other by a secret.  Without it nobody who signs with the key is let in: secondaries
keep the last copy until it expires, and changes by RFC 2136 (a challenge of cert-manager's, a record of external-dns)
are refused.  Nothing is accepted unsigned in its place.

    kind: View
    metadata: {name: public}
    spec:
      tsigKeys: [{name: to-secondary, secret: {name: tsig, key: secret}}]      # there is no Secret default/tsig

Add the Secret, with the key in base64 as `tsig-keygen` prints it.

It is no fault where the Secret is kept out of what is checked on purpose, and is there when `gatewright run` starts:
then accept it with a suppression.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _served
from gatewright.graph.sight import Sight

ID = "tsig-secret-missing"


def check(sight: Sight) -> Iterable[Finding]:
    """Every key without its secret."""
    return _served.findings(sight, ID, "who signs with the key is refused, and no secondary is told of changes")


RULE = Rule(ID, "a TSIG key without its secret", Severity.WARNING, Scope.WORLD, __doc__, check)
