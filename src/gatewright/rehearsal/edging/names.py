"""Names of origins, asked of one resolver: the process is in another space than its host's resolver would be.

Counterpart: `rehearsal.nameserver`, which answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

import dns.asyncresolver
import dns.exception
import dns.resolver

SECONDS = 1.5


async def addresses(name: str, resolver: str, search: Iterable[str] = ()) -> list[str]:
    """The addresses of a name, IPv4 first; of itself when it is one.  A name with few dots is looked up in the domains
    of `search` before.  None when nobody has any."""
    try:
        return [str(ip_address(name.strip("[]")))]
    except ValueError:
        pass
    asking = dns.asyncresolver.Resolver(configure=False)
    asking.nameservers = [resolver]
    asking.lifetime = SECONDS
    for full in (*(f"{name}.{domain}" for domain in search if not name.endswith(".")), name):
        found: list[str] = []
        for kind in ("A", "AAAA"):
            try:
                answer = await asking.resolve(f"{full.rstrip('.')}.", kind)
            except (dns.exception.DNSException, OSError):
                continue
            found += [item.address for item in answer]
        if found:
            return found
    return []
