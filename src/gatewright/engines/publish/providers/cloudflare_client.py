"""octoDNS's client of Cloudflare, with texts that hold quotes read as they were written.

The API gives presentation format (RFC 1035, 5.1) or, of old records, plain text; octoDNS 1.x takes both for plain.
"""

from __future__ import annotations

from typing import Any

from octodns.record import TxtRecord  # type: ignore[import-untyped]
from octodns_cloudflare import CloudflareProvider  # type: ignore[import-untyped]


class CloudflareClient(CloudflareProvider):  # type: ignore[misc]
    """`_data_for_TYPE` is octoDNS's name for reading a type."""

    def _data_for_TXT(self, _type: str, records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N802
        found: dict[str, Any] = super()._data_for_TXT(_type, records)
        found["values"] = [_text(item.get("content", "")) for item in records]
        return found


def _text(content: str) -> str:
    """A text as octoDNS holds it."""
    value_type = TxtRecord._value_type
    read = value_type.from_rdata_text if content.startswith('"') else value_type.normalize_raw_text
    text: str = read(content)
    return text
