"""Annotations of ingress-nginx (nginx.ingress.kubernetes.io/*), of versions 1.0 to 1.14 and what older ones had.

The order in which nginx goes through a request decides what comes first: redirects (its rewrite phase), limits, then
who may pass, then headers and the backend.  The topics are in `routing`, `auth`, `answers`,
`backends` and `statements`; `features` is the table, `settings` the controller's ConfigMap.
"""

from __future__ import annotations

from msgspec import structs

from gatewright.base.problem import Severity
from gatewright.kinds.annotations import table
from gatewright.kinds.annotations.names import NGINX
from gatewright.kinds.annotations.nginx import answers as nginx_answers
from gatewright.kinds.annotations.nginx import auth as nginx_auth
from gatewright.kinds.annotations.nginx import backends as nginx_backends
from gatewright.kinds.annotations.nginx import features as nginx_features
from gatewright.kinds.annotations.nginx import routing as nginx_routing
from gatewright.kinds.annotations.nginx import settings as nginx_settings
from gatewright.kinds.annotations.nginx import statements as nginx_statements
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.annotations.reader import Reader
from gatewright.kinds.features import Compatibility
from gatewright.kinds.intents.filters import BasicAuth
from gatewright.kinds.intents.options import NOTHING, Options, laid_over

IMPLEMENTATION = "ingress-nginx"
_SNIPPETS = (
    ("server-snippet", nginx_statements.SERVER),
    ("configuration-snippet", nginx_statements.LOCATION),
)
_ALL_SNIPPETS = ("auth-snippet", "configuration-snippet", "modsecurity-snippet", "server-snippet", "stream-snippet")
_OFF = {
    "affinity-mode": "persistent",
    "load-balance": "round_robin",
    "mirror-request-body": "on",
    "proxy-cookie-domain": "off",
    "proxy-cookie-path": "off",
    "proxy-http-version": "1.1",
    "proxy-redirect-from": "off",
    "proxy-redirect-to": "off",
}
"""Values that say what holds anyhow."""
_KNOWN = table.by_name(nginx_features.FEATURES, NGINX)


def read(notes: Notes) -> Options:
    """The options of one Ingress."""
    found = NOTHING
    for part in (nginx_routing.read, nginx_answers.read, nginx_auth.read, nginx_backends.read):
        found = _together(found, part(notes))
    found = _with_lists_of_both(found, _snippets(notes))
    _tell_whom_any_keeps_out(found, notes)
    if "canary" in notes and found.canary is not None:
        found = _of_a_canary(found)
        _tell_what_a_canary_lacks(notes)
    refusal = table.judge(_worth_telling(notes), _KNOWN, nginx_features.LOCKS)
    return _together(found, Options(unbuildable=refusal, foreign=tuple(notes.foreign)))


def _together(found: Options, part: Options) -> Options:
    """Both, with the reason that was found first."""
    both = laid_over(found, part)
    return structs.replace(both, unbuildable=found.unbuildable) if found.unbuildable else both


def _with_lists_of_both(found: Options, snippets: Options) -> Options:
    """With what snippets say, whose lists of addresses come behind those of annotations: these say first whom they
    allow, and that all others are denied.
    """
    deny = snippets.deny
    if deny is not None and found.deny is not None:
        deny = structs.replace(deny, cidrs=tuple(dict.fromkeys((*found.deny.cidrs, *deny.cidrs))))
    return _together(found, structs.replace(snippets, allow=found.allow or snippets.allow, deny=deny))


def _of_a_canary(found: Options) -> Options:
    """A canary has only what says who goes there, and how its backends are chosen; the rest is the other route's."""
    return Options(
        canary=found.canary,
        persistence=found.persistence,
        hash=found.hash,
        upstream=found.upstream,
        unbuildable=found.unbuildable,
        foreign=found.foreign,
        scheme=found.scheme,
    )


def _tell_what_a_canary_lacks(notes: Notes) -> None:
    """Whoever repeats a lock on a canary, as is usual, may believe that this one counts."""
    names = [name for name in notes.names() if table.LOCK.search(name) and not name.startswith("cors-")]
    if names:
        message = f"{', '.join(names)} of a canary: what the Ingress says that it is a canary of counts in their place"
        notes.tell(Severity.INFO, "annotation-without-effect", message, names[0])


def _tell_whom_any_keeps_out(found: Options, notes: Notes) -> None:
    """With `satisfy any`, who is denied passes with credentials, and others may pass without; not so here."""
    asks = found.auth or any(isinstance(item, BasicAuth) for item in found.filters)
    if not (found.satisfy_any and found.deny and asks):
        return
    said = ("satisfy", *(name for name, _ in _SNIPPETS if "satisfy" in (notes.text(name) or "")))
    instead = "beside denied addresses, these get 403 whatever they send, and others are asked for credentials"
    notes.unsupported(
        next(name for name in said if name in notes), instead, "allow those who need no credentials, and then deny all"
    )


def _snippets(notes: Notes) -> Options:
    """What the snippets amount to.  One that is not allowed at a door is that door's business."""
    found = NOTHING
    for name, place in _SNIPPETS:
        found = _together(found, nginx_statements.read(notes, name, place))
    if any(notes.text(name) is not None for name in _ALL_SNIPPETS):
        found = laid_over(found, Options(snippets=True))
    return found


def _worth_telling(notes: Notes) -> Notes:
    """The notes without those values that say what holds anyhow, and one half of a pair that is one thing."""
    if not any(name in notes for name in _OFF):
        return notes
    names = {notes.prefix + name: notes.text(name) or "" for name in notes.names()}
    for name, value in _OFF.items():
        if (notes.text(name) or "").lower() in (value, "default"):
            names.pop(notes.prefix + name, None)
    if notes.prefix + "proxy-redirect-from" not in names or "proxy-redirect-from" in notes:
        names.pop(notes.prefix + "proxy-redirect-to", None)
    left = Notes(names, notes.owner, notes.origin, notes.prefix)
    left.problems = notes.problems
    return left


READER = Reader(
    implementation=IMPLEMENTATION,
    prefix=NGINX,
    read=read,
    compatibility=(
        Compatibility(
            "ingress-nginx: annotations",
            "ingress-nginx 1.14, and what older versions had",
            "annotation",
            nginx_features.FEATURES,
            "Snippets are off in the controller since 1.9 unless its ConfigMap or the site map says otherwise; where"
            " they are known to be off, an Ingress with one answers 503. Paths are compared decoded, as nginx does it:"
            " `/a%2Bb` is `/a+b`, and a `%` in the path of a rule is a percent sign. Beyond ASCII, a dot or a class of"
            " an expression stands for one octet, as there.",
        ),
        nginx_settings.COMPATIBILITY,
    ),
    class_wide=nginx_settings.read,
    usual=nginx_settings.USUAL,
    rules=nginx_routing.rules,
)
