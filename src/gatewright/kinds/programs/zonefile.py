"""Zone files (RFC 1035, as BIND, Knot, NSD and CoreDNS read them): the records of one zone.

The lines are put together here, so that a bad record costs itself alone and every record knows its line; what a record,
a TTL and a name may be is dnspython's business.  A zone may have 100,000 names, nearly all of them on lines of one form
with an address, a name or a short text: each of those is read at once, everything else word by word.
"""

from __future__ import annotations

import posixpath
import re

from msgspec import Struct

from gatewright.base import collector
from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem
from gatewright.kinds.decode import key_of
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.naming import Record, ResolverConfig, ResolverFileIntent
from gatewright.kinds.kind import Kind
from gatewright.kinds.programs import configtext, files
from gatewright.kinds.programs.configtext import Notes, clip

_TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"?|;[^\n]*|[()]|\n|(?:[^\s;()"\\]|\\.|\\)+')
_PLAIN = re.compile(
    r"(?P<owner>[-\w*.@]*)[ \t]+(?:(?P<ttl>[0-9]{1,10})[ \t]+)?(?:IN[ \t]+)?(?P<type>A|AAAA|CNAME|TXT|PTR|NS)[ \t]+"
    r'(?P<value>[-\w*.:@]+|"[^"\\\n]*")[ \t\r]*(?:;[^\n]*)?\n',
    re.ASCII,
)
"""A record as most are written: on one line, everything in its usual place."""
_FILE_NAME = re.compile(r"(?:db|named|zone|pri|master)\.(.+)|(.+)\.(?:zone|db|hosts)")
_CLASSES = frozenset(("IN", "CH", "HS", "ANY"))
_TTL = re.compile(r"(?:[0-9]{1,10}[smhdwSMHDW]?){1,5}")
_SINGLE_NAME = frozenset(("CNAME", "NS", "DNAME", "PTR"))
# Types that are read; others of which DNS is full (DNSSEC above all) say nothing about where requests go.
_READ = frozenset(("A", "AAAA", "CNAME", "DNAME", "NS", "SOA", "MX", "TXT", "SRV", "CAA", "PTR", "HTTPS", "SVCB"))
_DIRECTIVES = ("$ORIGIN", "$TTL", "$INCLUDE", "$GENERATE")
_NAMES = frozenset(("CNAME", "NS", "PTR"))
_SHORT_TEXT = 250
"""One string of a TXT holds a little more (255 octets; RFC 1035, 3.3)."""
_MAX_RECORDS = 500_000


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
    with collector.paused():
        _read(text, reading)
        return reading.config(), reading.notes.problems()


def _read(text: str, reading: _Reading) -> None:
    """Read plain lines at once, and what is between them entry by entry."""
    if not text.endswith("\n"):
        text += "\n"
    position, line, going_on = 0, 1, True
    while going_on and position < len(text):
        found = _PLAIN.match(text, position)
        if found is not None:
            going_on = reading.plain(found, line)
            position, line = found.end(), line + 1
            continue
        entry, position, after = _entry(text, position, line)
        going_on = entry is None or reading.entry(entry)
        line = after


def _domain_of(origin: Origin) -> str:
    """The zone that a file of this name, or a key of a ConfigMap, usually holds; "" if it does not say."""
    named = next((part for part in reversed(origin.path) if isinstance(part, str)), "")
    base = posixpath.basename(named or origin.file)
    found = _FILE_NAME.fullmatch(base)
    domain = configtext.name((found[1] or found[2]) if found is not None else base)
    return domain if "." in domain and not domain.startswith("*") else ""


def _entry(text: str, start: int, line: int) -> tuple[_Entry | None, int, int]:
    """The entry that begins here, None on an empty line; where, and in which line, the next one begins."""
    words: list[str] = []
    first, depth, indented, end = line, 0, False, len(text)
    for token in _TOKEN.finditer(text, start):
        word = token.group()
        if word == "\n":
            line += 1
            if not depth:
                end = token.end()
                break
        elif word == "(":
            depth += 1
        elif word == ")":
            depth = max(0, depth - 1)
        elif not word.startswith(";"):
            if not words:
                first, indented = line, token.start() > start
            words.append(word)
    return (_Entry(words, first, indented) if words else None), end, line


class _Reading:
    """Takes the entries one by one; each may leave out what the one before said."""

    def __init__(self, notes: Notes, domain: str) -> None:
        self.notes = notes
        self._apex = domain
        self._origin = domain
        self._word = ""
        """How the owner was written last, under this $ORIGIN."""
        self._owner = ""
        self._ttl = 0
        self._count = 0
        self._sets: dict[tuple[str, str], tuple[list[str], int, int]] = {}

    def entry(self, entry: _Entry) -> bool:
        """One entry; False when the file is not read any further."""
        if entry.words[0].startswith("$") and not entry.indented:
            self._directive(entry)
            return True
        if not self._has_room(entry.line):
            return False
        self._record(entry)
        return True

    def plain(self, found: re.Match[str], line: int) -> bool:
        """One entry in its plain form; False when the file is not read any further."""
        if not self._has_room(line):
            return False
        owner, ttl, type_, value = found.groups()
        if owner and owner != self._word:
            self._own(owner, line)
        if self._owner:
            self._data(type_, [value], _seconds(ttl) if ttl else self._ttl, line)
        return True

    def _has_room(self, line: int) -> bool:
        self._count += 1
        if self._count > _MAX_RECORDS:
            self.notes.error("document-too-large", f"more than {_MAX_RECORDS:,} records are not read", line)
        return self._count <= _MAX_RECORDS

    def _own(self, word: str, line: int) -> None:
        """From here on, and for lines that do not say, records belong to this name."""
        self._word = word
        self._owner = self._absolute(word)
        if not self._owner:
            self._word = ""
            hint = "" if self._origin else "say $ORIGIN at the top, or call the file db.<zone> or <zone>.zone"
            self.notes.error("invalid-value", f"{clip(word)} is no name in this zone", line, hint)

    def config(self) -> ResolverConfig:
        """The records as sets of one name and type."""
        aliases = {name for name, type_ in self._sets if type_ == "CNAME"}
        for name in sorted({name for name, type_ in self._sets if type_ != "CNAME" and name in aliases}):
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
            self._origin, self._word = origin, ""
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
            self._own(words.pop(0), entry.line)
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
        known = self._sets.get((self._owner, type_))
        if known is None:
            self._sets[self._owner, type_] = ([value], ttl, line)
            return
        values, known_ttl, first = known
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
    found = _usual_value(type_, words[0], origin) if len(words) == 1 else None
    if found is not None:
        return found, ""
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


def _usual_value(type_: str, word: str, origin: str) -> str | None:
    """The same for what most records are; None is left to dnspython."""
    if type_ in ("A", "AAAA"):
        ip = "" if "%" in word else configtext.address(word)
        return ip if ip and configtext.family(ip) == type_ else None
    if type_ in _NAMES and origin:
        named = configtext.name(word if word.endswith(".") else f"{word}.{origin}")
        return origin if word == "@" else named or None
    is_text = type_ == "TXT" and word.isascii() and word.isprintable() and len(word) < _SHORT_TEXT
    if is_text and len(word) > 1 and word[0] == word[-1] == '"' and "\\" not in word:
        return word[1:-1]
    return None


def lower(document: Document) -> Lowered:
    """Lower a zone file."""
    config, problems = parse(configtext.text_of(document), document.origin)
    return Lowered(ResolverFileIntent(key_of(document), document.origin, "zone", config), problems)


KIND = Kind("ZoneFile", (files.API_VERSION,), lower, namespaced=False)
