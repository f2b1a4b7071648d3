"""Go regular expressions and their replacement templates, in the RE2 form that intents carry.

Go's `regexp` and RE2 share their syntax, so a pattern is checked, never translated.  What differs is use:
Traefik searches for a pattern anywhere in a value, an intent wants to match the whole of it; and a Go
template names groups `$1` or `${name}` where RE2 writes `\\1`.  Not a matcher: engines and trace match.
"""

from __future__ import annotations

import re

import re2

_TEMPLATE = re.compile(r"\$(?:\$|\{(?P<braced>\w+)\}|(?P<bare>\w+))", re.ASCII)
_MULTILINE = re.compile(r"\(\?[a-zA-Z]*m")
_MAX_GROUP = 9  # RE2 rewrites know \0 to \9


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    return options


def compile_re2(pattern: str) -> re2._Regexp | str:
    """The compiled pattern, or RE2's own explanation of what is wrong with it."""
    try:
        return re2.compile(pattern, _options())
    except re2.error as error:
        reason = error.args[0] if error.args else "invalid"
        return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
    except UnicodeEncodeError:
        return "it holds characters that are not valid Unicode"


def explain(pattern: str) -> str:
    """What is wrong with `pattern`, "" if nothing is."""
    compiled = compile_re2(pattern)
    return compiled if isinstance(compiled, str) else ""


def full_match(pattern: str) -> str:
    """A pattern that matches a whole value exactly when `pattern` is found somewhere in it."""
    plain = "|" not in pattern and "\\Q" not in pattern and not _MULTILINE.search(pattern)
    start = "" if plain and re.match(r"\^(?![*+?{])", pattern) else "(?s:.*)"
    end = "" if plain and re.search(r"(?<!\\)(?:\\\\)*\$$", pattern) else "(?s:.*)"
    return f"{start}(?:{pattern}){end}" if start or end else pattern


def replacement(template: str, pattern: str) -> tuple[str, str]:
    """A Go template for groups of `pattern` in RE2's form, and what cannot be expressed ("" if all can).

    As in Go: `$$` is a dollar sign, a name is as long as it can be (`$1x` is the group `1x`), and a group
    that does not exist is empty.
    """
    compiled = compile_re2(pattern)
    if isinstance(compiled, str):
        return "", compiled
    out: list[str] = []
    end = 0
    for found in _TEMPLATE.finditer(template):
        out.append(template[end : found.start()].replace("\\", "\\\\"))
        end = found.end()
        name = found["braced"] or found["bare"]
        if not name:
            out.append("$")
            continue
        number = int(name) if name.isdigit() and len(name) < 6 else compiled.groupindex.get(name)
        if number is None or number > compiled.groups:
            continue
        if number > _MAX_GROUP:
            return "", f"only the groups 0 to {_MAX_GROUP} can be used, not {number}"
        out.append(f"\\{number}")
    out.append(template[end:].replace("\\", "\\\\"))
    return "".join(out), ""
