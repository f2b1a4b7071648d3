"""The delta xDS protocol of one Envoy stream: events in, messages out, no I/O and no clock.

Its counterparts: `subscription` holds the state of one type, `resources` what every Envoy should
hold, `xds` the bytes on the wire.

Order between types (make before break): something new is sent before whatever refers to it, and
something gone is removed after whatever referred to it was changed.  Changes carry the cache's epoch,
and a type may send the epochs through which the types before it are settled (`UPSERT_AFTER`,
`REMOVE_AFTER`), so a steady stream of changes never starves either side.  A new cluster counts as
settled when Envoy also has its endpoints, because only then does Envoy use it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from msgspec import Struct

from gatewright.base.observed import Ack, Nack
from gatewright.engines.envoy.messages import Output, Request, Response, reason
from gatewright.engines.envoy.renewal import renewed
from gatewright.engines.envoy.resources import Change, Resource, Resources, serialise
from gatewright.engines.envoy.subscription import WILDCARD, Epoch, Subscription, Want
from gatewright.engines.envoy.types import (
    CLUSTER,
    ENDPOINTS,
    EXTENSION,
    LISTENER,
    ROUTES,
    SCOPE,
    SECRET,
    WILDCARD_TYPES,
)

Resolver = Callable[[str, str], bytes | None]
"""(type URL, name) -> bytes of a resource that is not in the cache but can be made on demand, or None."""

ORDER: Final = (CLUSTER, ENDPOINTS, SECRET, EXTENSION, SCOPE, ROUTES, LISTENER)

UPSERT_AFTER: Final[Mapping[str, tuple[str, ...]]] = {
    SCOPE: (CLUSTER, ENDPOINTS),
    ROUTES: (CLUSTER, ENDPOINTS),
    LISTENER: (CLUSTER, ENDPOINTS, SCOPE, ROUTES),
}

REMOVE_AFTER: Final[Mapping[str, tuple[str, ...]]] = {
    CLUSTER: (LISTENER, ROUTES, SCOPE),
    ENDPOINTS: (LISTENER, ROUTES, SCOPE, CLUSTER),
    SECRET: (LISTENER, CLUSTER),
}


class Limits(Struct, frozen=True):
    """What strangers, by the names they ask for, may make a stream remember of one type."""

    unknown: int = 50_000
    """Names that do not exist, of which the oldest are forgotten."""

    resolved: int = 10_000
    """Secrets made on demand, of which the oldest are taken back."""


NO_MORE_THAN: Final = Limits()


def resolve_nothing(type_url: str, name: str) -> bytes | None:
    """The resolver of a server whose cache holds everything there is."""
    return None


class DeltaStream:
    """One stream: `receive` what the client says, `changed` what the cache says; both return what to do."""

    def __init__(
        self,
        resources: Resources,
        resolve: Resolver = resolve_nothing,
        limits: Limits = NO_MORE_THAN,
        *,
        aggregated: bool = True,
    ) -> None:
        """`aggregated` False: a stream for the Secrets of one place, which follows nothing else."""
        self._aggregated = aggregated
        self._resources = resources
        self._resolve = resolve
        self._limits = limits
        self._subscriptions: dict[str, Subscription] = {}
        self._warming: dict[str, Epoch] = {}
        """Clusters that were sent and whose endpoints Envoy has yet to take."""
        self._unsure: set[str] = set()
        """Scopes of refused responses: Envoy may have noted them without serving them (see `renewal`)."""
        self._early: list[Request] = []
        """What the client said before the cache was first filled: answering would take everything away."""
        self._nonce = 0
        self._nonces: dict[str, str] = {}

    @property
    def is_warming(self) -> bool:
        """Are routes held until Envoy has the endpoints of new clusters?  See `release`."""
        return bool(self._warming)

    @property
    def is_settled(self) -> bool:
        """Has the client answered for everything that there is of the types that it follows as a whole?"""
        for type_url in (CLUSTER, SCOPE, LISTENER) if self._aggregated else ():
            if type_url not in self._subscriptions and any(not r.on_demand for r in self._resources.all(type_url)):
                return False
        return all(math.isinf(self._upserts_settled(type_url)) for type_url in self._subscriptions)

    def receive(self, request: Request) -> list[Output]:
        """The client said something."""
        if self._resources.epoch == 0:
            self._early.append(request)
            return []
        outputs = self._take(request)
        outputs.extend(self._pump())
        return outputs

    def changed(self, names: Mapping[str, Iterable[str]]) -> list[Output]:
        """The cache, or what the resolver would answer, has changed for these names by type URL."""
        outputs: list[Output] = []
        early, self._early = self._early, []
        for request in early:
            outputs.extend(self._take(request))
        for type_url, some in names.items():
            subscription = self._subscriptions.get(type_url)
            for name in some if subscription else ():
                if subscription and subscription.follows(name):
                    self._mark(type_url, subscription, name)
        outputs.extend(self._pump())
        return outputs

    def on_demand_names(self, type_url: str) -> list[str]:
        """The names that the client asked for and that are not in the cache: the resolver's."""
        subscription = self._subscriptions.get(type_url)
        if subscription is None:
            return []
        return [name for name in subscription.explicit if self._resources.get(type_url, name) is None]

    def follows(self, type_url: str, name: str) -> bool:
        """Would the client want to hear of this name?"""
        subscription = self._subscriptions.get(type_url)
        return subscription is not None and subscription.follows(name)

    def forgive(self, type_url: str, name: str) -> None:
        """A version that this client refused may be offered to it again."""
        subscription = self._subscriptions.get(type_url)
        if subscription is not None:
            subscription.refused.pop(name, None)

    def release(self) -> list[Output]:
        """Wait no longer for endpoints: something is odd about the client, and routes must not starve."""
        self._warming.clear()
        return self._pump()

    # --- requests -----------------------------------------------------------------------------

    def _take(self, request: Request) -> list[Output]:
        type_url = request.type_url
        subscription = self._subscriptions.get(type_url)
        first = subscription is None
        if subscription is None:
            subscription = self._subscriptions[type_url] = Subscription(self._limits.unknown)
        outputs = self._answered(request, subscription)
        for name in request.unsubscribe:
            self._unsubscribe(type_url, subscription, name)
        wanted = request.subscribe
        if first and not wanted and type_url in WILDCARD_TYPES:
            wanted = (WILDCARD,)
        if first:
            subscription.known.update(request.initial_versions)
        for name in wanted:
            if name == WILDCARD:
                self._subscribe_all(type_url, subscription, request)
            else:
                self._subscribe(type_url, subscription, name, known=name in request.initial_versions)
        if first:
            for name in request.initial_versions:
                if name not in subscription.explicit and self._resources.get(type_url, name) is None:
                    self._mark(type_url, subscription, name)
        return outputs

    def _answered(self, request: Request, subscription: Subscription) -> list[Output]:
        type_url = request.type_url
        batch = subscription.in_flight
        if batch is None or not request.nonce or request.nonce != self._nonces.get(type_url):
            return []
        sent = [*batch.upserts, *batch.removals]
        outputs: list[Output] = []
        if request.error is None:
            versions = subscription.accepted()
            outputs.append(Ack(type_url, versions))
            self._unsure.difference_update(versions if type_url == SCOPE else ())
        else:
            names = tuple(batch.upserts)
            self._unsure.update(names if type_url == SCOPE else ())
            culprit = subscription.rejected(request.error)
            if culprit is not None:
                self._warming.pop(names[0], None)
                outputs.append(Nack(type_url, names[0], culprit.resource.version, reason(request.error)))
        if type_url == ENDPOINTS:
            for name in sent:
                self._warming.pop(name, None)
        return outputs

    def _subscribe_all(self, type_url: str, subscription: Subscription, request: Request) -> None:
        subscription.wildcard = True
        subscription.owes_answer = not request.initial_versions
        for resource in self._resources.all(type_url):
            if not resource.on_demand:
                self._mark(type_url, subscription, resource.name)

    def _subscribe(self, type_url: str, subscription: Subscription, name: str, *, known: bool) -> None:
        """A name that is asked for again must be sent again: the client may have dropped it meanwhile."""
        if not known:
            subscription.forget(name)
        subscription.explicit.add(name)
        # Nothing waits for what clients fetch by name, or strangers' look-ups could hold up every route.
        epoch = self._resources.epoch if type_url in UPSERT_AFTER else math.inf
        want = self._want(type_url, subscription, name)
        subscription.mark(name, want, epoch, force=not known)
        if type_url == SECRET and want.resource is not None and self._resources.get(type_url, name) is None:
            self._limit_resolved(subscription, name)

    def _limit_resolved(self, subscription: Subscription, name: str) -> None:
        """Any stranger can ask for names under a wildcard: take the oldest back.

        Envoy drops a secret that is taken back and asks again when a client needs it; open
        connections live on.
        """
        subscription.resolved.pop(name, None)
        subscription.resolved[name] = None
        if len(subscription.resolved) > self._limits.resolved:
            oldest = next(iter(subscription.resolved))
            del subscription.resolved[oldest]
            subscription.mark(oldest, Want(None), math.inf)

    def _unsubscribe(self, type_url: str, subscription: Subscription, name: str) -> None:
        if name == WILDCARD:
            subscription.wildcard = False
            for other in [other for other in subscription.known if other not in subscription.explicit]:
                subscription.unsubscribe(other)
            return
        subscription.unsubscribe(name)
        if type_url == ENDPOINTS:
            self._warming.pop(name, None)
        if subscription.wildcard and self._want(type_url, subscription, name).resource is not None:
            # The client cannot know that the wildcard still covers this name, so it hears of it again.
            self._mark(type_url, subscription, name, force=True)

    # --- state --------------------------------------------------------------------------------

    def _mark(self, type_url: str, subscription: Subscription, name: str, *, force: bool = False) -> None:
        want = self._want(type_url, subscription, name)
        subscription.mark(name, want, self._resources.epoch, force=force)

    def _want(self, type_url: str, subscription: Subscription, name: str) -> Want:
        resource = self._resources.get(type_url, name)
        asked = name in subscription.explicit
        if resource is not None:
            # Envoy never asks twice for a cluster: who may have asked for this one is told unasked.
            visible = asked or (subscription.wildcard and (subscription.forgot or not resource.on_demand))
            return Want(resource if visible else None)
        if self._resources.is_held(type_url, name):
            return Want(None, held=True)
        value = self._resolve(type_url, name) if asked else None
        return Want(None if value is None else self._made(type_url, name, value))

    @staticmethod
    def _made(type_url: str, name: str, value: bytes) -> Resource:
        return serialise(Change(type_url, name, value, on_demand=True))

    # --- responses ----------------------------------------------------------------------------

    def _pump(self) -> list[Output]:
        """Send, in dependency order, whatever may be sent now."""
        outputs: list[Output] = []
        others = [type_url for type_url in self._subscriptions if type_url not in ORDER]
        for type_url in (*ORDER, *others):
            subscription = self._subscriptions.get(type_url)
            if subscription is not None:
                outputs.extend(self._send(type_url, subscription))
        return outputs

    def _send(self, type_url: str, subscription: Subscription) -> list[Output]:
        before, referring = UPSERT_AFTER.get(type_url, ()), REMOVE_AFTER.get(type_url, ())
        upsert_bound = min(map(self._upserts_settled, before), default=math.inf)
        removal_bound = min(map(self._settled, referring), default=math.inf)
        batch = subscription.next_batch(upsert_bound, min(upsert_bound, removal_bound))
        if batch is None:
            return []
        self._nonce += 1
        nonce = self._nonces[type_url] = str(self._nonce)
        if type_url == CLUSTER:
            self._expect_endpoints({name: item.epoch for name, item in batch.upserts.items()})
            for name in batch.removals:
                self._warming.pop(name, None)
        resources = tuple(
            renewed(item.resource, nonce) if type_url == SCOPE and name in self._unsure else item.resource
            for name, item in batch.upserts.items()
        )
        return [Response(type_url, nonce, resources, tuple(batch.removals))]

    def _expect_endpoints(self, clusters: Mapping[str, Epoch]) -> None:
        """Envoy uses a new or changed cluster only once it was sent endpoints after the cluster.

        A cluster's endpoints carry its name.  Where Envoy already has them it does not ask again.
        """
        endpoints = self._subscriptions.get(ENDPOINTS)
        for name, epoch in clusters.items():
            if self._resources.get(ENDPOINTS, name) is not None:
                self._warming[name] = epoch
                if endpoints is not None and name in endpoints.explicit:
                    self._mark(ENDPOINTS, endpoints, name, force=True)

    def _upserts_settled(self, type_url: str) -> Epoch:
        subscription = self._subscriptions.get(type_url)
        settled = math.inf if subscription is None else subscription.upserts_settled()
        if type_url == ENDPOINTS:
            settled = min(settled, min(self._warming.values(), default=math.inf) - 1)
        return settled

    def _settled(self, type_url: str) -> Epoch:
        subscription = self._subscriptions.get(type_url)
        return math.inf if subscription is None else subscription.settled()
