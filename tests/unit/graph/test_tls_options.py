"""How TLS is ended for one hostname: TLSOptions that agree or not, client certificates of Ingresses, listeners."""

from __future__ import annotations

import base64
from typing import Any

import yaml
from msgspec import structs

from gatewright.base.origin import Origin
from gatewright.graph.nodes import Family, Forward, Respond, TlsSettings, VirtualHost, VirtualHostKey
from gatewright.graph.resolve.doors import door_options
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.doors import ControllerIntent, DoorSettings, RouteIntent
from gatewright.kinds.intents.options import ClientAuth, DoorOptions, Options
from support.keys import pair
from support.modelled import Modelled, intents

CA = pair(ca=True, subject="clients").cert_pem
HERE = Origin("manifest.yaml", "1")


def docs(text: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text))


COMMON = docs(f"""
{{apiVersion: v1, kind: Service, metadata: {{name: app, namespace: web}}, spec: {{ports: [{{port: 80}}]}}}}
---
{{apiVersion: v1, kind: Secret, metadata: {{name: ca, namespace: web}},
  data: {{ca.crt: {base64.b64encode(CA).decode()}}}}}
---
{{apiVersion: v1, kind: Secret, metadata: {{name: junk, namespace: web}},
  data: {{ca.crt: {base64.b64encode(b"junk").decode()}}}}}
""")
OPTIONS = docs("""
{apiVersion: traefik.io/v1alpha1, kind: TLSOption, metadata: {name: newest, namespace: web},
  spec: {minVersion: VersionTLS13}}
---
{apiVersion: traefik.io/v1alpha1, kind: TLSOption, metadata: {name: usual, namespace: web},
  spec: {minVersion: VersionTLS12}}
---
{apiVersion: traefik.io/v1alpha1, kind: TLSOption, metadata: {name: mutual, namespace: web},
  spec: {clientAuth: {secretNames: [ca], clientAuthType: RequireAndVerifyClientCert}}}
---
{apiVersion: traefik.io/v1alpha1, kind: TLSOption, metadata: {name: given, namespace: web},
  spec: {clientAuth: {secretNames: [ca], clientAuthType: VerifyClientCertIfGiven}}}
---
{apiVersion: traefik.io/v1alpha1, kind: TLSOption, metadata: {name: junk, namespace: web},
  spec: {clientAuth: {secretNames: [junk], clientAuthType: VerifyClientCertIfGiven}}}
""")


def routed(name: str, option: str, match: str = "Host(`a.test`)") -> dict[str, Any]:
    tls = {"options": {"name": option}} if option else {}
    spec = {
        "entryPoints": ["websecure"],
        "tls": tls,
        "routes": [{"match": match, "services": [{"name": "app", "port": 80}]}],
    }
    metadata = {"name": name, "namespace": "web"}
    return {"apiVersion": "traefik.io/v1alpha1", "kind": "IngressRoute", "metadata": metadata, "spec": spec}


def modelled(found: dict[Key, Intent | None]) -> Modelled:
    made = Modelled()
    made.apply(found)
    return made


def resolved(manifests: list[dict[str, Any]], **told: ClientAuth) -> Modelled:
    found: dict[Key, Intent | None] = dict(intents([*COMMON, *manifests]))
    for key, intent in found.items():
        if isinstance(intent, RouteIntent) and key.name in told:
            options = (("ingress-nginx", Options(client=told[key.name])),)
            found[key] = structs.replace(intent, options=options)
    return modelled(found)


def host(made: Modelled, gateway: str, name: str = "a.test") -> VirtualHost:
    return made.graph.virtual_hosts[VirtualHostKey(gateway, 443, Family.HTTPS, name)]


def ids(made: Modelled) -> list[str]:
    """The Problems of TLS."""
    found = {problem for problems in made.graph.problems.values() for problem in problems}
    return [problem.id for problem in found if problem.id in ("tls-option", "client-auth")]


def statuses(one: VirtualHost) -> list[int]:
    return [e.rule.action.status if isinstance(e.rule.action, Respond) else 200 for e in one.entries]


# --- Traefik ------------------------------------------------------------------------------------


def test_a_host_has_the_settings_of_its_option() -> None:
    made = resolved([*OPTIONS, routed("one", "newest"), routed("two", "usual", "Host(`b.test`)")])
    assert host(made, "traefik").tls == TlsSettings(min_version="1.3")
    assert host(made, "traefik", "b.test").tls is None
    assert not ids(made)


def test_a_certificate_that_is_given_has_to_be_valid() -> None:
    made = resolved([*OPTIONS, routed("one", "given")])
    assert host(made, "traefik").tls == TlsSettings(client_mode="verify", client_ca=CA)


def test_options_that_disagree_give_the_default() -> None:
    made = resolved([*OPTIONS, routed("one", "newest"), routed("two", "", "Host(`a.test`) && Path(`/x`)")])
    one = host(made, "traefik")
    assert (one.tls, statuses(one), ids(made)) == (None, [200, 200], ["tls-option"])


def test_nobody_loses_client_certificates_because_others_disagree() -> None:
    made = resolved([*OPTIONS, routed("one", "mutual"), routed("two", "", "Host(`a.test`) && Path(`/x`)")])
    one = host(made, "traefik")
    assert one.tls is None
    found = {e.rule.route.name: isinstance(e.rule.action, Forward) for e in one.entries}
    assert found == {"one": False, "two": True}
    assert ids(made) == ["tls-option"]


def test_rules_of_covering_names_say_nothing_of_tls() -> None:
    made = resolved([*OPTIONS, routed("one", "newest"), routed("all", "mutual", "PathPrefix(`/`)")])
    assert host(made, "traefik").tls == TlsSettings(min_version="1.3")


def test_authorities_that_are_none_refuse_the_host() -> None:
    one = host(resolved([*OPTIONS, routed("one", "junk")]), "traefik")
    assert statuses(one) == [503]


# --- client certificates of Ingresses -----------------------------------------------------------


def ingress(name: str, path: str = "/", created: str = "") -> dict[str, Any]:
    backend = {"service": {"name": "app", "port": {"number": 80}}}
    rule = {"host": "a.test", "http": {"paths": [{"path": path, "pathType": "Prefix", "backend": backend}]}}
    metadata = {"name": name, "namespace": "web", "creationTimestamp": created or None}
    spec = {"ingressClassName": "nginx", "rules": [rule], "tls": [{"hosts": ["a.test"]}]}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {k: v for k, v in metadata.items() if v},
        "spec": spec,
    }


SECRET = Key("Secret", "web", "ca")


def test_the_oldest_that_asks_decides_for_its_host() -> None:
    old, young = ingress("old", created="2020-01-01T00:00:00Z"), ingress("young", "/x", "2021-01-01T00:00:00Z")
    made = resolved(
        [old, young], old=ClientAuth(HERE, SECRET, "optional"), young=ClientAuth(HERE, SECRET, "answer", depth=3)
    )
    one = host(made, "nginx")
    assert one.tls == TlsSettings(client_ca=CA, client_mode="optional", client_depth=1)
    assert one.client == ClientAuth(HERE, SECRET, "optional")
    assert ids(made) == ["client-auth"]
    assert statuses(one) == [200, 200]


def test_who_asks_for_certificates_is_not_served_without() -> None:
    for client in (
        ClientAuth(HERE, None),
        ClientAuth(HERE, Key("Secret", "web", "nowhere")),
        ClientAuth(HERE, Key("Secret", "web", "junk"), "told"),
        ClientAuth(HERE, SECRET, common_name="(?<x"),
    ):
        made = resolved([ingress("one"), ingress("two", "/x")], one=client)
        assert statuses(host(made, "nginx")) == [503, 503], client
        assert ids(made) == ["client-auth"]


def test_certificates_that_are_only_told_are_never_refused() -> None:
    one = host(resolved([ingress("one")], one=ClientAuth(HERE, SECRET, "told")), "nginx")
    assert one.tls == TlsSettings(client_ca=CA, client_mode="request", client_depth=1)
    assert one.client is None


# --- listeners that share a port, and doors -----------------------------------------------------

GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: web}
spec:
  gatewayClassName: gatewright
  listeners:
  - {name: usual, port: 443, protocol: HTTPS, hostname: b.test, tls: {certificateRefs: [{name: x}]}}
  - name: own
    port: 443
    protocol: HTTPS
    hostname: a.test
    tls:
      certificateRefs: [{name: x}]
      frontendValidation: {caCertificateRefs: [{group: "", kind: ConfigMap, name: x}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, namespace: web}
spec:
  parentRefs: [{name: edge}]
  rules: [{backendRefs: [{name: app, port: 80}]}]
"""


def test_listeners_of_one_port_end_tls_each_in_its_way() -> None:
    found: dict[Key, Intent | None] = dict(intents([*COMMON, *docs(GATEWAY.replace("      frontendValidation", "#"))]))
    for key, intent in found.items():
        if key.kind == "Gateway":
            first, second = intent.listeners  # type: ignore[union-attr]
            assert second.tls is not None
            own = structs.replace(second, tls=structs.replace(second.tls, min_version="1.3"))
            found[key] = structs.replace(intent, listeners=(first, own))  # type: ignore[type-var]
    made = modelled(found)
    assert host(made, "web/edge").tls == TlsSettings(min_version="1.3")
    assert host(made, "web/edge", "b.test").tls is None
    assert not any(listener.conflict for listener in made.graph.gateways["web/edge"].listeners)


def test_what_a_configuration_says_of_its_door() -> None:
    found: dict[Key, Intent | None] = dict(intents([*COMMON, ingress("one")]))
    said = DoorOptions(proxy_protocol=True, forwarded=True, trusted=("10.0.0.0/8",), min_version="1.3", http2=False)
    door = docs("""
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: nginx, namespace: infra}
spec: {implementation: ingress-nginx, classes: [nginx]}
""")
    for key, intent in intents(door).items():
        assert isinstance(intent, ControllerIntent)
        found[key] = structs.replace(intent, settings=DoorSettings(options=Options(door=said)))
    gateway = modelled(found).graph.gateways["infra/nginx"]
    assert gateway.settings.forwarded_from == gateway.settings.proxy_protocol_from == ("10.0.0.0/8",)
    secure = next(port for port in gateway.ports if port.tls)
    assert secure.settings == TlsSettings(min_version="1.3", alpn=("http/1.1",))
    assert next(one for one in gateway.listeners if one.tls).settings == secure.settings
    unsaid = structs.replace(gateway, options=Options(door=DoorOptions(proxy_protocol=False, forwarded=True)))
    closed = door_options.configured(unsaid).settings
    assert (closed.proxy_protocol_from, closed.forwarded_from) == ((), door_options.EVERYBODY)
