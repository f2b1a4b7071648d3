"""The Caddyfile syntax of a Corefile: text to server blocks and directives.  What they mean is for `corefile`."""

from __future__ import annotations

import re

from msgspec import Struct

from gatewright.kinds.programs import configtext
from gatewright.kinds.programs.configtext import Notes, clip

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(#.*)|([^\s]+)')
_VARIABLE = re.compile(r"\{\$[^}]*\}|\{%[^}]*%\}")
_MAX_DIRECTIVES = 50_000
_MAX_DEPTH = 4


class Directive(Struct):
    """A line: its first word, the others, and the lines of its block."""

    name: str
    arguments: tuple[str, ...]
    line: int
    body: list[Directive]


class Block(Struct):
    """A server block: its keys as written, and its directives."""

    keys: list[str]
    line: int
    body: list[Directive]


def blocks_of(text: str, notes: Notes) -> list[Block]:
    """The server blocks, snippets put in where they are imported."""
    found = _Parsing(notes).run(text)
    snippets = {block.keys[0]: block.body for block in found if _is_snippet(block)}
    importing = _Importing(snippets, notes)
    return [
        Block(block.keys, block.line, importing.expand(block.body, ())) for block in found if not _is_snippet(block)
    ]


def _is_snippet(block: Block) -> bool:
    return len(block.keys) == 1 and block.keys[0].startswith("(") and block.keys[0].endswith(")")


def _words(line: str) -> list[str]:
    """The words of a line; quotes hold words together, # begins a comment where a word would."""
    found = []
    for quoted, comment, word in _WORD.findall(line):
        if comment:
            break
        found.append(word or quoted.replace('\\"', '"'))
    return found


class _Parsing:
    """Goes through the lines with a stack of open blocks."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._blocks: list[Block] = []
        self._keys: list[str] = []
        self._keys_line = 0
        self._open: list[list[Directive]] = []
        self._count = 0

    def run(self, text: str) -> list[Block]:
        line = 0
        for line, raw in configtext.lines_of(text):
            words = _words(raw)
            if words:
                self._line(words, line)
            if self._count > _MAX_DIRECTIVES:
                self._notes.error("document-too-large", f"more than {_MAX_DIRECTIVES} lines are not read", line)
                return self._blocks
            if _VARIABLE.search(raw) is not None and not raw.lstrip().startswith("#"):
                self._notes.warning("unresolved-variable", "a variable of the environment is not known here", line)
        if self._open:
            self._notes.error("syntax", "a block is not closed: there is a } too few", line)
        elif self._keys:
            self._take_keyless(line)
        return self._blocks

    def _line(self, words: list[str], line: int) -> None:
        """One line: braces open and close blocks wherever they stand as words of their own."""
        at = 0
        for end in [index for index, word in enumerate(words) if word in ("{", "}")]:
            if not self._open:
                self._outside(words[at : end + 1], line)
            else:
                body = self._directive(words[at:end], line)
                if words[end] == "}":
                    self._open.pop()
                elif len(self._open) <= _MAX_DEPTH:
                    self._open.append(body)
                else:
                    self._notes.error("syntax", "blocks are nested too deep", line)
            at = end + 1
        if at < len(words):
            if self._open:
                self._directive(words[at:], line)
            else:
                self._outside(words[at:], line)

    def _directive(self, words: list[str], line: int) -> list[Directive]:
        """Adds a directive to the innermost open block; the answer is its own block, to be filled."""
        body: list[Directive] = []
        if words:
            self._count += 1
            self._open[-1].append(Directive(words[0], tuple(words[1:]), line, body))
        return body

    def _outside(self, words: list[str], line: int) -> None:
        """Keys of the next server block, over one or more lines."""
        if words[0] == "}":
            self._notes.error("syntax", "there is a } too many", line)
            return
        if words[0] == "import" and not self._keys:
            self._notes.info("unsupported-option", f"import: what {clip(' '.join(words[1:]))} says is not known", line)
            return
        if not self._keys:
            self._keys_line = line
        opens = words[-1] == "{"
        keys = words[:-1] if opens else words
        self._keys += [key for word in keys for key in word.split(",") if key]
        if opens:
            body: list[Directive] = []
            self._blocks.append(Block(self._keys or ["."], self._keys_line, body))
            self._keys = []
            self._open.append(body)

    def _take_keyless(self, line: int) -> None:
        self._notes.error("syntax", f"no block belongs to {clip(' '.join(self._keys))}", line, "a { is missing")


class _Importing:
    """Puts snippets in place of their `import`; the count of directives bounds what they may become."""

    def __init__(self, snippets: dict[str, list[Directive]], notes: Notes) -> None:
        self._snippets = snippets
        self._notes = notes
        self._count = 0

    def expand(self, body: list[Directive], inside: tuple[str, ...]) -> list[Directive]:
        """The directives with those of imported snippets; `inside` are the snippets that we are in."""
        found: list[Directive] = []
        for directive in body:
            self._count += 1
            if self._count > _MAX_DIRECTIVES:
                self._notes.error("document-too-large", "snippets make the file too large to read", directive.line)
                return found
            if directive.name != "import":
                found.append(directive)
                continue
            for name in directive.arguments[:1]:
                snippet = self._snippets.get(f"({name})")
                if snippet is None:
                    message = f"import: what {clip(name)} says is not known"
                    self._notes.info("unsupported-option", message, directive.line)
                elif name in inside or len(inside) > _MAX_DEPTH:
                    self._notes.error("syntax", f"the snippet {clip(name)} imports itself", directive.line)
                else:
                    found += self.expand(snippet, (*inside, name))
        return found
