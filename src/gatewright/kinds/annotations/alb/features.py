"""What becomes of the annotations of the AWS Load Balancer Controller.

Plain data, for `ingress`, which reads the values, and for the compatibility page.
"""

from __future__ import annotations

from gatewright.kinds.annotations.names import ALB
from gatewright.kinds.annotations.table import features
from gatewright.kinds.features import Feature, Support

_OIDC = (
    "sign-in is not done here; ask an oauth2-proxy by a Traefik forwardAuth or nginx auth-url, or use a SecurityPolicy"
)
_WAF = "there is no web application firewall; put one before the gateway"
_NLB = "true"

_HONOURED = {
    "listen-ports": ('[{"HTTP": 80}, {"HTTPS": 443}]', "without it 443 where there is a certificate-arn, else 80"),
    "ssl-redirect": ("443", "of all Ingresses of the group, at the hosts that they have"),
    "group.name": ("shop", ""),
    "group.order": ("10\n@group.name: shop", ""),
    "certificate-arn": ("arn:aws:acm:eu-west-1:1:certificate/1", "its names are settings.certificateNames of the door"),
    "backend-protocol": ("HTTPS", "unverified, as by ALB"),
    "backend-protocol-version": ("HTTP2", ""),
    "healthcheck-path": ("/health", ""),
    "healthcheck-port": ("8080\n@healthcheck-path: /health", "a number; traffic-port is the endpoint's own"),
    "healthcheck-interval-seconds": ("10\n@healthcheck-path: /health", ""),
    "healthcheck-timeout-seconds": ("8\n@healthcheck-path: /health", ""),
    "healthy-threshold-count": ("3\n@healthcheck-path: /health", ""),
    "unhealthy-threshold-count": ("3\n@healthcheck-path: /health", ""),
    "success-codes": ("200-299\n@healthcheck-path: /health", "of HTTP; every answer by gRPC is a good one"),
    "inbound-cidrs": ("10.0.0.0/8", "403, where a security group lets nobody connect"),
    "load-balancer-attributes": ("idle_timeout.timeout_seconds=600", "idle_timeout; other attributes are told"),
    "target-group-attributes": ("stickiness.enabled=true", "stickiness by lb_cookie, load_balancing.algorithm.type"),
    "jwt-validation": (
        '{"jwksEndpoint": "https://id.example.com/keys", "issuer": "https://id.example.com"}',
        "with additionalClaims the rules are refused",
    ),
    "use-regex-path-match": ("true", "for paths whose pathType is ImplementationSpecific"),
}
_REPORTED = {
    "auth-type": ("oidc", _OIDC),
    "mutual-authentication": ('[{"port": 443, "mode": "verify", "trustStore": "arn:1"}]', "the trust store is AWS's"),
    "security-group-prefix-lists": ("pl-1", "which addresses they hold is known to AWS alone; use inbound-cidrs"),
    "security-groups": ("sg-1", "whom they let in is known to AWS alone, so everybody gets in; use inbound-cidrs"),
    "shield-advanced-protection": ("true", "AWS Shield protects load balancers of AWS alone"),
    "waf-acl-id": ("499e8b99", _WAF),
    "wafv2-acl-arn": ("arn:aws:wafv2:eu-west-1:1:regional/webacl/a", _WAF),
    "wafv2-acl-name": ("shop", _WAF),
    "web-acl-id": ("499e8b99", _WAF),
    "attributes": ("idle_timeout.timeout_seconds=60", "it is of version 1; use load-balancer-attributes"),
    "connection-idle-timeout": ("60", "it is of version 1; use load-balancer-attributes"),
    "ignore-host-header": ("true", "it is of version 1; leave out the host of the rule"),
    "healthcheck-protocol": ("HTTPS", "endpoints are checked as they are spoken to"),
}
_ADVISORY = {
    "acm-pca-arn": "arn:aws:acm-pca:eu-west-1:1:certificate-authority/1",
    "auth-idp-cognito": "{}",
    "auth-idp-oidc": "{}",
    "auth-on-unauthenticated-request": "deny",
    "auth-scope": "openid",
    "auth-session-cookie": "session",
    "auth-session-timeout": "86400",
    "create-acm-cert": "true",
    "customer-owned-ipv4-pool": "pool",
    "dry-run-plan": "true",
    "enable-frontend-nlb": "true",
    "ip-address-type": "dualstack",
    "ipam-ipv4-pool-id": "pool",
    "load-balancer-name": "shop",
    "manage-backend-security-group-rules": "true",
    "minimum-load-balancer-capacity": "CapacityUnits=1000",
    "multi-cluster-target-group": "true",
    "scheme": "internet-facing",
    "ssl-policy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
    "subnets": "subnet-1",
    "tags": "team=shop",
    "target-control-port": "80",
    "target-node-labels": "a=b",
    "target-type": "ip",
}
_FRONTEND = (
    "attributes",
    "eip-allocations",
    "healthcheck-healthy-threshold-count",
    "healthcheck-interval-seconds",
    "healthcheck-path",
    "healthcheck-port",
    "healthcheck-protocol",
    "healthcheck-success-codes",
    "healthcheck-timeout-seconds",
    "healthcheck-unhealthy-threshold-count",
    "listener-port-mapping",
    "scheme",
    "security-groups",
    "subnets",
    "tags",
)
LOCKS = frozenset(
    {
        "auth-type",
        "mutual-authentication",
        "security-group-prefix-lists",
        "shield-advanced-protection",
        "waf-acl-id",
        "wafv2-acl-arn",
        "wafv2-acl-name",
        "web-acl-id",
    }
)
"""Those without support that keep somebody out: used, the rules are refused."""


def _made() -> tuple[Feature, ...]:
    advisory = {name: (example, "") for name, example in _ADVISORY.items()}
    advisory |= {f"frontend-nlb-{name}": ("80=443", "") for name in _FRONTEND}
    rows = (
        *features(ALB, Support.HONOURED, _HONOURED),
        *features(ALB, Support.REPORTED, _REPORTED),
        *features(ALB, Support.ADVISORY, advisory),
    )
    return tuple(Feature(one.name, one.support, one.note, one.example.replace("@", ALB)) for one in rows)


ANNOTATIONS = _made()

# --- rules --------------------------------------------------------------------------------------

_INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: app
  namespace: apps
  annotations:
    {annotation}: '{value}'
spec:
  ingressClassName: alb
  rules:
  - host: app.test
    http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: app, port: {{{port}}}}}}}}}]}}
"""
_RULES = {
    "actions.*: redirect": (
        "actions.app",
        '{"type":"redirect","redirectConfig":{"protocol":"HTTPS","port":"443","statusCode":"HTTP_301"}}',
        "of host, path and query, values that put #{...} between text are told",
        Support.HONOURED,
    ),
    "actions.*: fixed-response": (
        "actions.app",
        '{"type":"fixed-response","fixedResponseConfig":{"statusCode":"200","messageBody":"ok"}}',
        "",
        Support.HONOURED,
    ),
    "actions.*: forward": (
        "actions.app",
        '{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"a","servicePort":80,"weight":20}]}}',
        "to Services; stickiness of target groups is not kept",
        Support.HONOURED,
    ),
    "actions.*: forward to a targetGroupARN": (
        "actions.app",
        '{"type":"forward","targetGroupARN":"arn:1"}',
        "what is in a target group is known to AWS alone; the share is answered 503",
        Support.REPORTED,
    ),
    "conditions.*": (
        "conditions.app",
        '[{"field":"http-header","httpHeaderConfig":{"httpHeaderName":"X-A","values":["b*"]}}]',
        "host-header, path-pattern, http-header, http-request-method, query-string and source-ip",
        Support.HONOURED,
    ),
    "transforms.*: url-rewrite": (
        "transforms.app",
        '[{"type":"url-rewrite","urlRewriteConfig":{"rewrites":[{"regex":"^/api/(.+)$","replace":"/$1"}]}}]',
        "",
        Support.HONOURED,
    ),
    "transforms.*: host-header-rewrite": (
        "transforms.app",
        '[{"type":"host-header-rewrite","hostHeaderRewriteConfig":{"rewrites":[{"regex":".*","replace":"b.test"}]}}]',
        "to one host; with groups it is told",
        Support.HONOURED,
    ),
    "listener-attributes.*": (
        "listener-attributes.HTTP-80",
        "routing.http.response.server.enabled=false",
        "headers of listeners are as usual; use annotations of another dialect or an HTTPRoute",
        Support.REPORTED,
    ),
}
RULES = tuple(
    Feature(
        name,
        support,
        note,
        _INGRESS.format(
            annotation=ALB + annotation,
            value=value,
            port="name: use-annotation" if annotation.startswith("actions") else "number: 80",
        ),
    )
    for name, (annotation, value, note, support) in _RULES.items()
)
