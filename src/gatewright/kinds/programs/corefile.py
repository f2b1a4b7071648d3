"""Corefile: what a CoreDNS with this configuration answers, forwards and is authoritative for.

Within a server block the order of plugins is CoreDNS's own, not the file's: rewrite, template, hosts, kubernetes and
k8s_gateway, file, forward.  A plugin without `fallthrough` keeps the names of its zones, so nothing behind it is asked.
Counterpart: `corefile_syntax`, which reads the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem
from gatewright.kinds.decode import key_of
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.naming import Forwarding, GatewayNames, Override, ResolverConfig, ResolverFileIntent
from gatewright.kinds.kind import Kind
from gatewright.kinds.programs import configtext, files, hostsfile
from gatewright.kinds.programs.configtext import PUBLIC, Notes, clip
from gatewright.kinds.programs.corefile_syntax import Block, Directive, blocks_of

# Plugins without a say in which address a name has.
_HARMLESS = frozenset(
    """
    any autopath bind bufsize cache cancel chaos debug dnssec dnstap erratic errors geoip header health local log loop
    loadbalance metadata minimal multisocket nomad nsid on pprof prometheus proxyproto quic ready reload root sign
    timeouts tls trace transfer tsig whoami import
    """.split()  # noqa: SIM905
)
_UNSUPPORTED: Mapping[str, str] = {
    "acl": "which clients are answered is not followed",
    "auto": "the zone files of a folder are not known here",
    "azure": "the zones of the provider are not known here",
    "clouddns": "the zones of the provider are not known here",
    "dns64": "made up IPv6 addresses are not followed",
    "etcd": "what etcd holds is not known here",
    "k8s_external": "the names that it makes are not followed",
    "route53": "the zones of the provider are not known here",
    "secondary": "the zone of the primary is not known here",
    "view": "it is taken to hold for every client",
}
# Without `fallthrough` these answer for their zones alone.
_KEEPS_ZONES = ("auto", "azure", "clouddns", "etcd", "k8s_external", "route53", "secondary")
_FORWARDING = ("forward", "grpc", "fanout")
_FORWARD_OPTIONS = frozenset(
    """
    except policy force_tcp prefer_udp max_fails expire max_idle_conns tls tls_servername health_check max_concurrent
    next failfast_all_unhealthy_upstreams failover max_age doh_method max_connect_attempts
    """.split()  # noqa: SIM905
)
_GATEWAY_OPTIONS = frozenset(
    "resources ttl apex secondary kubeconfig fallthrough ingressClasses gatewayClasses soa nodeAddressType".split()  # noqa: SIM905
)
# k8s_gateway without `resources`; older versions answered for everything.
_GATEWAY_RESOURCES = ("Ingress", "Service")
_PORTS = {"": 53, "dns": 53, "tls": 853, "quic": 853, "https": 443, "https3": 443, "grpc": 443}
_KEY = re.compile(r"(?:([a-z0-9]+)://)?(.*?)(?::([0-9]{1,5}))?", re.DOTALL)
_ANSWER = re.compile(r"\{\{ *\.Name *\}\}\s+(?:([0-9]+)\s+)?(?:IN\s+)?(A|AAAA|CNAME)\s+(\S+)", re.IGNORECASE)
# How the regular expressions of people begin that mean "x and below", "below x" or "x".
_BEGINNINGS = (
    ("(^|[.])", True, True),
    (r"(^|\.)", True, True),
    (r"^(.*\.)?", True, True),
    (r"^(.+\.)?", True, True),
    (r"^.*\.", True, False),
    (r"^.+\.", True, False),
    (r"^(.*)\.", True, False),
    (r"^(.+)\.", True, False),
    (r"^[^.]+\.", True, False),
    (r".*\.", True, False),
    (r"(.*)\.", True, False),
    (r"\.", True, False),
    ("^", False, False),
)


class _Server(Struct):
    """A server block with its zones ("" the root) and port."""

    block: Block
    zones: tuple[str, ...]
    port: int


def parse(text: str, origin: Origin) -> tuple[ResolverConfig, tuple[Problem, ...]]:
    """What a CoreDNS with this Corefile answers."""
    long = configtext.too_long(text, origin)
    if long:
        return ResolverConfig(), long
    notes = Notes(origin)
    servers = [server for block in blocks_of(text, notes) for server in _servers(block, notes)]
    port = 53 if any(server.port == 53 for server in servers) else servers[0].port if servers else 53
    reading = _Reading(notes)
    for server in servers:
        if server.port == port:
            reading.names_zones(server)
        else:
            message = f"what is answered on port {server.port} is not followed, only port {port}"
            notes.warning("unsupported-option", message, server.block.line)
    for server in servers:
        if server.port == port:
            reading.server(server)
    return reading.config(), notes.problems()


def _servers(block: Block, notes: Notes) -> list[_Server]:
    """The block once for each of its ports; another transport beside plain DNS is the same server."""
    by_port: dict[int, list[str]] = {}
    for key in block.keys:
        found = _KEY.fullmatch(key)
        scheme, zone, port = found.groups() if found is not None else ("", key, None)
        name = _zone(zone or "")
        if name is None or (scheme or "") not in _PORTS:
            if not configtext.cidr(zone or ""):  # a reverse zone
                notes.error("invalid-value", f"{clip(key)} is no zone", block.line)
            continue
        by_port.setdefault(int(port) if port else _PORTS[scheme or ""], []).append(name)
    plain = by_port.get(53)
    if plain is not None:
        by_port = {53: plain}
    return [_Server(block, tuple(dict.fromkeys(zones)), port) for port, zones in by_port.items()]


def _zone(text: str) -> str | None:
    """A zone's name, "" for the root, None for what is none."""
    if text in ("", "."):
        return ""
    name = configtext.name(text)
    return None if not name or name.startswith("*") else name


class _Scope(Struct):
    """What the plugins of one server block share."""

    zones: tuple[str, ...]
    line: int
    kept: set[str]
    """Zones that a plugin in front of forward answers alone."""
    asks: bool
    """Is there anybody whom the block asks?"""
    forwards: bool = False


class _Reading:
    """Collects the answers of all server blocks."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._owners: dict[str, int] = {}
        self._overrides: list[Override] = []
        self._forwards: list[Forwarding] = []
        self._gateways: list[GatewayNames] = []
        self._zone_files: list[tuple[str, str]] = []
        self._domains: dict[str, None] = {}
        self._cluster: dict[str, None] = {}
        self._upstreams: tuple[str, ...] = ()
        self._order = ""
        self._filters_ipv6 = False
        self._plugins: Mapping[str, Callable[[Directive, _Scope], None]] = {
            "rewrite": self._rewrite,
            "template": self._template,
            "hosts": self._hosts,
            "kubernetes": self._kubernetes,
            "k8s_gateway": self._k8s_gateway,
            "file": self._file,
            **dict.fromkeys(_KEEPS_ZONES, self._keeper),
            **dict.fromkeys(_FORWARDING, self._forward),
        }

    def names_zones(self, server: _Server) -> None:
        """Which block answers for which names has to be known before any is read."""
        for zone in server.zones:
            if zone in self._owners:
                message = f"the zone {zone or '.'} has a block already, at line {self._owners[zone]}"
                self._notes.error("duplicate-zone", message, server.block.line)
            self._owners.setdefault(zone, server.block.line)

    def server(self, server: _Server) -> None:
        """One server block, its plugins in CoreDNS's order."""
        asks = any(directive.name in _FORWARDING for directive in server.block.body)
        scope = _Scope(server.zones, server.block.line, set(), asks)
        order = list(self._plugins)
        known = [directive for directive in server.block.body if directive.name in self._plugins]
        for directive in server.block.body:
            if directive.name not in self._plugins:
                self._unknown(directive)
        for directive in sorted(known, key=lambda directive: order.index(directive.name)):
            self._plugins[directive.name](directive, scope)
        if not scope.forwards:
            scope.kept.update(scope.zones)
        self._domains |= dict.fromkeys(zone for zone in sorted(scope.kept) if zone)

    def config(self) -> ResolverConfig:
        """Everything that was said, together."""
        return ResolverConfig(
            overrides=tuple(self._overrides),
            forwards=tuple(self._forwards),
            gateway_names=tuple(self._gateways),
            zone_files=tuple(self._zone_files),
            domains=tuple(self._domains),
            upstreams=self._upstreams,
            order=self._order,
            filters_ipv6=self._filters_ipv6,
            cluster_domains=tuple(self._cluster),
        )

    def _unknown(self, directive: Directive) -> None:
        name = directive.name
        if name in _UNSUPPORTED:
            self._notes.warning("unsupported-option", f"{name}: {_UNSUPPORTED[name]}", directive.line)
        elif name not in _HARMLESS:
            known = _HARMLESS | _UNSUPPORTED.keys() | self._plugins.keys()
            hint = self._notes.suggest(name, known)
            self._notes.warning(
                "unknown-option", f"the plugin {clip(name)} is not known and not followed", directive.line, hint
            )

    def _zones(self, words: tuple[str, ...], scope: _Scope, line: int) -> tuple[str, ...]:
        """The zones that a plugin names, else those of the block."""
        found: list[str] = []
        for word in words:
            zone = _zone(word)
            if zone is None:
                if not configtext.cidr(word) and not word.endswith(".arpa"):
                    self._notes.error("invalid-value", f"{clip(word)} is no zone", line)
            else:
                found += [zone] if zone else scope.zones
        return tuple(dict.fromkeys(found)) if words else scope.zones

    def _answers(self, overrides: list[Override], scope: _Scope, line: int) -> None:
        """Takes over what the block is asked for; other names go to other blocks."""
        for override in overrides:
            name = override.name.removeprefix("*.")
            if self._owner(name) == scope.line:
                self._overrides.append(override)
            else:
                message = f"{name} is not asked for here: it belongs to no zone of this block, or to another block"
                self._notes.warning("unreachable", message, line)

    def _owner(self, name: str) -> int:
        """The line of the block with the longest zone that holds the name."""
        while name and name not in self._owners:
            name = name.partition(".")[2]
        return self._owners.get(name, 0)

    def _hosts(self, directive: Directive, scope: _Scope) -> None:
        arguments = directive.arguments
        if arguments or not directive.body:
            message = f"hosts: what the file {clip(arguments[0] if arguments else '/etc/hosts')} says is not known here"
            self._notes.info("unsupported-option", message, directive.line)
        options = ("ttl", "no_reverse", "reload", "fallthrough")
        lines = [(inner.line, [inner.name, *inner.arguments]) for inner in directive.body if inner.name not in options]
        overrides = hostsfile.overrides(lines, "empty", self._notes)
        self._answers(list(overrides), scope, directive.line)
        zones = self._zones(arguments[1:], scope, directive.line)
        self._keep(zones, directive, scope, "every name that hosts does not know is answered NXDOMAIN")

    def _keep(self, zones: tuple[str, ...], directive: Directive, scope: _Scope, message: str) -> None:
        """Zones for which a plugin is the last, unless it falls through."""
        if any(inner.name == "fallthrough" for inner in directive.body):
            return
        scope.kept.update(zones)
        if "" in zones and message:
            self._notes.warning("no-fallthrough", message, directive.line, "add fallthrough to the plugin's block")

    def _rewrite(self, directive: Directive, scope: _Scope) -> None:
        words = list(directive.arguments)
        if words[:1] in (["stop"], ["continue"]):
            words = words[1:]
        for inner in directive.body if not words else ():
            if inner.name != "answer":
                self._rewrite(Directive("rewrite", (inner.name, *inner.arguments), inner.line, []), scope)
        if not words or words[0] in ("ttl", "edns0", "class", "rcode", "cname"):
            if words[:1] == ["cname"]:
                self._notes.warning("unsupported-option", "rewrite cname: it is not followed", directive.line)
            return
        if words[0] == "name" and words[1:2] == ["exact"]:
            words = ["name", *words[2:]]
        source, target = (configtext.name(word) for word in words[1:3]) if len(words) >= 3 else ("", "")
        is_exact = words[0] == "name" and words[1:2] not in (["prefix"], ["suffix"], ["substring"], ["regex"])
        if is_exact and source and target and not source.startswith("*"):
            override = Override(source, "CNAME", (target,), self._notes.at(directive.line))
            self._answers([override], scope, directive.line)
            return
        shown = clip(" ".join(directive.arguments))
        self._notes.warning("unsupported-option", f"rewrite {shown}: only exact names are followed", directive.line)

    def _template(self, directive: Directive, scope: _Scope) -> None:
        words = directive.arguments
        zones = self._zones(words[2:], scope, directive.line)
        wanted = words[1].upper() if len(words) > 1 else ""
        if len(words) < 2 or words[0].upper() not in ("IN", "ANY"):
            self._notes.warning("unsupported-option", "template: expected a class IN and a type", directive.line)
            return
        if wanted not in ("A", "AAAA", "ANY", "CNAME"):
            return
        answers = _answers_of(directive, self._notes)
        covered = _covered(directive, zones, self._notes)
        if answers is None or not covered:
            return
        at = self._notes.at(directive.line)
        overrides = []
        for name, apex in covered:
            if answers == {} and wanted == "AAAA" and name == "*":
                self._filters_ipv6 = True
                continue
            overrides += _template_overrides(name, apex, wanted, answers, at)
        if not scope.asks:
            overrides = [msgspec.structs.replace(override, others="empty") for override in overrides]
        self._answers(overrides, scope, directive.line)
        if wanted == "ANY":
            self._keep(zones if any(name == "*" or apex for name, apex in covered) else (), directive, scope, "")

    def _kubernetes(self, directive: Directive, scope: _Scope) -> None:
        zones = self._zones(directive.arguments, scope, directive.line)
        self._cluster |= dict.fromkeys(zone for zone in zones if zone and not zone.endswith(".arpa"))
        self._keep(tuple(zone for zone in zones if zone), directive, scope, "")

    def _k8s_gateway(self, directive: Directive, scope: _Scope) -> None:
        options = {inner.name: inner.arguments for inner in directive.body}
        for inner in directive.body:
            if inner.name not in _GATEWAY_OPTIONS:
                message = f"k8s_gateway has no option {clip(inner.name)}"
                hint = self._notes.suggest(inner.name, _GATEWAY_OPTIONS)
                self._notes.error("unknown-option", message, inner.line, hint)
        if not options.get("resources"):
            message = "k8s_gateway names no resources: only Ingress and Service are answered (older versions: all)"
            self._notes.info(
                "assumed-resources", message, directive.line, "say `resources Ingress Service HTTPRoute ...`"
            )
        zones = tuple(zone for zone in self._zones(directive.arguments, scope, directive.line) if zone)
        if not zones:
            self._notes.error("missing-field", "k8s_gateway has no zone, so it answers nothing", directive.line)
            return
        self._gateways.append(
            GatewayNames(
                zones,
                self._notes.at(directive.line),
                resources=options.get("resources") or _GATEWAY_RESOURCES,
                classes=options.get("gatewayClasses", ()),
                fallthrough="fallthrough" in options,
                ingress_classes=options.get("ingressClasses", ()),
            )
        )

    def _file(self, directive: Directive, scope: _Scope) -> None:
        if not directive.arguments:
            self._notes.error("missing-field", "file names no zone file", directive.line)
            return
        zones = self._zones(directive.arguments[1:], scope, directive.line)
        self._zone_files += [(zone, directive.arguments[0]) for zone in zones if zone]
        self._keep(zones, directive, scope, "file answers for every name")

    def _keeper(self, directive: Directive, scope: _Scope) -> None:
        self._unsupported(directive)
        words = directive.arguments if directive.name in ("auto", "secondary", "etcd", "k8s_external") else ()
        self._keep(self._zones(words, scope, directive.line), directive, scope, "")

    def _unsupported(self, directive: Directive) -> None:
        message = f"{directive.name}: {_UNSUPPORTED[directive.name]}"
        self._notes.warning("unsupported-option", message, directive.line)

    def _forward(self, directive: Directive, scope: _Scope) -> None:
        source = _zone(directive.arguments[0]) if directive.arguments else None
        to = self._upstreams_of(directive)
        if source is None or not to:
            self._notes.error("invalid-value", f"{directive.name} needs a zone and servers", directive.line)
            return
        order = self._forward_options(directive, scope)
        zones = scope.zones if not source else tuple(zone for zone in scope.zones if configtext.within(source, zone))
        if not zones:
            message = f"{source} is in no zone of this block, so nothing is forwarded"
            self._notes.warning("unreachable", message, directive.line)
        for zone in (source,) if source and zones else zones:
            if zone in scope.kept:
                continue
            scope.forwards = scope.forwards or not source or source in scope.zones
            if zone:
                self._forwards.append(Forwarding(zone, to, self._notes.at(directive.line), order))
            else:
                self._upstreams, self._order = to, order

    def _upstreams_of(self, directive: Directive) -> tuple[str, ...]:
        found = []
        for word in directive.arguments[1:]:
            server = PUBLIC if word.startswith("/") else configtext.upstream(word)
            if word.startswith("/"):
                message = f"{directive.name}: the servers in {clip(word)} are taken for public ones"
                self._notes.info("assumed-upstream", message, directive.line, "name the servers by their addresses")
            if server:
                found.append(server)
            else:
                self._notes.error("invalid-value", f"{clip(word)} is no server", directive.line)
        return tuple(dict.fromkeys(found))

    def _forward_options(self, directive: Directive, scope: _Scope) -> str:
        """The order in which servers are asked; names that are excepted go nowhere."""
        order = "any"
        for inner in directive.body:
            if inner.name == "except":
                scope.kept.update(zone for word in inner.arguments if (zone := _zone(word)))
            elif inner.name == "policy":
                policy = inner.arguments[0] if inner.arguments else ""
                if policy not in ("random", "round_robin", "sequential"):
                    hint = self._notes.suggest(policy, ("random", "round_robin", "sequential"))
                    self._notes.error("invalid-value", f"{clip(policy)} is no policy", inner.line, hint)
                order = "first" if policy == "sequential" else "any"
            elif inner.name not in _FORWARD_OPTIONS and directive.name == "forward":
                hint = self._notes.suggest(inner.name, _FORWARD_OPTIONS)
                self._notes.error("unknown-option", f"forward has no option {clip(inner.name)}", inner.line, hint)
        return order


def _answers_of(directive: Directive, notes: Notes) -> dict[str, list[str]] | None:
    """The literal answers of a template by type, none for one that only refuses; None when they are made up."""
    found: dict[str, list[str]] = {}
    for inner in directive.body:
        if inner.name == "rcode" and inner.arguments[:1] == ("NXDOMAIN",):
            found.setdefault("NXDOMAIN", [])
        if inner.name != "answer":
            continue
        answer = _ANSWER.fullmatch(" ".join(inner.arguments).strip())
        type_ = answer[2].upper() if answer is not None else ""
        value = (
            "" if answer is None else configtext.name(answer[3]) if type_ == "CNAME" else configtext.address(answer[3])
        )
        if not value or (type_ != "CNAME" and configtext.family(value) != type_):
            message = "template: only answers such as `{{ .Name }} 60 IN A 10.0.0.50` are followed"
            notes.warning("unsupported-option", message, inner.line)
            return None
        found.setdefault(type_, []).append(value)
    return found


def _covered(directive: Directive, zones: tuple[str, ...], notes: Notes) -> list[tuple[str, bool]]:
    """The names that a template answers: wildcards (with the domain itself?) and exact ones."""
    patterns = [word for inner in directive.body if inner.name == "match" for word in inner.arguments]
    if not patterns:
        return [(f"*.{zone}" if zone else "*", bool(zone)) for zone in zones]
    found = []
    for pattern in patterns:
        name = _translate(pattern)
        if pattern in (".", ".*", "^.*$", ".*$", "(.*)", "^(.*)$"):
            found += [(f"*.{zone}" if zone else "*", bool(zone)) for zone in zones]
        elif name is None:
            message = f"template: the pattern {clip(pattern)} is not followed"
            notes.warning("unsupported-option", message, directive.line)
        else:
            found += [name] if any(configtext.within(name[0].removeprefix("*."), zone) for zone in zones) else []
    return found


def _translate(pattern: str) -> tuple[str, bool] | None:
    """A pattern that means a name, or a domain and what is below it; None for any other."""
    if not pattern.endswith("$"):
        return None
    for beginning, wild, apex in _BEGINNINGS:
        if not pattern.startswith(beginning):
            continue
        literal = pattern[len(beginning) : -1].replace("[.]", r"\.")
        bare = literal.replace(r"\.", "")
        name = configtext.name(literal.replace(r"\.", "."))
        if name and not name.startswith("*") and re.fullmatch(r"[-_a-zA-Z0-9]+", bare) is not None:
            return (f"*.{name}" if wild else name, apex)
    return None


def _template_overrides(
    name: str, apex: bool, wanted: str, answers: dict[str, list[str]], origin: Origin
) -> list[Override]:
    """What a template answers for one name; the type that it does not answer goes on to the next plugin."""
    others = "empty" if wanted == "ANY" else "forward"
    if "CNAME" in answers:
        return [Override(name, "CNAME", (answers["CNAME"][0],), origin, apex)]
    if "NXDOMAIN" in answers and wanted == "ANY":
        return [Override(name, "NXDOMAIN", (), origin, apex)]
    types = ("A", "AAAA") if wanted == "ANY" else (wanted,)
    return [
        Override(name, type_, tuple(dict.fromkeys(answers.get(type_, ()))), origin, apex, others)
        for type_ in types
        if answers.get(type_) or wanted != "ANY" or not any(answers.values())
    ]


def lower(document: Document) -> Lowered:
    """Lower a Corefile."""
    config, problems = parse(configtext.text_of(document), document.origin)
    return Lowered(ResolverFileIntent(key_of(document), document.origin, "corefile", config), problems)


KIND = Kind("Corefile", (files.API_VERSION,), lower, namespaced=False)
