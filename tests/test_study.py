"""What is a study made of, and what does it say: cells, intervals, comparisons, clear messages."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsim.errors import BadInput
from crmsim.lab.runs import load_scenario
from crmsim.lab.settings import read_settings, setting, settings_as_text
from crmsim.study.design import grid, parse_vary
from crmsim.study.store import Row
from crmsim.study.study import CellResult, run_study
from crmsim.units import Duration, Rate, Share, Size, hours

from .studies import here, kept, write_scenarios

SIZE, RATE, HERE = Size(2_000), Rate(5_000.0), Path("here")


@frozen
class Settings:
    lasts: Duration = setting(hours(1), "how long it lasts")
    waits: Duration | None = setting(None, "how long somebody waits")
    loss: Share = setting(Share(0.1), "what is lost")
    guess: Share | None = setting(Share(0.5), "what is guessed")
    size: Size = setting(SIZE, "how large it is")
    rate: Rate = setting(RATE, "how quick it is")
    count: int = setting(3, "how many")
    weight: float = setting(1.0, "how heavy")
    strict: bool = setting(True, "whether it is strict")
    name: str = setting("A, B", "what it is called")
    place: Path = setting(HERE, "where it is")


def identity(**chosen: Any) -> str:
    [cell] = grid(Settings, {}, chosen)
    return cell.identity


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with the scenarios, and we are in it."""
    write_scenarios(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def study(capsys, *words) -> tuple[int, str, str]:
    return here(capsys, "study", "late.py", "--jobs", 1, *words)


def cell_of(*metrics: Mapping[str, Any], held: bool = True) -> CellResult:
    """A cell whose runs measured these."""
    rows = [
        Row(1, number, number, held, 0, 0.0, "", None, (), told)
        for number, told in enumerate(metrics, 1)
    ]
    return CellResult(1, {}, tuple(rows))


# --- cells ---


@settings(deadline=None)
@given(
    st.integers(0, 10**15),
    st.one_of(st.none(), st.integers(0, 10**15)),
    st.floats(0, 1),
    st.one_of(st.none(), st.floats(0, 1)),
    st.integers(0, 10**12),
    st.floats(1e-3, 1e15),
)
def test_what_a_cell_says_of_quantities_can_be_read_again(lasts, waits, loss, guess, size, rate):
    chosen = Settings(Duration(lasts), waits, Share(loss), guess, Size(size), Rate(rate))
    assert read_settings(Settings, settings_as_text(chosen), "cell") == chosen


@settings(deadline=None)
@given(st.integers(), st.floats(allow_nan=False), st.booleans(), st.text())
def test_what_a_cell_says_of_plain_values_can_be_read_again(count, weight, strict, name):
    chosen = Settings(count=count, weight=weight, strict=strict, name=name)
    assert read_settings(Settings, settings_as_text(chosen), "cell") == chosen


@settings(deadline=None)
@given(st.integers(1, 10**6))
def test_a_cell_is_the_same_however_it_was_written(count):
    spellings = f"{count}min", f"{count * 60}s", f"{count * 60_000} ms", f"{count}.0min"
    assert len({identity(lasts=text) for text in spellings}) == 1
    shares = f"{count % 101}%", f"{count % 101}.00%", str(count % 101 / 100), count % 101 / 100
    assert len({identity(loss=text) for text in shares}) == 1
    assert identity(count=f"{count:_}") == identity(count=count) == identity(count=str(count))
    assert identity(strict="ON", count=count) == identity(count=count, strict=True)


def test_a_cell_is_what_differs_from_the_defaults():
    assert identity(lasts="3600s", loss="0.1", count=3, waits="none", size="2kB") == "{}"
    assert identity(strict="off", lasts="90min") == '{"lasts": "90min", "strict": "off"}'
    assert identity(guess="none") == '{"guess": ""}'


def test_a_grid_holds_every_combination_once():
    vary = {"count": [1, 2, "2", 3], "loss": ["10%", "0.1", "20%"]}
    cells = [dict(cell.settings) for cell in grid(Settings, vary, {"strict": "off"})]
    assert cells == [
        {**count, **loss, "strict": "off"}
        for count in ({"count": "1"}, {"count": "2"}, {})
        for loss in ({}, {"loss": "20%"})
    ]


def test_an_enum_may_have_numbers_for_values(folder):
    text = (folder / "late.py").read_text().replace('"tired, but willing"', "2")
    (folder / "late.py").write_text(text)
    scenario = load_scenario("late.py")
    found = run_study(scenario, {"mood": ["2", "calm"]}, repeat=1, jobs=1)
    assert [dict(cell.settings) for cell in found.cells] == [{"mood": "2"}, {}]
    assert found.held


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--vary", "los=1%"], "--vary: there is no setting 'los'; did you mean 'loss'?"),
        (["--set", "los=1%"], "--set: there is no setting 'los'; did you mean 'loss'?"),
        (["--vary", "loss"], "--vary loss: write NAME=VALUE,VALUE,..."),
        (["--vary", "loss="], "--vary loss=: write NAME=VALUE,VALUE,..."),
        (["--vary", "loss=1%,,2%"], "--vary loss=1%,,2%: write NAME=VALUE,VALUE,..."),
        (["--vary", "loss=1%", "--vary", "loss=2%"], "--vary loss=2%: loss is varied already"),
        (["--vary", "loss=1%", "--set", "loss=2%"], "it is set to 2% as well; leave out one"),
        (["--vary", "loss=1%,200%"], "loss=200%: '200%' is out of range"),
        (["--set", "erps=-1"], "--set: erps"),
        (["--vary", "lasts=1"], "lasts=1: '1' has no unit"),
        (["--vary", "mood=angry"], "mood=angry: 'angry' is not one of calm"),
        (["--vary", "fault=\udcff"], "holds bytes that are no UTF-8"),
        (["--warm-up", "1"], "--warm-up: '1' has no unit"),
    ],
)
def test_a_wrong_word_is_one_clear_message_and_leaves_nothing(folder, capsys, words, says):
    code, out, err = study(capsys, *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err
    assert {path.name for path in folder.iterdir()} == {"idle.py", "late.py"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("vary = 1", "vary: write a table, [vary]"),
        ('[vary]\nloss = "10%"', "[vary] loss: write a list, such as"),
        ("[vary]\nloss = []", "[vary] loss: write a list, such as"),
        ("[vary]\nlasts = [3]", "lasts=3: 3 has no unit; write a duration, e.g. 45min, in quotes"),
        ('[vary]\nlos = ["1%"]', "there is no setting 'los'"),
    ],
)
def test_a_wrong_table_is_one_clear_message(folder, capsys, text, says):
    (folder / "wrong.toml").write_text(text)
    code, _, err = study(capsys, "--settings", "wrong.toml")
    assert (code, err.count("\n")) == (2, 1)
    assert says in err


def test_a_settings_file_says_what_is_varied_even_with_commas(folder, capsys):
    (folder / "many.toml").write_text(
        'erps = 1\n[vary]\nmood = ["calm", "tired, but willing"]\nloss = [0.0, "20%"]\n'
    )
    code, out, _ = study(capsys, "--settings", "many.toml", "--vary", "loss=5%", "--repeat", 2)
    assert code == 0
    assert "2 cells, 4 runs" in out
    assert [json.loads(row[0]) for row in kept(folder / "late.sqlite")[::2]] == [
        {"loss": "5%", "mood": "tired, but willing"},
        {"loss": "5%"},
    ]


def test_values_come_as_a_list_of_one_or_more():
    for values in ([], "10%"):
        with pytest.raises(BadInput, match="there must be a list of values"):
            list(grid(Settings, {"loss": values}, {}))
    assert parse_vary(["loss=1%,2%"], {"count": [1]}) == {"count": [1], "loss": ["1%", "2%"]}


# --- what runs say together ---


def test_what_a_table_does_not_name_was_nothing_and_what_is_none_is_unknown():
    cell = cell_of(
        {"lost": {"late": 2}}, {"lost": {}}, {"lost": {"late": None}}, {"lost": None}, {}
    )
    assert cell.values("lost.late") == {1: 2.0, 2: 0.0}
    assert cell.estimate("lost.late").mean == 1.0


def test_what_had_not_ended_is_counted_apart(folder, capsys):
    words = "--set", "fault=stops", "--vary", "lasts=10h,1d", "--repeat", 3
    code, out, _ = study(capsys, *words, "--show", "sync_lag_s_p50", "--json", "told.json")
    told = json.loads((folder / "told.json").read_text())["cells"]
    assert code == 0
    assert [cell["censored"] for cell in told] == [3, 0]
    assert [cell["metrics"]["sync_lag_s_p50"]["count"] for cell in told] == [0, 3]
    assert "not ended" in out
    assert "What had not ended when its run did is in no mean and no quantile." in out


def test_what_begins_before_the_warm_up_is_judged_and_not_measured(folder, capsys):
    fault = "fault=expects too much"
    code, out, _ = study(capsys, "--warm-up", "12h", "--set", fault, "--repeat", 2, "--json", "-")
    [cell] = json.loads(out)["cells"]
    assert code == 1
    assert cell["held"] == 0
    assert cell["metrics"]["orders_written"]["mean"] == 0
    found = run_study(load_scenario("late.py"), {}, repeat=2, jobs=1, warm_up=hours(9))
    assert found.cells[0].estimate("orders_written").mean == 1


def test_what_measures_its_whole_story_takes_no_warm_up(folder, capsys):
    code, _, err = here(capsys, "study", "idle.py", "--warm-up", "1d")
    assert (code, "needs an argument warm_up_ns" in err) == (2, True)
    assert not (folder / "idle.sqlite").exists()


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ("erps=2", "CRM Enterprise supports exactly one ERP"),
        ("fault=raises", "KeyError: 'missing' (late.py, line"),
        ("fault=leaves", "SystemExit: 0 (late.py, line"),
        ("fault=divides", "ZeroDivisionError: division by zero (late.py, line"),
        ("fault=leaves while measuring", "SystemExit: 0 (late.py, line"),
        ("fault=expects too much", "laptop - station - crm - erp"),
    ],
)
def test_a_run_that_cannot_be_run_or_does_not_hold_is_a_row(folder, capsys, pair, says):
    name, _, value = pair.partition("=")
    other = {"erps": "1", "fault": "none"}[name]
    code, out, err = study(capsys, "--vary", f"{name}={other},{value}", "--repeat", 2)
    assert (code, err) == (1, "")
    assert "2 runs did not hold" in out
    rows = kept(folder / "late.sqlite")
    assert sorted(held for _, _, _, held, *_ in rows) == [0, 0, 1, 1]
    assert says in out
    assert says in "".join(row[8] for row in rows)
    assert "crmsim run late.py --seed 2 --set" in out


def test_what_is_not_plain_or_not_finite_is_kept_as_far_as_it_can_be(folder, capsys):
    for fault, mean in (("not plain", 2.5), ("sometimes none", 2.0), ("sometimes missing", 2.0)):
        words = "--set", f"fault={fault}", "--repeat", 3, "--store", f"{fault}.sqlite"
        code, out, _ = study(capsys, *words, "--show", "odd", "--json", "told.json")
        [cell] = json.loads((folder / "told.json").read_text())["cells"]
        assert (code, cell["metrics"]["odd"]["mean"]) == (0, mean)
        assert ("(2 of 3)" in out) == (fault != "not plain")
    metrics = json.loads(kept(folder / "not plain.sqlite")[0][9])
    assert (metrics["who"], metrics["t"]) == ("tired, but willing", {"(1, 2)": [1]})
    code, _, err = study(capsys, "--set", "fault=not finite", "--show", "odd", "--repeat", 2)
    assert (code, "there is no metric 'odd'" in err) == (2, True)
    assert here(capsys, "run", "late.py", "--set", "fault=not plain", "--json", "-")[0] == 0


# --- what is shown ---


def test_a_dry_run_writes_nothing_and_says_how_long_it_would_take(folder, capsys):
    code, out, _ = study(capsys, "--vary", "loss=0%,5%", "--repeat", 7, "--dry-run")
    assert code == 0
    assert "2 cells by 7 replications: 14 runs" in out
    assert "loss=5%" in out
    assert "nothing was kept" in out
    assert {path.name for path in folder.iterdir()} == {"idle.py", "late.py"}
    study(capsys, "--vary", "loss=5%", "--repeat", 3)
    _, out, _ = study(capsys, "--vary", "loss=0%,5%", "--repeat", 2, "--dry-run")
    assert "2 of them are in late.sqlite already" in out


def test_a_study_shows_what_was_varied_and_what_that_changed(folder, capsys):
    code, out, err = study(capsys, "--vary", "loss=0%,30%", "--repeat", 4)
    assert (code, err) == (0, "")
    head = out.splitlines()[2]
    assert head.split()[:3] == ["cell", "loss", "held"]
    assert "messages_lost" in head
    assert "orders_booked" not in head, "it is the same in both"
    assert "4/4" in out
    assert "±" in out
    assert "kept in late.sqlite" in out


def test_one_replication_has_means_and_no_intervals(folder, capsys):
    code, out, _ = study(capsys, "--vary", "loss=0%,30%", "--repeat", 1)
    assert code == 0
    assert "messages_lost" in out
    assert out.count("±") == 1, "in the headline alone"
    words = "--set", "loss=0%", "--versus", "loss=30%", "--repeat", 1, "--jobs", 1
    code, out, _ = here(capsys, "compare", "late.py", *words)
    assert "messages_lost" in out
    assert "one pair tells nothing of chance" in out


def test_settings_and_files_are_shown_as_they_are_written(folder, capsys):
    """Brackets are no markup, and every letter will do."""
    words = "--vary", "fault=[/red],[bold],ä€日本", "--repeat", 1, "--store", "[x].sqlite"
    code, out, _ = study(capsys, *words)
    assert code == 0
    for word in ("[/red]", "[bold]", "ä€日本", "kept in [x].sqlite"):
        assert word in out
    code, out, _ = here(capsys, "compare", "[x].sqlite#1", "[x].sqlite#2")
    assert (code, "[x].sqlite#1" in out) == (0, True)


def test_json_stands_alone_on_standard_output(folder, capsys):
    code, out, err = study(capsys, "--vary", "loss=0%,30%", "--repeat", 3, "--json", "-")
    told = json.loads(out)
    assert (code, told["held"], told["varied"]) == (0, True, ["loss"])
    assert [cell["settings"] for cell in told["cells"]] == [{}, {"loss": "30%"}]
    lost = told["cells"][1]["metrics"]["messages_lost"]
    assert lost["low"] < lost["mean"] < lost["high"]
    assert "cells, 6 runs" in err


def test_a_metric_that_does_not_exist_is_told_after_what_does(folder, capsys):
    code, out, err = study(capsys, "--repeat", 2, "--show", "orders_bookd", "--json", "told.json")
    assert code == 2
    assert "did you mean 'orders_booked'?" in err
    assert "orders_written" in out
    assert (folder / "told.json").exists()
    name = "crashes.crm.after commit, before the receipt"
    assert study(capsys, "--repeat", 2, "--show", name)[0] == 0, "a name may hold a comma"


def test_the_command_that_is_shown_repeats_the_run(folder, capsys):
    words = "--vary", "fault=expects too much", "--set", "loss=20%", "--trace", "messages"
    _, out, _ = study(capsys, *words, "--repeat", 1)
    shown = "run late.py --seed 1 --set 'fault=expects too much' --set loss=20% --trace messages"
    assert f"crmsim {shown}" in out
    [row] = kept(folder / "late.sqlite")
    again = ["run", "late.py", "--seed", 1, "--set", "loss=20%", "--trace", "messages"]
    code, out, _ = here(capsys, *again, "--set", "fault=expects too much", "--json", "-")
    told = json.loads(out)
    assert (code, f"messages:{told['fingerprint']['value']}") == (1, row[6])


# --- two policies ---


def test_two_sets_of_settings_are_compared_with_the_same_luck(folder, capsys):
    words = "--set", "loss=10%", "--versus", "loss=30%", "--repeat", 8, "--jobs", 1
    code, out, _ = here(capsys, "compare", "late.py", *words, "--json", "-")
    [found] = json.loads(out)["comparisons"]
    assert (code, found["first"], found["second"]) == (0, "loss=10%", "loss=30%")
    lost = found["metrics"]["messages_lost"]
    assert lost["difference"]["low"] > 0
    assert lost["difference"]["mean"] == pytest.approx(
        lost["second"]["mean"] - lost["first"]["mean"]
    )
    assert {path.name for path in folder.iterdir()} == {"idle.py", "late.py"}


def test_two_studies_are_compared_cell_by_cell_in_whatever_order(folder, capsys):
    study(capsys, "--vary", "loss=0%,20%", "--repeat", 3, "--store", "one.sqlite")
    other = "--set", "lasts=2d", "--vary", "loss=20%,0%", "--repeat", 4, "--store", "two.sqlite"
    study(capsys, *other)
    code, out, _ = here(capsys, "compare", "one.sqlite", "two.sqlite", "--json", "-")
    found = json.loads(out)["comparisons"]
    assert [one["first"] for one in found] == ["one.sqlite\nloss=0%", "one.sqlite\nloss=20%"]
    assert [one["metrics"]["sessions"]["difference"]["count"] for one in found] == [3, 3]
    assert found[0]["metrics"]["messages_lost"]["second"]["mean"] == 0
    code, out, _ = here(
        capsys, "compare", "one.sqlite#1", "one.sqlite#2", "--show", "messages_lost"
    )
    assert code == 0
    assert "3 of 3" in out


def test_what_does_not_belong_together_is_not_compared(folder, capsys):
    study(capsys, "--vary", "loss=0%,20%", "--repeat", 2, "--store", "one.sqlite")
    study(capsys, "--vary", "loss=0%,30%", "--repeat", 2, "--store", "two.sqlite")
    study(capsys, "--repeat", 2, "--first-seed", 9, "--store", "later.sqlite")
    here(capsys, "study", "idle.py", "--repeat", 2, "--jobs", 1)
    for first, second, says in (
        ("one.sqlite", "two.sqlite", "name one cell of each, such as FILE#1"),
        ("one.sqlite", "idle.sqlite", "the studies have another scenario: late and idle"),
        ("one.sqlite#1", "later.sqlite", "the studies have another first seed: 1 and 9"),
        ("one.sqlite#3", "two.sqlite#1", "there is no cell '3' (there are 1, 2)"),
        ("one.sqlite", "none.sqlite", "none.sqlite: no study"),
    ):
        code, _, err = here(capsys, "compare", first, second)
        assert (code, says in err) == (2, True), err
    for words, says in (
        (["--set", "loss=1%", "--versus", "loss=0.01"], "say the same"),
        (["--set", "loss=1%", "--versus", "los=2%"], "--versus: there is no setting 'los'"),
        ([], "name two studies, or a scenario with --set and --versus"),
    ):
        code, _, err = here(capsys, "compare", "late.py", *words)
        assert (code, says in err) == (2, True), err
