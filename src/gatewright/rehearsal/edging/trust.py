"""Whom edges and connectors trust, read anew for each connection: an ACME directory may be founded after they start.

Counterpart: `rehearsal.certificates`, which writes these files.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from gatewright.rehearsal.edging.settings import TRUSTED


def verifying() -> ssl.SSLContext:
    """For connections to whom public authorities vouch for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for file in TRUSTED:
        if Path(file).exists():
            context.load_verify_locations(file)
    return context


def lenient() -> ssl.SSLContext:
    """For connections to anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
