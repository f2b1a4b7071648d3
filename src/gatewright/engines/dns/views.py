"""Which view a query sees: by the socket that it came to, or else by who asks (see README.md).

1. `Listen.view`; 2. the view that lists the address of the socket in `listen`; 3. the view with the longest prefix of
`clients` around the client.  A client subnet (RFC 7871) in the query counts only for 3, and only among views with
`client_subnet`: who may see such a view is then whom any resolver speaks for.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from gatewright.engines.dns.content import Listen, ViewConfig
from gatewright.engines.dns.wire import Subnet

Found = tuple[ViewConfig | None, int]
"""A view and the length of the prefix that decided."""


class Views:
    """The views of a plan; every look-up is a scan of their prefixes, so keep what it says."""

    def __init__(self, configs: Sequence[ViewConfig]) -> None:
        self.by_name = {config.name: config for config in configs}
        self._by_address = {_address(text): config for config in configs for text in config.listen}
        self._prefixes = _prefixes(configs)
        self._spoken_for = _prefixes([config for config in configs if config.client_subnet])
        self.read_subnets = bool(self._spoken_for)

    def of_socket(self, listen: Listen) -> ViewConfig | None:
        """The view of all that comes to a socket; None: by client.  An unknown view is nobody's."""
        if listen.view:
            return self.by_name.get(listen.view)
        return self._by_address.get(_address(listen.address))

    def of_client(self, client: str) -> ViewConfig | None:
        """The view of a client address."""
        address = _address(client)
        return _longest(self._prefixes, address, address.max_prefixlen)[0]

    def of_subnet(self, subnet: Subnet) -> Found:
        """The view of a client subnet and the scope to answer with (RFC 7871, 7.2.1)."""
        size = 4 if subnet.family == 1 else 16
        padded = subnet.address.ljust(size, b"\0")
        address = ipaddress.IPv4Address(padded) if size == 4 else ipaddress.IPv6Address(padded)
        return _longest(self._spoken_for, address, subnet.prefix)


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Prefix = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ViewConfig]


def _prefixes(configs: Sequence[ViewConfig]) -> list[_Prefix]:
    found = [(ipaddress.ip_network(cidr, strict=False), config) for config in configs for cidr in config.clients]
    return sorted(found, key=lambda prefix: -prefix[0].prefixlen)


def _longest(prefixes: list[_Prefix], address: _Address, known: int) -> Found:
    """The longest prefix around an address of which so many bits are known.

    The scope is as long as the longest prefix that had to be ruled out or in, so that nobody keeps an answer for
    neighbours who see something else.
    """
    scope = 0
    for network, config in prefixes:
        if network.version != address.version:
            continue
        if network.prefixlen <= known and address in network:
            return config, max(scope, network.prefixlen)
        shared = _shared(network, address)
        scope = max(scope, network.prefixlen if shared >= known else shared + 1)
    return None, scope


def _shared(network: ipaddress.IPv4Network | ipaddress.IPv6Network, address: _Address) -> int:
    """How many leading bits a network and an address outside of it have in common."""
    return address.max_prefixlen - (int(network.network_address) ^ int(address)).bit_length()


def _address(text: str) -> _Address:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
