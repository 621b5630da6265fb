"""Is what is left after cutting down still the same failure, minimal, and a scenario of its own?"""

import subprocess
import sys
from decimal import Decimal

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st

from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.chance import Exponential
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.checks.check import Check, Judge, Mood
from crmsim.checks.queues import EFFECT_ONCE
from crmsim.errors import BadInput
from crmsim.hunt.case import Case, take_down
from crmsim.hunt.corpus import Found, cut_down, replay_corpus, store
from crmsim.hunt.finding import ENDED_EARLY, QUIET, Finding, all_findings_of
from crmsim.hunt.script import write_script
from crmsim.hunt.shrinking import (
    deviations_of,
    minimal,
    shrink,
    with_deviations,
    with_laptops,
    with_orders,
)
from crmsim.hunt.weaker import calmer, rounder, weaker
from crmsim.kernel.durable import CrashPoint
from crmsim.lab.landscape import Landscape
from crmsim.lab.runs import load_scenario
from crmsim.lab.scenario import Scenario, scenario
from crmsim.lab.trouble import (
    NO_TROUBLE,
    Administered,
    Broken,
    Call,
    ClockOff,
    Crashed,
    CrashedAt,
    Impatience,
    InOffice,
    OneMessage,
    Paused,
    Poisoned,
    Published,
    Slowed,
    Struck,
    Trouble,
)
from crmsim.middleware.flow import Breakage, Context
from crmsim.middleware.replication import BY_CUSTOMER
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.faults import Flap, Hold, NthMessage, Outage, Partition, Slow
from crmsim.network.link import Bursts
from crmsim.network.profiles import gprs, wan
from crmsim.qrfc.partner import Poison
from crmsim.qrfc.wire import Guarantees
from crmsim.units import Duration, Share, days, hours, minutes, seconds

SCENARIOS = {
    "two_reps": {},
    "stuck_queue": {"orders": "20", "reps": "3", "span_days": "2"},
    "retry_storm": {},
    "reprocess_late": {},
    "erp_outage": {"kind": "a planned stop", "office_orders": "20", "reps": "2"},
}
"""Scenarios whose story nothing but time decides, and small settings of them."""


# --- the list of what happened ---


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_case_is_the_run_that_it_was_taken_from(name):
    story = load_scenario(f"scenarios/{name}.py")
    settings = story.ready(SCENARIOS[name])
    told, case = story.run_with(settings, seed=3), take_down(story, settings, 3)
    again = case.run()
    assert [tuple(e) for e in again.journal] == [tuple(e) for e in told.journal]


@frozen
class NoSettings:
    pass


def order(reference: str = "1001", rep: str = "1") -> SalesOrder:
    items = (OrderItem("P1", 3, Decimal("9.90")), OrderItem("P2", 1, Decimal("5.00")))
    return SalesOrder("", reference, rep, "C1", items)


def landscape(land: Landscape, laptops: int = 3) -> None:
    land.add_crm()
    land.add_erp(wan(), ship_days={"1001": 1})
    land.add_station("north", wan())
    land.add_station("south", wan(loss=Share(0.01)))
    for rep in range(1, laptops + 1):
        diary = (DiaryEntry(hours(9) + minutes(rep), order(f"100{rep}", f"{rep}")),)
        land.add_laptop(
            f"laptop-{rep}",
            gprs(dial_up=True),
            rep=f"{rep}",
            diary=diary,
            habits=Habits(),
            station="south" if rep == 3 else "north",
        )
    land.check()


@scenario(NoSettings, checks=ALL_CHECKS)
async def eventful(land: Landscape, settings: NoSettings) -> None:
    """What can be told?"""
    land.guarantees = Guarantees(receipts=False)
    land.add_crm(operator_s=Exponential(60), breakages=(Breakage(Context.MO1, 0, hours(2)),))
    land.add_erp(wan(), poisons=(Poison("1001"),), operator_s=Exponential(60))
    land.add_station("station", wan())
    diary = (DiaryEntry(hours(9), order()),)
    line = gprs(dial_up=True)
    land.add_laptop("laptop", line, rep="1", diary=diary, habits=Habits(), station="station")
    cut = Partition("crm", "erp", under_way="drop")
    land.at("0d 07:00", cut, for_="10min")
    land.at(hours(8), Flap(Slow("crm", "erp", factor=3), minutes(1), minutes(2)), for_=minutes(4))
    land.at("0d 09:00", land.publish, "prices", {"a": "1"})
    land.at("0d 10:00", land.crash, "erp", down=minutes(3))
    land.at("0d 10:10", land.crash, "station", down=minutes(3), wipe=True)
    land.strike(NthMessage("Dial", 1))
    land.set_clock("erp", ahead=minutes(5))
    await land.run_until("0d 11:00")
    with land.fault(Hold("crm", "erp", under_way="hold")):
        await land.run(minutes(5))
    active = land.strike(Outage("erp", under_way="drop"))
    await land.run(minutes(1))
    land.lift(active)
    land.strike(Outage("crm", under_way="drop"))
    land.pause("laptop", lasts=minutes(2))
    land.slow_down("crm", factor=3.0, lasts=hours(1))
    land.start_anew("erp", within=minutes(1))
    land.administer("erp", "lock", "Q")
    land.crash("crm", down=minutes(1), point=CrashPoint.IN_COMMIT)
    land.set_clock("crm", ahead=minutes(7))
    land.strike(NthMessage("Upload", 2, verdict="double"))
    await land.run(minutes(1))
    await land.settle(days(9))


def test_every_verb_of_a_story_is_taken_down():
    case = take_down(eventful, NoSettings(), 1)
    m = minutes(1)
    eleven = hours(11)
    cut = Partition("crm", "erp", under_way="drop")
    slow = Slow("crm", "erp", factor=3)
    now = eleven + 6 * m
    wanted = {
        Broken(Context.MO1, 0, hours(2), Share(1.0)),
        Poisoned("1001"),
        Struck(cut, hours(7), minutes(10)),
        Struck(slow, hours(8), m),
        Struck(slow, hours(8) + 3 * m, m),
        OneMessage(NthMessage("Dial", 1)),
        ClockOff("erp", minutes(5)),
        Published("prices", {"a": "1"}, hours(9)),
        Crashed("erp", hours(10), minutes(3)),
        Crashed("station", hours(10) + 10 * m, minutes(3), wipe=True),
        Struck(Hold("crm", "erp", under_way="hold"), eleven, minutes(5)),
        Struck(Outage("erp", under_way="drop"), eleven + 5 * m, m),
        Struck(Outage("crm", under_way="drop"), now, m),
        Paused("laptop", now, minutes(2)),
        Slowed("crm", 3.0, now, hours(1)),
        Impatience("erp", now, m),
        Administered("erp", "lock", "Q", now),
        CrashedAt("crm", CrashPoint.IN_COMMIT, now, m),
        ClockOff("crm", minutes(7), now),
        OneMessage(NthMessage("Upload", 2, verdict="double"), now),
    }
    assert set(case.trouble.deviations) == wanted
    assert case.guarantees == Guarantees(receipts=False)
    assert (case.end_ns, case.budget) == (now + m, days(9))
    assert all("poisons" not in call.named for call in case.built)


def test_a_script_of_everything_has_the_same_history(tmp_path):
    case = take_down(eventful, NoSettings(), 1)
    path = tmp_path / "everything.py"
    path.write_text(write_script(case, "everything", 'Has """quotes""" and a \\ in it.\n'))
    told = load_scenario(str(path)).run()
    again = case.run()
    assert len(told.journal) > 100
    assert [tuple(e) for e in told.journal] == [tuple(e) for e in again.journal]


# --- with less in it ---


@scenario(NoSettings, checks=ALL_CHECKS)
async def three_laptops(land: Landscape, settings: NoSettings) -> None:
    """Who can be left out?"""
    landscape(land)
    await land.run_until(days(1))
    await land.settle(keep_still=("laptop-1",))


@pytest.fixture(scope="module")
def three() -> Case:
    trouble = Trouble(
        (
            Paused("laptop-3", hours(9), minutes(1)),
            Struck(Partition(("laptop-2", "laptop-3"), "north", under_way="drop"), 0, hours(1)),
            Struck(Partition("laptop-3", "south", under_way="drop"), 0, hours(1)),
            OneMessage(NthMessage("Dial", 1, source="laptop-3")),
            Poisoned("1003"),
            Crashed("crm", hours(9), minutes(1)),
        )
    )
    return take_down(three_laptops, NoSettings(), 1, trouble)


def test_a_laptop_takes_its_orders_trouble_and_station_along(three):
    less = with_laptops(three, ["laptop-1", "laptop-2"])
    assert less.laptops == ("laptop-1", "laptop-2")
    assert less.orders == ("1001", "1002")
    assert [str(one.family) for one in less.trouble.deviations] == ["partition", "poison", "crash"]
    assert less.trouble.deviations[0].fault.ours == ("laptop-2",)
    assert not any(call.named.get("name") == "south" for call in less.built)
    assert with_laptops(three, ["laptop-2"]).keep_still == ()
    assert evolve(less, keep_still=()).run().held


def test_an_order_takes_its_poison_and_its_date_along(three):
    less = with_orders(three, ["1002"])
    assert less.orders == ("1002",)
    assert "poison" not in {one.family for one in less.trouble.deviations}
    [erp] = [call for call in less.built if call.verb == "add_erp"]
    assert erp.named["ship_days"] == {}


def test_luck_counts_as_a_deviation(three):
    named = [what for what, _ in deviations_of(with_deviations(three, []))]
    assert named == ["loss=0.01 on the line of south"]
    [(_, calm)] = deviations_of(with_deviations(three, []))
    assert not deviations_of(calm)


def test_all_bad_luck_goes_at_once():
    line = gprs(loss=Share(0.1), reorder=Share(0.2), bursts=Bursts(), dial_up=True)
    laptop = Call("add_laptop", named={"name": "l", "link": line, "habits": Habits()})
    case = Case("x", 1, (), Guarantees(dedup=False), (laptop,), NO_TROUBLE, 0, days(1))
    first, *others = calmer(case)
    assert [what.split(" on ")[0] for what, _ in others] == [
        "dedup=off",
        "loss=0.1",
        "reorder=0.2",
        "bursts",
    ]
    assert not deviations_of(first[1])


def test_deviations_get_weaker_and_rounder_step_by_step():
    wide = Partition(("a", "b"), ("c", "d"), under_way="drop")
    base = take_down(three_laptops, NoSettings(), 1)
    ugly = hours(9) + 123_456_789
    trouble = (
        Crashed("crm", ugly, minutes(8), wipe=True),
        Struck(wide, 0, hours(1)),
        Slowed("crm", 300.0, 0, hours(1)),
        Published("prices", {"a": "1", "b": "2"}, 0),
    )
    case = with_deviations(base, trouble)
    softer = {step.trouble.deviations for _, step in weaker(case)}
    assert (evolve(trouble[0], wipe=False), *trouble[1:]) in softer
    assert (evolve(trouble[0], down=minutes(4)), *trouble[1:]) in softer
    alone = evolve(trouble[1], fault=Partition("a", ("c", "d"), under_way="drop"))
    assert (trouble[0], alone, *trouble[2:]) in softer
    assert any(step[2].factor == 3.0 for step in softer)
    assert any(step[3].values == {"a": "1"} for step in softer)
    round_ones = {step.trouble.deviations[0].at_ns for _, step in rounder(case)}
    assert hours(9) in round_ones


def test_what_the_office_does_gets_less_and_rounder_too():
    base = take_down(three_laptops, NoSettings(), 1)
    said = (
        Call("change", named={"about": "customer", "key": "C1", "name": "a", "phone": "b"}),
        Call("publish_in_erp", named={"publication": "p", "values": {"a": "1", "b": "2"}}),
        Call(
            "replace_laptop",
            named={"site": "l", "down": Duration(7_260_000_000_001), "patience": days(3)},
            at_ns=hours(9) + 123_456_789,
        ),
    )
    trouble = (*map(InOffice, said), Broken(Context.MO1, 0, hours(1), Share(0.5)))
    case = with_deviations(base, trouble)
    softer = [step.trouble.deviations for _, step in weaker(case)]
    assert {"about": "customer", "key": "C1", "phone": "b"} in [s[0].call.named for s in softer]
    assert {"a": "1"} in [s[1].call.named["values"] for s in softer]
    assert days(1.5) in [s[2].call.named["patience"] for s in softer]
    assert 1.0 in [s[3].share for s in softer]
    round_ones = [step.trouble.deviations[2].call for _, step in rounder(case)]
    assert hours(9) in [call.at_ns for call in round_ones]
    assert hours(2) in [call.named["down"] for call in round_ones]


def test_fields_may_be_called_anything_in_a_script():
    @scenario(NoSettings, checks=ALL_CHECKS)
    async def story(land: Landscape, _: NoSettings) -> None:
        """What is a field called?"""
        land.replicate(BY_CUSTOMER)
        land.add_crm()
        land.add_erp(wan())
        land.add_station("station", wan())
        land.add_record("customer", "C1", rep="1", **{"postal code": "1"})
        land.at("0d 10:00", land.change, "customer", "C1", rep="2", **{"class": "A"})
        await land.run_until("1d")
        await land.settle()

    script = write_script(take_down(story, NoSettings(), 1), "x", "why")
    compile(script, "x", "exec")
    assert '**{"class": "A"}' in script
    assert '**{"postal code": "1"}' in script


@given(st.sets(st.integers(0, 40), max_size=6), st.integers(1, 41))
def test_delta_debugging_leaves_exactly_what_is_needed(needed, count):
    things = range(max(count, *(n + 1 for n in needed), 1))
    left = minimal(things, lambda part: needed <= set(part))
    assert left == tuple(sorted(needed))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.integers(0, 30))
def test_delta_debugging_is_minimal_even_where_ways_to_fail_differ(things, least):
    def fails(part):
        return sum(part) >= least

    if not fails(things):
        return
    left = minimal(things, fails)
    assert fails(left)
    for place in range(len(left)):
        assert not fails(left[:place] + left[place + 1 :])


# --- from a finding to a file ---

TWO_REPS = "scenarios/two_reps.py"
FAULTY = (
    OneMessage(NthMessage("UploadReceipt", 1)),
    Crashed("erp", hours(14), minutes(5)),
    Paused("laptop-2", hours(10), minutes(5)),
    ClockOff("crm", hours(1)),
)
"""Only the first of these does any harm to a server without memory."""


@pytest.fixture(scope="module")
def careless() -> Scenario:
    """Two reps, and servers that do not recognise what they have seen."""
    base = load_scenario(TWO_REPS)

    async def story(land: Landscape, settings: object) -> None:
        land.guarantees = Guarantees(dedup=False)
        await base.story(land, settings)

    return evolve(base, story=story, metrics=None)


@pytest.fixture(scope="module")
def found(careless) -> Found:
    settings, trouble = careless.ready({}), Trouble(FAULTY)
    result = careless.run_with(settings, seed=0, trouble=trouble)
    finding = next(f for f in all_findings_of(result) if f.check == EFFECT_ONCE.name)
    return cut_down(careless, settings, 0, trouble, 7, finding)


def test_a_finding_is_cut_down_to_what_it_needs(found):
    assert found.is_minimal
    assert (found.clients, found.orders) == (1, 1)
    assert len(found.deviations) == 2
    aimed = 'land.strike(NthMessage(message="UploadReceipt", numbers=(1,)))'
    assert set(found.deviations) == {aimed, "dedup=off"}
    assert any("-> station: Upload" in line and "again" in line for line in found.tale)
    assert sum("> crm effected" in line for line in found.tale) == 2, "both effects are marked"


def test_its_script_fails_in_a_fresh_process_and_says_why(found, tmp_path):
    path = store(tmp_path / "corpus", found)
    assert store(tmp_path / "corpus", found) == path, "the same case is stored once"
    done = subprocess.run(
        [sys.executable, "-m", "crmsim", "run", path.name],
        cwd=path.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert EFFECT_ONCE.name in done.stdout
    [case] = replay_corpus(path.parent)
    assert EFFECT_ONCE.name in {finding.check for finding in case.findings}
    text = path.read_text()
    assert text.startswith(f'"""Found by hunting in two_reps: {EFFECT_ONCE.name}')
    assert max(map(len, text.splitlines())) <= 100
    assert "- dedup=off\n" in text


def test_a_case_that_holds_is_not_cut_down(careless):
    case = take_down(careless, careless.ready({}), 0)
    assert shrink(case, Finding(EFFECT_ONCE.name, "x took effect a second time")) is None


def test_cutting_down_stops_when_the_runs_are_used_up(careless):
    trouble = Trouble(FAULTY)
    case = take_down(careless, careless.ready({}), 0, trouble)
    finding = next(f for f in all_findings_of(case.run()) if f.check == EFFECT_ONCE.name)
    small = shrink(case, finding, most=3)
    assert small is not None
    assert small.runs == 3
    assert not small.is_minimal


def test_the_same_finding_is_one_about_the_same_kind_of_object():
    one = Finding("c", "order 0005000001 v1 took effect in erp a second time (first: event 9)")
    other = Finding("c", "order 0005000099 v2 took effect in erp a second time (first: event 77)")
    assert one.is_like(other)
    assert not one.is_like(Finding("c", "laptop-1 save 3 was forgotten"))
    assert not one.is_like(Finding("d", one.text))


def test_what_never_comes_to_rest_and_what_ends_early_are_findings():
    @scenario(NoSettings)
    async def stuck(land: Landscape, settings: NoSettings) -> None:
        """What never rests?"""
        landscape(land, 1)
        land.strike(Outage("erp", under_way="drop"))
        await land.settle(days(3))

    assert {f.check for f in all_findings_of(stuck.run())} == {QUIET}

    @scenario(NoSettings)
    async def broken(land: Landscape, settings: NoSettings) -> None:
        """What ends early?"""
        landscape(land, 1)
        raise RuntimeError("no")

    assert {f.check for f in all_findings_of(broken.run())} == {ENDED_EARLY}


# --- what cannot be written down ---


def test_a_call_of_ones_own_cannot_be_written_down(tmp_path):
    @scenario(NoSettings, checks=ALL_CHECKS)
    async def own(land: Landscape, settings: NoSettings) -> None:
        """Who adds something?"""
        land.add_crm(own_services={Context.SOA: lambda change, bdoc: None})
        land.add_erp(wan())
        await land.settle()

    case = take_down(own, NoSettings(), 1)
    with pytest.raises(BadInput, match="only plain values can be written down"):
        write_script(case, "x", "x")


class NothingIsSaved(Judge):
    """Nobody saves anything."""

    def on_saved(self, event: object) -> None:
        self.judged += 1
        self.blame("something was saved")


def test_a_check_of_ones_own_cannot_be_written_down():
    own = Check("nothing is saved", Mood.ALWAYS, ("own",), NothingIsSaved)
    story = evolve(load_scenario(TWO_REPS), checks=(own,), metrics=None)
    settings = story.ready({})
    finding, *_ = all_findings_of(story.run_with(settings, seed=0))
    found = cut_down(story, settings, 0, NO_TROUBLE, 1, finding)
    assert "stands in no module of crmsim" in found.why_not
    assert not found.script


def test_of_a_story_that_decides_by_what_it_sees_only_the_trouble_is_cut_down(careless):
    base = load_scenario(TWO_REPS)

    async def story(land: Landscape, settings: object) -> None:
        land.guarantees = Guarantees(dedup=False)
        await base.story(land, settings)
        if sum(1 for _ in land.simulation.journal.select("crashed")):
            land.guarantees = Guarantees()
            raise RuntimeError("there was a crash")

    looking = evolve(base, story=story, metrics=None)
    settings, trouble = (
        looking.ready({}),
        Trouble((Crashed("erp", hours(14), minutes(5)), FAULTY[2])),
    )
    finding = all_findings_of(looking.run_with(settings, seed=0, trouble=trouble))[-1]
    found = cut_down(looking, settings, 0, trouble, 1, finding)
    assert "the story decides by what it sees" in found.why_not
    assert not found.script
    assert found.is_minimal
    [crash] = found.deviations
    assert 'land.crash, "erp", down=seconds(1)' in crash


def test_spans_are_written_in_their_largest_unit(three):
    text = write_script(
        with_deviations(
            three,
            [
                Paused("crm", seconds(90), Duration(1_500_000_000)),
                Paused("crm", 1, Duration(7)),
                Paused("crm", days(1) + hours(2), hours(36)),
            ],
        ),
        "spans",
        "Spans.",
    )
    assert 'land.at("0d 00:01:30", land.pause, "crm", lasts=milliseconds(1500))' in text
    assert 'land.at(1, land.pause, "crm", lasts=Duration(7))' in text
    assert 'land.at("1d 02:00:00", land.pause, "crm", lasts=hours(36))' in text


def test_a_case_without_a_span_is_written_as_it_is(three, tmp_path):
    """What happens at the very beginning must not be missed by a story that is over at once."""
    case = evolve(with_laptops(three, []), end_ns=0, keep_still=())
    case = with_deviations(case, [Published("prices", {"a": "1"}, 0)])
    path = tmp_path / "short.py"
    path.write_text(write_script(case, "short", "Short."))
    told, again = load_scenario(str(path)).run(), case.run()
    assert [tuple(e) for e in told.journal] == [tuple(e) for e in again.journal]
    assert any(e.kind == "published" for e in told.journal)


@frozen
class Slowish:
    """A latency of one's own."""

    seconds: float

    def at(self, u: float) -> float:
        return self.seconds


def test_what_stands_in_a_module_of_ones_own_cannot_be_written_down(three):
    [laptop, *_] = [call for call in three.built if call.verb == "add_laptop"]
    line = gprs(dial_up=True, latency=Slowish(1.0))
    foreign = Call("add_laptop", named={**laptop.named, "link": line})
    with pytest.raises(BadInput, match="a script cannot import 'Slowish'"):
        write_script(evolve(three, built=(foreign,)), "x", "x")


def test_texts_keep_their_quotes_and_backslashes(three, tmp_path):
    for text in ("it's", 'a "b"', "a \\' b", "C:\\new", "grün", "''"):
        case = with_deviations(three, [Published("prices", {text: text}, 1)])
        path = tmp_path / "texts.py"
        path.write_text(write_script(evolve(case, keep_still=()), "texts", "Texts."))
        told = load_scenario(str(path)).run()
        assert ("prices", text) in told.simulation.store("crm").table("masters")
