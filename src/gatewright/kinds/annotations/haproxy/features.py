"""What becomes of the annotations and ConfigMap keys of HAProxy's own controller (haproxytech/kubernetes-ingress).

Plain data, for `ingress`, which reads the values, and for the compatibility page.
"""

from __future__ import annotations

from gatewright.kinds.annotations.names import HAPROXY
from gatewright.kinds.annotations.table import features
from gatewright.kinds.features import Feature, Support

ENTERPRISE = "haproxy.com/"

_HONOURED = {
    "allow-list": ("10.0.0.0/8, 192.168.2.100", ""),
    "whitelist": ("10.0.0.0/8", ""),
    "deny-list": ("192.168.1.0/24", ""),
    "blacklist": ("192.168.1.0/24", ""),
    "auth-type": ("basic-auth\n@auth-secret: users", ""),
    "auth-secret": ("users\n@auth-type: basic-auth", "each key of the Secret is a user, its value the hash"),
    "auth-realm": ("Admin\n@auth-type: basic-auth\n@auth-secret: users", ""),
    "check": ("true", "a connection every 2 s"),
    "check-http": ("/health", ""),
    "check-interval": ("10s\n@check-http: /health", ""),
    "timeout-check": ("3s\n@check-http: /health", ""),
    "cors-enable": ("true", ""),
    "cors-allow-origin": ("https://example.com\n@cors-enable: true", "an expression only where it is a plain origin"),
    "cors-allow-methods": ("GET, POST\n@cors-enable: true", ""),
    "cors-allow-headers": ("X-Custom\n@cors-enable: true", ""),
    "cors-allow-credentials": (
        "true\n@cors-enable: true\n@cors-allow-origin: https://example.com",
        "not together with the origin *, which browsers refuse",
    ),
    "cors-max-age": ("1m\n@cors-enable: true", ""),
    "forwarded-for": ("false", "X-Forwarded-For is sent unless it is false"),
    "load-balance": ("leastconn", "roundrobin, static-rr, leastconn, random, source, uri, url_param and hdr"),
    "path-rewrite": ("/foo/(.*) /\\1", ""),
    "rate-limit-requests": ("15", "of each client; a bucket that refills in place of a sliding window"),
    "rate-limit-period": ("1m\n@rate-limit-requests: 15", ""),
    "rate-limit-status-code": ("429\n@rate-limit-requests: 15", ""),
    "rate-limit-whitelist": ("10.0.0.0/8\n@rate-limit-requests: 15", ""),
    "request-redirect": ("example.com:8888", ""),
    "request-redirect-code": ("303\n@request-redirect: example.com", ""),
    "request-set-header": ("Ingress-ID abcd123", "plain values; expressions (%[...]) are told and left out"),
    "response-set-header": ('Cache-Control "no-store,private"', "plain values, as for requests"),
    "send-proxy-protocol": ("proxy-v2", ""),
    "server-crt": ("client", ""),
    "server-proto": ("h2", ""),
    "server-ssl": ("true", ""),
    "set-host": ("example.local", ""),
    "ssl-passthrough": ("true", ""),
    "ssl-redirect": ("true", "by itself where the Ingress has a tls section"),
    "ssl-redirect-code": ("301\n@ssl-redirect: true", ""),
    "ssl-redirect-port": ("8443\n@ssl-redirect: true", "8443 by itself, where the controller listens in its pod"),
    "timeout-server": ("5s", ""),
    "backend-config-snippet": (
        "http-request set-header X-One 1",
        "set-header, add-header and del-header without condition; other lines are told, and refused where they guard",
    ),
    "config-snippet": ("http-response del-header Server", "as backend-config-snippet"),
}
_DIFFERENT = {
    "server-ca": (
        "ca",
        "the certificate has to be for the host asked for, too, where HAProxy looks at its authority alone",
    ),
}
_REPORTED = {
    "cors-respond-to-options": (
        "true\n@cors-enable: true",
        "preflights are answered here in any case, with 200, and other OPTIONS requests go to the backend",
    ),
    "whitelist-with-rate-limit": ("true", "it is of version 1.3; use rate-limit-whitelist"),
    "cookie-persistence": ("mycookie", "it counts on Services and in the ConfigMap alone, here as there"),
    "cookie-persistence-no-dynamic": ("mycookie", "it counts on Services and in the ConfigMap alone, here as there"),
    "client-ca": (
        "certs/ca",
        "client certificates are asked for by the ConfigMap only, and nobody knows that they are",
    ),
    "client-crt-optional": ("true", "it counts in the ConfigMap alone"),
    "client-strict-sni": ("true", "it counts in the ConfigMap alone"),
    "cr-backend": ("default/backend", "what the Backend resource says has no effect; use annotations"),
    "ingress.class": ("haproxy", "the class is read from spec.ingressClassName or kubernetes.io/ingress.class"),
    "pod-maxconn": ("30", "backends get as many connections as requests need; a queue at the pod comes nearest"),
    "rate-limit": ("true", "the limits of version 1.4 are not read; use rate-limit-requests"),
    "rate-limit-expire": ("10m", "the limits of version 1.4 are not read; use rate-limit-period"),
    "rate-limit-interval": ("10s", "the limits of version 1.4 are not read; use rate-limit-period"),
    "route-acl": (
        "cookie(staging) -m found",
        "routes are not chosen by HAProxy's expressions; an HTTPRoute has headers",
    ),
    "src-ip-header": (
        "True-Client-IP",
        "the client is the peer, and rules with lists of addresses answer 503; let the proxies send PROXY protocol"
        " instead (settings.proxyProtocol of its IngressController)",
    ),
    "standalone-backend": ("true", "every Ingress has its backends to itself here"),
    "timeout-client": ("5s", "it counts in the ConfigMap alone, here as there"),
    "timeout-client-fin": ("5s", "it counts in the ConfigMap alone"),
    "timeout-connect": ("5s", "it counts in the ConfigMap alone, here as there"),
    "timeout-http-keep-alive": ("5s", "it counts in the ConfigMap alone"),
    "timeout-http-request": ("5s", "it counts in the ConfigMap alone"),
    "timeout-queue": ("5s", "it counts in the ConfigMap alone"),
    "timeout-server-fin": ("5s", "it counts in the ConfigMap alone"),
    "timeout-tunnel": ("1h", "it counts in the ConfigMap alone, here as there"),
    "global-config-snippet": ("maxconn 10", "it counts in the ConfigMap alone"),
    "frontend-config-snippet": ("unique-id-header X", "it counts in the ConfigMap alone"),
    "stats-config-snippet": ("stats uri /s", "it counts in the ConfigMap alone"),
    "proxy-protocol": ("10.0.0.0/8", "it counts in the ConfigMap alone"),
    "ssl-certificate": ("default/tls", "it counts in the ConfigMap alone"),
    "tls-alpn": ("http/1.1", "it counts in the ConfigMap alone"),
    "generate-certificates-signer": ("default/ca", "it counts in the ConfigMap alone"),
}
_ADVISORY = {
    "abortonclose": "true",
    "clean-certs": "false",
    "dontlognull": "true",
    "hard-stop-after": "30s",
    "http-connection-mode": "http-keep-alive",
    "http-keep-alive": "true",
    "http-server-close": "true",
    "log-format": "%ci",
    "log-format-tcp": "%ci",
    "logasap": "true",
    "maxconn": "2000",
    "nbthread": "8",
    "quic-alt-svc-max-age": "900",
    "rate-limit-size": "100k",
    "request-capture": "cookie(my-cookie)",
    "request-capture-len": "128",
    "scale-server-slots": "75",
    "server-slots": "75",
    "servers-increment": "42",
    "servers-increment-max-disabled": "42",
    "syslog-server": "address:127.0.0.1",
}
LOCKS = frozenset({"client-ca", "whitelist-with-rate-limit", "rate-limit", "rate-limit-interval"})
"""Those without support that keep somebody out: used, the rules are refused."""


def of_annotations(prefix: str) -> tuple[Feature, ...]:
    """The table for annotations under one of the two prefixes."""
    return tuple(
        Feature(one.name, one.support, one.note, one.example.replace("@", prefix))
        for one in (
            *features(prefix, Support.HONOURED, _HONOURED),
            *features(prefix, Support.DIFFERENT, _DIFFERENT),
            *features(prefix, Support.REPORTED, _REPORTED),
            *features(prefix, Support.ADVISORY, {name: (example, "") for name, example in _ADVISORY.items()}),
        )
    )


ANNOTATIONS = of_annotations(HAPROXY)
ENTERPRISE_ANNOTATIONS = of_annotations(ENTERPRISE)

# --- the ConfigMap ------------------------------------------------------------------------------

_AS_ANNOTATION = frozenset(_HONOURED) - {"ssl-passthrough", "backend-config-snippet", "config-snippet"}
_CLASS_WIDE = {
    "cookie-persistence": ("mycookie", ""),
    "cookie-persistence-no-dynamic": ("mycookie", "the values of the cookie are Envoy's"),
    "timeout-connect": ("5s", ""),
    "timeout-tunnel": ("30m", ""),
    "client-ca": ("certs/ca", ""),
    "client-crt-optional": ("true\n@client-ca: certs/ca", ""),
}
_CLASS_WIDE_REPORTED = {
    "cors-respond-to-options": _REPORTED["cors-respond-to-options"],
    "whitelist-with-rate-limit": ("true", "it is of version 1.3; use rate-limit-whitelist"),
    "ssl-passthrough": ("true", "annotate each Ingress that is to be passed through"),
    "backend-config-snippet": ("http-send-name-header x", "snippets are read from annotations of an Ingress alone"),
    "client-strict-sni": ("true", "an unknown name gets a certificate all the same"),
    "frontend-config-snippet": ("unique-id-header X", "lines of HAProxy's configuration have no effect"),
    "generate-certificates-signer": ("default/ca", "Gatewright makes certificates by its own rules"),
    "global-config-snippet": ("tune.bufsize 32768", "lines of HAProxy's configuration have no effect"),
    "pod-maxconn": _REPORTED["pod-maxconn"],
    "proxy-protocol": ("10.0.0.0/8", "say it in settings.proxyProtocol.trustedFrom of an IngressController"),
    "rate-limit": _REPORTED["rate-limit"],
    "rate-limit-expire": _REPORTED["rate-limit-expire"],
    "rate-limit-interval": _REPORTED["rate-limit-interval"],
    "src-ip-header": _REPORTED["src-ip-header"],
    "ssl-certificate": ("default/tls", "say it in defaultCertificate of an IngressController"),
    "timeout-client": ("50s", "say it in settings.idleTimeout of an IngressController"),
    "timeout-client-fin": ("5s", "half-closed connections have no timeout of their own"),
    "timeout-http-keep-alive": ("1m", "idle connections of clients are closed as usual"),
    "timeout-http-request": ("5s", "requests may take as long as usual to arrive"),
    "timeout-queue": ("5s", "requests do not wait for a connection"),
    "timeout-server-fin": ("5s", "half-closed connections have no timeout of their own"),
    "tls-alpn": ("http/1.1", "h2 and http/1.1 are offered"),
}
_CLASS_WIDE_ADVISORY = frozenset(_ADVISORY) - set(_CLASS_WIDE_REPORTED) | {"stats-config-snippet"}

CONFIGMAP = tuple(
    Feature(one.name, one.support, one.note, one.example.replace("@", ""))
    for one in (
        *features("", Support.HONOURED, {k: v for k, v in _HONOURED.items() if k in _AS_ANNOTATION} | _CLASS_WIDE),
        *features("", Support.DIFFERENT, _DIFFERENT),
        *features("", Support.REPORTED, _CLASS_WIDE_REPORTED),
        *features(
            "",
            Support.ADVISORY,
            {name: (_ADVISORY.get(name, "stats uri /s"), "") for name in sorted(_CLASS_WIDE_ADVISORY)},
        ),
    )
)
