"""Studies are interrupted, killed, resumed, extended, spread; nothing is lost, or run twice."""

import os
import random
import shutil
import signal
import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest
from distributed import LocalCluster

from crmsim.cli import run_command
from crmsim.errors import BadInput
from crmsim.kernel.watch import TurnWatch
from crmsim.lab.runs import load_scenario
from crmsim.study.provenance import digest_of, digest_of_code
from crmsim.study.store import open_store
from crmsim.study.study import read_study
from crmsim.study.work import Job, Packed, packed, run_row
from crmsim.trace.kinds import Level

from .studies import (
    SCRIPT,
    ask,
    begun,
    here,
    kept,
    keys,
    surroundings,
    wait_until,
    write_scenarios,
)

GRID = "--vary", "loss=0%,20%", "--vary", "lasts=1d,2d", "--repeat", "3"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with the scenarios, and we are in it."""
    write_scenarios(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def study(capsys, *words) -> tuple[int, str, str]:
    return here(capsys, "study", "late.py", *words)


def refused(capsys, *words, says) -> None:
    code, _, err = study(capsys, *words)
    assert code == 2
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.slow
def test_one_process_two_processes_and_a_cluster_keep_the_same(folder, capsys, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", surroundings()["PYTHONPATH"])
    study(capsys, *GRID, "--jobs", 1, "--store", "one.sqlite")
    study(capsys, *GRID, "--jobs", 2, "--store", "two.sqlite")
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        address = cluster.scheduler_address.replace("tcp", "dask")
        code, _, _ = study(capsys, *GRID, "--executor", address, "--store", "dask.sqlite")
    assert code == 0
    assert len(kept(folder / "one.sqlite")) == 12
    assert (
        kept(folder / "one.sqlite") == kept(folder / "two.sqlite") == kept(folder / "dask.sqlite")
    )


@pytest.mark.slow
def test_a_study_that_is_killed_three_times_is_as_one_left_alone(folder, capsys, monkeypatch):
    factors = ",".join(map(str, range(1, 25)))
    words = "study", "idle.py", "--vary", f"factor={factors}", "--repeat", "20"
    store, log = folder / "killed.sqlite", folder / "log.txt"
    log.touch()
    for moment in sorted(random.Random("when it is killed").sample(range(360), 3)):
        process = begun(
            *("-m", "crmsim", *words, "--jobs", "2", "--store", store),
            folder=folder,
            STUDY_LOG=str(log),
        )
        wait_until(lambda: len(keys(store)) > moment or process.poll() is not None)
        process.kill()
        process.communicate()
        wait_until(lambda: not members_of(process.pid))
        before, executed = set(keys(store)), log.read_text().splitlines()
        assert len(before) > moment
    monkeypatch.setenv("STUDY_LOG", str(log))
    assert run_command([*words, "--jobs", "2", "--store", str(store)]) == 0
    again = [line.split() for line in log.read_text().splitlines()[len(executed) :]]
    done_again = {(int(factor), int(seed)) for factor, seed in again}
    assert not done_again & before
    assert len(again) == len(done_again) == 480 - len(before)
    assert run_command([*words, "--jobs", "1", "--store", "alone.sqlite"]) == 0
    assert kept(store) == kept(folder / "alone.sqlite")
    assert len(kept(store)) == len(ask(store, "SELECT * FROM wall_times")) == 480


def members_of(session: int) -> list[int]:
    """Return the processes of a session that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            state, _, _, its_session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                found.append(int(entry.name))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_says_what_is_kept_and_the_same_command_goes_on(folder, jobs):
    words = "-m", "crmsim", "study", "late.py", *GRID, "--repeat", "100", "--jobs", jobs
    store = folder / "late.sqlite"
    process = begun(*words, folder=folder)
    wait_until(lambda: bool(keys(store)))
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130, err
    assert err.startswith("\ncrmsim: interrupted; ")
    count = len(keys(store))
    told = f"; {count} runs are in late.sqlite; the same command goes on with them\n"
    assert err.endswith(told)
    assert sorted(path.name for path in folder.iterdir()) == ["idle.py", "late.py", "late.sqlite"]


@pytest.mark.slow
def test_ctrl_c_before_the_first_run_leaves_nothing(folder):
    """Also while the workers start: they never see it."""
    words = "-m", "crmsim", "study", "late.py", "--set", "fault=lasts for ever", "--jobs", "2"
    process = begun(*words, "--vary", "loss=0%,20%", folder=folder)
    wait_until(lambda: (folder / "late.sqlite").exists())
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate()
    assert (process.returncode, err) == (130, "\ncrmsim: interrupted; nothing was written\n")
    assert sorted(path.name for path in folder.iterdir()) == ["idle.py", "late.py"]


def test_ctrl_c_is_not_swallowed_while_a_task_is_scheduled(folder, monkeypatch):
    """Else the run went on without whoever watches it, and was kept as one that did not hold."""
    watched = TurnWatch._is_of_story

    def interrupted(watch, task):
        monkeypatch.undo()
        signal.raise_signal(signal.SIGINT)
        return watched(watch, task)

    scenario = load_scenario(str(folder / "late.py"))
    monkeypatch.setattr(TurnWatch, "_is_of_story", interrupted)
    with pytest.raises(KeyboardInterrupt):
        scenario.run()


def test_more_values_and_more_replications_only_run_what_is_missing(folder, capsys, monkeypatch):
    log = folder / "log.txt"
    monkeypatch.setenv("STUDY_LOG", str(log))
    grow = "study", "idle.py", "--jobs", "1"
    assert here(capsys, *grow, "--vary", "factor=1,2", "--repeat", "2")[0] == 0
    assert here(capsys, *grow, "--vary", "factor=3,2", "--repeat", "3")[0] == 0
    assert sorted(log.read_text().splitlines()) == sorted(
        [*("1 1", "1 2", "2 1", "2 2"), *("2 3", "3 1", "3 2", "3 3")]
    )
    assert len(keys(folder / "idle.sqlite")) == 8
    _, out, _ = here(capsys, *grow, "--vary", "factor=1,2,3", "--repeat", "3", "--dry-run")
    assert "8 of them are in idle.sqlite already" in out


def test_two_equal_studies_differ_in_nothing_but_how_long_they_took(folder, capsys):
    for store in ("one.sqlite", "two.sqlite"):
        study(capsys, *GRID, "--jobs", 1, "--store", store)
    dumps = []
    for store in ("one.sqlite", "two.sqlite"):
        connection = sqlite3.connect(folder / store)
        dumps.append([line for line in connection.iterdump() if "wall_times" not in line])
        connection.close()
    assert dumps[0] == dumps[1]
    assert len(dumps[0]) > 12


def test_nobody_writes_into_a_study_that_is_being_written(folder, capsys):
    (folder / "link.sqlite").symlink_to(folder / "late.sqlite")
    with open_store(folder / "late.sqlite"):
        refused(capsys, *GRID, says="late.sqlite: another study is writing into it; wait, or")
        refused(capsys, "--store", "link.sqlite", says="another study is writing into it")
    assert study(capsys, *GRID, "--jobs", 1)[0] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--trace", "messages"], "its runs have the trace level business, not messages"),
        (["--warm-up", "1500ms"], "its warm-up is 0s, not 1500ms"),
        (["--first-seed", "2"], "its first seed is 1, not 2"),
    ],
)
def test_runs_that_do_not_belong_together_are_refused(folder, capsys, words, says):
    study(capsys, "--repeat", 1, "--jobs", 1)
    before = kept(folder / "late.sqlite")
    for more in ([], ["--dry-run"]):
        refused(capsys, "--repeat", 2, *words, *more, says=says)
        refused(capsys, "--repeat", 2, *words, *more, says="name another file with --store")
    assert kept(folder / "late.sqlite") == before


def test_what_has_changed_since_is_refused(folder, capsys, monkeypatch):
    study(capsys, "--repeat", 1, "--jobs", 1)
    text = (folder / "late.py").read_text()
    (folder / "late.py").write_text(text.replace("hours(10)", "hours(11)"))
    refused(capsys, "--repeat", 2, says="the scenario has changed since")
    (folder / "late.py").write_text(text)
    here(capsys, "study", "idle.py", "--repeat", 1, "--jobs", 1, "--store", "idle.sqlite")
    refused(capsys, "--store", "idle.sqlite", says="about the scenario idle, not late")
    monkeypatch.setattr("crmsim.study.study.VERSION", "0.0.9")
    refused(capsys, "--repeat", 2, says="made by crmsim 0.1.0, not 0.0.9")
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    monkeypatch.setattr("crmsim.study.study.digest_of_code", lambda: "other programs")
    refused(capsys, "--repeat", 2, says="the programs of crmsim have changed since")


def test_a_module_beside_the_scenario_belongs_to_it(folder, capsys, monkeypatch):
    """Workers find it too; what it takes from a third module counts as well."""
    monkeypatch.syspath_prepend(folder)
    (folder / "beside_late.py").write_text("from behind_late import LOST\n")
    (folder / "behind_late.py").write_text("LOST = '20%'\n")
    text = (folder / "late.py").read_text()
    (folder / "late.py").write_text(text.replace("import enum", "import enum\nimport beside_late"))
    code, out, _ = study(capsys, "--repeat", 2, "--jobs", 2)
    assert code == 0, out
    (folder / "behind_late.py").write_text("LOST = '30%'\n")
    refused(capsys, "--repeat", 3, says="the scenario has changed since")


def test_what_is_no_study_is_left_alone(folder, capsys):
    (folder / "thesis.txt").write_text("precious")
    songs = sqlite3.connect(folder / "songs.sqlite")
    songs.execute("CREATE TABLE songs (title)")
    songs.close()
    before = (folder / "songs.sqlite").read_bytes()
    refused(capsys, "--store", "thesis.txt", says="thesis.txt: is no study; name another file")
    refused(capsys, "--store", "songs.sqlite", says="songs.sqlite: an SQLite file, but no study")
    refused(capsys, "--store", folder, says="is a folder; name a file")
    refused(capsys, "--store", "none/late.sqlite", says="the folder none does not exist")
    assert (folder / "thesis.txt").read_text() == "precious"
    assert (folder / "songs.sqlite").read_bytes() == before
    for word in ("thesis.txt", "songs.sqlite", "none.sqlite"):
        assert here(capsys, "compare", word, word)[0] == 2
    names = {path.name for path in folder.iterdir()}
    assert names == {"idle.py", "late.py", "thesis.txt", "songs.sqlite"}


def test_a_study_that_cannot_begin_leaves_no_file(folder, capsys):
    for address in ("dask://nowhere", "tcp://127.0.0.1:8786"):
        code, _, err = study(capsys, "--executor", address)
        assert code == 2
        assert address in err.splitlines()[-1]
    assert {path.name for path in folder.iterdir()} == {"idle.py", "late.py"}


def test_a_file_can_be_moved_and_is_not_changed_by_reading(folder, capsys):
    study(capsys, *GRID, "--jobs", 1)
    (folder / "archive").mkdir()
    store = folder / "archive" / "of 1999 #1 ä.sqlite"
    shutil.move(folder / "late.sqlite", store)
    before = store.read_bytes()
    code, out, _ = here(capsys, "compare", f"{store}#1", f"{store}#2")
    assert code == 0
    assert "3 of 3" in out
    study(capsys, *GRID, "--jobs", 1, "--store", store, "--dry-run")
    assert store.read_bytes() == before
    assert [path.name for path in (folder / "archive").iterdir()] == [store.name]
    assert study(capsys, *GRID, "--jobs", 1, "--store", store)[0] == 0


def test_a_study_without_runs_is_none(folder):
    with open_store(folder / "late.sqlite"), pytest.raises(BadInput, match="but no study"):
        read_study(folder / "late.sqlite")


@pytest.mark.slow
def test_a_worker_that_dies_takes_nobody_with_it(folder, capsys):
    fault = "fault=kills its process"
    code, out, err = study(capsys, "--repeat", 3, "--set", fault, "--jobs", 2)
    assert (code, err) == (1, "")
    assert "seed 2: the process that executed it died" in out
    rows = ask(folder / "late.sqlite", "SELECT seed, held FROM runs")
    assert rows == [(1, 1), (2, 0), (3, 1)]
    code, _, err = here(capsys, "run", "late.py", "--seeds", "2", "--set", fault, "--jobs", 2)
    assert code == 1
    assert "seed 2: the process that executed it died" in err


def test_a_worker_that_is_not_as_we_are_ends_the_study_and_makes_no_rows(folder):
    good = packed(load_scenario("late.py"))
    for parcel, code, says in (
        (good, "other programs", "a worker has other programs of crmsim"),
        (Packed("late.py", "import nowhere_at_all"), digest_of_code(), "No module named"),
        (Packed(pickle=b"cnowhere_at_all\nlate\n."), digest_of_code(), "No module named"),
    ):
        with pytest.raises(BadInput, match=says):
            run_row(Job(parcel, {}, 1, Level.BUSINESS, code=code))
    assert run_row(Job(good, {}, 1, Level.BUSINESS))["held"]


def test_what_cannot_be_sent_is_one_clear_message():
    names = {"__name__": "__main__"}
    lock = SCRIPT.replace("NAMES = {", "NAMES = __import__('threading').Lock() or {")
    exec(lock.partition("print(")[0], names)
    with pytest.raises(BadInput, match="put the scenario into a file of its own"):
        packed(names["typed"])


@pytest.mark.slow
def test_a_script_studies_its_own_scenario_and_goes_on_with_it(folder):
    """However it is executed, and whatever else changes in it; a notebook is in no file at all."""
    assert executed(folder, ["typed.py"], SCRIPT, "1") == "executed\n2.0 4.0\n"
    more = SCRIPT.replace("repeat=3", "repeat=4").replace("NAMES =", "# not many\nNAMES =")
    assert executed(folder, ["-m", "typed"], more, "2") == "executed\n2.5 5.0\n"
    assert executed(folder, ["-"], more.replace("repeat=4", "repeat=5"), "3") == (
        "executed\n3.0 6.0\n"
    )
    assert len(keys(folder / "typed.sqlite")) == 10


def executed(folder: Path, words: list[str], text: str, luck: str) -> str:
    """Execute a script; return what it prints."""
    (folder / "typed.py").write_text(text)
    with (folder / "typed.py").open() as file:
        out, err = begun(*words, folder=folder, stdin=file, PYTHONHASHSEED=luck).communicate()
    assert not err
    return out


def typed(text: str) -> str:
    """Return how a scenario is told that was typed into a notebook."""
    names = {"__name__": "__main__"}
    exec(text.partition("print(")[0], names)
    return digest_of(names["typed"], "")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"three"}', '"four"}'),
        ('{"one", "two"}', '{"one", "six"}'),
        ("hours(1))", "hours(2))"),
        ("setting(1, ", "setting(2, "),
        ('is multiplied")', 'is multiplied", low=0)'),
        ("factor: int", "factor: float"),
        ("metrics=measure", "metrics=None"),
        ("    await", "    land.add_crm()\n    await"),
    ],
)
def test_what_was_typed_is_another_scenario_if_it_does_something_else(old, new):
    assert old in SCRIPT
    assert typed(SCRIPT.replace(old, new)) != typed(SCRIPT)


@pytest.mark.parametrize(
    ("old", "new"), [("NAMES =", "# names\n\nNAMES ="), ("repeat=3", "repeat=9")]
)
def test_what_was_typed_is_the_same_scenario_if_it_does_the_same(old, new):
    assert old in SCRIPT
    assert typed(SCRIPT.replace(old, new)) == typed(SCRIPT)
