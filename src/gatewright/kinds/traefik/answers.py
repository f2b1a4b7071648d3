"""Middlewares about what comes back: compress, errors, contentType, grpcWeb, tap.

None of them protects anything, so what cannot be kept is left out and told.  Counterpart: `middleware`, which knows all
types.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from msgspec import field

from gatewright.kinds.decode import Ignored, Report, Schema
from gatewright.kinds.intents.filters import Compress, ErrorPages, Filter, Refuse, Template, Variable
from gatewright.kinds.traefik.limits import NO_STATUS, Count, statuses
from gatewright.kinds.traefik.service import LoadBalancer, lower_service
from gatewright.kinds.traefik.sources import differs, refuse

_ENCODINGS = ("gzip", "br", "zstd")
_USUAL_LENGTH = 1024
_PLACE = re.compile(r"(\{status\}|\{originalStatus\}|\{url\})")
_VALUES = {"{status}": Variable.STATUS, "{originalStatus}": Variable.ORIGINAL_STATUS, "{url}": Variable.ESCAPED_URI}


class CompressSpec(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "defaultEncoding": "clients that ask for no encoding get none",
    }

    excluded_content_types: tuple[str, ...] = ()
    included_content_types: tuple[str, ...] = ()
    min_response_body_bytes: Count = 0
    encodings: tuple[str, ...] = _ENCODINGS


def compress(value: CompressSpec, report: Report, *path: str | int) -> tuple[Filter, ...]:
    """Compress answers; Traefik builds it only with encodings that it has, and one of both lists of types."""
    if value.included_content_types and value.excluded_content_types:
        return refuse(report, "excludedContentTypes and includedContentTypes exclude each other", *path)
    unknown = next((name for name in value.encodings if name not in _ENCODINGS), None)
    if unknown is not None or not value.encodings:
        return refuse(report, f"encodings are of {', '.join(_ENCODINGS)}", *path, "encodings")
    if not value.included_content_types:
        hint = "list what is to be compressed in includedContentTypes"
        differs(report, "only types that are worth it are compressed, such as text and JSON", *path, hint=hint)
    found = Compress(
        origin=report.origin.at(*path),
        encodings=value.encodings,
        min_length=value.min_response_body_bytes or _USUAL_LENGTH,
        types=_types(value.included_content_types),
        excluded=_types(value.excluded_content_types),
    )
    return (found,)


def _types(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.partition(";")[0].strip().lower() for name in names))


class ErrorsSpec(Schema, frozen=True):
    status: tuple[str, ...] = ()
    status_rewrites: dict[str, int] = field(default_factory=dict)
    service: LoadBalancer | None = None
    query: str = ""
    error_request_headers: tuple[str, ...] | None = None


def errors(value: ErrorsSpec, namespace: str, report: Report, *path: str | int) -> tuple[Filter, ...]:
    """Answers with certain statuses are replaced by a page of another service; they keep their status, or get one."""
    if value.service is None:
        return refuse(report, "the service with the pages is missing", *path, "service")
    backend = lower_service(value.service, namespace, report, *path, "service")
    if isinstance(backend, Refuse):
        return (backend,)
    ranges, rewrites = statuses(value.status), _rewrites(value.status_rewrites)
    if ranges is None or rewrites is None:
        return refuse(report, NO_STATUS, *path, "status" if ranges is None else "statusRewrites")
    if not ranges:
        report.warning("invalid-value", "without a status no answer is replaced", *path, "status")
        return ()
    if value.error_request_headers is not None:
        differs(report, "the service gets all headers of the request", *path, "errorRequestHeaders")
    return (ErrorPages(report.origin.at(*path), ranges, backend, _query(value.query), rewrites=rewrites),)


def _rewrites(texts: Mapping[str, int]) -> tuple[tuple[int, int, int], ...] | None:
    found: list[tuple[int, int, int]] = []
    for text, new in texts.items():
        ranges = statuses((text,))
        if ranges is None or not 100 <= new <= 599:
            return None
        found += [(low, high, new) for low, high in ranges]
    return tuple(found)


def _query(query: str) -> Template:
    """The path of the page, with variables for what stands in braces."""
    text = f"/{query.removeprefix('/')}"
    return tuple(_VALUES.get(piece, piece) for piece in _PLACE.split(text) if piece)


class GuessedType(Schema, frozen=True):
    auto_detect: Ignored = None


def content_type(value: GuessedType, report: Report, *path: str | int) -> tuple[Filter, ...]:
    message = "an answer without a Content-Type stays without one"
    report.unsupported(message, *path, hint="let the backend say it, or set it in customResponseHeaders")
    return ()


class GrpcWeb(Schema, frozen=True):
    allow_origins: tuple[str, ...] = ()


def grpc_web(value: GrpcWeb, report: Report, *path: str | int) -> tuple[Filter, ...]:
    message = "gRPC-Web requests are passed on as they are"
    report.unsupported(message, *path, hint="let the backend speak gRPC-Web")
    return ()
