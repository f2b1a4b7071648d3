"""Whatever a document holds, lowering it is total: it yields a Lowered and never raises."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gatewright.kinds import KINDS, lower
from gatewright.kinds.intents import Lowered
from gatewright.kinds.kind import Kind
from support import schemas
from support.lowering import document

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["/", "/a", "*", "*.a.b", "10s", "Exact", "a(b", "${V}", "a\r\nb", "true", "80", "\ud800"])
)
FIELDS = [
    "spec",
    "rules",
    "matches",
    "path",
    "type",
    "value",
    "headers",
    "name",
    "backendRefs",
    "port",
    "filters",
    "parentRefs",
    "hostnames",
    "listeners",
    "tls",
    "ports",
    "subsets",
    "endpoints",
    "addresses",
    "data",
    "stringData",
    "http",
    "paths",
    "backend",
    "service",
    "host",
    "template",
    "metadata",
    "labels",
    "annotations",
    "containers",
    "entryPoints",
    "implementation",
    "routes",
    "match",
    "kind",
    "from",
    "to",
    "validation",
    "hostname",
    "selector",
    "matchLabels",
    "egress",
    "ingress",
    "cidr",
    "blocks",
    "solvers",
    "targets",
    "status",
]
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=4) | st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)

EXAMPLES = list(
    yaml.safe_load_all(
        """
apiVersion: v1
kind: Service
metadata: {name: a}
spec: {type: ClusterIP, selector: {app: a}, ports: [{name: http, port: 80, targetPort: web}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: a}
subsets: [{addresses: [{ip: 10.0.0.1, targetRef: {kind: Pod, name: p}}], ports: [{name: http, port: 80}]}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: a, labels: {kubernetes.io/service-name: a}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}, zone: z}]
ports: [{name: http, port: 80}]
---
apiVersion: v1
kind: Secret
metadata: {name: a}
data: {a: YQ==}
stringData: {b: c}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: a}
spec: {replicas: 2, template: {metadata: {labels: {a: b}}, spec: {containers: [{ports: [{containerPort: 80}]}]}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: a, annotations: {nginx.ingress.kubernetes.io/backend-protocol: HTTPS}}
spec:
  ingressClassName: nginx
  defaultBackend: {service: {name: d, port: {name: http}}}
  tls: [{hosts: [a.b], secretName: s}]
  rules: [{host: a.b, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: a}
spec:
  gatewayClassName: c
  addresses: [{type: IPAddress, value: 10.0.0.1}]
  allowedListeners: {namespaces: {from: Selector, selector: {matchLabels: {a: b}}}}
  tls: {frontend: {default: {validation: {caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]}}}}
  listeners:
  - {name: s, port: 443, protocol: HTTPS, hostname: "*.a.b", tls: {certificateRefs: [{name: s}]},
     allowedRoutes: {namespaces: {from: All}, kinds: [{kind: HTTPRoute}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: a}
spec:
  parentRefs: [{name: g, namespace: n, sectionName: s, port: 80}]
  hostnames: [a.b]
  rules:
  - name: one
    matches:
    - path: {type: PathPrefix, value: /a/}
      method: GET
      headers: [{type: RegularExpression, name: X-A, value: "a+"}]
      queryParams: [{name: q, value: v}]
    filters:
    - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: A, value: b}], add: [], remove: [C]}}
    - {type: URLRewrite, urlRewrite: {hostname: x.y, path: {type: ReplacePrefixMatch, replacePrefixMatch: /z}}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: m, port: 80}, fraction: {numerator: 1, denominator: 3}}}
    - {type: CORS, cors: {allowOrigins: ["https://*.a.b"], allowMethods: [GET], maxAge: 60}}
    timeouts: {request: 10s, backendRequest: 500ms}
    retry: {attempts: 2, codes: [503], backoff: 10ms}
    sessionPersistence: {type: Cookie, absoluteTimeout: 1h, cookieConfig: {lifetimeType: Permanent}}
    backendRefs: [{name: a, port: 80, weight: 3}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: a}
spec:
  parentRefs: [{name: g}]
  rules:
  - matches: [{method: {type: RegularExpression, service: "a.*", method: M}}]
    backendRefs: [{name: a, port: 1}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: a}
spec: {parentRefs: [{name: g}], hostnames: [a.b], rules: [{backendRefs: [{name: a, port: 443}]}]}
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: a}
spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: n}], to: [{group: "", kind: Service}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: a}
spec:
  targetRefs: [{group: "", kind: Service, name: a, sectionName: https}]
  validation: {hostname: a.b, wellKnownCACertificates: System, subjectAltNames: [{type: URI, uri: "spiffe://a/b"}]}
---
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: a}
spec:
  implementation: traefik
  classes: [internal]
  entryPoints: [{name: web, port: 80}, {name: websecure, port: 443, protocol: HTTPS, tls: true}]
  defaultEntryPoints: [web]
  settings: {allowExternalNameServices: {crd: true}}
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: a}
spec: {addresses: [10.0.0.1-10.0.0.9, "2001:db8::/64"], serviceAllocation: {serviceSelectors: [{matchLabels: {a: b}}]}}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: a}
spec: {ipAddressPools: [p], nodeSelectors: [{matchExpressions: [{key: a, operator: In, values: [b]}]}]}
---
apiVersion: cilium.io/v2
kind: CiliumLoadBalancerIPPool
metadata: {name: a}
spec: {blocks: [{cidr: 10.0.0.0/24}, {start: 10.0.1.1, stop: 10.0.1.9}], serviceSelector: {matchLabels: {a: b}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a}
spec:
  podSelector: {matchLabels: {a: b}}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{podSelector: {}, namespaceSelector: {}}], ports: [{port: 80, endPort: 90}]}]
  egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}]
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: a}
spec:
  endpointSelector: {matchLabels: {"k8s:a": b}}
  ingress:
  - fromEndpoints: [{matchLabels: {"reserved:ingress": ""}}]
    toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: [{method: GET, path: "/a.*", headers: [X-A]}]}}]
  ingressDeny: [{fromCIDRSet: [{cidr: 10.0.0.0/8, except: [10.1.0.0/16]}]}]
  egress: [{toFQDNs: [{matchPattern: "*.a.b"}]}, {toServices: [{k8sService: {serviceName: s, namespace: n}}]}]
  enableDefaultDeny: {ingress: false}
---
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {name: a}
spec:
  acme:
    server: https://a.b/directory
    solvers:
    - {dns01: {cloudflare: {}}, selector: {dnsZones: [a.b]}}
    - {http01: {gatewayHTTPRoute: {parentRefs: [{name: g}]}}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: a}
spec: {secretName: s, issuerRef: {name: i, kind: ClusterIssuer}, dnsNames: [a.b], commonName: a.b}
---
apiVersion: externaldns.k8s.io/v1alpha1
kind: DNSEndpoint
metadata: {name: a}
spec: {endpoints: [{dnsName: a.b, recordType: A, targets: [10.0.0.1], providerSpecific: [{name: x, value: y}]}]}
---
apiVersion: v1
kind: Node
metadata: {name: a, labels: {a: b}}
spec: {podCIDRs: [10.42.0.0/24]}
status: {addresses: [{type: InternalIP, address: 10.0.0.1}]}
---
apiVersion: kamaji.clastix.io/v1alpha1
kind: TenantControlPlane
metadata: {name: a}
spec:
  networkProfile: {address: 10.0.0.1, port: 6443, certSANs: [a.b], podCidr: 10.244.0.0/16}
  controlPlane: {service: {serviceType: ClusterIP}, ingress: {hostname: a.b, ingressClassName: c}}
  addons: {konnectivity: {server: {port: 8132}, agent: {extraArgs: ["--proxy-server-port=443"]}}}
"""
    )
)

EXAMPLES += [example for struct in schemas.STRUCTS for example in schemas.examples(struct.__name__)]


SILENT = ("EnvoyProxy",)
"""Kinds of which most objects ask for nothing that concerns us."""


def check(data: dict[str, Any]) -> None:
    result = lower(document(data))
    assert isinstance(result, Lowered)
    for problem in result.problems:
        assert problem.id
        assert problem.message
        assert problem.origin is not None
        assert problem.origin.file == "manifest.yaml"
    assert result.intent is not None or result.problems or data.get("kind") in SILENT


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@given(body=st.dictionaries(st.sampled_from(["spec", "data", "status", *FIELDS]), ANYTHING, max_size=4))
def test_arbitrary_data_never_raises(kind: Kind, body: dict[str, Any]) -> None:
    check({**body, "apiVersion": kind.api_versions[0], "kind": kind.name, "metadata": {"name": "a", "x": body}})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@given(data=ANYTHING)
def test_a_document_that_is_not_even_an_object_never_raises(kind: Kind, data: Any) -> None:
    shape = document({"apiVersion": kind.api_versions[0], "kind": kind.name, "metadata": {"name": "a"}})
    broken = type(shape)(shape.origin, shape.api_version, shape.kind, "", "a", data)
    assert isinstance(lower(broken), Lowered)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["kind"])
def test_the_examples_are_good(example: dict[str, Any]) -> None:
    result = lower(document(example))
    assert result is not None
    assert result.intent is not None
    assert result.problems == ()


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside a document, deepest last."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [p for key, item in items for p in places(item, (*path, key))]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["kind"])
@given(choice=st.data())
def test_a_mutated_example_never_raises(example: dict[str, Any], choice: st.DataObject) -> None:
    mutated = copy.deepcopy(example)
    where = [
        p
        for p in places(mutated)
        # The sources make sure that these are text.
        if p[0] not in ("apiVersion", "kind")
        and p not in (("metadata",), ("metadata", "namespace"))
        and p[-1] != "name"
    ]
    for _ in range(choice.draw(st.integers(1, 3))):
        *above, last = choice.draw(st.sampled_from(where))
        parent = mutated
        try:
            for step in above:
                parent = parent[step]
            parent[last] = choice.draw(ANYTHING)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier mutation has removed the place
    check(mutated)
