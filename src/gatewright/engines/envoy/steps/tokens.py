"""JSON Web Tokens (RFC 7519): 401 without a valid one.  Counterpart: `authorize`, which reads their claims."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from envoy.extensions.filters.http.jwt_authn.v3 import config_pb2 as jwt
from msgspec import Struct

from gatewright.engines.envoy import names
from gatewright.engines.envoy.steps.conditions import Hold, Part
from gatewright.engines.envoy.steps.context import Context, Refused, is_header_name
from gatewright.engines.envoy.wire import extension, seconds
from gatewright.graph.nodes import BackendKey, TokenCheck
from gatewright.kinds.intents.filters import JwtProvider

FILTER: Final = "envoy.filters.http.jwt_authn"
"""Also the name under which it leaves claims for others."""
_FETCH_SECONDS: Final = 5.0
_KEPT_SECONDS: Final = 300.0


def filters(step: TokenCheck, context: Context) -> list[Part] | Refused:
    """The check; each provider leaves the claims under its name."""
    keys = dict(step.keys)
    made = jwt.JwtAuthentication(stat_prefix="steps")
    for provider in step.check.providers:
        source = keys.get(provider.name)
        if not source or (isinstance(source, str) and not _has_keys(source)):
            return Refused(f"there are no keys to check tokens of {provider.name}", step.check.origin)
        told = [*(name for name, _ in provider.headers), *(name for _, name in provider.claims_to_headers)]
        if not all(is_header_name(name) for name in told):
            return Refused(f"tokens of {provider.name} go by a header that has no possible name", step.check.origin)
        made.providers[provider.name].CopyFrom(_provider(provider, source))
    if not step.check.providers:
        return Refused("no provider of tokens is named", step.check.origin)
    rule = made.rules.add()
    rule.match.prefix = ""
    rule.requires.CopyFrom(_required([one.name for one in step.check.providers], optional=step.check.optional))
    # Keys that are not at hand are fetched while the request waits.
    fetched = any(not isinstance(keys[provider.name], str) for provider in step.check.providers)
    return [Part(extension(FILTER, made), hold=Hold.ANSWER if fetched else Hold.NEVER)]


def _has_keys(document: str) -> bool:
    """Is there one that Envoy can use?  It passes over others, but refuses a whole scope for lack of any."""
    try:
        found = msgspec.json.decode(document, type=_KeySet).keys
    except msgspec.DecodeError:
        return False
    return any(all(_decodes(key.get(field)) for field in _FIELDS.get(str(key.get("kty")), ("none",))) for key in found)


class _KeySet(Struct):
    """A JWK Set (RFC 7517, 5)."""

    keys: list[dict[str, Any]]


_FIELDS: Final = {"RSA": ("n", "e"), "EC": ("x", "y"), "oct": ("k",), "OKP": ("x",)}
"""What makes a public or shared key of each type (RFC 7518, 6)."""


def _decodes(text: object) -> bool:
    return isinstance(text, str) and _BASE64URL.fullmatch(text) is not None


_BASE64URL: Final = re.compile("[A-Za-z0-9_-]{2,}")


def _required(providers: list[str], *, optional: bool) -> jwt.JwtRequirement:
    each = [jwt.JwtRequirement(provider_name=name) for name in providers]
    if optional:
        none = jwt.JwtRequirement()
        none.allow_missing.SetInParent()
        each.append(none)
    if len(each) == 1:
        return each[0]
    return jwt.JwtRequirement(requires_any=jwt.JwtRequirementOrList(requirements=each))


def _provider(provider: JwtProvider, source: str | tuple[BackendKey, str, str]) -> jwt.JwtProvider:
    made = jwt.JwtProvider(
        issuer=provider.issuer,
        audiences=provider.audiences,
        forward=provider.forward,
        from_params=provider.parameters,
        from_cookies=provider.cookies,
        payload_in_metadata=provider.name,
    )
    made.from_headers.extend(jwt.JwtHeader(name=name, value_prefix=prefix) for name, prefix in provider.headers)
    made.claim_to_headers.extend(
        jwt.JwtClaimToHeader(header_name=header, claim_name=claim) for claim, header in provider.claims_to_headers
    )
    if isinstance(source, str):
        made.local_jwks.inline_string = source
    else:
        _fetched(made.remote_jwks, *source)
    return made


def _fetched(made: jwt.RemoteJwks, backend: BackendKey, host: str, path: str) -> None:
    # The cluster decides whether TLS is spoken; of the URL only host and path count.
    made.http_uri.uri = f"http://{host or backend.name}{path or '/'}"
    made.http_uri.cluster = names.cluster(backend)
    made.http_uri.timeout.CopyFrom(seconds(_FETCH_SECONDS))
    made.cache_duration.CopyFrom(seconds(_KEPT_SECONDS))
