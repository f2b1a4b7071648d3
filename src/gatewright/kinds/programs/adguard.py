"""AdGuardHome.yaml: rewrites, forwards and upstreams of an AdGuard Home.

A rewrite to an IPv4 address answers AAAA with nothing; the answers "A" and "AAAA" mean that upstream's addresses of
this family are kept; `*.x` is not x; a name rewritten to itself is left alone.  Blocklists are files that are not here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity
from gatewright.kinds.decode import Ignored, Lenient, Path, Report, decode, key_of
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.naming import Forwarding, Override, ResolverConfig, ResolverFileIntent
from gatewright.kinds.kind import Kind
from gatewright.kinds.programs import configtext, files

_FORWARD = re.compile(r"\[/(.*)/\](.*)", re.DOTALL)
_RULE = re.compile(r"(@@)?(\|\|?)([^/^$|*]+|\*\.[^/^$|*]+)\^?\|?(?:\$(.*))?")
_MODES = ("load_balance", "parallel", "fastest_addr", "")


class Rewrite(Lenient, frozen=True, rename=None):
    domain: str
    answer: str
    enabled: bool = True


class Dns(Lenient, frozen=True, rename=None, kw_only=True):
    upstream_dns: list[str] | None = None
    upstream_dns_file: str = ""
    upstream_mode: str = ""
    aaaa_disabled: bool = False
    rewrites: list[Rewrite] | None = None
    allowed_clients: list[str] | None = None
    disallowed_clients: list[str] | None = None
    use_dns64: bool = False


class Filtering(Lenient, frozen=True, rename=None, kw_only=True):
    rewrites: list[Rewrite] | None = None
    rewrites_enabled: bool = True
    filtering_enabled: bool = True
    protection_enabled: bool = True


class Config(Lenient, frozen=True, rename=None):
    dns: Dns = Dns()
    filtering: Filtering = Filtering()
    user_rules: list[str] | None = None
    clients: Ignored = None


def parse(data: Mapping[str, Any], origin: Origin) -> tuple[ResolverConfig | None, tuple[Problem, ...]]:
    """What an AdGuard Home with this configuration answers."""
    document = Document(origin, files.API_VERSION, KIND.name, "", origin.file, data)
    config, problems = decode(document, Config)
    report = Report(document, problems)
    if config is None:
        return None, report.lowered(None).problems
    dns, filtering = config.dns, config.filtering
    answers = _Answers(report)
    if filtering.rewrites_enabled:
        answers.rewrites(dns.rewrites or [], ("dns", "rewrites"))
        answers.rewrites(filtering.rewrites or [], ("filtering", "rewrites"))
    if filtering.filtering_enabled and filtering.protection_enabled:
        answers.rules(config.user_rules or [])
    upstreams, forwards = _upstreams(dns, report)
    _note_unread(config, report)
    resolver = ResolverConfig(
        overrides=tuple(answers.overrides()),
        forwards=forwards,
        upstreams=upstreams,
        order="any",
        filters_ipv6=dns.aaaa_disabled,
    )
    return resolver, report.lowered(None).problems


class _Answers:
    """Collects rewrites by name: what a name lacks depends on all of them."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._values: dict[tuple[str, bool], dict[str, list[str]]] = {}
        self._origins: dict[tuple[str, bool], Origin] = {}

    def rewrites(self, rewrites: list[Rewrite], where: Path) -> None:
        """The list of rewrites, also of older files."""
        for index, rewrite in enumerate(rewrites):
            name = "*" if rewrite.domain == "*" else configtext.name(rewrite.domain)
            if not rewrite.enabled:
                continue
            if not name:
                message = f"{configtext.clip(rewrite.domain)} is no name"
                hint = "a wildcard is *. and a name" if "*" in rewrite.domain else ""
                self._report.error("invalid-value", message, *where, index, "domain", hint=hint)
            elif not self._put(name, False, rewrite.answer.strip(), (*where, index)):
                message = f"{configtext.clip(rewrite.answer)} is neither an address nor a name"
                self._report.error("invalid-value", message, *where, index, "answer")

    def rules(self, rules: list[str]) -> None:
        """The user's own filtering rules: those that block or rewrite one domain."""
        for index, raw in enumerate(rules):
            rule, where = raw.strip(), ("user_rules", index)
            words = rule.split()
            if not rule or rule.startswith(("!", "# ")) or rule == "#":
                continue
            if len(words) > 1 and configtext.address(words[0]):
                for word in words[1:]:
                    self._put(configtext.name(word), False, words[0], where)
            elif not self._rule(rule, where):
                message = f"the rule {configtext.clip(rule)} is not understood, so it has no effect here"
                self._report.add(Severity.WARNING, "unsupported-field", message, where)

    def _rule(self, rule: str, where: Path) -> bool:
        found = _RULE.fullmatch(rule)
        if found is None:
            name = configtext.name(rule)  # a bare domain blocks it
            return "." in name and not name.startswith("*") and self._put(name, False, "NXDOMAIN", where)
        excepted, anchor, domain, modifiers = found.groups()
        name, subdomains = configtext.name(domain), anchor == "||"
        if not name or excepted:
            return bool(excepted) and modifiers in (None, "important")
        options = [option for option in (modifiers or "").split(",") if option not in ("", "important")]
        if not options:
            answer = "NXDOMAIN"
        elif len(options) == 1 and options[0].startswith("dnsrewrite="):
            answer = _rewritten(options[0].removeprefix("dnsrewrite="))
        else:
            return False
        if subdomains and not name.startswith("*."):
            return bool(answer) and self._put(f"*.{name}", True, answer, where)
        return bool(answer) and self._put(name, False, answer, where)

    def _put(self, name: str, apex: bool, answer: str, where: Path) -> bool:
        ip = configtext.address(answer)
        target = configtext.name(answer)
        if not name or not (ip or target):
            return False
        key = (name, apex)
        values = self._values.setdefault(key, {})
        self._origins.setdefault(key, self._report.origin.at(*where))
        if ip:
            values.setdefault(configtext.family(ip), []).append(ip)
        elif answer in ("A", "AAAA"):
            values.setdefault(f"keep {answer}", [])
        elif answer == "NXDOMAIN":
            values.setdefault("NXDOMAIN", [])
        else:
            values.setdefault("CNAME", []).append(target)
        return True

    def overrides(self) -> list[Override]:
        """The answers, a CNAME before addresses as AdGuard has it."""
        return [
            override
            for (name, apex), values in self._values.items()
            for override in _overrides(name, apex, values, self._origins[name, apex])
        ]


def _overrides(name: str, apex: bool, values: dict[str, list[str]], origin: Origin) -> list[Override]:
    if "CNAME" in values:
        target = values["CNAME"][0]
        if target == name:
            return [Override(name, "PASS", (), origin, apex)]
        return [Override(name, "CNAME", (target,), origin, apex)]
    if "NXDOMAIN" in values:
        return [Override(name, "NXDOMAIN", (), origin, apex)]
    kept = {type_ for type_ in ("A", "AAAA") if f"keep {type_}" in values}
    found = [
        Override(name, type_, tuple(dict.fromkeys(ips)), origin, apex, "forward" if kept - {type_} else "empty")
        for type_, ips in values.items()
        if ips and type_ not in kept
    ]
    if found or not kept:
        return found
    if len(kept) == 2:
        return [Override(name, "PASS", (), origin, apex)]
    return [Override(name, "AAAA" if kept == {"A"} else "A", (), origin, apex, "forward")]


def _rewritten(value: str) -> str:
    """The answer of `$dnsrewrite=`: short, or in full as `NOERROR;A;10.0.0.1`; "" for what is not understood."""
    code, semicolon, rest = value.partition(";")
    if not semicolon and code not in ("NXDOMAIN", "REFUSED", "NOERROR", "SERVFAIL"):
        return value
    type_, _, answer = rest.partition(";")
    if code in ("NXDOMAIN", "REFUSED"):
        return "NXDOMAIN"
    if code != "NOERROR" or type_ not in ("A", "AAAA", "CNAME"):
        return ""
    is_address = bool(configtext.address(answer))
    return answer if is_address == (type_ != "CNAME") else ""


def _upstreams(dns: Dns, report: Report) -> tuple[tuple[str, ...], tuple[Forwarding, ...]]:
    """Where everything goes, and where certain domains go."""
    usual: list[str] = []
    domains: dict[str, tuple[list[str], Origin]] = {}
    for index, raw in enumerate(dns.upstream_dns or ()):
        text, where = raw.strip(), ("dns", "upstream_dns", index)
        if not text or text.startswith("#"):
            continue
        found = _FORWARD.fullmatch(text)
        servers = (found[2] if found is not None else text).split()
        to = ["#" if server == "#" else configtext.upstream(server) for server in servers]
        if not to or not all(to):
            report.error("invalid-value", f"{configtext.clip(text)} names no server", *where)
        elif found is None:
            usual += [server for server in to if server != "#"]
        else:
            for domain in _domains(found[1], where, report):
                domains.setdefault(domain, ([], report.origin.at(*where)))[0].extend(to)
    upstreams = tuple(dict.fromkeys(usual))
    forwards = tuple(
        Forwarding(
            domain,
            tuple(dict.fromkeys(to for server in servers for to in (upstreams if server == "#" else (server,)))),
            origin,
            "any",
        )
        for domain, (servers, origin) in domains.items()
    )
    return upstreams, forwards


def _domains(text: str, where: Path, report: Report) -> list[str]:
    """The domains of `[/a/b/]`; none for `[//]`, which is about names without a dot."""
    found = []
    for word in text.split("/"):
        name = configtext.name(word)
        if name.startswith("*."):
            message = f"{name} leaves out {name[2:]} itself; it is taken to be sent there, too"
            report.add(Severity.INFO, "assumed-domain", message, where)
            name = name[2:]
        if name:
            found.append(name)
        elif word:
            report.error("invalid-value", f"{configtext.clip(word)} is no domain", *where)
    return found


def _note_unread(config: Config, report: Report) -> None:
    dns = config.dns
    if dns.upstream_dns_file:
        report.unsupported("what the file says is not known here", "dns", "upstream_dns_file")
    if dns.upstream_mode not in _MODES:
        report.unsupported(f"expected one of {', '.join(_MODES[:-1])}", "dns", "upstream_mode")
    if dns.use_dns64:
        report.unsupported("made up IPv6 addresses are not followed", "dns", "use_dns64")
    for name in ("allowed_clients", "disallowed_clients"):
        if getattr(dns, name):
            report.unsupported("which clients are answered is not followed", "dns", name)
    if isinstance(config.clients, Mapping):
        persistent = config.clients.get("persistent")
        for index, client in enumerate(persistent if isinstance(persistent, list) else ()):
            if isinstance(client, Mapping) and client.get("upstreams"):
                report.unsupported("upstreams of one client are not followed", "clients", "persistent", index)


def lower(document: Document) -> Lowered:
    """Lower an AdGuard Home configuration."""
    config, problems = parse(document.data, document.origin)
    if config is None:
        return Lowered(None, problems)
    return Lowered(ResolverFileIntent(key_of(document), document.origin, "adguard", config), problems)


KIND = Kind("AdGuardConfig", (files.API_VERSION,), lower, namespaced=False)
