"""traefik.yml, traefik.toml: the static configuration of a Traefik, as a file on its own.

It is a door: its entry points are found on the ports that they listen on.  Without a provider of Kubernetes it serves
other routes than those of manifests, and is none here.  Counterparts: `kinds.traefik.static`, what the options mean;
`graph.resolve.doors.command_lines`, for the file of a workload that is among the manifests, too.
"""

from __future__ import annotations

from gatewright.base.document import Document
from gatewright.base.problem import Severity
from gatewright.kinds.decode import Report, key_of
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.doors import DoorFileIntent
from gatewright.kinds.kind import Kind
from gatewright.kinds.programs import configtext, files
from gatewright.kinds.traefik import static, static_features


def lower(document: Document) -> Lowered:
    """Lower a static configuration."""
    report = Report(document, ())
    is_toml = document.name.endswith(".toml")
    values = static.from_text(document.name, configtext.text_of(document)) if is_toml else document.data
    if values is None:
        report.invalid("this is no TOML, so nothing of it is used")
        return report.lowered(None)
    config = static.from_mapping(values)
    static_features.judge_file(values, report, in_place=not is_toml)
    ports = {point.name: point.port for point in static.entry_points(config)}
    if not static.providers(config).used:
        message = "no provider of Kubernetes is on, so no route of the manifests is at this Traefik"
        report.add(Severity.INFO, "unsupported-field", message, ("providers",) if "providers" in values else ())
        return report.lowered(None)
    if not ports:
        return report.lowered(None)
    key = Key("IngressController", "", document.name)
    controller = static.controller(config, ports, key, document.origin)
    return report.lowered(DoorFileIntent(key_of(document), document.origin, controller))


KIND = Kind("TraefikConfig", (files.API_VERSION,), lower, namespaced=False)
