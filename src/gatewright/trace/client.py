"""Who a request comes from, as a door knows it: the peer, or whom the proxies in front say.

Access lists have a look of their own at X-Forwarded-For (see `walk`); this is the client of everything else: of who is
let pass without a question, and of what authorization goes by.
"""

from __future__ import annotations

from msgspec import structs

from gatewright.graph.nodes import Gateway
from gatewright.kinds.intents.doors import EntrySettings
from gatewright.trace.match import in_ranges
from gatewright.trace.request import Request, is_address

FORWARDED = "x-forwarded-"


def arrived(gateway: Gateway, request: Request) -> Request:
    """The request without what a peer says of clients that is not believed, where the door knows whom to believe."""
    believed = _believed(gateway, request.port)
    if not believed or in_ranges(request.client, believed):
        return request
    kept = tuple(pair for pair in request.headers if not pair[0].startswith(FORWARDED))
    return structs.replace(request, headers=kept)


def known(gateway: Gateway, request: Request) -> str:
    """The client's address; the peer's where nobody else is named, or is no address.  `request` as it `arrived`."""
    own, believed = _own(gateway, request.port), _believed(gateway, request.port)
    chain = [part.strip() for part in (request.header("x-forwarded-for") or "").split(",") if part.strip()]
    if own.trusted_hops:
        named = chain[-own.trusted_hops] if own.trusted_hops <= len(chain) else ""
    elif believed and in_ranges(request.client, believed):
        header = own.header or (gateway.options.door.header if gateway.options.door is not None else "")
        if header.lower() not in ("", "x-forwarded-for"):
            named = (request.header(header.lower()) or "").strip()
        else:
            named = _stranger(chain, believed)
    else:
        named = ""
    return named if is_address(named) else request.client


def scheme(gateway: Gateway, request: Request) -> str:
    """How the client speaks with whoever stands in front, as believed peers say; else with the door."""
    believed = _believed(gateway, request.port)
    said = (request.header("x-forwarded-proto") or "").lower() if in_ranges(request.client, believed) else ""
    return said if said in ("http", "https") else "https" if request.encrypted else "http"


def _stranger(chain: list[str], believed: tuple[str, ...]) -> str:
    """The last entry that is no believed peer's, or the first where all are."""
    for found in reversed(chain):
        if not is_address(found) or not in_ranges(found, believed):
            return found
    return chain[0] if chain else ""


def _believed(gateway: Gateway, port: int) -> tuple[str, ...]:
    own = _own(gateway, port).forwarded_from
    return gateway.settings.forwarded_from if own is None else own


def _own(gateway: Gateway, port: int) -> EntrySettings:
    """What the entry points at a port say of themselves."""
    said = (one.own for one in gateway.listeners if one.port == port and not one.conflict)
    return next((own for own in said if own != EntrySettings()), EntrySettings())
