"""Which annotations exist, and what is nearest to those that do not."""

from __future__ import annotations

import pytest

from gatewright.kinds.annotations import names as annotationnames


@pytest.mark.parametrize(
    "annotation",
    [
        "nginx.ingress.kubernetes.io/proxy-read-timeout",
        "nginx.ingress.kubernetes.io/secure-backends",  # gone since 0.18
        "haproxy.org/server-ssl",
        "haproxy.com/server-ssl",
        "haproxy-ingress.github.io/backend-protocol",
        "haproxy-ingress.github.io/http-response-404",
        "alb.ingress.kubernetes.io/actions.redirect",
        "alb.ingress.kubernetes.io/listener-attributes.HTTPS-443",
        "traefik.ingress.kubernetes.io/router.entryPoints",
        "traefik.ingress.kubernetes.io/router.tls.domains.0.main",
        "traefik.ingress.kubernetes.io/frontend-entry-points",  # of version 1
        "external-dns.alpha.kubernetes.io/hostname",
        "external-dns.kubernetes.io/target",
        "external-dns.alpha.kubernetes.io/cloudflare-proxied",
        "external-dns.alpha.kubernetes.io/external",  # somebody's own, to select by
        "cert-manager.io/cluster-issuer",
        "acme.cert-manager.io/http01-edit-in-place",
        "nginx.org/anything",  # not judged
        "example.com/anything",
        "plain",
    ],
)
def test_what_exists(annotation: str) -> None:
    assert annotationnames.exists(annotation)


@pytest.mark.parametrize(
    ("annotation", "nearest"),
    [
        ("nginx.ingress.kubernetes.io/cors-enable", "use nginx.ingress.kubernetes.io/enable-cors"),
        ("nginx.ingress.kubernetes.io/ssl-passthru", "did you mean nginx.ingress.kubernetes.io/ssl-passthrough?"),
        (
            "nginx.ingress.kubernetes.io/blue-green-deploy",
            "haproxy-ingress.github.io/blue-green-deploy is of another controller",
        ),
        ("haproxy.org/ssl-passtrough", "did you mean haproxy.org/ssl-passthrough?"),
        (
            "traefik.ingress.kubernetes.io/router.entrypoint",
            "did you mean traefik.ingress.kubernetes.io/router.entrypoints?",
        ),
        ("alb.ingress.kubernetes.io/zzz", ""),
        ("external-dns.alpha.kubernetes.io/hostnames", "did you mean external-dns.alpha.kubernetes.io/hostname?"),
        ("cert-manager.io/clusterissuer", "did you mean cert-manager.io/cluster-issuer?"),
    ],
)
def test_what_does_not_exist_and_what_is_nearest(annotation: str, nearest: str) -> None:
    assert not annotationnames.exists(annotation)
    assert annotationnames.nearest(annotation) == nearest
