"""A protection is asked for that Gatewright cannot build, so its rules answer an error rather than stay open.

Passwords that nobody checks, a Secret that is missing, sign-in at a load balancer, a web application firewall, a
plugin, a line of a snippet that may be a lock: a gateway that leaves one out serves to everybody what was meant for
few.  So the rules that it was for answer 503, which is seen at once, and nothing else does.  The controller that the
manifests were written for goes on doing what they say.

    metadata:
      annotations:
        nginx.ingress.kubernetes.io/configuration-snippet: |
          if ($http_user_agent ~* "badbot") { return 403; }

Say the same in a way that is followed.  Some that come near:

- conditions in snippets: a path of its own with `denylist-source-range`, `whitelist-source-range` or `auth-url`
- sign-in at an ALB, OpenID Connect of Envoy Gateway, digest authentication: an oauth2-proxy or Authelia that is asked
  by `auth-url`, `forwardAuth` or `extAuth`
- firewalls for web applications (ModSecurity, AWS WAF) and plugins: one before the gateway, or a service that is asked
  in the same way
- passwords: hashes of bcrypt (`htpasswd -B`), apr1, `{SHA}` or crypt's `$1$`, `$5$` and `$6$`; in plain text or as DES
  hashes nobody checks them

Or remove it, once nothing needs it any more.  docs/compatibility.md lists what is refused.

It is no fault where another controller serves the route: accept it with `gatewright.dev/ignore`.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "protection-unbuildable",
    "a protection that cannot be built, so that its rules answer an error",
    Severity.ERROR,
    Scope.PROBLEM,
    __doc__,
    lifts=(
        "protection-unbuildable",
        "basic-auth-unusable",
        "basic-auth-hash",
        "client-auth",
        "unsupported-access-control",
        "unsupported-middleware",
    ),
    consequence="every request of its rules gets an error instead of the backend",
    fix="protect the route in a way that is followed (`gatewright explain protection-unbuildable`), or accept it with "
    "gatewright.dev/ignore where another controller serves it",
)
