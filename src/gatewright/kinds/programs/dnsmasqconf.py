"""dnsmasq.conf: local answers, forwards and upstreams of a dnsmasq (Pi-hole, OpenWrt).

Two things people do not expect, and the model has: since 2.86 `address=/x/192.0.2.1` answers A alone, so that AAAA is
asked upstream, unless `local=/x/` stands beside it; and `server=` adds to the servers of /etc/resolv.conf unless
`no-resolv` is set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem
from gatewright.kinds.decode import key_of
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.naming import Forwarding, Override, ResolverConfig, ResolverFileIntent
from gatewright.kinds.kind import Kind
from gatewright.kinds.programs import configtext, files
from gatewright.kinds.programs.configtext import PUBLIC, Notes, clip

# Options without a say in which address a name has.
_HARMLESS = frozenset(
    """
    add-cpe-id add-mac add-subnet all-servers auth-peer auth-sec-servers auth-soa auth-ttl bind-dynamic bind-interfaces
    bogus-priv bootp-dynamic bridge-interface caa-record cache-rr cache-size clear-on-reload connmark-allowlist
    connmark-allowlist-enable conntrack dhcp-alternate-port dhcp-authoritative dhcp-boot dhcp-broadcast dhcp-circuitid
    dhcp-client-update dhcp-duid dhcp-fqdn dhcp-generate-names dhcp-host dhcp-hostsdir dhcp-hostsfile dhcp-ignore
    dhcp-ignore-clid dhcp-ignore-names dhcp-lease-max dhcp-leasefile dhcp-luascript dhcp-mac dhcp-match dhcp-name-match
    dhcp-no-override dhcp-option dhcp-option-force dhcp-optsdir dhcp-optsfile dhcp-proxy dhcp-pxe-vendor dhcp-range
    dhcp-rapid-commit dhcp-relay dhcp-remoteid dhcp-reply-delay dhcp-script dhcp-scriptuser dhcp-sequential-ip
    dhcp-subscrid dhcp-ttl dhcp-userclass dhcp-vendorclass dns-forward-max dns-loop-detect dns-rr dnssec
    dnssec-check-unsigned dnssec-debug dnssec-limits dnssec-no-timecheck dnssec-timestamp domain domain-needed dumpfile
    dumpmask edns-packet-max enable-dbus enable-ra enable-tftp enable-ubus except-interface expand-hosts fast-dns-retry
    filterwin2k group interface ipset keep-in-foreground leasefile-ro listen-address local-service local-ttl localmx
    log-async log-debug log-dhcp log-facility log-queries max-cache-ttl max-port max-tcp-connections max-ttl
    min-cache-ttl min-port mx-host mx-target naptr-record neg-ttl nftset no-daemon no-dhcp-interface no-dhcpv4-interface
    no-dhcpv6-interface no-hosts no-ident no-negcache no-ping no-poll no-resolv no-round-robin pid-file port-limit
    proxy-dnssec ptr-record pxe-prompt pxe-service query-port quiet-dhcp quiet-dhcp6 quiet-ra quiet-tftp ra-param
    read-ethers rebind-localhost-ok resolv-file rev-server script-arp script-on-renewal selfmx shared-network srv-host
    stop-dns-rebind strict-order strip-mac strip-subnet tag-if test tftp-lowercase tftp-max tftp-mtu tftp-no-blocksize
    tftp-no-fail tftp-port-range tftp-root tftp-secure tftp-single-port tftp-unique-root trust-anchor txt-record
    umbrella use-stale-cache user filter-AAAA
    """.split()  # noqa: SIM905  (a hundred quotes help nobody)
)
_OTHER_FILES = frozenset(("addn-hosts", "conf-dir", "conf-file", "conf-script", "hostsdir", "servers-file"))
_UNSUPPORTED: Mapping[str, str] = {
    "alias": "addresses in answers are changed, which is not followed",
    "auth-server": "answers to the outside are not followed",
    "auth-zone": "answers to the outside are not followed",
    "bogus-nxdomain": "answers with these addresses become NXDOMAIN, which is not followed",
    "dynamic-host": "the address of the interface is not known",
    "filter-A": "IPv4 addresses are removed from answers, which is not followed",
    "filter-rr": "records are removed from answers, which is not followed",
    "ignore-address": "answers with these addresses are ignored, which is not followed",
    "interface-name": "the address of the interface is not known",
    "localise-queries": "which of several addresses is answered depends on the interface, which is not followed",
    "synth-domain": "made up names are not followed",
}


def parse(text: str, origin: Origin) -> tuple[ResolverConfig, tuple[Problem, ...]]:
    """What a dnsmasq with this configuration answers."""
    long = configtext.too_long(text, origin)
    if long:
        return ResolverConfig(), long
    reading = _Reading(Notes(origin))
    for line, raw in configtext.lines_of(text):
        stripped = _without_comment(raw)
        if stripped:
            reading.option(stripped, line)
    return reading.config(), reading.notes.problems()


def _without_comment(line: str) -> str:
    """A # begins a comment at the start of a line or after white space, but not in `address=/x/#`."""
    stripped = line.strip()
    if stripped.startswith("#"):
        return ""
    cut = min((at for at in (stripped.find(" #"), stripped.find("\t#")) if at >= 0), default=len(stripped))
    return stripped[:cut].rstrip()


class _Reading:
    """Takes the options one by one; what depends on others is settled in `config`."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self._flags: dict[str, int] = {}
        self._values: dict[tuple[str, bool, str], list[str]] = {}
        self._lines: dict[tuple[str, bool, str], int] = {}
        self._servers: dict[str, list[str]] = {}
        self._server_lines: dict[str, int] = {}
        self._local: dict[str, int] = {}
        self._rebind_ok: list[str] = []
        self._readers: Mapping[str, Callable[[str, int], None]] = {
            "address": self._address,
            "server": self._server,
            "local": self._server,
            "host-record": self._host_record,
            "cname": self._cname,
            "rebind-domain-ok": self._rebind_domain_ok,
            "port": self._port,
        }

    def option(self, text: str, line: int) -> None:
        """One line that is not empty."""
        name, _, value = text.partition("=")
        name, value = name.strip().removeprefix("--"), value.strip()
        reader = self._readers.get(name)
        if reader is not None:
            reader(value, line)
        elif name in _HARMLESS:
            self._flags.setdefault(name, line)
        elif name in _OTHER_FILES:
            self.notes.warning("unsupported-option", f"{name}: what the other files say is not known here", line)
        elif name in _UNSUPPORTED:
            self.notes.warning("unsupported-option", f"{name}: {_UNSUPPORTED[name]}", line)
        else:
            known = _HARMLESS | _OTHER_FILES | _UNSUPPORTED.keys() | self._readers.keys()
            hint = self.notes.suggest(name, known)
            self.notes.error("unknown-option", f"{clip(name)} is no option of dnsmasq", line, hint)

    def config(self) -> ResolverConfig:
        """Everything that was said, together."""
        upstreams = tuple(dict.fromkeys(self._servers.get("", ())))
        if "no-resolv" not in self._flags:
            line = self._flags.get("resolv-file", self._server_lines.get("", 1))
            self.notes.info(
                "assumed-upstream",
                "the servers of resolv.conf are asked, too; they are taken for public ones",
                line,
                "no-resolv asks only those that are named by server=",
            )
            upstreams = tuple(dict.fromkeys((*upstreams, PUBLIC)))
        order = "first" if "strict-order" in self._flags and "all-servers" not in self._flags else "any"
        return ResolverConfig(
            overrides=(*self._overrides(), *self._passed()),
            forwards=tuple(
                Forwarding(domain, self._to(servers, upstreams), self.notes.at(self._server_lines[domain]), order)
                for domain, servers in self._servers.items()
                if domain
            ),
            domains=tuple(self._local),
            upstreams=upstreams,
            order=order,
            filters_ipv6="filter-AAAA" in self._flags,
            rebind_protection="stop-dns-rebind" in self._flags,
            rebind_exceptions=tuple(self._rebind_ok),
        )

    def _to(self, servers: list[str], upstreams: tuple[str, ...]) -> tuple[str, ...]:
        usual = (upstream for server in servers for upstream in (upstreams if server == "#" else (server,)))
        return tuple(dict.fromkeys(usual))

    def _overrides(self) -> list[Override]:
        return [
            Override(
                name,
                type_,
                tuple(dict.fromkeys(values)),
                self.notes.at(self._lines[name, apex, type_]),
                apex=apex,
                others="empty" if type_ in ("NXDOMAIN", "CNAME") or self._stays(name) else "forward",
            )
            for (name, apex, type_), values in self._values.items()
        ]

    def _passed(self) -> list[Override]:
        """Domains that server= sends on although address= answers for one above them."""
        answered = {name for name, apex, _ in self._values if apex or name.startswith("*")}
        found = []
        for domain in self._servers:
            above = f"*.{domain}"
            while domain and above != "*" and above not in answered:
                above = f"*.{above[2:].partition('.')[2]}".removesuffix(".")
            if domain and above in answered and above != f"*.{domain}":
                origin = self.notes.at(self._server_lines[domain])
                found.append(Override(f"*.{domain}", "PASS", (), origin, apex=True))
        return found

    def _stays(self, name: str) -> bool:
        """Is the name never asked upstream?  The closest of the domains named by local= and server= decides."""
        domain = name.removeprefix("*.")
        while domain:
            if domain in self._local:
                return True
            if domain in self._servers:
                return False
            domain = domain.partition(".")[2]
        return False

    def _put(self, name: str, apex: bool, type_: str, values: list[str], line: int) -> None:
        self._values.setdefault((name, apex, type_), []).extend(values)
        self._lines.setdefault((name, apex, type_), line)

    def _domains(self, value: str, line: int) -> tuple[list[str], str]:
        """The names of `/a/b/rest` and the rest; "*" is any name."""
        if not value.startswith("/") or value.rfind("/") == 0:
            return [], value
        body, _, rest = value[1:].rpartition("/")
        found = []
        for word in body.split("/"):
            name = "*" if word == "#" else configtext.name(word.removeprefix("."))
            if name:
                found.append(name)
            elif word:
                self.notes.error("invalid-value", f"{clip(word)} is no domain", line)
        return found, rest

    def _address(self, value: str, line: int) -> None:
        domains, rest = self._domains(value, line)
        if not value.startswith("/") or value.rfind("/") == 0:
            self.notes.error("invalid-value", "address= has to be /domain/address", line)
            return
        ips = ["0.0.0.0", "::"] if rest == "#" else [configtext.address(rest)]  # noqa: S104  (an answer)
        if rest and not all(ips):
            self.notes.error("invalid-value", f"{clip(rest)} is no address", line)
            return
        for domain in domains:
            below = domain if domain.startswith("*") else f"*.{domain}"
            apex = not domain.startswith("*")
            if not rest:
                self._put(below, apex, "NXDOMAIN", [], line)
            for ip in ips if rest else ():
                self._put(below, apex, configtext.family(ip), [ip], line)

    def _server(self, value: str, line: int) -> None:
        domains, rest = self._domains(value, line)
        server = "#" if rest == "#" else configtext.upstream(rest)
        if rest and not server:
            self.notes.error("invalid-value", f"{clip(rest)} is no server", line)
        elif server and not value.startswith("/"):
            self._servers.setdefault("", []).append(server)
            self._server_lines.setdefault("", line)
        for domain in domains if not rest or server else ():
            plain = "" if domain == "*" else domain.removeprefix("*.")
            if domain.startswith("*.") and rest:
                message = f"{domain} leaves out {plain} itself; it is taken to be sent there, too"
                self.notes.info("assumed-domain", message, line)
            if rest:
                self._servers.setdefault(plain, []).append(server)
                self._server_lines.setdefault(plain, line)
            else:
                self._local.setdefault(plain, line)

    def _host_record(self, value: str, line: int) -> None:
        words = [word.strip() for word in value.split(",")]
        names = [word for word in words if word and not word.isdigit() and not configtext.address(word)]
        ips = [ip for ip in map(configtext.address, words) if ip]
        if not ips or not names:
            self.notes.error("invalid-value", "host-record= needs a name and an address", line)
        for word in names:
            name = configtext.name(word)
            if not name or name.startswith("*"):
                self.notes.error("invalid-value", f"{clip(word)} is no name", line)
                continue
            for ip in ips:
                self._put(name, False, configtext.family(ip), [ip], line)

    def _cname(self, value: str, line: int) -> None:
        words = [word.strip() for word in value.split(",")]
        if words[-1].isdigit():
            words.pop()
        names = [configtext.name(word) for word in words]
        if len(names) < 2 or not all(names) or names[-1].startswith("*"):
            self.notes.error("invalid-value", "cname= needs names and, last, their target", line)
            return
        for name in names[:-1]:
            self._put(name, False, "CNAME", [names[-1]], line)

    def _rebind_domain_ok(self, value: str, line: int) -> None:
        domains, _ = self._domains(value if value.startswith("/") else f"/{value}/", line)
        self._rebind_ok += domains

    def _port(self, value: str, line: int) -> None:
        if value == "0":
            self.notes.warning("disabled", "port=0 switches DNS off: nothing of this is answered", line)


def lower(document: Document) -> Lowered:
    """Lower a dnsmasq configuration."""
    config, problems = parse(configtext.text_of(document), document.origin)
    return Lowered(ResolverFileIntent(key_of(document), document.origin, "dnsmasq", config), problems)


KIND = Kind("DnsmasqConfig", (files.API_VERSION,), lower, namespaced=False)
