"""Whose request it is, as Traefik's middlewares tell clients apart: by address, by a header or by the Host.

`ipStrategy` finds a client's address: the peer's, the n-th from the right of X-Forwarded-For (`depth`), or the first
from the right that is none of `excludedIPs`.  Counterparts: `protection` and `limits`, whose middlewares ask.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from gatewright.base.problem import Severity
from gatewright.kinds import syntax
from gatewright.kinds.decode import Report, Schema, dotted
from gatewright.kinds.intents.filters import Filter, LimitBy, Refuse
from gatewright.kinds.traefik.common import NOT_FOUND, UNAVAILABLE


class IpStrategy(Schema, frozen=True):
    depth: Annotated[int, Meta(ge=0)] = 0
    excluded_ips: tuple[str, ...] = field(default=(), name="excludedIPs")
    ipv6_subnet: int | None = field(default=None, name="ipv6Subnet")


class SourceCriterion(Schema, frozen=True):
    ip_strategy: IpStrategy | None = None
    request_header_name: str = ""
    request_host: bool = False


class Counted(Struct, frozen=True):
    """Whose requests are counted together, in the words of the limits' intents."""

    by: LimitBy
    header: str = ""
    depth: int = 0


def refuse(report: Report, message: str, *path: str | int, status: int = NOT_FOUND) -> tuple[Filter, ...]:
    """A middleware that cannot be built, with its Problem; 404 where Traefik cannot build it either."""
    report.error("invalid-middleware", f"{message}; routes that use it answer {status}", *path)
    return (Refuse(report.origin.at(*path), status, message),)


def differs(report: Report, message: str, *path: str | int, hint: str = "") -> None:
    """What is done, but not to the letter."""
    report.add(Severity.INFO, "unsupported-field", f"{dotted(path)}: {message}", path, hint)


def counted(
    criterion: SourceCriterion | None, usual: LimitBy, report: Report, *path: str | int
) -> Counted | tuple[Filter, ...]:
    """By what a limit counts, or why it cannot; Traefik takes one criterion only."""
    if criterion is None:
        return Counted(usual)
    strategy = criterion.ip_strategy
    if sum((strategy is not None, bool(criterion.request_header_name), criterion.request_host)) > 1:
        return refuse(report, "sourceCriterion has several criteria, of which only one can hold", *path)
    if criterion.request_host:
        return Counted(LimitBy.HOST)
    if name := criterion.request_header_name:
        if not syntax.is_header_name(name):
            return refuse(report, f"{name!r} is no header name", *path, "requestHeaderName", status=UNAVAILABLE)
        return Counted(LimitBy.HEADER, header=name)
    if strategy is None:
        return Counted(usual)
    where = (*path, "ipStrategy")
    if strategy.ipv6_subnet is not None:
        return refuse(report, "clients are not counted together by subnet", *where, "ipv6Subnet", status=UNAVAILABLE)
    if strategy.excluded_ips and not strategy.depth:
        message = "the door's forwardedHeaders.trustedIPs say which proxies are passed over, for all of its routes"
        differs(report, message, *where, "excludedIPs", hint="put them there")
    return Counted(LimitBy.CLIENT, depth=strategy.depth)
