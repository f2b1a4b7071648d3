"""What the server is told: whose passwords are checked, and how it says so."""

from __future__ import annotations

from msgspec import Struct

from gatewright.base.sensitive import Sensitive


class Users(Struct, frozen=True):
    """Users of a rule: htpasswd lines, the realm that unknown ones are told, the header that names known ones."""

    lines: Sensitive
    realm: str = ""
    user_header: str = ""
