"""octoDNS's client of PowerDNS, with texts of quotes or of more than 255 octets as the API writes and reads them.

PowerDNS takes and gives presentation format (RFC 1035, 5.1); octoDNS 1.x puts a text between quotes and no more.
"""

from __future__ import annotations

from typing import Any

from octodns.record import TxtRecord  # type: ignore[import-untyped]
from octodns_powerdns import PowerDnsProvider  # type: ignore[import-untyped]


class PowerDnsClient(PowerDnsProvider):  # type: ignore[misc]
    """`_data_for_TYPE` and `_records_for_TYPE` are octoDNS's names for reading and writing a type."""

    def _data_for_TXT(self, rrset: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        value_type = TxtRecord._value_type
        values = [value_type.from_rdata_text(item["content"]) for item in rrset["records"]]
        return {"type": "TXT", "values": values, "ttl": rrset["ttl"]}

    def _records_for_TXT(self, record: Any) -> tuple[list[dict[str, Any]], str]:  # noqa: N802
        return [{"content": value.to_rdata_text(), "disabled": False} for value in record.values], "TXT"
