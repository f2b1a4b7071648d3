"""The ConfigMap that a controller reads class-wide settings from: which one it is, and what it says.

Told by the site map (`configuration`), by the values of its chart (`controller.config`), by `--configmap` on the
command line of its workload, or by its usual name where the namespace has only one such controller.  What its keys
mean is in the dialect's file of `kinds.annotations`.  Counterparts: `options` lays what is said over the usual,
`door_options` applies what concerns the door itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.base.problem import Problem
from gatewright.graph.objects import ALL, CONFIGURED, View
from gatewright.graph.resolve.doors import helm_values
from gatewright.graph.resolve.rules import header_maps
from gatewright.kinds.annotations.names import HAPROXY, HAPROXY_COMMUNITY, NGINX
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.annotations.reader import Reader
from gatewright.kinds.annotations.readers import READERS, meant
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import ControllerIntent, DoorSettings
from gatewright.kinds.intents.filters import BodyLimit, Filter, RequestHeaders, ResponseHeaders
from gatewright.kinds.intents.material import SecretIntent, WorkloadIntent
from gatewright.kinds.intents.options import NOTHING, Options, laid_over

OPTION = "--configmap"
_HERE = ("$(POD_NAMESPACE)", "${POD_NAMESPACE}", "")

# By the prefix of its annotations: words of its image, and what its ConfigMap is called.
_IMAGES = {
    NGINX: ("ingress-nginx", "nginx-ingress-controller"),
    HAPROXY: ("haproxytech/kubernetes-ingress",),
    HAPROXY_COMMUNITY: ("haproxy-ingress",),
}
_NAMES = {
    NGINX: ("ingress-nginx-controller", "nginx-configuration"),
    HAPROXY: ("haproxy-kubernetes-ingress", "kubernetes-ingress"),
    HAPROXY_COMMUNITY: ("haproxy-ingress",),
}


class ClassWide(Struct, frozen=True):
    """What holds for all routes of a door, and what is wrong with its configuration."""

    options: Options = NOTHING
    problems: tuple[Problem, ...] = ()


def class_wide(view: View, intent: ControllerIntent) -> ClassWide:
    """The options of a door: those of its configuration, and over them what the site map says of it."""
    found = NOTHING
    problems: list[Problem] = []
    told = [
        (reader, notes)
        for reader in READERS
        if intent.implementation in reader.implementations
        and reader.class_wide is not None
        and (notes := _notes(view, intent, reader)) is not None
    ]
    for reader, notes in told:
        # Two controllers may be doors of one implementation: one of them reads a ConfigMap, whose keys say which.
        rivals = [other for other, same in told if same.owner == notes.owner]
        if reader.class_wide is not None and reader is meant(rivals, notes.names()):
            found = laid_over(found, reader.class_wide(notes))
            problems += notes.problems
    found = laid_over(found, _of_charts(view, intent, problems))
    found = laid_over(found, intent.settings.options)
    if intent.implementation == "ingress-nginx":
        found = laid_over(found, _described(intent.settings, intent.origin))
    return ClassWide(found, tuple(problems))


def _of_charts(view: View, intent: ControllerIntent, problems: list[Problem]) -> Options:
    """The headers that a chart has beside the settings of its controller."""
    made: list[Filter] = []
    for one in _charts(view, intent):
        for values, form in ((one.to_clients, ResponseHeaders), (one.to_backends, RequestHeaders)):
            source = Key("ConfigMap", one.namespace, one.workload.key.name)
            if values:
                origin = one.config_origin
                made.append(form(header_maps.written(source, origin, values, problems), origin))
    return Options(filters=tuple(made))


def _charts(view: View, intent: ControllerIntent) -> Iterator[helm_values.Installation]:
    """The release that makes the controller, where it is configured by its chart."""
    if intent.settings.configuration is None:
        for one in helm_values.installations(view):
            if one.controller.key == intent.key and one.controller.implementation == intent.implementation:
                yield one


def _described(settings: DoorSettings, origin: Origin) -> Options:
    """The limits of a door as the site map has them."""
    body = settings.body_limit
    return Options(
        read_timeout=settings.idle_timeout,
        body_limit=BodyLimit(origin, body) if body is not None else None,
    )


def _notes(view: View, intent: ControllerIntent, reader: Reader) -> Notes | None:
    """The values of the configuration; None where nobody knows of one."""
    for one in _charts(view, intent):
        if not one.config:
            return None
        owner = Key("ConfigMap", one.namespace, one.workload.key.name)
        return Notes(dict(one.config), owner, one.config_origin)
    for key in _candidates(view, intent, reader):
        held = view.get(key, SecretIntent)
        if held is not None:
            return Notes(_texts(held), key, held.origin.at("data"))
    return None


def _texts(held: SecretIntent) -> Mapping[str, str]:
    return {name: value.reveal().decode("utf-8", "replace") for name, value in held.data}


def _candidates(view: View, intent: ControllerIntent, reader: Reader) -> Iterator[Key]:
    """The ConfigMaps that it may be, the likeliest first; one that is named is the only one."""
    if intent.settings.configuration is not None:
        yield intent.settings.configuration
        return
    own = intent.key.namespace or (intent.service.namespace if intent.service is not None else "")
    told = {}
    for workload in view.listed(CONFIGURED, ALL, WorkloadIntent):
        key = _told(workload)
        words = _IMAGES.get(reader.prefix, ())
        if key is not None and any(word in image for word in words for image in workload.images):
            told[workload.key] = key
    near = {key for workload, key in told.items() if workload.namespace == own} or set(told.values())
    if len(near) == 1:
        yield from near
        return
    others = [
        one
        for one in view.listed("controllers", ALL, ControllerIntent)
        if one.implementation == intent.implementation and one.key.namespace == own
    ]
    if own and len(others) <= 1:
        yield from (Key("ConfigMap", own, name) for name in _NAMES.get(reader.prefix, ()))


def _told(workload: WorkloadIntent) -> Key | None:
    """The ConfigMap that a command line names, as `--configmap=namespace/name` or in two words."""
    arguments = iter(workload.args)
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name.replace("--", "-") != OPTION.replace("--", "-"):
            continue
        namespace, _, own = (value if equals else next(arguments, "")).strip("\"'").rpartition("/")
        if own:
            return Key("ConfigMap", workload.key.namespace if namespace in _HERE else namespace, own)
    return None
