"""Secret: certificates with their keys, password files.  Values are Sensitive and never part of a message."""

from __future__ import annotations

from gatewright.base.document import Document
from gatewright.kinds.decode import Ignored, Object, Report, decode, key_of
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.material import SecretIntent
from gatewright.kinds.kind import Kind
from gatewright.kinds.kubernetes import values


class Secret(Object, frozen=True, kw_only=True):
    type: str = "Opaque"
    # Checked by hand, so that no value can get into a message about wrong types.
    data: Ignored = None
    string_data: Ignored = None
    immutable: Ignored = None
    sops: Ignored = None


def lower(document: Document) -> Lowered:
    """Lower a Secret; what SOPS has encrypted counts as absent (the sources say so)."""
    secret, problems = decode(document, Secret)
    report = Report(document, problems)
    if secret is None:
        return report.lowered(None)
    data = values.encoded(secret.data, "data", report)
    data |= values.plain(secret.string_data, "stringData", report)
    return report.lowered(
        SecretIntent(key_of(document), document.origin, secret.type, tuple((key, data[key]) for key in sorted(data)))
    )


KIND = Kind("Secret", ("v1",), lower)
