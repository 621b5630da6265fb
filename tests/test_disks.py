"""What becomes of a laptop that is lost, replaced, or put back to an earlier day?"""

import pytest
from attrs import evolve

from crmsim.chance import Constant
from crmsim.checks import distribution, queues
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.checks.laptops import replication, sessions
from crmsim.errors import BadValue
from crmsim.kernel.durable import CrashPoint
from crmsim.lab.landscape import Landscape
from crmsim.lab.metrics import replacement_metrics
from crmsim.lab.scenario import Result, scenario
from crmsim.middleware.flow import Breakage, Context, OnLock
from crmsim.middleware.replication import Job, RrQueue, TakenAway
from crmsim.mobile.calls import Upload
from crmsim.mobile.client import MobileClient
from crmsim.online.answers import Answers
from crmsim.quiet.aside import lost_saves
from crmsim.replication.realignment import Realignment
from crmsim.replication.sites import tell as tell_site
from crmsim.systems.setup import Policies
from crmsim.units import Share, days, hours, milliseconds, minutes, seconds

from .stories import event, fired, rejudge
from .test_replication import (
    C1,
    LAPTOPS,
    PRICES,
    NoSettings,
    build,
    held,
    must_be_in_place,
    order,
    told,
    two_reps,
    wanted,
)

FAMILY = 1 + 2 + 1
"""A customer, two contacts and a visit: what each of the three laptops has in the beginning."""


def lost(result: Result) -> list[str]:
    return [reference for _, reference in lost_saves(result.simulation)]


def test_what_was_not_sent_goes_with_the_disk_and_is_told_by_name():
    async def tell(land: Landscape) -> None:
        await land.run_until("0d 12:00")
        land.crash("laptop-1", down=hours(4), wipe=True)
        await land.run_until("3d")

    result = told(tell)
    must_be_in_place(result)
    assert lost(result) == ["101", "102"]
    aside = [one.name for one in result.quiet.aside]
    assert aside == ["laptop-1 save 1", "101", "laptop-1 save 2", "102"]
    assert {order.order.reference for order in result.simulation.actor("erp").orders} == {
        *("201", "202", "301", "302")
    }
    [missed] = result.journal.select("missed")
    assert missed.subject == "101", "the next day's correction has nothing to correct"
    [replaced] = result.journal.select("replaced")
    assert (replaced.detail["disk"], replaced.detail["thrown_away"]) == (1, 0)
    assert len(replaced.detail["things"]) == FAMILY


def test_what_was_sent_comes_back_and_what_lay_ready_is_thrown_away():
    async def tell(land: Landscape) -> None:
        await land.run_until("0d 22:00")
        land.change("customer", "C1", name="renamed")
        await land.run_until("0d 23:00")
        land.crash("laptop-1", down=hours(1), wipe=True)
        await land.run_until("3d")

    result = told(tell)
    must_be_in_place(result)
    assert lost(result) == []
    [replaced] = result.journal.select("replaced")
    assert replaced.detail["thrown_away"] > 0
    assert len(replaced.detail["things"]) == FAMILY + 2, "two orders belong to its customer now"
    assert result.simulation.store("laptop-1").get("orders", guid_of(result, "101")).save


def guid_of(result: Result, reference: str) -> str:
    rows = result.simulation.store("crm").table("orders").values()
    [guid] = [row.document.order.guid for row in rows if row.document.order.reference == reference]
    return str(guid)


def test_a_laptop_that_is_handed_in_takes_nothing_along():
    async def tell(land: Landscape) -> None:
        await land.run_until("0d 10:07:30")
        land.replace_laptop("laptop-1", down=hours(2))
        await land.run_until("4d")

    result = told(tell)
    must_be_in_place(result)
    assert lost(result) == []
    [wiped] = result.journal.select("wiped")
    assert wiped.time_ns > hours(17), "it waits for the evening's call"
    saves = [(e.actor, e.detail["message"]) for e in result.journal.select("saved")]
    mine = [message for actor, message in saves if actor == "laptop-1"]
    assert mine[0] == "laptop-1 save 1"
    assert mine[1] == "laptop-1 disk 1 save 1", "what came up meanwhile is written on the new one"


def test_a_laptop_that_cannot_call_is_handed_in_with_what_is_on_it():
    async def tell(land: Landscape) -> None:
        await land.run_until("0d 12:00")
        land.crash("station", down=days(3))
        land.replace_laptop("laptop-1", down=hours(2), patience=days(1))
        await land.run_until("5d")

    result = told(tell)
    must_be_in_place(result)
    assert lost(result) == ["101", "102"]


def test_the_answer_of_a_lost_disk_is_not_sent_to_the_new_one():
    async def tell(land: Landscape) -> None:
        await land.run_until("0d 12:00")
        land.slow_down("crm", factor=500_000.0, lasts=hours(20))
        await land.run_until("0d 20:00")
        land.crash("laptop-1", down=minutes(5), wipe=True)
        await land.run_until("6d")

    result = told(tell)
    must_be_in_place(result)
    assert lost(result) == []
    at = {e.kind: e.time_ns for e in result.journal.select("replaced")}
    answered = [
        e.time_ns for e in result.journal.select("confirmed") if e.subject == "laptop-1 save 1"
    ]
    assert answered[0] > at["replaced"], "decided when the disk was gone"
    answers = [e.detail["answers"] for e in result.journal.select("imported", actor="laptop-1")]
    assert "laptop-1 save 1" not in answers


def test_complaint_20_a_laptop_put_back_to_yesterday_does_not_use_its_numbers_twice(monkeypatch):
    """A restore from a backup rewinds a site: its next saves would bear numbers that are used."""

    async def tell(land: Landscape) -> None:
        await land.run_until("0d 10:08:30")  # one order is written and not sent
        store = land.simulation.store("laptop-1")
        backup = {table: dict(store.table(table)) for table in store}
        await land.run_until("1d 20:00")
        written = store.get("rep", "written")
        land.crash("laptop-1", down=hours(1), wipe=True)
        for table, rows in backup.items():
            land.simulation.store("laptop-1").load(table, rows)
        land.simulation.store("laptop-1").load("rep", {"written": written})
        await land.run_until("4d")

    result = told(tell)
    must_be_in_place(result)
    assert lost(result) == [], "what the backup still held unsent had been sent since"

    monkeypatch.setattr(MobileClient, "_begin_anew", lambda self: None)
    monkeypatch.setattr(MobileClient, "disk", 0, raising=False)
    assert told(tell).findings, "without the number of the disk it does not go unnoticed"


def test_complaint_21_who_was_away_for_two_months_gets_what_changed_and_loses_what_left():
    """An expired client returns."""

    async def tell(land: Landscape) -> None:
        await land.run_until("1d 12:00")
        land.pause("laptop-1", lasts=days(60))
        land.change("contact", "C1-1", name="renamed")
        await land.run_until("20d")
        land.change("customer", "C1", rep="2")
        land.change("customer", "C2", rep="1")
        await land.run_until("62d")

    result = told(tell)
    must_be_in_place(result)
    assert C1 not in held(result, "laptop-1")
    assert ("customer", "C2") in held(result, "laptop-1")


def test_complaint_18_an_upload_that_skips_a_number_is_not_taken():
    """A sequence number skipped: what comes too early is neither stored nor receipted."""

    async def tell(land: Landscape) -> None:
        await land.run_until("0d 12:00")
        crm, laptop = land.simulation.actor("crm"), land.simulation.store("laptop-1")
        second = laptop.get("outbox", 2)
        said = Upload("laptop-1", 1, 0, 0, (second,))
        crm.uploaded(said, crm.address("station"))
        await land.run_until("0d 12:01")
        assert not land.simulation.store("crm").table("inbound")
        assert land.simulation.store("crm").get("received", ("laptop-1", 0)) is None
        await land.run_until("3d")

    must_be_in_place(told(tell))


def test_what_an_old_disk_sent_is_not_taken_once_the_new_one_has_called():
    async def tell(land: Landscape) -> None:
        await land.run_until("0d 12:00")
        late = land.simulation.store("laptop-1").get("outbox", 1)
        land.crash("laptop-1", down=minutes(5), wipe=True)
        await land.run_until("1d 1:00")
        crm = land.simulation.actor("crm")
        crm.uploaded(Upload("laptop-1", 1, 0, 0, (late,)), crm.address("station"))
        await land.run_until("3d")

    result = told(tell)
    must_be_in_place(result)
    assert lost(result) == ["101", "102"], "the verdict on what is lost stays true"


def test_bulk_that_comes_a_second_time_stands_behind_the_removal_in_between():
    """Old packages lie in the inbox, unimported, when all of it is taken away and given back."""

    async def tell(land: Landscape) -> None:
        land.at("0d 9:30", land.publish, "prices", {f"price {n}": "1" for n in range(5)})
        await land.run_until("0d 12:00")
        while ("prices", 1) not in land.simulation.store("laptop-1").table("inbox"):
            await land.run(milliseconds(20))
        land.crash("laptop-1", down=minutes(5))
        await land.run(minutes(10))
        land.subscribe("prices", "prices", LAPTOPS[1:])
        await land.run(minutes(10))
        land.subscribe("prices", "prices", LAPTOPS)
        await land.run_until("4d")

    def also(land: Landscape):
        return lambda: land.add_subscription("prices", "prices", LAPTOPS)

    @scenario(NoSettings, checks=ALL_CHECKS)
    async def story(land: Landscape, _: NoSettings) -> None:
        """Who has the prices?"""
        build(land, model=PRICES, also=also(land))
        await tell(land)
        await land.settle()

    result = story.run()
    must_be_in_place(result)
    assert len(result.simulation.store("laptop-1").table("masters")) == 5


def story_of(tell) -> Result:
    @scenario(NoSettings, checks=ALL_CHECKS, metrics=replacement_metrics)
    async def story(land: Landscape, _: NoSettings) -> None:
        """What is left?"""
        await tell(land)
        await land.settle()

    return story.run()


def test_a_refusal_does_not_take_away_what_has_not_come_to_the_cdb_yet():
    """The CDB lacks the order, because its BDoc is in the error list; CRM Online has it."""

    async def tell(land: Landscape) -> None:
        written = [
            (time_ns, order("101", "1", "C1", version))
            for version, time_ns in ((1, hours(10)), (2, hours(11)), (3, hours(34)))
        ]
        two_reps(
            land,
            *written,
            policies=Policies(on_lock=OnLock.REJECT),
            operator_s=Constant(216_000.0),
            breakages=(Breakage(Context.SO1, 0, days(2), Share(1.0)),),
        )
        await land.run_until("8d")

    result = story_of(tell)
    assert result.findings == []
    committed = [e.detail["version"] for e in result.journal.select("committed")]
    assert committed == [1, 2], "the second save is refused; the third one is a change and counts"


def test_what_is_lost_is_named_though_its_order_is_gone_from_the_disk():
    """A creation is refused; a change of it was written before the laptop heard of that."""

    def tell_of(second_ns: int | None):
        async def tell(land: Landscape) -> None:
            empty = evolve(order("101", "1", "C1"), items=())
            second = [] if second_ns is None else [(second_ns, order("101", "1", "C1", 2))]
            two_reps(land, (hours(10), empty), *second)
            await land.run_until("0d 23:00")
            land.crash("laptop-1", down=hours(1), wipe=True)
            await land.run_until("3d")

        return tell

    heard = [
        e.time_ns
        for e in story_of(tell_of(None)).journal.select("imported")
        if e.detail["what"] == "rejection"
    ]
    result = story_of(tell_of(heard[0] - milliseconds(20)))
    assert result.findings == []
    assert lost(result) == ["101"]


def test_a_late_refusal_of_an_old_change_does_not_forget_that_a_newer_one_was_refused():
    async def tell(land: Landscape) -> None:
        written = [
            (time_ns, order("101", "1", "C1", version))
            for version, time_ns in (
                *((1, hours(10)), (2, hours(23)), (3, hours(34)), (4, hours(58))),
            )
        ]
        broken = Breakage(Context.SI0, hours(31), hours(33), Share(1.0))
        operator = Constant(259_200.0)
        two_reps(
            land,
            *written,
            taken_away=TakenAway.REJECT,
            operator_s=operator,
            breakages=(broken,),
        )
        land.at("2d 9:00", land.change, "customer", "C1", rep="2")
        await land.run_until("8d")

    result = story_of(tell)
    assert result.findings == []
    assert "101" in {one.name for one in result.quiet.aside}


def test_a_laptop_that_is_kept_still_after_it_lost_what_it_had_fetched_is_not_accused():
    async def tell(land: Landscape) -> None:
        build(land)
        for number in range(25):
            land.at("0d 9:00", land.change, "contact", "C1-1", name=f"{number}")
        await land.run_until("0d 17:00")
        while not land.simulation.store("laptop-1").table("inbox"):
            await land.run(milliseconds(20))
        await land.run(seconds(1))
        land.crash("laptop-1", down=minutes(5), wipe=True)
        await land.run(minutes(1))
        await land.settle(keep_still=("laptop-1",))

    assert story_of_still(tell).findings == []


def story_of_still(tell) -> Result:
    @scenario(NoSettings, checks=ALL_CHECKS)
    async def story(land: Landscape, _: NoSettings) -> None:
        """Who is accused?"""
        await tell(land)

    return story.run()


def test_a_disk_is_lost_though_the_laptop_is_switched_off_and_the_last_word_counts():
    async def tell(land: Landscape) -> None:
        await land.run_until("0d 12:00")
        land.crash("laptop-1", down=hours(1))
        await land.run_until("0d 12:30")
        land.crash("laptop-1", down=hours(2), wipe=True)
        await land.run_until("0d 14:00")
        land.crash("laptop-1", down=days(2), wipe=True)
        await land.run_until("4d")

    result = told(tell)
    must_be_in_place(result)
    found = result.journal.select("wiped", "restarted", actor="laptop-1")
    assert [(e.kind, e.time_ns / hours(1)) for e in found] == [
        *(("wiped", 12.5), ("wiped", 14.0), ("restarted", 62.0))
    ]


def test_a_laptop_that_crashes_while_it_is_told_to_stop_is_replaced_all_the_same():
    async def tell(land: Landscape) -> None:
        await land.run_until("0d 12:00")
        land.crash("laptop-1", down=hours(1), point=CrashPoint.BEFORE_COMMIT)
        land.at("0d 12:30", land.replace_laptop, "laptop-1", down=hours(1))
        await land.run_until("3d")

    result = told(tell)
    must_be_in_place(result)
    assert [e.detail["disk"] for e in result.journal.select("wiped")] == [1]


def test_what_is_to_be_replaced_is_not_at_rest():
    async def tell(land: Landscape) -> None:
        await land.run_until("0d 12:00")
        land.crash("station", down=days(3))
        land.replace_laptop("laptop-1", down=hours(1), patience=days(30))
        quiet = await land.settle(days(2))
        assert "laptop-1 is to be replaced" in quiet.still_moving

    told(tell)


@pytest.mark.parametrize(
    ("verb", "text"),
    [
        (lambda land: land.replace_laptop("laptop-1", down=hours(-1)), "down is -1h; it lasts"),
        (
            lambda land: land.replace_laptop("laptop-1", down=hours(1), patience=hours(0)),
            "patience is 0s; it lasts longer",
        ),
        (lambda land: land.crash("laptop-1", down=hours(0), wipe=True), "down is 0s; it lasts"),
        (
            lambda land: land.crash(
                "laptop-1", down=hours(1), wipe=True, point=CrashPoint.IN_COMMIT
            ),
            "not at a point of the work",
        ),
        (lambda land: land.extract("station"), "'station' is no laptop"),
    ],
)
def test_nothing_is_done_by_half(verb, text):
    async def tell(land: Landscape) -> None:
        await land.run_until("0d 12:00")
        with pytest.raises(BadValue, match=text):
            verb(land)

    must_be_in_place(told(tell))


def test_how_long_a_new_disk_takes_is_measured_by_what_belongs_there():
    """Not by what comes meanwhile, and not by what has left before it came."""

    async def late(land: Landscape) -> None:
        build(land)
        await land.run_until("1d 12:00")
        land.set_demon(is_running=False)
        land.crash("laptop-1", down=hours(1), wipe=True)
        for number in range(8):
            land.at("1d 20:00", land.change, "customer", f"N{number}", rep="1", region="N")
        land.at("3d 20:00", land.set_demon, is_running=True)
        await land.run_until("6d")

    result = story_of(late)
    [*_, came] = [
        e.time_ns
        for e in result.journal.select("imported", actor="laptop-1")
        if e.detail.get("guid") in ("customer C1", "contact C1-1", "activity C1-visit")
    ]
    [*_, begun] = [e.time_ns for e in result.journal.select("restarted", actor="laptop-1")]
    assert result.metrics["complete_after_s_max"] >= (came - begun) / 1e9 > 48 * 3_600
    assert result.metrics["never_complete"] == 0

    async def left(land: Landscape) -> None:
        build(land)
        await land.run_until("1d 12:00")
        land.set_demon(is_running=False)
        land.crash("laptop-1", down=hours(2), wipe=True)
        await land.run_until("2d 12:00")
        land.change("contact", "C1-1", parent="C2")
        land.set_demon(is_running=True)
        await land.run_until("5d")

    metrics = story_of(left).metrics
    assert metrics["complete_after_s_max"] is not None
    assert metrics["never_complete"] == 0


# --- what would go wrong without it, and who notices ---


async def lose_one(land: Landscape) -> None:
    await land.run_until("0d 22:00")
    land.crash("laptop-1", down=hours(1), wipe=True)
    await land.run_until("3d")


def test_a_server_that_does_not_fill_the_new_disk_is_found_out(monkeypatch):
    def forget(self, change, site, disk):
        change.put("disks", site, disk)

    monkeypatch.setattr(Realignment, "fill", forget)
    assert any(replication.IN_PLACE.name in one for one in told(lose_one).findings)


def test_a_laptop_whose_new_disk_counts_on_like_the_old_one_is_found_out(monkeypatch):
    """Its saves bear names that CRM knows, so CRM receipts them and does nothing."""
    monkeypatch.setattr(MobileClient, "disk", 0, raising=False)
    assert told(lose_one).findings


def test_a_new_disk_that_lacks_an_order_of_which_a_change_was_lost_is_found(monkeypatch):
    """What was lost is left out; what there is of it must be there all the same."""

    def extract(self, change, job):
        [site] = job.sites
        for key in self._keys_of(site):
            row = self._actor.store.get("cdb", key[1])
            if row is not None and row.document.order.reference == "101":
                left = [one for one in change.get("extracting", key, ()) if one != site]
                self._wait(change, key, tuple(left))
            else:
                self._enqueue(change, RrQueue.EXTRACT, Job(0, (key,), (site,)))

    async def tell(land: Landscape) -> None:
        await land.run_until("1d 12:00")
        land.crash("laptop-1", down=hours(1), wipe=True)
        await land.run_until("3d")

    monkeypatch.setitem(Realignment._services, RrQueue.AC_EXTRACT, extract)
    result = told(tell)
    assert "101" in lost(result)
    assert any("lacks order 101" in one for one in result.findings)


def test_an_answer_to_a_lost_disk_that_comes_to_the_new_one_is_found(monkeypatch):
    async def tell(land: Landscape) -> None:
        await land.run_until("0d 12:00")
        land.slow_down("crm", factor=500_000.0, lasts=hours(20))
        await land.run_until("0d 20:00")
        land.crash("laptop-1", down=minutes(5), wipe=True)
        await land.run_until("6d")

    monkeypatch.setattr(
        Answers, "_tell", lambda self, change, bdoc, answer: tell_site(change, bdoc.site, answer)
    )
    assert any("of a lost disk" in one for one in told(tell).findings)


def queued(subject: str, what: str, guid: str, above: str = ""):
    detail = {"queue": "CRM_SITE_a out", "what": what, "guid": guid, "above": above, "version": 1}
    return event("enqueued", subject=subject, **detail)


def new_disk(**detail):
    return [
        event("wiped", actor="a", disk=1),
        event("replaced", actor="crm", subject="a", disk=1, things=(), bulk=(), **detail),
    ]


def test_a_change_before_the_extract_of_a_new_disk_is_found():
    check = replication.TOLD_WHAT_IS_THEIRS
    begun = [queued("1", "insert", "customer C"), *new_disk(thrown_away=1)]
    assert rejudge(check, [*begun, queued("2", "insert", "customer C")]).held
    found = rejudge(check, [*begun, queued("2", "update", "customer C")])
    assert fired(found, "lost with its disk")


def test_a_child_without_its_parent_on_a_new_disk_is_found():
    check = replication.ORDER_OF_EXTRACTS
    begun = new_disk(thrown_away=0)
    parent, child = queued("1", "insert", "customer C"), queued("2", "insert", "K", "customer C")
    assert rejudge(check, [*begun, parent, child]).held
    assert fired(rejudge(check, [*begun, child]), "gets K, but not customer C")


def test_a_queue_that_is_not_emptied_as_it_was_is_found():
    one = queued("news 1 for a", "insert", "customer C")
    found = rejudge(queues.QUEUES_CONSERVE, [one, *new_disk(thrown_away=2)])
    assert fired(found, "was emptied of 2, which is not what it held")


def test_what_lay_ready_for_a_lost_disk_is_not_due_any_more():
    one = queued("news 1 for a", "insert", "customer C")
    assert not rejudge(sessions.MESSAGES_ONCE, [one, *new_disk(thrown_away=1)]).violations
    assert fired(rejudge(sessions.MESSAGES_ONCE, [one]), "never took effect")


def test_a_publication_begins_anew_on_a_new_disk_only():
    def bulk(first: int, last: int):
        detail = {"what": "bulk", "publication": "prices", "first": first, "position": last}
        return event("imported", actor="a", **detail)

    spread = event("spread", subject="prices", first=1, last=9)
    for check in (sessions.IMPORT_IN_ORDER, distribution.PUBLISHED_TO_ALL):
        again = [spread, bulk(1, 5), *new_disk(thrown_away=0), bulk(1, 5)]
        assert not rejudge(check, again).violations
        assert rejudge(check, [spread, bulk(1, 5), bulk(1, 5)]).violations


def test_the_saves_of_a_new_disk_count_from_one():
    def saved(message: str, number: int):
        detail = {"message": message, "guid": message, "number": number}
        return event("saved", actor="a", subject=message)._replace(detail=detail)

    check = sessions.VALIDATED_IN_ORDER
    before = [saved("s5", 5), event("effected", actor="crm", subject="s5", target="crm")]
    after = [saved("t1", 1), event("effected", actor="crm", subject="t1", target="crm")]
    assert rejudge(check, [*before, event("wiped", actor="a", disk=1), *after]).held
    assert rejudge(check, [*before, *after]).violations


def test_every_laptop_may_lose_its_disk_at_once():
    async def tell(land: Landscape) -> None:
        await land.run_until("1d 12:00")
        for laptop in LAPTOPS:
            land.crash(laptop, down=minutes(10), wipe=True)
        await land.run_until("4d")

    result = told(tell)
    must_be_in_place(result)
    assert wanted(result, "laptop-1")


def test_a_server_keeps_its_disk():
    async def tell(land: Landscape) -> None:
        land.crash("crm", down=hours(1), wipe=True)

    with pytest.raises(BadValue, match="only stations and laptops can lose theirs"):
        told(tell)


def test_only_a_laptop_can_be_handed_in():
    async def tell(land: Landscape) -> None:
        land.replace_laptop("crm", down=hours(1))

    with pytest.raises(BadValue, match="'crm' is no laptop"):
        told(tell)
