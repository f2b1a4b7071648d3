"""nginx configuration in annotations and ConfigMaps, read as statements.

Only the grammar (nginx.org, "Configuration file's structure"): words, quotes, comments, blocks, and blocks of Lua,
whose text is not looked into.  Text of any kind is read without an exception; what is no configuration is an error with
its line.  Counterpart: `statements`, what the statements mean.
"""

from __future__ import annotations

import re

from msgspec import Struct

MOST = 65536
DEPTH = 8
_WORD_ENDS = frozenset(" \t\r\n;{}")
_ESCAPES = {"t": "\t", "r": "\r", "n": "\n"}


class Statement(Struct, frozen=True):
    """One directive with its arguments; `block` are those inside, None where there is none.

    `line` is its text as written, on one line; `number` counts lines from 1.  `raw`: a block that is not nginx's
    language (Lua).
    """

    name: str
    arguments: tuple[str, ...]
    line: str
    number: int
    block: tuple[Statement, ...] | None = None
    raw: bool = False


class Unreadable(Struct, frozen=True):
    """Why a text is no configuration, and in which line."""

    reason: str
    number: int


class _GrammarError(Exception):
    """Ends the reading; never leaves this module."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def parse(text: str) -> tuple[Statement, ...] | Unreadable:
    """The statements of a snippet."""
    if len(text) > MOST:
        return Unreadable(f"it is longer than {MOST} characters", 1)
    reader = _Reader(text)
    try:
        return reader.statements(0)
    except _GrammarError as failure:
        return Unreadable(failure.reason, text.count("\n", 0, reader.at) + 1)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def statements(self, depth: int) -> tuple[Statement, ...]:
        """Up to the end of the text, or of the block where there is one around."""
        found: list[Statement] = []
        while True:
            self._skip()
            if self.at >= len(self.text):
                if depth:
                    raise _GrammarError("a block is not closed")
                return tuple(found)
            if self.text[self.at] == "}":
                if not depth:
                    raise _GrammarError("a block is closed that was not opened")
                self.at += 1
                return tuple(found)
            found.append(self._statement(depth))

    def _statement(self, depth: int) -> Statement:
        start = self.at
        words: list[str] = []
        while True:
            self._skip()
            if self.at >= len(self.text):
                raise _GrammarError("a statement does not end in a semicolon")
            character = self.text[self.at]
            if character == "}":
                raise _GrammarError("a statement does not end in a semicolon")
            if character in ";{":
                break
            words.append(self._word())
        if not words:
            raise _GrammarError("a statement has no name")
        line = re.sub(r"\s+", " ", self.text[start : self.at]).strip()
        number = self.text.count("\n", 0, start) + 1
        self.at += 1
        name, *arguments = words
        if character == ";":
            return Statement(name, tuple(arguments), line, number)
        if name.endswith("_by_lua_block"):
            self._past_lua()
            return Statement(name, tuple(arguments), f"{line} {{ ... }}", number, (), raw=True)
        if depth >= DEPTH:
            raise _GrammarError(f"blocks are nested more than {DEPTH} deep")
        inside = self.statements(depth + 1)
        return Statement(name, tuple(arguments), line, number, inside)

    def _skip(self) -> None:
        """White space and comments."""
        while self.at < len(self.text):
            if self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif self.text[self.at].isspace():
                self.at += 1
            else:
                return

    def _word(self) -> str:
        quote = self.text[self.at]
        if quote in "'\"":
            return self._quoted(quote)
        found = []
        while self.at < len(self.text) and self.text[self.at] not in _WORD_ENDS:
            if self.text.startswith("${", self.at):  # a variable in braces is part of the word
                end = self.text.find("}", self.at)
                if end < 0:
                    raise _GrammarError("a variable is not closed")
                found.append(self.text[self.at : end + 1])
                self.at = end + 1
                continue
            found.append(self._character())
        return "".join(found)

    def _quoted(self, quote: str) -> str:
        self.at += 1
        found: list[str] = []
        while self.at < len(self.text):
            if self.text[self.at] == quote:
                self.at += 1
                if self.at < len(self.text) and self.text[self.at] not in _WORD_ENDS | {")"}:
                    raise _GrammarError("a quoted word goes on behind its quote")
                return "".join(found)
            found.append(self._character())
        raise _GrammarError("a quote is not closed")

    def _character(self) -> str:
        """One character, or the two of an escape: only quotes, spaces and `\\` itself lose their backslash."""
        one = self.text[self.at]
        if one != "\\" or self.at + 1 >= len(self.text):
            self.at += 1
            return one
        other = self.text[self.at + 1]
        self.at += 2
        if other in "'\"\\":
            return other
        return _ESCAPES.get(other, one + other)

    def _past_lua(self) -> None:
        """Behind the brace that closes a block of Lua, whose strings and comments may hold braces."""
        depth = 1
        token = re.compile(r"--\[\[.*?\]\]|--[^\n]*|\[\[.*?\]\]|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|[{}]", re.S)
        while found := token.search(self.text, self.at):
            self.at = found.end()
            depth += {"{": 1, "}": -1}.get(found[0], 0)
            if not depth:
                return
        self.at = len(self.text)
        raise _GrammarError("a block is not closed")
