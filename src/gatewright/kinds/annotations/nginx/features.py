"""What becomes of the annotations of ingress-nginx: plain data, for `ingress`, which goes by it, and for the page.

In the examples `@` stands for the annotations' prefix.
"""

from __future__ import annotations

from gatewright.kinds.annotations.names import NGINX
from gatewright.kinds.annotations.table import features
from gatewright.kinds.features import Feature, Support

_URL = "http://auth.apps.svc.cluster.local/check"
_ASKED = f"\n@auth-url: {_URL}"
_BASIC = "\n@auth-type: basic\n@auth-secret: users"
_SHOWN_BASIC = "basic\n@auth-secret: users"
_COOKIE = "\n@affinity: cookie"
_CANARY = "\n@canary: true"
_CLIENT = "\n@auth-tls-secret: apps/ca"
_RATE = "\n@limit-rps: 5"
_APART = (
    "counted for each host and path, not once for the Ingress; at a path with a canary, requests that its header or "
    "cookie decides are counted apart: up to five times as many in all"
)
_UPSTREAM = "\n@proxy-ssl-secret: apps/upstream"
_GLOBAL = "\n@global-rate-limit: 100\n@global-rate-limit-window: 1m"

_HONOURED = {
    "affinity": ("cookie", ""),
    "allowlist-source-range": ("10.0.0.0/8", ""),
    "app-root": ("/app", ""),
    "auth-method": (f"POST{_ASKED}", "GET unless it says otherwise"),
    "auth-realm": (f"Members only{_BASIC}", ""),
    "auth-request-redirect": (f"https://app.test/{_ASKED}", ""),
    "auth-response-headers": (f"X-User, X-Groups{_ASKED}", "what the client sends under these names never survives"),
    "auth-proxy-set-headers": (f"apps/headers{_ASKED}", ""),
    "auth-secret": (
        "users\n@auth-type: basic",
        "of another namespace where allow-cross-namespace-resources; missing: 503",
    ),
    "auth-secret-type": (f"auth-map{_BASIC}", ""),
    "auth-signin": (f"https://login.test/start{_ASKED}", ""),
    "auth-signin-redirect-param": (f"next\n@auth-signin: https://login.test/start{_ASKED}", ""),
    "auth-snippet": (f"proxy_set_header X-Site shop;{_ASKED}", "proxy_set_header; other lines are told"),
    "auth-tls-error-page": (f"https://app.test/no-certificate{_CLIENT}", ""),
    "auth-tls-match-cn": (f"CN=(alice|bob){_CLIENT}", ""),
    "auth-tls-pass-certificate-to-upstream": (f"true{_CLIENT}", ""),
    "auth-tls-secret": ("apps/ca", "namespace/name of a Secret with ca.crt; missing: 503"),
    "auth-tls-verify-client": (f"optional{_CLIENT}", "on unless it says otherwise"),
    "auth-tls-verify-depth": (f"2{_CLIENT}", ""),
    "auth-type": (_SHOWN_BASIC, "basic; digest is refused with 503"),
    "auth-url": (_URL, "a Service, a host that this gateway serves, or one outside; no URL: 503"),
    "backend-protocol": ("HTTPS", "HTTP, HTTPS, GRPC, GRPCS; AUTO_HTTP is taken for HTTP, FCGI answers 503"),
    "canary": ("true\n@canary-weight: 20", "merged into the rules with the same host and path"),
    "canary-by-cookie": (f"beta{_CANARY}", ""),
    "canary-by-header": (f"X-Canary{_CANARY}", ""),
    "canary-by-header-pattern": (f"^beta-.*\n@canary-by-header: X-Canary{_CANARY}", ""),
    "canary-by-header-value": (f"beta\n@canary-by-header: X-Canary{_CANARY}", ""),
    "canary-weight": (f"20{_CANARY}", ""),
    "canary-weight-total": (f"1000\n@canary-weight: 20{_CANARY}", ""),
    "cors-allow-credentials": (
        "false\n@enable-cors: true\n@cors-allow-origin: https://a.test",
        "to the origin * there are none in any case, as browsers have it",
    ),
    "cors-allow-headers": ("X-Custom\n@enable-cors: true", ""),
    "cors-allow-methods": ("GET, POST\n@enable-cors: true", ""),
    "cors-allow-origin": ("https://*.example.com\n@enable-cors: true", ""),
    "cors-expose-headers": ("X-Total\n@enable-cors: true", ""),
    "cors-max-age": ("600\n@enable-cors: true", ""),
    "custom-headers": ("apps/headers", "whichever headers the ConfigMap has; without it: 503"),
    "default-backend": ("errors", ""),
    "denylist-source-range": ("192.0.2.0/24", ""),
    "disable-proxy-intercept-errors": ("true", ""),
    "enable-global-auth": ("false", ""),
    "force-ssl-redirect": ("true", "308, or the ConfigMap's http-redirect-code"),
    "from-to-www-redirect": ("true", ""),
    "global-rate-limit": ("100\n@global-rate-limit-window: 1m", "counted by this gateway alone, per client address"),
    "global-rate-limit-ignored-cidrs": (f"10.0.0.0/8{_GLOBAL}", ""),
    "global-rate-limit-window": ("1m\n@global-rate-limit: 100", ""),
    "limit-allowlist": (f"10.0.0.0/8{_RATE}", ""),
    "limit-burst-multiplier": (f"3{_RATE}", "5 unless it says otherwise"),
    "limit-whitelist": (f"10.0.0.0/8{_RATE}", ""),
    "mirror-target": ("http://shadow.apps.svc.cluster.local$request_uri", "a Service; others are told"),
    "permanent-redirect": ("https://new.example.com", "before everything else, also before authentication"),
    "permanent-redirect-code": ("308\n@permanent-redirect: https://new.example.com", ""),
    "proxy-body-size": ("8m", "1m unless it says otherwise, 0 for none; 413"),
    "proxy-connect-timeout": ("10", "seconds"),
    "proxy-next-upstream": ("error timeout http_502", "an answer that is late is not tried again"),
    "proxy-next-upstream-tries": ("2", ""),
    "proxy-read-timeout": ("3600", "seconds between two reads, also on WebSockets"),
    "proxy-ssl-name": (f"internal.example.com{_UPSTREAM}", ""),
    "proxy-ssl-secret": ("apps/upstream", "namespace/name of a Secret"),
    "proxy-ssl-server-name": (f"on\n@proxy-ssl-name: internal.example.com{_UPSTREAM}", ""),
    "proxy-ssl-verify": (f"on{_UPSTREAM}", ""),
    "rewrite-target": (
        "/$1",
        "makes expressions of all paths of the host, as use-regex does; what was sent encoded stays so",
    ),
    "satisfy": (f"any\n@whitelist-source-range: 10.0.0.0/8{_BASIC}", ""),
    "server-alias": (r"other.test, ~^shop\d+\.test$", ""),
    "server-snippet": ("return 301 https://new.example.com$request_uri;", "for the rules of this Ingress alone"),
    "session-cookie-expires": (f"3600{_COOKIE}", ""),
    "session-cookie-max-age": (f"3600{_COOKIE}", ""),
    "session-cookie-name": (f"sticky{_COOKIE}", "INGRESSCOOKIE unless it says otherwise"),
    "session-cookie-path": (f"/app{_COOKIE}", ""),
    "session-cookie-samesite": (f"Lax{_COOKIE}", ""),
    "session-cookie-secure": (f"true{_COOKIE}", ""),
    "ssl-passthrough": ("true", ""),
    "temporal-redirect": ("https://new.example.com", "before everything else, also before authentication"),
    "temporal-redirect-code": ("307\n@temporal-redirect: https://new.example.com", ""),
    "upstream-hash-by": ("$remote_addr", "$remote_addr, $request_uri, $uri, $host, $http_x, $cookie_x, $arg_x"),
    "upstream-vhost": ("internal.example.com", ""),
    "use-regex": (
        "true",
        "paths are expressions from the start, without regard to case, at the whole host; encoded paths that match"
        " an expression only if \\b holds beside an encoded character get 503",
    ),
    "whitelist-source-range": ("10.0.0.0/8", ""),
    "x-forwarded-prefix": ("/app\n@rewrite-target: /$1", ""),
}

_SLIGHT = {
    "limit-rpm": ("300", f"per client address; {_APART}"),
    "limit-rps": ("5", f"per client address, five times as many at once; 503, or limit-req-status-code; {_APART}"),
    "configuration-snippet": (
        'more_set_headers "X-Frame-Options: DENY";',
        "headers, return, rewrite, redirects under an if on $host, $scheme, $request_uri or $uri, allow and deny; other"
        " lines are told, and answer 503 where they may keep somebody out; add_header counts for any status",
    ),
    "enable-cors": (
        "true",
        "a preflight is answered with 200 in place of 204, and of an origin that is not allowed it is not passed on",
    ),
    "ssl-redirect": ("false", "on unless it says otherwise: 308 where the host has TLS; a slash at the end is kept"),
    "custom-http-errors": (
        "404,503\n@default-backend: errors",
        "with a default-backend of the Ingress; it is not told X-Format and X-Service-Name, and whoever is answered "
        "while still sending gets no page",
    ),
}

_DIFFERENT = {
    "load-balance": ("ewma", "the endpoint with fewer requests is preferred, not the one that answers faster"),
}

_KEPT = "headers and cookies of the backend reach the client as they are"
_WAF = "there is no web application firewall here"
_REPORTED = {
    "add-base-url": ("true", "bodies are not changed; let the application know its path"),
    "affinity-canary-behavior": (f"legacy{_COOKIE}", "whoever was served by a canary may get the other one next"),
    "affinity-mode": (
        f"balanced{_COOKIE}",
        "sessions stay where they are when endpoints are added, as with persistent",
    ),
    "auth-cache-duration": (f"200 5m{_ASKED}", "the authentication server is asked about each request"),
    "auth-cache-key": (f"$remote_user{_ASKED}", "the authentication server is asked about each request"),
    "base-url-scheme": ("https", "bodies are not changed; let the application know its URL"),
    "enable-modsecurity": ("true", _WAF),
    "enable-owasp-core-rules": ("true", _WAF),
    "fastcgi-index": ("index.php", "FastCGI is not spoken; put a web server that speaks it beside the backend"),
    "fastcgi-params-configmap": ("apps/fcgi", "FastCGI is not spoken; put a web server that does beside the backend"),
    "global-rate-limit-key": (f"$http_x_api_key{_GLOBAL}", "requests are counted by client address"),
    "grpc-backend": ("true", "no version since 0.21 reads it; use backend-protocol: GRPC"),
    "limit-connections": ("10", "requests of one client at the same time are not counted; limit-rps limits their rate"),
    "limit-rate": ("100", "answers are sent as fast as clients take them"),
    "limit-rate-after": ("1000", "answers are sent as fast as clients take them"),
    "lua-resty-waf": ("active", _WAF),
    "lua-resty-waf-allow-unknown-content-types": ("true", _WAF),
    "lua-resty-waf-extra-rules": ("[]", _WAF),
    "lua-resty-waf-ignore-rulesets": ("41000_sqli", _WAF),
    "lua-resty-waf-process-multipart-body": ("true", _WAF),
    "lua-resty-waf-score-threshold": ("10", _WAF),
    "mirror-host": ("shadow.test", "copies keep the Host of the request"),
    "mirror-request-body": ("off", "copies have the body of the request"),
    "mirror-uri": ("/mirror", "no version since 0.26 reads it; use mirror-target"),
    "modsecurity-snippet": ("SecRuleEngine On", _WAF),
    "modsecurity-transaction-id": ("$request_id", _WAF),
    "proxy-cookie-domain": ("localhost example.org", f"{_KEPT}; let the backend set its cookies' domain"),
    "proxy-cookie-path": ("/one/ /", f"{_KEPT}; let the backend set its cookies' path"),
    "proxy-http-version": ("1.0", "backends are spoken to by HTTP/1.1"),
    "proxy-next-upstream-timeout": ("10", "tries are limited by their number alone"),
    "proxy-redirect-from": ("http://app/\n@proxy-redirect-to: /", f"{_KEPT}; let the backend write its own URLs"),
    "proxy-redirect-to": ("/\n@proxy-redirect-from: http://app/", f"{_KEPT}; let the backend write its own URLs"),
    "proxy-ssl-ciphers": (f"HIGH{_UPSTREAM}", "the usual ciphers are offered to backends"),
    "proxy-ssl-protocols": (f"TLSv1.3{_UPSTREAM}", "TLS 1.2 and 1.3 are offered to backends"),
    "relative-redirects": ("true", "redirects have whole URLs"),
    "secure-backends": ("true", "no version since 0.21 reads it; use backend-protocol: HTTPS"),
    "secure-verify-ca-secret": ("ca", "no version since 0.25 reads it; use proxy-ssl-secret and proxy-ssl-verify"),
    "session-cookie-change-on-failure": (f"true{_COOKIE}", "a session moves when its endpoint is gone, and only then"),
    "session-cookie-conditional-samesite-none": (f"true{_COOKIE}", "the cookie is the same for all browsers"),
    "session-cookie-domain": (f"example.com{_COOKIE}", "the cookie is for the host that set it"),
    "session-cookie-hash": (f"sha1{_COOKIE}", "the cookie's value is opaque anyhow"),
    "session-cookie-partitioned": (f"true{_COOKIE}", "the cookie is set without Partitioned"),
    "ssl-ciphers": ("ECDHE-RSA-AES128-GCM-SHA256", "the ciphers of the door hold; set ssl-ciphers of the ConfigMap"),
    "stream-snippet": ("server { listen 8000; }", "use a TCPRoute, or an IngressRouteTCP"),
    "upstream-fail-timeout": ("10s", "no version since 0.19 reads it"),
    "upstream-hash-by-subset": ("true\n@upstream-hash-by: $host", "each key has one endpoint"),
    "upstream-hash-by-subset-size": ("3\n@upstream-hash-by: $host", "each key has one endpoint"),
    "upstream-max-fails": ("3", "no version since 0.19 reads it"),
    "use-port-in-redirects": ("true", "redirects to HTTPS go to its usual port"),
    "vts-filter-key": ("$host", "no version since 0.25 reads it"),
}

LOCKS = frozenset(
    {"enable-modsecurity", "enable-owasp-core-rules", "lua-resty-waf"},
)
"""Those without support that keep somebody out: switched on, the rules answer 503."""

_ADVISORY = {
    "auth-always-set-cookie": f"true{_ASKED}",
    "auth-keepalive": f"8{_ASKED}",
    "auth-keepalive-requests": f"100{_ASKED}",
    "auth-keepalive-share-vars": f"true{_ASKED}",
    "auth-keepalive-timeout": f"60{_ASKED}",
    "client-body-buffer-size": "1m",
    "connection-proxy-header": "keep-alive",
    "enable-access-log": "false",
    "enable-dynamic-tls-records": "true",
    "enable-influxdb": "true",
    "enable-opentelemetry": "true",
    "enable-opentracing": "true",
    "enable-rewrite-log": "true",
    "http2-push-preload": "true",
    "influxdb-host": "192.0.2.1",
    "influxdb-measurement": "nginx",
    "influxdb-port": "8089",
    "influxdb-server-name": "nginx",
    "lua-resty-waf-debug": "true",
    "opentelemetry-operation-name": "app",
    "opentelemetry-trust-incoming-span": "true",
    "opentracing-operation-name": "app",
    "opentracing-trust-incoming-span": "true",
    "preserve-trailing-slash": "true",
    "proxy-buffer-size": "8k",
    "proxy-buffering": "on",
    "proxy-buffers-number": "4",
    "proxy-busy-buffers-size": "16k",
    "proxy-max-temp-file-size": "1024m",
    "proxy-request-buffering": "off",
    "proxy-send-timeout": "3600",
    "proxy-ssl-verify-depth": f"2{_UPSTREAM}",
    "service-upstream": "true",
    "ssl-prefer-server-ciphers": "true",
}


def _spelled(rows: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    return {name: (example.replace("\n@", f"\n{NGINX}"), note) for name, (example, note) in rows.items()}


FEATURES: tuple[Feature, ...] = (
    *features(NGINX, Support.HONOURED, _spelled(_HONOURED)),
    *features(NGINX, Support.SLIGHT, _spelled(_SLIGHT)),
    *features(NGINX, Support.DIFFERENT, _spelled(_DIFFERENT)),
    *features(NGINX, Support.REPORTED, _spelled(_REPORTED)),
    *features(NGINX, Support.ADVISORY, _spelled({name: (example, "") for name, example in _ADVISORY.items()})),
)
