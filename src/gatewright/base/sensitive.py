"""Bytes that must never be printed: private keys, password hashes, tokens."""

from __future__ import annotations


class Sensitive:
    """Wraps secret bytes so that repr, str, JSON and logs cannot show them; compare and hash by value."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The bytes themselves, for the one place that needs them."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sensitive) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Sensitive(…)"
