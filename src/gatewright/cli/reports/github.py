"""Annotations that GitHub Actions shows beside the lines (workflow commands)."""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.cli.reports.shown import Located, Shown, relative

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def render(shown: Shown) -> str:
    """One line per finding."""
    return "\n".join(_line(item) for item in shown.findings)


def _line(item: Located) -> str:
    finding, place = item.finding, item.places[0]
    properties = [f"file={_property(relative(place.file))}"]
    if place.line:
        properties.append(f"line={place.line}")
    properties.append(f"title={_property(finding.id)}")
    told = [finding.message, finding.consequence, finding.fix and f"Fix: {finding.fix}"]
    return f"::{_COMMANDS[finding.severity]} {','.join(properties)}::{_data(chr(10).join(filter(None, told)))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
