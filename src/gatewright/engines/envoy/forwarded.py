"""Whom a door believes about the client, and what backends are told: X-Forwarded-* and their kin.

A peer that is believed (a proxy in front) has its headers kept, and the client is the last address in
X-Forwarded-For that is no such peer's.  Everybody else's are dropped on arrival, before a rule, a redirect or an
authentication server could see them.  Both kinds of peers have filter chains of their own (see `listeners`), so nothing
is decided per request.  Counterpart: `http_manager`, which puts this into its chain.

Not carried over: X-Amzn-Trace-Id of an ALB; ws and wss, which Traefik writes into X-Forwarded-Proto for WebSockets; the
Host that ingress-nginx takes from the X-Forwarded-Host of a believed peer.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Iterable
from typing import Final, TypeAlias

from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import address_pb2, base_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm
from envoy.extensions.http.original_ip_detection.custom_header.v3 import custom_header_pb2
from envoy.extensions.http.original_ip_detection.xff.v3 import xff_pb2
from msgspec import Struct

from gatewright.engines.envoy.wire import extension, pack
from gatewright.graph.nodes import Family, Gateway
from gatewright.kinds.intents.doors import EntrySettings
from gatewright.kinds.intents.options import DoorOptions

FILTER: Final = "gatewright.forwarded"
_FORWARDED_FOR: Final = "x-forwarded-for"
_Mutation: TypeAlias = mutation_rules_pb2.HeaderMutation
_Option = base_pb2.HeaderValueOption


class Told(enum.Enum):
    """What a header says."""

    CLIENT = "client"  # the client's address
    HOST = "host"  # the Host asked for
    PORT = "port"  # the described port that it was asked at
    SCHEME = "scheme"  # http or https, as the client sees it
    DOOR = "door"  # the door's name
    ARRIVED = "arrived"  # X-Forwarded-For as it arrived


class Sent(Struct, frozen=True):
    """A header that backends get; `kept`: a believed peer's own value counts."""

    name: str
    told: Told
    kept: bool = False


class Manner(Struct, frozen=True):
    """What an implementation sends, and what it drops of peers that it does not believe.

    `replaces`: X-Forwarded-For is the client's address alone, also from believed peers.  X-Forwarded-Proto is always
    the scheme, a believed peer's word about it first.
    """

    sent: tuple[Sent, ...] = ()
    drops: tuple[str, ...] = ()
    replaces: bool = False


_USUAL_DROPS: Final = (_FORWARDED_FOR, "x-forwarded-host", "x-forwarded-port")

MANNERS: Final = {
    # rootfs/etc/nginx/template/nginx.tmpl: "Custom headers to proxied server"; compute-full-forwarded-for is off
    "ingress-nginx": Manner(
        sent=(
            Sent("x-original-forwarded-for", Told.ARRIVED),
            Sent("x-real-ip", Told.CLIENT),
            Sent("x-forwarded-host", Told.HOST, kept=True),
            Sent("x-forwarded-port", Told.PORT, kept=True),
            Sent("x-forwarded-scheme", Told.SCHEME),
            Sent("x-scheme", Told.SCHEME),
        ),
        drops=(_FORWARDED_FOR,),
        replaces=True,
    ),
    # pkg/middlewares/forwardedheaders/forwarded_header.go: `xHeaders`, and `rewrite`
    "traefik": Manner(
        sent=(
            Sent("x-real-ip", Told.CLIENT, kept=True),
            Sent("x-forwarded-host", Told.HOST, kept=True),
            Sent("x-forwarded-port", Told.PORT, kept=True),
            Sent("x-forwarded-server", Told.DOOR),
        ),
        drops=(
            _FORWARDED_FOR,
            "x-forwarded-uri",
            "x-forwarded-method",
            "x-forwarded-prefix",
            "x-forwarded-tls-client-cert",
            "x-forwarded-tls-client-cert-info",
        ),
    ),
    # `option forwardfor` adds the peer behind what a client sent; X-Forwarded-Proto is set
    "haproxy": Manner(),
    # forwardfor: add, which is what it does when nobody says anything
    "haproxy-ingress": Manner(sent=(Sent("x-original-forwarded-for", Told.ARRIVED),), drops=(_FORWARDED_FOR,)),
    # User guide, "HTTP headers and Application Load Balancers": X-Forwarded-For is appended to
    "alb": Manner(sent=(Sent("x-forwarded-port", Told.PORT),)),
}
"""By implementation; any other sends X-Forwarded-For and X-Forwarded-Proto as Envoy does."""


class Peers(enum.Enum):
    """Which peers a chain is for.  ANYBODY: nobody has said whom to believe."""

    BELIEVED = "believed"
    OTHERS = "others"
    ANYBODY = "anybody"


def own_settings(gateway: Gateway, port: int) -> EntrySettings:
    """What the entry points at a port say of themselves; the first that says anything."""
    said = (one.own for one in gateway.listeners if one.port == port and not one.conflict)
    return next((own for own in said if own != EntrySettings()), EntrySettings())


def forwarded_from(gateway: Gateway, port: int) -> tuple[str, ...]:
    """The CIDRs of the peers at a port whose word about the client counts."""
    own = own_settings(gateway, port).forwarded_from
    return gateway.settings.forwarded_from if own is None else own


def proxy_protocol_from(gateway: Gateway, port: int) -> tuple[str, ...]:
    """The CIDRs of the peers at a port that send PROXY protocol."""
    own = own_settings(gateway, port).proxy_protocol_from
    return gateway.settings.proxy_protocol_from if own is None else own


def trusted_hops(gateway: Gateway, port: int, usual: int) -> int:
    """How many proxies stand in front of a port, whoever they are: as its entry points say, else `usual`."""
    own = own_settings(gateway, port).trusted_hops
    return usual if own is None else own


def _said(gateway: Gateway) -> DoorOptions:
    return gateway.options.door or DoorOptions()


def drops_underscores(gateway: Gateway) -> bool:
    """Do backends get no header whose name has an underscore?

    Many take X_User for X-User, which an authentication server may have been asked for.
    """
    return gateway.implementation == "ingress-nginx" and not _said(gateway).underscores


def everybody(cidrs: Iterable[str]) -> bool:
    """Are these all addresses there are, in both families?"""
    return {"0.0.0.0/0", "::/0"} <= set(cidrs)


def ranges(cidrs: Iterable[str]) -> list[address_pb2.CidrRange]:
    """CIDRs and addresses, as Envoy writes them."""
    found = []
    for cidr in cidrs:
        network = ipaddress.ip_network(cidr, strict=False)
        one = address_pb2.CidrRange(address_prefix=str(network.network_address))
        one.prefix_len.value = network.prefixlen
        found.append(one)
    return found


def detect(made: hcm.HttpConnectionManager, gateway: Gateway, port: int, peers: Peers, hops: int) -> None:
    """Say how the manager finds out who the client is.  `hops`: so many proxies in front, whoever they are."""
    if peers is not Peers.BELIEVED or hops:
        made.use_remote_address.value = True
        made.xff_num_trusted_hops = hops
        return
    # Where it is not to look at the peer, Envoy leaves the scheme to the peer, too; it appends it all the same.
    made.use_remote_address.value = False
    header = (own_settings(gateway, port).header or _said(gateway).header).lower()
    if header and header != _FORWARDED_FOR:
        named = custom_header_pb2.CustomHeaderConfig(header_name=header)
        made.original_ip_detection_extensions.append(extension("envoy.http.original_ip_detection.custom_header", named))
        return
    found = xff_pb2.XffConfig()
    found.skip_xff_append.value = False
    found.xff_trusted_cidrs.cidrs.extend(ranges(forwarded_from(gateway, port)))
    made.original_ip_detection_extensions.append(extension("envoy.http.original_ip_detection.xff", found))


def on_arrival(gateway: Gateway, port: int, family: Family, peers: Peers) -> list[_Mutation]:
    """What is done to headers before anything else sees them."""
    manner = MANNERS.get(gateway.implementation, Manner())
    arrived = [one for sent in manner.sent if sent.told is Told.ARRIVED for one in _set(sent.name, _ARRIVED)]
    if peers is Peers.BELIEVED:
        # Envoy takes these from clients who need not be believed at all: time limits, retries and the like.
        ours = _Mutation()
        ours.remove_on_match.key_matcher.prefix = "x-envoy-"
        return [ours, *arrived]
    drops = manner.drops
    if forwarded_from(gateway, port):
        drops = tuple(dict.fromkeys((*_USUAL_DROPS, *drops)))
    scheme = "https" if family is Family.HTTPS else "http"
    texts = _texts(gateway, port, scheme)
    sent = [one for item in manner.sent if item.told is not Told.ARRIVED for one in _set(item.name, texts[item.told])]
    return [*arrived, *(_Mutation(remove=name) for name in drops), *sent]


def filters(gateway: Gateway, port: int, peers: Peers) -> list[hcm.HttpFilter]:
    """What is told about the client of a believed peer: known only when its headers have been looked at."""
    manner = MANNERS.get(gateway.implementation, Manner())
    if peers is not Peers.BELIEVED or not manner.sent:
        return []
    texts = _texts(gateway, port, "%REQ(X-FORWARDED-PROTO)%")
    wanted = [(one.name, texts[one.told], one.kept) for one in manner.sent if one.told is not Told.ARRIVED]
    if manner.replaces and not _said(gateway).appends:
        wanted.append((_FORWARDED_FOR, texts[Told.CLIENT], False))
    made = header_mutation_pb2.HeaderMutation()
    for name, text, kept in wanted:
        action = _Option.ADD_IF_ABSENT if kept else _Option.OVERWRITE_IF_EXISTS_OR_ADD
        made.mutations.request_mutations.append(_append(name, text, action))
    return [hcm.HttpFilter(name=FILTER, typed_config=pack(made))]


_ARRIVED: Final = "%REQ(X-FORWARDED-FOR)%"


def _texts(gateway: Gateway, port: int, scheme: str) -> dict[Told, str]:
    return {
        Told.CLIENT: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        Told.HOST: "%REQ(:AUTHORITY)%",
        Told.PORT: str(port),
        Told.SCHEME: scheme,
        Told.DOOR: gateway.key.name.replace("%", "%%"),
    }


def _set(name: str, text: str) -> list[_Mutation]:
    """Removed first: an empty text would leave what the client sent."""
    return [_Mutation(remove=name), _append(name, text, _Option.OVERWRITE_IF_EXISTS_OR_ADD)]


def _append(name: str, text: str, action: base_pb2.HeaderValueOption.HeaderAppendAction) -> _Mutation:
    return _Mutation(append=_Option(header=base_pb2.HeaderValue(key=name, value=text), append_action=action))
