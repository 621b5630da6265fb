"""What is written down is true: the error tree, the front door, the README, the sources."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import crmsim
from crmsim import ALL_CHECKS, errors
from crmsim.trace.kinds import KINDS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_error_tree_is_as_drawn():
    drawn = re.findall(r"^( +)(\w+)$", errors.__doc__ or "", re.MULTILINE)
    stack: list[tuple[int, str]] = []
    pairs = set()
    for indent, name in drawn:
        while stack and stack[-1][0] >= len(indent):
            stack.pop()
        pairs.add((name, stack[-1][1] if stack else None))
        stack.append((len(indent), name))
    classes = {
        name: cls
        for name, cls in vars(errors).items()
        if inspect.isclass(cls) and issubclass(cls, errors.CrmsimError)
    }
    real = {
        (name, cls.__mro__[1].__name__ if name != "CrmsimError" else None)
        for name, cls in classes.items()
    }
    assert pairs == real


def test_the_front_door_is_small_and_every_name_opens():
    assert len(crmsim.__all__) <= 24
    for name in crmsim.__all__:
        assert getattr(crmsim, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        crmsim.nothing  # noqa: B018 - the access is the test
    assert set(crmsim.__all__) <= set(dir(crmsim))


def test_names_keep_their_meaning_whatever_is_imported_first():
    code = (
        "import crmsim.lab.scenario, crmsim.kernel.message, crmsim\n"
        "assert callable(crmsim.scenario) and callable(crmsim.message)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_map_in_the_docstring_names_every_room():
    rooms = {path.name for path in Path(crmsim.__file__).parent.iterdir() if path.is_dir()}
    for room in rooms - {"__pycache__"}:
        assert re.search(rf"^    {room}\b", crmsim.__doc__ or "", re.MULTILINE), room


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_readme_starts_with_the_two_commands():
    start = README.index("## Start")
    shell = [match.start() for match in re.finditer("```sh", README)]
    assert shell[0] > start, "the first two shell blocks stand in the section Start"
    first, second = blocks("sh")[:2]
    assert "crmsim run scenarios/order_book.py" in first
    assert "pytest" in second
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "README.md" in ci, "CI types what the README says"


def test_the_output_shown_in_the_readme_is_what_the_command_prints():
    done = subprocess.run(
        [sys.executable, "-m", "crmsim", "run", "scenarios/order_book.py", "--seed", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    shown = next(block for block in blocks("text") if block.startswith("order_book"))
    changing = ("virtual time",)
    for line in shown.splitlines():
        if line.strip() and line.strip() != "..." and not line.strip().startswith(changing):
            told = [out.rstrip() for out in done.stdout.splitlines()]
            begin = line.rstrip().removesuffix("...")
            assert line.rstrip() in told or any(out.startswith(begin) for out in told), line


def test_python_in_the_readme_runs():
    for block in blocks("python"):
        subprocess.run([sys.executable, "-c", block], cwd=ROOT, check=True, capture_output=True)


def test_actors_of_ones_own_take_thirty_lines_and_know_nothing_of_crm():
    block = next(block for block in blocks("python") if "class Teacher" in block)
    lines = [line for line in block.splitlines() if line.strip() and line[0] != "@"]
    assert len(lines) <= 30, "what stands above a class or a method is not counted"
    modules = (
        "import sys\n"
        + block
        + "\ncrm = ('crmsim.business', 'crmsim.systems', 'crmsim.middleware', 'crmsim.sync')\n"
        "assert not [name for name in sys.modules if name.startswith(crm)]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", modules], capture_output=True, text=True, check=True
    )
    assert "violated, " in done.stdout
    assert "was answered again" in done.stdout


def test_the_expectations_of_the_readme_can_be_said():
    from .stories import small_run

    shown = next(block for block in blocks("text") if "land.expect.path" in block)
    calls = re.findall(r"^land\.(expect\.\w+\(.*?\))(?: |$)", shown, re.MULTILINE)
    assert len(calls) == 10
    from crmsim.measure.expect import Expect
    from crmsim.units import hours, minutes

    expect = Expect(small_run().simulation)
    for call in calls:
        eval(call, {"expect": expect, "hours": hours, "minutes": minutes})
    outcomes = {e.sentence: v.outcome.value for e, v in expect.found}
    assert len(outcomes) == 10
    assert list(outcomes.values()).count("not judged") == 0, outcomes


def test_the_least_scenario_of_the_guide_runs(tmp_path):
    block = re.findall(r"```python\n(.*?)```", CONTRIBUTING, re.DOTALL)[0]
    (tmp_path / "late.py").write_text(block, encoding="utf-8")
    result = crmsim.load_scenario(str(tmp_path / "late.py")).run(seed=1).must_hold()
    assert result.metrics["sync_lag_s_max"] > 10 * 3600
    [fault] = result.simulation.fabric.faults
    assert fault.touched > 0


def test_every_setting_named_in_the_readme_exists():
    stories = [crmsim.load_scenario(str(file)) for file in (ROOT / "scenarios").glob("*.py")]
    names = {field.name for story in stories for field in story.settings.__attrs_attrs__}
    said = re.findall(r"--(?:set|versus) \"?(\w+)=", README)
    assert len(said) > 5
    for name in said:
        assert name in names, name


def test_every_part_of_the_landscape_has_a_scenario():
    """The README lists them, each with files that are there; and no scenario is left out."""
    rows = README.split("## Which parts of the landscape")[1].split("\n## ")[0]
    parts = re.findall(r"^\| ([^|]+) \| (`scenarios/.*) \|$", rows, re.MULTILINE)
    told = " ".join(part for part, _ in parts)
    for name in ("CRM Enterprise", "mobile clients", "ERP", "APO", "Internet", "activities"):
        assert name in told
    for name in ("opportunities", "orders", "quotations", "contracts", "service", "complaints"):
        assert name in told
    for file in re.findall(r"`(scenarios/\w+\.py)`", README):
        assert (ROOT / file).is_file(), file
    for file in (ROOT / "scenarios").glob("*.py"):
        assert f"`scenarios/{file.name}`" in README, f"the README does not name {file.name}"


def test_every_source_cited_in_the_code_is_in_the_table():
    listed = set(re.findall(r"^\| (S\d\d) \|", CONTRIBUTING, re.MULTILINE))
    for file in Path(crmsim.__file__).parent.rglob("*.py"):
        for source in re.findall(r"\bS\d\d\b", file.read_text(encoding="utf-8")):
            assert source in listed, f"{file.name} cites {source}"


def test_every_invariant_of_a_check_is_told():
    for check in ALL_CHECKS:
        for invariant in check.invariants:
            assert re.search(rf"^\| {re.escape(invariant)} \|", CONTRIBUTING, re.MULTILINE), (
                invariant
            )


def test_every_kind_of_event_is_noted_somewhere():
    code = "\n".join(
        file.read_text(encoding="utf-8") for file in Path(crmsim.__file__).parent.rglob("*.py")
    )
    for name in KINDS:
        if name == "noted":
            continue  # for actors of the user's own
        assert len(re.findall(rf"\b{name.upper()}\b", code)) >= 3, name


def test_the_repository_is_complete_in_itself():
    for file in ROOT.rglob("*"):
        if file.suffix in {".py", ".md"} and ".venv" not in file.parts and file != Path(__file__):
            text = file.read_text(encoding="utf-8")
            assert not re.search(
                r"\.\./shared|\b(domain|design|journeys|truths|style)\.md", text
            ), file


def test_doctests_and_examples_parse():
    for file in sorted((ROOT / "scenarios").glob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        doc = ast.get_docstring(tree) or ""
        assert "?" in doc.splitlines()[0], f"{file.name}: the first line is a question"
        assert "Hypothesis:" in doc
        assert "Runs in:" in doc


def test_the_state_tables_in_the_docs_are_those_of_the_code():
    from tests.statetables import PAGE, drawn

    page = PAGE.read_text(encoding="utf-8")
    assert drawn(page) == page, "run: python -m tests.statetables"


def test_every_check_expectation_and_sabotage_has_a_test_that_makes_it_fire():
    """In a process of its own: collecting all tests inside a test would import them twice."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.coverage"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout.splitlines()[-1]
