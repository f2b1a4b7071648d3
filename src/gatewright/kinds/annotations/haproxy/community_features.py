"""What becomes of the configuration keys of haproxy-ingress (jcmoraisjr), as annotations and in its ConfigMap.

Plain data, for `community`, which reads the values, and for the compatibility page.
"""

from __future__ import annotations

from gatewright.kinds.annotations.names import HAPROXY_COMMUNITY as PREFIX
from gatewright.kinds.annotations.names import NAMES
from gatewright.kinds.annotations.table import features
from gatewright.kinds.features import Feature, Support

_HONOURED = {
    "affinity": ("cookie", "the values of the cookie are Envoy's"),
    "session-cookie-name": ("SRV\n@affinity: cookie", ""),
    "session-cookie-same-site": ("true\n@affinity: cookie", ""),
    "session-cookie-keywords": ("indirect nocache\n@affinity: cookie", "httponly is read"),
    "allowlist-source-range": ("10.0.0.0/8,!10.9.0.0/16", ""),
    "whitelist-source-range": ("10.0.0.0/8", ""),
    "denylist-source-range": ("192.168.0.0/16", ""),
    "app-root": ("/app", ""),
    "auth-secret": ("users", "hashed passwords; user::password is refused"),
    "auth-realm": ("Admin\n@auth-secret: users", ""),
    "auth-method": ("HEAD\n@auth-url: http://auth.example.com/check\n@auth-headers-succeed: X-User", ""),
    "auth-headers-request": ("Cookie\n@auth-url: http://auth.example.com/check\n@auth-headers-succeed: X-User", ""),
    "auth-headers-succeed": ("X-User,X-Group-*\n@auth-url: http://auth.example.com/check", ""),
    "auth-signin": (
        "https://login.example.com/?rd=%[path]\n@auth-url: http://auth.example.com/check\n"
        "@auth-headers-succeed: X-User",
        "for an answer of 401",
    ),
    "backend-protocol": ("h2-ssl", "h1, h1-ssl, h2 and h2-ssl and what else they are called"),
    "balance-algorithm": ("leastconn", "roundrobin, static-rr, leastconn, random, source, uri, url_param and hdr"),
    "config-backend": (
        "http-response del-header Server",
        "headers without condition; other lines are told, or refused",
    ),
    "config-backend-early": ("http-request set-header X-One 1", "as config-backend"),
    "config-backend-late": ("http-request set-header X-One 1", "as config-backend"),
    "cors-allow-credentials": (
        "false\n@cors-enable: true\n@cors-allow-origin: https://example.com",
        "never together with the origin *, which browsers refuse",
    ),
    "cors-allow-headers": ("X-Custom\n@cors-enable: true", ""),
    "cors-allow-methods": ("GET, POST\n@cors-enable: true", ""),
    "cors-allow-origin": ("https://example.com\n@cors-enable: true", ""),
    "cors-enable": ("true", ""),
    "cors-expose-headers": ("X-Custom\n@cors-enable: true", ""),
    "cors-max-age": ("600\n@cors-enable: true", ""),
    "headers": ("x-one: 1", "plain values and %[namespace]"),
    "health-check-uri": ("/health", ""),
    "health-check-interval": ("5s\n@health-check-uri: /health", ""),
    "backend-check-interval": ("5s\n@health-check-uri: /health", ""),
    "health-check-rise-count": ("3\n@health-check-uri: /health", ""),
    "health-check-fall-count": ("5\n@health-check-uri: /health", ""),
    "health-check-port": ("9000\n@health-check-uri: /health", ""),
    "hsts": ("false", "by itself where the door is known to be this controller's, max-age=15768000"),
    "hsts-include-subdomains": ("true\n@hsts: true", ""),
    "hsts-max-age": ("3600\n@hsts: true", ""),
    "hsts-preload": ("true\n@hsts: true", ""),
    "http-header-match": ("x-beta: on", ""),
    "http-header-match-regex": ("x-beta: on|yes", ""),
    "limit-rps": ("10", "requests, as HAProxy counts them there; 429"),
    "limit-whitelist": ("10.0.0.0/8\n@limit-rps: 10", ""),
    "path-type": ("regex", "for paths whose pathType is ImplementationSpecific"),
    "proxy-body-size": ("8m", "413"),
    "proxy-protocol": ("v2", ""),
    "redirect-to": ("https://www.example.com/login", ""),
    "redirect-to-code": ("301\n@redirect-to: https://www.example.com/login", ""),
    "rewrite-target": ("/", ""),
    "secure-backends": ("true", ""),
    "secure-crt-secret": ("client\n@secure-backends: true", ""),
    "secure-sni": ("app.example.com\n@secure-backends: true", ""),
    "secure-verify-hostname": (
        "app.example.com\n@secure-backends: true\n@secure-verify-ca-secret: ca\n@secure-sni: a.example.com",
        "",
    ),
    "secure-verify-ca-secret": (
        "ca\n@secure-backends: true\n@secure-sni: app.example.com",
        "without secure-sni or secure-verify-hostname the certificate has to be for the host asked for",
    ),
    "server-alias": ("www.app.example.com", ""),
    "server-alias-regex": ("^a[0-9]+\\.example\\.com$", ""),
    "ssl-passthrough": ("true", ""),
    "ssl-redirect": ("false", "by itself where the host has TLS"),
    "timeout-connect": ("2s", ""),
    "timeout-server": ("10s", ""),
    "timeout-tunnel": ("2h", ""),
}
_DIFFERENT = {
    "auth-url": (
        "http://auth.example.com/check",
        "without auth-headers-succeed the backend gets X-*, Remote-* and Authorization of the answer, not all of it",
    ),
    "auth-tls-secret": (
        "ca",
        "without a valid certificate the answer is 400, where HAProxy says 495 or 496, and backends are told its"
        " subject and fingerprint, but not its common name alone",
    ),
    "auth-tls-verify-client": ("optional\n@auth-tls-secret: ca", ""),
    "auth-tls-error-page": ("https://example.com/cert\n@auth-tls-secret: ca", ""),
    "auth-tls-cert-header": ("true\n@auth-tls-secret: ca", "the certificate is PEM, URL-encoded, in place of base64"),
}
_REPORTED = {
    "agent-check-addr": ("10.0.0.9", "no agents are asked; use health-check-uri"),
    "agent-check-interval": ("2s", "no agents are asked; use health-check-uri"),
    "agent-check-port": ("8080", "no agents are asked; use health-check-uri"),
    "agent-check-send": ("hello", "no agents are asked; use health-check-uri"),
    "auth-headers-fail": ("WWW-Authenticate", "all headers of a denial reach the client"),
    "blue-green-balance": (
        "group=blue=1,group=green=4",
        "pods of one Service share alike; use a Service for each group",
    ),
    "blue-green-cookie": ("Server:group", "pods are not chosen by label; use a Service for each group"),
    "blue-green-deploy": (
        "group=blue=1,group=green=4",
        "pods of one Service share alike; use a Service for each group",
    ),
    "blue-green-header": ("X-Server:group", "pods are not chosen by label; use a Service for each group"),
    "blue-green-mode": ("pod", "pods of one Service share alike; use a Service for each group"),
    "cert-signer": ("acme", "annotate the Ingress with cert-manager.io/cluster-issuer instead"),
    "cors-allow-origin-regex": ("https://.*", "origins by regular expression are not carried over; list them"),
    "fcgi-app": ("php", "FastCGI is not spoken; put a web server before the application"),
    "health-check-addr": ("10.0.0.9", "endpoints are checked at their own addresses"),
    "limit-connections": ("20", "connections of one client at the same time are not counted; use limit-rps"),
    "maxconn-server": ("100", "backends get as many connections as requests need"),
    "maxqueue-server": ("100", "requests do not wait for a connection"),
    "oauth": ("oauth2_proxy", "use auth-url: svc://<oauth2-proxy>:<port>/oauth2/auth and auth-signin"),
    "oauth-headers": ("X-Auth-Request-Email", "use auth-url and auth-headers-succeed"),
    "oauth-uri-prefix": ("/oauth2", "use auth-url"),
    "redirect-from": ("old.example.com", "make an Ingress for that host with redirect-to"),
    "redirect-from-code": ("301", "make an Ingress for that host with redirect-to"),
    "redirect-from-regex": ("^old.*", "make an Ingress for those hosts with redirect-to"),
    "service-upstream": ("true", "endpoints are spoken to themselves, not the Service's address"),
    "session-cookie-domain": ("example.com", "the cookie is for the host that set it"),
    "session-cookie-preserve": ("true", "a backend's cookie does not decide where requests go"),
    "session-cookie-shared": ("true", "the cookie is for the host that set it"),
    "session-cookie-strategy": ("prefix", "a cookie of its own is set, as with insert"),
    "source-address-intf": ("eth1", "connections to backends leave as the system routes them"),
    "ssl-always-follow-redirect": ("true", "X-Forwarded-Proto of proxies counts as the door's settings say"),
    "ssl-cipher-suites": ("TLS_AES_128_GCM_SHA256", "TLS of 1.2 and later with its usual suites"),
    "ssl-cipher-suites-backend": ("TLS_AES_128_GCM_SHA256", "TLS to backends has its usual suites"),
    "ssl-ciphers": ("ECDHE-RSA-AES128-GCM-SHA256", "TLS of 1.2 and later with its usual suites"),
    "ssl-ciphers-backend": ("ECDHE-RSA-AES128-GCM-SHA256", "TLS to backends has its usual suites"),
    "ssl-fingerprint-lower": ("true", "fingerprints of clients are in lower case anyway"),
    "ssl-fingerprint-sha2-bits": ("256", "backends are told the SHA-1 fingerprint of the client's certificate alone"),
    "ssl-options": ("no-tlsv12", "TLS of 1.2 and later with its usual suites"),
    "ssl-options-backend": ("no-tlsv12", "TLS to backends has its usual suites"),
    "ssl-options-host": ("no-tlsv12", "TLS of 1.2 and later with its usual suites"),
    "ssl-passthrough-http-port": ("8080", "plain HTTP is not served for what is passed through"),
    "ssl-redirect-code": ("301", "it counts in the ConfigMap alone, here as there"),
    "tcp-service-log-format": ("%ci", "the Ingress is served as HTTP; use a TCPRoute"),
    "tcp-service-port": ("5432", "the Ingress is served as HTTP; use a TCPRoute"),
    "tcp-service-proxy-protocol": ("true", "the Ingress is served as HTTP; use a TCPRoute"),
    "timeout-client": ("10s", "it counts in the ConfigMap alone"),
    "timeout-client-fin": ("10s", "half-closed connections have no timeout of their own"),
    "timeout-http-request": ("5s", "requests may take as long as usual to arrive"),
    "timeout-keep-alive": ("1m", "idle connections of clients are closed as usual"),
    "timeout-queue": ("5s", "requests do not wait for a connection"),
    "timeout-server-fin": ("5s", "half-closed connections have no timeout of their own"),
    "tls-alpn": ("http/1.1", "h2 and http/1.1 are offered"),
    "waf": ("modsecurity", "there is no web application firewall; put one before or behind the gateway"),
    "allowlist-source-header": ("True-Client-IP", "clients are known by their address, or by X-Forwarded-For"),
}
_ADVISORY = {
    "acme-preferred-chain": "ISRG Root X1",
    "assign-backend-server-id": "true",
    "auth-external-placement": "frontend",
    "auth-log-format": "default",
    "auth-proxy": "_front__auth:14415-14499",
    "auth-tls-strict": "true",
    "auth-type": "basic\n@auth-secret: users",
    "backend-server-naming": "pod",
    "backend-server-slots-increment": "32",
    "close-sessions-duration": "5m",
    "dynamic-scaling": "true",
    "initial-weight": "100",
    "session-cookie-dynamic": "true",
    "session-cookie-value-strategy": "pod-uid",
    "slots-min-free": "6",
    "ssl-always-add-https": "true",
    "use-resolver": "k8s",
    "var-namespace": "true",
    "waf-mode": "detect",
}
LOCKS = frozenset({"waf", "oauth", "allowlist-source-header", "modsecurity-endpoints"})
"""Those without support that keep somebody out: used, the rules are refused."""

_OF_CLASS = {
    "config-frontend": ("capture request header X len 32", "lines of HAProxy's configuration have no effect"),
    "config-frontend-early": ("capture request header X len 32", "lines of HAProxy's configuration have no effect"),
    "config-frontend-late": ("capture request header X len 32", "lines of HAProxy's configuration have no effect"),
    "config-tcp-service": ("option tcplog", "lines of HAProxy's configuration have no effect"),
    "config-defaults": ("option redispatch", "lines of HAProxy's configuration have no effect"),
    "config-global": ("tune.bufsize 32768", "lines of HAProxy's configuration have no effect"),
    "config-proxy": ("option redispatch", "lines of HAProxy's configuration have no effect"),
    "config-sections": ("cache one", "lines of HAProxy's configuration have no effect"),
    "config-tcp": ("option tcplog", "lines of HAProxy's configuration have no effect"),
    "forwardfor": ("ignore", "X-Forwarded-For is sent as usual"),
    "default-backend-redirect": ("https://example.com", "what no rule takes is answered 404"),
    "default-backend-redirect-code": ("301", "what no rule takes is answered 404"),
    "fronting-proxy-port": ("8000", "describe the proxy before the door and whom it trusts in the site map"),
    "https-to-http-port": ("8000", "describe the proxy before the door and whom it trusts in the site map"),
    "bind-fronting-proxy": (":8000", "describe the proxy before the door and whom it trusts in the site map"),
    "use-forwarded-proto": ("on", "X-Forwarded-Proto of proxies counts as the door's settings say"),
    "use-proxy-protocol": ("true", "say it in settings.proxyProtocol.trustedFrom of an IngressController"),
    "http-port": ("8080", "say it in entryPoints of an IngressController"),
    "https-port": ("8443", "say it in entryPoints of an IngressController"),
    "bind-http": (":8080", "say it in entryPoints of an IngressController"),
    "bind-https": (":8443", "say it in entryPoints of an IngressController"),
    "bind-ip-addr-http": ("10.0.0.1", "say it in entryPoints of an IngressController"),
    "bind-ip-addr-tcp": ("10.0.0.1", "say it in entryPoints of an IngressController"),
    "no-tls-redirect-locations": ("/open", "every path redirects but for challenges of ACME"),
    "path-type-order": ("exact,prefix,regex,begin", "exact paths first, then expressions, then the longest prefix"),
    "ssl-headers-prefix": ("SSL", "backends are told of client certificates under X-SSL-"),
    "strict-host": ("true", "a host never falls back to rules of the default host"),
    "drain-support": ("true", "endpoints that are not ready get no requests"),
    "drain-support-redispatch": ("on", "endpoints that are not ready get no requests"),
}


def _named(prefix: str, rows: dict[str, tuple[str, str]], support: Support) -> tuple[Feature, ...]:
    made = features(prefix, support, rows)
    return tuple(Feature(one.name, one.support, one.note, one.example.replace("@", prefix)) for one in made)


def _listed() -> dict[str, tuple[str, str]]:
    """The names that count in the ConfigMap alone."""
    said = _HONOURED.keys() | _DIFFERENT.keys() | _REPORTED.keys() | _ADVISORY.keys()
    return dict.fromkeys(sorted(NAMES[PREFIX] - said), ("1", ""))


_TLS_NOTE = "as auth-tls-secret"
_FULL_DIFFERENT = {name: (example, note or _TLS_NOTE) for name, (example, note) in _DIFFERENT.items()}

ANNOTATIONS = (
    *_named(PREFIX, _HONOURED, Support.HONOURED),
    *_named(PREFIX, _FULL_DIFFERENT, Support.DIFFERENT),
    *_named(PREFIX, _REPORTED, Support.REPORTED),
    *_named(PREFIX, {name: (example, "") for name, example in _ADVISORY.items()}, Support.ADVISORY),
    *_named(
        PREFIX,
        {name: (example, "it counts in the ConfigMap alone") for name, (example, _) in (_listed() | _OF_CLASS).items()},
        Support.REPORTED,
    ),
)

SILENT = frozenset({"auth-url", "auth-tls-verify-client", "auth-tls-error-page", "auth-tls-cert-header"})
"""Whose differences are told by the reader, or with auth-tls-secret."""

# --- the ConfigMap ------------------------------------------------------------------------------

_OF_INGRESSES = {
    name: (_HONOURED[name][0].partition("\n")[0], "annotate each Ingress that it is for")
    for name in (
        "config-backend",
        "config-backend-early",
        "config-backend-late",
        "http-header-match",
        "http-header-match-regex",
        "path-type",
        "redirect-to",
        "redirect-to-code",
        "server-alias",
        "server-alias-regex",
        "ssl-passthrough",
    )
}
_CROSSING = "deny unless it says otherwise: an Ingress with a Secret of another namespace answers 503"
_CLASS_HONOURED = {name: row for name, row in _HONOURED.items() if name not in _OF_INGRESSES} | {
    "ssl-redirect-code": ("301", ""),
    "cross-namespace-secrets-ca": ("allow", _CROSSING),
    "cross-namespace-secrets-crt": ("allow", _CROSSING),
    "cross-namespace-secrets-passwd": ("allow", _CROSSING),
}
_CLASS_REPORTED = {name: row for name, row in _REPORTED.items() if name not in _CLASS_HONOURED} | {
    "modsecurity-endpoints": ("10.0.0.9:12345", "there is no web application firewall"),
    "timeout-client": ("10s", "say it in settings.idleTimeout of an IngressController"),
}
_CLASS_SAID = _CLASS_HONOURED.keys() | _FULL_DIFFERENT.keys() | _CLASS_REPORTED.keys()

CONFIGMAP = (
    *_named("", _CLASS_HONOURED, Support.HONOURED),
    *_named("", _FULL_DIFFERENT, Support.DIFFERENT),
    *_named("", _CLASS_REPORTED | _OF_INGRESSES | _OF_CLASS, Support.REPORTED),
    *_named(
        "",
        {
            name: (_ADVISORY.get(name, "1"), "")
            for name in sorted(NAMES[PREFIX] - _CLASS_SAID - _OF_INGRESSES.keys() - _OF_CLASS.keys())
        },
        Support.ADVISORY,
    ),
)
