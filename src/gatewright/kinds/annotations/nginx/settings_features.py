"""What becomes of the keys of ingress-nginx's ConfigMap: plain data, for `settings` and the page."""

from __future__ import annotations

from gatewright.kinds.annotations.table import features
from gatewright.kinds.features import Feature, Support

_URL = "http://auth.apps.svc.cluster.local/check"
_ASKED = f"\nglobal-auth-url: {_URL}"

_HONOURED = {
    "add-headers": ("apps/headers", ""),
    "allow-cross-namespace-resources": (
        "true",
        "off unless it says otherwise, as since 1.12: an Ingress with a Secret of another namespace answers 503",
    ),
    "allow-snippet-annotations": ("true", "where it is false, an Ingress with a snippet answers 503"),
    "annotations-risk-level": ("High", "below Critical snippets are off"),
    "block-cidrs": ("192.0.2.0/24", ""),
    "block-referers": ("https://bad.example", "exact values; an expression refuses all rules"),
    "block-user-agents": ("bad-bot", "exact values; an expression refuses all rules"),
    "brotli-level": ("5\nenable-brotli: true", ""),
    "brotli-min-length": ("100\nenable-brotli: true", ""),
    "brotli-types": ("text/html\nenable-brotli: true", ""),
    "compute-full-forwarded-for": ("true", ""),
    "denylist-source-range": ("192.0.2.0/24", ""),
    "enable-brotli": ("true", ""),
    "enable-underscores-in-headers": ("true", ""),
    "force-ssl-redirect": ("true", ""),
    "forwarded-for-header": ("X-Client-IP", ""),
    "global-auth-method": (f"POST{_ASKED}", ""),
    "global-auth-request-redirect": (f"https://app.test/{_ASKED}", ""),
    "global-auth-response-headers": (f"X-User{_ASKED}", ""),
    "global-auth-signin": (f"https://login.test/start{_ASKED}", ""),
    "global-auth-signin-redirect-param": (f"next\nglobal-auth-signin: https://login.test/start{_ASKED}", ""),
    "global-auth-snippet": (f"proxy_set_header X-Site shop;{_ASKED}", "proxy_set_header; other lines are told"),
    "global-auth-url": (_URL, "no URL: 503"),
    "gzip-level": ("5\nuse-gzip: true", ""),
    "gzip-min-length": ("1000\nuse-gzip: true", ""),
    "gzip-types": ("text/html\nuse-gzip: true", ""),
    "hide-headers": ("X-Powered-By", ""),
    "hsts": ("false", "on unless it says otherwise, on hosts with TLS"),
    "hsts-include-subdomains": ("false", ""),
    "hsts-max-age": ("600", ""),
    "hsts-preload": ("true", ""),
    "http-redirect-code": ("301", ""),
    "http-snippet": ("add_header X-Frame-Options DENY;", "as configuration-snippet, for all rules"),
    "limit-req-status-code": ("429", ""),
    "load-balance": ("round_robin", ""),
    "location-snippet": ("add_header X-Frame-Options DENY;", "as configuration-snippet, for all rules"),
    "no-auth-locations": ("/health", ""),
    "no-tls-redirect-locations": ("/health", ""),
    "proxy-body-size": ("8m", ""),
    "proxy-connect-timeout": ("10", ""),
    "proxy-next-upstream": ("error timeout http_502", ""),
    "proxy-next-upstream-tries": ("2", ""),
    "proxy-read-timeout": ("3600", ""),
    "proxy-real-ip-cidr": ("10.0.0.0/8", ""),
    "proxy-set-headers": ("apps/headers", ""),
    "retry-non-idempotent": ("true", ""),
    "server-snippet": ("add_header X-Frame-Options DENY;", "as configuration-snippet, for all rules"),
    "ssl-ciphers": ("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384", ""),
    "ssl-protocols": ("TLSv1.3", ""),
    "ssl-redirect": ("false", ""),
    "use-forwarded-headers": ("true", ""),
    "use-gzip": ("true", ""),
    "use-http2": ("false", ""),
    "use-proxy-protocol": ("true", ""),
    "whitelist-source-range": ("10.0.0.0/8", ""),
}
_DIFFERENT = {
    "enable-real-ip": ("true", "X-Forwarded-Proto and X-Forwarded-Host are believed, too"),
}
_ASKS = "the authentication server is asked about each request"
_PAGES = "errors are passed on as they are; give the Ingress custom-http-errors and a default-backend"
_KEPT = "headers and cookies of the backend reach the client as they are"
_REPORTED = {
    "annotation-value-word-blocklist": ("load_module", "Ingresses with such words are served"),
    "bind-address": ("192.0.2.1", "the addresses of the gateway say where it listens"),
    "custom-http-errors": ("404,503", _PAGES),
    "default-type": ("text/plain", "answers without a type have none"),
    "enable-modsecurity": ("true", "there is no web application firewall here; 503 where rules may switch it on"),
    "enable-owasp-modsecurity-crs": ("true", "there is no web application firewall here"),
    "global-allowed-response-headers": ("X-Frame-Options", "custom-headers may set any header"),
    "global-auth-cache-duration": (f"200 5m{_ASKED}", _ASKS),
    "global-auth-cache-key": (f"$remote_user{_ASKED}", _ASKS),
    "global-rate-limit-status-code": ("503", "global limits answer 429"),
    "ignore-invalid-headers": ("true", "of such names those with underscores are dropped, and no others"),
    "limit-conn-status-code": ("429", "connections are not counted, see limit-connections"),
    "limit-conn-zone-variable": ("$http_x_client", "clients are counted by their address"),
    "limit-rate": ("100", "answers are sent as fast as clients take them"),
    "limit-rate-after": ("100", "answers are sent as fast as clients take them"),
    "main-snippet": ("worker_rlimit_core 1g;", "nginx's own process has no counterpart here"),
    "modsecurity-snippet": ("SecRuleEngine On", "there is no web application firewall here"),
    "plugins": ("my_plugin", "Lua of the controller's plugins does not run here"),
    "proxy-add-original-uri-header": ("true", "backends get no X-Original-URI"),
    "proxy-cookie-domain": ("localhost example.org", _KEPT),
    "proxy-cookie-path": ("/one/ /", _KEPT),
    "proxy-next-upstream-timeout": ("10", "tries are limited by their number alone"),
    "proxy-redirect-from": ("http://app/", _KEPT),
    "proxy-redirect-to": ("/", _KEPT),
    "relative-redirects": ("true", "redirects have whole URLs"),
    "ssl-reject-handshake": ("true", "unknown names are refused by certificate, not in the handshake"),
    "stream-snippet": ("server { listen 8000; }", "use a TCPRoute, or an IngressRouteTCP"),
    "use-port-in-redirects": ("true", "redirects to HTTPS go to its usual port"),
}
_ADVISORY = """
access-log-params access-log-path allow-backend-server-header client-body-buffer-size
client-body-timeout client-header-buffer-size client-header-timeout datadog-collector-host datadog-collector-port
datadog-environment datadog-operation-name-override datadog-priority-sampling datadog-sample-rate datadog-service-name
debug-connections disable-access-log disable-http-access-log disable-ipv6 disable-ipv6-dns
disable-proxy-intercept-errors disable-stream-access-log enable-access-log-for-default-backend enable-aio-write
enable-auth-access-log enable-dynamic-tls-records enable-influxdb enable-multi-accept enable-ocsp enable-opentelemetry
enable-opentracing enable-serial-reloads enable-syslog enable-vts-status error-log-level
error-log-path generate-request-id geoip2-autoreload-in-minutes global-auth-always-set-cookie global-auth-keepalive
global-auth-keepalive-requests global-auth-keepalive-share-vars global-auth-keepalive-timeout
global-rate-limit-memcached-connect-timeout global-rate-limit-memcached-host
global-rate-limit-memcached-max-idle-timeout global-rate-limit-memcached-pool-size global-rate-limit-memcached-port
grpc-buffer-size-kb gzip-disable http-access-log-path http2-max-concurrent-streams http2-max-field-size
http2-max-header-size http2-max-requests http2-push-preload jaeger-baggage-header jaeger-collector-host
jaeger-collector-port jaeger-debug-header jaeger-endpoint jaeger-propagation-format jaeger-sampler-host
jaeger-sampler-param jaeger-sampler-port jaeger-sampler-type jaeger-service-name jaeger-trace-baggage-header-prefix
jaeger-trace-context-header-name keep-alive keep-alive-requests large-client-header-buffers log-format-escape-json
log-format-escape-none log-format-stream log-format-upstream lua-shared-dicts map-hash-bucket-size
max-worker-connections max-worker-open-files nginx-status-ipv4-whitelist nginx-status-ipv6-whitelist
opentelemetry-config opentelemetry-operation-name opentelemetry-trust-incoming-span
opentracing-location-operation-name opentracing-operation-name opentracing-trust-incoming-span
otel-max-export-batch-size otel-max-queuesize otel-sampler otel-sampler-parent-based otel-sampler-ratio
otel-schedule-delay-millis otel-service-name otlp-collector-host otlp-collector-port proxy-buffer-size proxy-buffering
proxy-buffers-number proxy-busy-buffers-size proxy-headers-hash-bucket-size proxy-headers-hash-max-size
proxy-max-temp-file-size proxy-protocol-header-timeout proxy-request-buffering proxy-send-timeout
proxy-ssl-location-only proxy-stream-next-upstream proxy-stream-next-upstream-timeout proxy-stream-next-upstream-tries
proxy-stream-responses proxy-stream-timeout reuse-port server-name-hash-bucket-size server-name-hash-max-size
server-tokens service-upstream skip-access-log-urls ssl-buffer-size ssl-dh-param ssl-early-data ssl-ecdh-curve
ssl-session-cache ssl-session-cache-size ssl-session-ticket-key ssl-session-tickets ssl-session-timeout
stream-access-log-path strict-validate-path-type syslog-host syslog-port upstream-keepalive-connections
upstream-keepalive-requests upstream-keepalive-time upstream-keepalive-timeout use-geoip use-geoip2
variables-hash-bucket-size variables-hash-max-size worker-cpu-affinity worker-processes worker-shutdown-timeout
zipkin-collector-host zipkin-collector-port zipkin-sample-rate zipkin-service-name
"""

FEATURES: tuple[Feature, ...] = (
    *features("", Support.HONOURED, _HONOURED),
    *features("", Support.DIFFERENT, _DIFFERENT),
    *features("", Support.REPORTED, _REPORTED),
    *features("", Support.ADVISORY, dict.fromkeys(_ADVISORY.split(), ("1", ""))),
)
