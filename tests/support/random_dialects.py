"""Random annotations, middlewares and policies with an effect that a client or a backend sees, a door for each dialect.

What needs a clock is left out: limits by time are so wide that nobody meets them.  Servers that are asked whether a
request may pass are echo servers, whose answer the path of the question decides.  Counterpart: `random_routes`, whose
routes match in every way but ask for little; `answers`, which knows what the servers say.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from dataclasses import replace
from random import Random
from typing import Any

from support.random_filters import ANSWERED, FROM, LOGINS, PASSWORD, USER
from support.random_routes import API, METHODS, TRAEFIK, Asked, Manifest, meta

DOORS = ("infra/ng", "infra/tr", "infra/hp", "infra/hi", "infra/alb", "infra/eg")
SERVICES = ("one", "two", "three", "auth", "pages")
HOSTS = ("a.example.com", "b.example.com", "c.test", "*.example.com", "*.test", "www.c.test")
ASKED = (
    *("a.example.com", "b.example.com", "c.test", "d.test", "x.example.com", "www.a.example.com", "www.c.test"),
    *("alias.test", "w1.test", "A.Example.com", "c.test:8080", "b.example.com."),
)
TARGETS = (
    *("/", "/a", "/a/", "/a/b", "/a/b/c", "/A/b", "/ab", "/api", "/api/v1", "/api/v1/x", "/b", "/start", "/hook/x"),
    *("/status/503", "/status/404", "/a/status/500", "/status/302", "/a//b", "/a/../api", "/a%2fb", "/a/%62?q=%20"),
)
QUERIES = ("?k=v", "?k=w", "?k=a+b&l=%2F")
HEADERS = (
    *(
        ("X-New", "always"),
        ("X-New", "never"),
        ("X-New", "yes"),
        ("Cookie", "new=always"),
        ("Cookie", "a=b; new=never"),
    ),
    *(("X-Env", "prod"), ("X-Env", "dev"), ("X-Beta", "on"), ("X-Sent", "client"), ("X-User", "forged")),
    *(("Accept-Encoding", "gzip"), ("X-R-One", "forged"), ("X-Twice", "a"), ("X-Twice", "b")),
    *(("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http"), ("X-Forwarded-Host", "forged.test")),
)
FORWARDED = ("10.1.2.3", "10.1.2.3, 127.2.0.3", "192.0.2.9", "192.0.2.9, 10.1.2.3", "junk", "")
CLIENTS = ("127.0.0.5", "127.0.1.7", "127.2.0.3")
"""Not 127.0.0.1, for which Envoy notes an address of the machine in X-Forwarded-For."""
BODIES = (0, 0, 0, 400, 1000, 1001, 1500, 2000, 2001)
NGINX, HAPROXY = "nginx.ingress.kubernetes.io/", "haproxy.org/"
COMMUNITY, ALB, OF_TRAEFIK = (
    "haproxy-ingress.github.io/",
    "alb.ingress.kubernetes.io/",
    "traefik.ingress.kubernetes.io/",
)
CONTROLLER, POLICY = "gatewright.dev/v1alpha1", "gateway.envoyproxy.io/v1alpha1"
_AUTH = "http://auth.apps.svc.cluster.local"
_DIGEST = base64.b64encode(hashlib.sha1(PASSWORD.encode(), usedforsecurity=False).digest()).decode()

Told = dict[str, str]

# --- what annotations say -------------------------------------------------------------------------

_NGINX: tuple[Told, ...] = (
    {"rewrite-target": "/$2"},
    {"rewrite-target": "/new/$1"},
    {"rewrite-target": "/fixed", "x-forwarded-prefix": "/before"},
    {"use-regex": "true"},
    {"ssl-redirect": "false"},
    {"force-ssl-redirect": "true"},
    {"app-root": "/start"},
    {"permanent-redirect": "https://moved.test"},
    {"permanent-redirect": "https://moved.test$request_uri", "permanent-redirect-code": "308"},
    {"temporal-redirect": "https://moved.test/for/now"},
    {"from-to-www-redirect": "true"},
    {"server-alias": "alias.test"},
    {"server-alias": r"~^w\d+\.test$"},
    {"whitelist-source-range": "127.0.0.0/16"},
    {"whitelist-source-range": "10.0.0.0/8,127.0.0.5"},
    {"denylist-source-range": "127.0.1.0/24"},
    {"auth-type": "basic", "auth-secret": "users"},
    {"auth-type": "basic", "auth-secret": "gone"},
    {"auth-type": "basic", "auth-secret": "users", "satisfy": "any", "whitelist-source-range": "127.2.0.0/16"},
    {"auth-url": f"{_AUTH}/check", "auth-response-headers": "X-R-One, X-User"},
    {"auth-url": f"{_AUTH}/status/401"},
    {"auth-url": f"{_AUTH}/status/403"},
    {"auth-url": f"{_AUTH}/status/503"},
    {"auth-url": f"{_AUTH}/status/401", "auth-signin": "https://login.test/start?rd=$escaped_request_uri"},
    {"auth-url": f"{_AUTH}/status/401", "auth-signin": "https://login.test/start"},
    {"auth-url": "http://missing.apps.svc.cluster.local/"},
    {"auth-url": f"{_AUTH}/check", "auth-method": "HEAD", "auth-snippet": "proxy_set_header X-Site shop;"},
    {"upstream-vhost": "inner.test"},
    {"custom-headers": "apps/headers"},
    {"custom-headers": "apps/gone"},
    {"configuration-snippet": 'more_set_headers "X-R-One: snippet";'},
    {"configuration-snippet": "add_header X-R-Two snippet; proxy_set_header X-Sent snippet;"},
    {"configuration-snippet": "return 418 teapot;"},
    {"configuration-snippet": "rewrite ^/a/(.*)$ /hook/$1 break;"},
    {"configuration-snippet": "rewrite ^/api/(.*)$ https://moved.test/$1 permanent;"},
    {"configuration-snippet": 'if ($host = "c.test") { return 302 https://moved.test$request_uri; }'},
    {"configuration-snippet": "deny 127.0.1.7; allow all;"},
    {"server-snippet": "return 301 https://moved.test$request_uri;"},
    {"default-backend": "two"},
    {"custom-http-errors": "404,503", "default-backend": "pages"},
    {"enable-cors": "true", "cors-allow-origin": "https://*.example.com, https://x.test"},
    {"enable-cors": "true"},
    {"proxy-body-size": "1000"},
    {"proxy-body-size": "2k"},
    {"proxy-body-size": "0"},
    {"limit-rps": "100000"},
    {"limit-connections": "1000"},
    {"proxy-read-timeout": "60", "proxy-connect-timeout": "5"},
    {"ssl-passthrough": "true"},
    {"enable-modsecurity": "true"},
    {"affinity": "cookie"},
)
_CANARIES: tuple[Told, ...] = (
    {"canary-weight": "100"},
    {"canary-weight": "0"},
    {"canary-weight": "30"},
    {"canary-by-header": "X-New"},
    {"canary-by-header": "X-New", "canary-by-header-value": "yes"},
    {"canary-by-header": "X-New", "canary-by-header-pattern": "y.*", "canary-weight": "100"},
    {"canary-by-cookie": "new", "canary-weight": "0"},
    {"canary-by-header": "X-New", "canary-by-cookie": "new", "canary-weight": "100"},
)
_NGINX_WIDE: tuple[Told, ...] = (
    {"ssl-redirect": "false"},
    {"force-ssl-redirect": "true", "no-tls-redirect-locations": "/a/b,/status"},
    {"hsts": "false"},
    {"hsts-max-age": "600", "hsts-preload": "true", "hsts-include-subdomains": "false"},
    {"http-redirect-code": "301"},
    {"whitelist-source-range": "127.0.0.0/8,10.0.0.0/8"},
    {"denylist-source-range": "127.0.1.7"},
    {"proxy-body-size": "1500"},
    {"use-gzip": "true", "gzip-min-length": "300"},
    {"proxy-set-headers": "apps/headers"},
    {"add-headers": "apps/headers"},
    {"global-auth-url": f"{_AUTH}/status/403", "no-auth-locations": "/api,/.well-known/acme-challenge"},
    {"global-auth-url": f"{_AUTH}/check", "global-auth-response-headers": "X-R-Two"},
    {"hide-headers": "X-R-One"},
    {"use-forwarded-headers": "true", "proxy-real-ip-cidr": "127.2.0.0/16"},
    {"location-snippet": "add_header X-R-Two wide;"},
)
_HAPROXY: tuple[Told, ...] = (
    {"allow-list": "127.0.0.0/16"},
    {"whitelist": "10.0.0.0/8, 127.0.0.5"},
    {"deny-list": "127.0.1.0/24"},
    {"blacklist": "127.2.0.3"},
    {"auth-type": "basic-auth", "auth-secret": "by-name"},
    {"auth-type": "basic-auth", "auth-secret": "gone"},
    {"cors-enable": "true", "cors-allow-origin": "https://a.example.com"},
    {"cors-enable": "true"},
    {"path-rewrite": r"/a/(.*) /\1"},
    {"path-rewrite": "/fixed"},
    {"request-redirect": "moved.test"},
    {"request-redirect": "moved.test:8888", "request-redirect-code": "303"},
    {"request-set-header": "X-Sent door"},
    {"response-set-header": 'X-R-One "door, set"'},
    {"set-host": "inner.test"},
    {"ssl-redirect": "true"},
    {"ssl-redirect": "true", "ssl-redirect-code": "301", "ssl-redirect-port": "8443"},
    {"ssl-redirect": "false"},
    {"rate-limit-requests": "100000"},
    {"backend-config-snippet": "http-request set-header X-Sent snippet\nhttp-response del-header x-r-two"},
    {"backend-config-snippet": "http-request deny if { src 10.0.0.0/8 }"},
    {"timeout-server": "30s", "check": "true"},
    {"forwarded-for": "false"},
    {"client-ca": "apps/ca"},
)
_COMMUNITY: tuple[Told, ...] = (
    {"allowlist-source-range": "127.0.0.0/16,!127.0.1.0/24"},
    {"whitelist-source-range": "10.0.0.0/8,127.0.0.5"},
    {"denylist-source-range": "127.0.1.7"},
    {"app-root": "/start"},
    {"auth-secret": "users"},
    {"auth-secret": "gone"},
    {"auth-url": f"{_AUTH}/check", "auth-headers-succeed": "X-R-One,X-User"},
    {"auth-url": f"{_AUTH}/status/401"},
    {"auth-url": f"{_AUTH}/status/401", "auth-headers-succeed": "X-User", "auth-signin": "https://login.test/"},
    {"auth-url": "svc://auth:80/status/403", "auth-headers-succeed": "X-User"},
    {"cors-enable": "true", "cors-allow-origin": "https://a.example.com", "cors-expose-headers": "X-R-One"},
    {"headers": "x-sent: door\nx-ns: %[namespace]"},
    {"hsts": "true", "hsts-max-age": "3600", "hsts-preload": "true"},
    {"http-header-match": "x-beta: on"},
    {"http-header-match-regex": "x-env: pro.*"},
    {"limit-rps": "100000"},
    {"limit-connections": "1000"},
    {"path-type": "regex"},
    {"path-type": "begin"},
    {"proxy-body-size": "1000"},
    {"proxy-body-size": "2k"},
    {"redirect-to": "https://moved.test/login"},
    {"redirect-to": "https://moved.test/login", "redirect-to-code": "301"},
    {"rewrite-target": "/"},
    {"rewrite-target": "/new"},
    {"server-alias": "alias.test"},
    {"server-alias-regex": r"^w[0-9]+\.test$"},
    {"ssl-redirect": "false"},
    {"ssl-redirect": "true"},
    {"config-backend": "http-response set-header X-R-Two snippet"},
    {"waf": "modsecurity"},
)


def _json(*parts: Any) -> str:
    return json.dumps(parts[0] if len(parts) == 1 else list(parts))


_ALB_ACTIONS = {
    "moved": _json(
        {"type": "redirect", "redirectConfig": {"protocol": "HTTPS", "port": "443", "statusCode": "HTTP_301"}}
    ),
    "away": _json(
        {"type": "redirect", "redirectConfig": {"host": "moved.test", "path": "/x#{path}", "statusCode": "HTTP_302"}}
    ),
    "fixed": _json(
        {"type": "fixed-response", "fixedResponseConfig": {"statusCode": "404", "contentType": "text/plain"}}
    ),
    "shared": _json(
        {
            "type": "forward",
            "forwardConfig": {
                "targetGroups": [
                    {"serviceName": "one", "servicePort": 80, "weight": 1},
                    {"serviceName": "two", "servicePort": 80, "weight": 2},
                ]
            },
        }
    ),
    "lost": _json({"type": "forward", "targetGroupARN": "arn:1"}),
}
_ALB_CONDITIONS: tuple[Any, ...] = (
    [{"field": "http-header", "httpHeaderConfig": {"httpHeaderName": "X-Env", "values": ["pr*", "q"]}}],
    [{"field": "http-request-method", "httpRequestMethodConfig": {"values": ["GET", "HEAD"]}}],
    [{"field": "query-string", "queryStringConfig": {"values": [{"key": "k", "value": "v"}]}}],
    [{"field": "source-ip", "sourceIpConfig": {"values": ["127.0.0.0/16"]}}],
    [{"field": "path-pattern", "pathPatternConfig": {"values": ["/a*", "/api/*"]}}],
    [{"field": "host-header", "hostHeaderConfig": {"values": ["*.example.com", "d.test"]}}],
)
_ALB_TRANSFORMS: tuple[Any, ...] = (
    [{"type": "url-rewrite", "urlRewriteConfig": {"rewrites": [{"regex": "^/a/(.+)$", "replace": "/$1"}]}}],
    [
        {
            "type": "host-header-rewrite",
            "hostHeaderRewriteConfig": {"rewrites": [{"regex": ".*", "replace": "inner.test"}]},
        }
    ],
)
_ALB: tuple[Told, ...] = (
    {"listen-ports": '[{"HTTP": 80}, {"HTTPS": 443}]', "ssl-redirect": "443"},
    {"listen-ports": '[{"HTTP": 80}, {"HTTPS": 443}]'},
    {"listen-ports": '[{"HTTPS": 443}]'},
    {"group.name": "shop", "group.order": "1"},
    {"group.name": "shop", "group.order": "2"},
    {"inbound-cidrs": "127.0.0.0/16"},
    {"use-regex-path-match": "true"},
    {"wafv2-acl-arn": "arn:aws:wafv2:1"},
    {"load-balancer-attributes": "idle_timeout.timeout_seconds=600"},
    {"target-group-attributes": "stickiness.enabled=true"},
)

# --- middlewares and policies ---------------------------------------------------------------------

_MIDDLEWARES: dict[str, Manifest] = {
    "strip": {"stripPrefix": {"prefixes": ["/a/b", "/a", "/api"]}},
    "strip-regex": {"stripPrefixRegex": {"regex": ["^/[a-z]+/v1", "/a"]}},
    "add": {"addPrefix": {"prefix": "/added"}},
    "replace": {"replacePath": {"path": "/replaced"}},
    "pattern": {"replacePathRegex": {"regex": "^/a/(.*)", "replacement": "/new/$1"}},
    "secure": {"redirectScheme": {"scheme": "https", "permanent": True}},
    "secure-at": {"redirectScheme": {"scheme": "https", "port": "8443"}},
    "move": {"redirectRegex": {"regex": "^https?://[^/]+/a/(.*)", "replacement": "https://new.test/$1"}},
    "inside": {"ipAllowList": {"sourceRange": ["127.0.0.0/16"]}},
    "inside-404": {"ipAllowList": {"sourceRange": ["10.0.0.0/8", "127.0.0.5"], "rejectStatusCode": 404}},
    "behind": {"ipAllowList": {"sourceRange": ["10.0.0.0/8"], "ipStrategy": {"depth": 1}}},
    "behind-two": {"ipAllowList": {"sourceRange": ["10.0.0.0/8"], "ipStrategy": {"depth": 2}}},
    "ask": {"forwardAuth": {"address": "http://auth.apps:80/check", "authResponseHeaders": ["X-R-One", "X-User"]}},
    "ask-some": {
        "forwardAuth": {
            "address": "http://auth.apps:80/check",
            "authRequestHeaders": ["Cookie"],
            "authResponseHeadersRegex": "^X-R-",
        }
    },
    "deny-401": {"forwardAuth": {"address": "http://auth.apps:80/status/401"}},
    "deny-302": {"forwardAuth": {"address": "http://auth.apps:80/status/302", "trustForwardHeader": True}},
    "deny-503": {"forwardAuth": {"address": "http://auth.apps:80/status/503"}},
    "signin": {"forwardAuth": {"address": "http://auth.apps:80/status/401", "authSigninURL": "https://login.test/"}},
    "ask-nobody": {"forwardAuth": {"address": "http://missing.apps:80/"}},
    "ask-body": {"forwardAuth": {"address": "http://auth.apps:80/check", "forwardBody": True, "maxBodySize": 1000}},
    "login": {"basicAuth": {"secret": "users", "removeHeader": True, "headerField": "X-User"}},
    "login-plain": {"basicAuth": {"secret": "users"}},
    "login-lost": {"basicAuth": {"secret": "gone"}},
    "digest": {"digestAuth": {"secret": "users"}},
    "limit": {"buffering": {"maxRequestBodyBytes": 1000}},
    "limit-retry": {
        "buffering": {"maxRequestBodyBytes": 2000, "retryExpression": "IsNetworkError() && Attempts() < 2"}
    },
    "pages": {
        "errors": {"status": ["500-599", "404"], "service": {"name": "pages", "port": 80}, "query": "/{status}.html"}
    },
    "pages-auth": {"errors": {"status": ["401", "403"], "service": {"name": "pages", "port": 80}, "query": "/denied"}},
    "flight": {"inFlightReq": {"amount": 1000}},
    "rate": {"rateLimit": {"average": 100000, "burst": 100000}},
    "retry": {"retry": {"attempts": 3}},
    "retry-status": {"retry": {"attempts": 2, "status": ["500-599"]}},
    "small": {"compress": {"minResponseBodyBytes": 300, "encodings": ["gzip"]}},
    "small-json": {"compress": {"includedContentTypes": ["application/json"]}},
    "small-other": {"compress": {"excludedContentTypes": ["application/json"], "minResponseBodyBytes": 10}},
    "mark": {
        "headers": {
            "customRequestHeaders": {"X-Sent": "door", "X-Env": ""},
            "customResponseHeaders": {"X-R-One": "set"},
        }
    },
    "clean": {
        "headers": {
            "customResponseHeaders": {"X-R-Two": ""},
            "stsSeconds": 60,
            "frameDeny": True,
            "contentTypeNosniff": True,
        }
    },
    "share": {
        "headers": {"accessControlAllowOriginList": ["https://a.example.com"], "accessControlAllowMethods": ["GET"]}
    },
    "breaker": {"circuitBreaker": {"expression": "NetworkErrorRatio() > 0.3"}},
    "plugin": {"plugin": {"waf": {}}},
    "both": {"chain": {"middlewares": [{"name": "inside"}, {"name": "strip"}, {"name": "ask"}]}},
    "deep": {"chain": {"middlewares": [{"name": "both"}, {"name": "mark"}]}},
}
_ROUTE_FILTERS: dict[str, Manifest] = {
    "answer": {"directResponse": {"statusCode": 418, "body": {"type": "Inline", "inline": "teapot"}}},
    "rewrite": {
        "urlRewrite": {
            "path": {
                "type": "ReplaceRegexMatch",
                "replaceRegexMatch": {"pattern": "^/a/(.*)", "substitution": r"/new/\1"},
            }
        }
    },
    "inject": {"credentialInjection": {"credential": {"valueRef": {"name": "users"}}}},
}
_SECURITY: tuple[Manifest, ...] = (
    {"basicAuth": {"users": {"name": "htpasswd"}}},
    {"basicAuth": {"users": {"name": "gone"}}},
    {"cors": {"allowOrigins": ["https://a.example.com", "https://*.test"], "allowMethods": ["GET", "PUT"]}},
    {"extAuth": {"http": {"backendRefs": [{"name": "auth", "port": 80}], "path": "/status/403"}}},
    {"extAuth": {"http": {"backendRefs": [{"name": "auth", "port": 80}], "headersToBackend": ["x-r-one"]}}},
    {
        "authorization": {
            "defaultAction": "Deny",
            "rules": [
                {"action": "Deny", "principal": {"clientCIDRs": ["127.0.1.0/24"]}},
                {"action": "Allow", "principal": {"clientCIDRs": ["127.0.0.0/16", "10.0.0.0/8"]}},
            ],
        }
    },
    {
        "authorization": {
            "defaultAction": "Allow",
            "rules": [
                {
                    "action": "Deny",
                    "operation": {"methods": ["DELETE"]},
                    "principal": {"headers": [{"name": "x-env", "values": ["dev"]}]},
                },
                {"action": "Deny", "operation": {"methods": ["PUT"]}, "principal": {"clientCIDRs": ["127.2.0.0/16"]}},
            ],
        }
    },
    {"jwt": {"providers": [{"name": "p", "localJWKS": {"type": "Inline", "inline": '{"keys": []}'}}]}},
    {"oidc": {"clientID": "x"}},
)
_TRAFFIC: tuple[Manifest, ...] = (
    {"requestBuffer": {"limit": "1000"}},
    {"compression": [{"type": "Gzip", "gzip": {}}]},
    {"retry": {"numRetries": 2, "retryOn": {"httpStatusCodes": [503]}}},
    {"timeout": {"http": {"requestTimeout": "30s"}}},
    {"rateLimit": {"type": "Local", "local": {"rules": [{"limit": {"requests": 100000, "unit": "Second"}}]}}},
    {"loadBalancer": {"type": "ConsistentHash", "consistentHash": {"type": "Header", "header": {"name": "x-env"}}}},
)


def dialects(seed: int) -> list[Manifest]:
    """The documents of one installation, but for the Secrets of certificates (see `random_tls`)."""
    random = Random(f"dialects {seed}")
    found = [*_doors(random), *_parts()]
    primaries = [_nginx(f"n{number}", random, _some(random, _NGINX)) for number in range(random.randint(3, 6))]
    found += primaries
    found += [_canary(f"k{number}", random, random.choice(primaries)) for number in range(random.randint(1, 3))]
    found += [
        _ingress(f"h{n}", random, "haproxy", HAPROXY, _some(random, _HAPROXY)) for n in range(random.randint(2, 5))
    ]
    found += [
        _ingress(f"j{n}", random, "community", COMMUNITY, _some(random, _COMMUNITY))
        for n in range(random.randint(2, 5))
    ]
    found += [_alb(f"l{number}", random) for number in range(random.randint(2, 5))]
    found += [_traefik_ingress(f"i{number}", random) for number in range(random.randint(0, 2))]
    found += [_ingress_route(f"t{number}", random) for number in range(random.randint(3, 7))]
    found += _gateway_routes(random)
    return found


def asked_of_dialects(random: Random) -> Asked:
    """A request to one of the doors: a client, what it says of itself, perhaps a body and a way through proxies."""
    host = random.choice(ASKED)
    secure = random.random() < 0.5
    headers = random.sample(HEADERS, random.randint(0, 3))
    if random.random() < 0.5:
        headers += ANSWERED.items()
    if random.random() < 0.3:
        headers.append(("X-Forwarded-For", random.choice(FORWARDED)))
    if random.random() < 0.5:
        encoded = base64.b64encode(random.choice(LOGINS).encode()).decode()
        headers.append(("Authorization", f"Basic {encoded}"))
    method = random.choice(METHODS) if random.random() < 0.4 else "GET"
    if random.random() < 0.3:
        headers.append(("Origin", random.choice(FROM)))
        if random.random() < 0.4:
            headers.append(("Access-Control-Request-Method", "PUT"))
            method = "OPTIONS"
    one = Asked(
        random.choice(DOORS),
        secure,
        host,
        random.choice(TARGETS),
        method,
        tuple(headers),
        sni=host.partition(":")[0].rstrip(".") if secure else "",
        client=random.choice(CLIENTS),
    )
    if "?" not in one.target and random.random() < 0.3:
        one = replace(one, target=one.target + random.choice(QUERIES))
    return replace(one, body=random.choice(BODIES)) if method in ("POST", "PUT") else one


# --- doors and parts ------------------------------------------------------------------------------


def _doors(random: Random) -> list[Manifest]:
    peers = {"forwardedHeaders": {"trustedFrom": ["127.2.0.0/16"]}} if random.random() < 0.5 else {}
    certificate = {"name": "tls", "namespace": "infra"}

    def door(name: str, implementation: str, classes: list[str], **settings: Any) -> Manifest:
        spec = {"implementation": implementation, "defaultCertificate": certificate, "classes": classes}
        spec["settings"] = peers | settings
        return {"apiVersion": CONTROLLER, "kind": "IngressController", "metadata": meta(name, "infra"), "spec": spec}

    everywhere = {"namespaces": {"from": "All"}}
    listeners = [
        {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": everywhere},
        {
            "name": "https",
            "port": 443,
            "protocol": "HTTPS",
            "allowedRoutes": everywhere,
            "tls": {"certificateRefs": [{"name": "tls"}]},
        },
    ]
    return [
        door("ng", "ingress-nginx", ["nginx"], snippets=random.random() < 0.9, configuration="infra/ng"),
        door("tr", "traefik", ["traefik"], allowCrossNamespace=True),
        door("hp", "haproxy", ["haproxy"], configuration="infra/hp"),
        door("hi", "haproxy", ["community"], configuration="infra/hi"),
        door("alb", "alb", ["alb"]),
        {
            "apiVersion": API,
            "kind": "Gateway",
            "metadata": meta("eg", "infra"),
            "spec": {"gatewayClassName": "eg", "listeners": listeners},
        },
        _config_map("ng", "infra", _some(random, _NGINX_WIDE, most=2)),
        _config_map("hp", "infra", _some(random, (*_HAPROXY[:4], *_HAPROXY[12:18]), most=1)),
        _config_map(
            "hi", "infra", _some(random, ({"ssl-redirect-code": "301"}, {"hsts": "true"}, *_COMMUNITY[:3]), most=1)
        ),
    ]


def _some(random: Random, choices: tuple[Told, ...], most: int = 3) -> Told:
    told: Told = {}
    for choice in random.sample(choices, random.randint(0, most)):
        told |= choice
    return told


def _config_map(name: str, namespace: str, data: Told) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta(name, namespace), "data": data}


def _secret(name: str, **data: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta(name), "stringData": data}


def _parts() -> list[Manifest]:
    line = f"{USER}:{{SHA}}{_DIGEST}"
    ports = [{"name": "http", "port": 80}]
    made = [{"apiVersion": "v1", "kind": "Service", "metadata": meta(n), "spec": {"ports": ports}} for n in SERVICES]
    made += [
        {"apiVersion": TRAEFIK, "kind": "Middleware", "metadata": meta(n), "spec": s} for n, s in _MIDDLEWARES.items()
    ]
    made += [
        {"apiVersion": POLICY, "kind": "HTTPRouteFilter", "metadata": meta(n), "spec": s}
        for n, s in _ROUTE_FILTERS.items()
    ]
    return [
        *made,
        _secret("users", auth=line, users=line),
        _secret("htpasswd", **{".htpasswd": line}),
        _secret("by-name", **{USER: f"{{SHA}}{_DIGEST}"}),
        _config_map("headers", "apps", {"X-R-Two": "map", "X-Sent": "map"}),
    ]


# --- routes ---------------------------------------------------------------------------------------

_PATHS = ("/", "/", "/", "/a", "/a/", "/api", "/b", "/status", "/A", "/a/b")
_TRAEFIK_HOSTS = (
    *("Host(`a.example.com`)", "Host(`c.test`)", "Host(`b.example.com`)", "PathPrefix(`/`)"),
    *(r"HostRegexp(`^[a-z]+\.example\.com$`)", r"HostRegexp(`^[a-z.]+\.test$`)"),
)
_EXPRESSIONS = ("/a(/|$)(.*)", "/api/(.*)", "/(a|b)/(.+)", "/[a-z]+")


def _ingress(
    name: str, random: Random, ingress_class: str, prefix: str, told: Told, paths: tuple[str, ...] = _PATHS
) -> Manifest:
    rules = []
    for host in random.sample(HOSTS, random.randint(1, 3)):
        listed = [_path(random, paths) for _ in range(random.randint(2, 4))]
        rules.append({"host": host, "http": {"paths": listed}})
    spec: Manifest = {"ingressClassName": ingress_class, "rules": rules}
    if random.random() < 0.5:
        secured = {"hosts": [rule["host"] for rule in rules][: random.randint(1, 2)], "secretName": "wide"}
        spec["tls"] = [secured]
    if random.random() < 0.15:
        spec["defaultBackend"] = {"service": {"name": "three", "port": {"number": 80}}}
    metadata: Manifest = {**meta(name), "annotations": {prefix + key: value for key, value in told.items()}}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}


def _path(random: Random, paths: tuple[str, ...]) -> Manifest:
    path = random.choice(paths)
    kinds = ["Prefix", "Prefix", "ImplementationSpecific", "Exact"] if "(" not in path else ["ImplementationSpecific"]
    service = "missing" if random.random() < 0.05 else random.choice(SERVICES[:3])
    return {
        "path": path,
        "pathType": random.choice(kinds),
        "backend": {"service": {"name": service, "port": {"number": 80}}},
    }


def _nginx(name: str, random: Random, told: Told) -> Manifest:
    return _ingress(name, random, "nginx", NGINX, told, (*_PATHS, *_EXPRESSIONS))


def _canary(name: str, random: Random, primary: Manifest) -> Manifest:
    """The same rules with other backends, for a part of the requests."""
    made = copy.deepcopy(primary)
    told = {"canary": "true", **random.choice(_CANARIES)}
    made["metadata"] = {**meta(name), "annotations": {NGINX + key: value for key, value in told.items()}}
    for path in (path for rule in made["spec"]["rules"] for path in rule["http"]["paths"]):
        path["backend"] = {"service": {"name": random.choice(SERVICES[:3]), "port": {"number": 80}}}
    return made


def _alb(name: str, random: Random) -> Manifest:
    told = _some(random, _ALB, most=2)
    made = _ingress(name, random, "alb", ALB, told, (*_PATHS, "/a*", "/api/*"))
    annotations = made["metadata"]["annotations"]
    for path in (path for rule in made["spec"]["rules"] for path in rule["http"]["paths"]):
        service = path["backend"]["service"]
        if random.random() < 0.3:
            action = random.choice(list(_ALB_ACTIONS))
            annotations[f"{ALB}actions.{action}"] = _ALB_ACTIONS[action]
            path["backend"] = {"service": {"name": action, "port": {"name": "use-annotation"}}}
            service = path["backend"]["service"]
        if random.random() < 0.3:
            annotations[f"{ALB}conditions.{service['name']}"] = _json(random.choice(_ALB_CONDITIONS))
        if random.random() < 0.2:
            annotations[f"{ALB}transforms.{service['name']}"] = _json(random.choice(_ALB_TRANSFORMS))
    return made


def _traefik_ingress(name: str, random: Random) -> Manifest:
    chosen = [f"apps-{one}@kubernetescrd" for one in random.sample(sorted(_MIDDLEWARES), random.randint(0, 2))]
    told = {"router.middlewares": ",".join(chosen)} if chosen else {}
    if random.random() < 0.3:
        told["router.entrypoints"] = random.choice(["web", "websecure", "web,websecure"])
    return _ingress(name, random, "traefik", OF_TRAEFIK, told)


def _ingress_route(name: str, random: Random) -> Manifest:
    routes = []
    for _ in range(random.randint(2, 5)):
        host = random.choice(_TRAEFIK_HOSTS)
        path = random.choice(["", "", " && PathPrefix(`/a`)", " && Path(`/a/b`)", " && PathPrefix(`/status`)"])
        source = " && ClientIP(`127.2.0.0/16`)" if random.random() < 0.1 else ""
        route: Manifest = {
            "kind": "Rule",
            "match": host + path + source,
            "services": [{"name": random.choice(SERVICES[:3]), "port": 80}],
        }
        if random.random() < 0.8:
            names = random.sample(sorted(_MIDDLEWARES), random.randint(1, 3))
            route["middlewares"] = [{"name": one} for one in names]
        routes.append(route)
    spec: Manifest = {"routes": routes, "ingressClassName": "traefik"}
    if random.random() < 0.5:
        spec["entryPoints"] = random.choice([["web"], ["websecure"]])
    return {"apiVersion": TRAEFIK, "kind": "IngressRoute", "metadata": meta(name), "spec": spec}


def _gateway_routes(random: Random) -> list[Manifest]:
    made: list[Manifest] = []
    for number in range(random.randint(3, 6)):
        rules = []
        for _ in range(random.randint(1, 2)):
            path = {"type": "PathPrefix", "value": random.choice(["/", "/", "/a", "/api", "/status"])}
            refs = [{"name": random.choice(SERVICES[:3]), "port": 80}]
            rule: Manifest = {"matches": [{"path": path}], "backendRefs": refs}
            if random.random() < 0.4:
                name = random.choice([*_ROUTE_FILTERS, "nowhere"])
                ref = {"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": name}
                rule["filters"] = [{"type": "ExtensionRef", "extensionRef": ref}]
                if name == "answer":
                    del rule["backendRefs"]
            rules.append(rule)
        spec: Manifest = {
            "parentRefs": [{"name": "eg", "namespace": "infra"}],
            "hostnames": random.sample(HOSTS, random.randint(1, 3)),
            "rules": rules,
        }
        made.append({"apiVersion": API, "kind": "HTTPRoute", "metadata": meta(f"g{number}"), "spec": spec})
        target = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": f"g{number}"}
        made += _policies(random, f"p{number}", "apps", target, 0.5)
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "eg"}
    made += _policies(random, "whole", "infra", target, 0.2)
    if random.random() < 0.4:
        detection = random.choice([{"numTrustedHops": 1}, {"trustedCIDRs": ["127.2.0.0/16"]}])
        spec = {"targetRefs": [target], "clientIPDetection": {"xForwardedFor": detection}}
        kind = "ClientTrafficPolicy"
        made.append({"apiVersion": POLICY, "kind": kind, "metadata": meta("client", "infra"), "spec": spec})
    return made


def _policies(random: Random, name: str, namespace: str, target: Manifest, chance: float) -> list[Manifest]:
    made: list[Manifest] = []
    for kind, choices in (("SecurityPolicy", _SECURITY), ("BackendTrafficPolicy", _TRAFFIC)):
        if random.random() < chance:
            spec = {"targetRefs": [target], **random.choice(choices)}
            made.append({"apiVersion": POLICY, "kind": kind, "metadata": meta(name, namespace), "spec": spec})
    return made
