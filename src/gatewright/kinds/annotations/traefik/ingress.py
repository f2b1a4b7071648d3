"""Annotations of Traefik on Ingresses (traefik.ingress.kubernetes.io/router.*), which it reads without regard to case.

Which entry points an Ingress is at and which TLSOption it has is no option but where it attaches and what it asks of
TLS: `entry_points` and `tls` say so to `kubernetes.ingress`.  What Traefik reads of Services (service.*) is in
`graph.resolve.upstreams.service_annotations`; on an Ingress it has no effect.  What becomes of each is in `features`.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import structs

from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.kinds import syntax
from gatewright.kinds.annotations import table
from gatewright.kinds.annotations.names import TRAEFIK
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.annotations.reader import Reader
from gatewright.kinds.annotations.traefik import features as traefik_features
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import TlsUse
from gatewright.kinds.intents.filters import Filter, FilterRef, Refuse
from gatewright.kinds.intents.options import Options
from gatewright.kinds.intents.routing import Match, PathKind, PathMatch, RuleIntent
from gatewright.kinds.traefik.regex import full_match

_PROVIDER = "kubernetescrd"
_NOT_FOUND = 404  # what Traefik answers where a router cannot be built
_ON = ("true", "1", "t", "yes", "enabled")
_OFF = ("false", "0", "f", "no", "disabled")
_MATCHERS = {"path": PathKind.EXACT, "pathprefix": PathKind.RAW_PREFIX, "pathregexp": PathKind.REGEX}


def read(notes: Notes) -> Options:
    """The options of one Ingress."""
    folded = _folded(notes)
    filters = _middlewares(folded)
    if (folded.text("router.tls") or _ON[0]).lower() not in (*_ON, *_OFF):
        folded.bad("router.tls", "true or false", "it has no effect")
    known = table.by_name(traefik_features.INGRESS.features + traefik_features.SERVICE.features, TRAEFIK)
    for name in folded.names():
        if name.startswith("service."):
            folded.tell(
                Severity.WARNING,
                "unsupported-annotation",
                f"{TRAEFIK}{name} has no effect on an Ingress",
                name,
                "put it on the Service",
            )
        elif name.startswith("router.tls.domains."):
            known = {**known, name: traefik_features.DOMAINS}
    refusal = table.judge(folded, known, traefik_features.LOCKS)
    if folded is not notes:
        notes.problems += folded.problems
    return Options(filters=filters, unbuildable=refusal)


def rules(notes: Notes, given: tuple[RuleIntent, ...]) -> tuple[RuleIntent, ...]:
    """The rules with the priority and the matcher for paths without a type that annotations give them."""
    folded = _folded(notes)
    priority = _priority(folded)
    kind = _matcher(folded)
    notes.problems += folded.problems if folded is not notes else []
    return tuple(_rule(rule, priority, kind) for rule in given)


def entry_points(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """The entry points that an Ingress asks for, () for the usual ones."""
    asked = _values(annotations).get("router.entrypoints", "")
    return tuple(name for part in asked.split(",") if (name := part.strip()))


def tls(annotations: Mapping[str, str], owner: Key, origin: Origin) -> TlsUse | None:
    """TLS as the annotations of an Ingress ask for it; options that cannot be meant refer to what does not exist."""
    said = _values(annotations)
    asked = [name for name in said if name.startswith("router.tls.")]
    if not asked and said.get("router.tls", "").strip().lower() not in _ON:
        return None
    options = None
    if reference := said.get("router.tls.options", "").strip():
        readings = meanings("TLSOption", reference, owner.namespace)
        options = readings[0] if readings else Key("TLSOption", owner.namespace, reference)
    name = next(name for name in annotations if name.lower().startswith(f"{TRAEFIK}router.tls"))
    return TlsUse(origin.at("metadata", "annotations", name), options=options)


def meanings(kind: str, reference: str, own: str) -> tuple[Key, ...]:
    """What `namespace-name@kubernetescrd` may mean, the likeliest first; () for what no manifest holds.

    Both parts may have dashes, so there are as many readings; one in the object's own namespace goes first.
    """
    plain, at, provider = reference.strip().rpartition("@")
    if not at or provider != _PROVIDER:
        return ()
    cuts = [index for index, character in enumerate(plain) if character == "-"]
    found = [Key(kind, plain[:cut], plain[cut + 1 :]) for cut in cuts]
    found = [key for key in found if syntax.is_dns_label(key.namespace) and syntax.is_dns_subdomain(key.name)]
    return tuple(sorted(found, key=lambda key: key.namespace != own))


def _values(annotations: Mapping[str, str]) -> dict[str, str]:
    return {
        name.lower().removeprefix(TRAEFIK): value
        for name, value in annotations.items()
        if name.lower().startswith(TRAEFIK)
    }


def _folded(notes: Notes) -> Notes:
    """The notes with their names in lower case."""
    names = notes.names()
    if all(name == name.lower() for name in names):
        return notes
    values = {notes.prefix + name.lower(): notes.text(name) or "" for name in names}
    return Notes(values, notes.owner, notes.origin, notes.prefix)


def _middlewares(notes: Notes) -> tuple[Filter, ...]:
    """References to middlewares, which may be in any namespace; one that cannot be found refuses every request."""
    filters: list[Filter] = []
    for reference in notes.items("router.middlewares"):
        found = meanings("Middleware", reference, notes.owner.namespace)
        where = notes.at("router.middlewares")
        if not found:
            message = f"{reference} is none of the manifests' middlewares; the rules answer {_NOT_FOUND}"
            hint = f"describe it as a Middleware and refer to that, as namespace-name@{_PROVIDER}"
            notes.tell(Severity.ERROR, "foreign-provider", message, "router.middlewares", hint)
            return (Refuse(where, _NOT_FOUND, f"the middleware {reference} does not exist"),)
        filters.append(FilterRef(where, found[0], anywhere=True, others=found[1:]))
    return tuple(filters)


def _priority(notes: Notes) -> int | None:
    value = notes.text("router.priority")
    if value is None:
        return None
    sign, digits = ("-", value[1:]) if value.startswith("-") else ("", value)
    if digits.isdecimal() and digits.isascii() and len(digits) < 19:
        return int(sign + digits) or None
    notes.bad("router.priority", "a number", "the length of the rule decides")
    return None


def _matcher(notes: Notes) -> PathKind | None:
    value = notes.text("router.pathmatcher")
    if value is None:
        return None
    kind = _MATCHERS.get(value.lower())
    if kind is None:
        notes.bad("router.pathmatcher", "Path, PathPrefix or PathRegexp", "paths are prefixes")
    return kind


def _rule(rule: RuleIntent, priority: int | None, kind: PathKind | None) -> RuleIntent:
    if rule.default:
        return rule
    changed = rule if kind is None else structs.replace(rule, matches=tuple(_match(m, kind) for m in rule.matches))
    return changed if priority is None else structs.replace(changed, priority=priority)


def _match(match: Match, kind: PathKind) -> Match:
    """The matcher is for paths whose type is left to the implementation, which count as prefixes by characters."""
    paths = tuple(_path(path, kind) if path.kind is PathKind.RAW_PREFIX else path for path in match.paths)
    return structs.replace(match, paths=paths)


def _path(path: PathMatch, kind: PathKind) -> PathMatch:
    if kind is PathKind.REGEX:
        if syntax.regex_error(path.value):  # the router is not built: nothing matches this
            return PathMatch(PathKind.REGEX, "[^\\s\\S]")
        return PathMatch(kind, full_match(path.value))
    return PathMatch(kind, path.value)


READER = Reader(
    implementation="traefik",
    prefix=TRAEFIK,
    read=read,
    compatibility=(traefik_features.INGRESS, traefik_features.SERVICE),
    rules=rules,
)
