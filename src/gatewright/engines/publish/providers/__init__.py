"""The providers that we write to: one file each that exports PROVIDER, and a line in PROVIDERS."""

from __future__ import annotations

import os
from collections.abc import Mapping

from gatewright.engines.publish.providers import cloudflare, powerdns, rfc2136, route53
from gatewright.engines.publish.providers.provider import Provider
from gatewright.engines.publish.settings import Settings, resolved

PROVIDERS = (cloudflare.PROVIDER, powerdns.PROVIDER, rfc2136.PROVIDER, route53.PROVIDER)


def provider(name: str) -> Provider | None:
    """The provider of a name (lower-case), None for one that we do not write to."""
    return next((item for item in PROVIDERS if name == item.name or name in item.aliases), None)


def settings(item: Provider, written: Mapping[str, str]) -> Settings:
    """A zone's settings with those from this process's environment filled in.  UsageError for mistakes in them."""
    return resolved(item.name, item.settings, written, os.environ)
