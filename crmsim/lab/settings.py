"""What can be set, in which unit, and what does a user write to set it?

Settings are a frozen attrs class. Each field is made by `setting(default, meaning)`; its type says
how its text is read: a `Duration` wants a unit, a `Share` a percentage, a bool ``on`` or ``off``,
an `enum.Enum` one of its values.
"""

import difflib
import enum
import functools
import tomllib
import types
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs
import cattrs

from crmsim.errors import BadInput, BadValue
from crmsim.units import (
    Duration,
    Rate,
    Share,
    Size,
    exact_duration,
    parse_bool,
    parse_duration,
    parse_rate,
    parse_share,
    parse_size,
    show_duration,
    show_rate,
    show_share,
    show_size,
    to_seconds,
)

__all__ = [
    "describe",
    "must_be_setting",
    "read_settings",
    "read_settings_file",
    "setting",
    "settings_as_json",
    "settings_as_text",
]

_READERS: dict[Any, tuple[Callable[[str], Any], Callable[[Any], str], str]] = {
    Duration: (parse_duration, show_duration, "a duration, e.g. 45min"),
    Share: (parse_share, show_share, "a share, e.g. 10%"),
    Size: (parse_size, show_size, "a size, e.g. 2kB"),
    Rate: (parse_rate, show_rate, "a rate, e.g. 40kbit/s"),
    bool: (parse_bool, lambda value: "on" if value else "off", "on or off"),
}
"""Type -> (how its text is read, how it is shown, what a user writes)."""


def setting(
    default: Any,
    meaning: str,
    *,
    low: float | None = None,
    high: float | None = None,
) -> Any:
    """Declare a field of a settings class.

    Args:
        default: Its value when nobody sets it.
        meaning: What it is, for somebody who knows only the scenario's question.
        low: The least value that makes sense.
        high: The greatest value that makes sense.
    """

    def in_range(instance: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if (low is not None and value < low) or (high is not None and value > high):
            kind = _types(type(instance)).get(attribute.name, type(value))
            ends = _range({"low": low, "high": high}, kind).removeprefix("; ")
            raise BadValue(f"{attribute.name} is {_shown(value, kind)}; write {ends}")

    told = {"meaning": meaning, "low": low, "high": high}
    return attrs.field(default=default, validator=in_range, metadata=told)


@functools.cache
def _hints(cls: Any) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in attrs.fields(cls)}


def _types(cls: Any) -> dict[str, Any]:
    return _hints(cls)  # mypy does not believe that a class is hashable, as a cache asks


def _read_text(text: str, kind: Any) -> Any:
    """Read the text of one setting by its type."""
    if get_origin(kind) in (types.UnionType, Union):
        inner = next(arg for arg in get_args(kind) if arg is not type(None))
        return None if text in ("", "none") else _read_text(text, inner)
    if kind in _READERS:
        return _READERS[kind][0](text)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        choices = [str(member.value) for member in kind]
        if text not in choices:
            raise BadValue(f"{text!r} is not one of {', '.join(choices)}")
        return next(member for member in kind if str(member.value) == text)
    if kind is int:
        return _whole(text)
    if kind is float:
        return float(text)
    return Path(text) if kind is Path else text


def _whole(text: str) -> int:
    try:
        return int(text.replace("_", ""))
    except ValueError:
        raise BadValue(f"{text!r} is no whole number") from None


@functools.cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)

    def read(value: Any, kind: Any) -> Any:
        if isinstance(value, str):
            return _read_text(value, kind)
        if kind is bool and isinstance(value, bool):
            return value
        if kind in (Share, float, int) and isinstance(value, int | float) and value is not True:
            return _read_text(str(value), kind)
        raise BadValue(f"{value!r} has no unit; write {_wanted(kind)}, in quotes")

    converter.register_structure_hook_func(lambda kind: not attrs.has(kind), read)
    for plain in (bool, int, float, str, Path):  # cattrs would convert these by calling the type
        converter.register_structure_hook(plain, read)
    return converter


def _wanted(kind: Any) -> str:
    if get_origin(kind) in (types.UnionType, Union):
        return _wanted(next(arg for arg in get_args(kind) if arg is not type(None)))
    if kind in _READERS:
        return _READERS[kind][2]
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return "one of " + ", ".join(str(member.value) for member in kind)
    return {int: "a whole number", float: "a number", Path: "a path"}.get(kind, "a text")


def read_settings(cls: type, values: Mapping[str, Any], place: str) -> Any:
    """Make settings of what a user wrote.

    Args:
        cls: The settings class of a scenario.
        values: Name -> text (or a value that needs no unit).
        place: Where it was written, for messages: "--set" or the name of a file.

    Raises:
        BadInput: an unknown name, a value without a unit, or one out of range.
    """
    for name in values:
        must_be_setting(cls, name, place)
    try:
        return _converter().structure(dict(values), cls)
    except cattrs.BaseValidationError as group:
        raise BadInput(f"{place}: {_first(group, values)}") from None
    except ValueError as error:
        raise BadInput(f"{place}: {error}") from None


def must_be_setting(cls: type, name: str, place: str) -> None:
    """Refuse a name that no setting has.

    Raises:
        BadInput: there is no such setting; a similar name is told.
    """
    kinds = _types(cls)
    if name not in kinds:
        near = difflib.get_close_matches(name, list(kinds), 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise BadInput(f"{place}: there is no setting {name!r}{hint} (see: crmsim describe)")


def _first(group: BaseExceptionGroup[Any], values: Mapping[str, Any]) -> str:
    """Return the first error of a group as a sentence with the name of the setting."""
    error = group.exceptions[0]
    notes = [note for note in getattr(error, "__notes__", ()) if hasattr(note, "name")]
    if isinstance(error, BaseExceptionGroup):
        return _first(error, values)
    if notes:
        name = notes[0].name
        return f"{name}={values[name]}: {error}"
    return str(error)


def read_settings_file(path: Path) -> dict[str, Any]:
    """Read settings from a TOML file with one line per setting.

    Raises:
        BadInput: the file is missing or no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{path}: no settings file ({error})") from None


def _shown(value: Any, kind: Any) -> str:
    if value is None:
        return "none"
    if get_origin(kind) in (types.UnionType, Union):
        return _shown(value, next(arg for arg in get_args(kind) if arg is not type(None)))
    if kind in _READERS:
        return _READERS[kind][1](value)
    return str(value.value) if isinstance(value, enum.Enum) else str(value)


def describe(cls: type) -> list[tuple[str, str, str, str]]:
    """Return (name, default, what to write, meaning) of every setting."""
    kinds = _types(cls)
    return [
        (
            field.name,
            _shown(field.default, kinds[field.name]),
            _wanted(kinds[field.name]) + _range(field.metadata, kinds[field.name]),
            str(field.metadata.get("meaning", "")),
        )
        for field in attrs.fields(cls)
    ]


def _range(metadata: Mapping[str, Any], kind: Any) -> str:
    """Return the range of a setting in words; empty when there is none."""
    low, high = metadata.get("low"), metadata.get("high")
    ends = [None if end is None else _shown(end, kind) for end in (low, high)]
    if ends == [None, None]:
        return ""
    if ends[1] is None:
        return f"; {ends[0]} or more"
    return f"; {ends[0]} to {ends[1]}" if ends[0] is not None else f"; up to {ends[1]}"


def settings_as_json(settings: Any) -> dict[str, object]:
    """Return settings as plain values: durations in seconds, with `_s` names."""
    plain: dict[str, object] = {}
    for name, kind in _types(type(settings)).items():
        value = getattr(settings, name)
        if kind is Duration:
            plain[f"{name}_s"] = to_seconds(value)
        elif isinstance(value, enum.Enum | Path):
            plain[name] = str(value.value) if isinstance(value, enum.Enum) else str(value)
        else:
            plain[name] = value
    return plain


def settings_as_text(settings: Any) -> dict[str, str]:
    """Return settings as a user would write them, leaving out those at their default."""
    kinds = _types(type(settings))
    return {
        field.name: _exact(getattr(settings, field.name), kinds[field.name])
        for field in attrs.fields(type(settings))
        if getattr(settings, field.name) != field.default
    }


def _exact(value: Any, kind: Any) -> str:
    if value is None:
        return ""
    if get_origin(kind) in (types.UnionType, Union):
        return _exact(value, next(arg for arg in get_args(kind) if arg is not type(None)))
    if kind is Duration:
        return exact_duration(value)
    if kind is Share:
        percentage = show_share(value)
        return percentage if parse_share(percentage) == value else _digits(value)
    if kind in (Size, Rate):
        return f"{value}B" if kind is Size else f"{_digits(value * 8)}bit/s"
    return _shown(value, kind)


def _digits(number: float) -> str:
    """Return a number with all its digits, and without an exponent."""
    return f"{Decimal(repr(number)):f}"
