"""What in a file would make its runs differ, found without running it?

The fence refuses what goes through the attribute of a module while a run is going on. This reads
the source instead, so it also finds names that were imported one by one, methods of built-in
classes such as ``datetime.now``, and loops whose order is decided by the hash of a text. It cannot
know what happens behind a call of a library, or through a name made at run time.

A line that is meant so ends in ``# crmsim: ok``.
"""

import ast
import builtins
from collections.abc import Iterator
from pathlib import Path

import attrs

from crmsim.errors import BadInput
from crmsim.fence import CLOCK, ESCAPES, LUCK, NETWORK, THREAD, Escape

__all__ = ["MODULES", "MORE", "SETS", "Remark", "lint"]

MORE: dict[str, Escape] = {
    **dict.fromkeys(
        (
            *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today"),
            *("datetime.date.today", "time.localtime", "time.gmtime", "time.ctime"),
        ),
        CLOCK,
    ),
    **dict.fromkeys(("random.SystemRandom", "secrets.SystemRandom"), LUCK),
    **dict.fromkeys(
        (
            *("numpy.random.random", "numpy.random.rand", "numpy.random.randn"),
            *("numpy.random.randint", "numpy.random.choice", "numpy.random.shuffle"),
            *("numpy.random.permutation", "numpy.random.normal", "numpy.random.uniform"),
            *("numpy.random.exponential", "numpy.random.seed", "numpy.random.random_sample"),
        ),
        LUCK,
    ),
}
"""What only reading finds: dotted name -> what it is."""
UNSEEDED = (
    *("random.Random", "numpy.random.default_rng", "numpy.random.SeedSequence"),
    "numpy.random.RandomState",
)
"""What draws luck that no seed decides unless it is given one."""
MODULES: dict[str, Escape] = {
    **dict.fromkeys(("socket", "http", "urllib", "requests", "httpx", "aiohttp"), NETWORK),
    **dict.fromkeys(
        ("threading", "multiprocessing", "subprocess", "concurrent", "asyncio", "_thread"), THREAD
    ),
}
"""Modules whose import already says it: name -> what they are for."""
SETS = "sort it first: the order of a set of texts differs from process to process"
HASHES = "it differs from process to process; use a name or a number of its own"
GENERATOR = "its end comes when the collector gets round to it; use async with aclosing(...)"
ORDERING = {"list", "tuple", "enumerate", "iter", "zip", "map", "filter", "dict.fromkeys"}
UNORDERED = {"sorted", "set", "frozenset", "sum", "min", "max", "any", "all", "len"}
"""Functions that do not care in which order they are given things."""
KINDS = {"set", "frozenset", "Set", "FrozenSet", "AbstractSet", "MutableSet"}
"""Types whose values have no order."""
"""Functions that give a set an order."""
SET_METHODS = {"union", "intersection", "difference", "symmetric_difference", "copy"}
"""Methods of a set that return another one."""
BUILT_IN = frozenset(dir(builtins))
ALLOWED = "# crmsim: ok"


@attrs.frozen(order=True)
class Remark:
    """Something that would make runs differ."""

    path: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        """Say it in a line, as compilers do."""
        return f"{self.path}:{self.line}:{self.column}: {self.text}"


def lint(path: Path) -> list[Remark]:
    """Return what is to be said of a file, in the order of its lines.

    Raises:
        BadInput: it cannot be read as Python.
    """
    try:
        source = path.read_text(encoding="utf-8-sig")
        tree = ast.parse(source, str(path))
        reader = _Reader()
        reader.visit(tree)
    except (OSError, UnicodeDecodeError, SyntaxError, ValueError, RecursionError) as error:
        raise BadInput(f"{path}: cannot be read as Python ({error})") from None
    lines = source.split("\n")
    found = {
        Remark(str(path), node.lineno, node.col_offset + 1, text)
        for node, text in reader.found
        if ALLOWED not in lines[node.lineno - 1]
    }
    return sorted(found)


class _Reader(ast.NodeVisitor):
    """Walks through a file; knows what names were imported and which of them hold sets."""

    def __init__(self) -> None:
        self.found: list[tuple[ast.expr | ast.stmt, str]] = []
        self._imported: dict[str, str] = {}
        """Name in the file -> dotted name."""
        self._free: set[ast.expr] = set()
        """Expressions of whose order nobody makes use."""
        self._sets: list[dict[str, bool]] = [{}]
        """For each function around: name -> whether it holds a set."""

    # --- names ---

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            root = alias.name.split(".")[0]
            self._imported[alias.asname or root] = alias.name if alias.asname else root
            self._judge_module(node, root)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level:
            return  # a module of one's own, whatever its name
        for alias in node.names:
            dotted = f"{node.module}.{alias.name}"
            self._imported[alias.asname or alias.name] = dotted
            if alias.name == "*" and any(name.startswith(f"{node.module}.") for name in ESCAPES):
                self._say(node, f"takes everything out of {node.module}; import what is needed")
        self._judge_module(node, str(node.module).split(".")[0])

    def _judge_module(self, node: ast.stmt, root: str) -> None:
        if root in MODULES:
            self._say(node, f"{root} {MODULES[root].what}; {MODULES[root].remedy}")

    def _dotted(self, node: ast.expr) -> str:
        """Return the dotted name that an expression stands for; empty when it is none."""
        if isinstance(node, ast.Name):
            return self._imported.get(node.id, node.id if node.id in BUILT_IN else "")
        if isinstance(node, ast.Attribute):
            before = self._dotted(node.value)
            return f"{before}.{node.attr}" if before else ""
        return ""

    # --- calls ---

    def visit_Call(self, node: ast.Call) -> None:
        dotted = self._dotted(node.func)
        given = [*node.args, *(word.value for word in node.keywords)]
        is_seeded = any(not isinstance(a, ast.Constant) or a.value is not None for a in given)
        if dotted in UNSEEDED and not is_seeded:
            self._say(node, f"{dotted}() without a seed {LUCK.what}; {LUCK.remedy}")
        for place in (node.func, *(word.value for word in node.keywords if word.arg == "key")):
            if self._dotted(place) in ("id", "hash"):
                self._say(node, f"{self._dotted(place)}: {HASHES}")
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        is_ordering = dotted in ORDERING or method in ("join", "extend")
        for argument in node.args if is_ordering and node not in self._free else ():
            self._judge_order(argument)
        if dotted in UNORDERED:
            self._free.update(node.args)
        if isinstance(node.func, ast.Attribute) and method == "pop" and not node.args:
            self._judge_order(node.func.value)
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._judge_name(node)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        self._judge_name(node)

    def _judge_name(self, node: ast.Attribute | ast.Name) -> None:
        """Judge a name wherever it is used: it may be called elsewhere."""
        dotted = self._dotted(node)
        escape = MORE.get(dotted) or ESCAPES.get(dotted) or ESCAPES.get(f"{dotted}.__init__")
        if escape is not None and "." in dotted:
            self._say(node, f"{dotted} {escape.what}; {escape.remedy}")

    # --- loops over sets ---

    def visit_For(self, node: ast.For) -> None:
        self._judge_order(node.iter)
        self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._judge_comprehension(node)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._judge_comprehension(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        """What a generator yields is judged where it is used; sums and sets have no order."""
        self.generic_visit(node)

    def visit_YieldFrom(self, node: ast.YieldFrom) -> None:
        self._judge_order(node.value)
        self.generic_visit(node)

    def visit_Set(self, node: ast.Set) -> None:
        for part in node.elts:  # a set made of sets has no order either
            self.visit(part.value if isinstance(part, ast.Starred) else part)

    def _judge_comprehension(self, node: ast.ListComp | ast.DictComp) -> None:
        for part in node.generators if node not in self._free else ():
            self._judge_order(part.iter)
        self.generic_visit(node)

    def visit_Starred(self, node: ast.Starred) -> None:
        self._judge_order(node.value)
        self.generic_visit(node)

    def _judge_order(self, node: ast.expr) -> None:
        if isinstance(node, ast.GeneratorExp):
            for part in node.generators:
                self._judge_order(part.iter)
        elif self._is_set(node):
            self._say(node, f"goes through a set; {SETS}")

    def _is_set(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Set | ast.SetComp):
            return True
        if isinstance(node, ast.Name | ast.Attribute):
            name = ast.unparse(node)
            return next((held[name] for held in self._sets[::-1] if name in held), False)
        if isinstance(node, ast.BinOp) and isinstance(
            node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor
        ):
            return self._is_set(node.left) or _is_view(node.left)
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr in SET_METHODS:
                return self._is_set(node.func.value)
            return self._dotted(node.func) in ("set", "frozenset")
        return False

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._hold(target, self._is_set(node.value))
        self.generic_visit(node)

    def _hold(self, target: ast.expr, is_set: bool) -> None:
        """Remember whether a name holds a set; what hangs on an object, everywhere in the file."""
        if isinstance(target, ast.Name):
            self._sets[-1][target.id] = is_set
        elif isinstance(target, ast.Attribute):
            self._sets[0][ast.unparse(target)] = is_set

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        is_set = node.value is not None and self._is_set(node.value)
        self._hold(node.target, is_set or _names_a_set(node.annotation))
        self.generic_visit(node)

    # --- functions ---

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        if _yields(node) and not node.decorator_list:
            self._say(node, f"{node.name} is an async generator: {GENERATOR}")
        self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        held = {a.arg: _names_a_set(a.annotation) for a in arguments}
        self._sets.append(held)
        self.generic_visit(node)
        self._sets.pop()

    def _say(self, node: ast.expr | ast.stmt, text: str) -> None:
        self.found.append((node, text))


def _names_a_set(annotation: ast.expr | None) -> bool:
    """Say whether an annotation names a type of sets, also as a text."""
    if annotation is None:
        return False
    name = ast.unparse(annotation).strip("'\"").split("[")[0]
    return name.split(".")[-1] in KINDS


def _is_view(node: ast.expr) -> bool:
    """Say whether an expression is a view of the keys of a dict, which counts like a set."""
    is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    return is_call and node.func.attr in ("keys", "items")  # type: ignore[attr-defined]


def _yields(function: ast.AsyncFunctionDef) -> bool:
    """Say whether a function yields itself, not only one inside it."""
    todo: list[ast.AST] = list(function.body)
    inner: Iterator[ast.AST]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Yield):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inner = ast.iter_child_nodes(node)
            todo.extend(inner)
    return False
