"""Intents: what an object asks for, in words that no dialect owns.  The contract between `kinds` and `graph`.

A kind decodes one document strictly and lowers it to ONE of these.  Everything that differs between dialects is settled
there: priorities are numbers, defaults are filled in.  What needs a second object (does the Service exist? may this
route attach?) is left to the graph as a reference (`Key`).  Whatever the source (Kubernetes, the site map, files of
other programs), the graph sees only these.

`routing`, `filters`, `options` and `doors` hold what routes requests, `material` what they refer to; `places`,
`policies`, `naming`, `programs` and `issuance` the world around; `asking` who asks.  Counterpart: `gatewright.graph`,
which resolves references and never asks which kind an intent came from except through `Dialect`.
"""

from __future__ import annotations

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.base.problem import Problem
from gatewright.kinds.intents.asking import ExpectationIntent, VantageIntent
from gatewright.kinds.intents.doors import (
    ControllerIntent,
    DoorFileIntent,
    GatewayClassIntent,
    GatewayIntent,
    IngressClassIntent,
    ListenerSetIntent,
    RouteIntent,
)
from gatewright.kinds.intents.issuance import CertificateIntent, IssuerIntent
from gatewright.kinds.intents.material import (
    BackendGroupIntent,
    BackendTlsIntent,
    EndpointsIntent,
    ExternalBackendIntent,
    GrantIntent,
    MiddlewareIntent,
    NamespaceIntent,
    SecretIntent,
    ServiceIntent,
    TenantIntent,
    TlsOptionIntent,
    TlsStoreIntent,
    TransportIntent,
    WorkloadIntent,
)
from gatewright.kinds.intents.naming import RecordsIntent, ResolverFileIntent, ResolverIntent, ViewIntent, ZoneIntent
from gatewright.kinds.intents.options import OptionsPolicyIntent
from gatewright.kinds.intents.outages import OutageIntent
from gatewright.kinds.intents.places import (
    AnnouncementIntent,
    FirewallIntent,
    LinkIntent,
    NodeIntent,
    PoolIntent,
    SiteIntent,
)
from gatewright.kinds.intents.policies import PolicyIntent
from gatewright.kinds.intents.programs import HelmIntent, LinkFileIntent, TunnelIntent
from gatewright.kinds.intents.stays import StayIntent

WorldIntent = (
    SiteIntent
    | NodeIntent
    | LinkIntent
    | FirewallIntent
    | PoolIntent
    | AnnouncementIntent
    | PolicyIntent
    | ZoneIntent
    | ViewIntent
    | RecordsIntent
    | ResolverIntent
    | ResolverFileIntent
    | LinkFileIntent
    | TunnelIntent
    | HelmIntent
    | IssuerIntent
    | CertificateIntent
    | VantageIntent
    | ExpectationIntent
    | TenantIntent
    | OutageIntent
    | StayIntent
)


Intent = (
    RouteIntent
    | GatewayIntent
    | ListenerSetIntent
    | GatewayClassIntent
    | ControllerIntent
    | DoorFileIntent
    | IngressClassIntent
    | ServiceIntent
    | EndpointsIntent
    | WorkloadIntent
    | SecretIntent
    | NamespaceIntent
    | GrantIntent
    | BackendTlsIntent
    | TransportIntent
    | TlsOptionIntent
    | TlsStoreIntent
    | MiddlewareIntent
    | BackendGroupIntent
    | ExternalBackendIntent
    | OptionsPolicyIntent
    | WorldIntent
)


class Suppression(Struct, frozen=True, gc=False):
    """An owner's word that a finding about this document is known and accepted: annotation `gatewright.dev/ignore`.

    `rule` the finding's id, `reason` why, `until` the ISO date from which it counts again ("" unless given).
    """

    rule: str
    reason: str
    until: str
    origin: Origin


class Lowered(Struct, frozen=True):
    """What a kind makes of one document: the intent (None when the document is unusable) and its Problems.

    `suppressions` are those of the document's annotations, whatever its kind.  `instead`: what stands for an unusable
    document that was never usable, where its absence would allow more than it does.
    """

    intent: Intent | None
    problems: tuple[Problem, ...] = ()
    suppressions: tuple[Suppression, ...] = ()
    instead: Intent | None = None
