"""octoDNS's client of Route 53, with texts that hold quotes read as they were written.

The API gives presentation format (RFC 1035, 5.1), of which octoDNS 1.x takes off the outer quotes and no more.
"""

from __future__ import annotations

from typing import Any

from octodns.record import TxtRecord  # type: ignore[import-untyped]
from octodns_route53 import Route53Provider  # type: ignore[import-untyped]


class Route53Client(Route53Provider):  # type: ignore[misc]
    """`_data_for_TYPE` is octoDNS's name for reading a type."""

    def _data_for_TXT(self, rrset: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        read = TxtRecord._value_type.from_rdata_text
        values = [read(item["Value"]) for item in rrset["ResourceRecords"]]
        return {"type": "TXT", "values": values, "ttl": int(rrset["TTL"])}
