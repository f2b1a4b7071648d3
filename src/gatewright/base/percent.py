"""Percent-encoding in paths: what a condition on a path that somebody's gateway has decoded says of the encoded one.

Requests come with their path in normal form: unreserved characters plain, dot segments and escaped slashes resolved,
what a path cannot hold (spaces, quotes, braces, everything beyond ASCII) encoded.  The other characters, those that
RFC 3986, 2.2 reserves, stay as the client wrote them, and so do the hexadecimal digits.  nginx and Traefik decode
more, each in its way, which is a `Reading`.  For a matcher that sees only the normal form, `spelt` and `expression`
make regular expressions of a text and of an expression over what the original sees; `read` is their counterpart, for
who can decode.  Octets, not characters, are what dots, classes and repetitions beyond ASCII count, as in nginx.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import quote

import re2


class Reading(enum.StrEnum):
    """What of a path is decoded before it is compared."""

    NORMAL = "normal"  # no more than the normal form: Gateway API, Envoy Gateway, HAProxy, ALB
    DECODED = "decoded"  # everything, once: nginx
    RESERVED_KEPT = "reserved-kept"  # everything but reserved characters and the percent sign: Traefik


_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_RESERVED = frozenset(b":/?#[]@!$&'()*+,;=")
_PERCENT = ord("%")
_PLAIN = (_UNRESERVED | _RESERVED) - frozenset(b"?#")
"""The octets that stand for themselves in a path in normal form."""
_ENCODED = frozenset(range(1, 256)) - _UNRESERVED - frozenset(b"/\\")
"""The octets that stand there encoded, or may."""
_CONTROL = frozenset(range(0x20)) | {0x7F}
_DIGITS = frozenset(b"0123456789ABCDEFabcdef")
_KEPT = (_RESERVED | {_PERCENT}) - frozenset(b"/")
"""The octets that Traefik leaves encoded."""
_DECODES = {
    Reading.NORMAL: frozenset[int](),
    Reading.DECODED: _ENCODED,
    Reading.RESERVED_KEPT: _ENCODED - _KEPT,
}
_NEVER_SEEN = {
    Reading.NORMAL: _UNRESERVED | {ord("/")},
    Reading.DECODED: frozenset(range(256)),
    Reading.RESERVED_KEPT: frozenset(range(256)) - _KEPT,
}
"""The octets that rules never see encoded."""
_ALWAYS_ENCODED = {
    Reading.NORMAL: frozenset(range(256)) - _PLAIN - {_PERCENT},
    Reading.DECODED: frozenset[int](),
    Reading.RESERVED_KEPT: frozenset(b"?#"),
}
"""The octets that rules never see plain."""
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})?")
_ESCAPE_OR_OCTET = re.compile(r"%([0-9A-Fa-f]{2})|.", re.DOTALL)
_LITERALS = re.compile(r"((?:\\?%[0-9A-Fa-f]{2}|[^\x00-\x7f])+)|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
"""In an expression: what is encoded or beyond ASCII, and apart from that other escapes and classes."""
_STRAY = "\ufffd"
"""What `read` gives for a percent sign that escapes nothing: no rule can mean it."""
_SIMPLE = re.compile(r"[-A-Za-z0-9._~/]*")
_NEVER = r"[^\s\S]"
_SAFE = "/!$&'()*+,;=:@[]~"


def matters(text: str, reading: Reading) -> bool:
    """Does a path of a rule mean something else under this reading than in normal form?"""
    if reading is Reading.NORMAL or _SIMPLE.fullmatch(text):
        return False
    if reading is Reading.DECODED:
        return True
    return any(octet not in _PLAIN for octet in text.encode("utf-8", "surrogatepass"))


def read(path: str, reading: Reading) -> str:
    """A path in normal form as it is compared: an octet for each character."""

    def decoded(found: re.Match[str]) -> str:
        if not found[1]:
            return _STRAY
        octet = int(found[1], 16)
        return chr(octet) if octet in _DECODES[reading] else found[0].upper()

    return _ESCAPE.sub(decoded, path.encode("utf-8", "surrogatepass").decode("latin-1"))


def wanted(text: str, reading: Reading) -> str:
    """The text of a rule to compare with what `read` gives."""
    octets = text.encode("utf-8", "surrogatepass").decode("latin-1")
    return octets if reading is not Reading.RESERVED_KEPT else _ESCAPE.sub(lambda found: found[0].upper(), octets)


def written(text: str, reading: Reading) -> str:
    """One way to write a path that a rule's text stands for."""
    if reading is Reading.NORMAL:
        return text
    return quote(text, safe=_SAFE if reading is Reading.DECODED else f"{_SAFE}%", errors="surrogatepass")


def meant(text: str, reading: Reading) -> str | None:
    """What a rule's text was probably to say that no path is ever read as: `/w+v` for `/w%2Bv` where all is decoded.

    None where paths are read as it stands; "" where nothing can be written that stands for it.
    """

    def as_seen(found: re.Match[str]) -> str:
        octet = int(found[1], 16) if found[1] else ord(found[0])
        if found[1]:
            return chr(octet) if octet in _NEVER_SEEN[reading] else found[0]
        return f"%{octet:02X}" if octet in _ALWAYS_ENCODED[reading] else found[0]

    octets = text.encode("utf-8", "surrogatepass").decode("latin-1")
    seen = _ESCAPE_OR_OCTET.sub(as_seen, octets)
    if seen == octets:
        return None
    try:
        return seen.encode("latin-1").decode()
    except UnicodeDecodeError:
        return ""


def meant_by_expression(pattern: str, reading: Reading) -> str | None:
    """The same for an expression, by what stands outside of its classes; None where nothing in it is in vain."""

    def as_seen(found: re.Match[str]) -> str:
        said = (found[1] or "").replace("\\", "")
        other = meant(said, reading)
        return found[0] if other is None else re.escape(other) or said.replace("%", "\\x")

    made = _LITERALS.sub(as_seen, pattern)
    return None if made == pattern else made


def behind(path: str, prefix: str) -> str | None:
    """What is left of a path in normal form behind a prefix that was looked for in the decoded path, or None."""
    at = 0
    octets = path.encode("utf-8", "surrogatepass").decode("latin-1")
    for octet in prefix.encode("utf-8", "surrogatepass"):
        found = _ESCAPE.match(octets, at)
        escaped = found is not None and found[1] is not None
        now = int(octets[at + 1 : at + 3], 16) if escaped else ord(octets[at]) if at < len(octets) else -1
        if now != octet:
            return None
        at += 3 if escaped else 1
    return octets[at:].encode("latin-1").decode("utf-8", "surrogatepass")


def spelt(text: str, reading: Reading, *, more: bool = False) -> str | None:
    """RE2 for every way to write `text` in a path in normal form; None if there is none.

    With `more` to follow, the text may end within what Traefik leaves encoded: `/100%` is what `/100%25` begins with.
    """
    made: list[str] = []
    at, octets = 0, text.encode("utf-8", "surrogatepass")
    while at < len(octets):
        octet = octets[at]
        if octet == _PERCENT and reading is Reading.RESERVED_KEPT:
            begin = octets[at : at + 3].decode("latin-1").upper()
            kept = frozenset(octet for octet in _KEPT if f"%{octet:02X}".startswith(begin))
            ways = _codes(kept) if kept and (more or len(begin) == 3) else []
            at += len(begin)
        else:
            ways = _ways(frozenset({octet}), reading)
            at += 1
        if not ways:
            return None
        made.append(ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})")
    return "".join(made)


# --- expressions ----------------------------------------------------------------------------------


_TOKEN = re.compile(
    rb"""(?P<group>\(\?[imsU-]*[:)]|\(\?P?<\w+>|\((?!\?))
    |(?P<class>\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\])
    |(?P<repeat>[*+?]|\{\d+(?:,\d*)?\})
    |(?P<boundary>\\[bB])
    |(?P<frame>[)|^$]|\\[Az])
    |(?P<property>\\[pP](?:\{\^?\w+\}|\w))
    |\\x\{(?P<hex>[0-9A-Fa-f]+)\}|\\x(?P<digits>[0-9A-Fa-f]{2})|\\(?P<octal>0[0-7]{0,2}|[1-7][0-7]{1,2})
    |(?P<character>[\xc2-\xf4][\x80-\xbf]{1,3})
    |(?P<octet>\\.|[^\\])""",
    re.VERBOSE | re.DOTALL,
)
_QUOTED = re.compile(rb"\\Q(.*?)(?:\\E|\Z)|\\.", re.DOTALL)
_SINGLE = re.compile(
    rb"\\[pPC]|[\x80-\xff]|\\x[89A-Fa-f]|\\x\{0*(?:[89A-Fa-f][0-9A-Fa-f]|[1-9A-Fa-f][0-9A-Fa-f]{2,})\}|\\[2-7][0-7]{2}"
)
"""What an atom says of single characters beyond ASCII."""
_ASCII = frozenset(range(0x80))
_BEYOND = frozenset(range(0x80, 0x100))
_HEX = "[0-9A-Fa-f]"
_FURTHER = f"%[89ABab]{_HEX}"
_ONE_BEYOND = f"%[CDcd]{_HEX}{_FURTHER}|%[Ee]{_HEX}(?:{_FURTHER}){{2}}|%[Ff]{_HEX}(?:{_FURTHER}){{3}}|{_FURTHER}"
"""One character beyond ASCII, or an octet that is part of none."""
_SOME_BEYOND = f"(?:%[89A-Fa-f]{_HEX})+"
_ANYTHING = r"(?:[\s\S]*)"


@lru_cache(maxsize=4096)
def expression(pattern: str, reading: Reading) -> str:
    """RE2 for the paths in normal form that `pattern`, an expression of RE2, matches as they are read.

    Its groups stay what they are.  Of what cannot be decided (`possible`) only what is certain is matched; word
    boundaries are those of the normal form.
    """
    return pattern if reading is Reading.NORMAL else "".join(_Translation(reading, wide=False).of(pattern))


@lru_cache(maxsize=4096)
def possible(pattern: str, reading: Reading) -> str | None:
    """RE2 for what `pattern` may match beyond `expression`, among paths with a percent sign; None if nothing.

    Traefik knows properties (\\p{Lu}) and classes of single characters beyond ASCII, which take too much to say in
    octets; and where an encoded character ends, normal form knows no word boundary.
    """
    if reading is Reading.NORMAL:
        return None
    wide = _Translation(reading, wide=True)
    made = "".join(wide.of(pattern))
    return made if wide.undecided else None


class _Translation:
    """One expression on its way from what is read to normal form; `wide`: to all that it may match."""

    def __init__(self, reading: Reading, *, wide: bool) -> None:
        self._reading = reading
        self._wide = wide
        self._ignoring_case = [False]
        self.undecided = False

    def of(self, pattern: str) -> Iterator[str]:
        octets = _QUOTED.sub(_unquoted, pattern.encode("utf-8", "surrogatepass"))
        at = 0
        while at < len(octets):
            found = _TOKEN.match(octets, at)
            if found is None:
                yield self._unknown("", _ANYTHING)
                return
            if found.lastgroup == "character" and self._reading is Reading.DECODED:
                found = _OCTET.match(octets, at) or found
            at = found.end()
            yield self._token(found, _TOKEN.match(octets, at))

    def _token(self, found: re.Match[bytes], following: re.Match[bytes] | None) -> str:
        text = found[0].decode("latin-1")
        match found.lastgroup:
            case "hex" | "digits" | "octal":
                return self._number(int(found[found.lastgroup], 8 if found.lastgroup == "octal" else 16))
            case "character":
                return self._character(found[0].decode("utf-8", "surrogatepass"))
            case "class" | "octet" | "property":
                unbounded = following is not None and following[0] in (b"*", b"+")
                return self._atom(found[0], unbounded=unbounded)
            case "boundary":
                return self._unknown(text, "")
            case "group":
                _enter(text, self._ignoring_case)
            case _ if text == ")" and len(self._ignoring_case) > 1:
                self._ignoring_case.pop()
        return text

    def _unknown(self, certain: str, wide: str) -> str:
        self.undecided = True
        return wide if self._wide else certain

    def _number(self, value: int) -> str:
        """A character by its number: to nginx that of an octet, to Traefik that of a character."""
        if value < 0x80 or (value < 0x100 and self._reading is Reading.DECODED):
            return self._atom(b"\\x%02X" % value, unbounded=False)
        if self._reading is Reading.DECODED or value > 0x10FFFF or 0xD800 <= value < 0xE000:
            return self._unknown(_NEVER, _ANYTHING)
        return self._character(chr(value))

    def _character(self, character: str) -> str:
        cases = {character, character.lower(), character.upper()} if self._ignoring_case[-1] else {character}
        return f"(?:{'|'.join(filter(None, (spelt(case, self._reading) for case in sorted(cases))))})"

    def _atom(self, text: bytes, *, unbounded: bool) -> str:
        octets = _matched(text, self._ignoring_case[-1])
        if octets is not None and (self._reading is Reading.DECODED or not _SINGLE.search(text)):
            return _one_of(text.decode("latin-1"), octets, self._reading, unbounded=unbounded)
        self.undecided = True
        ways = _ways(_matched_of_ascii(text, self._ignoring_case[-1]), self._reading)
        ways += [_SOME_BEYOND] if self._wide else []
        return f"(?:{'|'.join(ways)})" if ways else _NEVER


_OCTET = re.compile(rb"(?P<octet>.)", re.DOTALL)


def _unquoted(found: re.Match[bytes]) -> bytes:
    return found[0] if found[1] is None else re.escape(found[1])


def _enter(group: str, ignoring_case: list[bool]) -> None:
    """Whether case counts in a group, or from here on."""
    on, _, off = group.strip("(?:)").partition("-") if "<" not in group else ("", "", "")
    now = "i" not in off and ("i" in on or ignoring_case[-1])
    if group.startswith("(?") and group.endswith(")"):
        ignoring_case[-1] = now
    else:
        ignoring_case.append(now)


def _one_of(text: str, octets: frozenset[int], reading: Reading, *, unbounded: bool) -> str:
    """One octet's worth of an expression; what takes any number of any octets stays as it is."""
    coded = octets & _DECODES[reading]
    everything = coded >= _DECODES[reading] - _CONTROL and octets >= _DIGITS and _PERCENT in octets
    if (not coded and (_PERCENT not in octets or len(octets) == 1)) or (unbounded and everything):
        return text
    ways = _ways(octets, reading)
    return f"(?:{'|'.join(ways)})" if ways else _NEVER


@lru_cache(maxsize=4096)
def _matched(text: bytes, ignoring_case: bool) -> frozenset[int] | None:
    """The octets that an atom matches, a dot line breaks as well; None if it speaks of more than octets.

    Case is a matter of ASCII only, as in nginx.
    """
    encoding = re2.Options.Encoding.LATIN1
    try:
        beyond = _among(text, _BEYOND, encoding, ignore_case=False)
        return beyond | _among(text, _ASCII, encoding, ignore_case=ignoring_case)
    except re2.error:
        return None


@lru_cache(maxsize=4096)
def _matched_of_ascii(text: bytes, ignoring_case: bool) -> frozenset[int]:
    """The characters of ASCII that an atom matches; none where RE2 takes no such atom."""
    try:
        return _among(text, _ASCII, re2.Options.Encoding.UTF8, ignore_case=ignoring_case)
    except re2.error:
        return frozenset()


def _among(text: bytes, octets: Iterable[int], encoding: re2.Options.Encoding, *, ignore_case: bool) -> frozenset[int]:
    options = re2.Options()
    options.encoding = encoding
    options.dot_nl, options.case_sensitive = True, not ignore_case
    options.log_errors = False
    return frozenset(found[0] for found in re2.compile(text, options).findall(bytes(octets)))


def _ways(octets: frozenset[int], reading: Reading) -> list[str]:
    """RE2 for the ways to write one octet of these."""
    plain, coded = octets & _PLAIN, octets & _DECODES[reading]
    if reading is Reading.RESERVED_KEPT and _PERCENT in octets:
        if octets >= _DIGITS:
            coded |= _KEPT
        else:
            plain |= {_PERCENT}
    if reading is Reading.RESERVED_KEPT and octets >= _BEYOND:  # to Go, characters
        ascii_ = _ways(octets & _ASCII, reading)
        return [*ascii_, _ONE_BEYOND]
    return ([_class(plain)] if plain else []) + (_codes(coded) if coded else [])


def _class(octets: frozenset[int]) -> str:
    if octets == _PLAIN:
        return "[^%]"
    if octets == _PLAIN - {ord("/")}:
        return "[^%/]"
    if len(octets) == 1:
        return str(re2.escape(chr(*octets)))
    return f"[{''.join(_ranges(octets))}]"


def _ranges(octets: Iterable[int]) -> Iterator[str]:
    runs: list[list[int]] = []
    for octet in sorted(octets):
        if runs and runs[-1][1] == octet - 1:
            runs[-1][1] = octet
        else:
            runs.append([octet, octet])
    for first, last in runs:
        yield (
            f"{_in_class(first)}-{_in_class(last)}"
            if last > first + 1
            else "".join(_in_class(octet) for octet in range(first, last + 1))
        )


def _in_class(octet: int) -> str:
    return ("\\" if chr(octet) in "\\]^-[" else "") + chr(octet)


def _codes(octets: frozenset[int]) -> list[str]:
    """Percent-encoded octets, those that begin or end alike together."""
    if octets >= _ENCODED - _CONTROL:
        return ["%[0-9A-Fa-f]{2}"]
    ends: dict[str, str] = {}
    for octet in sorted(octets):
        digits = f"{octet:02X}"
        ends[digits[0]] = ends.get(digits[0], "") + digits[1]
    begins: dict[str, str] = {}
    for high, lows in ends.items():
        begins[lows] = begins.get(lows, "") + high
    return [f"%{_digit(highs)}{_digit(lows)}" for lows, highs in begins.items()]


def _digit(digits: str) -> str:
    """One hexadecimal digit of these."""
    if len(digits) == 1 and digits.isdigit():
        return digits
    if len(digits) == 16:
        return "[0-9A-Fa-f]"
    return f"[{''.join(digit if digit.isdigit() else digit + digit.lower() for digit in digits)}]"
