"""Any server that takes dynamic updates (RFC 2136) and zone transfers (AXFR), signed with TSIG: BIND, Knot."""

from __future__ import annotations

import base64
import binascii

from gatewright.base.errors import UsageError
from gatewright.engines.publish.failures import PublishError, refusal
from gatewright.engines.publish.providers.provider import TEXT_TTL_SECONDS, Client, Provider, Values
from gatewright.engines.publish.settings import Setting


def _open(label: str, values: Values, patient: bool) -> Client:
    from octodns_bind import Rfc2136Provider  # type: ignore[import-untyped]

    signed = "key_name" in values
    if signed:
        _check_key(values)
    return Rfc2136Provider(
        label,
        host=values["host"],
        port=values["port"],
        ipv6=values["ipv6"],
        timeout=values["timeout"],
        key_name=values["key_name"] if signed else None,
        key_secret=values.get("key_secret") if signed else None,
        key_algorithm=values["key_algorithm"] if signed else None,
        strict_supports=True,
        root_ns_warnings=False,
    )


def _check_key(values: Values) -> None:
    """UsageError for a key that no server could accept."""
    import dns.tsig

    secret = values.get("key_secret")
    if secret is None:
        raise UsageError("rfc2136 needs key_secret beside key_name: the environment variable RFC2136_KEY_SECRET")
    try:
        base64.b64decode(secret, validate=True)
    except binascii.Error:
        raise UsageError("rfc2136: key_secret is not base64") from None
    known = sorted(name.to_text(omit_final_dot=True) for name in dns.tsig.mac_sizes)
    if values["key_algorithm"].lower().removesuffix(".") not in known:
        raise UsageError(f"rfc2136: key_algorithm is one of {', '.join(known)}")


def _text(client: Client, domain: str, name: str, value: str, present: bool) -> None:
    """Add or delete one record, which the server does atomically (RFC 2136, 2.5.1 and 2.5.4)."""
    import dns.query
    import dns.rcode
    import dns.update

    update = dns.update.UpdateMessage(f"{domain}.", **client._auth_params())
    if present:
        update.add(f"{name}.", TEXT_TTL_SECONDS, "TXT", f'"{value}"')
    else:
        update.delete(f"{name}.", "TXT", f'"{value}"')
    answer = dns.query.tcp(update, client.host, port=client.port, timeout=client.timeout)
    if answer.rcode() != dns.rcode.NOERROR:
        raise PublishError(f"{name} TXT at rfc2136: {refusal(dns.rcode.to_text(answer.rcode()))}")


PROVIDER = Provider(
    name="rfc2136",
    aliases=("bind",),
    open=_open,
    text=_text,
    settings=(
        Setting("host", "the name or address of the primary", required=True),
        Setting("port", "its port", ("53",), type=int),
        Setting("ipv6", "look its name up as an IPv6 address", ("false",), type=bool),
        Setting("key_name", "the name of the TSIG key; none: unsigned"),
        Setting("key_secret", "the TSIG key in base64", ("env/RFC2136_KEY_SECRET",), secret=True),
        Setting("key_algorithm", "the TSIG algorithm", ("hmac-sha256",)),
        Setting("timeout", "seconds to wait for an answer", ("15",), type=float),
    ),
)
