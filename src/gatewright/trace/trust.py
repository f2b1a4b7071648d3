"""Does the client trust what it is shown?  Who issued the certificate, for which names, until when.

A certificate is judged by its bytes where a Secret holds them, and by its cert-manager Certificate and Issuer where
cert-manager will make it.  What nobody can tell from the manifests is UNKNOWN, never a fault.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from cryptography import x509
from msgspec import Struct

from gatewright.base import hostnames
from gatewright.base.hostnames import Depth
from gatewright.base.keypair import covers
from gatewright.base.origin import Origin, is_made
from gatewright.graph import solving
from gatewright.graph.network.outages import certificates_down
from gatewright.graph.nodes import Certificate, Gateway, VirtualHost
from gatewright.graph.objects import ALL, annotated_issuer
from gatewright.graph.sight import Sight
from gatewright.kinds.decode import has_variable
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import ControllerIntent, GatewayIntent, RouteIntent
from gatewright.kinds.intents.issuance import CertificateIntent, IssuerIntent
from gatewright.kinds.intents.material import SecretIntent, TlsStoreIntent
from gatewright.trace.branches import Trust

# Organisations and names of authorities in the root programmes of browsers, as they write themselves.
PUBLIC_AUTHORITIES = (
    "let's encrypt", "internet security research group", "digicert", "sectigo", "comodo", "usertrust", "globalsign",
    "google trust services", "amazon", "zerossl", "entrust", "godaddy", "starfield", "identrust", "ssl corporation",
    "ssl.com", "buypass", "actalis", "certum", "asseco", "harica", "hellenic academic", "swisssign", "quovadis",
    "t-systems", "telesec", "d-trust", "microsoft", "apple", "certsign", "e-tugra", "trustasia",
)  # fmt: skip

CDN_AUTHORITIES = ("cloudflare",)
"""Authorities that only their CDN trusts: Cloudflare's origin certificates."""


class Roots(Struct, frozen=True):
    """Whom a client trusts: the public authorities, a CDN's own, and those in these Secrets and ConfigMaps.

    `subjects` are the names of the latter, as their certificates say them.
    """

    public: bool = True
    trusted: frozenset[Key] = frozenset()
    subjects: frozenset[str] = frozenset()
    cdn: bool = False


BROWSER = Roots()

KINDS = {"public": "a public authority", "cdn": "a CDN's own authority", "private": "a private authority"}


def roots(sight: Sight, public: bool, trusted: frozenset[Key]) -> Roots:
    """A question: the authorities in these Secrets and ConfigMaps."""
    subjects: set[str] = set()
    for key in sorted(trusted):
        secret = sight.get(key, SecretIntent)
        pem = (secret.get("ca.crt") or secret.get("tls.crt") or b"") if secret is not None else b""
        with suppress(ValueError):
            subjects.update(item.subject.rfc4514_string() for item in x509.load_pem_x509_certificates(pem))
    return Roots(public, trusted, frozenset(subjects))


class Shown(Struct, frozen=True):
    """A certificate as a client sees it.  `names` None: whatever was asked for.

    `issued` by: "public", "cdn" (a CDN's own authority), "private" (that in one of the Secrets `authorities`) or ""
    unknown; `issuer` as its bytes name it.  `expired` is the day.  `origin` what says so.
    """

    label: str
    issued: str
    names: tuple[str, ...] | None = None
    authorities: tuple[Key, ...] = ()
    issuer: str = ""
    expired: str = ""
    origin: Origin | None = None


def judge(shown: Shown, name: str, roots: Roots) -> tuple[Trust, str]:
    """What a client that asked for `name` makes of a certificate, and why in words."""
    if shown.names is not None and name and not _covered(shown.names, name):
        depth = ""
        if any(hostnames.is_wildcard(own) and name.endswith(own[1:]) for own in shown.names):
            depth = "; a wildcard covers exactly one label"
        names = ", ".join(shown.names) or "no names"
        return Trust.NAME_MISMATCH, f"{shown.label} is for {names}, not for {name}{depth}"
    if shown.expired:
        return Trust.EXPIRED, f"{shown.label} expired on {shown.expired}"
    if shown.issuer in roots.subjects or not roots.trusted.isdisjoint(shown.authorities):
        return Trust.TRUSTED, f"{shown.label}, of an authority that the client was given"
    if not shown.issued:
        return Trust.UNKNOWN, f"{shown.label}: the manifests do not say who issues it"
    if (shown.issued == "public" and roots.public) or (shown.issued == "cdn" and roots.cdn):
        return Trust.TRUSTED, f"{shown.label}, of {KINDS[shown.issued]}"
    return Trust.UNTRUSTED, f"{shown.label} is of {KINDS[shown.issued]}, which the client does not trust"


def _covered(names: tuple[str, ...], name: str) -> bool:
    return any(own == name or hostnames.covers(own, name, Depth.ONE) for own in names if own != hostnames.ANY)


# --- what is shown ------------------------------------------------------------------------------


def shown(sight: Sight, gateway: Gateway, host: VirtualHost | None, certificate: Certificate | None, sni: str) -> Shown:
    """The certificate that a gateway shows: one it has, one that cert-manager will make, or one from elsewhere."""
    elsewhere = gateway.settings.certificate_names
    if elsewhere and (certificate is None or not covers(certificate.facts, sni)):
        return Shown(f"the certificate of {gateway.id}", "public", elsewhere, origin=gateway.origin)
    if certificate is not None:
        return sight.ask(of_secret, certificate.key, sni, None, ())
    promised = _promised(sight, gateway, host, sni) if host is not None else None
    if promised is not None:
        return sight.ask(of_secret, *promised)
    return Shown("a certificate that is not among the manifests", "", origin=gateway.origin)


def _promised(
    sight: Sight, gateway: Gateway, host: VirtualHost, sni: str
) -> tuple[Key, str, Key | None, tuple[str, ...]] | None:
    """The Secret, perhaps not there yet, that the listener or a route names for this host, or else the gateway's
    default: arguments of `of_secret`."""
    intent = sight.get(gateway.key, GatewayIntent)
    for listener in intent.listeners if intent is not None else ():
        if intent is not None and listener.name == host.listener and listener.tls is not None:
            if not listener.tls.certificates:
                return None
            # cert-manager makes nothing for a listener without a hostname; what others make nobody knows the names of.
            named = listener.hostname != hostnames.ANY
            issuer = annotated_issuer(intent.annotations, gateway.key.namespace) if named else None
            names = (listener.hostname,) if issuer is not None else ()
            return _fitting(sight, listener.tls.certificates, sni), sni, issuer, names
    for entry in host.entries:
        route = sight.get(entry.rule.route, RouteIntent)
        for use in route.tls if route is not None else ():
            # Which server block a certificate is for is said by names of hosts, not by what clients ask for.
            mine = not use.hosts or any(hostnames.covers(own, host.key.hostname, Depth.ONE) for own in use.hosts)
            if route is not None and use.secret is not None and mine:
                return use.secret, sni, annotated_issuer(route.annotations, route.key.namespace), use.hosts
    default = sight.ask(default_secret, gateway.id)
    return (default, sni, None, ()) if default is not None else None


def default_secret(sight: Sight, gateway_id: str) -> Key | None:
    """A question: the Secret that a gateway's default certificate is to be in, there or not."""
    gateway = sight.gateway(gateway_id)
    intent = sight.get(gateway.key, ControllerIntent) if gateway is not None else None
    named = [key for item in intent.listeners if item.tls for key in item.tls.certificates] if intent else []
    if gateway is not None and gateway.pools_certificates:
        stores = [one for one in sight.listed("tls-stores", ALL, TlsStoreIntent) if one.key.name == "default"]
        named += [one.default_certificate for one in stores if one.default_certificate is not None]
    return next(iter(named), None)


def _fitting(sight: Sight, secrets: tuple[Key, ...], sni: str) -> Key:
    """The Secret among a listener's that is for a name, or nobody knows for which; else the first."""
    for key in secrets if len(secrets) > 1 else ():
        made = sight.listed("certificates-for", key, CertificateIntent)
        if (not made and sight.certificate(key) is None) or any(_covered(item.names, sni) for item in made):
            return key
    return secrets[0]


def of_secret(sight: Sight, key: Key, name: str, issuer: Key | None, names: tuple[str, ...]) -> Shown:
    """A question: the certificate of a Secret, by its bytes or, before it exists, by what will make it.

    That is a Certificate, or `issuer` for `names` as annotations have it.
    """
    made = sight.listed("certificates-for", key, CertificateIntent)
    by = next((item for item in made if _covered(item.names, name)), made[0] if made else None)
    if by is not None:
        issuer, names = by.issuer or issuer, by.names
    found = sight.get(issuer, IssuerIntent) if issuer is not None else None
    issued, authorities = _issued(found, key) if found is not None else ("", ())
    certificate = sight.certificate(key)
    if certificate is None:
        origin = by.origin if by is not None else found.origin if found is not None else None
        said = None if any(has_variable(own) for own in names) else names or None
        return Shown(f"{key} ({by.key})" if by is not None else str(key), issued, said, authorities,
                     expired=_ended(sight, key), origin=origin)  # fmt: skip
    facts = certificate.facts
    own, issuer_name = _by_bytes(certificate)
    # What cert-manager made it renews: the copy among the manifests may well be old.
    past = facts.not_after is not None and facts.not_after.date() < sight.today() and found is None
    return Shown(
        str(key),
        issued or own,
        (*facts.names, *facts.addresses),
        authorities or (key,),
        issuer_name,
        facts.not_after.date().isoformat() if past and facts.not_after is not None else _ended(sight, key),
        certificate.origin,
    )


def _ended(sight: Sight, key: Key) -> str:
    """The day on which the certificate of a Secret ended that an issuer makes, "" while it has not.

    Of one among the manifests nobody knows: it may well be an old copy.
    """
    if f"{key.namespace}/{key.name}" in sight.ask(certificates_down):
        return (sight.today() - timedelta(days=1)).isoformat()
    secret = sight.get(key, SecretIntent)
    if secret is not None and is_made(secret.origin):
        with suppress(ValueError, IndexError):
            leaf = x509.load_pem_x509_certificates(secret.get("tls.crt") or b"")[0]
            day = leaf.not_valid_after_utc.date()
            return day.isoformat() if day < sight.today() else ""
    return ""


def _issued(issuer: IssuerIntent, secret: Key) -> tuple[str, tuple[Key, ...]]:
    if issuer.type == "acme":
        public = "staging" not in issuer.server and any(name in issuer.server for name in solving.PUBLIC_DIRECTORIES)
        staging = "staging" in issuer.server
        return ("public" if public else "private" if staging else ""), ()
    if issuer.type == "ca" and issuer.ca is not None:
        return "private", (issuer.ca, secret)
    if issuer.type == "selfSigned":
        return "private", (secret,)
    return "", ()


def _by_bytes(certificate: Certificate) -> tuple[str, str]:
    """Who issued a certificate, by the names in its chain: what kind of authority, and its name."""
    last = x509.load_pem_x509_certificates(certificate.chain)[-1]
    name = last.issuer.rfc4514_string()
    lower = name.lower()
    if any(word in lower for word in CDN_AUTHORITIES) and "origin" in lower:
        return "cdn", name
    if any(word in lower for word in PUBLIC_AUTHORITIES):
        return "public", name
    return ("private" if last.issuer == last.subject else ""), name
