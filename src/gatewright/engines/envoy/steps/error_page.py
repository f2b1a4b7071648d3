"""Pages of an error backend in place of answers with certain statuses.

Envoy starts the request anew, as a GET, in a scope of the page's own, which no Host leads to.  By then the router has
removed our headers and the path is the page's: the scope is named again, and what the page's backend is told about the
request was kept when it arrived.  It cannot start a request anew that is still arriving, and may then answer nothing at
all, so such a request keeps the answer that it has.  Counterpart: `composite`, which puts this in the chain before
all other steps.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2 as route
from envoy.config.route.v3 import route_pb2, scoped_route_pb2
from envoy.extensions.filters.common.set_filter_state.v3 import value_pb2
from envoy.extensions.filters.http.custom_response.v3 import custom_response_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from envoy.extensions.filters.http.set_filter_state.v3 import set_filter_state_pb2
from envoy.extensions.http.custom_response.redirect_policy.v3 import redirect_policy_pb2
from envoy.type.matcher.v3 import http_inputs_pb2, status_code_input_pb2
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import BoolValue
from msgspec import Struct
from xds.core.v3.extension_pb2 import TypedExtensionConfig
from xds.type.matcher.v3 import matcher_pb2 as xds
from xds.type.matcher.v3 import regex_pb2

from gatewright.engines.envoy import names
from gatewright.engines.envoy.filters import PAGES, UNNEEDED, switched_off
from gatewright.engines.envoy.steps.conditions import Filter
from gatewright.engines.envoy.steps.context import Context, is_header_name
from gatewright.engines.envoy.wire import extension, pack, seconds, serialise
from gatewright.graph.nodes import ErrorPage
from gatewright.kinds.intents.filters import ErrorPages, Template, Variable

_STATUSES: Final = range(100, 600)
_STATUS: Final = (Variable.STATUS, Variable.ORIGINAL_STATUS)
_KEPT: Final = "gatewright.request."
_ON_ARRIVAL: Final = {
    Variable.HOST: "%REQ(:AUTHORITY)%",
    Variable.METHOD: "%REQ(:METHOD)%",
    Variable.PATH: "%PATH(NQ)%",
    Variable.URI: "%REQ(:PATH)%",
    Variable.REQUEST_ID: "%REQ(X-REQUEST-ID)%",
}
"""What the second request does not have any more."""
_ARRIVED: Final = "proxy-connection"
"""A header of answers that tells when the request had arrived whole.  Envoy takes this one off every answer."""


class Page(Struct, frozen=True):
    """`policies`: what is done with which statuses; `kept`: what is told later; `name` and `scope`: the scope that the
    page is got in."""

    policies: tuple[tuple[list[int], redirect_policy_pb2.RedirectPolicy], ...]
    kept: tuple[Variable, ...]
    name: str
    scope: bytes


def page(step: ErrorPage, context: Context, number: str) -> Page | None:
    """The page of a rule of a VirtualHost, told apart from its others by `number`; None where it cannot be got as
    described."""
    pages = step.pages
    told = {piece for _, value in pages.tells for piece in value if isinstance(piece, Variable)}
    if any(_format(piece, context) is None for piece in told):
        return None
    if any(isinstance(piece, Variable) and piece not in _STATUS for piece in pages.path):
        return None
    texts = [piece for piece in pages.path if not isinstance(piece, Variable)]
    if not all(is_header_name(name) for name, _ in pages.tells) or not all(text.isprintable() for text in texts):
        return None
    key = f"errors|{names.scope_key(context.host)}|{number}"
    policies = []
    for (path, status), codes in _grouped(pages).items():
        policy = redirect_policy_pb2.RedirectPolicy()
        policy.redirect_action.path_redirect = path
        policy.redirect_action.strip_query = True
        if status is not None:
            policy.status_code.value = status
        policy.request_headers_to_add.append(_told(names.SCOPE_HEADER, key.replace("%", "%%")))
        for name, value in pages.tells:
            policy.request_headers_to_add.append(_told(name, _text(value, context, status)))
        policies.append((codes, policy))
    kept = [piece for piece in _ON_ARRIVAL if piece in told or (piece in _PARTS_OF_URL and Variable.URL in told)]
    return Page(tuple(policies), tuple(kept), _resource(key), _scope(step, context, key))


def config(pages: Iterable[Page]) -> Any:
    """For the route: of several pages for a status it is the first, which stands around all others."""
    matcher = xds.Matcher()
    for codes, policy in (one for made in pages for one in made.policies):
        _add(matcher, codes, policy)
    return pack(custom_response_pb2.CustomResponse(custom_response_matcher=matcher))


def notes(pages: Iterable[Page]) -> list[Filter]:
    """The filters that keep what is told later, if anything is, and note whether a request has arrived whole."""
    kept = {piece for made in pages for piece in made.kept}
    return [_note_arrival(), *([_keep(piece for piece in _ON_ARRIVAL if piece in kept)] if kept else [])]


def _grouped(pages: ErrorPages) -> dict[tuple[str, int | None], list[int]]:
    """Statuses by what is done with them: the path of the page, and the status in their place."""
    found: dict[tuple[str, int | None], list[int]] = {}
    for code in _STATUSES:
        new = next((to for first, last, to in pages.rewrites if first <= code <= last), code)
        if any(first <= code <= last for first, last in pages.statuses):
            said = {Variable.STATUS: str(new), Variable.ORIGINAL_STATUS: str(code)}
            path = "".join(said[piece] if isinstance(piece, Variable) else piece for piece in pages.path)
            found.setdefault((path, new if new != code else None), []).append(code)
    return found


def _add(matcher: xds.Matcher, codes: Iterable[int], policy: redirect_policy_pb2.RedirectPolicy) -> None:
    field = matcher.matcher_list.matchers.add()
    both = field.predicate.and_matcher
    both.predicate.append(_fits(status_code_input_pb2.HttpResponseStatusCodeMatchInput(), "|".join(map(str, codes))))
    both.predicate.append(_fits(http_inputs_pb2.HttpResponseHeaderMatchInput(header_name=_ARRIVED), "[0-9]+"))
    field.on_match.action.CopyFrom(TypedExtensionConfig(name="page", typed_config=pack(policy)))


def _fits(what: Message, pattern: str) -> xds.Matcher.MatcherList.Predicate:
    made = xds.Matcher.MatcherList.Predicate()
    made.single_predicate.input.CopyFrom(TypedExtensionConfig(name="input", typed_config=pack(what)))
    made.single_predicate.value_match.safe_regex.CopyFrom(
        regex_pb2.RegexMatcher(google_re2=regex_pb2.RegexMatcher.GoogleRE2(), regex=pattern)
    )
    return made


def _resource(key: str) -> str:
    """As short as the names of other scopes."""
    return urlsafe_b64encode(blake2b(key.encode(), digest_size=16).digest()).rstrip(b"=").decode()


# --- what is told -------------------------------------------------------------------------------


_PARTS_OF_URL: Final = (Variable.HOST, Variable.URI)


def _text(template: Template, context: Context, status: int | None) -> str:
    parts = []
    for piece in template:
        if piece is Variable.STATUS and status is not None:
            parts.append(str(status))
        elif isinstance(piece, Variable):
            parts.append(_format(piece, context) or "")
        else:
            parts.append(piece.replace("%", "%%"))
    return "".join(parts)


def _format(piece: Variable, context: Context) -> str | None:
    """What Envoy writes for a variable; None for what it cannot."""
    if piece in _ON_ARRIVAL:
        return f"%FILTER_STATE({_KEPT}{piece.value}:PLAIN)%"
    match piece:
        case Variable.STATUS:
            return "%RESPONSE_CODE%"
        case Variable.CLIENT:
            return "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
        case Variable.SCHEME:
            return context.scheme
        case Variable.PORT:
            return str(context.host.key.port)
        case Variable.URL:
            host, uri = (_format(part, context) for part in _PARTS_OF_URL)
            return f"{context.scheme}://{host}{uri}"
        case _:
            return None


def _told(name: str, value: str) -> base_pb2.HeaderValueOption:
    return base_pb2.HeaderValueOption(
        header=base_pb2.HeaderValue(key=name.lower(), value=value),
        append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
    )


def _keep(pieces: Iterable[Variable]) -> Filter:
    made = set_filter_state_pb2.Config()
    for piece in pieces:
        value = value_pb2.FilterStateValue(object_key=_KEPT + piece.value, factory_key="envoy.string")
        value.format_string.text_format_source.inline_string = _ON_ARRIVAL[piece]
        made.on_request_headers.append(value)
    return extension("envoy.filters.http.set_filter_state", made)


def _note_arrival() -> Filter:
    """The formatter says nothing until the last octet of the request is there, and then leaves what a backend says."""
    edits = [
        mutation_rules_pb2.HeaderMutation(remove=_ARRIVED),
        mutation_rules_pb2.HeaderMutation(append=_told(_ARRIVED, "%REQUEST_DURATION%")),
    ]
    mutations = header_mutation_pb2.Mutations(response_mutations=edits)
    return extension("envoy.filters.http.header_mutation", header_mutation_pb2.HeaderMutation(mutations=mutations))


# --- where it comes from ------------------------------------------------------------------------


def _scope(step: ErrorPage, context: Context, key: str) -> bytes:
    """One route to the page's backend.  With the filter on, clients get the status that led there."""
    to = route.Route(name=f"error pages of {context.hostname}")
    to.match.prefix = ""
    to.route.cluster = names.cluster(step.backend)
    to.route.timeout.CopyFrom(seconds(0))
    configuration = route_pb2.RouteConfiguration(
        name=key,
        virtual_hosts=[route.VirtualHost(name="errors", domains=["*"], routes=[to])],
        validate_clusters=BoolValue(value=False),
        request_headers_to_remove=[names.SCOPE_HEADER, names.HOST_HEADER, names.PATH_HEADER],
    )
    place = context.host.key
    for name in (names.fallback(place.gateway, place.port, place.family), *UNNEEDED):
        configuration.typed_per_filter_config[name].CopyFrom(switched_off())
    if not step.pages.passes_status:
        configuration.typed_per_filter_config[PAGES].CopyFrom(pack(custom_response_pb2.CustomResponse()))
    made = scoped_route_pb2.ScopedRouteConfiguration(name=_resource(key), route_configuration=configuration)
    made.key.fragments.add(string_key=key)
    return serialise(made)
