"""What users of other systems complain about, continued: what comes down to the devices."""

import attrs
import pytest

from crmsim.business.enquiry import Enquiry
from crmsim.business.master import RecordEdit
from crmsim.business.sales import OrderEdit, SalesKind, SalesOrder
from crmsim.chance import Constant
from crmsim.checks.laptops import answers, reads, replication
from crmsim.formats.bdoc import Replica
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result
from crmsim.middleware.flow import Breakage, Context, OnLock
from crmsim.mobile import imports
from crmsim.mobile.client import MobileClient
from crmsim.mobile.holdings import local_of
from crmsim.mobile.rep import DiaryEntry
from crmsim.network.faults import Outage
from crmsim.online import records
from crmsim.replication.receivers import Receivers
from crmsim.sync import importer
from crmsim.systems.outflow import Outflow
from crmsim.systems.setup import Policies
from crmsim.units import Share, days, hours, milliseconds

from .test_complaints import CREATED, LAPTOPS, TEA, V1, at, blames, everywhere, run, times


def to_laptop(result: Result, laptop: str, guid: str) -> list[str]:
    return [
        str(event.detail["what"])
        for event in result.journal.select("enqueued")
        if event.detail["queue"] == f"CRM_SITE_{laptop} out" and event.detail["guid"] == guid
    ]


def test_complaint_6_ones_own_write_does_not_come_back_as_somebody_elses(monkeypatch):
    """One's own write comes back with the next pull, as news or as a conflict.

    Here its author gets the answer and nothing else, and is never in conflict with himself.
    """
    diary = (
        CREATED,
        at(33, "change", "V2", subject="first"),
        at(34, "change", "V2", subject="second"),
        at(42.5, "change", "V2", subject="third"),
    )
    result = run(*diary)
    assert everywhere(result, "V2")["subject"] == "third"
    assert to_laptop(result, "laptop-1", "activity V2") == ["confirmation"] * 4
    assert times(result, "rejected") == []

    plain = Outflow.write_record
    monkeypatch.setattr(
        Outflow,
        "write_record",
        lambda self, change, bdoc: plain(self, change, attrs.evolve(bdoc, origin="")),
    )
    assert "update" in to_laptop(run(*diary), "laptop-1", "activity V2")
    monkeypatch.undo()

    resolve = records.resolve

    def takes_him_for_another(policy, thing, stamps, base, site, *others):
        return resolve(policy, thing, stamps, base, f"not {site}", *others)

    monkeypatch.setattr(records, "resolve", takes_him_for_another)
    assert times(run(*diary), "rejected"), "in conflict with himself"


def test_complaint_7_what_was_deleted_does_not_rise_again(monkeypatch):
    """Created, sent, deleted, sent: and there it is again.

    Here CRM keeps that it was deleted, and tells all who had it; who changes it late is refused.
    """
    diary = (CREATED, at(33, "delete", "V2"))
    other = (at(33.5, "change", "V2", subject="late"), at(57, "change", "V2", subject="too late"))
    story = [("2d 12:00", "extract", laptop, {}) for laptop in LAPTOPS]
    doubled = {"duplicate": Share(0.5)}
    result = run(*diary, other=other, story=story, line=doubled)
    assert everywhere(result, "V2") is None
    assert result.simulation.store("crm").get("deleted", ("activity", "V2")) is not None
    outcomes = [e.kind for e in result.journal.select("confirmed", "rejected", "missed")]
    assert sorted(outcomes) == ["confirmed", "confirmed", "missed", "rejected"]

    monkeypatch.setattr(Receivers, "withdraw", lambda self, *about: None)
    result = run(*diary, story=story)
    assert blames(result, replication.IN_PLACE), result.findings


MOMENTS = [milliseconds(250) * n for n in range(0, 21, 2)]
"""A session begins to send after two seconds, and ends before the fifth is over."""


def written_during(after_ns: int) -> tuple[Result, dict[str, str], int]:
    """Let a rep change a visit that the office has changed too, while he is in a session.

    Returns:
        The run; what the rep sees after the session, and how much of it is not answered then.
    """
    wanted = (("place", "mine"), ("subject", "mine"))
    mine = DiaryEntry(hours(18) + after_ns, RecordEdit("change", *V1, wanted))
    seen: list[tuple[dict[str, str], int]] = []

    def look(land: Landscape) -> None:
        local = local_of(land.simulation.store("laptop-1").get, "activity", "activity V1")
        seen.append((dict(local.record.fields), local.pending))

    office = ("0d 15:00", "change", *V1, {"subject": "ours"})
    result = run(mine, story=[office, ("0d 19:00", look, {})])
    [(sees, pending)] = seen
    return result, sees, pending


@pytest.mark.parametrize("after_ns", MOMENTS, ids=lambda after_ns: f"{after_ns / 1e9} s")
def test_complaint_9_a_stale_copy_never_overwrites_newer_local_work(after_ns):
    """The rep writes while the session is going on; what is imported then wipes his work.

    Here an import goes underneath what is not answered yet, at whatever moment he writes. What does
    not count, as CRM leads, he is told of.
    """
    result, sees, pending = written_during(after_ns)
    assert sees["place"] == "mine"
    assert sees["subject"] == ("mine" if pending else "ours")
    final = everywhere(result, "V1")
    assert final["place"] == "mine"
    told = result.simulation.store("laptop-1").table("rejections").values()
    overruled = [one.name for entry in told for one in entry.overruled]
    assert overruled == ([] if final["subject"] == "mine" else ["header subject"])


def test_complaint_9_an_import_that_wipes_what_is_not_answered_is_found(monkeypatch):
    """The same, with an import that replaces the whole row."""
    plain = imports.after_import

    def wipes(local, content):
        after = plain(local, content)
        if isinstance(content, Replica) and after is not None:
            after = attrs.evolve(after, changes=(), upload=0)
        return after

    monkeypatch.setattr(imports, "after_import", wipes)
    result, sees, _ = written_during(milliseconds(3_500))
    assert "place" not in sees
    assert blames(result, answers.COUNTERS_ARE_TRUE), result.findings


def test_complaint_10_after_a_partition_it_goes_on_by_itself(monkeypatch):
    """After a partition a device is stuck for ever, until somebody restarts it.

    Here a session that gets no answer is given up, and the next one goes on from the durable state.
    """
    diary = (CREATED, at(33, "change", "V2", subject="during"), at(57, "change", "V2", place="x"))
    cut = [
        ("0d 18:00:02", Outage("station", under_way="drop"), {"for_": hours(38)}),
        ("0d 18:00:02", Outage("erp", under_way="drop"), {"for_": hours(50)}),
        ("1d 12:00", "change", *V1, {"subject": "during"}),
        ("1d 12:00", "change", "customer", "C1", {"name": "Smith"}),
    ]
    result = run(*diary, story=cut)
    assert everywhere(result, "V2")["subject"] == "during"
    assert times(result, "broken"), "a session was cut off"
    assert not times(result, "administered"), "nobody has helped"

    monkeypatch.setattr(MobileClient, "_be_patient", lambda self, session: None)
    monkeypatch.setattr(MobileClient, "line_ended", lambda self, message, sender: None)
    monkeypatch.setitem(
        MobileClient.plain,
        next(k for k in MobileClient.plain if k.__name__ == "LineEnded"),
        MobileClient.line_ended,
    )
    result = run(*diary, story=cut)
    assert not result.quiet.is_quiet


ORDER = SalesOrder("", "A", "1", "C1", (TEA,))


def quantity(hour: float, number: int) -> DiaryEntry:
    return DiaryEntry(hours(hour), OrderEdit("A", items=((1, (("quantity", number),)),)))


def asks(*hours_: float) -> list[DiaryEntry]:
    return [DiaryEntry(hours(hour), Enquiry("A")) for hour in hours_]


def saves_read(result: Result) -> list[int]:
    return [int(str(e.detail["save"])) for e in result.journal.select("read", actor="laptop-1")]


def test_complaint_12_no_read_goes_back_in_time(monkeypatch):
    """Who reads twice sees the newer first and the older afterwards.

    Here a laptop keeps the newest save that it ever got. The CDB cannot be written on day 1, so
    the refusal on that day brings an older state than the confirmation had brought before.
    """
    diary = sorted(
        [
            DiaryEntry(hours(9), ORDER),
            quantity(26, 6),
            quantity(33, 7),
            *asks(*(hour + 0.1 for hour in range(10, 100, 4))),
        ],
        key=lambda entry: entry.time_ns,
    )
    options = {
        "breakages": (Breakage(Context.SO1, days(1), days(2)),),
        "policies": Policies(on_lock=OnLock.REJECT),
        "operator_s": Constant(3_600.0),
    }
    story = [
        ("1d 17:00", "change_order", OrderEdit("A", items=((1, (("quantity", 8),)),)), {}),
        ("2d 12:00", "extract", "laptop-1", {}),
    ]
    result = run(*diary, story=story, crm=options)
    assert result.held, result.findings
    seen = saves_read(result)
    assert len(dict.fromkeys(seen)) > 2
    assert seen == sorted(seen)
    assert times(result, "rejected")

    def takes_what_comes(local, document, save):
        return attrs.evolve(local, base=document, save=save)

    monkeypatch.setattr(importer, "_moved_on", takes_what_comes)
    seen = saves_read(run(*diary, story=story, crm=options))
    assert seen != sorted(seen)


def test_complaint_13_what_is_not_answered_holds_up_no_import(monkeypatch):
    """News are not shown as long as something of one's own is not acknowledged.

    Here they are imported underneath. The ERP is away, so a change of an order is parked and has
    no answer for three days.
    """
    diary = (DiaryEntry(hours(9), ORDER), quantity(33, 7), *asks(50, 60))
    quotation = SalesOrder("", "Q", "1", "C1", (TEA,), kind=SalesKind.QUOTATION)
    away = [
        ("0d 12:00", Outage("erp", under_way="drop"), {"for_": days(3)}),
        ("1d 12:00", "change", *V1, {"subject": "new"}),
        ("1d 12:00", "create_order", quotation, {}),
    ]
    patient = {"policies": Policies(park_limit=days(30))}
    result = run(*diary, story=away, crm=patient)
    assert result.held, result.findings
    [answered_ns] = times(result, "imported", answers="laptop-1 save 2")
    shown_ns = [
        e.time_ns
        for e in result.journal.select("imported", actor="laptop-1")
        if e.detail["what"] in ("update", "replica") and e.time_ns < answered_ns
    ]
    assert len(shown_ns) >= 2
    assert answered_ns > days(3)

    plain = MobileClient._import_next

    def waits_for_answers(self):
        if any(local.pending for local in self.store.table("orders").values()):
            self._leave(went_well=True)
        else:
            plain(self)

    monkeypatch.setattr(MobileClient, "_import_next", waits_for_answers)
    result = run(*diary, story=away, crm=patient)
    assert not result.held
    assert blames(result, reads.STALENESS_IS_BOUNDED) or not result.quiet.is_quiet
