"""JSON Web Tokens of a SecurityPolicy: the schema of `jwt`, and its lowering.  Not a kind."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from gatewright.base.document import Document
from gatewright.kinds.decode import Ignored, Path, Report, Schema
from gatewright.kinds.gateway_api.gatewayapi import ObjectReference
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.filters import Jwt, JwtProvider


class _RemoteKeys(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "backendSettings": "how keys are fetched is not tuned",
        "backendRef": "keys are fetched from the host in uri",
        "backendRefs": "keys are fetched from the host in uri",
    }

    uri: str
    cache_duration: Ignored = None


class _LocalKeys(Schema, frozen=True):
    type: Literal["Inline", "ValueRef"] = "Inline"
    inline: str = ""
    value_ref: ObjectReference | None = None


class _ClaimToHeader(Schema, frozen=True):
    header: str
    claim: str


class _HeaderSource(Schema, frozen=True):
    name: str
    value_prefix: str = ""


class _ExtractFrom(Schema, frozen=True):
    headers: tuple[_HeaderSource, ...] = ()
    cookies: tuple[str, ...] = ()
    params: tuple[str, ...] = ()


class _Provider(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "recomputeRoute": "the route stays the one that was chosen before the token was read"
    }

    name: Annotated[str, Meta(min_length=1, max_length=253)]
    issuer: str = ""
    audiences: tuple[str, ...] = ()
    remote_jwks: _RemoteKeys | None = field(default=None, name="remoteJWKS")
    local_jwks: _LocalKeys | None = field(default=None, name="localJWKS")
    claim_to_headers: tuple[_ClaimToHeader, ...] = ()
    extract_from: _ExtractFrom = _ExtractFrom()


class JwtConfig(Schema, frozen=True):
    providers: Annotated[tuple[_Provider, ...], Meta(min_length=1, max_length=4)]
    optional: bool = False


def lower_jwt(config: JwtConfig, document: Document, report: Report, *where: str | int) -> Jwt:
    """The check of tokens; a provider without keys rejects the policy."""
    providers = [
        _provider(one, document, report, (*where, "providers", index)) for index, one in enumerate(config.providers)
    ]
    return Jwt(report.origin.at(*where), tuple(providers), config.optional)


def _provider(one: _Provider, document: Document, report: Report, where: Path) -> JwtProvider:
    local, remote = one.local_jwks, one.remote_jwks
    if (local is None) == (remote is None):
        report.invalid("give either remoteJWKS or localJWKS", *where)
    if remote is not None and not remote.uri.startswith(("https://", "http://")):
        report.invalid(f"{remote.uri!r} is not a URL", *where, "remoteJWKS", "uri")
    inline = local.inline if local is not None else ""
    if local is not None and local.type == "Inline" and not _is_key_set(inline):
        report.invalid("the text is no JSON Web Key Set", *where, "localJWKS", "inline")
    source = local.value_ref if local is not None and local.type == "ValueRef" else None
    return JwtProvider(
        one.name,
        one.issuer,
        one.audiences,
        jwks_url=remote.uri if remote else "",
        jwks=inline,
        jwks_from=Key(source.kind, document.namespace, source.name) if source else None,
        headers=tuple((header.name, header.value_prefix) for header in one.extract_from.headers),
        parameters=one.extract_from.params,
        cookies=one.extract_from.cookies,
        claims_to_headers=tuple((one.claim, one.header) for one in one.claim_to_headers),
    )


def _is_key_set(text: str) -> bool:
    with contextlib.suppress(ValueError):
        found = json.loads(text)
        return isinstance(found, dict) and isinstance(found.get("keys"), list)
    return False
