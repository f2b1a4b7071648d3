"""What a rule does with a request, as the action part of Envoy routes.

Counterpart of `match`, which says which requests those are; `routes` puts the two together.  Whatever
cannot be carried over exactly makes the rule answer 500 and a Problem say why: a route is refused, a
protection never.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final, TypeAlias

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2 as route
from envoy.type.matcher.v3 import regex_pb2
from envoy.type.v3 import percent_pb2
from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity
from gatewright.engines.envoy import attempts, headers, names
from gatewright.engines.envoy.headers import Headers
from gatewright.engines.envoy.wire import seconds
from gatewright.graph import paths
from gatewright.graph.nodes import Forward, MirrorTo, RedirectTo, Respond, Rule, WeightedBackend
from gatewright.kinds.intents.filters import HeaderEdit
from gatewright.kinds.intents.routing import PathMatch

_SERVER_ERROR: Final = 500
_REDIRECTS: Final = {
    status: route.RedirectAction.RedirectResponseCode.Value(name)
    for status, name in (
        (301, "MOVED_PERMANENTLY"),
        (302, "FOUND"),
        (303, "SEE_OTHER"),
        (307, "TEMPORARY_REDIRECT"),
        (308, "PERMANENT_REDIRECT"),
    )
}
_NO_CLUSTER: Final = {
    status: route.RouteAction.ClusterNotFoundResponseCode.Value(name)
    for status, name in ((503, "SERVICE_UNAVAILABLE"), (404, "NOT_FOUND"), (500, "INTERNAL_SERVER_ERROR"))
}
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_MILLION: Final = 1_000_000
_LONGEST_HEADER: Final = 16 * 1024
"""Octets."""
_LINES: Final = re.compile(r"[\x00\r\n]")


class Answer(Struct, frozen=True):
    """Routes for one rule, usually one.  Where requests differ in what is done with them, the particular first.

    `match.headers` of a route is what it asks for beside the rule's own conditions.
    """

    routes: tuple[route.Route, ...]
    problems: tuple[Problem, ...] = ()


class Place(Struct, frozen=True):
    """Where the rule stands: what the request was asked for with."""

    scheme: str
    port: int


def respond(status: int, name: str = "") -> route.Route:
    """A fixed answer.  The body is the status in words: reasons name things that are no client's business."""
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Status"
    body = base_pb2.DataSource(inline_string=f"{status} {phrase}\n")
    if status in (204, 304) or status < 200:
        return route.Route(name=name, direct_response=route.DirectResponseAction(status=status))
    return route.Route(name=name, direct_response=route.DirectResponseAction(status=status, body=body))


def _fixed(action: Respond) -> route.Route:
    """The answer that its owner wrote, or the status in words."""
    made = respond(action.status)
    if action.body is None or not made.direct_response.HasField("body"):
        return made
    if not action.body:
        made.direct_response.ClearField("body")
        return made
    made.direct_response.body.inline_bytes = action.body
    if action.content_type:
        _edit_response(made, (HeaderEdit(set=(("Content-Type", action.content_type),)),))
    return made


def answer(rule: Rule, prefix: PathMatch | None, place: Place) -> Answer:
    """The routes that do what `rule` says to requests that matched by `prefix`."""
    match rule.action:
        case Forward():
            made = _forward(rule, rule.action, prefix)
        case RedirectTo():
            made = _redirect(rule.action, prefix, place)
        case Respond():
            made = Answer((_fixed(rule.action),))
    for one in made.routes:
        if not one.HasField("route"):
            _edit_response(one, rule.response_headers)
    if not all(map(_is_sound, made.routes)):
        return refuse(rule.origin, "a header that it sets is longer than 16 KB, or has lines")
    return made


def _is_sound(one: route.Route) -> bool:
    """Would Envoy take its headers?  For the sake of one it would refuse the whole scope."""
    edited: list[_Edited] = [one, *one.route.weighted_clusters.clusters]
    options = (o for each in edited for o in (*each.request_headers_to_add, *each.response_headers_to_add))
    hosts = [one.route.host_rewrite_literal, *(c.host_rewrite_literal for c in one.route.weighted_clusters.clusters)]
    hosts += [one.redirect.host_redirect, one.redirect.path_redirect]
    hosts += [one.redirect.regex_rewrite.substitution, one.route.regex_rewrite.substitution]
    texts = [text for option in options for text in (option.header.key, option.header.value)] + hosts
    return not any(text and (len(text.encode()) > _LONGEST_HEADER or _LINES.search(text)) for text in texts)


def refuse(origin: Origin, reason: str, identity: str = "not-carried-over") -> Answer:
    """The rule cannot be carried over: requests get 500, the user a reason."""
    problem = Problem(identity, f"{reason}; the rule answers 500", origin)
    return Answer((respond(_SERVER_ERROR),), (problem,))


# --- forward ------------------------------------------------------------------------------------


def _forward(rule: Rule, forward: Forward, prefix: PathMatch | None) -> Answer:
    shares = [b for b in forward.backends if b.weight > 0]
    if not shares or all(b.backend is None for b in shares):
        status = next((b.status for b in shares if b.status), forward.status)
        return Answer((respond(status or forward.status),))
    rewrite = paths.compose(
        forward.paths,
        prefix.value if prefix is not None else None,
        ignore_case=prefix is not None and prefix.ignore_case,
    )
    if isinstance(rewrite, paths.Uncomposable):
        return refuse(rule.origin, rewrite.reason, "path-edits-not-composable")
    refused = {b.status or _SERVER_ERROR for b in shares if b.backend is None}
    if len(refused) > 1 or not refused <= _NO_CLUSTER.keys():
        return refuse(rule.origin, f"shares of one rule cannot answer {sorted(refused)}")
    if len({b.pass_host for b in shares if b.backend is not None}) > 1:
        return refuse(rule.origin, "the backends of one rule must all pass the Host header on or all not")
    action = route.RouteAction(
        cluster_not_found_response_code=_NO_CLUSTER[next(iter(refused), 503)],
        timeout=seconds(forward.timeout or 0),
    )
    if rewrite is not None:
        action.regex_rewrite.CopyFrom(_substitution(rewrite))
    made = route.Route(route=action)
    problems = _send(made, rule, forward, shares)
    for edit in forward.paths[:1]:
        if edit.tells:
            made.request_headers_to_add.append(_told(edit.tells, "%PATH(NQ)%"))
    for mirror in forward.mirrors:
        _mirror(made.route.request_mirror_policies.add(), mirror)
    problems += _approximate(rule, forward, made.route, several=len(shares) > 1)
    return Answer(attempts.routes(made, rule, forward), tuple(problems))


def _send(made: route.Route, rule: Rule, forward: Forward, shares: list[WeightedBackend]) -> list[Problem]:
    """The clusters, and the headers that go with them: on the route, or per share where shares differ."""
    differ = len(shares) > 1 and any(b.request_headers or b.response_headers for b in shares)
    common = shares[0] if len(shares) == 1 else None
    request = headers.compose((*rule.request_headers, *(common.request_headers if common else ())))
    host = forward.host if forward.host is not None else request.host
    if common is not None and common.backend is not None:
        made.route.cluster = names.cluster(common.backend)
    else:
        for share in shares:
            weight = made.route.weighted_clusters.clusters.add(name=_share(share))
            weight.weight.value = share.weight
            if differ:
                own = headers.compose((*rule.request_headers, *share.request_headers))
                _edit_request(weight, own)
                _edit_response(weight, (*rule.response_headers, *share.response_headers))
                if own.host is not None and forward.host is None:
                    weight.host_rewrite_literal = own.host
    if not differ:
        _edit_request(made, request)
        _edit_response(made, (*rule.response_headers, *(common.response_headers if common else ())))
    if host is not None:
        made.route.host_rewrite_literal = host
    elif not next(b for b in shares if b.backend is not None).pass_host:
        made.route.auto_host_rewrite.value = True
    if request.removes_host:
        return [Problem("host-header-removed", "the Host header cannot be removed; it is passed on", rule.origin)]
    return []


def _approximate(rule: Rule, forward: Forward, made: route.RouteAction, *, several: bool) -> list[Problem]:
    """What decides the endpoint a little differently than asked."""
    found = []
    kinds = {key.kind for key in forward.hash}
    rewritten = [
        *(["path"] if kinds & {"uri", "path"} and made.HasField("regex_rewrite") else []),
        *(["host"] if "host" in kinds and made.host_rewrite_literal else []),
    ]
    for what in rewritten:
        why = f"the {what} decides the endpoint as the backend sees it, after the rewrite"
        hint = "choose the endpoint by something that is not rewritten where that makes too many requests equal"
        found.append(Problem("hash-after-rewrite", why, rule.origin, Severity.INFO, hint))
    if several and forward.persistence is not None:
        why = "a client stays at one endpoint of each backend, but which backend it gets is decided for each request"
        hint = "give the rule one backend where sessions must not move"
        found.append(Problem("sticky-within-shares", why, rule.origin, Severity.INFO, hint))
    return found


def _share(share: WeightedBackend) -> str:
    return names.REFUSED if share.backend is None else names.cluster(share.backend)


_Edited: TypeAlias = route.Route | route.WeightedCluster.ClusterWeight


def _edit_request(made: _Edited, edit: Headers) -> None:
    made.request_headers_to_remove.extend(edit.remove)
    made.request_headers_to_add.extend(edit.add)


def _edit_response(made: _Edited, edits: Iterable[HeaderEdit]) -> None:
    edit = headers.compose(edits)
    made.response_headers_to_remove.extend(edit.remove)
    made.response_headers_to_add.extend(edit.add)


def _told(name: str, value: str) -> base_pb2.HeaderValueOption:
    """One more header of the request; edits of the path come after it."""
    return base_pb2.HeaderValueOption(header=base_pb2.HeaderValue(key=name, value=value))


def _mirror(policy: route.RouteAction.RequestMirrorPolicy, mirror: MirrorTo) -> None:
    policy.cluster = names.cluster(mirror.backend)
    policy.disable_shadow_host_suffix_append = True
    fraction = policy.runtime_fraction.default_value
    fraction.numerator = round(mirror.numerator * _MILLION / mirror.denominator) if mirror.denominator else 0
    fraction.denominator = percent_pb2.FractionalPercent.MILLION


def _substitution(rewrite: paths.Substitution) -> regex_pb2.RegexMatchAndSubstitute:
    return regex_pb2.RegexMatchAndSubstitute(
        pattern=regex_pb2.RegexMatcher(regex=rewrite.pattern), substitution=rewrite.value
    )


# --- redirect -----------------------------------------------------------------------------------


def _redirect(to: RedirectTo, prefix: PathMatch | None, place: Place) -> Answer:
    """One route, or two where other methods than GET get another status."""
    statuses = [to.status] if to.status_other in (None, to.status) else [to.status, to.status_other]
    if any(status not in _REDIRECTS for status in statuses):
        return refuse(to.origin, f"a redirect with status {statuses} is not possible")
    action = route.RedirectAction()
    if to.scheme:
        action.scheme_redirect = to.scheme
    if to.host:
        action.host_redirect = to.host
    port = _port(to, place)
    if port:
        action.port_redirect = port
    action.strip_query = not to.keeps_query
    if to.path is not None:
        edit = paths.compose(
            [to.path],
            prefix.value if prefix is not None else None,
            ignore_case=prefix is not None and prefix.ignore_case,
        )
        if isinstance(edit, paths.Uncomposable):
            return refuse(to.origin, edit.reason, "path-edits-not-composable")
        if edit is not None:
            action.regex_rewrite.CopyFrom(_substitution(edit))
    made = []
    for number, status in enumerate(statuses, 1):
        one = route.Route(redirect=action)
        one.redirect.response_code = _REDIRECTS[status]
        if number < len(statuses):
            one.match.headers.add(name=":method").string_match.exact = "GET"
        if port and to.port is None and not to.scheme:
            made.append(_otherwise_spoken(one, place))
        made.append(one)
    return Answer(tuple(made))


def _otherwise_spoken(one: route.Route, place: Place) -> route.Route:
    """The same for clients of a believed proxy in front with another scheme: its port is not the listener's."""
    made = route.Route()
    made.CopyFrom(one)
    made.redirect.ClearField("port_redirect")
    other = "http" if place.scheme == "https" else "https"
    made.match.headers.add(name="x-forwarded-proto").string_match.exact = other
    return made


def _port(to: RedirectTo, place: Place) -> int:
    """The port in the Location; 0 for none.  Envoy has stripped the request's own: the listener's stands for it."""
    scheme = to.scheme or place.scheme
    port = to.port
    if port is None:
        port = 0 if to.scheme and to.scheme != place.scheme else place.port
    return 0 if _DEFAULT_PORTS.get(scheme) == port else port
