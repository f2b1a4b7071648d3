"""The values of Secrets and ConfigMaps: base64 and text by key.  No message here shows a value, ever."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from gatewright.base.sensitive import Sensitive
from gatewright.kinds.decode import Report, has_variable

Values = dict[str, Sensitive]


def encoded(raw: Any, name: str, report: Report) -> Values:
    """A mapping of base64 values, strictly checked; line breaks within are allowed as Kubernetes does."""
    values: Values = {}
    for key, value in _texts(raw, name, report):
        if value.startswith("ENC["):
            continue  # SOPS: the sources report it, once for the document
        if has_variable(value):
            hint = "give the variable a value where it is substituted (Flux: postBuild.substitute)"
            report.warning("unresolved-variable", "the value was not substituted", name, key, hint=hint)
            continue
        try:
            decoded = base64.b64decode("".join(value.split("\n")).replace("\r", ""), validate=True)
        except (binascii.Error, ValueError):
            hint = "plain text belongs into stringData" if name == "data" else "encode the value"
            report.invalid("the value is not base64", name, key, hint=hint)
            continue
        values[key] = Sensitive(decoded)
    return values


def plain(raw: Any, name: str, report: Report) -> Values:
    """A mapping of text values."""
    return {
        key: Sensitive(value.encode("utf-8", "surrogatepass"))
        for key, value in _texts(raw, name, report)
        if not value.startswith("ENC[")
    }


def _texts(raw: Any, name: str, report: Report) -> list[tuple[str, str]]:
    if raw is None:
        return []
    if not isinstance(raw, Mapping):
        report.invalid("expected a mapping of keys to text", name)
        return []
    texts = []
    for key, value in raw.items():
        if not isinstance(key, str):
            report.invalid("a key has to be text; quote it", name)
        elif value is None:
            texts.append((key, ""))
        elif not isinstance(value, str):
            report.invalid("the value has to be text", name, key, hint="put it in quotes")
        else:
            texts.append((key, value))
    return texts
