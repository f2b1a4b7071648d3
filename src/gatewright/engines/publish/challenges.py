"""TXT records of ACME challenges at a zone's provider: one value put up and taken down again, those of others stay.

They are neither planned nor marked: they live for a minute, and an apex and its wildcard have a value each at one name
(RFC 8555, 8.4).  Whether they are there is asked of the zone's own servers, past every cache and whatever a split
horizon shows here.  Counterpart: `planning`, for records that stay.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

import dns.exception
import dns.message
import dns.query
import dns.resolver
from dns.rdtypes.ANY.TXT import TXT

from gatewright.base.errors import UsageError
from gatewright.engines.publish import providers
from gatewright.engines.publish.failures import PublishError, told
from gatewright.engines.publish.planning import open_client

_QUERY_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 5.0
_DNS_PORT = 53

Server = tuple[str, int]
"""An address and a port."""


class ZoneRecords:
    """TXT values in one zone.  Methods block and may be called from several threads.

    Share one object per zone: where a provider only knows whole record sets, it keeps our own threads from overwriting
    one another.  `servers`: those that `wait_visible` asks; none: all that the zone's NS records lead to.
    """

    def __init__(self, provider: str, settings: Mapping[str, str], domain: str, servers: Sequence[Server] = ()) -> None:
        """`settings` as in a Zone.  UsageError for a provider that we do not write to, and for mistakes in them."""
        found = providers.provider(provider)
        if found is None:
            raise UsageError(f"{provider or 'a zone without provider'} is none that Gatewright writes to")
        self._provider = found
        self._settings = providers.settings(found, settings)
        self._domain = domain
        self._servers = tuple(servers)
        self._lock = threading.Lock()

    def add(self, record: str, value: str) -> None:
        """Put a value up at a name, beside those that are there.  Again for one that is there: nothing happens."""
        self._change(record, value, present=True)

    def remove(self, record: str, value: str) -> None:
        """Take a value down.  Nothing happens when it is not there."""
        self._change(record, value, present=False)

    def wait_visible(self, record: str, value: str, timeout: float) -> None:
        """Return when every server of the zone that can be reached shows the value.

        `timeout` in seconds; PublishError, naming the servers, when it has passed, or when none can be found.
        """
        deadline = time.monotonic() + timeout
        servers = self._servers or _authoritative(self._domain)
        pause = _FIRST_PAUSE_SECONDS
        while True:
            shown = {server: _shows(server, record, value) for server in servers}
            missing = [server for server, seen in shown.items() if seen is False]
            if not missing and True in shown.values():
                return
            if time.monotonic() + pause > deadline:
                named = ", ".join(address for address, _ in missing or servers)
                raise PublishError(f"{record} TXT is not shown by {named} after {timeout:g} s")
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _change(self, record: str, value: str, *, present: bool) -> None:
        with self._lock, told(f"{record} TXT at {self._provider.name}", self._settings.secrets):
            client = open_client(self._provider, self._settings, patient=True)
            self._provider.text(client, self._domain, record, value, present)


def _authoritative(domain: str) -> tuple[Server, ...]:
    """Every address of every name server of a zone, as this machine's resolver knows them."""
    found: dict[Server, None] = {}
    try:
        names = [item.target for item in dns.resolver.resolve(f"{domain}.", "NS")]
    except dns.exception.DNSException as error:
        raise PublishError(f"the name servers of {domain} cannot be found: {error}") from None
    for name in names:
        for type_ in ("A", "AAAA"):
            try:
                found.update(((str(item), _DNS_PORT), None) for item in dns.resolver.resolve(name, type_))
            except dns.exception.DNSException:
                continue
    if not found:
        raise PublishError(f"none of the name servers of {domain} has an address")
    return tuple(found)


def _shows(server: Server, record: str, value: str) -> bool | None:
    """Does a server answer with the value?  None when it cannot be reached from here at all."""
    query = dns.message.make_query(f"{record}.", "TXT", flags=0)
    try:
        answer, _ = dns.query.udp_with_fallback(query, server[0], _QUERY_SECONDS, port=server[1])
    except dns.exception.DNSException:
        return False
    except OSError:
        return None
    texts = {b"".join(item.strings) for rrset in answer.answer for item in rrset if isinstance(item, TXT)}
    return value.encode() in texts
