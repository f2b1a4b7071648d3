"""What the gateway does to a path before rules see it, and what rules do to it afterwards.

Normalisation is that of the data plane's edge settings: dot segments resolved, backslashes and repeated slashes folded,
escaped slashes unescaped by a redirect, characters that a path cannot hold percent-encoded.
"""

from __future__ import annotations

import re
from urllib.parse import quote

import re2

from gatewright.base import percent
from gatewright.graph.paths import rooted
from gatewright.kinds.intents.filters import PathEdit, PathEditKind

_ESCAPED_SLASH = re.compile(r"%2f|%5c", re.IGNORECASE)
_UNRESERVED = re.compile(r"%(2d|2e|5f|7e|3[0-9]|[46][1-9a-f]|[57][0-9a])", re.IGNORECASE)

_IMPOSSIBLE = re.compile(r"[^!#-;=?-Z\[\]_a-z~]")


def normalise(path: str) -> tuple[str, bool]:
    """The path as rules see it, and whether the client is sent there by a redirect first (escaped slashes)."""
    unescaped = _ESCAPED_SLASH.sub(lambda m: "/" if m[0].lower() == "%2f" else "\\", path)
    redirected = unescaped != path
    text = _UNRESERVED.sub(lambda m: chr(int(m[1], 16)), unescaped).replace("\\", "/")
    text = _IMPOSSIBLE.sub(lambda m: quote(m[0], errors="surrogatepass"), text)
    segments: list[str] = []
    parts = text.split("/")[1:]
    for index, segment in enumerate(parts):
        last = index == len(parts) - 1
        if segment == "..":
            if segments:
                segments.pop()
            if last:
                segments.append("")
        elif segment == ".":
            if last:
                segments.append("")
        else:
            segments.append(segment)
    merged = re.sub(r"/{2,}", "/", "/" + "/".join(segments))
    return merged, redirected


def has_prefix(path: str, prefix: str) -> bool:
    """Does `path` start with `prefix` by whole segments (Gateway API PathPrefix, Ingress Prefix)?"""
    bare = prefix.rstrip("/")
    return path == bare or path.startswith(bare + "/")


def edit(path: str, change: PathEdit, matched_prefix: str = "") -> str:
    """The path (without query) after one edit.  `matched_prefix` is what the rule's prefix match consumed."""
    match change.kind:
        case PathEditKind.REPLACE:
            return rooted(change.value)
        case PathEditKind.ADD_PREFIX:
            return rooted(change.value + path)
        case PathEditKind.STRIP_PREFIX:
            for prefix in change.prefixes:
                # Traefik strips from the decoded path.
                if (left := percent.behind(path, prefix)) is not None:
                    return rooted(left)
            return path
        case PathEditKind.REPLACE_PREFIX:
            rest = path[len(matched_prefix.rstrip("/")) :]
            return rooted(change.value.rstrip("/") + rest)
        case PathEditKind.REGEX:
            return str(re2.sub(change.pattern, change.value, path))
