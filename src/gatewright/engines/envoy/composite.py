"""What a rule switches on in the chain: CORS, stickiness, and its steps, carried by a filter that is always there.

A composite filter takes the filters to run from the route as it is when the request gets there, so they run, too, for
routes that only the fallback filter finds.  There are three of them, one in front of the filter that asks servers, so
that all steps run in the order of the rule but for those between two questions, and two behind it: nothing may stand
behind a filter that waits (see `chains`).  Every scope switches them off, and a route with steps on again.  A matcher
that matched nothing would run nothing, so each ends with all filters.
Counterpart: `filters`, the chain; `steps`, the filters.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from typing import Final, TypeAlias

from envoy.config.route.v3 import route_components_pb2 as route
from envoy.extensions.filters.http.composite.v3 import composite_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from google.protobuf.any_pb2 import Any
from msgspec import Struct
from xds.core.v3.extension_pb2 import TypedExtensionConfig
from xds.type.matcher.v3 import matcher_pb2 as xds

from gatewright.base import htpasswd
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity
from gatewright.engines.envoy import actions, filters, match
from gatewright.engines.envoy.actions import Answer
from gatewright.engines.envoy.protos import CompositePerRoute
from gatewright.engines.envoy.steps import (
    authorize,
    basic_auth,
    body_limit,
    certificate_headers,
    compress,
    error_page,
    forward_auth,
    in_flight,
    rate_limit,
    tokens,
    users,
)
from gatewright.engines.envoy.steps.conditions import Filter, Part, both, chains, parts
from gatewright.engines.envoy.steps.context import Context, Refused
from gatewright.engines.envoy.steps.forward_auth import Question
from gatewright.engines.envoy.wire import extension, pack, serialise
from gatewright.graph.nodes import AskAuth, BasicAuthUsers, ErrorPage, Forward, Rule, TokenCheck
from gatewright.kinds.intents.filters import (
    Authorize,
    BodyLimit,
    ClientCertificateHeaders,
    Compress,
    InFlight,
    RateLimit,
)
from gatewright.kinds.intents.routing import Dialect

_UNAVAILABLE: Final = 503
_MOST_CONDITIONS: Final = 4
_MOST_CHAINS: Final = len(filters.CARRIERS)


_NO_PAGE: Final = (
    "the path of a page may name the status and nothing else, and its headers may tell what a request says but for its "
    "query"
)
_NO_COUNT: Final = "Envoy counts those of all clients at a backend, not of each; limit the rate instead"

_Compiled: TypeAlias = list[Part] | Question
_Filtered: TypeAlias = (
    BasicAuthUsers | AskAuth | RateLimit | TokenCheck | Authorize | BodyLimit | Compress | ClientCertificateHeaders
)


class Steps(Struct, frozen=True):
    """What a rule switches on: (filter of the chain, its configuration in the route).

    `scopes`: (resource, value) of those that it needs beside its VirtualHost's.  `pages`: what of `configs` is for
    error pages alone.
    """

    configs: tuple[tuple[str, Any], ...] = ()
    problems: tuple[Problem, ...] = ()
    scopes: tuple[tuple[str, bytes], ...] = ()
    pages: tuple[tuple[str, Any], ...] = ()


class Carried(Struct, frozen=True):
    """A rule's routes with its steps; `scopes` and `pages` as in Steps."""

    answer: Answer
    scopes: tuple[tuple[str, bytes], ...] = ()
    pages: tuple[tuple[str, Any], ...] = ()

    def denial(self, rule: Rule, status: int, context: Context) -> list[route.Route]:
        """The answer to clients whom an access list turns away, with the rule's error page if it has one for that.

        Traefik has its middlewares in an order, in which such lists come first here.
        """
        made = actions.respond(status, "not allowed")
        ordered = context.gateway.dialect is Dialect.TRAEFIK
        if ordered or not any(isinstance(one, ErrorPage) and one.covers(status) for one in rule.steps):
            return [made]
        for name, config in self.pages:
            made.typed_per_filter_config[name].CopyFrom(config)
        return _by_method(made)


def with_steps(rule: Rule, made: Answer, context: Context, number: int) -> Carried:
    """The routes with all that the `number`-th rule switches on; where that is not possible, one that answers 503."""
    steps = compile_steps(rule, context, number)
    if isinstance(steps, Refused):
        problem = Problem(steps.identity, f"{steps.reason}; the rule answers {_UNAVAILABLE}", steps.origin)
        return Carried(Answer((actions.respond(_UNAVAILABLE),), (problem,)))
    for one in made.routes:
        for name, config in steps.configs:
            one.typed_per_filter_config[name].CopyFrom(config)
        _make_room(one, rule)
    routes = tuple(route for one in made.routes for route in _by_method(one))
    return Carried(Answer(routes, (*made.problems, *steps.problems)), steps.scopes, steps.pages)


def _by_method(one: route.Route) -> list[route.Route]:
    """The route, in two where it has error pages: Envoy would send the body of a page in answer to a HEAD as well,
    and the client would take it for the next answer."""
    if filters.PAGES not in one.typed_per_filter_config:
        return [one]
    bare = route.Route()
    bare.CopyFrom(one)
    del bare.typed_per_filter_config[filters.PAGES]
    bare.match.headers.add(name=":method", string_match=match.exact("HEAD"))
    return [bare, one]


def _make_room(one: route.Route, rule: Rule) -> None:
    """For bodies that go along with a question, which Envoy holds as a whole."""
    sent = max((step.question.sends_body for step in rule.steps if isinstance(step, AskAuth)), default=0)
    if sent > one.request_body_buffer_limit.value:
        one.request_body_buffer_limit.value = sent


def compile_steps(rule: Rule, context: Context, number: int) -> Steps | Refused:
    """The configurations of a rule's filters, in no order: that of the chain counts."""
    configs: list[tuple[str, Any]] = []
    if rule.cors is not None:
        configs.append((filters.CORS, filters.cors(rule.cors)))
    if isinstance(rule.action, Forward) and rule.action.persistence is not None:
        configs.append((filters.SESSION, filters.session(rule.action.persistence, "gatewright-session")))
    compiled: list[_Compiled | Refused] = []
    problems: list[Problem] = []
    made: list[error_page.Page] = []
    for step in rule.steps:
        match step:
            case ErrorPage():
                page = error_page.page(step, context, f"{number}.{len(made)}" if made else str(number))
                if page is None:
                    problems.append(_differs(step.pages.origin, "errors are passed on as they are", _NO_PAGE))
                else:
                    made.append(page)
            case InFlight():
                if not in_flight.is_limited(step, rule.action):
                    problems.append(_differs(step.origin, "requests at the same time are not limited", _NO_COUNT))
            case _:
                compiled.append(_compiled(step, context))
    pages = [(filters.PAGES, error_page.config(made))] if made else []
    configs += pages
    if made:
        kept = parts(error_page.notes(made))
        compiled.insert(0, kept)
        config = carrier(kept)
        assert config is not None  # it has no conditions
        pages.append((filters.BEFORE, config))
    for one in compiled:
        if isinstance(one, Refused):
            return one
    carried = _carried(rule, [one for one in compiled if not isinstance(one, Refused)])
    if isinstance(carried, Refused):
        return carried
    return Steps((*configs, *carried), tuple(problems), tuple((page.name, page.scope) for page in made), tuple(pages))


def _differs(origin: Origin, what: str, why: str) -> Problem:
    return Problem("step-differs", f"{what}: {why}", origin, Severity.WARNING)


def _carried(rule: Rule, compiled: Sequence[_Compiled]) -> list[tuple[str, Any]] | Refused:
    """The filters in front of the first question, the questions, and all other filters."""
    first = next((n for n, one in enumerate(compiled) if not isinstance(one, list)), 0)
    questions = [one for one in compiled if not isinstance(one, list)]
    front, back = (
        chains([part for one in some if isinstance(one, list) for part in one])
        for some in (compiled[:first], compiled[first:])
    )
    behind = (filters.RULE, filters.AFTER) if questions or len(back) < _MOST_CHAINS else filters.CARRIERS
    if len(front) > 1 or len(back) > len(behind):
        return Refused("it has too much to do after it has waited for the keys of tokens", rule.origin)
    configs = [(forward_auth.FILTER, forward_auth.per_route(questions))] if questions else []
    for name, chain in (*zip((filters.BEFORE,), front, strict=False), *zip(behind, back, strict=False)):
        only = rule.steps[0] if len(rule.steps) == 1 else None
        config = _limit(only.octets, buffered=only.buffered) if isinstance(only, BodyLimit) else carrier(chain)
        if config is None:
            return Refused("its steps make exceptions for too many different groups of clients", rule.origin)
        configs.append((name, config))
    return configs


def _compiled(step: _Filtered, context: Context) -> _Compiled | Refused:
    match step:
        case BasicAuthUsers() if any(htpasswd.needs_asking(line) for line in htpasswd.lines(step.users.reveal())):
            return users.question(step)
        case BasicAuthUsers():
            return basic_auth.filters(step, context)
        case AskAuth():
            return forward_auth.question(step) or Refused(forward_auth.why_not(step), step.question.origin)
        case RateLimit():
            return rate_limit.filters(step, context)
        case TokenCheck():
            return tokens.filters(step, context)
        case Authorize():
            return authorize.filters(step, context)
        case BodyLimit():
            return body_limit.filters(step, context)
        case Compress():
            return compress.filters(step, context)
        case ClientCertificateHeaders():
            return certificate_headers.filters(step, context)


def carrier(carried: Sequence[Part]) -> Any | None:
    """The configuration, in a route, of the filter that runs these; None where too many conditions are involved.

    A chain for each set of conditions that may hold together, the larger sets first.
    """
    conditions = {serialise(part.unless): part.unless for part in carried if part.unless is not None}
    if len(conditions) > _MOST_CONDITIONS:
        return None
    matcher = xds.Matcher()
    for size in range(len(conditions), 0, -1):
        for held in combinations(conditions, size):
            field = matcher.matcher_list.matchers.add()
            field.predicate.CopyFrom(both(conditions[one] for one in held))
            left = [p.filter for p in carried if p.unless is None or serialise(p.unless) not in held]
            field.on_match.action.CopyFrom(_run(left))
    matcher.on_no_match.action.CopyFrom(_run([part.filter for part in carried]))
    return pack(CompositePerRoute(matcher=serialise(matcher)))


@lru_cache(maxsize=256)
def _limit(octets: int, *, buffered: bool) -> Any | None:
    """A limit of bodies and nothing else, which is what most rules of some dialects have."""
    return carrier(body_limit.limit(octets, buffered=buffered))


def _run(chain: Sequence[Filter]) -> TypedExtensionConfig:
    # Envoy takes no empty chain.
    nothing = extension("envoy.filters.http.header_mutation", header_mutation_pb2.HeaderMutation())
    made = composite_pb2.FilterChainConfiguration(typed_config=chain or [nothing])
    return TypedExtensionConfig(name="run", typed_config=pack(composite_pb2.ExecuteFilterAction(filter_chain=made)))
