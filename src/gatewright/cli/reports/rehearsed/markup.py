"""HTML and SVG as text in which everything is escaped, unless it was made here."""

from __future__ import annotations

from html import escape

from gatewright.cli import output


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def tag(name: str, *children: str, **attributes: str | float) -> Markup:
    """An element.  `class_` and the like lose their underscore, others become hyphens; numbers are rounded."""
    told = "".join(
        f' {key.removesuffix("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value != ""
    )
    return Markup(f"<{name}{told}>{''.join(map(text, children))}</{name}>")


def text(said: str) -> Markup:
    """Text as markup: as it is where it is some already."""
    return said if isinstance(said, Markup) else Markup(escape(output.harmless(said)))


def joined(parts: list[Markup]) -> Markup:
    """Several elements, one after the other."""
    return Markup("\n".join(parts))


def _value(value: str | float) -> str:
    return escape(output.harmless(value)) if isinstance(value, str) else f"{value:.6g}"
