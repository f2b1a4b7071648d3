"""Configuration files of other programs among the manifests: which file is whose.

A Corefile, a WireGuard configuration or the values of a Helm chart decide where requests go as much as an Ingress
does.  They become Documents like any other, in a group of their own, named by their path.  Some are told by their
name, some only by what they say; a file that merely might be one and is none is nobody's business and no Problem.
What they mean is for `kinds`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

API_VERSION = "files.gatewright.dev/v1"

_INTERFACE = re.compile(r"^[ \t]*\[Interface\][ \t]*(?:[#;].*)?$", re.MULTILINE | re.IGNORECASE)
_ZONE = re.compile(r"^\$(?:ORIGIN|TTL)\b|^[^;\n]*\sSOA\s", re.MULTILINE)
_VALUES = re.compile(r"(?:values.*|.*-values)\.ya?ml")
_YAML_OR_JSON = (".yaml", ".yml", ".json")


def is_foreign(api_version: str) -> bool:
    """Is this a document of a configuration file, which no Kustomization has a hold on?"""
    return api_version == API_VERSION


def may_be_text(name: str) -> bool:
    """May a file of this name be one of the configuration files that are no YAML?"""
    if name.endswith(_YAML_OR_JSON):
        return False
    return name.endswith((".conf", ".corefile", ".wg", ".zone", "traefik.toml")) or name.startswith(("Corefile", "db."))


def text_kind(path: str, text: str) -> str:
    """The kind of a configuration file that is no YAML, "" when it is none that we know."""
    folder, name = posixpath.split(path)
    if not may_be_text(name):
        return ""
    if name.endswith(".conf"):
        if name.startswith("dnsmasq") or "dnsmasq.d" in folder.split("/"):
            return "DnsmasqConfig"
        return "WireGuardConfig" if _INTERFACE.search(text) else ""
    if name.endswith(".wg"):
        return "WireGuardConfig"
    if name == "Corefile" or name.startswith("Corefile.") or name.endswith(".corefile"):
        return "Corefile"
    if name.endswith("traefik.toml"):
        return "TraefikConfig"
    if name.endswith(".zone"):
        return "ZoneFile"
    return "ZoneFile" if name.startswith("db.") and _ZONE.search(text) else ""


def mapping_kind(name: str, value: Mapping[str, Any]) -> str:
    """The kind of a YAML document that is no object of Kubernetes, "" when it is none that we know.

    `name` is its file's.  Values of a chart may well say `kind: DaemonSet`; no object does without `apiVersion`.
    """
    is_values = _VALUES.fullmatch(name) is not None
    if "apiVersion" in value or "kind" in value:
        return "HelmValues" if is_values else ""
    if isinstance(value.get("tunnel"), str) and isinstance(value.get("ingress"), list):
        return "CloudflaredConfig"
    if isinstance(value.get("pki"), dict) and ("lighthouse" in value or "static_host_map" in value):
        return "NebulaConfig"
    if not is_values and isinstance(value.get("entryPoints"), dict):
        return "TraefikConfig"
    if isinstance(value.get("dns"), dict) and any(key in value for key in ("filtering", "http", "schema_version")):
        return "AdGuardConfig"
    return "HelmValues" if is_values else ""
