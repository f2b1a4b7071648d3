"""Random installations, all dialects mixed, and random requests to them: food for the differential and property tests.

Everything comes from one seeded `random.Random`, so a seed names an installation.  The values are few and alike, so
that rules overlap, and odd where parsers differ: mixed case, ports, dots, escapes, double slashes.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from random import Random
from typing import Any

Manifest = dict[str, Any]

SERVICES = ("one", "two", "three", "four")
HOSTS = ("a.example.com", "b.example.com", "x.a.example.com", "example.com", "c.test", "*.example.com", "*.test")
ASKED = ("a.example.com", "b.example.com", "x.a.example.com", "example.com", "c.test", "d.test", "y.z.example.com", "q")
PATHS = ("/", "/a", "/a/b", "/a/", "/api", "/api/v1", "/A", "/a.b", "/ab")
REGEXES = ("/a.*", "/(a|api)/[a-z]+", ".*v1.*", "/[^/]+", "(?i)/API(/.*)?")
TARGETS = (
    *(
        "/",
        "/a",
        "/a/",
        "/a/b",
        "/a/b/c",
        "/ab",
        "/api",
        "/api/",
        "/api/v1",
        "/api/v1/x",
        "/A",
        "/API/v1",
        "/a.b",
        "/axb",
    ),
    *("//a", "/a//b", "/a/../api", "/./a", "/a/.", "/a/..", "/%61", "/a%2fb", "/a%2Fb/../c", "/api%5Cv1", "/a%20b"),
    *(
        "/a/%2e%2e/api",
        "/a;x=1",
        "/a+b",
        "/%C3%A9",
        "/a%2e",
        "/api/%7Euser",
        "/..",
        "/a/./b/",
        "/a/...",
        "/a%3Fb",
        "/%",
    ),
)
QUERIES = ("", "?", "?k=v", "?k=w&k=v", "?k", "?k=", "?other=1&k=v", "?k=a%20b", "?K=v", "?k=v#f")
METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD")
HEADERS = (("x-env", "prod"), ("x-env", "dev"), ("X-Env", "prod"), ("x-team", "red blue"), ("x-env", ""), ("x-n", "42"))
CLIENTS = ("127.0.0.1", "127.0.1.7", "127.2.0.3")
CIDRS = ("127.0.0.0/24", "127.0.0.0/16", "127.0.0.1/32", "10.0.0.0/8", "127.0.0.0/8", "::1/128")
API = "gateway.networking.k8s.io/v1"
TRAEFIK = "traefik.io/v1alpha1"
GATEWAYS = ("infra/gw", "infra/tr", "infra/ng")


def meta(name: str, namespace: str = "apps") -> dict[str, str]:
    return {"name": name, "namespace": namespace}


def installation(seed: int, chain: bytes = b"", key: bytes = b"") -> list[Manifest]:
    """The documents of one installation; `chain` and `key` are the certificate that all of its gateways serve."""
    return _Installation(Random(seed), chain, key).documents()


class _Installation:
    def __init__(self, random: Random, chain: bytes, key: bytes) -> None:
        self._r = random
        self._pair = {"tls.crt": base64.b64encode(chain).decode(), "tls.key": base64.b64encode(key).decode()}

    def documents(self) -> list[Manifest]:
        r = self._r
        found = [self._secret(), *self._services(), *self._doors(), *self._middlewares()]
        found += [self._http_route(f"h{n}") for n in range(r.randint(1, 7))]
        found += [self._ingress_route(f"t{n}") for n in range(r.randint(1, 7))]
        found += [self._ingress(f"i{n}") for n in range(r.randint(1, 5))]
        found += [self._group(f"g{n}") for n in range(2)]
        return found

    def _one(self, chance: float) -> bool:
        return self._r.random() < chance

    # --- what routes refer to ---

    def _secret(self) -> Manifest:
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": meta("tls", "infra"),
            "type": "kubernetes.io/tls",
            "data": self._pair,
        }

    def _services(self) -> list[Manifest]:
        made = [self._service(name, "apps") for name in SERVICES]
        made.append(self._service("foreign", "other"))
        if self._one(0.5):
            grant = {
                "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "apps"}],
                "to": [{"group": "", "kind": "Service"}],
            }
            made.append({"apiVersion": API, "kind": "ReferenceGrant", "metadata": meta("g", "other"), "spec": grant})
        return made

    def _service(self, name: str, namespace: str) -> Manifest:
        ports = [{"name": "http", "port": 80}, {"name": "alt", "port": 8080}]
        return {"apiVersion": "v1", "kind": "Service", "metadata": meta(name, namespace), "spec": {"ports": ports}}

    def _doors(self) -> list[Manifest]:
        r = self._r
        tls = {"certificateRefs": [{"name": "tls"}]}
        everywhere = {"namespaces": {"from": "All"}}
        listeners: list[Manifest] = [{"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": everywhere}]
        for number, host in enumerate(r.sample(["*.example.com", "a.example.com", "*.a.example.com"], r.randint(0, 2))):
            own = {"name": f"h{number}", "port": 80, "protocol": "HTTP", "hostname": host, "allowedRoutes": everywhere}
            listeners.append(own)
        hosts: list[str | None] = [None, "*.example.com", "a.example.com", "*.test"]
        for number, name in enumerate(r.sample(hosts, r.randint(1, 3))):
            own = {"name": f"s{number}", "port": 443, "protocol": "HTTPS", "tls": tls, "allowedRoutes": everywhere}
            listeners.append({**own, **({"hostname": name} if name else {})})
        gateway = {"gatewayClassName": "g", "listeners": listeners}
        controller = "gatewright.dev/v1alpha1"
        certificate = {"name": "tls"}
        settings = {"allowCrossNamespace": self._one(0.5)}
        traefik = {"implementation": "traefik", "defaultCertificate": certificate, "settings": settings}
        nginx = {"implementation": "ingress-nginx", "defaultCertificate": certificate}
        return [
            {"apiVersion": API, "kind": "Gateway", "metadata": meta("gw", "infra"), "spec": gateway},
            {"apiVersion": controller, "kind": "IngressController", "metadata": meta("tr", "infra"), "spec": traefik},
            {"apiVersion": controller, "kind": "IngressController", "metadata": meta("ng", "infra"), "spec": nginx},
        ]

    def _middlewares(self) -> list[Manifest]:
        specs: dict[str, Manifest] = {
            "strip": {"stripPrefix": {"prefixes": self._r.sample(["/a", "/a/", "/api", "/api/v1"], 2)}},
            "add": {"addPrefix": {"prefix": self._r.choice(["/added", "/added/"])}},
            "replace": {"replacePath": {"path": "/replaced"}},
            "pattern": {"replacePathRegex": {"regex": "^/a/(.*)", "replacement": "/new/$1"}},
            "secure": {"redirectScheme": {"scheme": "https", "permanent": self._one(0.5)}},
            "move": {"redirectRegex": {"regex": "^https?://[^/]+/a/(.*)", "replacement": "https://new.test/$1"}},
            "inside": {"ipAllowList": {"sourceRange": self._r.sample(CIDRS, 2)}},
            "mark": {"headers": {"customRequestHeaders": {"X-Marked": "yes"}}},
            "both": {"chain": {"middlewares": [{"name": "inside"}, {"name": "strip"}]}},
        }
        return [
            {"apiVersion": TRAEFIK, "kind": "Middleware", "metadata": meta(name), "spec": spec}
            for name, spec in specs.items()
        ]

    def _group(self, name: str) -> Manifest:
        services = [{"name": self._r.choice(SERVICES), "port": 80, "weight": self._r.randint(0, 3)} for _ in range(2)]
        spec = {"weighted": {"services": services}}
        return {"apiVersion": TRAEFIK, "kind": "TraefikService", "metadata": meta(name), "spec": spec}

    # --- Gateway API ---

    def _http_route(self, name: str) -> Manifest:
        r = self._r
        parent: Manifest = {"name": "gw", "namespace": "infra"}
        if self._one(0.2):
            parent["sectionName"] = r.choice(["http", "s0", "h0"])
        spec: Manifest = {"parentRefs": [parent], "rules": [self._http_rule() for _ in range(r.randint(1, 3))]}
        if self._one(0.8):
            spec["hostnames"] = r.sample(HOSTS, r.randint(1, 2))
        metadata: Manifest = meta(name)
        if self._one(0.3):
            metadata["creationTimestamp"] = f"2024-01-0{r.randint(1, 9)}T00:00:00Z"
        return {"apiVersion": API, "kind": "HTTPRoute", "metadata": metadata, "spec": spec}

    def _http_rule(self) -> Manifest:
        r = self._r
        rule: Manifest = {"matches": [self._http_match() for _ in range(r.randint(0, 2))]}
        prefixes = [m.get("path", {}).get("type") == "PathPrefix" for m in rule["matches"]]
        filters: list[Manifest] = []
        if self._one(0.3):
            edit = {"set": [{"name": "X-Set", "value": "100%"}], "add": [{"name": "X-Env", "value": "added"}]}
            filters.append({"type": "RequestHeaderModifier", "requestHeaderModifier": edit})
        kind = r.random()
        if kind < 0.2:
            filters.append({"type": "RequestRedirect", "requestRedirect": self._redirect(prefixes)})
            return {**rule, "filters": filters}
        if kind < 0.4:
            filters.append({"type": "URLRewrite", "urlRewrite": self._rewrite(prefixes)})
        return {**rule, "filters": filters, "backendRefs": self._backends()}

    def _path_edit(self, prefixes: list[bool]) -> Manifest:
        value = self._r.choice(["/", "/new", "/new/", "/deep/er"])
        if prefixes == [True] and self._one(0.7):
            return {"type": "ReplacePrefixMatch", "replacePrefixMatch": value}
        return {"type": "ReplaceFullPath", "replaceFullPath": value}

    def _rewrite(self, prefixes: list[bool]) -> Manifest:
        spec: Manifest = {}
        if self._one(0.5):
            spec["hostname"] = "inner.test"
        if self._one(0.7) or not spec:
            spec["path"] = self._path_edit(prefixes)
        return spec

    def _redirect(self, prefixes: list[bool]) -> Manifest:
        r = self._r
        spec: Manifest = {"statusCode": r.choice([301, 302, 303, 307, 308])}
        if self._one(0.4):
            spec["scheme"] = r.choice(["http", "https"])
        if self._one(0.4):
            spec["hostname"] = "elsewhere.test"
        if self._one(0.3):
            spec["port"] = r.choice([80, 443, 8443])
        if self._one(0.4):
            spec["path"] = self._path_edit(prefixes)
        return spec

    def _http_match(self) -> Manifest:
        r = self._r
        match: Manifest = {}
        if self._one(0.8):
            kind = r.choice(["Exact", "PathPrefix", "PathPrefix", "RegularExpression"])
            value = r.choice(REGEXES if kind == "RegularExpression" else PATHS)
            match["path"] = {"type": kind, "value": value}
        if self._one(0.2):
            match["method"] = r.choice(METHODS)
        if self._one(0.3):
            kind, value = r.choice([("Exact", "prod"), ("RegularExpression", "pr.*"), ("Exact", "red blue")])
            match["headers"] = [{"name": r.choice(["X-Env", "x-team"]), "type": kind, "value": value}]
        if self._one(0.2):
            kind, value = r.choice([("Exact", "v"), ("RegularExpression", "[vw]"), ("Exact", "a%20b")])
            match["queryParams"] = [{"name": "k", "type": kind, "value": value}]
        return match

    def _backends(self) -> list[Manifest]:
        r = self._r
        refs = [{"name": name, "port": 80, "weight": r.randint(0, 2)} for name in r.sample(SERVICES, r.randint(1, 2))]
        if self._one(0.15):
            refs.append({"name": r.choice(["missing", "one"]), "port": 81, "weight": 1})
        if self._one(0.15):
            refs.append({"name": "foreign", "namespace": "other", "port": 80, "weight": 1})
        return refs

    # --- Traefik ---

    def _ingress_route(self, name: str) -> Manifest:
        r = self._r
        spec: Manifest = {"routes": [self._traefik_rule() for _ in range(r.randint(1, 3))]}
        if self._one(0.6):
            spec["entryPoints"] = r.sample(["web", "websecure"], r.randint(1, 2))
        if self._one(0.3):
            spec["tls"] = {}
        spec["ingressClassName"] = "traefik"
        return {"apiVersion": TRAEFIK, "kind": "IngressRoute", "metadata": meta(name), "spec": spec}

    def _traefik_rule(self) -> Manifest:
        r = self._r
        rule: Manifest = {"kind": "Rule", "match": self._expression(2)}
        if self._one(0.3):
            rule["priority"] = r.randint(1, 60)
        if self._one(0.5):
            known = ["strip", "add", "replace", "pattern", "secure", "move", "inside", "mark", "both"]
            chosen = r.sample(known, r.randint(1, 2))
            rule["middlewares"] = [{"name": "nowhere" if self._one(0.05) else one} for one in chosen]
        if self._one(0.2):
            rule["services"] = [{"kind": "TraefikService", "name": r.choice(["g0", "g1", "g9"])}]
            return rule
        rule["services"] = [
            {"name": r.choice(SERVICES), "port": r.choice([80, "http"])} for _ in range(r.randint(1, 2))
        ]
        if self._one(0.1):
            rule["services"][0]["name"] = "missing"
        if self._one(0.1):
            rule["services"][0].update({"name": "foreign", "namespace": "other"})
        return rule

    def _expression(self, depth: int) -> str:
        r = self._r
        if depth and self._one(0.6):
            left, right = self._expression(depth - 1), self._expression(depth - 1)
            return f"({left} {r.choice(['&&', '||'])} {right})" if self._one(0.5) else f"{left} && {right}"
        sign = "!" if self._one(0.15) else ""
        return sign + self._matcher()

    def _matcher(self) -> str:
        r = self._r
        return r.choice(
            [
                f"Host(`{r.choice(HOSTS[:5])}`)",
                f"Host(`{r.choice(HOSTS[:5])}`)",
                "HostRegexp(`^[a-z]+\\.example\\.com$`)",
                f"PathPrefix(`{r.choice(PATHS)}`)",
                f"Path(`{r.choice(PATHS)}`)",
                f"PathRegexp(`{r.choice(REGEXES[:4])}`)",
                "Header(`X-Env`, `prod`)",
                "HeaderRegexp(`X-Team`, `re.`)",
                f"Query(`k`, `{r.choice(['v', 'w'])}`)",
                "Query(`k`)",
                f"Method(`{r.choice(METHODS[:4])}`)",
                f"ClientIP(`{r.choice(CIDRS)}`)",
            ]
        )

    # --- Ingress ---

    def _ingress(self, name: str) -> Manifest:
        r = self._r
        rules = []
        for _ in range(r.randint(1, 2)):
            paths = [self._ingress_path() for _ in range(r.randint(1, 3))]
            rules.append({"http": {"paths": paths}, **({"host": r.choice(HOSTS)} if self._one(0.85) else {})})
        spec: Manifest = {"ingressClassName": r.choice(["traefik", "nginx", "nginx"]), "rules": rules}
        if self._one(0.3):
            spec["defaultBackend"] = {"service": {"name": "four", "port": {"number": 80}}}
        metadata: Manifest = meta(name)
        if self._one(0.2):
            metadata["annotations"] = {"traefik.ingress.kubernetes.io/router.tls": "true"}
        return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}

    def _ingress_path(self) -> Manifest:
        r = self._r
        service = "missing" if self._one(0.1) else r.choice(SERVICES)
        return {
            "path": r.choice(PATHS),
            "pathType": r.choice(["Exact", "Prefix", "ImplementationSpecific"]),
            "backend": {"service": {"name": service, "port": r.choice([{"number": 80}, {"name": "http"}])}},
        }


# --- requests -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """One request: everything a client decides, as it goes over the wire."""

    gateway: str
    secure: bool
    host: str
    target: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    sni: str = ""
    client: str = "127.0.0.1"
    at: int | None = None
    body: int = 0

    @property
    def port(self) -> int:
        return self.at or (443 if self.secure else 80)


def asked(random: Random) -> Asked:
    """A request to one of the gateways; now and then in plain text to the port for TLS, or the reverse."""
    name = random.choice(ASKED)
    written = name
    oddity = random.random()
    if oddity < 0.1:
        written = name.upper()
    elif oddity < 0.2:
        written = f"{name}:{random.choice([80, 443, 8080])}"
    elif oddity < 0.25:
        written = name + "."
    secure = random.random() < 0.4
    sni = ""
    if secure:
        sni = name if random.random() < 0.8 else random.choice(["", "C.Test", "A.example.COM", *ASKED])
    return Asked(
        gateway=random.choice(GATEWAYS),
        secure=secure,
        host=written,
        target=random.choice(TARGETS) + (random.choice(QUERIES[:-1]) if random.random() < 0.4 else ""),
        method=random.choice(METHODS) if random.random() < 0.4 else "GET",
        headers=tuple(random.sample(HEADERS, random.randint(0, 2))),
        sni=sni,
        client=random.choice(CLIENTS),
        at=random.choice([80, 443]) if random.random() < 0.1 else None,
    )
