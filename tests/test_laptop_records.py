"""What reps do to visits, notes, opportunities and customers on their laptops."""

import pytest
from attrs import frozen

from crmsim.business.master import RecordEdit
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.middleware.replication import FIELD_SALES
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.profiles import gprs, wan
from crmsim.units import hours, minutes


@frozen
class Nothing:
    """No settings."""


VISIT = (("type", "visit"), ("subject", "spring order"))


def at(hour: float, what: str, object_: str, key: str, parent: str = "", **more) -> DiaryEntry:
    is_private = more.pop("is_private", False)
    fields = tuple(more.items())
    return DiaryEntry(hours(hour), RecordEdit(what, object_, key, fields, parent, is_private))


def run(
    *diary: DiaryEntry, other: tuple[DiaryEntry, ...] = (), story=None, seed=1, **more
) -> Result:
    """Two reps, who share customer C1; its customer is blocked by now, D1 is somebody else's."""

    @scenario(Nothing, checks=ALL_CHECKS)
    async def two(land: Landscape, settings: Nothing) -> None:
        land.replicate(FIELD_SALES)
        land.add_crm()
        land.add_erp(wan())
        land.add_station("station", wan())
        habits = Habits(working_days=7, **more)
        for rep, entries in (("1", diary), ("2", other)):
            land.add_laptop(
                f"laptop-{rep}",
                gprs(dial_up=True),
                rep=rep,
                station="station",
                habits=habits,
                diary=entries,
            )
        land.add_subscription("both", "territory", ("laptop-1", "laptop-2"), rep="1")
        land.add_record("territory", "T", rep="1")
        land.add_record("territory", "U", rep="9")
        land.add_record("customer", "C1", parent="T", name="Miller")
        land.add_record("customer", "C2", parent="T", name="Smith", blocked="yes")
        land.add_record("customer", "D1", parent="U", name="Jones")
        land.add_record("contract", "K1", parent="C1", terms="100")
        land.check()
        if story is not None:
            story(land)
        await land.run(hours(72))
        await land.settle()

    return two.run(seed=seed)


def held(result: Result, laptop: str, object_: str, key: str) -> dict[str, str] | None:
    record = result.simulation.store(laptop).get("records", (object_, key))
    return None if record is None else dict(record.fields)


def kinds(result: Result, *names: str) -> list[str]:
    return [f"{e.kind} {e.subject}" for e in result.journal.select(*names)]


def test_a_visit_goes_from_laptop_to_laptop_and_is_changed_and_deleted():
    result = run(
        at(9, "create", "activity", "V1", "C1", **dict(VISIT)),
        at(10, "create", "activity", "V2", "C1", **dict(VISIT)),
        other=(
            at(33, "change", "activity", "V1", subject="done"),
            at(34, "delete", "activity", "V2"),
        ),
    )
    assert result.held, result.findings
    for laptop in ("laptop-1", "laptop-2"):
        assert held(result, laptop, "activity", "V1") == {"type": "visit", "subject": "done"}
        assert held(result, laptop, "activity", "V2") is None
    assert result.simulation.store("crm").get("deleted", ("activity", "V2")) == 2
    assert not list(result.journal.select("rejected"))


def test_a_refused_visit_is_gone_and_its_note_with_it():
    result = run(
        at(9, "create", "activity", "V1", "C2", **dict(VISIT)),
        at(9.5, "create", "note", "N1", "V1", text="he was not there"),
        at(10, "create", "activity", "V2", "C1", type="visit"),
    )
    reasons = [str(e.detail["reason"]) for e in result.journal.select("rejected")]
    assert reasons == [
        "its customer is blocked",
        "CRM knows no activity V1",
        "an activity needs a subject",
    ]
    assert result.held, result.findings
    store = result.simulation.store("laptop-1")
    assert not store.table("overlays")
    told = store.table("rejections").values()
    assert [entry.content.key for entry in told] == ["V1", "N1", "V2"], "of the note too"


@pytest.mark.parametrize("what", ["change", "delete"])
def test_after_a_refused_creation_nothing_is_done_to_the_one_that_has_its_name(what):
    """Office and rep call two visits the same; what the rep does to his must not hit the other."""
    more = {"subject": "of the rep"} if what == "change" else {}
    result = run(
        at(9, "create", "activity", "V1", "C1", **dict(VISIT)),
        at(10, what, "activity", "V1", **more),
        story=lambda land: land.at(
            "0d 12:00", land.change, "activity", "V1", parent="C1", type="call", subject="office"
        ),
    )
    assert result.held, result.findings
    assert [str(e.detail["reason"]) for e in result.journal.select("rejected")] == [
        "there is an activity V1 already, another",
        "its author means another one, whose creation was refused",
    ]
    for laptop in ("laptop-1", "laptop-2"):
        assert held(result, laptop, "activity", "V1") == {"type": "call", "subject": "office"}
    assert not result.simulation.store("laptop-1").table("outbox")


def test_a_private_appointment_stays_at_home():
    result = run(
        at(9, "create", "activity", "P1", "C1", is_private=True, **dict(VISIT)),
        at(10, "change", "activity", "P1", is_private=True, subject="dentist"),
        at(11, "create", "activity", "P2", "C1", is_private=True, **dict(VISIT)),
        at(33, "change", "activity", "P2", subject="not private any more"),
        at(57, "change", "activity", "P2", is_private=True, subject="secret again"),
    )
    assert result.held, result.findings
    assert result.simulation.store("crm").get("records", ("activity", "P1")) is None
    assert held(result, "laptop-2", "activity", "P2")["subject"] == "not private any more"
    assert kinds(result, "forbidden") == ["forbidden activity P2"]


def test_what_laptops_may_not_do_is_not_saved():
    result = run(
        at(9, "change", "contract", "K1", terms="200"),
        at(9, "create", "contract", "K2", "C1", terms="1"),
        at(10, "create", "opportunity", "O1", "C1", phase="first", closes="May"),
        at(33, "delete", "opportunity", "O1"),
        at(34, "delete", "customer", "C1"),
    )
    assert result.held, result.findings
    reasons = [str(e.detail["reason"]) for e in result.journal.select("forbidden")]
    assert reasons == [
        "a contract is only shown on laptops",
        "a contract is only shown on laptops",
        "no laptop can delete an opportunity",
        "no laptop can delete a customer",
    ]


@pytest.mark.parametrize("seed", range(3))
def test_opportunities_go_both_ways_though_something_is_missing(seed):
    def story(land: Landscape) -> None:
        land.at("1d 12:00", land.change, "opportunity", "O1", closes="May")
        land.at("1d 12:00", land.change, "opportunity", "O2", parent="C1", phase="first")

    result = run(
        at(9, "create", "opportunity", "O1", "C1", phase="first", authority="boss"),
        at(10, "change", "opportunity", "O1", authority="the boss", result="open"),
        story=story,
        seed=seed,
    )
    assert result.held, result.findings
    for laptop in ("laptop-1", "laptop-2"):
        store = result.simulation.store(laptop)
        assert store.get("records", ("opportunity", "O1")).lacks == ()
        assert store.get("records", ("opportunity", "O2")).lacks == ("closes",)
    own = result.simulation.store("laptop-1").table("own fields")
    assert dict(own["opportunity O1"]) == {"authority": "the boss", "result": "open"}
    crm = result.simulation.store("crm").get("records", ("opportunity", "O1"))
    assert dict(crm.fields) == {"phase": "first", "closes": "May"}


# --- what a rep does about a refusal ---


def corrected(*diary: DiaryEntry, story=None) -> Result:
    return run(*diary, story=story, corrects_after=minutes(30))


def test_a_refused_visit_is_restored_completed_and_sent_again_without_its_note():
    result = corrected(
        at(9, "create", "activity", "V1", "C1", type="visit"),
        at(9.5, "create", "note", "N1", "V1", text="he was not there"),
    )
    assert result.held, result.findings
    assert held(result, "laptop-2", "activity", "V1 again") == {
        "type": "visit",
        "subject": "as agreed",
    }
    assert held(result, "laptop-1", "activity", "V1") is None
    assert held(result, "laptop-1", "note", "N1") is None
    entries = result.simulation.store("laptop-1").table("rejections").values()
    assert [(one.guid, one.is_processed) for one in entries] == [
        ("activity V1", True),
        ("note N1", True),
    ]
    assert kinds(result, "restored") == ["restored activity V1 again"]


def test_what_would_be_refused_again_is_let_be():
    result = corrected(at(9, "create", "activity", "V1", "C2", **dict(VISIT)))
    assert result.held, result.findings
    assert not list(result.journal.select("restored"))
    [entry] = result.simulation.store("laptop-1").table("rejections").values()
    assert entry.is_processed


def test_a_refusal_is_dealt_with_after_a_crash_too_and_once():
    def story(land: Landscape) -> None:
        for hour in (19, 20, 33):
            land.at(hours(hour), land.crash, "laptop-1", down=minutes(20))

    result = corrected(at(9, "create", "activity", "V1", "C1", type="visit"), story=story)
    assert result.held, result.findings
    assert kinds(result, "restored") == ["restored activity V1 again"]


def test_a_type_is_frozen_for_everybody():
    def story(land: Landscape) -> None:
        land.at("2d 12:00", land.change, "activity", "V1", type="call")

    result = run(
        at(9, "create", "activity", "V1", "C1", **dict(VISIT)),
        at(33, "change", "activity", "V1", type="letter"),
        story=story,
    )
    assert result.held, result.findings
    assert held(result, "laptop-1", "activity", "V1")["type"] == "visit"
    assert [e.detail["reason"] for e in result.journal.select("rejected", "forbidden")] == [
        "the type of an activity cannot change once it has been transferred"
    ] * 2
