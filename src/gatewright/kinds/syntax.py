"""Small grammars that several kinds share: DNS names, header names, durations and regular expressions.

Each function says whether a text is well formed, or turns it into a value; none produces Problems.
A `${VAR}` that nobody substituted is let through wherever a name is checked: it is reported once, by
the sources, and the rest of the document is still worth reading.
"""

from __future__ import annotations

import functools
import ipaddress
import re

import re2

_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_DNS_LABEL = re.compile(_LABEL)
_DNS_SUBDOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_HOSTNAME = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!$)|$)){4}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,256}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\U0010ffff]*")
_DURATION = re.compile(r"(?:[0-9]{1,5}(?:h|m|s|ms)){1,4}")
_DURATION_PART = re.compile(r"([0-9]+)(ms|h|m|s)")
_MOST_PROGRAM = 9_000
"""Steps of a compiled expression.  Envoy is told to refuse more than 10,000; what is put around one has the rest."""
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def is_dns_label(name: str) -> bool:
    """RFC 1123 label: what a namespace is called."""
    return (len(name) <= 63 and _DNS_LABEL.fullmatch(name) is not None) or "${" in name


def is_dns_subdomain(name: str) -> bool:
    """RFC 1123 subdomain: what most objects are called."""
    return (len(name) <= 253 and _DNS_SUBDOMAIN.fullmatch(name) is not None) or "${" in name


def is_hostname(name: str) -> bool:
    """A lower-case hostname, possibly with a leading `*.`; an IP address is not one."""
    if "${" in name:
        return True
    if len(name) > 253 or _HOSTNAME.fullmatch(name) is None:
        return False
    return not name[-1].isdigit() or _IPV4.fullmatch(name) is None


def is_ip(text: str) -> bool:
    """An IPv4 or IPv6 address."""
    if _IPV4.fullmatch(text) is not None:  # nearly all are, and every endpoint comes by here
        return True
    if ":" not in text and not text[-1:].isdigit():  # a name, then: every host of an Ingress comes by here
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_header_name(name: str) -> bool:
    """An HTTP field name (RFC 9110 token)."""
    return _HEADER_NAME.fullmatch(name) is not None


def is_header_value(value: str) -> bool:
    """An HTTP field value: no control characters, above all no line breaks."""
    return len(value) <= 4096 and _HEADER_VALUE.fullmatch(value) is not None


def duration(text: str) -> float | None:
    """Seconds of a Gateway API duration (GEP-2257: `1h30m`, `500ms`), None if it is not one."""
    if _DURATION.fullmatch(text) is None:
        return None
    return sum(int(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text))


@functools.lru_cache(maxsize=4096)
def regex_error(pattern: str) -> str:
    """Why RE2, hence Envoy, refuses the pattern; "" if it does not."""
    options = re2.Options()
    options.log_errors = False
    try:
        size = re2.compile(pattern, options).programsize
    except re2.error as error:
        reason = error.args[0] if error.args else "not valid"
        return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
    except UnicodeEncodeError:
        return "not valid Unicode"
    return "" if size <= _MOST_PROGRAM else f"its program has {size} steps, and at most {_MOST_PROGRAM} are taken"
