"""Which settings are tried, and in which combinations?

A cell is one combination of settings. Replication number i of every cell runs with the same seed.
Luck is keyed by what it is for, so two cells meet the same luck wherever they do the same (common
random numbers), and their difference says more than two independent runs would.
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from crmsim.errors import BadInput
from crmsim.lab.settings import must_be_setting, read_settings, settings_as_text

__all__ = ["Cell", "grid", "parse_vary"]


@attrs.frozen
class Cell:
    """One combination of settings."""

    settings: Mapping[str, str] = attrs.field(hash=False)
    """Setting -> text, for each that differs from its default."""

    @property
    def identity(self) -> str:
        """The same for the same combination, however it was written."""
        return json.dumps(dict(sorted(self.settings.items())), ensure_ascii=False)


def parse_vary(texts: Sequence[str], table: object) -> dict[str, list[Any]]:
    """Read what is varied: ``loss=0%,10%``, on top of a table of lists.

    Raises:
        BadInput: a text has no name or no values, a name comes twice, or a table has no lists.
    """
    if not isinstance(table, dict):
        raise BadInput("vary: write a table, [vary], with lines such as loss = ['0%', '10%']")
    found: dict[str, list[Any]] = {}
    for name, values in table.items():
        if not isinstance(values, list) or not values:
            raise BadInput(f"[vary] {name}: write a list, such as {name} = ['0%', '10%']")
        found[name] = values
    given: dict[str, list[Any]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals or not name or not all(values.split(",")):
            raise BadInput(f"--vary {text}: write NAME=VALUE,VALUE,...")
        if name in given:
            raise BadInput(f"--vary {text}: {name} is varied already; name all its values at once")
        given[name] = values.split(",")
    return found | given


def grid(
    settings: type,
    vary: Mapping[str, Sequence[Any]],
    fixed: Mapping[str, Any],
    place: str = "--set",
) -> Iterator[Cell]:
    """Yield every combination of values, the last setting changing fastest; none twice.

    Args:
        settings: The settings class of a scenario.
        vary: Setting -> the values to try.
        fixed: Setting -> value, the same in all cells.
        place: Where a fixed setting was written, for messages.

    Raises:
        BadInput: a setting does not exist, is fixed as well as varied, or a value makes no sense.
    """
    read_settings(settings, fixed, place)
    for name, values in vary.items():
        must_be_setting(settings, name, "--vary")
        if name in fixed:
            raise BadInput(f"--vary {name}: it is set to {fixed[name]} as well; leave out one")
        if isinstance(values, str) or not list(values):
            raise BadInput(f"--vary {name}: there must be a list of values, and one at least")
    seen: dict[str, None] = {}
    for values in itertools.product(*vary.values()):
        chosen = {**fixed, **dict(zip(vary, values, strict=True))}
        cell = Cell(settings_as_text(read_settings(settings, chosen, "--vary")))
        if not _is_text(cell.identity):
            raise BadInput(f"{place}: {cell.identity!a} holds bytes that are no UTF-8")
        if cell.identity not in seen:
            seen[cell.identity] = None
            yield cell


def _is_text(text: str) -> bool:
    return text == text.encode(errors="replace").decode()
