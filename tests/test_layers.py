"""The walls of the house: which room may import which, and what no room may do."""

import ast
from pathlib import Path

import pytest

import crmsim

HOUSE = Path(crmsim.__file__).parent
GROUND = {"errors", "units", "chance", "fence"}
BELOW: dict[str, set[str]] = {
    "trace": GROUND,
    "network": GROUND | {"trace"},
    "kernel": GROUND | {"trace", "network"},
    "business": GROUND,
    "applications": GROUND | {"business"},
    "formats": GROUND | {"business"},
    "middleware": GROUND | {"business", "applications", "formats"},
    "sync": GROUND | {"business", "applications", "formats"},
}
BELOW["rfc"] = GROUND | {"trace", "network", "kernel", "business"}
BELOW["qrfc"] = GROUND | {"trace", "network", "kernel", "middleware"}
BELOW["replication"] = GROUND | {
    *("trace", "network", "kernel", "business", "applications", "formats", "middleware")
}
BELOW["mobile"] = BELOW["replication"] | {"sync", "qrfc", "replication"}
BELOW["erp"] = BELOW["qrfc"] | {"business", "applications", "formats", "qrfc", "rfc"}
BELOW["online"] = GROUND | (set(BELOW) - {"erp"})
BELOW["loads"] = BELOW["online"] | {"online"}
BELOW["systems"] = BELOW["loads"] | {"loads"}
BELOW["checks"] = BELOW["systems"] | {"systems", "erp"}
BELOW["measure"] = BELOW["checks"] | {"checks"}
BELOW["quiet"] = BELOW["systems"] | {"systems", "erp"}
BELOW["lab"] = BELOW["measure"] | {"measure", "quiet"}
BELOW["workload"] = BELOW["lab"] | {"lab"}
for _room in ("study", "hunt", "truths", "testing"):
    BELOW[_room] = BELOW["workload"] | {"workload"}
BELOW["report"] = BELOW["workload"] | {"workload", "study", "hunt", "truths", "testing"}
"""Room -> the rooms it may import, besides itself."""
DOORS = {"cli", "notebook", "pytest_plugin", "__main__", "__init__"}

ONLY_IN = {
    "trio": {"kernel", "lab/scenario.py", "pytest_plugin.py"},
    "networkx": {"network", "report"},
    "matplotlib": {"report"},
    "jinja2": {"report"},
    "sqlite3": {"study"},
    "loky": {"study"},
    "distributed": {"study"},
    "IPython": {"notebook.py"},
}
"""Library -> where it may be imported."""
WAITS = {"applications", "middleware", "sync", "business", "formats", "checks"}
"""Rooms in which nothing waits, sends or reads a clock."""


def files() -> list[Path]:
    return sorted(HOUSE.rglob("*.py"))


def place(file: Path) -> str:
    return file.relative_to(HOUSE).as_posix()


def room(file: Path) -> str:
    parts = file.relative_to(HOUSE).parts
    return parts[0] if len(parts) > 1 else parts[0].removesuffix(".py")


def imports(file: Path, *, types: bool = False) -> set[str]:
    """Return the modules a file imports at run time (with `types`, also those for mypy alone)."""
    found: set[str] = set()

    class Visitor(ast.NodeVisitor):
        def visit_If(self, node: ast.If) -> None:
            if not types and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
                return
            self.generic_visit(node)

        def visit_Import(self, node: ast.Import) -> None:
            found.update(alias.name for alias in node.names)

        def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
            assert node.level == 0, f"{place(file)} imports relatively"
            found.add(str(node.module))

    Visitor().visit(ast.parse(file.read_text(encoding="utf-8")))
    return found


@pytest.mark.parametrize("file", files(), ids=place)
def test_imports_point_one_way(file):
    here = room(file)
    if here in DOORS:
        return
    allowed = BELOW.get(here, GROUND) | {here}
    for module in imports(file, types=True):
        if module == "crmsim":
            assert place(file) == "lab/runs.py", f"{place(file)} imports the front door"
        elif module.startswith("crmsim."):
            assert module.split(".")[1] in allowed, f"{place(file)} imports {module}"


def test_the_ground_imports_no_room():
    for name in GROUND:
        for module in imports(HOUSE / f"{name}.py", types=True):
            assert not module.startswith("crmsim.") or module.split(".")[1] in GROUND


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_imported_only_where_the_map_says(library):
    for file in files():
        if any(module.split(".")[0] == library for module in imports(file, types=True)):
            assert {room(file), place(file)} & ONLY_IN[library], f"{place(file)} imports {library}"


def test_there_are_no_import_cycles():
    graph = {
        ".".join(["crmsim", *file.relative_to(HOUSE).with_suffix("").parts]): {
            module for module in imports(file) if module.startswith("crmsim.")
        }
        for file in files()
    }
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " > ".join((*path, module))
        if module in done:
            return
        for other in graph.get(module, graph.get(f"{module}.__init__", set())):
            walk(other, (*path, module))
        done.add(module)

    for module in graph:
        walk(module, ())


def test_the_erp_never_meets_a_bdoc():
    """Nothing that the ERP imports, however far away, is the format of BDocs.

    The messages of the wire are shared by all systems; they carry what they carry unseen.
    """
    seen: set[str] = set()
    todo = ["crmsim.erp.erp"]
    while todo:
        module = todo.pop()
        if module in seen:
            continue
        seen.add(module)
        file = HOUSE.joinpath(*module.split(".")[1:]).with_suffix(".py")
        if not file.exists():
            file = HOUSE.joinpath(*module.split(".")[1:], "__init__.py")
        todo += [name for name in imports(file, types=True) if name.startswith("crmsim.")]
    assert "crmsim.middleware.queue" in seen
    assert "crmsim.formats.bdoc" not in seen


@pytest.mark.parametrize("file", [f for f in files() if room(f) in WAITS], ids=place)
def test_rules_never_wait_send_or_read_a_clock(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncWith)
        if isinstance(node, ast.Attribute):
            assert node.attr not in {"send", "after", "now_ns", "sleep", "ask"}, node.lineno
    assert not imports(file) & {"trio", "time", "datetime", "asyncio", "random"}


def test_every_room_is_of_a_size_one_can_walk_through():
    for folder in {file.parent for file in files() if file.parent != HOUSE}:
        count = len([file for file in folder.glob("*.py") if file.name != "__init__.py"])
        assert 1 <= count <= 11, folder
