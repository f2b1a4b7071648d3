"""The annotations that exist: names that some version of a controller, of external-dns or of cert-manager reads.

Plain data and a few functions.  What an annotation means is in the file of its dialect; this only says whether anybody
would read it.  A name of the controller's ConfigMap counts as existing where the controller takes both from one list.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from gatewright.kinds.decode import suggest

NGINX = "nginx.ingress.kubernetes.io/"
HAPROXY = "haproxy.org/"
HAPROXY_COMMUNITY = "haproxy-ingress.github.io/"
ALB = "alb.ingress.kubernetes.io/"
TRAEFIK = "traefik.ingress.kubernetes.io/"
EXTERNAL_DNS = ("external-dns.kubernetes.io/", "external-dns.alpha.kubernetes.io/")
CERT_MANAGER = "cert-manager.io/"
CERT_MANAGER_ACME = "acme.cert-manager.io/"

_NGINX_NAMES = """
affinity affinity-canary-behavior affinity-mode allowlist-source-range app-root auth-always-set-cookie
auth-cache-duration auth-cache-key auth-keepalive auth-keepalive-requests auth-keepalive-share-vars
auth-keepalive-timeout auth-method auth-proxy-set-headers auth-realm auth-request-redirect auth-response-headers
auth-secret auth-secret-type auth-signin auth-signin-redirect-param auth-snippet auth-tls-error-page auth-tls-match-cn
auth-tls-pass-certificate-to-upstream auth-tls-secret auth-tls-verify-client auth-tls-verify-depth auth-type auth-url
backend-protocol canary canary-by-cookie canary-by-header canary-by-header-pattern canary-by-header-value canary-weight
canary-weight-total client-body-buffer-size configuration-snippet connection-proxy-header cors-allow-credentials
cors-allow-headers cors-allow-methods cors-allow-origin cors-expose-headers cors-max-age custom-headers
custom-http-errors default-backend denylist-source-range disable-proxy-intercept-errors enable-access-log enable-cors
enable-global-auth enable-modsecurity enable-opentelemetry enable-owasp-core-rules enable-rewrite-log fastcgi-index
fastcgi-params-configmap force-ssl-redirect from-to-www-redirect http2-push-preload limit-allowlist
limit-burst-multiplier limit-connections limit-rate limit-rate-after limit-rpm limit-rps load-balance mirror-host
mirror-request-body mirror-target modsecurity-snippet modsecurity-transaction-id opentelemetry-operation-name
opentelemetry-trust-incoming-span permanent-redirect permanent-redirect-code preserve-trailing-slash proxy-body-size
proxy-buffer-size proxy-buffering proxy-buffers-number proxy-busy-buffers-size proxy-connect-timeout
proxy-cookie-domain proxy-cookie-path proxy-http-version proxy-max-temp-file-size proxy-next-upstream
proxy-next-upstream-timeout proxy-next-upstream-tries proxy-read-timeout proxy-redirect-from proxy-redirect-to
proxy-request-buffering proxy-send-timeout proxy-ssl-ciphers proxy-ssl-name proxy-ssl-protocols proxy-ssl-secret
proxy-ssl-server-name proxy-ssl-verify proxy-ssl-verify-depth relative-redirects rewrite-target satisfy server-alias
server-snippet service-upstream session-cookie-change-on-failure session-cookie-conditional-samesite-none
session-cookie-domain session-cookie-expires session-cookie-max-age session-cookie-name session-cookie-partitioned
session-cookie-path session-cookie-samesite session-cookie-secure ssl-ciphers ssl-passthrough ssl-prefer-server-ciphers
ssl-redirect stream-snippet temporal-redirect temporal-redirect-code upstream-hash-by upstream-hash-by-subset
upstream-hash-by-subset-size upstream-vhost use-port-in-redirects use-regex whitelist-source-range x-forwarded-prefix
add-base-url base-url-scheme enable-dynamic-tls-records enable-influxdb enable-opentracing global-rate-limit
global-rate-limit-ignored-cidrs global-rate-limit-key global-rate-limit-window grpc-backend influxdb-host
influxdb-measurement influxdb-port influxdb-server-name limit-whitelist lua-resty-waf
lua-resty-waf-allow-unknown-content-types lua-resty-waf-debug lua-resty-waf-extra-rules
lua-resty-waf-ignore-rulesets lua-resty-waf-process-multipart-body lua-resty-waf-score-threshold mirror-uri
opentracing-operation-name opentracing-trust-incoming-span secure-backends secure-verify-ca-secret
session-cookie-hash upstream-fail-timeout upstream-max-fails vts-filter-key
"""

_HAPROXY_NAMES = """
abortonclose allow-list auth-realm auth-secret auth-type backend-config-snippet blacklist check check-http
check-interval clean-certs client-ca client-crt-optional client-strict-sni config-snippet cookie-persistence
cookie-persistence-no-dynamic cors-allow-credentials cors-allow-headers cors-allow-methods cors-allow-origin
cors-enable cors-max-age cors-respond-to-options cr-backend deny-list dontlognull forwarded-for frontend-config-snippet
generate-certificates-signer global-config-snippet hard-stop-after http-connection-mode http-keep-alive
http-server-close ingress.class load-balance log-format log-format-tcp logasap maxconn nbthread path-rewrite
pod-maxconn proxy-protocol quic-alt-svc-max-age rate-limit rate-limit-expire rate-limit-interval rate-limit-period
rate-limit-requests rate-limit-size rate-limit-status-code rate-limit-whitelist request-capture request-capture-len
request-redirect request-redirect-code request-set-header response-set-header route-acl scale-server-slots
send-proxy-protocol server-ca server-crt server-proto server-slots server-ssl servers-increment
servers-increment-max-disabled set-host src-ip-header ssl-certificate ssl-passthrough ssl-redirect ssl-redirect-code
ssl-redirect-port standalone-backend stats-config-snippet syslog-server timeout-check timeout-client timeout-client-fin
timeout-connect timeout-http-keep-alive timeout-http-request timeout-queue timeout-server timeout-server-fin
timeout-tunnel tls-alpn whitelist whitelist-with-rate-limit
"""

# The second block is of the ConfigMap alone.
_HAPROXY_COMMUNITY_NAMES = """
acme-preferred-chain affinity agent-check-addr agent-check-interval agent-check-port agent-check-send
allowlist-source-header allowlist-source-range app-root assign-backend-server-id auth-external-placement auth-headers
auth-headers-fail auth-headers-request auth-headers-succeed auth-log-format auth-method auth-proxy auth-realm
auth-secret auth-signin auth-tls-cert-header auth-tls-error-page auth-tls-secret auth-tls-strict
auth-tls-verify-client auth-type auth-url backend-check-interval backend-protocol backend-server-naming
backend-server-slots-increment balance-algorithm blue-green-balance blue-green-cookie blue-green-deploy
blue-green-header blue-green-mode cert-signer close-sessions-duration config-backend config-backend-early
config-backend-late config-frontend config-frontend-early config-frontend-late config-tcp-service
cors-allow-credentials cors-allow-headers cors-allow-methods cors-allow-origin cors-allow-origin-regex cors-enable
cors-expose-headers cors-max-age denylist-source-range dynamic-scaling fcgi-app forwardfor headers health-check-addr
health-check-fall-count health-check-interval health-check-port health-check-rise-count health-check-uri hsts
hsts-include-subdomains hsts-max-age hsts-preload http-header-match http-header-match-regex initial-weight
limit-connections limit-rps limit-whitelist maxconn-server maxqueue-server oauth oauth-headers oauth-uri-prefix
path-type proxy-body-size proxy-protocol redirect-from redirect-from-code redirect-from-regex redirect-to
redirect-to-code rewrite-target secure-backends secure-crt-secret secure-sni secure-verify-ca-secret
secure-verify-hostname server-alias server-alias-regex service-upstream session-cookie-domain session-cookie-dynamic
session-cookie-keywords session-cookie-name session-cookie-preserve session-cookie-same-site session-cookie-shared
session-cookie-strategy session-cookie-value-strategy slots-min-free source-address-intf ssl-always-add-https
ssl-always-follow-redirect ssl-cipher-suites ssl-cipher-suites-backend ssl-ciphers ssl-ciphers-backend
ssl-fingerprint-lower ssl-fingerprint-sha2-bits ssl-options ssl-options-backend ssl-options-host ssl-passthrough
ssl-passthrough-http-port ssl-redirect ssl-redirect-code strict-host tcp-service-log-format tcp-service-port
tcp-service-proxy-protocol timeout-client timeout-client-fin timeout-connect timeout-http-request timeout-keep-alive
timeout-queue timeout-server timeout-server-fin timeout-tunnel tls-alpn use-resolver var-namespace waf waf-mode
whitelist-source-range
acme-emails acme-endpoint acme-expiring acme-shared acme-terms-agreed bind-fronting-proxy bind-http bind-https
bind-ip-addr-healthz bind-ip-addr-http bind-ip-addr-prometheus bind-ip-addr-stats bind-ip-addr-tcp config-defaults
config-global config-proxy config-sections config-tcp cookie-key cpu-map cross-namespace-secrets-ca
cross-namespace-secrets-crt cross-namespace-secrets-passwd cross-namespace-services default-backend-redirect
default-backend-redirect-code dns-accepted-payload-size dns-cluster-domain dns-hold-obsolete dns-hold-valid
dns-resolvers dns-timeout-retry drain-support drain-support-redispatch external-has-lua fronting-proxy-port groupname
healthz-port http-log-format http-port https-log-format https-port https-to-http-port load-server-state
master-exit-on-failure max-connections modsecurity-endpoints modsecurity-timeout-hello modsecurity-timeout-idle
modsecurity-timeout-processing nbproc-ssl nbthread no-tls-redirect-locations path-type-order prometheus-port
ssl-dh-default-max-size ssl-dh-param ssl-engine ssl-headers-prefix ssl-mode-async stats-auth stats-port
stats-proxy-protocol stats-ssl-cert syslog-endpoint syslog-format syslog-length syslog-tag tcp-log-format
timeout-stop use-cpu-map use-forwarded-proto use-htx use-proxy-protocol username worker-max-reloads
"""

_ALB_NAMES = """
acm-pca-arn auth-idp-cognito auth-idp-oidc auth-on-unauthenticated-request auth-scope auth-session-cookie
auth-session-timeout auth-type backend-protocol backend-protocol-version certificate-arn create-acm-cert
customer-owned-ipv4-pool dry-run-plan enable-frontend-nlb frontend-nlb-attributes frontend-nlb-eip-allocations
frontend-nlb-healthcheck-healthy-threshold-count frontend-nlb-healthcheck-interval-seconds
frontend-nlb-healthcheck-path frontend-nlb-healthcheck-port frontend-nlb-healthcheck-protocol
frontend-nlb-healthcheck-success-codes frontend-nlb-healthcheck-timeout-seconds
frontend-nlb-healthcheck-unhealthy-threshold-count frontend-nlb-listener-port-mapping frontend-nlb-scheme
frontend-nlb-security-groups frontend-nlb-subnets frontend-nlb-tags group.name group.order healthcheck-interval-seconds
healthcheck-path healthcheck-port healthcheck-protocol healthcheck-timeout-seconds healthy-threshold-count inbound-cidrs
ip-address-type ipam-ipv4-pool-id jwt-validation listen-ports load-balancer-attributes load-balancer-name
manage-backend-security-group-rules minimum-load-balancer-capacity multi-cluster-target-group mutual-authentication
scheme security-group-prefix-lists security-groups shield-advanced-protection ssl-policy ssl-redirect subnets
success-codes tags target-control-port target-group-attributes target-node-labels target-type unhealthy-threshold-count
use-regex-path-match waf-acl-id wafv2-acl-arn wafv2-acl-name web-acl-id
attributes connection-idle-timeout ignore-host-header
"""

# Traefik reads them without regard to case.  The second block is that of version 1.
_TRAEFIK_NAMES = """
router.entrypoints router.middlewares router.observability.accesslogs router.observability.metrics
router.observability.traceverbosity router.observability.tracing router.pathmatcher router.priority router.rulesyntax
router.tls router.tls.certresolver router.tls.options service.nativelb service.nodeportlb service.passhostheader
service.serversscheme service.serverstransport service.sticky service.sticky.cookie service.sticky.cookie.domain
service.sticky.cookie.httponly service.sticky.cookie.maxage service.sticky.cookie.name service.sticky.cookie.path
service.sticky.cookie.samesite service.sticky.cookie.secure
affinity app-root auth-realm auth-remove-header auth-secret auth-tls-insecure auth-type auth-url buffering
circuit-breaker-expression content-type-nosniff custom-frame-options-value custom-request-headers
custom-response-headers error-pages frame-deny frontend-entry-points hsts-include-subdomains hsts-max-age hsts-preload
is-development load-balancer-method max-conn-amount max-conn-extractor-func pass-client-tls-cert pass-tls-cert
preserve-host priority protocol proxy-headers public-key rate-limit redirect-entry-point redirect-permanent
redirect-regex redirect-replacement referrer-policy request-modifier responseforwarding-flushinterval rewrite-target
rule-type service-weights session-cookie-name ssl-force-host ssl-host ssl-proxy-headers ssl-redirect
ssl-temporary-redirect whitelist-source-range whitelist-x-forwarded-for
"""

_EXTERNAL_DNS_NAMES = """
access alias controller endpoints-type exclude gateway-hostname-source hostname ingress ingress-hostname-source
internal-hostname set-identifier target ttl
"""
_EXTERNAL_DNS_PROVIDERS = ("akamai-", "aws-", "cloudflare-", "coredns-", "ibmcloud-", "ns1-", "scw-", "webhook-")

_CERT_MANAGER_NAMES = """
allow-direct-injection alt-names certificate-name cluster-issuer common-name duration email-sans inject-apiserver-ca
inject-ca-from inject-ca-from-secret ip-sans issue-temporary-certificate issuer issuer-group issuer-kind issuer-name
literal-subject private-key-algorithm private-key-encoding private-key-rotation-policy private-key-size
private-key-secret-name renew-before renew-before-percentage revision-history-limit secret-template subject-countries
subject-localities subject-organizationalunits subject-organizations subject-postalcodes subject-provinces
subject-serialnumber subject-streetaddresses uri-sans usages
"""
_ACME_NAMES = """
http01-edit-in-place http01-ingress-class http01-ingress-ingressclassname http01-override-ingress-name
http01-parentrefkind http01-parentrefname
"""

NAMES: dict[str, frozenset[str]] = {
    prefix: frozenset(names.split())
    for prefix, names in (
        (NGINX, _NGINX_NAMES),
        (HAPROXY, _HAPROXY_NAMES),
        ("haproxy.com/", _HAPROXY_NAMES),
        (HAPROXY_COMMUNITY, _HAPROXY_COMMUNITY_NAMES),
        (ALB, _ALB_NAMES),
        (TRAEFIK, _TRAEFIK_NAMES),
        *((prefix, _EXTERNAL_DNS_NAMES) for prefix in EXTERNAL_DNS),
        (CERT_MANAGER, _CERT_MANAGER_NAMES),
        (CERT_MANAGER_ACME, _ACME_NAMES),
    )
}
"""The names that exist, by prefix.  A prefix that is not here is not judged."""

_FAMILIES = {
    TRAEFIK: re.compile(r"router\.tls\.domains\.\d+\.(?:main|sans)"),
    HAPROXY_COMMUNITY: re.compile(r"http-response-.+"),
    ALB: re.compile(r"(?:actions|conditions|transforms)\..+|listener-attributes\..+"),
    **{prefix: re.compile("(?:" + "|".join(_EXTERNAL_DNS_PROVIDERS) + ").+") for prefix in EXTERNAL_DNS},
}

# People add names of their own under these, to select objects by: only what is nearly a known name is a mistake.
_OPEN = frozenset({*EXTERNAL_DNS, CERT_MANAGER, CERT_MANAGER_ACME})
_NEAR = re.compile(r"[-_.]")
_ALMOST = 0.9
"""How much of two prefixes is the same where one is the other but for a letter or two."""

_EQUIVALENTS = {
    NGINX: {
        "proxy-set-header": "nginx upgrades WebSockets without it; the controller's ConfigMap has proxy-set-headers",
        "proxy-set-headers": "the controller's ConfigMap has proxy-set-headers, for all of its routes",
        "add-headers": "the controller's ConfigMap has add-headers; for one Ingress there is custom-headers",
        "client-max-body-size": f"use {NGINX}proxy-body-size",
        "cors-enable": f"use {NGINX}enable-cors",
        "hsts": "the controller's ConfigMap has hsts, for all of its routes",
        "rate-limit": f"use {NGINX}limit-rps",
        "redirect": f"use {NGINX}permanent-redirect or {NGINX}temporal-redirect",
        "timeout": f"use {NGINX}proxy-read-timeout",
        "websocket-services": "nginx upgrades WebSockets without it",
    },
    ALB: {"idle-timeout": f"use {ALB}load-balancer-attributes: idle_timeout.timeout_seconds=..."},
    TRAEFIK: {"router.rule": "the rule comes from the hosts and paths of the Ingress"},
}


def of_external_dns(annotations: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What is annotated for external-dns, by name without prefix; of both prefixes that of 0.22 and later wins."""
    found: dict[str, str] = {}
    for prefix in reversed(EXTERNAL_DNS):
        found.update((name.removeprefix(prefix), value) for name, value in annotations if name.startswith(prefix))
    return found


def exists(annotation: str) -> bool:
    """Would some version of its program read it?  True for what belongs to none of the programs that are known here."""
    prefix, name = _split(annotation)
    if prefix not in NAMES:
        return True
    if prefix == TRAEFIK:
        name = name.lower()
    family = _FAMILIES.get(prefix)
    if name in NAMES[prefix] or (family is not None and family.fullmatch(name) is not None):
        return True
    return prefix in _OPEN and not _nearly(name, NAMES[prefix])


def nearest(annotation: str) -> str:
    """What somebody who writes an annotation that does not exist may want instead; "" unless that can be told."""
    prefix, name = _split(annotation)
    if prefix in _EQUIVALENTS and name in _EQUIVALENTS[prefix]:
        return _EQUIVALENTS[prefix][name]
    if hint := suggest(name, NAMES.get(prefix, frozenset())):
        return hint.replace("did you mean ", f"did you mean {prefix}")
    others = [other for other, names in NAMES.items() if name in names and other not in _OPEN]
    return f"{others[0]}{name} is of another controller" if others else ""


def misspelt(annotation: str) -> str:
    """The annotation that one with an unknown prefix is but for a letter or two of that; "" where it is its own."""
    prefix, name = _split(annotation)
    if prefix in NAMES:
        return ""
    close = difflib.get_close_matches(prefix, NAMES.keys() - _OPEN, n=1, cutoff=_ALMOST)
    return close[0] + name if close and exists(close[0] + name) else ""


def _split(annotation: str) -> tuple[str, str]:
    prefix, slash, name = annotation.partition("/")
    return prefix + slash, name


def _nearly(name: str, known: frozenset[str]) -> bool:
    """Is it a known name but for case and separators, or but for a plural?"""
    plain = _NEAR.sub("", name).lower().removesuffix("s")
    return any(plain == _NEAR.sub("", other).removesuffix("s") for other in known)
