"""The data of records: what a value of a record means, or why it cannot be served.

Values are text as in a zone file, with names in full whether or not they end in a dot; a TXT is plain text, or several
quoted strings.  dnspython knows the types.  Counterpart: `serving`, which leaves out what is refused here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dns.rdata

ADDRESSES = frozenset({"A", "AAAA"})
NAMES = frozenset({"ALIAS", "CNAME", "NS", "PTR"})
TEXTS = frozenset({"TXT", "SPF"})

_USUAL_NAME = re.compile(r"(?:\*\.)?[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
"""What nearly all of them are."""
_NAME = re.compile(r"[A-Za-z0-9_*./-]+")
"""What names of records are made of ("/" as in RFC 2317): no variable that nobody gave a value, no escape."""

MAX_STRING = 255
"""Octets of one character-string (RFC 1035, 3.3)."""
MAX_DATA = 65535
MAX_NAME = 253
MAX_LABEL = 63


def name_fault(name: str) -> str:
    """Why DNS cannot have a name (RFC 1035, 2.3.4), "" when it can."""
    if len(name) > MAX_NAME:
        return f"its name has {len(name)} characters, and at most {MAX_NAME} are possible"
    if _USUAL_NAME.fullmatch(name) is not None:
        return ""
    labels = name.split(".")
    if max(map(len, labels)) > MAX_LABEL:
        return f"the label {max(labels, key=len)[:20]}... of its name has more than {MAX_LABEL} characters"
    if "" in labels or _NAME.fullmatch(name) is None:
        return f"{name!r} is no name"
    return ""


def value_fault(type_: str, value: str) -> str:
    """Why a record cannot have a value, "" when it can."""
    if type_ in ADDRESSES:  # their kinds have looked at them
        return ""
    if type_ in NAMES:
        return name_fault(value.removesuffix("."))
    if type_ in TEXTS:
        total = sum(len(part) + 1 for part in strings(value))
        return f"its text has {total} octets, and at most {MAX_DATA} are possible" if total > MAX_DATA else ""
    try:
        parsed(type_, value)
    except ValueError as error:
        return f"{value[:60]!r} is no value of a record of type {type_}: {error}"
    return ""


def parsed(type_: str, value: str) -> dns.rdata.Rdata:
    """The data of a record that is neither an address, a name alone nor text.  ValueError says why there is none."""
    import dns.exception
    import dns.name
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype

    try:
        number = dns.rdatatype.from_text(type_)
        return dns.rdata.from_text(dns.rdataclass.IN, number, value, dns.name.root, relativize=False)
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(str(error).partition("\n")[0] or type(error).__name__) from None


def strings(value: str) -> tuple[bytes, ...]:
    """The character-strings of a TXT: as they are quoted, else the whole text cut where it has to be."""
    if value.startswith('"') and value.endswith('"') and len(value) > 1:
        try:
            found = parsed("TXT", value)
        except ValueError:
            pass
        else:
            return tuple(getattr(found, "strings", ()))
    octets = value.encode()
    return tuple(octets[start : start + MAX_STRING] for start in range(0, len(octets), MAX_STRING)) or (b"",)
