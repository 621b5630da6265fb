"""Who gets a connection, at which station, when, and who does not?"""

import itertools
from collections import Counter
from decimal import Decimal

import pytest
from attrs import frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.chance import Constant, Luck
from crmsim.checks import whole
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.checks.check import Scene
from crmsim.errors import BadValue
from crmsim.hunt.case import take_down
from crmsim.hunt.shrinking import with_laptops
from crmsim.kernel.durable import CrashPoint
from crmsim.lab.landscape import Landscape
from crmsim.lab.metrics import station_metrics
from crmsim.lab.runs import load_scenario
from crmsim.lab.scenario import Result, scenario
from crmsim.mobile import client
from crmsim.mobile.calls import Busy, Refused
from crmsim.mobile.rep import DiaryEntry, Habits, Interval, Window
from crmsim.mobile.station import Connection
from crmsim.network.faults import NthMessage, Outage, Partition
from crmsim.network.link import Link, LinkKind
from crmsim.units import Duration, Share, days, hours, minutes, seconds

from .stories import fired, rejudge

OFFICE = Link(latency=Constant(0.02))
RADIO = Link(latency=Constant(0.1), dial_up=True)
CALL = Link(latency=Constant(0.1), dial_up=True, kind=LinkKind.STREAM)
AT_EIGHT = Habits(times=((hours(8), 0), (hours(18), 0)), working_days=7)


@frozen
class NoSettings:
    pass


def order(rep: int, number: int = 1) -> SalesOrder:
    return SalesOrder("", f"{rep}-{number}", f"{rep}", "C", (OrderItem("tea", 1, Decimal(2)),))


def build(
    land: Landscape,
    laptops: int,
    stations: dict[str, int | None],
    *,
    line: Link = RADIO,
    habits: Habits = AT_EIGHT,
    written_ns: int = hours(7),
) -> None:
    """Reps who all write an order at 7:00 and all call at 8:00 sharp."""
    land.add_crm()
    land.add_erp(OFFICE)
    for name, connections in stations.items():
        land.add_station(name, OFFICE, connections=connections)
    for rep in range(1, laptops + 1):
        diary = (DiaryEntry(written_ns, order(rep)),)
        names = tuple(stations)
        land.add_laptop(
            f"laptop-{rep}", line, rep=f"{rep}", diary=diary, habits=habits, station=names
        )
    land.check()


def told(tell, laptops: int, stations: dict[str, int | None], seed: int = 1, **more) -> Result:
    @scenario(NoSettings, checks=ALL_CHECKS, seed=seed)
    async def story(land: Landscape, _: NoSettings) -> None:
        """Who gets through?"""
        build(land, laptops, stations, **more)
        if tell is not None:
            tell(land)
        await land.run_until("1d 12:00")
        await land.settle()

    return story.run()


def must_agree(result: Result) -> Result:
    assert result.findings == []
    assert result.quiet.is_quiet, result.quiet.still_moving
    written = {event.subject for event in result.journal.select("saved")}
    assert len(result.simulation.store("erp").table("orders")) == len(written)
    return result


def events(result: Result, *kinds: str, **detail):
    return [
        event
        for event in result.journal.select(*kinds)
        if all(event.detail.get(name) == value for name, value in detail.items())
    ]


def most_in_use(result: Result, station: str) -> int:
    """Count connections from what the station says, and see that it takes none back twice."""
    held: set[str] = set()
    most = 0
    for event in result.journal.select("connected", "released", "crashed", actor=station):
        if event.kind == "crashed":
            held.clear()
        elif event.kind == "connected":
            assert event.detail["laptop"] not in held
            held.add(event.detail["laptop"])
            assert event.detail["in_use"] == len(held)
        else:
            held.remove(event.detail["laptop"])
        most = max(most, len(held))
    return most


def left_in_use(result: Result, station: str) -> dict:
    return result.simulation.actor(station)._in_use


# --- limited connections ---


def test_a_station_serves_as_many_laptops_at_once_as_it_has_connections():
    result = must_agree(told(None, 3, {"station": 3}))
    assert most_in_use(result, "station") == 3
    assert not events(result, "refused", "redialled")


def test_one_laptop_more_is_told_that_all_are_busy_and_gets_through_later():
    result = must_agree(told(None, 4, {"station": 3}))
    assert most_in_use(result, "station") == 3
    assert {e.detail["reason"] for e in events(result, "refused")} == {"busy"}
    assert events(result, "redialled", station="station", before="station", reason="busy")
    assert not events(result, "broken"), "it waited for a minute or less"


def test_without_a_limit_nobody_counts_connections():
    result = must_agree(told(None, 6, {"station": None}))
    assert not events(result, "connected", "released", "refused", "redialled")
    assert station_metrics(result)["most_at_once"] == {"station": 6}


@pytest.mark.parametrize("connections", [0, -1])
def test_a_station_without_connections_is_refused(connections):
    with pytest.raises(BadValue, match=f"'station' has {connections} connections; it needs one"):
        told(None, 1, {"station": connections}).must_hold()


def test_waits_grow_and_the_session_is_given_up_in_the_end():
    """Two laptops hold the only two connections for good; a third one calls."""

    def tell(land: Landscape) -> None:
        for rep in (1, 2):
            land.at(hours(8) + seconds(1), land.pause, f"laptop-{rep}", lasts=hours(2))
            # Somebody else keeps the connection busy, so that it is not taken back.
        for minute in range(0, 90, 2):
            land.at(hours(8) + minutes(minute) + seconds(2), keep_busy, land)

    def keep_busy(land: Landscape) -> None:
        for used in land.simulation.actor("station")._in_use.values():
            used.heard_ns = land.now_ns

    result = told(tell, 3, {"station": 2})
    must_agree(result)
    morning = [e.time_ns for e in events(result, "redialled") if e.time_ns < hours(12)]
    gaps = [b - a for a, b in itertools.pairwise(morning)]
    assert len(morning) == 7, "eight calls"
    assert gaps[-1] > 2 * gaps[0]
    [broken] = events(result, "broken", phase="AUTH", reason="busy")
    assert broken.actor == "laptop-3"
    assert hours(8) + minutes(10) < broken.time_ns < hours(9)


# --- a connection is free again ---


ENDS = {
    "all went well": lambda land: None,
    "the laptop crashed": lambda land: land.crash("laptop-1", down=hours(1)),
    "the station crashed": lambda land: land.crash("station", down=minutes(2)),
    "the line was cut": lambda land: land.at(
        land.now_ns, Partition("laptop-1", "station", under_way="drop"), for_=minutes(30)
    ),
    "the laptop slept": lambda land: land.pause("laptop-1", lasts=hours(3)),
    "the station lost its disk": lambda land: land.crash("station", down=minutes(2), wipe=True),
    "CRM was away": lambda land: land.at(
        land.now_ns, Outage("crm", under_way="drop"), for_=minutes(30)
    ),
}


@pytest.mark.parametrize("line", [RADIO, CALL], ids=["radio", "call"])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("after_s", [0.55, 0.8, 1.2])
def test_a_connection_is_free_again_however_a_session_ends(end, line, after_s):
    """In the middle of the call, of sending and of receiving; the only connection there is."""

    def tell(land: Landscape) -> None:
        land.at(hours(8) + seconds(after_s), ENDS[end], land)

    result = must_agree(told(tell, 2, {"station": 1}, line=line))
    assert most_in_use(result, "station") == 1
    assert left_in_use(result, "station") == {}
    finished = {e.actor for e in events(result, "finished")}
    assert finished == {"laptop-1", "laptop-2"}


@pytest.mark.parametrize("phase_luck", range(1, 7))
def test_a_connection_is_free_again_when_lines_break_off_in_any_phase(phase_luck):
    habits = Habits(times=((hours(8), 0), (hours(18), 0)), working_days=7, break_off=Share(0.5))
    result = must_agree(told(None, 4, {"station": 1}, seed=phase_luck, habits=habits))
    assert events(result, "broken")
    assert left_in_use(result, "station") == {}


def test_a_hang_up_is_seen_at_once_and_a_lost_one_after_a_while():
    result = must_agree(told(None, 1, {"station": 1}))
    hung_up = [e.time_ns for e in events(result, "entered", phase="IMPORT")]
    assert [e.time_ns for e in events(result, "released")] == hung_up

    def tell(land: Landscape) -> None:
        cut = Partition("laptop-1", "station", under_way="drop")
        land.at(hours(8) + seconds(0.8), cut, for_=minutes(20))

    result = must_agree(told(tell, 1, {"station": 1}))
    [released, *_] = events(result, "released")
    assert released.detail["reason"] == "nothing was heard"
    assert minutes(5) <= released.time_ns - hours(8) < minutes(6)


def test_both_ends_see_that_a_call_broke_and_neither_that_the_radio_did():
    def tell(land: Landscape) -> None:
        cut = Partition("laptop-1", "station", under_way="drop")
        land.at(hours(8) + seconds(1.1), cut, for_=minutes(20))

    broken_ns = {}
    for name, line in (("call", CALL), ("radio", RADIO)):
        result = must_agree(told(tell, 1, {"station": 1}, line=line))
        [broken, *_] = events(result, "broken")
        broken_ns[name] = broken.time_ns - hours(8)
    assert broken_ns["call"] == seconds(1.1)
    assert broken_ns["radio"] > minutes(2), "it asked again and again"


def test_who_lost_the_connection_in_the_middle_takes_another_or_breaks_off():
    """The station forgets all of them in a crash; somebody else is quicker."""

    def tell(land: Landscape) -> None:
        land.at(hours(8) + seconds(0.8), land.crash, "station", down=seconds(1))

    alone = must_agree(told(tell, 1, {"station": 1}))
    assert len([e for e in events(alone, "connected") if e.time_ns < hours(12)]) == 2
    assert not events(alone, "broken")

    def steal(land: Landscape) -> None:
        tell(land)
        land.at(hours(8) + seconds(3), take, land)
        land.at(hours(9), lambda: land.simulation.actor("station")._in_use.pop("somebody"))

    def take(land: Landscape) -> None:
        used = Connection(session=1, number=0, heard_ns=land.now_ns)
        land.simulation.actor("station")._in_use["somebody"] = used

    result = must_agree(told(steal, 1, {"station": 1}))
    reasons = [event.detail["reason"] for event in events(result, "broken")]
    assert reasons == ["no connection left at the station"]


# --- failover ---


TWO = {"home": 1, "away": 1}


def test_who_finds_the_home_station_busy_goes_to_the_next_one_at_once():
    result = must_agree(told(None, 2, TWO))
    [redialled] = [e for e in events(result, "redialled") if e.time_ns < hours(12)]
    assert (redialled.detail["before"], redialled.detail["station"]) == ("home", "away")
    assert redialled.time_ns - hours(8) < seconds(2)
    assert station_metrics(result)["most_at_once"] == {"home": 1, "away": 1}


@pytest.mark.parametrize("line", [RADIO, CALL], ids=["radio", "call"])
@pytest.mark.parametrize(
    "trouble",
    [
        lambda land: land.at(hours(7), land.crash, "home", down=hours(6)),
        lambda land: land.at(hours(7), Outage("home", under_way="drop"), for_=hours(6)),
        lambda land: land.at(
            hours(7), Partition("laptop-1", "home", under_way="drop"), for_=hours(6)
        ),
        lambda land: land.at(hours(7), Partition("home", "crm", under_way="drop"), for_=hours(6)),
    ],
    ids=["down", "out of order", "line cut", "without CRM"],
)
def test_a_session_goes_to_another_station_when_the_home_station_does_not_answer(trouble, line):
    result = must_agree(told(trouble, 1, {"home": None, "away": None}, line=line))
    [to_away, *_] = events(result, "redialled")
    assert (to_away.detail["before"], to_away.detail["station"]) == ("home", "away")
    finished = events(result, "finished")[0]
    assert minutes(0) < finished.time_ns - hours(8) < minutes(2)
    evening = [e for e in events(result, "sent", message="Dial") if hours(17) < e.time_ns < days(1)]
    stations = {e.detail["to"] for e in evening if e.actor == "laptop-1"}
    assert stations == {"home"}, "each session begins with the home station"


def test_what_was_begun_at_one_station_goes_on_at_another():
    """The outbox is sent at home, its receipt is lost; away it is found out what came."""

    def tell(land: Landscape) -> None:
        lost = NthMessage("UploadReceipt", (1, 2, 3, 4, 5, 6, 7, 8), source="home")
        land.at(hours(7), lost, for_=hours(6))
        land.at(hours(12), land.crash, "home", down=hours(12))

    result = must_agree(told(tell, 1, {"home": 2, "away": 2}))
    assert events(result, "broken", phase="SEND", reason="no answer")
    assert [e.detail["station"] for e in events(result, "redialled")] == ["away"]
    received = [e for e in events(result, "received") if e.actor == "crm" and "save" in e.subject]
    assert len(received) == 1


def test_when_nobody_answers_the_session_ends_in_auth_and_imports_what_it_has():
    def tell(land: Landscape) -> None:
        for name in ("home", "away"):
            land.at(hours(7), land.crash, name, down=hours(6))

    result = must_agree(told(tell, 1, {"home": None, "away": None}))
    [broken] = events(result, "broken")
    assert (broken.detail["phase"], broken.detail["reason"]) == ("AUTH", "no answer")
    later = [e.detail["phase"] for e in events(result, "entered") if e.time_ns > broken.time_ns]
    assert later[0] == "IMPORT"
    calls = 1 + len([e for e in events(result, "redialled") if e.time_ns <= broken.time_ns])
    assert calls == 16, "eight times each"


def test_with_a_single_station_that_is_dead_nothing_is_redialled():
    result = told(
        lambda land: land.at(hours(7), land.crash, "station", down=hours(2)), 1, {"station": 1}
    )
    must_agree(result)
    assert not events(result, "redialled")
    [broken] = events(result, "broken", reason="no answer")
    assert minutes(2) < broken.time_ns - hours(8) < minutes(6)


@pytest.mark.parametrize("station", [(), ("station", "station")])
def test_stations_of_a_laptop_are_one_or_several_different_ones(station):
    @scenario(NoSettings, checks=ALL_CHECKS)
    async def story(land: Landscape, _: NoSettings) -> None:
        """What may be written?"""
        land.add_crm()
        land.add_erp(OFFICE)
        land.add_station("station", OFFICE)
        land.add_laptop("a", RADIO, rep="1", diary=(), habits=AT_EIGHT, station=station)

    with pytest.raises(BadValue, match="name one station, or a tuple of different ones"):
        story.run().must_hold()


def test_a_lone_laptop_keeps_all_of_its_stations_when_a_case_is_cut_down():
    @scenario(NoSettings, checks=ALL_CHECKS)
    async def story(land: Landscape, _: NoSettings) -> None:
        """What is left?"""
        land.add_crm()
        land.add_erp(OFFICE)
        for name in ("a", "b", "c"):
            land.add_station(name, OFFICE)
        for rep, stations in ((1, ("a", "b")), (2, "c")):
            land.add_laptop(
                f"l-{rep}", RADIO, rep=f"{rep}", diary=(), habits=AT_EIGHT, station=stations
            )
        land.at(hours(9), land.lock_user, "l-1")
        land.at(hours(10), land.unlock_user, "l-1")
        land.at(hours(11), land.deactivate_site, "l-1")
        land.at(hours(12), land.activate_site, "l-1")
        await land.run_until("1d")
        await land.settle()

    case = take_down(story, NoSettings(), 1)
    verbs = [call.verb for one in case.trouble.deviations for call in one.calls]
    assert verbs == ["lock_user", "unlock_user", "deactivate_site", "activate_site"]
    small = with_laptops(case, ("l-1",))
    stations = [call.named["name"] for call in small.built if call.verb == "add_station"]
    assert stations == ["a", "b"]
    assert small.run().held


# --- who may call ---


@pytest.mark.parametrize(
    ("shut", "opened", "reason", "actor"),
    [
        ("lock_user", "unlock_user", "user locked", "home"),
        ("deactivate_site", "activate_site", "site deactivated", "crm"),
    ],
)
def test_who_may_not_call_is_told_and_comes_through_later(shut, opened, reason, actor):
    def tell(land: Landscape) -> None:
        land.at(hours(6), getattr(land, shut), "laptop-1")
        land.at(hours(12), getattr(land, opened), "laptop-1")

    result = must_agree(told(tell, 2, {"home": 2, "away": 2}))
    [refused] = events(result, "refused")
    assert (refused.actor, refused.detail["reason"]) == (actor, reason)
    [broken] = events(result, "broken")
    assert (broken.detail["phase"], broken.detail["reason"]) == ("AUTH", reason)
    assert not events(result, "redialled"), "no other station would let it in"
    committed = {e.subject: e.time_ns for e in events(result, "committed")}
    assert committed["1-1"] > hours(18)
    assert committed["2-1"] < hours(9), "nobody else is kept waiting"
    assert left_in_use(result, "home") == {}


def test_a_user_is_locked_at_all_stations_even_at_one_that_was_down():
    def tell(land: Landscape) -> None:
        land.at(hours(5), land.crash, "away", down=hours(1))
        land.at(hours(5) + minutes(1), land.lock_user, "laptop-1")
        land.at(hours(7), land.crash, "home", down=hours(2))
        land.at(hours(12), land.unlock_user, "laptop-1")

    result = must_agree(told(tell, 1, {"home": None, "away": None}))
    assert [(e.actor, e.detail["reason"]) for e in events(result, "refused")] == [
        ("away", "user locked")
    ]


def test_a_site_that_crm_does_not_know_is_refused():
    def tell(land: Landscape) -> None:
        laptops = land._laptops
        land.at(hours(6), laptops.pop, "1")
        land.at(hours(12), laptops.update, {"1": "laptop-1"})

    result = told(tell, 1, {"station": 1})
    assert [e.detail["reason"] for e in events(result, "refused")] == ["site unknown"]
    must_agree(result)


def test_it_is_not_quiet_while_somebody_may_not_call():
    @scenario(NoSettings, checks=ALL_CHECKS)
    async def story(land: Landscape, _: NoSettings) -> None:
        """What is still to be done?"""
        build(land, 3, {"station": None})
        land.at(hours(20), land.lock_user, "laptop-1")
        land.at(hours(20), land.deactivate_site, "laptop-2")
        await land.run_until("2d")
        await land.settle(days(3))

    quiet = story.run().quiet
    assert not quiet.is_quiet
    assert "station: laptop-1 is locked" in quiet.still_moving
    assert "crm: laptop-2 is deactivated" in quiet.still_moving


@pytest.mark.parametrize("verb", ["lock_user", "unlock_user", "deactivate_site", "activate_site"])
def test_only_laptops_are_locked_or_deactivated(verb):
    with pytest.raises(BadValue, match="'station' is no laptop"):
        told(lambda land: getattr(land, verb)("station"), 1, {"station": 1}).must_hold()


# --- what begins a session ---


def begun(result: Result) -> list[float]:
    return [e.time_ns / hours(1) for e in events(result, "entered", phase="INIT")]


def run_habits(habits: Habits, **more) -> Result:
    return told(more.pop("tell", None), 1, {"station": 2}, habits=habits, **more)


def test_a_laptop_calls_at_an_interval_within_working_hours():
    habits = Habits(times=(), interval=Interval(every=hours(1)))
    result = must_agree(run_habits(habits))
    first_day = [time for time in begun(result) if time < 24]
    assert len(first_day) == 10
    gaps = [b - a for a, b in itertools.pairwise(first_day)]
    assert gaps == [pytest.approx(1)] * 9
    assert 8 <= first_day[0] <= first_day[-1] < 18


def test_a_laptop_that_is_off_misses_its_interval_and_nothing_else_moves():
    habits = Habits(times=(), interval=Interval(every=hours(1)))
    calm = begun(run_habits(habits))
    off = begun(
        run_habits(
            habits,
            tell=lambda land: land.at(hours(10), land.crash, "laptop-1", down=hours(3)),
        )
    )
    first_day = [time for time in off if time < 24]
    assert first_day == [time for time in calm if time < 10 or 13 < time < 24]


def test_a_network_begins_a_session_and_ends_it():
    """The first window is long enough, the second one closes while the line is held."""
    habits = Habits(
        times=((hours(20), 0),),
        coverage=(Window(hours(9), minutes(30)), Window(hours(12), Duration(seconds(1)), 0)),
    )
    result = must_agree(run_habits(habits))
    first, second, evening = [time for time in begun(result) if time < 24]
    assert 8.5 <= first <= 9.5
    assert (second, evening) == (12, 20)
    [broken, *_] = events(result, "broken")
    assert broken.detail["reason"] == "the network was gone"
    assert broken.time_ns == hours(12) + seconds(1)
    assert all(e.time_ns % days(1) == hours(12) + seconds(1) for e in events(result, "broken"))


def test_a_laptop_that_waits_for_a_connection_gives_up_when_the_network_is_gone():
    habits = Habits(times=((hours(20), 0),), coverage=(Window(hours(9), minutes(3), 0),))

    def tell(land: Landscape) -> None:
        land.at(hours(9) + seconds(1), land.pause, "laptop-1", lasts=minutes(4))

    result = must_agree(told(tell, 2, {"station": 1}, habits=habits))
    broken = {e.actor: e for e in events(result, "broken") if e.time_ns < days(1)}
    assert broken["laptop-2"].detail["phase"] == "AUTH"
    assert broken["laptop-2"].time_ns == hours(9) + minutes(3)


def test_a_further_trigger_moves_no_time_of_the_others():
    alone = Habits(times=((hours(8), minutes(45)), (hours(18), minutes(60))))
    more = Habits(
        times=alone.times,
        interval=Interval(every=hours(3)),
        coverage=(Window(hours(12), minutes(30)),),
    )
    few, many = (set(begun(run_habits(habits))) for habits in (alone, more))
    assert {time for time in few if time < 24} < many


@given(
    st.lists(st.integers(0, 23), max_size=3, unique=True).map(sorted),
    st.one_of(st.none(), st.integers(1, 10)),
    st.lists(st.integers(0, 23), max_size=3, unique=True).map(sorted),
    st.integers(0, 6),
)
def test_sessions_are_numbered_in_the_order_in_which_they_begin(times, every, windows, weekday):
    if not (times or every or windows):
        return
    habits = Habits(
        first_weekday=weekday,
        times=tuple((hours(hour), minutes(20)) for hour in times),
        interval=None if every is None else Interval(every=hours(every)),
        coverage=tuple(Window(hours(hour), minutes(5), minutes(20)) for hour in windows),
    )
    luck = Luck(7).stream("session time", "laptop")
    now_ns, number, found = -1, 0, 0
    for _ in range(40):
        now_ns, session = habits.next_session(luck, now_ns)
        gone_ns = habits.network_gone_ns(luck, session)
        assert gone_ns is None or gone_ns == now_ns + minutes(5)
        found += gone_ns is not None
        assert session > number
        number = session
    assert found or not windows


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Habits(times=()), "one session a day or more"),
        (lambda: Habits(coverage=Window(hours(8), hours(1))), "write a tuple"),
        (lambda: Interval(every=hours(11)), "fit into its day"),
        (lambda: Interval(every=hours(0)), "fit into its day"),
        (lambda: Interval(opens=hours(18), closes=hours(8)), "opens before it closes"),
        (lambda: Window(hours(8), hours(0)), "lasts longer than nothing"),
        (lambda: Window(hours(25), hours(1)), "opens within a day"),
    ],
)
def test_habits_that_cannot_be(make, text):
    with pytest.raises(BadValue, match=text):
        make()


# --- whatever happens ---


SITES = ("home", "away", "crm", "laptop-1", "laptop-2", "laptop-3", "laptop-4")
LINES = (
    *((f"laptop-{rep}", "home") for rep in (1, 2, 3, 4)),
    ("laptop-1", "away"),
    ("home", "crm"),
)
HAPPENINGS = st.lists(
    st.tuples(
        st.integers(-600, 2_400),
        st.one_of(
            st.tuples(st.just("crash"), st.sampled_from(SITES)),
            st.tuples(st.just("point"), st.sampled_from(SITES)),
            st.tuples(st.just("pause"), st.sampled_from(SITES)),
            st.tuples(st.just("cut"), st.sampled_from(LINES)),
            st.tuples(st.just("hold"), st.sampled_from(LINES)),
            st.tuples(st.just("lock"), st.sampled_from(SITES[3:])),
            st.tuples(st.just("deactivate"), st.sampled_from(SITES[3:])),
        ),
        st.sampled_from((1, 30, 200, 1_000)),
    ),
    max_size=8,
)


def happen(land: Landscape, what: str, whom, lasts: Duration) -> None:
    match what:
        case "crash":
            land.crash(whom, down=lasts)
        case "point":
            land.crash(whom, down=lasts, point=CrashPoint.AFTER_COMMIT)
        case "pause":
            land.pause(whom, lasts=lasts)
        case "cut" | "hold":
            under_way = "drop" if what == "cut" else "hold"
            land.at(land.now_ns, Partition(*whom, under_way=under_way), for_=lasts)
        case "lock":
            land.lock_user(whom)
            land.at(land.now_ns + lasts, land.unlock_user, whom)
        case "deactivate":
            land.deactivate_site(whom)
            land.at(land.now_ns + lasts, land.activate_site, whom)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    HAPPENINGS,
    st.sampled_from(({"home": 1}, {"home": 1, "away": 1}, {"home": 2, "away": None})),
    st.sampled_from((RADIO, CALL)),
    st.sampled_from((0.0, 0.3)),
)
def test_whatever_crashes_or_breaks_nobody_is_locked_out_for_ever(ops, stations, line, break_off):
    def tell(land: Landscape) -> None:
        for second, (what, whom), lasts in ops:
            names = whom if isinstance(whom, tuple) else (whom,)
            if "away" not in names or "away" in stations:
                at_ns = hours(8) + seconds(second)
                land.at(at_ns, happen, land, what, whom, seconds(lasts))

    habits = Habits(
        times=((hours(8), minutes(2)), (hours(18), minutes(20))),
        working_days=7,
        break_off=Share(break_off),
        interval=Interval(every=hours(4)),
    )
    result = must_agree(told(tell, 4, stations, line=line, habits=habits))
    for station, limit in stations.items():
        assert limit is None or most_in_use(result, station) <= limit
        assert left_in_use(result, station) == {}
    finished = Counter(e.actor for e in events(result, "finished"))
    assert min(finished.values()) >= 2
    assert len(finished) == 4


@pytest.mark.fires(whole.ONE_OF_EACH)
def test_a_laptop_that_does_not_hang_up_before_it_calls_the_next_station(monkeypatch):
    """Its history does not say that it called anew; so it was with both at a time."""
    plain = client.MobileClient.note

    def silent(self, kind, subject, **detail):
        return 0 if kind.name == "redialled" else plain(self, kind, subject, **detail)

    monkeypatch.setattr(client.MobileClient, "note", silent)
    result = told(None, 2, TWO)
    assert fired(
        rejudge(
            whole.ONE_OF_EACH,
            list(result.journal),
            scene=Scene(result.simulation.topology, lambda actor: actor),
            journal=result.journal,
        ),
        "while laptop-2 was at home",
    )


def test_a_late_answer_to_an_earlier_call_ends_no_later_one():
    result = told(None, 1, {"home": 1, "away": 1})
    laptop = result.simulation.actor("laptop-1")
    before = len(result.journal)
    laptop.busy(Busy("laptop-1", 1, 0, 0), None)
    laptop.refused(Refused("laptop-1", 1, 0, "user locked"), None)
    assert len(result.journal) == before, "it is in no session"


def test_an_outage_needs_another_station():
    story = load_scenario("scenarios/monday_morning.py")
    with pytest.raises(BadValue, match="set stations to 2 or more"):
        story.run(reps=4, prices=10, outage=True, stations=1).must_hold()
