"""Problems: mistakes in one input document, as values.

A Problem is collected and printed, never raised.  Its counterpart for faults of the whole (which
need more than one document to see) is the Finding.
"""

from __future__ import annotations

import enum

from msgspec import Struct

from gatewright.base.origin import Origin


class Severity(enum.StrEnum):
    """How bad: an ERROR keeps (part of) a document from working, a WARNING changes what it means, INFO informs."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Problem(Struct, frozen=True):
    """One mistake: a stable kebab-case `id`, one sentence `message`, where, and `hint`: what to do about it.

    `snippet`: a manifest that would mend it."""

    id: str
    message: str
    origin: Origin | None = None
    severity: Severity = Severity.ERROR
    hint: str = ""
    snippet: str = ""
