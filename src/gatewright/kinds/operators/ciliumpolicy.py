"""CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy (cilium.io/v2): rules by identity, name and HTTP request.

What is absent and what is empty, as Cilium's documentation (Policy Enforcement Modes, Layer 3 Policies) and its agent
have it: a direction without rules is not concerned; a rule without any way of naming peers and with `toPorts` is for
everybody, without both for nobody (`ingress: [{}]` is how everything is denied); an empty list of peers
(`fromEndpoints: []`) is nobody; an empty selector (`fromEndpoints: [{}]`) is every pod of the policy's namespace, in a
clusterwide policy every pod.  A rule names its peers in one way only, or Cilium refuses the policy.

Keys of labels lose their source (`k8s:`, `any:`); those that Cilium derives (`io.kubernetes.pod.namespace`,
`io.cilium.k8s.namespace.labels.x`) stay as they are, and a selector that has one looks beyond its own namespace.
`reserved:x` alone names an entity.  Counterparts: `ciliumspec` (the fields), `networkpolicy`; `graph.network.policies`
judges both.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from gatewright.base.document import Document
from gatewright.kinds import addressing, labelselector, syntax
from gatewright.kinds.decode import Path, Report, decode, has_variable, key_of
from gatewright.kinds.identity import Key, Selector
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.policies import HttpAllow, Peer, PolicyIntent, PolicyRule, PortRange
from gatewright.kinds.kind import Kind
from gatewright.kinds.labelselector import LabelSelector
from gatewright.kinds.operators import ciliumspec as written

NAMESPACE = "io.kubernetes.pod.namespace"
NAMESPACE_LABELS = "io.cilium.k8s.namespace.labels."
CLUSTER = "io.cilium.k8s.policy.cluster"
SERVICE_ACCOUNT = "io.cilium.k8s.policy.serviceaccount"
RESERVED = "reserved:"


class _Context(Struct, frozen=True):
    """What holds for all rules of one policy."""

    key: Key
    report: Report

    @property
    def clusterwide(self) -> bool:
        return not self.key.namespace


def lower(document: Document) -> Lowered:
    """Lower either kind; with `specs` the further ones are in `more` of the first."""
    policy, problems = decode(document, written.CiliumPolicy)
    report = Report(document, problems)
    if policy is None:
        return report.lowered(None)
    context = _Context(key_of(document), report)
    specs: list[tuple[Path, written.Spec]] = [(("specs", index), spec) for index, spec in enumerate(policy.specs or ())]
    if policy.spec is not None:
        specs.insert(0, (("spec",), policy.spec))
    if not specs:
        report.invalid("a policy needs a spec")
        return report.lowered(None)
    first, *more = [_spec(spec, path, context) for path, spec in specs]
    return report.lowered(_with_more(first, tuple(more)))


def _with_more(first: PolicyIntent, more: tuple[PolicyIntent, ...]) -> PolicyIntent:
    return PolicyIntent(
        first.key,
        first.origin,
        first.dialect,
        first.pods,
        None,
        first.nodes,
        first.ingress,
        first.egress,
        first.default_deny_ingress,
        first.default_deny_egress,
        more,
    )


def _spec(spec: written.Spec, path: Path, context: _Context) -> PolicyIntent:
    pods, nodes = spec.endpoint_selector, spec.node_selector
    if (pods is None) == (nodes is None):
        context.report.invalid("a policy has either an endpointSelector or a nodeSelector", *path)
    if nodes is not None and not context.clusterwide:
        hint = "use a CiliumClusterwideNetworkPolicy"
        context.report.invalid("only a clusterwide policy can select nodes", *path, "nodeSelector", hint=hint)
    deny = spec.enable_default_deny
    ingress: list[PolicyRule] = []
    for index, rule in enumerate(spec.ingress or ()):
        ingress += _lower_rule(rule, _sources(rule), (*path, "ingress", index), context)
    for index, denied in enumerate(spec.ingress_deny or ()):
        ingress += _lower_rule(denied, _sources(denied), (*path, "ingressDeny", index), context)
    egress: list[PolicyRule] = []
    for index, out in enumerate(spec.egress or ()):
        egress += _lower_rule(out, _targets(out), (*path, "egress", index), context)
    for index, barred in enumerate(spec.egress_deny or ()):
        egress += _lower_rule(barred, _targets(barred), (*path, "egressDeny", index), context)
    has_ingress, has_egress = bool(spec.ingress or spec.ingress_deny), bool(spec.egress or spec.egress_deny)
    return PolicyIntent(
        key=context.key,
        origin=context.report.origin.at(*path),
        dialect="cilium",
        pods=None if pods is None else _subject(pods, (*path, "endpointSelector"), context),
        nodes=None if nodes is None else _labels(nodes, (*path, "nodeSelector"), context),
        ingress=tuple(ingress) if has_ingress or deny.ingress else None,
        egress=tuple(egress) if has_egress or deny.egress else None,
        default_deny_ingress=has_ingress if deny.ingress is None else deny.ingress,
        default_deny_egress=has_egress if deny.egress is None else deny.egress,
    )


# --- rules --------------------------------------------------------------------------------------

Way = tuple[str, Sequence[object] | None]


def _sources(rule: written.From) -> list[Way]:
    """The ways of naming peers that a rule for ingress has, each with its field."""
    return [
        ("fromEndpoints", rule.from_endpoints),
        ("fromNodes", rule.from_nodes),
        ("fromEntities", rule.from_entities),
        ("fromCIDR", rule.from_cidr),
        ("fromCIDRSet", rule.from_cidr_set),
    ]


def _targets(rule: written.To) -> list[Way]:
    return [
        ("toEndpoints", rule.to_endpoints),
        ("toNodes", rule.to_nodes),
        ("toEntities", rule.to_entities),
        ("toCIDR", rule.to_cidr),
        ("toCIDRSet", rule.to_cidr_set),
        ("toServices", rule.to_services),
        ("toFQDNs", rule.to_fqdns if isinstance(rule, written.Egress) else None),
    ]


def _lower_rule(rule: written.Rule, ways: list[Way], path: Path, context: _Context) -> list[PolicyRule]:
    """One PolicyRule for each of its `toPorts`, since each may have HTTP rules of its own."""
    origin = context.report.origin.at(*path)
    used = [(name, items) for name, items in ways if items is not None]
    filled = [name for name, items in used if items]
    if len(filled) > 1:
        message = f"Cilium does not combine {filled[0]} and {filled[1]} in one rule and refuses the policy"
        context.report.invalid(message, *path, hint="make two rules of it")
    deny = isinstance(rule, written.IngressDeny | written.EgressDeny)
    asked = None if isinstance(rule, written.IngressDeny | written.EgressDeny) else rule.authentication
    if asked is not None and asked.mode != "disabled":
        message = "mutual authentication of peers is not judged; they count as authenticated"
        context.report.unsupported(message, *path, "authentication")
    if rule.icmps and rule.to_ports:
        context.report.invalid("Cilium does not combine icmps and toPorts in one rule", *path, "icmps")
    peers: tuple[Peer, ...] | None = None
    if used:
        empty = any(not items for _, items in used)
        peers = () if empty else tuple(p for name, items in used for p in _peers(name, items, path, context))
    if rule.to_ports:
        return [
            lowered
            for number, ports in enumerate(rule.to_ports)
            if (lowered := _on_ports(ports, peers, deny, (*path, "toPorts", number), context)) is not None
        ]
    if rule.icmps or peers is None:
        peers = ()
    return [PolicyRule(origin, peers, deny=deny)]


def _on_ports(
    group: written.DenyPorts, peers: tuple[Peer, ...] | None, deny: bool, path: Path, context: _Context
) -> PolicyRule | None:
    """None where no port is named that requests could use."""
    ports = tuple(
        lowered
        for index, port in enumerate(group.ports or ())
        if (lowered := _port(port, (*path, "ports", index), context.report)) is not None
    )
    if not ports:
        return None
    rules = group.rules if isinstance(group, written.Ports) else None
    http = _http(rules, (*path, "rules"), context.report) if rules is not None else ()
    return PolicyRule(context.report.origin.at(*path), peers, ports, http, deny)


def _port(port: written.Port, path: Path, report: Report) -> PortRange | None:
    protocol = port.protocol or "ANY"
    if protocol not in ("TCP", "UDP", "SCTP", "ANY"):
        return None
    if has_variable(port.port):
        report.invalid(f"{port.port!r} was not substituted", *path, "port")
    if not port.port.isdigit():
        if port.end_port:
            report.invalid("a range of ports needs a number as its first port", *path, "endPort")
        if not port.port:
            report.invalid("a port is a number or a name", *path, "port", hint='"0" means every port')
        return PortRange(protocol, port.port.lower())
    number = int(port.port)
    if number > 65535:
        report.invalid(f"{number} is not a port number", *path, "port")
    if port.end_port and port.end_port < number:
        report.invalid(f"the range ends at {port.end_port}, before it starts at {number}", *path, "endPort")
    return PortRange(protocol, number or None, port.end_port if number else 0)


def _http(rules: written.L7, path: Path, report: Report) -> tuple[HttpAllow, ...]:
    for index, name in enumerate(rules.dns or ()):
        if name.match_pattern != "*":
            message = "which names may be looked up is not judged; every one counts as allowed"
            report.unsupported(message, *path, "dns", index)
    allowed = []
    for index, rule in enumerate(rules.http or ()):
        where = (*path, "http", index)
        for part, pattern in (("method", rule.method), ("path", rule.path), ("host", rule.host)):
            if error := syntax.regex_error(pattern):
                report.invalid(f"{pattern[:60]!r} is not a regular expression: {error}", *where, part)
        headers = list(rule.headers)
        for number, match in enumerate(rule.header_matches):
            if match.secret is not None:
                message = "a header's value from a Secret is not judged; any value counts"
                report.unsupported(message, *where, "headerMatches", number, "secret")
                headers.append(match.name)
            elif not match.mismatch:  # with one the request passes in any case, changed or logged
                headers.append(f"{match.name}: {match.value}" if match.value else match.name)
        allowed.append(HttpAllow(rule.method, rule.path, rule.host, tuple(headers)))
    return tuple(allowed)


# --- peers --------------------------------------------------------------------------------------


def _peers(name: str, items: Sequence[object] | None, path: Path, context: _Context) -> list[Peer]:
    peers: list[Peer] = []
    for index, item in enumerate(items or ()):
        where = (*path, name, index)
        origin = context.report.origin.at(*where)
        match item:
            case LabelSelector() if name.endswith("Nodes"):
                peers.append(Peer(origin, nodes=_labels(item, where, context)))
            case LabelSelector():
                peers.append(_endpoints(item, where, context))
            case written.CidrRule():
                peers += _cidr_rule(item, where, context)
            case written.ServiceRef():
                peers += _service(item, where, context)
            case written.Name():
                named = (item.match_name.lower().removesuffix("."), item.match_pattern.lower().removesuffix("."))
                if not any(named):
                    context.report.invalid("a matchName or a matchPattern is needed", *where)
                peers += [Peer(origin, fqdn=text) for text in named if text]
            case str() if name.endswith("CIDR"):
                cidr = _cidr(item, where, context, bare=True)
                peers += [Peer(origin, cidr=cidr)] if cidr else []
            case str():
                peers.append(Peer(origin, entity=item))
    return peers


def _cidr_rule(rule: written.CidrRule, path: Path, context: _Context) -> list[Peer]:
    """None for a group of CIDRs, which has been told of."""
    if not rule.cidr:
        return []
    cidr, excepts = _cidr(rule.cidr, (*path, "cidr"), context), []
    for index, text in enumerate(rule.except_ or ()):
        where = (*path, "except", index)
        without = _cidr(text, where, context)
        if cidr and without and not addressing.contains(cidr, without):
            context.report.invalid(f"{text} is not a part of {rule.cidr}", *where)
        excepts.append(without)
    found = tuple(one for one in excepts if one)
    return [Peer(context.report.origin.at(*path), cidr=cidr, excepts=found)] if cidr else []


def _cidr(text: str, path: Path, context: _Context, *, bare: bool = False) -> str:
    """The CIDR; "" for a `${VAR}`.  Only in plain lists an address may stand alone."""
    found = addressing.block(text) if bare else addressing.cidr(text)
    if found is None and not has_variable(text):
        context.report.invalid(f"{text[:60]!r} is not a CIDR", *path)
    return found or ""


def _service(reference: written.ServiceRef, path: Path, context: _Context) -> list[Peer]:
    named = reference.k8s_service
    if named is None:
        return []
    if not named.service_name or not named.namespace:
        context.report.invalid("a service is named by serviceName and namespace", *path, "k8sService")
    return [Peer(context.report.origin.at(*path), service=(named.namespace, named.service_name))]


def _endpoints(wanted: LabelSelector, path: Path, context: _Context) -> Peer:
    """A selector of endpoints; one that says nothing of namespaces stays within the policy's own."""
    origin = context.report.origin.at(*path)
    selector = _labels(wanted, path, context)
    if (entity := _entity(selector)) is not None:
        return Peer(origin, entity=entity)
    keys = {key for key, _ in selector.labels} | {key for key, _, _ in selector.expressions}
    beyond = any(key == NAMESPACE or key.startswith((NAMESPACE_LABELS, RESERVED)) for key in keys)
    return Peer(origin, pods=selector, any_namespace=context.clusterwide or beyond)


def _entity(selector: Selector) -> str | None:
    """The entity that a selector of one reserved label names."""
    found = [key for key, value in selector.labels if not value]
    found += [key for key, operator, _ in selector.expressions if operator == "Exists"]
    if len(found) == len(selector.labels) + len(selector.expressions) == 1 and found[0].startswith(RESERVED):
        return found[0].removeprefix(RESERVED)
    return None


def _subject(wanted: LabelSelector, path: Path, context: _Context) -> Selector:
    """The pods that a policy is about: a CiliumNetworkPolicy never reaches beyond its namespace."""
    selector = _labels(wanted, path, context)
    if context.clusterwide:
        return selector
    for key, value in selector.labels:
        if key == NAMESPACE and value != context.key.namespace:
            message = f"the policy applies to pods of its own namespace {context.key.namespace}, whatever this says"
            context.report.warning("namespace-without-effect", message, *path, "matchLabels")
    return Selector(tuple(label for label in selector.labels if label[0] != NAMESPACE), selector.expressions)


def _labels(wanted: LabelSelector, path: Path, context: _Context) -> Selector:
    """The selector with keys as the graph knows them; what cannot be judged is told."""
    selector = labelselector.checked(wanted, context.report, path)
    labels = [(_key(key, path, context), value) for key, value in selector.labels]
    expressions = [(_key(key, path, context), operator, values) for key, operator, values in selector.expressions]
    return Selector(
        tuple(sorted(label for label in labels if label[0] != CLUSTER)),
        tuple(expression for expression in expressions if expression[0] != CLUSTER),
    )


def _key(key: str, path: Path, context: _Context) -> str:
    source, colon, name = key.partition(":")
    if not colon or source in ("k8s", "any"):
        plain = name if colon else key
        if plain == CLUSTER:
            context.report.unsupported("which cluster a pod is in is not judged; any one counts", *path)
        elif plain == SERVICE_ACCOUNT:
            context.report.unsupported("service accounts are not known here, so this selects nothing", *path)
        return plain
    if source != "reserved":
        message = f"labels of the source {source!r} are not known here, so this selects nothing"
        context.report.unsupported(message, *path)
    return key


KINDS = (
    Kind("CiliumNetworkPolicy", ("cilium.io/v2",), lower),
    Kind("CiliumClusterwideNetworkPolicy", ("cilium.io/v2",), lower, namespaced=False),
)
