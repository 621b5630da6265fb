"""Queues that get stuck, people who do something about it, and what that does to the others."""

from decimal import Decimal

import attrs
import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsim import ALL_CHECKS, Simulation, judge, load_scenario, scenario
from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.chance import Constant
from crmsim.checks import queues
from crmsim.errors import BadValue
from crmsim.lab.settings import setting
from crmsim.middleware.queue import Luw, QueueKey, QueueStatus, RetryPolicy
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.faults import NthMessage
from crmsim.network.link import Link
from crmsim.network.profiles import gprs, wan
from crmsim.qrfc.inbound import Outcome
from crmsim.qrfc.partner import Poison, QueuePartner, Staff
from crmsim.qrfc.processes import WorkProcess, work_process_names
from crmsim.qrfc.wire import Action, Guarantees
from crmsim.systems.people import Operator
from crmsim.units import days, hours, milliseconds, minutes, seconds

from .stories import event, fired, rejudge


@attrs.frozen
class Body:
    reference: str


class Desk(QueuePartner):
    """Sends LUWs or executes them; remembers what took effect, and when."""

    def __init__(self, *arguments, luws=(), own=(), troubles=(), **options) -> None:
        super().__init__(*arguments, **options)
        self._luws = luws
        self._own = own
        self._troubles = list(troubles)
        self.effects: list[tuple[str, int]] = []

    def started(self) -> None:
        super().started()
        if self._luws and not self.store.get("sent", "all", False):
            with self.commit() as change:
                change.put("sent", "all", True)
                for queue, name in self._luws:
                    self._outbound.enqueue(change, queue, Luw(name, Body(name), name))
        if self._own and not self.store.get("sent", "own", False):
            with self.commit() as change:
                change.put("sent", "own", True)
                for queue, name, *also in self._own:
                    self._inbound.put_in(change, queue, Luw(name, Body(name), name), tuple(also))

    def _trouble(self, luw: Luw) -> Outcome:
        if self._troubles and luw.luw == "A1":
            return self._troubles.pop(0)
        return super()._trouble(luw)

    def execute(self, change, queue, luw) -> bool:
        self.effects.append((luw.luw, self.now_ns))
        return True


ALL_ON = Guarantees()
LUWS = (("A", "A1"), ("A", "A2"), ("B", "B1"), ("A", "A3"), ("B", "B2"))


def world(
    *,
    poisons: tuple[Poison, ...] = (),
    reaction_s: float | None = 3_600.0,
    last_resort: str = "delete LUW",
    guarantees: Guarantees = ALL_ON,
    troubles=(),
    processes: int = 2,
    service_s: float = 1.0,
    luws=LUWS,
    own=(),
    connections: int | None = None,
    line: Link = Link(latency=Constant(0.1)),  # noqa: B008 - frozen
    seed: int = 1,
) -> Simulation:
    simulation = Simulation(seed=seed)
    simulation.add_site("sender")
    simulation.add_site("target")
    simulation.connect("sender", "target", line)
    names = work_process_names("target", processes)
    operator = None if reaction_s is None else "operator"
    quick = RetryPolicy(first=minutes(1), factor=2.0, most=hours(1), jitter=0.0)
    simulation.seat(
        "sender",
        lambda: Desk(
            "target",
            Constant(0.0),
            Staff(()),
            quick,
            Guarantees(),
            luws=luws,
            connections=connections,
        ),
    )
    simulation.seat(
        "target",
        lambda: Desk(
            "sender",
            Constant(service_s),
            Staff(names, operator),
            quick,
            guarantees,
            poisons,
            troubles=troubles,
            own=own,
        ),
    )
    for name in names:
        simulation.seat("target", WorkProcess, name)
    if operator is not None:
        made = Constant(reaction_s)
        simulation.seat("target", lambda: Operator("target", made, last_resort), operator)
    return simulation


def effects(simulation: Simulation) -> list[str]:
    return [name for name, _ in simulation.actor("target").effects]


def moments(simulation: Simulation) -> dict[str, int]:
    return dict(simulation.actor("target").effects)


def administered(simulation: Simulation) -> list[tuple[str, str]]:
    found = simulation.journal.select("administered")
    return [(e.subject, str(e.detail["action"])) for e in found]


def status(simulation: Simulation, queue: str = "A") -> QueueStatus:
    rows = {row.queue: row for row in simulation.actor("target").monitor()}
    return rows[queue].status


QUEUE_CHECKS = [
    queues.IN_ORDER,
    queues.ONE_AT_A_TIME,
    queues.HEAD_OF_LINE,
    queues.EFFECT_ONCE,
    queues.QUEUES_CONSERVE,
]


def all_held(simulation: Simulation) -> bool:
    return all(judge(simulation, check).held for check in QUEUE_CHECKS)


def test_a_dump_blocks_its_queue_and_no_other():
    stuck = world(poisons=(Poison("A1"),), reaction_s=None)
    stuck.run()
    assert effects(stuck) == ["B1", "B2"]
    assert status(stuck) is QueueStatus.SYSFAIL
    free = world()
    free.run()
    times, undisturbed = moments(stuck), moments(free)
    assert {name: times[name] for name in ("B1", "B2")} == {
        name: undisturbed[name] for name in ("B1", "B2")
    }, "a blocked queue does not change when another one works"
    assert all_held(stuck)


def test_an_operator_activates_the_queue_and_everything_goes_on_in_order():
    simulation = world(poisons=(Poison("A1"),))
    simulation.run()
    assert [name for name in effects(simulation) if name[0] == "A"] == ["A1", "A2", "A3"]
    assert administered(simulation) == [("A1", "activate")]
    assert moments(simulation)["A1"] > hours(1)
    assert all_held(simulation)
    assert judge(simulation, queues.BLOCKED_UNTIL_HELPED).held


@pytest.mark.parametrize(
    ("last_resort", "table"), [("delete LUW", "deleted LUWs"), ("park", "saved LUWs")]
)
def test_what_nothing_helps_against_is_taken_out_and_kept_by_name(last_resort, table):
    simulation = world(poisons=(Poison("A1", "delete LUW"),), last_resort=last_resort)
    simulation.run()
    assert [name for name in effects(simulation) if name[0] == "A"] == ["A2", "A3"]
    assert administered(simulation) == [("A1", "activate"), ("A1", last_resort)]
    assert list(simulation.store("target").table(table)) == ["A1"]
    assert all_held(simulation), "what a person took out is not lost without a trace"


def test_a_blocked_queue_survives_a_crash_and_its_operator_hears_of_it_again():
    simulation = world(poisons=(Poison("A1"),), reaction_s=7_200.0)
    site = simulation.site("target")
    simulation.at(hours(1), site.crash)
    simulation.at(hours(1) + minutes(5), site.restart)
    seen = []
    simulation.at(hours(2.5), lambda: seen.append(status(simulation)))
    simulation.run()
    assert seen == [QueueStatus.SYSFAIL], "the reaction began anew with the restart"
    assert administered(simulation) == [("A1", "activate")]
    assert moments(simulation)["A1"] > hours(3)
    assert judge(simulation, queues.BLOCKED_UNTIL_HELPED).held


@pytest.mark.parametrize(("dedup", "count"), [(True, 1), (False, 2)])
def test_activating_a_running_queue_executes_its_head_twice_without_memory(dedup, count):
    simulation = world(guarantees=Guarantees(dedup=dedup), service_s=60.0, processes=3)
    target = simulation.actor("target")

    def mistake() -> None:
        assert status(simulation) is QueueStatus.RUNNING
        target.administered(Action("A", "A1", "activate"), None)

    simulation.at(seconds(30), mistake)
    simulation.run()
    assert effects(simulation).count("A1") == count
    assert len(list(simulation.journal.select("begun", subject="A1", actor="target"))) == 2
    assert judge(simulation, queues.EFFECT_ONCE).held is dedup


def test_activating_work_that_is_done_at_that_moment_starts_nothing_else():
    """The work ends while the activation is being written to disk."""
    simulation = world(service_s=60.0, processes=3)
    simulation.site("target").write_ns = milliseconds(10)
    target = simulation.actor("target")

    def mistake() -> None:
        assert status(simulation) is QueueStatus.RUNNING
        target.administered(Action("A", "A1", "activate"), None)

    begun = []

    def watch(event) -> None:
        if event.actor == "target" and event.subject == "A1" and not begun:
            begun.append(event)
            simulation.at(event.time_ns + seconds(60) - milliseconds(5), mistake)

    simulation.journal.watch("begun", watch)
    simulation.run()
    assert effects(simulation).count("A2") == 1
    assert administered(simulation) == [("A1", "activate")]
    assert all_held(simulation)


def test_a_locked_queue_stands_still_until_it_is_unlocked():
    simulation = world(service_s=60.0)

    def act(what: str) -> None:
        simulation.actor("target").administered(Action("A", "", what), None)

    simulation.at(seconds(61), act, "lock")  # A1 is done, A2 not begun yet or put to the head
    simulation.run()
    before = effects(simulation)
    assert "A3" not in before or "A2" in before
    simulation = world(poisons=(Poison("A1"),), reaction_s=None)

    def look_and(what: str, expected: QueueStatus) -> None:
        simulation.actor("target").administered(Action("A", "", what), None)
        assert status(simulation) is expected

    simulation.at(hours(1), look_and, "lock", QueueStatus.STOP)
    simulation.at(hours(2), look_and, "unlock", QueueStatus.READY)
    simulation.run()
    assert status(simulation) is QueueStatus.SYSFAIL, "unlocked, tried, and dumped again"
    assert [what for _, what in administered(simulation)] == ["lock", "unlock"]


def test_a_whole_queue_can_be_deleted():
    simulation = world(poisons=(Poison("A1"),), reaction_s=None)

    def delete() -> None:
        simulation.actor("target").administered(Action("A", "", "delete queue"), None)

    simulation.at(hours(1), delete)
    simulation.run()
    assert effects(simulation) == ["B1", "B2"]
    assert list(simulation.store("target").table("deleted LUWs")) == ["A1", "A2", "A3"]
    assert all_held(simulation)


def test_a_busy_application_is_tried_again_by_itself_and_a_cancelled_one_is_not():
    simulation = world(troubles=(Outcome.BUSY, Outcome.BUSY), reaction_s=None)
    simulation.run()
    assert [name for name in effects(simulation) if name[0] == "A"] == ["A1", "A2", "A3"]
    assert moments(simulation)["A1"] > minutes(3), "one minute, then two"
    reasons = [e.detail["reason"] for e in simulation.journal.select("failed")]
    assert reasons == ["RETRY", "RETRY"]
    simulation = world(troubles=(Outcome.CANCELLED,), reaction_s=None)
    simulation.run()
    assert status(simulation) is QueueStatus.ANORETRY
    assert effects(simulation) == ["B1", "B2"]


def test_the_monitor_tells_what_stands_where_for_how_long():
    simulation = world(processes=1, service_s=100.0, reaction_s=None)
    rows = {}

    def look() -> None:
        for row in simulation.actor("target").monitor():
            rows[row.queue] = row

    simulation.at(seconds(50), look)
    simulation.run()
    assert rows["A"].status is QueueStatus.RUNNING
    assert rows["B"].status is QueueStatus.SYSLOAD, "no work process is free"
    assert rows["B"].is_alert
    assert not rows["A"].is_alert
    assert (rows["B"].depth, rows["B"].head) == (2, "B1")
    assert seconds(49) < rows["B"].age_ns < seconds(50)
    stuck = world(poisons=(Poison("A1"),), reaction_s=None)
    stuck.run()
    [row] = stuck.actor("target").monitor()
    assert row.is_alert


# --- a limited number of connections ---


def narrow(connections: int | None, **options) -> Simulation:
    """Twelve queues of one LUW each, over so many connections."""
    luws = tuple((f"Q{number}", f"L{number}") for number in range(12))
    return world(luws=luws, connections=connections, processes=12, **options)


@pytest.mark.parametrize("connections", [1, 3, None])
def test_no_more_is_under_way_than_there_are_connections(connections):
    simulation = narrow(connections)
    rows = {}

    def look() -> None:
        for row in simulation.actor("sender").monitor():
            rows[row.queue] = row.status

    simulation.at(milliseconds(50), look)
    simulation.run()
    running = [queue for queue, state in rows.items() if state is QueueStatus.RUNNING]
    assert len(running) == (connections or 12)
    assert set(rows.values()) <= {QueueStatus.RUNNING, QueueStatus.SYSLOAD}
    assert sorted(effects(simulation)) == sorted(f"L{number}" for number in range(12))
    assert all_held(simulation)
    assert judge(simulation, queues.ISOLATION).held


def test_what_gets_no_receipt_gives_its_connection_up():
    """One transfer is lost; with one connection the others do not wait until it comes through."""
    simulation = narrow(1)
    simulation.strike(NthMessage("Transfer", 1, source="sender"))
    simulation.run()
    assert effects(simulation)[-1] == "L0"
    assert moments(simulation)["L1"] > minutes(1), "it waited as long as one waits for a receipt"
    assert all_held(simulation)


@given(st.integers(1, 4), st.floats(0, 0.6), st.floats(0, 0.5), st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_few_connections_lose_and_double_nothing(connections, loss, duplicate, seed):
    line = Link(latency=Constant(0.1), loss=loss, duplicate=duplicate)
    simulation = narrow(connections, line=line, seed=seed)
    simulation.run(until=days(30))
    assert sorted(effects(simulation)) == sorted(f"L{number}" for number in range(12))
    assert simulation.actor("sender").monitor() == []
    assert all_held(simulation)


# --- work that stands in two queues ---

CROSSING = (("A", "A1"), ("A", "A2"), ("B", "AB", "A"), ("A", "A3"), ("B", "B1"))
"""AB is executed from B, and must be the head of A too."""


def crossing(**options) -> Simulation:
    return world(luws=(), own=CROSSING, **options)


def statuses(simulation: Simulation) -> dict[str, QueueStatus]:
    return {row.queue: row.status for row in simulation.actor("target").monitor()}


def test_work_in_two_queues_waits_for_both_and_both_wait_for_it():
    simulation = crossing(service_s=60.0)
    seen = {}
    simulation.at(seconds(30), lambda: seen.update(statuses(simulation)))
    simulation.run()
    assert seen == {"A": QueueStatus.RUNNING, "B": QueueStatus.WAITING}
    assert effects(simulation)[:3] == ["A1", "A2", "AB"]
    assert sorted(effects(simulation)[3:]) == ["A3", "B1"]
    times = moments(simulation)
    assert times["A3"] == times["B1"] == times["AB"] + seconds(60), "both go on together"
    assert all_held(simulation)


def test_what_waits_for_a_stuck_queue_says_so_and_goes_on_when_that_is_helped():
    simulation = crossing(poisons=(Poison("A1"),))
    seen = {}
    simulation.at(minutes(30), lambda: seen.update(statuses(simulation)))
    simulation.run()
    assert seen == {"A": QueueStatus.SYSFAIL, "B": QueueStatus.WAITSTOP}
    assert effects(simulation)[:3] == ["A1", "A2", "AB"]
    assert all_held(simulation)


def test_stuck_work_in_two_queues_holds_up_both():
    simulation = crossing(poisons=(Poison("AB"),), reaction_s=None)
    simulation.run()
    assert effects(simulation) == ["A1", "A2"]
    assert statuses(simulation) == {"A": QueueStatus.WAITSTOP, "B": QueueStatus.SYSFAIL}


@pytest.mark.parametrize("queue", ["A", "B"])
def test_work_in_two_queues_is_deleted_from_both_whichever_is_looked_at(queue):
    simulation = crossing(poisons=(Poison("AB"),), reaction_s=None)

    def delete() -> None:
        simulation.actor("target").administered(Action(queue, "AB", "delete LUW"), None)

    simulation.at(hours(1), delete)
    simulation.run()
    assert sorted(effects(simulation)) == ["A1", "A2", "A3", "B1"]
    assert list(simulation.store("target").table("deleted LUWs")) == ["AB"]
    assert statuses(simulation) == {}
    assert all_held(simulation)


def test_work_in_two_queues_survives_a_crash():
    simulation = crossing(service_s=60.0)
    site = simulation.site("target")
    simulation.at(seconds(150), site.crash)
    simulation.at(seconds(200), site.restart)
    simulation.run()
    assert sorted(simulation.store("target").table("inbound")) == []
    assert [e.subject for e in simulation.journal.select("effected")][:3] == ["A1", "A2", "AB"]
    assert all_held(simulation)


def test_without_order_nothing_stands_in_two_queues():
    simulation = crossing(guarantees=Guarantees(in_order=False))
    simulation.run()
    enqueued = [(e.subject, e.detail["queue"]) for e in simulation.journal.select("enqueued")]
    assert [queue for name, queue in enqueued if name == "AB"] == ["B"]
    assert len(effects(simulation)) == 5


@given(
    st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from(["", "A", "B", "C"])), max_size=12),
    st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_however_queues_cross_everything_is_done_once_and_in_order(drawn, processes):
    own = tuple(
        (queue, f"{number}", *([also] if also and also != queue else []))
        for number, (queue, also) in enumerate(drawn)
    )
    simulation = world(luws=(), own=own, processes=processes)
    simulation.run()
    done = effects(simulation)
    assert sorted(done, key=int) == [name for _, name, *_ in own]
    for queue in "ABC":
        members = [name for home, name, *also in own if queue in (home, *also)]
        assert sorted(members, key=done.index) == members, f"the order of queue {queue}"


def test_a_poison_is_mended_by_something_that_exists():
    with pytest.raises(BadValue, match="mended_by is"):
        Poison("A1", "prayer")


@pytest.mark.fires(queues.BLOCKED_UNTIL_HELPED)
def test_a_blocked_queue_in_which_something_begins_by_itself():
    def step(kind: str, number: int, subject: str = "A1", **more):
        return event(kind, "erp", subject, number, queue="A", serial=number, **more)

    stuck = step("failed", 1, reason="SYSFAIL")
    bad = [stuck, step("begun", 2, "A2")]
    check = queues.BLOCKED_UNTIL_HELPED
    assert fired(rejudge(check, bad), "A2 began in queue A of erp, which was in SYSFAIL")
    assert rejudge(check, [stuck, step("administered", 2, action="activate"), bad[1]]).held
    assert not rejudge(check, [step("failed", 1, reason="CPICERR"), bad[1]]).violations


# --- in the whole landscape ---


@frozen
class Settings:
    pass


@scenario(Settings, checks=ALL_CHECKS)
async def refused_then_fine(land, chosen):
    """Does a refused order hold up the next one?"""
    tea = OrderItem("tea", 3, Decimal("2.50"))
    drafts = [("A-1", ()), ("A-2", (tea,)), ("A-3", (tea,))]
    diary = tuple(
        DiaryEntry(hours(9 + n), SalesOrder("", name, "1", "customer", items))
        for n, (name, items) in enumerate(drafts)
    )
    land.add_crm()
    land.add_erp(wan())
    land.add_station("station", wan())
    habits = Habits()
    field = gprs(dial_up=True)
    land.add_laptop("laptop", field, rep="1", station="station", habits=habits, diary=diary)
    land.check()
    await land.run(days(3))
    await land.settle()


def test_a_validation_error_frees_the_queue_where_a_dump_would_block_it():
    result = refused_then_fine.run(seed=1)
    booked = {event.subject for event in result.journal.select("booked")}
    assert booked == {"A-2", "A-3"}
    [refused] = result.journal.select("rejected")
    assert refused.detail["reason"] == "an order without items is never transferred"
    states = [e.detail["states"] for e in result.journal.select("flowed", subject=refused.subject)]
    assert states[-1] == ("I03", "I04", "E04", "F01")


@frozen
class Moving:
    key: QueueKey = setting(QueueKey.PER_PARENT, "what shares a queue to and from the ERP")
    csa_key: QueueKey = setting(QueueKey.PER_PARENT, "what shares a queue inside CRM")


@scenario(Moving, checks=ALL_CHECKS)
async def moves_house(land, chosen):
    """Does an order keep its place when it moves to another customer?"""
    tea = OrderItem("tea", 3, Decimal("2.50"))

    def entry(day: int, name: str, customer: str, version: int = 1) -> DiaryEntry:
        return DiaryEntry(
            days(day) + hours(9), SalesOrder("", name, "1", customer, (tea,), version)
        )

    diary = (
        *(entry(0, "A-1", "old"), entry(0, "A-2", "new")),
        *(entry(1, "A-1", "new", 2), entry(1, "A-3", "old"), entry(2, "A-1", "new", 3)),
    )
    land.add_crm(queue_key=chosen.key, csa_key=chosen.csa_key)
    land.add_erp(wan(), queue_key=chosen.key, ship_days={"A-1": 9})
    land.add_station("station", wan())
    field = gprs(dial_up=True)
    habits = Habits(working_days=7)
    land.add_laptop("laptop", field, rep="1", station="station", habits=habits, diary=diary)
    land.check()
    await land.run(days(5))
    await land.settle()


@pytest.mark.parametrize("csa_key", [QueueKey.PER_DOCUMENT, QueueKey.PER_OBJECT_TYPE], ids=str)
def test_other_queues_inside_crm_need_no_place_in_two(csa_key):
    result = moves_house.run(seed=1, csa_key=csa_key.value)
    assert result.held, result.findings
    names = {
        str(e.detail["queue"])
        for e in result.journal.select("enqueued", actor="crm")
        if str(e.detail["queue"]).startswith("CSA_")
    }
    assert len(names) == (1 if csa_key is QueueKey.PER_OBJECT_TYPE else 3)
    assert not [e for e in result.journal.select("enqueued") if "home" in e.detail]


@pytest.mark.parametrize("key", list(QueueKey), ids=str)
def test_an_order_that_moves_to_another_customer_stands_behind_the_work_of_both(key):
    result = moves_house.run(seed=1, key=key.value)
    assert result.held, result.findings
    entered = [
        (e.detail["queue"], "home" in e.detail)
        for e in result.journal.select("enqueued", actor="crm")
        if str(e.detail["queue"]).startswith("CSA_")
    ]
    assert entered.count(("CSA_SALESDO_old", True)) == 1, "once it stands in the old queue too"
    first = entered.index(("CSA_SALESDO_old", True))
    assert entered[first + 1] == ("CSA_SALESDO_new", False)


STUCK = "scenarios/stuck_queue.py"
STORM = "scenarios/retry_storm.py"


def test_what_waits_behind_a_stuck_order_depends_on_what_shares_its_queue():
    waited = {}
    for key in ("per document", "per parent", "per object type"):
        result = load_scenario(STUCK).run(seed=1, queue_key=key).must_hold()
        waited[key] = result.metrics["waited_behind_it"]
        assert result.metrics["orders_booked"] == 400
        assert result.metrics["done_by_the_operator"] == ["activate"]
    assert waited["per document"] == 0 < waited["per parent"] < 20
    assert waited["per object type"] > 50


def test_a_slower_operator_makes_others_wait_longer():
    story = load_scenario(STUCK)
    waits = [
        story.run(seed=1, queue_key="per object type", reaction=reaction).metrics
        for reaction in ("2h", "8h", "20h")
    ]
    longest = [metrics["waited_behind_it_s_max"] or 0 for metrics in waits]
    assert longest == sorted(longest)
    assert longest[0] < longest[-1]


def test_an_order_that_was_taken_out_is_named_and_everything_else_holds():
    result = load_scenario(STUCK).run(seed=1, mended_by="delete LUW", queue_key="per parent")
    result.must_hold()
    assert result.metrics["done_by_the_operator"] == ["activate", "delete LUW"]
    assert result.metrics["orders_booked"] == 399
    [aside] = [one for one in result.quiet.documents_aside if not one.is_partial]
    assert "an operator of erp took it out of its queue" in aside.reason


def test_jitter_spreads_the_gust_of_a_returning_erp():
    story = load_scenario(STORM)
    with_jitter = story.run(seed=1).must_hold().metrics
    without = story.run(seed=1, jitter="0%").must_hold().metrics
    assert without["waiting_when_it_came_back"] == with_jitter["waiting_when_it_came_back"] > 100
    assert without["most_calls_in_one_second"] == without["waiting_when_it_came_back"]
    assert with_jitter["most_calls_in_one_second"] < 20
    calm = story.run(seed=1, jitter="0%", restart="off").must_hold().metrics
    assert calm["most_calls_in_one_second"] < 20, "without the restart nothing is in step"


@frozen
class NoSettings:
    pass


def test_a_story_can_lock_look_and_unlock():
    seen = []

    @scenario(NoSettings, checks=())
    async def maintenance(land, chosen):
        """What happens while a queue is locked?"""
        tea = OrderItem("tea", 3, Decimal("2.50"))
        order = SalesOrder("", "A-1", "1", "customer", (tea,))
        land.add_crm(queue_key=QueueKey.PER_OBJECT_TYPE)
        land.add_erp(wan(), ship_days={})
        land.add_station("station", wan())
        land.add_laptop(
            "laptop",
            gprs(dial_up=True),
            rep="1",
            station="station",
            habits=Habits(),
            diary=(DiaryEntry(hours(9), order),),
        )
        land.check()
        with pytest.raises(BadValue, match="'station' has no queues; CRM and the ERP have"):
            land.monitor("station")
        with pytest.raises(BadValue, match="nobody can 'bless' a queue; write activate, delete"):
            land.administer("erp", "bless", "R3AU_SALESDO0005000000")
        land.administer("erp", "activate", "R3AU_SALESDO")  # nothing stands there
        land.administer("erp", "lock", "R3AU_SALESDO")  # nor yet, but it is locked
        await land.run(days(2))
        seen.extend(row.status for row in land.monitor("erp"))
        land.administer("erp", "activate", "R3AU_SALESDO")
        land.administer("erp", "unlock", "R3AU_SALESDO")
        await land.run(days(1))
        seen.append(len(land.monitor("erp")))

    result = maintenance.run(seed=1)
    assert result.error is None, result.error
    assert seen == [QueueStatus.STOP, 0]
    actions = [str(e.detail["action"]) for e in result.journal.select("administered")]
    assert actions == ["lock", "activate: refused, the queue is STOP", "unlock"]
    assert next(result.journal.select("booked")).time_ns > days(2)
