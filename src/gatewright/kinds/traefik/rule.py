"""The grammar of Traefik's routing rules: text to expression.

    rule    = and { "||" and }          unary   = { "!" } ( "(" rule ")" | matcher )
    and     = unary { "&&" unary }      matcher = NAME "(" STRING { "," STRING } [ "," ] ")"

A rule is a Go expression and its strings are Go strings: raw between backticks, with escapes between double
quotes.  As in Go, a line may end after an operator, a comma or an opening parenthesis and nowhere else.
This module knows which matchers exist and nothing of what they mean; that is `match`.
"""

from __future__ import annotations

import difflib
import enum
import re
from typing import NamedTuple

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.base.problem import Problem

_MAX_DEPTH = 64


class Syntax(enum.StrEnum):
    """Which matchers a rule may use."""

    HTTP = "http"
    HTTP_V2 = "http v2"
    TCP = "tcp"
    TCP_V2 = "tcp v2"


MATCHERS = {
    Syntax.HTTP: (
        "ClientIP",
        "Header",
        "HeaderRegexp",
        "Host",
        "HostRegexp",
        "Method",
        "Path",
        "PathPrefix",
        "PathRegexp",
        "Query",
        "QueryRegexp",
    ),
    Syntax.HTTP_V2: (
        "ClientIP",
        "Headers",
        "HeadersRegexp",
        "Host",
        "HostHeader",
        "HostRegexp",
        "Method",
        "Path",
        "PathPrefix",
        "Query",
    ),
    Syntax.TCP: ("ALPN", "ClientIP", "HostSNI", "HostSNIRegexp"),
    Syntax.TCP_V2: ("ALPN", "ClientIP", "HostSNI", "HostSNIRegexp"),
}


class Matcher(Struct, frozen=True):
    """One call, `name` in its canonical spelling; `column` counts from 1 and is no part of its identity."""

    name: str
    values: tuple[str, ...]
    column: int = 0


class Not(Struct, frozen=True):
    part: Expression


class And(Struct, frozen=True):
    parts: tuple[Expression, ...]


class Or(Struct, frozen=True):
    parts: tuple[Expression, ...]


Expression = Matcher | Not | And | Or


class Token(NamedTuple):
    """`kind` is the text itself for punctuation, else "name", "string", "newline" or "end"."""

    kind: str
    text: str
    column: int


class RuleError(Exception):
    """Where and why parsing stopped; becomes a Problem before it leaves this module."""

    def __init__(self, column: int, message: str) -> None:
        super().__init__(message)
        self.column = column
        self.message = message


_LEXEME = re.compile(
    r"""(?P<space>[ \t\r]+)|(?P<newline>\n)|(?P<name>[A-Za-z_][A-Za-z_0-9]*)
      |`(?P<raw>[^`]*)`|"(?P<quoted>(?:[^"\\\n]|\\.)*)"|(?P<mark>&&|\|\||[!(),])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:([abfnrtv\\\"])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|.)")
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}
_WRONG = {
    "'": "strings take backticks or double quotes, not single quotes",
    "`": "the string that starts here has no closing backtick",
    '"': "the string that starts here has no closing double quote on its line",
    "&": "a single '&': did you mean '&&'?",
    "|": "a single '|': did you mean '||'?",
}


def parse(rule: str, syntax: Syntax, origin: Origin) -> tuple[Expression | None, tuple[Problem, ...]]:
    """The expression of a rule, or None and what is wrong with it.  Never raises."""
    try:
        return _Parser(_tokens(rule), syntax).rule(), ()
    except RuleError as error:
        message = f"rule {_shorten(rule)}, column {error.column}: {error.message}"
        return None, (Problem("traefik-rule-syntax", message, origin),)


def _shorten(rule: str) -> str:
    line = " ".join(rule.split())
    return f"`{line}`" if len(line) <= 80 else f"`{line[:77]}...`"


def _tokens(rule: str) -> list[Token]:
    """The tokens of a rule with line ends only where Go would end the expression, and an "end"."""
    tokens: list[Token] = []
    at = 0
    while at < len(rule):
        found = _LEXEME.match(rule, at)
        if found is None:
            raise RuleError(at + 1, _WRONG.get(rule[at], f"unexpected {rule[at]!r}"))
        column, at = at + 1, found.end()
        match found.lastgroup:
            case "newline":
                if tokens and tokens[-1].kind in ("name", "string", ")"):
                    tokens.append(Token("newline", "\n", column))
            case "raw":
                tokens.append(Token("string", found["raw"].replace("\r", ""), column))
            case "quoted":
                tokens.append(Token("string", _unquote(found["quoted"], column), column))
            case "name":
                tokens.append(Token("name", found["name"], column))
            case "mark":
                tokens.append(Token(found["mark"], found["mark"], column))
    if tokens and tokens[-1].kind == "newline":
        tokens.pop()
    tokens.append(Token("end", "", len(rule) + 1))
    return tokens


def _unquote(text: str, column: int) -> str:
    """The value of a double-quoted Go string; `\\x` and octal escapes are taken as code points below 128."""

    def value(found: re.Match[str]) -> str:
        simple, octal, byte, short, long = found.groups()
        if simple:
            return _SIMPLE[simple]
        number = int(octal, 8) if octal else int(byte or short or long or "-1", 16)
        limit = 0x80 if octal or byte else 0x110000
        if not 0 <= number < limit or 0xD800 <= number < 0xE000:
            raise RuleError(column + 1 + found.start(), f"unsupported escape {found[0]} in a string")
        return chr(number)

    return _ESCAPE.sub(value, text)


class _Parser:
    """Recursive descent over the tokens of one rule."""

    def __init__(self, tokens: list[Token], syntax: Syntax) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._syntax = syntax
        self._names = _spellings(syntax)

    def rule(self) -> Expression:
        if self._tokens[0].kind == "end":
            raise RuleError(1, "the rule is empty")
        expression = self._or()
        token = self._tokens[self._at]
        if token.kind != "end":
            raise self._unexpected(token, "'&&', '||' or the end of the rule")
        return expression

    def _or(self) -> Expression:
        parts = [self._and()]
        while self._take("||"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _and(self) -> Expression:
        parts = [self._unary()]
        while self._take("&&"):
            parts.append(self._unary())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _unary(self) -> Expression:
        negate = False
        while self._take("!"):
            negate = not negate
        token = self._tokens[self._at]
        if self._take("("):
            self._depth += 1
            if self._depth > _MAX_DEPTH:
                raise RuleError(token.column, f"parentheses are nested deeper than {_MAX_DEPTH}")
            expression = self._or()
            self._depth -= 1
            self._expect(")", "')'")
        elif token.kind == "name":
            expression = self._matcher()
        else:
            raise self._unexpected(token, "a matcher such as Host(`example.com`)")
        return Not(expression) if negate else expression

    def _matcher(self) -> Matcher:
        token = self._tokens[self._at]
        name = self._names.get(token.text)
        if name is None:
            raise RuleError(token.column, _unknown(token.text, self._syntax, self._names))
        self._at += 1
        self._expect("(", f"'(' after {token.text}")
        values: list[str] = []
        while self._tokens[self._at].kind == "string":
            values.append(self._tokens[self._at].text)
            self._at += 1
            if not self._take(","):
                break
        self._expect(")", "',' or ')'" if values else "a string in backticks or double quotes")
        return Matcher(name, tuple(values), token.column)

    def _take(self, kind: str) -> bool:
        if self._tokens[self._at].kind != kind:
            return False
        self._at += 1
        return True

    def _expect(self, kind: str, wanted: str) -> None:
        if not self._take(kind):
            raise self._unexpected(self._tokens[self._at], wanted)

    @staticmethod
    def _unexpected(token: Token, wanted: str) -> RuleError:
        if token.kind == "newline":
            return RuleError(token.column, "a line may end only after '&&', '||', '(' or ','; Traefik refuses this one")
        found = "the end of the rule" if token.kind == "end" else f"{token.text!r}"
        return RuleError(token.column, f"expected {wanted}, found {found}")


def _spellings(syntax: Syntax) -> dict[str, str]:
    """The spellings that Traefik accepts of each matcher: as documented, lower, upper and title case."""
    return {
        spelling: name
        for name in MATCHERS[syntax]
        for spelling in (name, name.lower(), name.upper(), name.lower().capitalize())
    }


def _unknown(name: str, syntax: Syntax, known: dict[str, str]) -> str:
    """The message for a matcher that this syntax does not have."""
    kind = "TCP" if syntax in (Syntax.TCP, Syntax.TCP_V2) else "HTTP"
    same = next((n for n in MATCHERS[syntax] if n.lower() == name.lower()), None)
    if same:
        return f"{name} is not a spelling that Traefik knows: did you mean {same}?"
    elsewhere = [s for s in Syntax if name in MATCHERS[s]]
    close = difflib.get_close_matches(name.lower(), [n.lower() for n in MATCHERS[syntax]], n=1, cutoff=0.6)
    hint = f": did you mean {known[close[0]]}?" if close else f"; known are {', '.join(MATCHERS[syntax])}"
    if elsewhere and not close:
        hint = f"; it belongs to {elsewhere[0].value} rules"
    version = " in syntax v2" if syntax in (Syntax.HTTP_V2, Syntax.TCP_V2) else ""
    return f"{name} is no {kind} matcher{version}{hint}"
