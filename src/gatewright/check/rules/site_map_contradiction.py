"""The site map contradicts itself, or what manifests and configuration files say.

Everything that is said about ways rests on the map: where two places of the input disagree, or a name stands for
nothing, answers about what lies behind it are guesses.  Each contradiction has an id of its own:

- `site-map-unknown-*`, `site-map-ambiguous-*`: a Link, Firewall or cluster names a site, network, node or cluster that
  is not there, or by a bare name that several have;
- `site-map-name-twice`, `node-address-twice`: one name, or one address, of two things;
- `address-outside-networks`, `node-address-contradicts`, `pod-cidr-outside-cluster`: a node is where it cannot be, or
  its Kubernetes Node says something else;
- `link-loop`, `link-end-alone`, `link-config-missing`, `link-mtu-contradicts`, `link-route-not-allowed`: a link that
  is reached through itself, has no other side, or whose WireGuard or Nebula file says something else.

    kind: Site
    metadata: {name: home}
    spec:
      networks: [{name: lan, cidrs: [192.168.1.0/24]}]
      nodes: [{name: one, addresses: [192.168.2.30]}]      # in no network of home

Correct whichever of the two places is wrong.  An address that only a link explains (that of a tunnel's end) is no
fault, nor a global one: those are on the internet.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight

ID = "site-map-contradiction"
CONSEQUENCE = "what is said about ways over this part of the map may be wrong"
FIX = "correct whichever of the places is wrong"
AMONG = ", but "
"""Between the two sides of a contradiction, which is told at each of its places with that one's side first."""

IDS = (
    "site-map-unknown-site",
    "site-map-unknown-network",
    "site-map-unknown-node",
    "site-map-unknown-cluster",
    "site-map-ambiguous-network",
    "site-map-ambiguous-node",
    "site-map-ambiguous-cluster",
    "site-map-name-twice",
    "node-address-twice",
    "node-address-contradicts",
    "address-outside-networks",
    "pod-cidr-outside-cluster",
    "link-loop",
    "link-end-alone",
    "link-config-missing",
    "link-mtu-contradicts",
    "link-route-not-allowed",
)


def check(sight: Sight) -> Iterable[Finding]:
    """The Problems of the topology, the two halves of one contradiction as one finding."""
    told: dict[tuple[str, frozenset[str], str], list[Problem]] = {}
    for problem in sight.ask(topology).problems:
        told.setdefault((problem.id, _sides(problem), problem.hint), []).append(problem)
    for group in told.values():
        first = group[0]
        origins: tuple[Origin, ...] = tuple(
            dict.fromkeys(problem.origin for problem in group if problem.origin is not None)
        )
        if origins:
            yield Finding(first.id, first.severity, first.message, CONSEQUENCE, first.hint or FIX, origins)


def _sides(problem: Problem) -> frozenset[str]:
    """What is said of the one place and of the other, in whichever order."""
    one, among, other = problem.message.partition(AMONG)
    return frozenset((one, other.rpartition(" (")[0])) if among else frozenset((one,))


RULE = Rule(
    ID,
    "a site map that contradicts itself or the manifests",
    Severity.ERROR,
    Scope.WORLD,
    __doc__,
    check,
    lifts=IDS,
    consequence=CONSEQUENCE,
    fix=FIX,
)
