"""A `${VARIABLE}` stands in a document, and nothing in the input gives it a value.

Flux puts values in after reading (postBuild.substitute and substituteFrom).  A name that nobody substitutes reaches the
cluster as it is: with a misspelt variable Flux puts in nothing at all, and a host becomes `app.`.

    spec:
      rules:
        - host: app.${DOMAIN}

Give the Flux Kustomization and the ConfigMap or Secret with the values among the input, or a default:
`${DOMAIN:=example.com}`.

It is no fault when the values are in an encrypted Secret: what depends on them is then unknown here.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "unresolved-variable",
    "a variable that nobody gives a value",
    Severity.WARNING,
    Scope.PROBLEM,
    __doc__,
    lifts=("unresolved-variable",),
    consequence="the text is taken as it stands, and a name or number with it is none",
    fix="give the variable a value where the text is put in, or write the value",
)
