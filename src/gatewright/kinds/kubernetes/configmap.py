"""ConfigMap: of interest here for certificates of authorities (`ca.crt`); treated like a Secret."""

from __future__ import annotations

from gatewright.base.document import Document
from gatewright.kinds.decode import Ignored, Object, Report, decode, key_of
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.material import SecretIntent
from gatewright.kinds.kind import Kind
from gatewright.kinds.kubernetes import values
from gatewright.kinds.traefik import static, static_features


class ConfigMap(Object, frozen=True, kw_only=True):
    data: Ignored = None
    binary_data: Ignored = None
    immutable: Ignored = None
    sops: Ignored = None


def lower(document: Document) -> Lowered:
    """Lower a ConfigMap."""
    config_map, problems = decode(document, ConfigMap)
    report = Report(document, problems)
    if config_map is None:
        return report.lowered(None)
    data = values.plain(config_map.data, "data", report)
    data |= values.encoded(config_map.binary_data, "binaryData", report)
    for name in static.FILES:
        if name in data:
            text = data[name].reveal().decode("utf-8", "replace")
            values_of_file = static.from_text(name, text)
            if values_of_file is not None:
                static_features.judge_file(values_of_file, report, "data", name, in_place=False)
    items = tuple((key, data[key]) for key in sorted(data))
    return report.lowered(SecretIntent(key_of(document), document.origin, "ConfigMap", items))


KIND = Kind("ConfigMap", ("v1",), lower)
