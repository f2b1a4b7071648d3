"""Compression of answers, as clients accept it: where they accept several equally, the first in the list."""

from __future__ import annotations

from typing import Final

from envoy.extensions.compression.brotli.compressor.v3.brotli_pb2 import Brotli
from envoy.extensions.compression.gzip.compressor.v3.gzip_pb2 import Gzip
from envoy.extensions.compression.zstd.compressor.v3.zstd_pb2 import Zstd
from envoy.extensions.filters.http.compressor.v3 import compressor_pb2

from gatewright.engines.envoy.steps.conditions import Part, parts
from gatewright.engines.envoy.steps.context import Context, Refused
from gatewright.engines.envoy.wire import extension
from gatewright.kinds.intents.filters import Compress

USUAL: Final = (
    "application/javascript",
    "application/json",
    "application/xhtml+xml",
    "image/svg+xml",
    "text/css",
    "text/html",
    "text/plain",
    "text/xml",
)
"""What Envoy compresses unless it is told otherwise."""

_LEAST: Final = 30
"""Octets; Envoy compresses nothing shorter."""
_GZIP_LEVELS: Final = range(1, 10)
_BROTLI_LEVELS: Final = range(1, 12)
_ZSTD_LEVELS: Final = range(1, 23)


def filters(step: Compress, context: Context) -> list[Part] | Refused:
    """One filter for each encoding."""
    made = []
    for number, encoding in enumerate(step.encodings):
        library = _library(encoding, step.level)
        if library is None:
            return Refused(f"answers cannot be compressed with {encoding}", step.origin)
        one = compressor_pb2.Compressor(
            compressor_library=extension(encoding, library), choose_first=number == 0 and len(step.encodings) > 1
        )
        common = one.response_direction_config.common_config
        common.min_content_length.value = max(step.min_length, _LEAST)
        common.content_type.extend(_types(step))
        made.append(extension("envoy.filters.http.compressor", one))
    return parts(made)


def _types(step: Compress) -> list[str]:
    gone = {name.lower() for name in step.excluded}
    return [name for name in step.types or USUAL if name.lower() not in gone]


def _library(encoding: str, level: int) -> Gzip | Brotli | Zstd | None:
    """Level 0, or one that it does not have: its own."""
    match encoding:
        case "gzip":
            gzip = Gzip()
            if level in _GZIP_LEVELS:
                gzip.compression_level = level
            return gzip
        case "br":
            brotli = Brotli()
            if level in _BROTLI_LEVELS:
                brotli.quality.value = level
            return brotli
        case "zstd":
            zstd = Zstd()
            if level in _ZSTD_LEVELS:
                zstd.compression_level.value = level
            return zstd
        case _:
            return None
