"""How is a case written down as a scenario file?

The file is made of the verbs and values that anybody would use who wrote it by hand. It needs
nothing but crmsim: neither the scenario that it comes from nor the hunt that found it.
"""

import enum
import keyword
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import PurePath
from typing import Any

import attrs

from crmsim.chance import Constant, Exponential
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.checks.check import Check
from crmsim.errors import BadInput
from crmsim.hunt.case import Case
from crmsim.lab.building import REACTION_S
from crmsim.lab.landscape import Landscape
from crmsim.lab.trouble import Broken, Call, Deviation, Poisoned
from crmsim.middleware import replication
from crmsim.middleware.flow import Breakage
from crmsim.middleware.replication import Model
from crmsim.network.link import Link
from crmsim.network.profiles import PROFILES
from crmsim.qrfc.partner import Poison
from crmsim.qrfc.wire import Guarantees
from crmsim.units import SECOND_NS, Duration, show_moment

__all__ = ["can_name", "in_code", "write_script"]

WIDTH = 100
SPANS = (("days", 86_400), ("hours", 3_600), ("minutes", 60), ("seconds", 1))
"""How spans are written: function, seconds."""
STANDARD = ("attrs", "decimal", "pathlib")
"""Modules besides crmsim's that a script may import from."""
PLAIN = (Exponential, Constant, Poison)
"""What everybody knows the first argument of."""


@attrs.frozen
class Group:
    """Something in brackets that may take several lines."""

    opens: str
    items: tuple["tuple[str, Group | str]", ...]
    """(what stands in front, such as ``name=``, and the thing)."""
    closes: str

    @property
    def line(self) -> str:
        """All of it in one line."""
        told = ", ".join(front + _line(item) for front, item in self.items)
        comma = "," if self.opens == "(" and len(self.items) == 1 else ""
        return f"{self.opens}{told}{comma}{self.closes}"


Node = Group | str


def _line(node: Node) -> str:
    return node if isinstance(node, str) else node.line


def _is_word(name: str) -> bool:
    """Say whether a name can stand before an equals sign."""
    return name.isidentifier() and not keyword.iskeyword(name)


def _lay_out(front: str, node: Node, indent: int, end: str = "") -> list[str]:
    """Return the lines of a thing, none longer than need be."""
    pad = " " * indent
    one = f"{pad}{front}{_line(node)}{end}"
    if isinstance(node, str) or not node.items or len(one) <= WIDTH:
        return [one]
    lines = [f"{pad}{front}{node.opens}"]
    for name, item in node.items:
        lines += _lay_out(name, item, indent + 4, ",")
    return [*lines, f"{pad}{node.closes}{end}"]


class _Writer:
    """Writes values as code and remembers what has to be imported."""

    def __init__(self) -> None:
        self.imports: dict[str, dict[str, None]] = {}

    def name(self, module: str, name: str) -> str:
        """Return a name that the file imports.

        Raises:
            BadInput: it stands in no module that everybody has.
        """
        if module.split(".")[0] not in ("crmsim", *STANDARD):
            raise BadInput(f"a script cannot import {name!r}: it stands in {module!r}")
        self.imports.setdefault(module, {})[name] = None
        return name

    def value(self, value: Any, kind: Any = None) -> Node:
        """Return a value as code.

        Raises:
            BadInput: it is made of something that no file can name, such as a function.
        """
        kind = _plain(kind)
        if kind is Duration and isinstance(value, int):
            return self.span(value)
        if isinstance(value, enum.Enum):
            cls = type(value)
            return f"{self.name(cls.__module__, cls.__name__)}.{value.name}"
        if value is None or isinstance(value, bool | int | float | str):
            return plain_code(value)
        if isinstance(value, Decimal):
            return f'{self.name("decimal", "Decimal")}("{value}")'
        if isinstance(value, PurePath):
            return f'{self.name("pathlib", "Path")}("{value}")'
        if isinstance(value, Link):
            return self.link(value)
        if isinstance(value, Model):
            names = [name for name, model in vars(replication).items() if model == value]
            if names:
                return self.name(Model.__module__, names[0])
        if isinstance(value, Mapping):
            pairs = tuple((f"{_line(self.value(k))}: ", self.value(v)) for k, v in value.items())
            return Group("{", pairs, "}")
        if isinstance(value, tuple | list):
            kinds = _kinds_of_items(kind, len(value))
            items = tuple(("", self.value(v, k)) for v, k in zip(value, kinds, strict=True))
            return Group("(", items, ")") if isinstance(value, tuple) else Group("[", items, "]")
        if attrs.has(type(value)):
            return self.thing(value)
        raise BadInput(f"a script cannot say {value!r}; only plain values can be written down")

    def thing(self, value: Any) -> Node:
        """Return a value of an attrs class as a call, leaving out what is as by default."""
        cls = type(value)
        kinds = typing.get_type_hints(cls)
        fields = [field for field in attrs.fields(cls) if field.init]
        told = [
            (field.name, self.field(field.name, getattr(value, field.name), kinds[field.name]))
            for field in fields
            if _differs(value, field)
        ]
        is_plain = cls in PLAIN and len(told) == 1
        items = tuple(("" if is_plain else f"{name}=", node) for name, node in told)
        return Group(f"{self.name(cls.__module__, cls.__name__)}(", items, ")")

    def field(self, name: str, value: Any, kind: Any) -> Node:
        """Return a named value; names say which numbers are moments."""
        if name.endswith("_ns") and isinstance(value, int):
            return self.moment(value)
        return self.value(value, kind)

    def link(self, link: Link) -> Node:
        """Return a link, by the name of the profile that it is nearest to."""

        def changes(base: Link) -> dict[str, Any]:
            fields = [field.name for field in attrs.fields(Link)]
            return {n: getattr(link, n) for n in fields if getattr(link, n) != getattr(base, n)}

        plain = changes(Link())
        name, changed = min(
            ((name, changes(make())) for name, make in PROFILES.items()), key=lambda x: len(x[1])
        )
        if len(changed) >= len(plain):
            return self.thing(link)
        kinds = typing.get_type_hints(Link)
        items = tuple((f"{key}=", self.value(value, kinds[key])) for key, value in changed.items())
        return Group(f"{self.name('crmsim.network.profiles', name)}(", items, ")")

    def span(self, span_ns: int) -> str:
        """Return a span of time in its largest unit."""
        for name, second in SPANS:
            if span_ns % (second * SECOND_NS) == 0 and span_ns:
                return f"{self.name('crmsim.units', name)}({span_ns // (second * SECOND_NS)})"
        if span_ns % 1_000_000 == 0:
            return f"{self.name('crmsim.units', 'milliseconds')}({span_ns // 1_000_000})"
        return f"{self.name('crmsim.units', 'Duration')}({span_ns:_})"

    def moment(self, time_ns: int) -> str:
        """Return a moment as a sum of spans."""
        if time_ns % SECOND_NS or not time_ns:
            return f"{time_ns:_}"
        told, rest_s = [], time_ns // SECOND_NS
        for name, second in SPANS:
            count, rest_s = divmod(rest_s, second)
            if count:
                told.append(f"{self.name('crmsim.units', name)}({count})")
        return " + ".join(told)

    def when(self, time_ns: int) -> str:
        """Return a moment as the verbs of the landscape take it."""
        return f"{time_ns:_}" if time_ns % SECOND_NS else f'"{show_moment(time_ns)}"'

    def call(self, call: Call) -> Node:
        """Return one use of a verb."""
        verb = getattr(Landscape, call.verb)
        kinds = typing.get_type_hints(verb)
        names = [name for name in kinds if name != "return"]
        odd = {name: value for name, value in call.named.items() if not _is_word(name)}
        named = tuple(
            (f"{name}=", self.field(name, value, kinds.get(name)))
            for name, value in call.named.items()
            if name not in odd
        )
        if odd:  # fields may be called anything
            named += (("**", self.value(odd)),)
        if call.verb == "at":
            moment, fault = call.arguments
            span = (("for_=", self.span(call.named["for_"])),)
            items = (("", self.when(moment)), ("", self.value(fault)), *span)
            return Group("land.at(", items, ")")
        plain = tuple(
            ("", self.value(value, kinds.get(name)))
            for value, name in zip(call.arguments, names, strict=False)
        )
        if call.at_ns is None:
            return Group(f"land.{call.verb}(", (*plain, *named), ")")
        start = (("", self.when(call.at_ns)), ("", f"land.{call.verb}"))
        return Group("land.at(", (*start, *plain, *named), ")")

    def checks(self, checks: Sequence[Check]) -> Node:
        """Return checks by their names; those that are not crmsim's own are left out."""
        own = tuple(check for check in checks if _place_of(check))
        if own == ALL_CHECKS:
            return self.name("crmsim.checks.catalogue", "ALL_CHECKS")
        return Group("(", tuple(("", self.name(*_place_of(check))) for check in own), ")")


def plain_code(value: Any) -> str:
    """Return a plain value as ruff would write it."""
    code = repr(value)
    if isinstance(value, str):
        return code if "'" in value or '"' in value else f'"{code[1:-1]}"'
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:_}"
    return code if code not in ("inf", "-inf", "nan") else f'float("{code}")'


def _place_of(check: Check) -> tuple[str, ...]:
    """Return the module of a check of crmsim's own, and its name there; empty for another one."""
    module = check.judge.__module__
    if not module.startswith("crmsim."):
        return ()
    found = vars(sys.modules[module]).items()
    return next(((module, name) for name, value in found if value is check), ())


def can_name(check: Check) -> bool:
    """Say whether a script can name a check."""
    return bool(_place_of(check))


def _plain(kind: Any) -> Any:
    """Return what stands in an optional type."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        found = [arg for arg in typing.get_args(kind) if arg is not type(None)]
        return found[0] if len(found) == 1 else None
    return kind


def _kinds_of_items(kind: Any, count: int) -> list[Any]:
    if typing.get_origin(kind) is not tuple:
        return [None] * count
    given = typing.get_args(kind)
    return [given[0]] * count if given[1:] == (...,) else [*given, *[None] * count][:count]


def _differs(value: Any, field: "attrs.Attribute[Any]") -> bool:
    if field.default is attrs.NOTHING:
        return True
    default: Any = field.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        default = default.factory()
    return bool(getattr(value, field.name) != default)


def in_code(one: Deviation) -> str:
    """Return a deviation as a line of code, for people to read."""
    writer = _Writer()
    if isinstance(one, Poisoned):
        return _line(writer.value(one.poison))
    if isinstance(one, Broken):
        return _line(writer.value(one.breakage))
    return "; ".join(_line(writer.call(call)) for call in one.calls)


def _built(case: Case) -> list[Call]:
    """Return how the landscape is built, with what goes wrong by plan among the arguments."""
    return [_with_plan(call, case) for call in case.built]


def _with_plan(call: Call, case: Case) -> Call:
    plans: dict[str, tuple[str, tuple[Poison | Breakage, ...]]] = {
        "add_erp": ("poisons", case.trouble.poisons),
        "add_crm": ("breakages", case.trouble.breakages),
    }
    name, planned = plans.get(call.verb, ("", ()))
    if not planned:
        return call
    named = {**call.named, name: (*call.named.get(name, ()), *planned)}
    if named.get("operator_s") is None:
        named["operator_s"] = REACTION_S
    return Call(call.verb, named=named)


def write_script(case: Case, name: str, doc: str) -> str:
    """Return the text of a scenario file.

    Args:
        case: What happens.
        name: The name of the scenario: a Python name.
        doc: Its docstring; the first line is its question.

    Raises:
        BadInput: something in the case cannot be written down.
    """
    writer = _Writer()
    body: list[str] = []
    if case.guarantees != Guarantees():
        body += _lay_out("land.guarantees = ", writer.value(case.guarantees), 4)
    for call in _built(case):
        body += _lay_out("", writer.call(call), 4)
    body.append("    land.check()")
    for deviation in case.trouble.deviations:
        for call in deviation.calls:
            body += _lay_out("", writer.call(call), 4)
    body.append(f"    await land.run_until({writer.when(case.end_ns)})")
    still = (("keep_still=", writer.value(case.keep_still)),) if case.keep_still else ()
    settle = Group("await land.settle(", (("", writer.span(case.budget)), *still), ")")
    body += _lay_out("", settle, 4)
    checks = (("", "Settings"), ("checks=", writer.checks(case.checks)), ("seed=", f"{case.seed}"))
    mark = _lay_out("@scenario", Group("(", checks, ")"), 0)
    writer.name("attrs", "frozen")
    writer.name("crmsim.lab.landscape", "Landscape")
    writer.name("crmsim.lab.scenario", "scenario")
    head = f'"""{_in_docstring(doc)}\n"""\n\n{_imports(writer.imports)}\n'
    settings = '@frozen\nclass Settings:\n    """Nothing can be changed about this story."""\n'
    story = [
        *mark,
        f"async def {name}(land: Landscape, settings: Settings) -> None:",
        '    """Tell what happens."""',
        *body,
    ]
    test = [
        f"def test_{name}() -> None:",
        '    """It fails as long as the defect is there."""',
        f"    {name}.run().must_hold()",
    ]
    return f"{head}\n\n{settings}\n\n" + "\n".join([*story, "", "", *test]) + "\n"


def _in_docstring(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', "'''").strip()


def _imports(imports: Mapping[str, Mapping[str, None]]) -> str:
    def rank(module: str) -> tuple[int, str]:
        kinds = {"decimal": 0, "pathlib": 0, "attrs": 1}
        return kinds.get(module.split(".")[0], 2), module

    blocks: dict[int, list[str]] = {}
    for module in sorted(imports, key=rank):
        names = tuple(("", name) for name in sorted(imports[module], key=_import_order))
        one = f"from {module} import {', '.join(name for _, name in names)}"
        lines = [one]
        if len(one) > WIDTH:
            lines = _lay_out(f"from {module} import ", Group("(", names, ")"), 0)
        blocks.setdefault(rank(module)[0], []).extend(lines)
    return "\n\n".join("\n".join(lines) for lines in blocks.values())


def _import_order(name: str) -> tuple[int, str]:
    """Constants, classes, functions: as ruff sorts them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name
