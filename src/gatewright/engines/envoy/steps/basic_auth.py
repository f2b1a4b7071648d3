"""Basic authentication (RFC 7617) of users whose passwords are hashed with SHA-1, which Envoy checks by itself."""

from __future__ import annotations

from typing import Final

from envoy.config.core.v3 import base_pb2

from gatewright.base import htpasswd
from gatewright.engines.envoy.protos import BasicAuth
from gatewright.engines.envoy.steps.conditions import Part, parts
from gatewright.engines.envoy.steps.context import Context, Refused, is_header_name
from gatewright.engines.envoy.steps.forwarded_client import without
from gatewright.engines.envoy.wire import extension, serialise
from gatewright.graph.nodes import BasicAuthUsers

_SHA: Final = b"{SHA}"


def filters(step: BasicAuthUsers, context: Context) -> list[Part] | Refused:
    """Ask for a user and tell the backend as wished."""
    lines = htpasswd.lines(step.users.reveal())
    checked = [line for line in lines if htpasswd.usable(line) and line.partition(b":")[2].startswith(_SHA)]
    # Envoy refuses a file in which a name stands twice.  Programs that read such files stop at the first.
    users = {line.partition(b":")[0]: line for line in reversed(checked)}
    if not users:
        return Refused("basic authentication needs users with {SHA} hashes", step.origin, "basic-auth-hash")
    if step.user_header and not is_header_name(step.user_header):
        return Refused(f"{step.user_header!r} is no name of a header", step.origin)
    source = base_pb2.DataSource(inline_bytes=b"\n".join(users.values()))
    auth = BasicAuth(
        users=serialise(source), forward_username_header=step.user_header.lower(), realm=_realm(step.realm)
    )
    made = [extension("envoy.filters.http.basic_auth", auth)]
    if step.remove_header:
        # Behind the check, so that whoever is asked next sees no password either.
        made.append(without("authorization"))
    return parts(made, step.excepts)


def _realm(text: str) -> str:
    """What a quoted string may hold (RFC 9110, 5.6.4); Envoy puts the quotes around it."""
    return "".join(one if one.isprintable() else " " for one in text)
