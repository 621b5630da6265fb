"""The pytest plugin, used by a project that is not ours, and what it prints when tests fail."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent / "example_project"


@pytest.fixture
def project(tmp_path) -> Path:
    return Path(shutil.copytree(PROJECT, tmp_path / "project"))


def run(project: Path, *words: str) -> tuple[int, str]:
    """Run pytest there as its owner would; return exit code and output."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def section(output: str, title: str, contains: str) -> list[str]:
    """Return the lines of the section of this title that contains a text."""
    parts = re.split(r"^-+ (.*?) -+$", output, flags=re.MULTILINE)
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        lines = [line.rstrip() for line in body.strip().splitlines()]
        ends = [n for n, line in enumerate(lines) if line[:3] in ("___", "===")]
        own = [line for line in lines[: ends[0] if ends else None] if line]
        if name == title and contains in "\n".join(own):  # behind its end stands another test
            return own
    raise AssertionError(f"no section {title!r} with {contains!r} in:\n{output}")


FAILING = (
    "test_async.py::test_nothing_within_an_hour",
    "test_plain.py::test_a_forgetful_bakery[seed=1]",
    "test_plain.py::test_a_forgetful_bakery[seed=2]",
    "test_plain.py::test_own_assertion",
    "test_plain.py::test_a_set_of_texts_has_no_order",
    "test_plain.py::test_the_history_has_not_moved",
    "test_story.py::test_orders_are_never_doubled[seed=1]",
    "test_story.py::test_orders_are_never_doubled[seed=2]",
)
PASSED = 10


@pytest.mark.parametrize("words", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_the_right_tests_fail(project, words):
    code, out = run(project, *words)
    assert code == 1
    assert f"{len(FAILING)} failed, {PASSED} passed" in out
    for test in FAILING:
        assert f"FAILED {test}" in out, test


@pytest.mark.parametrize("words", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_failure_says_seed_first_bad_event_and_replay_line(project, words):
    _, out = run(project, "test_plain.py", *words)
    assert "Finding: violated, 6 judged: order 1 was baked a second time and 2 more" in out
    assert section(out, "crmsim: seed 2", "test_a_forgetful_bakery") == [
        "virtual time: 0d 00:00:08",
        "first bad event: #20      0d 00:00:04.1            bakery       noted       "
        "order 1 what=baked",
        "replay: python -m pytest 'test_plain.py::test_a_forgetful_bakery[seed=2]'",
    ]
    assert section(out, "crmsim: seed 1", "test_own_assertion") == [
        "virtual time: 0d 00:00:08",
        "last of 24 events: #24      0d 00:00:06.105          bakery       sent        "
        "3 to=shop message=Thanks attempt=2",
        "replay: python -m pytest test_plain.py::test_own_assertion",
    ]


def test_the_replay_line_fails_in_the_same_way(project):
    _, out = run(project, "test_plain.py")
    lines = section(out, "crmsim: seed 2", "test_a_forgetful_bakery")
    test = lines[-1].split(" ", 4)[-1].strip("'")
    code, again = run(project, test)
    assert code == 1
    assert section(again, "crmsim: seed 2", "test_a_forgetful_bakery") == lines


def test_a_failing_scenario_names_its_command_and_the_command_fails_too(project):
    _, out = run(project, "test_story.py")
    lines = section(out, "crmsim: seed 2", "test_orders_are_never_doubled")
    finding = re.fullmatch(
        "finding: no unit of work takes effect twice: order 0005000000 v1 took effect in erp "
        r"a second time \(first: event (\d+)\)",
        lines[0],
    )
    assert finding, lines[0]
    bad = r"first bad event: #\d+ +0d 18:18:3\d\.\d+ +erp +booked +A-1 number=0005000000#2 .*"
    assert any(re.fullmatch(bad, line) for line in lines), lines
    assert lines[-2:] == [
        "replay: crmsim run story.py --seed 2 --set dedup=off",
        "test:   python -m pytest 'test_story.py::test_orders_are_never_doubled[seed=2]'",
    ]
    command = lines[-2].removeprefix("replay: crmsim ").split()
    done = subprocess.run(
        [sys.executable, "-m", "crmsim", *command],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"took effect in erp a second time (first: event {finding[1]})" in done.stdout


def test_a_story_that_must_hold_says_so_in_one_error(project):
    story = project / "test_story.py"
    story.write_text(
        "def test_it(run_scenario):\n    run_scenario('story.py', dedup='off').must_hold()\n"
    )
    _, out = run(project, "test_story.py")
    error = [line.removeprefix("E ").strip() for line in out.splitlines() if line[:2] == "E "]
    assert error[0] == "crmsim.errors.Finding: seed 1 of one_order"
    assert re.match(r"first bad event: #\d+ .* erp +booked +A-1 ", error[-2])
    assert error[-1] == "replay: crmsim run story.py --seed 1 --set dedup=off"


def test_nothing_within_a_span_is_exact(project):
    _, out = run(project, "test_async.py")
    assert (
        "'tester' expected nothing within 1h, but there came Thanks(number=7) from 'bakery' "
        "at 0d 00:00:00.2 (at 0d 00:00:00.2, seed 1)"
    ) in out
    assert "replay: python -m pytest test_async.py::test_nothing_within_an_hour" in out
    assert "1 failed, 1 passed" in out


def test_two_histories_are_told_apart(project):
    _, out = run(project, "test_plain.py", "-k", "set_of_texts")
    assert (
        "NotRepeatable: seed 5 gave two histories in two processes (hash seeds 0 and 4242)" in out
    )
    assert "first event that differs, one: #1 " in out
    assert "look for: iteration over a set" in out


def test_it_works_without_pytest_trio(project):
    code, out = run(project, "-p", "no:trio", "test_plain.py", "test_story.py")
    assert code == 1
    assert "7 failed, 9 passed" in out


def test_seeds_can_be_chosen_for_a_long_night(project):
    code, out = run(project, "test_plain.py", "-k", "careful", "--crmsim-seeds", "1-20,30")
    assert code == 0
    assert "21 passed" in out
    code, out = run(project, "test_plain.py", "--crmsim-seeds", "many")
    assert code != 0
    assert "--seeds many: write numbers and spans" in out


@pytest.mark.parametrize(
    ("test", "words"),
    [
        ("@pytest.mark.seeds('1-3')\ndef test_it(): ...", "uses none of the fixtures seed"),
        ("@pytest.mark.seeds()\ndef test_it(seed): ...", "seeds() names no seed"),
        ("@pytest.mark.seeds('x')\ndef test_it(seed): ...", "write numbers and spans"),
    ],
)
def test_a_marker_that_makes_no_sense_is_refused(project, test, words):
    (project / "test_marker.py").write_text(f"import pytest\n{test}\n")
    code, out = run(project, "test_marker.py")
    assert code not in (0, 1)
    assert words in out


def test_golden_files_are_written_and_say_what_moved(project):
    only = ("test_plain.py", "-k", "has_not_moved")
    code, out = run(project, *only, "--rewrite-golden")
    assert code == 0
    assert "golden files written anew" in out
    assert "town" in out
    assert (project / "golden" / "town.json").is_file()
    assert run(project, *only)[0] == 0
    bakery = project / "bakery.py"
    bakery.write_text(bakery.read_text().replace("self.after(seconds(2)", "self.after(seconds(3)"))
    code, out = run(project, *only)
    assert code == 1
    assert "town: another history than the golden one" in out
    assert "  moved: times\n" in out, "three seconds instead of two move only times"
    assert "if that is intended: pytest --rewrite-golden" in out
    bakery.write_text(bakery.read_text().replace("loss=0.3", "loss=0.5"))
    code, out = run(project, *only, "-n", "2", "--rewrite-golden")
    assert code == 0
    assert re.search(r"moved: kinds, .*draws", out), out
    assert re.search(r"events: .*lost \d+ -> \d+", out)
    assert run(project, *only)[0] == 0


def test_a_damaged_golden_file_is_refused(project):
    (project / "golden").mkdir()
    (project / "golden" / "town.json").write_text("{")
    _, out = run(project, "test_plain.py", "-k", "has_not_moved")
    assert "no golden file" in out


def test_the_plugin_costs_nothing_until_it_is_used():
    code = (
        "import sys, crmsim.pytest_plugin\n"
        "assert not {'trio', 'networkx', 'crmsim.kernel', 'hypothesis'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


CASE = """
def test_found_123abc() -> None:
    assert False, "the old defect is back"
"""


@pytest.mark.parametrize("paths", ["", "testpaths"], ids=["no paths", "testpaths"])
def test_the_corpus_is_collected_and_run_first(project, paths):
    if paths:
        settings = project / "pyproject.toml"
        settings.write_text(
            settings.read_text().replace(
                "[tool.pytest.ini_options]",
                '[tool.pytest.ini_options]\ntestpaths = ["test_plain.py"]',
            )
        )
    corpus = project / "corpus"
    corpus.mkdir()
    (corpus / "bakery_bread_is_never_doubled_123abc.py").write_text(CASE)
    code, out = run(project, "-x", "--tb=line")
    assert code == 1
    assert "the old defect is back" in out
    assert "1 failed" in out
    assert "passed" not in out, "it runs before everything else"


def test_a_corpus_elsewhere_is_found_and_one_named_test_is_run_alone(project):
    settings = project / "pyproject.toml"
    text = settings.read_text()
    settings.write_text(
        text.replace(
            "[tool.pytest.ini_options]", '[tool.pytest.ini_options]\ncrmsim_corpus = "old"'
        )
    )
    (project / "old").mkdir()
    (project / "old" / "case_123abc.py").write_text(CASE)
    assert run(project, "old/case_123abc.py")[0] == 1
    code, out = run(project, "test_plain.py", "-k", "test_own_assertion")
    assert code == 1
    assert "the old defect" not in out
