"""Every notebook runs inside a running event loop, and its exercise can be solved."""

import re
from functools import cache
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LOOP = "import asyncio\nassert asyncio.get_running_loop().is_running()"
SAP = {"SAP", "BDoc", "LUW", "middleware", "ERP", "CRM"}
SYSTEMS = {"ERP", "CRM"}
"""Words that a later lesson may use where it runs a real scenario, and says what they are."""


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def execute(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """Run all cells in a fresh kernel; return cell -> what it shows as text."""
    notebook.cells.insert(0, nbformat.v4.new_code_cell(LOOP, id="loop"))
    client = NotebookClient(
        notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    )
    client.execute()
    return {
        cell["id"]: "\n".join(out.get("text") or shown_as(out) for out in cell.get("outputs", []))
        for cell in notebook.cells
    }


@cache
def as_delivered(name: str) -> dict[str, str]:
    """Run a lesson whose exercise nobody has solved yet, once."""
    return execute(read(FOLDER / f"{name}.ipynb"))


def failures(told: str) -> int:
    """Return in how many runs a check failed, as a tally tells it."""
    return int(told.split()[2]) if told.startswith("FAILED in") else 0


def shown_as(out: nbformat.NotebookNode) -> str:
    """What a notebook shows of a value: the text of a `Tally`, the page of anything else."""
    data = out.get("data", {})
    plain = data.get("text/plain", "")
    return plain if plain.startswith(("FAILED", "held")) else data.get("text/html", plain)


def answer(path: Path) -> str:
    return (FOLDER / "answers" / f"{path.stem}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_cleared_and_every_exercise_has_an_answer(path):
    notebook = read(path)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None
    exercises = [c for c in notebook.cells if "exercise" in c.metadata.get("tags", [])]
    assert len(exercises) == 1
    assert answer(path)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_and_the_exercise_fails_until_it_is_solved(path):
    assert as_delivered(path.stem)["exercise-check"].startswith("FAILED in")
    solved = read(path)
    for cell in solved.cells:
        if "exercise" in cell.metadata.get("tags", []):
            cell.source = answer(path)
    assert execute(solved)["exercise-check"].startswith("held in all 100 runs")


def test_the_first_lesson_tells_what_its_cells_show():
    shown = as_delivered("01_one_order_three_systems")
    packed = int(shown["lost"].split()[0])
    assert 40 <= packed <= 60, "the text says about half"
    assert "was packed a second time" in shown["check-stubborn"]
    assert shown["disk"].startswith("held in all")
    assert shown["crash"].startswith("FAILED")
    for picture in ("travel", "lost-picture", "again", "disk-picture"):
        assert "Figure" in shown[picture], picture


def test_the_second_lesson_tells_what_its_cells_show():
    shown = as_delivered("02_lost_doubled_late")
    overtaken, repeated = (int(shown[cell].split()[0]) for cell in ("overtake", "repeat"))
    assert 8 <= overtaken <= 17, "the text says about one in eight"
    assert 27 <= repeated <= 40, "the text says about one in three"
    assert "went back to version 1" in shown["memory"]
    assert failures(shown["memory"]) < failures(shown["rule"]), "the text says that it helps"
    assert failures(shown["queue"]) > 0
    assert shown["queue-memory"].startswith("held in all")
    assert "newest_stays=True: 0 orders" in shown["large"]
    for picture in ("overtake-picture", "repeat-picture", "memory-picture"):
        assert "Figure" in shown[picture], picture


def test_the_third_lesson_tells_what_its_cells_show():
    shown = as_delivered("03_the_stuck_head")
    assert "had to wait for a stranger" in shown["rule"]
    assert "was done out of order" in shown["rule-friendly"]
    numbers = [
        [float(number) for number in re.findall(r"\d+\.\d", line)]
        for line in shown["key"].splitlines()
        if line
    ]
    waits, out_of_order = zip(*numbers, strict=True)  # keys: nothing, customer, order, step
    assert waits[0] > waits[1] > waits[2] == waits[3] == 0
    assert out_of_order[:3] == (0, 0, 0) < out_of_order
    stuck = [
        int(line.split()[2 + ("type" in line)]) for line in shown["large"].splitlines() if line
    ]
    assert stuck[0] == 0 < stuck[1] < stuck[2]
    for picture in ("stuck", "anyone"):
        assert "Figure" in shown[picture], picture


def test_the_fourth_lesson_tells_what_its_cells_show():
    shown = as_delivered("04_offline_is_a_queue_on_vacation")

    def hours_in(cell):
        return [float(number) for number in re.findall(r"(\d+\.\d) hours", shown[cell])]

    assert hours_in("regular") == [6.0]
    assert 10 < hours_in("irregular")[0] < 10.5, "the text says more than ten, 10.2 by the rule"
    measured, by_rule = hours_in("week")
    assert by_rule == 15.3
    assert 14.5 < measured < 16, "the text says 15"
    assert hours_in("week-more") == [15.1, 10.3]
    days_away, waiting = zip(
        *re.findall(r"(\d+) days away: (\d+) messages", shown["large"]), strict=True
    )
    assert days_away == ("5", "10", "20")
    assert 3 < int(waiting[2]) / int(waiting[0]) < 5, "four times as long, about as much more"
    for picture in ("world", "picture", "week-picture", "exercise-picture"):
        assert "Figure" in shown[picture], picture


def test_the_fifth_lesson_tells_what_its_cells_show():
    shown = as_delivered("05_conflicts_and_the_leading_system")
    assert "never heard of it" in shown["week"]
    right, ahead = re.findall(r"anna (\d+)%, ben (\d+)%", shown["wrong-clock"])
    assert abs(int(right[0]) - int(right[1])) <= 5, "with right clocks both fare alike"
    assert int(ahead[0]) + 10 < int(ahead[1]), "whose clock is ahead wins"
    merged, whole, last = (int(n) for n in re.findall(r"(\d+) of \d+ changes", shown["large"]))
    assert 0 == last < merged < whole
    assert "does not count, it is" in shown["inbox"]
    lost = [int(share) for share in re.findall(r"lost: (\d+)%", shown["calls"])]
    assert lost == sorted(lost, reverse=True)
    for picture in ("morning", "clock", "exercise-picture"):
        assert "Figure" in shown[picture], picture


def test_the_sixth_lesson_tells_what_its_cells_show():
    shown = as_delivered("06_what_do_we_tell_the_committee")
    assert shown["one"].startswith("5.4 hours"), "the text says five and a half"
    often, seldom = re.findall(r"(\d+\.\d) to (\d+\.\d) hours", shown["policies"])
    assert float(seldom[0]) < float(often[1]), "the intervals overlap"
    assert "<svg" in shown["landscape"]
    assert "all held" in shown["study"]
    [(low, high)] = re.findall(r"\[\+(\d+\.\d+)min, \+(\d+\.\d+)min\]", shown["paired"])
    assert 5 < float(low) < 15 < float(high) < 30, "the text says a quarter of an hour or so"
    for picture in ("curve", "paired-picture"):
        assert "Figure" in shown[picture], picture


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_lesson_needs_no_words_of_the_trade(path):
    allowed = set() if path.stem.startswith("01") else SYSTEMS
    for cell in read(path).cells:
        told = re.sub(r"^from .*$", "", cell.source, flags=re.MULTILINE)  # names of files
        words = set(re.findall(r"\w+", told))
        assert not words & (SAP - allowed), cell.source
