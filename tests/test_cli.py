"""What a user types, and what comes back."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from crmsim import ALL_CHECKS
from crmsim.cli import run_command

from .stories import SCENARIO
from .test_orderbook import ITEMS, ORDERS

SMALL = ["--set", "made_up_orders=20", "--set", "made_up_days=7", "--set", "made_up_reps=2"]


def crmsim(capsys, *words) -> tuple[int, str, str]:
    code = run_command([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def refused(capsys, *words, says=()) -> str:
    code, out, err = crmsim(capsys, *words)
    assert code == 2, (out, err)
    assert "Traceback" not in err
    for word in says if isinstance(says, list | tuple) else [says]:
        assert word in err
    return err


def test_a_run_tells_a_stranger_what_happened(capsys):
    code, out, _ = crmsim(capsys, "run", SCENARIO, "--seed", 2, *SMALL)
    assert code == 0
    for words in (
        "seed 2",
        "virtual time",
        "20 written",
        "20 booked",
        "sent,",
        "lost,",
        "doubled,",
        "retried",
        "sessions",
        "broken off in",
        "written to booked",
        "shipped late",
        "all is quiet",
        "held",
        "judged  every order is in the ERP exactly once",
        "fingerprint",
        "crmsim run scenarios/order_book.py --seed 2 --set made_up_orders=20",
    ):
        assert words in out, words


def test_a_violated_check_shows_its_evidence(capsys):
    code, out, _ = crmsim(capsys, "run", SCENARIO, *SMALL, "--set", "receipts=off")
    assert code == 1
    assert "VIOLATED" in out
    assert "What is asked:" in out
    assert "forgot laptop-" in out
    assert "--set receipts=off" in out


def test_json_holds_what_the_contract_names(capsys, tmp_path):
    code, out, _ = crmsim(capsys, "run", SCENARIO, *SMALL, "--json", "-")
    told = json.loads(out)
    assert code == 0
    names = "scenario settings seed version virtual_s wall_s events fingerprint metrics faults"
    assert set(f"{names} monitors checks".split()) <= set(told)
    assert set(told["fingerprint"]) == {"level", "value"}
    assert set(told["monitors"]) == {"queues", "bdocs", "sites"}
    wanted = {"name", "mood", "invariants", "verdict", "held", "judged", "evidence"}
    assert all(wanted <= set(check) for check in told["checks"])
    metrics = (
        "orders_written orders_booked items_booked value_written value_booked value_booked_by_rep "
        "messages_sent messages_lost messages_doubled messages_retried sessions sessions_broken "
        "sync_lag_s_p50 sync_lag_s_p95 sync_lag_s_max sync_lag_censored shipped_late"
    )
    assert set(metrics.split()) <= set(told["metrics"])
    assert told["metrics"]["value_booked"].partition(".")[2].__len__() >= 4
    assert told["settings"]["reorder_window_s"] == 20.0
    crmsim(capsys, "run", SCENARIO, *SMALL, "--json", tmp_path / "r.json")
    again = json.loads((tmp_path / "r.json").read_text())
    assert {**again, "wall_s": 0} == {**told, "wall_s": 0}


def test_many_seeds_are_summed_up(capsys, tmp_path):
    file = tmp_path / "many.json"
    code, out, _ = crmsim(
        capsys, "run", SCENARIO, *SMALL, "--seeds", "1-4", "--jobs", 2, "--json", file
    )
    assert code == 0
    assert "4 runs: 4 held, 0 failed" in out
    told = json.loads(file.read_text())
    assert [run["seed"] for run in told["runs"]] == [1, 2, 3, 4]
    code, out, _ = crmsim(
        capsys, "run", SCENARIO, *SMALL, "--seeds", "1,3", "--set", "receipts=off"
    )
    assert code == 1
    assert "seed 1: " in out
    assert "--seed 3 " in out


def test_a_saved_run_can_be_replayed(capsys, tmp_path):
    folder = tmp_path / "run"
    assert crmsim(capsys, "run", SCENARIO, *SMALL, "--save", folder)[0] == 0
    assert {path.name for path in folder.iterdir()} == {
        "run.json",
        "journal.jsonl.gz",
        "draws.jsonl.gz",
    }
    code, out, _ = crmsim(capsys, "replay", folder)
    assert (code, "same history" in out) == (0, True)
    assert crmsim(capsys, "replay", folder, "--until", "2d 10:00")[0] == 0
    assert crmsim(capsys, "run", SCENARIO, *SMALL, "--save", folder)[0] == 0, "it is replaced"


def test_a_replay_that_differs_names_the_first_difference(capsys, tmp_path):
    folder = tmp_path / "run"
    crmsim(capsys, "run", SCENARIO, *SMALL, "--save", folder)
    told = json.loads((folder / "run.json").read_text())
    told["again"]["settings"]["loss"] = "0.11"
    (folder / "run.json").write_text(json.dumps(told))
    code, out, _ = crmsim(capsys, "replay", folder)
    assert code == 3
    assert "another history" in out
    assert "  saved:\n" in out
    assert "  > #" in out
    assert "first draw that differs" in out


def test_two_saved_runs_are_told_apart(capsys, tmp_path):
    one, other, third = tmp_path / "one", tmp_path / "other", tmp_path / "third"
    crmsim(capsys, "run", SCENARIO, *SMALL, "--save", one)
    crmsim(capsys, "run", SCENARIO, *SMALL, "--save", other)
    crmsim(capsys, "run", SCENARIO, *SMALL, "--seed", 2, "--save", third)
    code, out, _ = crmsim(capsys, "diff", one, other)
    assert (code, "same history" in out) == (0, True)
    code, out, _ = crmsim(capsys, "diff", one, third)
    assert code == 0, "different seeds may differ"
    assert "first draw that differs" in out
    assert f"only in {third}" in out


def test_one_origin_with_two_histories_is_an_alarm(capsys, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    crmsim(capsys, "run", SCENARIO, *SMALL, "--save", one)
    crmsim(capsys, "run", SCENARIO, *SMALL, "--set", "loss=11%", "--save", other)
    told = json.loads((other / "run.json").read_text())
    told["again"]["settings"].pop("loss")
    (other / "run.json").write_text(json.dumps(told))
    code, out, _ = crmsim(capsys, "diff", one, other)
    assert code == 3
    assert "this must not happen" in out


def test_two_settings_are_compared_with_aligned_luck(capsys):
    code, out, _ = crmsim(
        capsys, "diff", SCENARIO, *SMALL, "--versus", "made_up_orders=10", "--set", "loss=12%"
    )
    assert code == 0, "different settings may differ"
    crmsim_diff = ("diff", SCENARIO, *SMALL)
    versus = [word for pair in SMALL if pair != "--set" for word in ("--versus", pair)]
    code, out, _ = crmsim(capsys, *crmsim_diff, *versus)
    assert "same history" in out
    code, out, _ = crmsim(capsys, *crmsim_diff, *versus, "--versus", "work_processes=1")
    assert code == 0
    assert "metrics that differ" in out
    code, out, _ = crmsim(capsys, *crmsim_diff, *versus, "--versus", "loss=11%")
    assert "events before it are the same" in out
    assert "lost on the line" in out or "attempt" in out
    assert "messages_lost" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("diff", SCENARIO), "with --set and --versus"),
        (("diff", "a", "b", "--set", "x=1"), "go with one scenario"),
        (("diff", "nowhere", "nothing"), "holds no saved run"),
        (("diff", SCENARIO, "--set", "losss=1%"), "--set: there is no setting 'losss'"),
        (("diff", SCENARIO, "--versus", "loss"), "--versus loss: write NAME=VALUE"),
        (("topology", SCENARIO), "name --svg FILE or --graphml FILE"),
        (("topology", SCENARIO, "--svg", "nowhere/x.svg"), "the folder nowhere does not exist"),
        (("topology", SCENARIO, "--graphml", "."), "is a folder"),
    ],
)
def test_bad_words_of_diff_and_topology(capsys, words, message):
    code, _, err = crmsim(capsys, *words)
    assert code == 2
    assert message in err


def test_runs_with_other_trace_levels_are_not_compared(capsys, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    crmsim(capsys, "run", SCENARIO, *SMALL, "--save", one)
    crmsim(capsys, "run", SCENARIO, *SMALL, "--trace", "messages", "--save", other)
    code, _, err = crmsim(capsys, "diff", one, other)
    assert code == 2
    assert "save both with the same" in err


def test_the_map_is_drawn_and_written_without_running(capsys, tmp_path):
    svg, graphml = tmp_path / "map.svg", tmp_path / "map.graphml"
    words = ("topology", SCENARIO, *SMALL, "--svg", svg, "--graphml", graphml)
    code, out, _ = crmsim(capsys, *words)
    assert code == 0
    assert out == "order_book: 5 sites, 4 lines\n"
    first = svg.read_bytes()
    assert b"CRM Enterprise" in first
    assert b"dial-up" in first
    crmsim(capsys, *words)
    assert svg.read_bytes() == first, "the same map gives the same bytes"
    assert "laptop-2" in graphml.read_text()


def test_list_describe_and_checks(capsys):
    code, out, _ = crmsim(capsys, "list", SCENARIO.parent)
    assert code == 0
    assert "order_book.py" in out
    assert "Does every order reach the ERP exactly once" in out
    code, out, _ = crmsim(capsys, "describe", SCENARIO)
    assert "loss=10%" in out
    assert "share of messages that a line loses" in out
    assert "reorder_window=20s" in out
    code, out, _ = crmsim(capsys, "checks", "--json", "-")
    assert [check["name"] for check in json.loads(out)] == [check.name for check in ALL_CHECKS]
    assert "every message goes between systems" in crmsim(capsys, "checks")[1]


def test_listing_executes_nothing(capsys, tmp_path):
    (tmp_path / "trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\n")
    (tmp_path / "story.py").write_text(
        '"""Is it safe?"""\n1 / 0\n@scenario(None)\nasync def story(land, settings): ...\n'
    )
    code, out, _ = crmsim(capsys, "list", tmp_path)
    assert code == 0
    assert out.splitlines() == [str(tmp_path / "story.py"), "    Is it safe?"]
    assert not (tmp_path / "sprung").exists()


def test_strict_fails_when_a_check_judged_nothing(capsys, tmp_path):
    file = tmp_path / "idle.py"
    file.write_text(
        "from attrs import frozen\nfrom crmsim import ALL_CHECKS, scenario\n"
        "@frozen\nclass Settings: pass\n"
        "@scenario(Settings, checks=ALL_CHECKS[:1])\nasync def idle(land, settings): pass\n"
    )
    assert crmsim(capsys, "run", file)[0] == 0
    assert crmsim(capsys, "run", file, "--strict")[0] == 1


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ("los=5%", ["no setting 'los'", "did you mean 'loss'"]),
        ("loss=150%", ["loss=150%", "between 0% and 100%"]),
        ("loss=95%", ["loss is 95%", "write 0% to 90%"]),
        ("loss=much", ["loss=much", "write a percentage"]),
        ("reorder_window=20", ["reorder_window=20", "no unit"]),
        ("reorder_window=-1s", ["reorder_window=-1s", "negative"]),
        ("crashes=-1", ["crashes", "0 to 100"]),
        ("crashes=two", ["crashes=two", "whole number"]),
        ("dedup=no", ["dedup=no", "on or off"]),
        ("actors=loose", ["actors=loose", "detached, attached"]),
        ("made_up_orders=0", ["made_up_orders is 0", "write 1 to"]),
        ("loss", ["NAME=VALUE"]),
        ("orders=/nowhere/at/all", ["/nowhere/at/all", "does not exist"]),
    ],
)
def test_a_wrong_setting_is_one_clear_message(capsys, pair, says):
    err = refused(capsys, "run", SCENARIO, "--set", pair, says=says)
    assert err.count("\n") == 1


def test_a_broken_order_book_names_file_and_row(capsys, tmp_path):
    (tmp_path / "orders.csv").write_text(ORDERS, encoding="utf-8")
    (tmp_path / "order-details.csv").write_text(ITEMS.replace(",12,0", ",-12,0"), encoding="utf-8")
    target = tmp_path / "out.json"
    refused(
        capsys,
        *("run", SCENARIO, "--set", f"orders={tmp_path}", "--json", target),
        says=["order-details.csv, row 2", "quantity is -12"],
    )
    assert not target.exists()


def test_a_good_order_book_of_the_users_own(capsys, tmp_path):
    (tmp_path / "orders.csv").write_text(ORDERS, encoding="utf-8")
    (tmp_path / "order-details.csv").write_text(ITEMS, encoding="utf-8")
    code, out, _ = crmsim(capsys, "run", SCENARIO, "--set", f"orders={tmp_path}")
    assert code == 0
    assert "2 booked (3 items)" in out


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("def broken(:\n    pass\n", ["line 1", "invalid syntax"]),
        ("x = 1\ny = 1 / 0\n", ["line 2", "ZeroDivisionError"]),
        ("import nothing_like_this\n", ["line 1", "ModuleNotFoundError"]),
        ("x = 1\n", ["holds 0 scenarios"]),
        ("", ["holds 0 scenarios"]),
    ],
)
def test_a_broken_scenario_file_names_its_line(capsys, tmp_path, content, says):
    file = tmp_path / "broken.py"
    file.write_text(content)
    refused(capsys, "run", file, says=[str(file), *says])


def test_a_scenario_must_be_a_text_file(capsys, tmp_path):
    refused(capsys, "run", tmp_path, says="is a folder")
    refused(capsys, "run", tmp_path / "none.py", says="no such file")
    refused(capsys, "run", "no_such_scenario", says="no installed scenario")
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00\x01")
    refused(capsys, "run", tmp_path / "binary.py", says="cannot be read")


def test_a_landscape_against_the_rules_is_the_users_error(capsys, tmp_path):
    file = tmp_path / "shortcut.py"
    file.write_text(
        "from attrs import frozen\nfrom crmsim import Link, scenario\n"
        "@frozen\nclass Settings: pass\n"
        "@scenario(Settings)\nasync def shortcut(land, settings):\n"
        "    land.add_crm()\n    land.add_erp(Link())\n    land.add_erp(Link(), name='erp2')\n"
    )
    refused(capsys, "run", file, says="exactly one ERP")


def test_an_error_in_the_story_is_a_finding_with_its_place(capsys, tmp_path):
    file = tmp_path / "failing.py"
    file.write_text(
        "from attrs import frozen\nfrom crmsim import scenario\n"
        "@frozen\nclass Settings: pass\n"
        "@scenario(Settings)\nasync def failing(land, settings):\n"
        "    await land.run(5)\n    {}['missing']\n"
    )
    code, out, err = crmsim(capsys, "run", file)
    assert code == 1
    assert "KeyError" in out
    assert "failing.py, line 8" in out
    assert "Traceback" not in out + err


@pytest.mark.parametrize("option", ["--json", "--save"])
def test_an_unwritable_target_is_refused_before_the_run(capsys, tmp_path, option):
    began = time.monotonic()
    refused(capsys, "run", SCENARIO, option, tmp_path / "no" / "such", says="does not exist")
    if option == "--json":
        refused(capsys, "run", SCENARIO, option, tmp_path, says="is a folder")
    else:
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "thesis.txt").write_text("precious")
        refused(capsys, "run", SCENARIO, option, tmp_path / "full", says="no saved run")
        assert (tmp_path / "full" / "thesis.txt").exists()
    assert list(tmp_path.glob("*.part")) == []
    assert time.monotonic() >= began


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--seeds", "5-1"], "write numbers and spans"),
        (["--seeds", "all"], "write numbers and spans"),
        (["--seed", "1", "--seeds", "1-2"], "name one of them"),
        (["--seeds", "1-2", "--save", "x"], "one seed"),
        (["--trace", "loud"], "loud"),
        (["--settings", "none.toml"], "none.toml"),
        (["--what"], "--what"),
    ],
)
def test_a_wrong_option_is_refused(capsys, words, says):
    refused(capsys, "run", SCENARIO, *words, says=says)


def test_settings_can_come_from_a_file(capsys, tmp_path):
    file = tmp_path / "hard.toml"
    file.write_text('loss = "20%"\nmade_up_orders = 20\nmade_up_days = 7\ncrashes = 0\n')
    code, out, _ = crmsim(capsys, "run", SCENARIO, "--settings", file, "--json", "-")
    assert code == 0
    assert json.loads(out)["settings"]["loss"] == 0.2
    file.write_text("reorder_window = 20\n")
    refused(capsys, "run", SCENARIO, "--settings", file, says="no unit")
    file.write_text("loss = \n")
    refused(capsys, "run", SCENARIO, "--settings", file, says="no settings file")


def test_a_device_is_written_to_and_not_replaced(capsys):
    refused(capsys, "run", SCENARIO, *SMALL, "--json", "/dev/full", says="cannot be written")
    assert not os.path.isfile("/dev/full")


def test_a_link_stays_a_link(capsys, tmp_path):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    assert crmsim(capsys, "run", SCENARIO, *SMALL, "--json", tmp_path / "link.json")[0] == 0
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "real.json").read_text())["held"]


def test_an_error_in_the_metrics_is_the_scenarios_own(capsys, tmp_path):
    file = tmp_path / "measuring.py"
    file.write_text(
        "from attrs import frozen\nfrom crmsim import scenario\n"
        "@frozen\nclass Settings: pass\n"
        "def wrong(result): return {'x': 1 / 0}\n"
        "@scenario(Settings, metrics=wrong)\nasync def measuring(land, settings): pass\n"
    )
    code, out, err = crmsim(capsys, "run", file)
    assert (code, "measuring.py, line 5" in out, "Traceback" in err) == (1, True, False)


def test_a_scenario_cannot_choose_the_exit_code(capsys, tmp_path):
    file = tmp_path / "leaving.py"
    file.write_text("import sys\nsys.exit(0)\n")
    refused(capsys, "run", file, says="line 2")


def test_what_is_no_saved_run_cannot_be_replayed(capsys, tmp_path):
    refused(capsys, "replay", tmp_path, says="no saved run")


def test_ctrl_c_ends_a_run_and_leaves_nothing_half_written(tmp_path):
    target = tmp_path / "out.json"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "crmsim",
            "run",
            str(SCENARIO),
            "--set",
            "made_up_orders=50000",
            "--set",
            "made_up_days=3000",
            "--json",
            str(target),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_help_is_light():
    code = (
        "import sys\nfrom crmsim.cli import run_command\nrun_command(['--help'])\n"
        "heavy = {'networkx', 'matplotlib', 'numpy', 'scipy', 'jinja2', 'loky', 'sqlite3'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_colour_when_nobody_wants_it():
    done = subprocess.run(
        [sys.executable, "-m", "crmsim", "run", str(SCENARIO), *SMALL],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1", "FORCE_COLOR": ""},
    )
    assert "\x1b[" not in done.stdout
