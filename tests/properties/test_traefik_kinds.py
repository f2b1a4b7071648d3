"""Whatever stands in a Traefik object, lowering it gives an intent or says why not, and never raises."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gatewright import kinds
from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.kinds.kind import Kind
from gatewright.kinds.traefik.common import API_VERSIONS

TRAEFIK = [kind for kind in kinds.KINDS if kind.api_versions == API_VERSIONS]

# Field names of every kind, so that random documents get past the first unknown field.
NAMES = st.sampled_from(
    [
        "routes",
        "match",
        "kind",
        "priority",
        "syntax",
        "services",
        "middlewares",
        "name",
        "namespace",
        "port",
        "weight",
        "scheme",
        "sticky",
        "cookie",
        "maxAge",
        "serversTransport",
        "tls",
        "secretName",
        "options",
        "passthrough",
        "entryPoints",
        "weighted",
        "mirroring",
        "mirrors",
        "percent",
        "redirectScheme",
        "redirectRegex",
        "regex",
        "replacement",
        "permanent",
        "headers",
        "customRequestHeaders",
        "stsSeconds",
        "basicAuth",
        "secret",
        "ipAllowList",
        "sourceRange",
        "ipStrategy",
        "depth",
        "chain",
        "stripPrefix",
        "prefixes",
        "stripPrefixRegex",
        "addPrefix",
        "prefix",
        "replacePath",
        "path",
        "replacePathRegex",
        "plugin",
        "compress",
        "rateLimit",
        "inFlightConn",
        "minVersion",
        "cipherSuites",
        "clientAuth",
        "secretNames",
        "clientAuthType",
        "defaultCertificate",
        "rootCAs",
        "dialTimeout",
        "forwardingTimeouts",
        "spiffe",
        "proxyProtocol",
        "version",
        "allowedHosts",
        "accessControlAllowOriginList",
    ]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(),
    st.sampled_from(
        ["Host(`a`)", "HostSNI(`*`)", "v2", "Rule", "a@file", "a-b@kubernetescrd", "noop@internal", "https",
         "::1", "1s", "VersionTLS12", "(", "$10", "${VAR}", "TraefikService", "\ud800"]
    ),
)  # fmt: skip
SPECS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=20,
)


def test_every_traefik_kind_is_listed() -> None:
    assert len(TRAEFIK) == 10


@given(st.sampled_from(TRAEFIK), SPECS)
def test_lowering_is_total(kind: Kind, spec: Any) -> None:
    data = {"apiVersion": API_VERSIONS[0], "kind": kind.name, "metadata": {"name": "it"}, "spec": spec}
    lowered = kinds.lower(Document(Origin("a.yaml"), API_VERSIONS[0], kind.name, "apps", "it", data))
    assert lowered is not None
    assert lowered.intent is not None or lowered.problems
