"""The values of Traefik's chart as the options that its templates give Traefik.

Counterparts: `helm_values`, which says what else the chart makes; `kinds.traefik.static`, which reads the options.
"""

from __future__ import annotations

from gatewright.graph.resolve.doors.releases import Values, flag, given, mapping, port, text, texts
from gatewright.kinds.traefik.static import Config

DEFAULTS: Values = {
    "deployment": {"kind": "Deployment"},
    "ingressClass": {"enabled": True, "isDefaultClass": True},
    "ports": {
        "traefik": {"port": 8080, "expose": {"default": False}, "exposedPort": 8080},
        "web": {"port": 8000, "expose": {"default": True}, "exposedPort": 80},
        "websecure": {
            "port": 8443,
            "expose": {"default": True},
            "exposedPort": 443,
            "http": {"tls": {"enabled": True}},
        },
        "metrics": {"port": 9100, "expose": {"default": False}, "exposedPort": 9100},
    },
    "providers": {"kubernetesCRD": {"enabled": True}, "kubernetesIngress": {"enabled": True}},
    "service": {"enabled": True, "type": "LoadBalancer"},
    "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
}
# Options of ports.<name> with the names that Traefik has for them.
_PORT_OPTIONS: tuple[tuple[str, ...], ...] = (
    ("proxyProtocol", "trustedIPs"),
    ("proxyProtocol", "insecure"),
    ("forwardedHeaders", "trustedIPs"),
    ("forwardedHeaders", "insecure"),
    ("asDefault",),
    ("transport", "respondingTimeouts", "readTimeout"),
    ("transport", "respondingTimeouts", "idleTimeout"),
)
# Where the chart has what is under http, in this order: since version 37, and before.
_HTTP: tuple[tuple[str, ...], ...] = (("http",), ())


def options(values: Values) -> Config:
    """The options that the chart's templates give Traefik."""
    config: Config = {}
    for name, one in mapping(values, "ports").items():
        own = f"entrypoints.{name.lower()}"
        number = port(one, "port")
        if not number:
            continue
        config[f"{own}.address"] = f":{number}/{(text(one, 'protocol') or 'TCP').lower()}"
        for option in _PORT_OPTIONS:
            value = given(one, *option)
            if value is not None:
                spelled = ",".join(texts(one, *option)) if isinstance(value, list) else str(value).lower()
                config[f"{own}.{'.'.join(option).lower()}"] = spelled
        config.update(_http(own, one, mapping(values, "ports")))
    for provider in ("kubernetesCRD", "kubernetesIngress"):
        own = f"providers.{provider.lower()}"
        if flag(values, "providers", provider, "enabled") is False:
            continue
        config[own] = "true"
        for name in ("allowCrossNamespace", "allowExternalNameServices", "ingressClass", "strictPrefixMatching"):
            value = given(values, "providers", provider, name)
            if isinstance(value, str | bool) and value != "":
                config[f"{own}.{name.lower()}"] = str(value).lower() if isinstance(value, bool) else value
        namespaces = texts(values, "providers", provider, "namespaces")
        if namespaces:
            config[f"{own}.namespaces"] = ",".join(namespaces)
    return config


def _http(own: str, one: Values, ports: Values) -> Config:
    """What is under `http` of an entry point: TLS, middlewares, and where it is redirected to."""
    config: Config = {}
    tls = flag(one, "tls", "enabled")  # where the chart had it before `http.tls`
    if tls if tls is not None else flag(one, "http", "tls", "enabled"):
        config[f"{own}.http.tls"] = "true"
        if named := next(filter(None, (text(one, *at, "tls", "options") for at in _HTTP)), ""):
            config[f"{own}.http.tls.options"] = named
    if middlewares := next(filter(None, (texts(one, *at, "middlewares") for at in _HTTP)), ()):
        config[f"{own}.http.middlewares"] = ",".join(middlewares)
    asked = next(filter(None, (mapping(one, *at, "redirections", "entryPoint") for at in _HTTP)), {})
    old = mapping(one, "redirectTo")
    to = text(asked, "to") or text(old, "port") or text(one, "redirectTo")
    if to:
        redirection = f"{own}.http.redirections.entrypoint"
        outside = port(ports, to, "exposedPort") or port(ports, to, "port")
        config[f"{redirection}.to"] = f":{outside}" if outside else to
        for name in ("scheme", "permanent", "priority"):
            value = given(asked, name) if asked else given(old, name)
            if isinstance(value, str | int):
                config[f"{redirection}.{name}"] = str(value).lower()
    return config
