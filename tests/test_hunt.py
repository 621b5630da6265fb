"""Does the hunter draw trouble by the seed alone, find what is broken, and sum it up?"""

import json

import pytest

from crmsim.cli import run_command
from crmsim.cli.hunting import PROFILES
from crmsim.errors import BadInput
from crmsim.hunt.finding import findings_of
from crmsim.hunt.hunting import Hunt, append_run, hunt, interval, read_runs, trouble_of
from crmsim.hunt.profiles import FAMILIES, Facts, Profile, facts_of
from crmsim.lab.runs import load_scenario
from crmsim.lab.trouble import Trouble

STUCK = "scenarios/stuck_queue.py"
SMALL = {"orders": "20", "reps": "3", "span_days": "2"}


@pytest.fixture(scope="module")
def facts() -> Facts:
    return facts_of(load_scenario(STUCK).run(seed=0, **SMALL))


def test_a_seed_means_one_trouble_and_another_seed_another(facts):
    same = [trouble_of(Profile.SWARM, facts, 9) for _ in range(2)]
    assert same[0] == same[1]
    assert len({trouble_of(Profile.SWARM, facts, seed) for seed in range(20)}) > 15


def test_profiles_keep_to_their_families(facts):
    assert trouble_of(Profile.CALM, facts, 1) == Trouble()
    drawn = {one.family for one in trouble_of(Profile.DISASTER, facts, 1).deviations}
    assert drawn == set(FAMILIES)
    mobile = {
        one.family
        for seed in range(10)
        for one in trouble_of(Profile.FLAKY_MOBILE, facts, seed).deviations
    }
    assert "breakage" not in mobile
    assert "pause" in mobile


def test_swarm_switches_each_family_on_and_off(facts):
    on = [
        {one.family for one in trouble_of(Profile.SWARM, facts, seed).deviations}
        for seed in range(80)
    ]
    assert any(not families for families in on), "a control without trouble"
    for family in FAMILIES:
        count = sum(family in families for families in on)
        assert 10 < count < 70, family


def test_servers_keep_their_disks(facts):
    lost = [
        one.site
        for seed in range(40)
        for one in trouble_of(Profile.DISASTER, facts, seed).deviations
        if one.family == "disk"
    ]
    assert "station" in lost
    assert any(site.startswith("laptop") for site in lost)
    assert not {"crm", "erp"} & set(lost)


def test_a_hunted_run_repeats_and_says_what_its_trouble_touched():
    what = Hunt(STUCK, SMALL)
    one, other = (list(hunt(what, [11, 12])) for _ in range(2))
    assert [(run.seed, run.events, run.findings, run.catches) for run in one] == [
        (run.seed, run.events, run.findings, run.catches) for run in other
    ]
    assert any(catch.touched for run in one for catch in run.catches)


def test_a_safety_net_that_is_off_is_found(tmp_path):
    """Without memory the hunter finds work that is done twice within twenty runs."""
    settings = {"made_up_orders": "15", "made_up_reps": "2", "made_up_days": "5", "dedup": "off"}
    found = {
        finding.check
        for run in hunt(Hunt("scenarios/order_book.py", settings), range(1, 8))
        for finding in run.findings
    }
    assert "no unit of work takes effect twice" in found


def test_runs_are_written_down_and_gone_on_with(tmp_path):
    file, what = tmp_path / "hunt.jsonl", Hunt(STUCK, SMALL)
    [run] = hunt(what, [3])
    append_run(file, what, run)
    assert read_runs(file, what) == [run]
    with pytest.raises(BadInput, match="holds another hunt"):
        read_runs(file, Hunt(STUCK, {}))
    file.write_text("no such thing\n")
    with pytest.raises(BadInput, match="not what a hunt wrote"):
        read_runs(file, what)


def test_the_command_sums_up_and_ends_with_its_exit_code(tmp_path, capsys):
    out = tmp_path / "hunt.json"
    pairs = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    command = ["hunt", STUCK, "--seeds", "3", "--jobs", "1", "--json", str(out), *pairs]
    assert run_command(command) == 0
    assert "3 runs, " in capsys.readouterr().out
    told = json.loads(out.read_text())
    assert (told["runs"], told["findings"]) == (3, [])
    assert run_command([*command, "--budget", "1ns"]) == 4
    assert run_command(["hunt", STUCK, "--faults", "plague"]) == 2


def test_the_command_offers_every_profile():
    assert tuple(profile.value for profile in Profile) == PROFILES


def test_wilsons_interval_is_that_of_the_textbook():
    low, high = interval(1, 10)
    assert low == pytest.approx(0.0179, abs=2e-4)
    assert high == pytest.approx(0.4042, abs=2e-4)


def test_a_run_that_ends_early_or_never_rests_is_a_finding():
    calm = load_scenario(STUCK).run(seed=0, **SMALL)
    assert findings_of(calm) == ()


def test_a_corpus_that_is_no_folder_is_refused_before_anything_is_run(tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("")
    for corpus in (file, file / "below"):
        assert run_command(["hunt", STUCK, "--seeds", "1", "--corpus", str(corpus)]) == 2
        assert "is no folder that one can write into" in capsys.readouterr().err


def test_a_line_that_was_cut_off_is_no_run(tmp_path):
    file, what = tmp_path / "hunt.jsonl", Hunt(STUCK, SMALL)
    for run in hunt(what, [3, 4]):
        append_run(file, what, run)
    file.write_text(file.read_text()[:-30])
    assert [run.seed for run in read_runs(file, what)] == [3]
    file.write_text("5\n5\n")
    with pytest.raises(BadInput, match="not what a hunt wrote"):
        read_runs(file, what)


def test_a_hunt_that_finds_something_says_what_is_left_of_it(tmp_path, capsys):
    out, corpus = tmp_path / "hunt.json", tmp_path / "corpus"
    command = ["hunt", "scenarios/two_reps.py", "--set", "newest_stays=off", "--first-seed", "14"]
    command += ["--seeds", "1", "--jobs", "1", "--corpus", str(corpus), "--json", str(out)]
    assert run_command(command) == 1
    told = json.loads(out.read_text())
    [finding] = told["findings"]
    assert finding["check"] == "an older state never replaces a newer one"
    assert (finding["clients"], finding["minimal"], finding["seed"]) == (1, True, 14)
    assert finding["deviations"] <= 3
    assert told["strategies"]["timed"] == {"runs": 1, "failed": 1}
    assert "without any one of these, this does not happen" in capsys.readouterr().out
    assert run_command(["run", finding["script"]]) == 1
    assert run_command([*command, "--shrink", "0"]) == 1
    told = json.loads(out.read_text())
    assert [case["held"] for case in told["corpus"]] == [False]
    assert told["findings"][0]["why_not"] == "not asked for"
