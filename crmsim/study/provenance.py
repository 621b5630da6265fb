"""Is it still the same scenario, and are these the same programs, as when a study began?

What stands in files is told by their text: the scenario file, and every file of one's own that it
uses. What was typed into a notebook or a script is told by what it is made of, since its file also
holds what may change: the call that asks for more runs.
"""

import ast
import functools
import hashlib
import sys
import sysconfig
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from crmsim.lab.scenario import Scenario

__all__ = ["digest_of", "digest_of_code"]

HOUSE = Path(__file__).parent.parent
NOTEBOOK = "__main__"
LOCAL = "<locals>"
SLOTS = types.MemberDescriptorType | types.GetSetDescriptorType
PLAIN = bool | int | float | complex | str | bytes | None


@functools.cache
def digest_of_code() -> str:
    """Return the SHA-256 of all programs of crmsim."""
    digest = hashlib.sha256()
    for file in sorted(HOUSE.rglob("*.py")):
        digest.update(file.relative_to(HOUSE).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


def digest_of(scenario: Scenario, source: str) -> str:
    """Return the SHA-256 of a scenario.

    Args:
        scenario: Which one.
        source: The text of its file; empty when it was not read from one.
    """
    teller = _Teller()
    if source:
        teller.follow(source)
    else:
        teller.take(scenario.story.__module__)
    parts = (scenario.name, scenario.settings, scenario.story, scenario.checks, scenario.metrics)
    told = source or teller.tell(parts)
    files = sorted(teller.files.items())
    return hashlib.sha256(repr((told, files)).encode()).hexdigest()


class _Teller:
    """Tells what things are made of, in the same words in every process."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        """Module of one's own -> its text."""
        self._told: list[Any] = []

    def follow(self, text: str, package: str = "") -> None:
        """Take the text of each module of one's own that a text imports, and of what that imports.

        Args:
            text: A Python file.
            package: What a relative import in it starts from.
        """
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self._look_at(alias.name)
            elif isinstance(node, ast.ImportFrom):
                parts = package.split(".")[: 1 - node.level or None] if node.level else []
                place = ".".join([*parts, *([node.module] if node.module else [])])
                for name in (place, *(f"{place}.{alias.name}" for alias in node.names)):
                    self._look_at(name)

    def _look_at(self, name: object) -> bool:
        """Say whether a module is one of one's own; if so, take its text."""
        file = getattr(sys.modules.get(str(name)), "__file__", None)
        if not isinstance(name, str) or _is_of_others(file):
            return False
        self.take(name)
        return True

    def take(self, name: str) -> None:
        """Take the text of a module, and follow it."""
        module = sys.modules.get(name)
        file = Path(getattr(module, "__file__", None) or "")
        if name not in (NOTEBOOK, *self.files) and file.is_file():
            self.files[name] = file.read_text(encoding="utf-8")
            self.follow(self.files[name], getattr(module, "__package__", None) or "")

    def tell(self, thing: Any) -> str:
        """Return what a thing is made of."""
        if isinstance(thing, PLAIN) and type(thing) in PLAIN.__args__:
            return repr(thing)
        if not isinstance(thing, tuple | frozenset | types.CodeType):
            for number, other in enumerate(self._told):
                if other is thing:
                    return f"<{number}>"
            self._told.append(thing)
        return f"{type(thing).__name__}({', '.join(self._parts(thing))})"

    def _parts(self, thing: Any) -> Iterator[str]:
        if isinstance(thing, types.ModuleType):
            self._look_at(thing.__name__)
            yield thing.__name__
        elif isinstance(thing, types.CodeType):
            yield from map(self.tell, (thing.co_code, thing.co_names, thing.co_varnames))
            yield self.tell(thing.co_consts)
        elif isinstance(thing, types.FunctionType):
            yield from self._function(thing)
        elif isinstance(thing, type):
            yield from self._class(thing)
        elif isinstance(thing, dict):
            yield from (f"{self.tell(key)}: {self.tell(value)}" for key, value in thing.items())
        elif isinstance(thing, list | tuple):
            yield from map(self.tell, thing)
        elif isinstance(thing, set | frozenset):
            yield from sorted(map(self.tell, thing))
        elif isinstance(thing, property):
            yield from map(self.tell, (thing.fget, thing.fset))
        elif isinstance(thing, staticmethod | classmethod):
            yield self.tell(thing.__func__)
        else:
            yield from self._object(thing)

    def _function(self, function: types.FunctionType) -> Iterator[str]:
        yield function.__qualname__
        yield self.tell([_content(cell) for cell in function.__closure__ or ()])
        if self._stands_elsewhere(function):
            yield function.__module__
            return
        yield self.tell([function.__code__, function.__defaults__, function.__kwdefaults__])
        for name in dict.fromkeys(_names(function.__code__)):
            if name in function.__globals__:
                yield f"{name}: {self.tell(function.__globals__[name])}"

    def _class(self, cls: type) -> Iterator[str]:
        yield cls.__qualname__
        if self._stands_elsewhere(cls):
            yield cls.__module__
            return
        yield self.tell(cls.__bases__)
        for field in attrs.fields(cls) if attrs.has(cls) else ():
            yield self.tell((field.name, field.type, field.default, field.validator))
        for name, member in sorted(vars(cls).items()):
            if isinstance(member, types.FunctionType):
                is_written = not member.__code__.co_filename.startswith("<attrs generated")
            else:
                is_slot = isinstance(member, SLOTS)
                is_written = not is_slot and not name.startswith("__")
            if is_written or name == "__annotations__":
                yield f"{name}: {self.tell(member)}"

    def _stands_elsewhere(self, thing: Any) -> bool:
        """Say whether the text of a file, or the version of a library, says all of a thing."""
        is_own = self._look_at(thing.__module__)
        if thing.__module__ == NOTEBOOK or thing.__module__ not in sys.modules:
            return False
        return not (is_own and LOCAL in thing.__qualname__)

    def _object(self, thing: Any) -> Iterator[str]:
        """Tell an object as `pickle` would take it apart; by its class alone where it cannot."""
        yield self.tell(type(thing))
        try:
            taken = thing.__reduce_ex__(4)
        except Exception:  # whatever an object of somebody else's raises
            return
        if isinstance(taken, str):
            yield taken
            return
        for part in taken:
            yield self.tell(list(part) if isinstance(part, Iterator) else part)


def _is_of_others(file: object) -> bool:
    """Say whether a module is part of Python, of a library or of crmsim."""
    if not isinstance(file, str) or not file.endswith(".py"):
        return True
    path = Path(file).resolve()
    python = Path(sysconfig.get_path("stdlib")).resolve()
    in_library = {"site-packages", "dist-packages"} & {*path.parts}
    return bool(in_library) or path.is_relative_to(python) or path.is_relative_to(HOUSE.resolve())


def _names(code: types.CodeType) -> Iterator[str]:
    """Yield the names that a piece of code may look up in its module."""
    yield from code.co_names
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from _names(const)


def _content(cell: types.CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # nothing was put into it yet
        return None
