"""TLS towards a backend: what a reference, its transport and the policies of its Service ask for together.

What is to be verified is verified or the backend is not used at all.  A BackendTLSPolicy (GEP-1897) decides in place of
what a reference says unless that is the stricter: verified by authorities of its own.  Counterpart: `backends`.
"""

from __future__ import annotations

import ipaddress

from msgspec import structs

from gatewright.base.problem import Problem, Severity
from gatewright.base.sensitive import Sensitive
from gatewright.graph.nodes import BackendTls, UpstreamProtocol
from gatewright.graph.objects import View
from gatewright.graph.resolve.certificates import authorities
from gatewright.graph.resolve.upstreams.variants import Variant
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.material import (
    BackendTlsIntent,
    ExternalBackendIntent,
    SecretIntent,
    ServiceIntent,
    ServicePort,
    TransportIntent,
)
from gatewright.kinds.intents.routing import UpstreamTls

_HTTP = (UpstreamProtocol.HTTP1, UpstreamProtocol.H2)


def resolve(
    view: View,
    service: ServiceIntent,
    port: ServicePort,
    spoken: Variant,
    protocol: UpstreamProtocol,
    *,
    encrypted: bool,
) -> tuple[BackendTls | None, str, tuple[Problem, ...]]:
    """TLS to a port of a Service (None: plain), why it cannot be had as described (""), and what else is wrong."""
    own, reason = _own(view, service, spoken, protocol) if encrypted else (None, "")
    policy, problems = (None, ()) if protocol is UpstreamProtocol.UDP else _policy(view, service.key, port)
    if policy is None:
        return own, reason, problems
    asked = spoken.transport is not None or spoken.upstream.tls is not None
    if asked and (reason or (own is not None and own.verify and own.ca)):
        return own, reason, problems
    tls, reason = _policy_tls(view, policy)
    if tls is not None and own is not None:
        tls = structs.replace(tls, client_certificate=own.client_certificate, client_key=own.client_key)
    return tls, reason, problems


def outside(view: View, host: str, asked: UpstreamTls | None) -> tuple[BackendTls | None, str]:
    """TLS to a host outside of any cluster: verified for its name by the system's authorities unless said otherwise."""
    by_name = not is_address(host)
    said = asked or UpstreamTls(verify=True)
    if by_name and not said.server_name:
        said = structs.replace(said, server_name=host)
    names = (("Hostname" if by_name else "IP", host),)
    made, reason = _described(view, said, "")
    if made is not None:
        made = structs.replace(made, follows_host=False, verify_names=made.verify_names or names)
    return made, reason


def listed(
    view: View, backend: ExternalBackendIntent, protocol: UpstreamProtocol
) -> tuple[BackendTls | None, str, tuple[Problem, ...]]:
    """TLS to what a Backend lists: as a BackendTLSPolicy says, else as it says itself; None for plain.

    Without an SNI of its own, the name of its endpoints is asked for, and the Host of each request where they have
    none.
    """
    policy, problems = _policy(view, backend.key, ServicePort("", 0))
    if policy is not None:
        tls, reason = _policy_tls(view, policy)
        return tls, reason, problems
    said = backend.tls
    if said is None:
        return None, "", problems
    names = {host for host, _ in backend.endpoints if not is_address(host)}
    if not said.server_name and len(names) > 1:
        return None, "its endpoints have several names: give the one of their certificate in tls.sni", problems
    if not said.server_name and names:
        said = structs.replace(said, server_name=next(iter(names)))
    nameless = "" if protocol in _HTTP else "its certificate is to be verified for no name: give tls.sni"
    tls, reason = _described(view, said, nameless)
    return tls, reason, problems


def is_address(host: str) -> bool:
    """Is it an IP address, not a name?"""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _own(
    view: View, service: ServiceIntent, spoken: Variant, protocol: UpstreamProtocol
) -> tuple[BackendTls | None, str]:
    """TLS that the reference itself asks for: its description, else its transport, else its scheme."""
    asked = spoken.upstream.tls
    if asked is not None:
        nameless = "" if protocol in _HTTP else "its certificate is to be verified for no name: give one"
        return _described(view, asked, nameless)
    if spoken.transport is None:
        return _by_scheme(service, spoken)
    transport = view.get(spoken.transport, TransportIntent)
    if transport is None:
        return None, f"{spoken.transport} does not exist"
    return _by_transport(view, service, transport)


def _described(view: View, asked: UpstreamTls, nameless: str) -> tuple[BackendTls | None, str]:
    """As a reference describes it.  `nameless`: why it is unusable where it has no name to verify; "": each Host is."""
    bundle, missing = b"", tuple[Key, ...]()
    if asked.ca is not None and asked.verify:
        bundle, missing = authorities(view, (asked.ca,), asked.ca_entry)
    if missing:
        return (
            None,
            f"{missing[0]} with the CA of its certificate is missing or has no usable {asked.ca_entry or 'ca.crt'}",
        )
    own = None if _only_authorities(view, asked) else asked.client
    certificate = view.certificate(own) if own is not None else None
    if own is not None and certificate is None:
        return None, f"the client certificate {own} is missing or unusable"
    name = asked.verify_name or asked.server_name
    if asked.verify and not name and nameless:
        return None, nameless
    made = BackendTls(
        server_name=asked.server_name,
        verify=asked.verify,
        ca=bundle,
        system_ca=asked.verify and not bundle,
        verify_names=(("Hostname", name),) if asked.verify and name else (),
        client_certificate=certificate.chain if certificate else b"",
        client_key=certificate.private_key if certificate else Sensitive(b""),
        follows_host=not asked.server_name and not nameless,
    )
    return made, ""


def _only_authorities(view: View, asked: UpstreamTls) -> bool:
    """Is one Secret named for both, and has authorities and no pair (proxy-ssl-secret of ingress-nginx)?"""
    held = view.get(asked.ca, SecretIntent) if asked.ca is not None and asked.ca == asked.client else None
    return held is not None and bool(held.get("ca.crt")) and not held.get("tls.key")


def _by_scheme(service: ServiceIntent, spoken: Variant) -> tuple[BackendTls | None, str]:
    """Without a transport Traefik verifies against the system's trust store, the others do not verify.

    What verifies needs a name to look for: Traefik would take the pod's address, which is in no certificate that one
    can plan for.
    """
    name = service.external_name
    if spoken.verified and not name:
        return None, "its certificate would be verified against the pod's address: name a ServersTransport"
    names = (("Hostname", name),) if spoken.verified else ()
    return BackendTls(name, verify=spoken.verified, system_ca=spoken.verified, verify_names=names), ""


def _by_transport(view: View, service: ServiceIntent, transport: TransportIntent) -> tuple[BackendTls | None, str]:
    """As a ServersTransport says; verified unless it says not to."""
    bundle, missing = authorities(view, transport.ca)
    if missing:
        return None, f"{transport.key}: {', '.join(map(str, missing))} with its CA is missing"
    certificate = view.certificate(transport.client_certificates[0]) if transport.client_certificates else None
    if transport.client_certificates and certificate is None:
        return None, f"{transport.key}: its client certificate is missing or unusable"
    name = transport.server_name or service.external_name
    names = (("URI", transport.peer_uri),) if transport.peer_uri else (("Hostname", name),) if name else ()
    if not name and not transport.insecure_skip_verify:
        return None, f"{transport.key} has no serverName to verify: the pod's address would be in no certificate"
    return (
        BackendTls(
            server_name=name,
            verify=not transport.insecure_skip_verify,
            ca=bundle,
            system_ca=not bundle,
            verify_names=names,
            client_certificate=certificate.chain if certificate else b"",
            client_key=certificate.private_key if certificate else Sensitive(b""),
        ),
        "",
    )


def _policy(view: View, service: Key, port: ServicePort) -> tuple[BackendTlsIntent | None, tuple[Problem, ...]]:
    """The BackendTLSPolicy of a port: one for its section before one for the Service, then the oldest (GEP-1897).

    Of two that target the very same the younger is without effect, which its owner has to know.
    """
    found = sorted(
        (
            (section != port.name, policy.created or "~", f"{policy.key.namespace}/{policy.key.name}", policy)
            for policy in view.listed("backend-tls", service, BackendTlsIntent)
            for key, section in policy.targets
            if key == service and section in ("", port.name)
        ),
        key=lambda item: item[:3],
    )
    if not found:
        return None, ()
    winner = found[0]
    hint = "keep one of them, or name a port in sectionName"
    lost = [item[3] for item in found[1:] if item[0] == winner[0] and item[3].key != winner[3].key]
    problems = tuple(
        Problem(
            "policy-conflict",
            f"{policy.key} has no effect on {service}: {winner[3].key} was there first",
            policy.origin,
            Severity.WARNING,
            hint,
        )
        for policy in lost
    )
    return winner[3], problems


def _policy_tls(view: View, policy: BackendTlsIntent) -> tuple[BackendTls | None, str]:
    bundle, missing = authorities(view, policy.ca)
    if (missing and not bundle) or (not policy.ca and policy.well_known != "System"):
        names = ", ".join(str(key) for key in missing) or "no CA"
        return None, f"{policy.key}: {names} cannot verify the backend"
    names_ = policy.subject_alt_names or (("Hostname", policy.hostname),)
    return (
        BackendTls(
            server_name=policy.hostname,
            ca=bundle,
            system_ca=policy.well_known == "System",
            verify_names=names_,
        ),
        "",
    )
