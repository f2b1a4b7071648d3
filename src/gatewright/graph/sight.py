"""What a question sees: objects, the nodes of the graph and the answers to other questions, with every read recorded.

Questions about the world (networks, names, ways, verdicts, rules) are functions whose first argument is a Sight.  They
read only through it, also when they find nothing, and never keep it.  What several questions need is asked with `ask`
and remembered; what only one needs is a plain function call that passes the Sight on.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from datetime import date
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from gatewright.base import hostnames
from gatewright.base.hostnames import Depth
from gatewright.graph import lookup
from gatewright.graph.memo import Answer, Asked, Memo
from gatewright.graph.nodes import (
    Attachment,
    Backend,
    BackendKey,
    Certificate,
    Gateway,
    Graph,
    VirtualHost,
    VirtualHostKey,
)
from gatewright.graph.objects import Objects, Token
from gatewright.kinds.identity import Key

T = TypeVar("T")
P = ParamSpec("P")


class Source(Protocol):
    """Where a Sight looks things up: the Analysis."""

    @property
    def objects(self) -> Objects: ...
    @property
    def graph(self) -> Graph: ...
    @property
    def today(self) -> date: ...
    def serving(self, name: str) -> Iterable[VirtualHostKey]: ...
    @property
    def names(self) -> Iterable[str]: ...
    def names_below(self, domain: str) -> Iterable[str]: ...
    def hosted(self, gateway_id: str, domain: str) -> Iterable[VirtualHostKey]: ...
    def domains(self, gateway_id: str) -> Iterable[str]: ...
    @property
    def memo(self) -> Memo: ...


class Sight:
    """One question's sight."""

    __slots__ = ("_source", "below", "reads")

    def __init__(self, source: Source) -> None:
        self._source = source
        self.reads: dict[Token, None] = {}
        self.below: dict[Answer, None] = {}

    # --- objects ---

    def get(self, key: Key, kind: type[T]) -> T | None:
        """The intent of this Key when it is a `kind`, else None."""
        self.reads[key] = None
        intent = self._source.objects.intent(key)
        return intent if isinstance(intent, kind) else None

    def listed(self, index: str, value: Hashable, kind: type[T]) -> list[T]:
        """The intents of an index (see `objects`), sorted by Key."""
        self.reads["index", index, value] = None
        objects = self._source.objects
        found = (objects.intent(key) for key in sorted(objects.listed(index, value)))
        return [intent for intent in found if isinstance(intent, kind)]

    def fewest(self, index: str, values: tuple[Hashable, ...], kind: type[T]) -> list[T]:
        """As `listed`, by the one of several values that lists the fewest.

        For what has to be listed under all of them: then whatever comes or goes is seen there too, and the others
        need not be read.
        """
        objects = self._source.objects
        rarest = min(values, key=lambda value: (len(objects.listed(index, value)), repr(value)))
        return self.listed(index, rarest, kind)

    def values(self, index: str) -> list[Hashable]:
        """The values that an index has at least one object for (unsorted)."""
        self.reads["values", index] = None
        return self._source.objects.values(index)

    def count(self, index: str, value: Hashable) -> int:
        """How many objects an index lists, without looking at them."""
        self.reads["index", index, value] = None
        return len(self._source.objects.listed(index, value))

    def all(self, kind_name: str, kind: type[T]) -> list[T]:
        """All intents of a kind of the world (Site, Link, IPAddressPool ...), sorted by Key."""
        return self.listed("kind", kind_name, kind)

    # --- nodes of the graph ---

    def gateways(self) -> tuple[str, ...]:
        """The ids of all gateways, sorted."""
        self.reads["gateways",] = None
        return tuple(sorted(self._source.graph.gateways))

    def gateway(self, gateway_id: str) -> Gateway | None:
        self.reads["gateway", gateway_id] = None
        return self._source.graph.gateways.get(gateway_id)

    def virtual_host(self, key: VirtualHostKey) -> VirtualHost | None:
        self.reads["virtual-host", key] = None
        return self._source.graph.virtual_hosts.get(key)

    def serving(self, pattern: str) -> tuple[VirtualHostKey, ...]:
        """The VirtualHosts of exactly this hostname or wildcard, at any gateway, sorted."""
        self.reads["name", pattern] = None
        return tuple(sorted(self._source.serving(pattern)))

    def names(self) -> tuple[str, ...]:
        """Every hostname and wildcard of some VirtualHost (unsorted): only for questions about the whole."""
        self.reads["names",] = None
        return tuple(self._source.names)

    def names_below(self, domain: str) -> Iterable[str]:
        """Those of them below a domain of two labels or more (unsorted), to be read at once."""
        self.reads["below", domain] = None
        return self._source.names_below(domain)

    def hosted(self, gateway_id: str, domain: str) -> Iterable[VirtualHostKey]:
        """The VirtualHosts of a gateway that end TLS, with names directly below a domain (unsorted)."""
        self.reads["hosted", gateway_id, domain] = None
        return self._source.hosted(gateway_id, domain)

    def domains(self, gateway_id: str) -> tuple[str, ...]:
        """The domains directly below which a gateway has such names, sorted; "" for bare names."""
        self.reads["domains", gateway_id] = None
        return tuple(sorted(self._source.domains(gateway_id)))

    def backend(self, key: BackendKey) -> Backend | None:
        self.reads["backend", key] = None
        return self._source.graph.backends.get(key)

    def certificate(self, key: Key) -> Certificate | None:
        self.reads["certificate", key] = None
        return self._source.graph.certificates.get(key)

    def attachment(self, route: Key) -> Attachment | None:
        self.reads["attachment", route] = None
        return self._source.graph.attachments.get(route)

    def tls_socket(self, gateway: Gateway, port: int) -> bool:
        """Does some VirtualHost of this port look into TLS?"""
        self.reads["tls-socket", gateway.id, port] = None
        return (gateway.id, port) in self._source.graph.tls_sockets

    def graph_for(self, gateway: Gateway, host: str) -> Graph:
        """The graph, to walk a request for `host` (and SNI) at this gateway through it; counts as a read of all that
        such a walk may look at but its backends, which the walker names with `backend`.
        """
        self.reads["gateway", gateway.id] = None
        for pattern in hostnames.parents(host, Depth.MANY) if host else (hostnames.ANY,):
            self.reads["name", pattern] = None
        if gateway.pools_certificates and host:
            self.reads["pool", gateway.id, host] = None
            self.reads["pool", gateway.id, "*." + host.partition(".")[2]] = None
        return self._source.graph

    def served_certificate(self, gateway: Gateway, port: int, sni: str) -> Certificate | None:
        """The certificate that a terminating port serves for `sni`, see `lookup.certificate`."""
        found = lookup.certificate(self.graph_for(gateway, sni), gateway, port, sni)
        if found is not None:
            self.reads["certificate", found.key] = None
        return found

    # --- other questions ---

    def ask(self, question: Callable[Concatenate[Sight, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The remembered answer to another question.  Arguments are positional and hashable."""
        assert not kwargs, "questions take positional arguments"
        asked: Asked = (question, args)
        answer = self._source.memo.answer(asked)
        self.below[answer] = None
        return answer.value  # type: ignore[no-any-return]

    def today(self) -> date:
        """The day on which the analysis runs."""
        self.reads["today",] = None
        return self._source.today


def without(sight: Sight, kind_name: str, question: Callable[..., T], args: tuple[Any, ...], /) -> T:
    """A question: what another one would be answered if there were no object of a kind; `args` are its arguments.

    It goes down through all that is asked for it, and is remembered apart from what is answered with these objects.
    """
    return question(_Unaware(sight, kind_name), *args)


class _Unaware(Sight):
    """A Sight that sees no object of one kind by `all`.  What it reads counts as read by its asker."""

    __slots__ = ("_kind",)

    def __init__(self, sight: Sight, kind_name: str) -> None:
        super().__init__(sight._source)
        self.reads, self.below = sight.reads, sight.below
        self._kind = kind_name

    def all(self, kind_name: str, kind: type[T]) -> list[T]:
        return [] if kind_name == self._kind else super().all(kind_name, kind)

    def ask(self, question: Callable[Concatenate[Sight, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        assert not kwargs, "questions take positional arguments"
        return super().ask(without, self._kind, question, args)
