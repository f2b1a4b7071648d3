"""Paths that can be written in several ways, in random installations and in the requests to them.

The installations of `random_routes` and `random_dialects` have paths of unreserved characters.  Here some of these are
replaced, the same everywhere in an installation, by paths with reserved characters, with spaces and beyond ASCII, and
requests ask for them in every way that clients may write them.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

from support.random_routes import Asked, Manifest

PLAIN = ("/a", "/b", "/api", "/a/b", "/status")
ODD = (
    "/a+b",
    "/caf\u00e9",
    "/a b",
    "/a|b",
    "/a%2Bb",
    "/a%20b",
    "/100%",
    "/x;y=1",
    "/a\u00e9/b+",
    "/why?",
    "/(a)",
    "/a'b",
)
EXPRESSIONS = (r"/a\+b", "/a.b", "/caf.+", "/[^a-z]+", "/a[+ ]b(/|$)(.*)", "/caf\u00e9/(.*)", r"/a\wb", "/x[;|]y")
TARGETS = (
    *(
        "/a+b",
        "/a%2Bb",
        "/a%2bb/x",
        "/a+b/",
        "/a%252Bb",
        "/%61%2B%62",
        "/caf%C3%A9",
        "/caf%c3%a9/x",
        "/caf%E9",
        "/a%20b",
    ),
    *(
        "/a%20b/c",
        "/a%7Cb",
        "/a|b",
        "/a%7cb/",
        "/a%2520b",
        "/100%25",
        "/100%25/x",
        "/x;y=1",
        "/x%3By%3D1",
        "/x%3by=1/z",
    ),
    *("/a%C3%A9/b+", "/a%c3%A9/b%2B/c", "/why%3F", "/why%3f/x", "/(a)", "/%28a%29/x", "/(a%29", "/a'b", "/a%27b/c"),
    *("/a%2Bb/../a%2bb", "/x/%2e%2e/caf%C3%A9", "/a%2Fb%2Bc", "/a%5Cb", '/a"b', "/a%22b/", "/x%7Cy", "/a^b"),
)


def oddly(documents: list[Manifest], seed: int) -> list[Manifest]:
    """The installation with some of its paths replaced, in Ingresses, IngressRoutes and Middlewares."""
    random = Random(f"paths {seed}")
    instead = {path: random.choice(ODD) for path in PLAIN if random.random() < 0.7}
    expressions = {path: random.choice(EXPRESSIONS) for path in ("/[a-z]+", "/api/(.*)", "/[^/]+")}
    made = []
    for document in documents:
        copied = json.loads(json.dumps(document)) if document["kind"] in _EDITS else document
        if edit := _EDITS.get(document["kind"]):
            edit(copied, instead | expressions)
        made.append(copied)
    return made


def _ingress(document: Manifest, instead: dict[str, str]) -> None:
    for rule in document["spec"].get("rules", ()):
        for path in rule["http"]["paths"]:
            path["path"] = instead.get(path["path"], path["path"])


def _ingress_route(document: Manifest, instead: dict[str, str]) -> None:
    for route in document["spec"]["routes"]:
        route["match"] = re.sub(r"`(/[^`]*)`", lambda found: f"`{instead.get(found[1], found[1])}`", route["match"])


def _middleware(document: Manifest, instead: dict[str, str]) -> None:
    strip: Any = document["spec"].get("stripPrefix")
    if strip:
        strip["prefixes"] = [instead.get(prefix, prefix) for prefix in strip["prefixes"]]


_EDITS: dict[str, Callable[[Manifest, dict[str, str]], None]] = {
    "Ingress": _ingress,
    "IngressRoute": _ingress_route,
    "Middleware": _middleware,
}


def asked_oddly(asked: Callable[[Random], Asked]) -> Callable[[Random], Asked]:
    """The same requests, most of them for a path that can be written in several ways."""

    def ask(random: Random) -> Asked:
        one = asked(random)
        if random.random() < 0.2:
            return one
        _, mark, query = one.target.partition("?")
        return dataclasses.replace(one, target=random.choice(TARGETS) + mark + query)

    return ask
