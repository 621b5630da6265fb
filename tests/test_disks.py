"""What becomes of a laptop that is lost, replaced, or put back to an earlier day?"""

import pytest

from crmsim.checks import distribution, queues, replication, sessions
from crmsim.errors import BadValue
from crmsim.lab.aside import lost_saves
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result
from crmsim.mobile.calls import Upload
from crmsim.mobile.client import MobileClient
from crmsim.replication.realignment import Realignment
from crmsim.units import days, hours, minutes

from .stories import event, fired, rejudge
from .test_replication import C1, LAPTOPS, held, must_be_in_place, told, wanted

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
