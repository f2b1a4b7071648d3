"""Zone files (RFC 1035, as BIND, Knot, NSD and CoreDNS read them): the records of one zone.

The lines are put together here, so that a bad record costs itself alone and every record knows its line; what a record,
a TTL and a name may be is dnspython's business.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from msgspec import Struct

from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem
from gatewright.kinds import configtext, files
from gatewright.kinds.configtext import Notes, clip
from gatewright.kinds.decode import key_of
from gatewright.kinds.intents import Lowered
from gatewright.kinds.kind import Kind
from gatewright.kinds.world import Record, ResolverConfig, ResolverFileIntent

_TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"?|;[^\n]*|[()]|\n|(?:[^\s;()"\\]|\\.|\\)+')
_FILE_NAME = re.compile(r"(?:db|named|zone|pri|master)\.(.+)|(.+)\.(?:zone|db|hosts)")
_CLASSES = frozenset(("IN", "CH", "HS", "ANY"))
_TTL = re.compile(r"(?:[0-9]{1,10}[smhdwSMHDW]?){1,5}")
_SINGLE_NAME = frozenset(("CNAME", "NS", "DNAME", "PTR"))
# Types that are read; others of which DNS is full (DNSSEC above all) say nothing about where requests go.
_READ = frozenset(("A", "AAAA", "CNAME", "DNAME", "NS", "SOA", "MX", "TXT", "SRV", "CAA", "PTR", "HTTPS", "SVCB"))
_DIRECTIVES = ("$ORIGIN", "$TTL", "$INCLUDE", "$GENERATE")
_MAX_RECORDS = 200_000


class _Entry(Struct):
    """What belongs together, over several lines with parentheses: its words, and does it begin with white space?"""

    words: list[str]
    line: int
    indented: bool


def parse(text: str, origin: Origin, domain: str = "") -> tuple[ResolverConfig, tuple[Problem, ...]]:
    """The records of a zone file.

    `domain` is what the zone is called; "": the file says so itself by $ORIGIN, or its name does (`db.example.com`,
    `example.com.zone`).
    """
    long = configtext.too_long(text, origin)
    if long:
        return ResolverConfig(), long
    reading = _Reading(Notes(origin), domain or _domain_of(origin))
    for entry in _entries(text):
        if not reading.entry(entry):
            break
    return reading.config(), reading.notes.problems()


def _domain_of(origin: Origin) -> str:
    """The zone that a file of this name, or a key of a ConfigMap, usually holds; "" if it does not say."""
    named = next((part for part in reversed(origin.path) if isinstance(part, str)), "")
    base = posixpath.basename(named or origin.file)
    found = _FILE_NAME.fullmatch(base)
    domain = configtext.name((found[1] or found[2]) if found is not None else base)
    return domain if "." in domain and not domain.startswith("*") else ""


def _entries(text: str) -> Iterator[_Entry]:
    """The entries of the file."""
    words: list[str] = []
    line, first, depth, indented, at_start = 1, 1, 0, False, 0
    for token in _TOKEN.finditer(text):
        word = token.group()
        if word == "\n":
            line += 1
            if not depth:
                if words:
                    yield _Entry(words, first, indented)
                words, at_start = [], token.end()
        elif word == "(":
            depth += 1
        elif word == ")":
            depth = max(0, depth - 1)
        elif not word.startswith(";"):
            if not words:
                first, indented = line, token.start() > at_start
            words.append(word)
    if words:
        yield _Entry(words, first, indented)


class _Reading:
    """Takes the entries one by one; each may leave out what the one before said."""

    def __init__(self, notes: Notes, domain: str) -> None:
        self.notes = notes
        self._apex = domain
        self._origin = domain
        self._owner = ""
        self._ttl = 0
        self._count = 0
        self._sets: dict[tuple[str, str], tuple[list[str], int, int]] = {}

    def entry(self, entry: _Entry) -> bool:
        """One entry; False when the file is not read any further."""
        if entry.words[0].startswith("$") and not entry.indented:
            self._directive(entry)
            return True
        self._count += 1
        if self._count > _MAX_RECORDS:
            self.notes.error("document-too-large", f"more than {_MAX_RECORDS:,} records are not read", entry.line)
            return False
        self._record(entry)
        return True

    def config(self) -> ResolverConfig:
        """The records as sets of one name and type."""
        names = {name for name, _ in self._sets}
        for name in sorted(names):
            if (name, "CNAME") in self._sets and any((name, type_) in self._sets for type_ in _READ - {"CNAME"}):
                message = f"{name} has a CNAME and other records, so servers refuse the zone"
                self.notes.error("cname-and-others", message, self._sets[name, "CNAME"][2], "a CNAME stands alone")
        return ResolverConfig(
            records=tuple(
                Record(name, type_, tuple(dict.fromkeys(values)), self.notes.at(line), ttl)
                for (name, type_), (values, ttl, line) in self._sets.items()
            ),
            domains=(self._apex,) if self._apex else (),
        )

    def _directive(self, entry: _Entry) -> None:
        name, arguments = entry.words[0].upper(), entry.words[1:]
        if name == "$ORIGIN" and arguments:
            origin = self._absolute(arguments[0])
            if not origin or origin.startswith("*"):
                self.notes.error("invalid-value", f"$ORIGIN {clip(arguments[0])} is no domain", entry.line)
                return
            self._origin = origin
            self._apex = self._apex or origin
        elif name == "$TTL" and arguments and _TTL.fullmatch(arguments[0]):
            self._ttl = _seconds(arguments[0])
        elif name in ("$INCLUDE", "$GENERATE"):
            message = f"{name}: the records that it makes are not known here"
            self.notes.warning("unsupported-option", message, entry.line)
        else:
            known = name in _DIRECTIVES
            message = f"{name} needs a value" if known else f"{clip(entry.words[0])} is no directive"
            hint = "" if known else self.notes.suggest(name, _DIRECTIVES)
            self.notes.error("invalid-value" if known else "unknown-option", message, entry.line, hint)

    def _absolute(self, word: str) -> str:
        """A name in full, "" for what is none or cannot be completed."""
        if word == "@":
            return self._origin
        if word.endswith("."):
            return configtext.name(word)
        return configtext.name(f"{word}.{self._origin}") if self._origin else ""

    def _record(self, entry: _Entry) -> None:
        words = list(entry.words)
        if not entry.indented:
            owner = words.pop(0)
            self._owner = self._absolute(owner)
            if not self._owner:
                hint = "" if self._origin else "say $ORIGIN at the top, or call the file db.<zone> or <zone>.zone"
                self.notes.error("invalid-value", f"{clip(owner)} is no name in this zone", entry.line, hint)
        ttl = self._ttl
        class_ = "IN"
        while words and (words[0].upper() in _CLASSES or _TTL.fullmatch(words[0])):
            word = words.pop(0)
            if word.upper() in _CLASSES:
                class_ = word.upper()
            else:
                ttl = _seconds(word)
        if not words:
            self.notes.error("syntax", "the record has no type", entry.line)
        elif self._owner and class_ == "IN":
            self._data(words[0].upper(), words[1:], ttl, entry.line)

    def _data(self, type_: str, words: list[str], ttl: int, line: int) -> None:
        if type_ not in _READ:
            self._check_type(type_, line)
            return
        if not configtext.within(self._owner, self._apex):
            message = f"{self._owner} is not in the zone {self._apex}, so servers leave it out"
            self.notes.warning("out-of-zone", message, line)
            return
        value, why = _value(type_, words, self._origin)
        if value is None:
            self.notes.error("invalid-value", f"{type_} {clip(' '.join(words))}: {why}", line)
            return
        if type_ == "SOA":
            self._apex = self._apex or self._owner
        values, known_ttl, first = self._sets.setdefault((self._owner, type_), ([], ttl, line))
        values.append(value)
        if ttl != known_ttl:
            self._sets[self._owner, type_] = (values, min(ttl, known_ttl) or ttl or known_ttl, first)

    def _check_type(self, type_: str, line: int) -> None:
        import dns.exception
        import dns.rdatatype

        try:
            dns.rdatatype.from_text(type_)
        except (dns.exception.DNSException, ValueError):
            hint = self.notes.suggest(type_, _READ)
            self.notes.error("unknown-type", f"{clip(type_)} is no type of record", line, hint)


def _seconds(text: str) -> int:
    """A TTL: seconds, or numbers with units."""
    if text.isdigit():
        return min(int(text), 2**31 - 1)
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
    parts = re.findall(r"([0-9]+)([a-z]?)", text.lower())
    return min(sum(int(number) * units.get(unit, 1) for number, unit in parts), 2**31 - 1)


def _value(type_: str, words: list[str], origin: str) -> tuple[str | None, str]:
    """The data of a record in its usual form, names in full and without the last dot; or why it is none."""
    if type_ in ("A", "AAAA") and len(words) == 1:  # most records, and a zone may have 100,000
        ip = configtext.address(words[0])
        if ip and configtext.family(ip) == type_:
            return ip, ""
    import dns.exception
    import dns.name
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype
    from dns.rdtypes.ANY.TXT import TXT

    try:
        root = dns.name.from_text(f"{origin}.") if origin else dns.name.root
        rdtype = dns.rdatatype.from_text(type_)
        data = dns.rdata.from_text(dns.rdataclass.IN, rdtype, " ".join(words), root, relativize=False)
        text = data.to_text()
    except (dns.exception.DNSException, ValueError) as error:
        return None, configtext.clip(str(error).split("\n")[0])[1:-1] or "not a record of this type"
    if isinstance(data, TXT):
        return b"".join(data.strings).decode("utf-8", "replace"), ""
    return text.lower().removesuffix(".") if type_ in _SINGLE_NAME else text.removesuffix("."), ""


def lower(document: Document) -> Lowered:
    """Lower a zone file."""
    config, problems = parse(configtext.text_of(document), document.origin)
    return Lowered(ResolverFileIntent(key_of(document), document.origin, "zone", config), problems)


KIND = Kind("ZoneFile", (files.API_VERSION,), lower, namespaced=False)
