"""A Zone's `settings` for its provider: known names, what stands for those left out, secrets from the environment.

A value "env/NAME" is the environment variable NAME.  Counterpart: `providers`, whose files list their settings.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from msgspec import Struct

from gatewright.base.errors import UsageError

ENVIRONMENT = "env/"


class Setting(Struct, frozen=True):
    """One setting.  `default`: the first of these that is there, "env/NAME" included; none: it may be left out unless
    `required`.  `secret`: never shown.  `type`: what its text must be."""

    name: str
    about: str
    default: tuple[str, ...] = ()
    required: bool = False
    secret: bool = False
    type: type[str] | type[int] | type[float] | type[bool] = str


class Settings(Struct, frozen=True):
    """Settings ready for use.  Its repr shows no value."""

    values: Mapping[str, str | int | float | bool]
    secrets: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Settings({', '.join(self.values)})"


def resolved(
    provider: str, known: tuple[Setting, ...], written: Mapping[str, str], environment: Mapping[str, str]
) -> Settings:
    """The settings of one zone.  UsageError, in one line, for unknown and missing ones and for missing variables."""
    names = [setting.name for setting in known]
    for name in written:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
            raise UsageError(f"{provider} has no setting {name}: {hint}")
    values: dict[str, str | int | float | bool] = {}
    secrets = []
    for setting in known:
        text = _text(provider, setting, written.get(setting.name), environment)
        if text is None:
            continue
        values[setting.name] = _typed(provider, setting, text)
        if setting.secret:
            secrets.append(text)
    return Settings(values, tuple(secrets))


def _text(provider: str, setting: Setting, written: str | None, environment: Mapping[str, str]) -> str | None:
    """The text of a setting, None when it is left out."""
    if written is not None:
        found = _looked_up(written, environment)
        if found is None:
            variable = written.removeprefix(ENVIRONMENT)
            raise UsageError(f"the environment variable {variable} is not set ({provider}: {setting.name})")
        return found
    for default in setting.default:
        found = _looked_up(default, environment)
        if found is not None:
            return found
    if setting.required:
        variables = [item.removeprefix(ENVIRONMENT) for item in setting.default if item.startswith(ENVIRONMENT)]
        way = f"set the environment variable {' or '.join(variables)}, or " if variables else ""
        where = f"spec.settings.{setting.name}{': env/NAME' if setting.secret else ''}"
        raise UsageError(f"{provider} needs {setting.about}: {way}write {where}")
    return None


def _looked_up(text: str, environment: Mapping[str, str]) -> str | None:
    """A text, or the variable that it stands for; None for one that is missing or empty."""
    return environment.get(text.removeprefix(ENVIRONMENT)) or None if text.startswith(ENVIRONMENT) else text


def _typed(provider: str, setting: Setting, text: str) -> str | int | float | bool:
    """The value of a setting's text."""
    if setting.type is bool:
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise UsageError(f"{provider}: {setting.name} is true or false")
    try:
        return setting.type(text)
    except ValueError:
        raise UsageError(f"{provider}: {setting.name} is a number") from None
