"""The simulator agrees with what is known, and a broken one does not."""

import json

import attrs
import pytest

from crmsim.chance import Constant
from crmsim.cli import run_command
from crmsim.truths import campaign
from crmsim.truths.campaign import ALL_CASES, validate
from crmsim.truths.case import Case, Effort, Figure, Sample, t_quantile
from crmsim.truths.pool import erlang_c
from crmsim.truths.queues import hyperexponential, one_server_case

from .sabotages import SABOTAGES


def case_named(name: str) -> Case:
    [case] = [case for case in ALL_CASES if case.name == name]
    return case


@pytest.mark.parametrize("case", ALL_CASES, ids=lambda case: case.name)
def test_a_right_simulator_agrees(case):
    for agreement in case.judge(case.smoke, seed=1):
        assert agreement.held, agreement
        assert agreement.events > 0
        assert agreement.source


def sabotages(*, full: bool) -> list:
    """Return the sabotages that a smoke, or only a full campaign finds, as parameters."""
    return [
        pytest.param(name, marks=pytest.mark.fires(name), id=name[10:])
        for name, sabotage in SABOTAGES.items()
        if sabotage.full is full
    ]


@pytest.mark.parametrize("name", sabotages(full=False))
def test_a_sabotaged_simulator_is_found_out(monkeypatch, name):
    judge_sabotaged(monkeypatch, name)


def judge_sabotaged(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Break the simulator, and see that its figures differ from what is known."""
    sabotage = SABOTAGES[name]
    case = case_named(sabotage.case)
    sabotage.apply(monkeypatch)
    agreements = case.judge(case.full if sabotage.full else case.smoke, seed=1)
    differ = [f.name for f, a in zip(case.figures, agreements, strict=True) if not a.held]
    assert set(sabotage.figures) <= set(differ), agreements
    if sabotage.others_agree:
        assert set(differ) == set(sabotage.figures), agreements


def test_a_campaign_is_repeatable_and_seeds_are_different():
    case = one_server_case("M/D/1", 0.5, Constant(1), "a test")
    effort = Effort(3, 200)
    assert case.judge(effort, 1) == case.judge(effort, 1)
    assert case.judge(effort, 1)[0].measured != case.judge(effort, 2)[0].measured
    assert case.judge(effort, 1)[0].fingerprint != case.judge(effort, 2)[0].fingerprint


def test_the_fingerprint_of_a_case_covers_what_was_measured():
    def replicate(value):
        return lambda seed, size: Sample({"x": value + seed % 2}, 1, "same draws")

    told = [
        Case("x", "a test", (Figure("x", "x", 1.0),), replicate(v), Effort(2, 1), Effort(2, 1))
        for v in (1.0, 1.5)
    ]
    one, other = (case.judge(case.smoke, 1)[0].fingerprint for case in told)
    assert one != other


@pytest.mark.parametrize(
    ("values", "exact", "held"),
    [
        ((1.0, 1.0, 1.0), True, True),
        ((1.0, 1.0, 1.0000001), True, False),
        ((0.9, 1.0, 1.1), False, True),
        ((1.2, 1.3, 1.2, 1.3, 1.2, 1.3, 1.2, 1.3, 1.2, 1.3), False, False),
    ],
)
def test_when_a_figure_agrees(values, exact, held):
    def replicate(seed: int, size: int) -> Sample:
        return Sample({"x": values[seed - 10_000]}, 1, "f")

    case = Case(
        "x", "s", (Figure("x", "x", 1.0, exact),), replicate, Effort(len(values), 1), Effort(1, 1)
    )
    [agreement] = case.judge(case.smoke, seed=1)
    assert agreement.held is held
    assert agreement.low <= agreement.measured <= agreement.high


def test_formulas_give_the_published_figures():
    assert erlang_c(2, 0.8) == pytest.approx(0.71111, abs=1e-5)
    assert erlang_c(4, 0.8) == pytest.approx(0.59643, abs=1e-5)
    assert erlang_c(8, 0.9) == pytest.approx(0.70153, abs=1e-5)
    mixture = hyperexponential(4)
    assert mixture.mean == pytest.approx(1)
    assert mixture.variance == pytest.approx(4)
    expected = {
        "M/M/1, load 0.8": {"wait": 4.0, "stay_p95": 14.979},
        "M/D/1, load 0.8": {"wait": 2.0},
        "M/G/1, two Erlang stages, load 0.8": {"wait": 3.0},
        "M/G/1, hyperexponential, load 0.5": {"wait": 2.5},
        "M/M/1/5 through a bounded mailbox, load 0.8": {"lost": 0.08882, "inside": 1.86833},
        "M/M/1/5 through a bounded mailbox, load 1.2": {"lost": 0.25059, "inside": 3.02117},
        "tandem of two servers, rates 2.0 and 1.25": {"stay": 5.0},
        "M/M/2 through the pool of work processes, load 0.8": {"wait": 1.77778},
        "M/M/4 through the pool of work processes, load 0.8": {"wait": 0.74554},
        "M/M/8 through the pool of work processes, load 0.8": {"wait": 0.28603},
        "stop-and-wait, frames lost 10%": {"efficiency": 0.12857},
        "go-back-7, frames lost 1%": {"efficiency": 0.93396},
        "go-back-7, frames lost 10%": {"efficiency": 0.5625},
        "server that is up 50% of the time, 0.1 customers a second": {"stay": 5.625},
        "server that is up 10% of the time, 0.05 customers a second": {"stay": 38.0},
        "next call, gaps exponential, 24 h": {"wait_h": 24.0},
        "next call, gaps uniform, 0 to 48 h": {"wait_h": 16.0},
        "age of a laptop, at 8 and 10 o'clock every day": {"age_h": 10.1736, "missed": 3.6334},
        "age of a laptop, morning and evening of working days": {"age_h": 15.2774},
    }
    for name, figures in expected.items():
        told = {figure.name: figure.expected for figure in case_named(name).figures}
        for figure, value in figures.items():
            assert told[figure] == pytest.approx(value, abs=5e-4), (name, figure)
    assert t_quantile(100) == pytest.approx(4.1, abs=0.1)


def test_names_of_cases_and_figures_are_unique():
    names = [case.name for case in ALL_CASES]
    assert len(set(names)) == len(names)
    for case in ALL_CASES:
        figures = [figure.name for figure in case.figures]
        assert len(set(figures)) == len(figures)


def tiny(monkeypatch) -> None:
    """Let the campaign consist of two quick cases."""
    cases = (case_named("retransmission timeout"), case_named("back-off of queued calls"))
    monkeypatch.setattr(campaign, "ALL_CASES", cases)


def test_the_command_prints_every_figure_with_its_source(monkeypatch, capsys, tmp_path):
    tiny(monkeypatch)
    file = tmp_path / "v.json"
    assert run_command(["validate", "--jobs", "1", "--json", str(file)]) == 0
    out = capsys.readouterr().out
    assert "retransmission timeout  (RFC 6298, sections 2 and 5)" in out
    assert "agrees" in out
    assert "14 figures: 14 agree, 0 differ" in out
    rows = json.loads(file.read_text())
    assert len(rows) == 14
    wanted = {"name", "source", "expected", "measured", "low", "high", "held"}
    assert wanted <= set(rows[0])


def test_the_command_fails_when_a_figure_differs(monkeypatch, capsys):
    tiny(monkeypatch)
    SABOTAGES["sabotage: back-off stands still"].apply(monkeypatch)
    assert run_command(["validate", "--jobs", "1"]) == 1
    assert "DIFFERS" in capsys.readouterr().out


def test_the_cases_can_be_spread_over_processes(monkeypatch):
    tiny(monkeypatch)
    spread = [attrs.astuple(a) for _, found in validate(full=False, seed=1, jobs=2) for a in found]
    alone = [attrs.astuple(a) for _, found in validate(full=False, seed=1, jobs=1) for a in found]
    assert spread == alone
