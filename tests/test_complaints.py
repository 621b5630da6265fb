"""What users of other synchronising systems complain about: each complaint, and why it is not ours.

A run tries it; then the mechanism that prevents it is taken out, and the same run goes wrong. Here
are the complaints about what is sent, in `tests/test_complaints_down.py` those about what comes.
Those about who gets what stand in `tests/test_replication.py`, those about lost disks in
`tests/test_disks.py`, the refusal that hurts its neighbours in `tests/test_rules.py`.
"""

import functools
from decimal import Decimal

import pytest
from attrs import frozen

from crmsim.applications.numbering import Numbering
from crmsim.business.master import RecordEdit
from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.chance import Constant
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.checks.laptops import answers, sessions
from crmsim.errors import BadValue
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.middleware.replication import FIELD_SALES
from crmsim.mobile import writing
from crmsim.mobile.client import MobileClient
from crmsim.mobile.holdings import local_of
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.faults import Outage
from crmsim.network.profiles import gprs, wan
from crmsim.online import records
from crmsim.online.answers import Answers
from crmsim.replication.returned import Returned
from crmsim.sync.conflict import ConflictPolicy
from crmsim.systems.setup import Policies
from crmsim.units import Share, days, hours, milliseconds, minutes

LAPTOPS = ("laptop-1", "laptop-2")
TEA = OrderItem("tea", 5, Decimal(20))
VISIT = {"type": "visit", "subject": "spring order"}
V1 = ("activity", "V1")
TWICE = Habits(times=((hours(8), minutes(0)), (hours(18), minutes(0))), working_days=7)
"""Sessions at eight and at six o'clock, to the second."""


@frozen
class Nothing:
    """No settings."""


def at(hour: float, what: str, key: str, parent: str = "", **more: str) -> DiaryEntry:
    return DiaryEntry(hours(hour), RecordEdit(what, "activity", key, tuple(more.items()), parent))


def run(
    *diary: DiaryEntry, other=(), story=(), line=None, crm=None, subscribed=LAPTOPS, span=days(5)
):
    """Two reps share a customer and a visit; each has sessions at eight and at six o'clock."""

    @scenario(Nothing, checks=ALL_CHECKS)
    async def two(land: Landscape, settings: Nothing) -> None:
        land.replicate(FIELD_SALES)
        land.add_crm(**(crm or {}))
        land.add_erp(wan())
        land.add_station("station", wan())
        for name, entries in zip(LAPTOPS, (diary, other), strict=True):
            land.add_laptop(
                name,
                gprs(dial_up=True, **(line or {})),
                rep=name[-1],
                station="station",
                habits=TWICE,
                diary=tuple(entries),
            )
        land.add_subscription("both", "territory", subscribed, rep="1")
        land.add_record("territory", "T", rep="1")
        land.add_record("customer", "C1", parent="T", name="Miller")
        land.add_record("activity", "V1", parent="C1", **VISIT)
        land.check()
        for moment, verb, *arguments, named in story:
            if isinstance(verb, str):
                do = getattr(land, verb)
            else:
                do = functools.partial(verb, land) if callable(verb) else verb
            land.at(moment, do, *arguments, **named)
        await land.run(span)
        await land.settle()

    return two.run(seed=1)


def fields(result: Result, site: str, key: str) -> dict[str, str] | None:
    record = result.simulation.store(site).get("records", ("activity", key))
    return None if record is None else dict(record.fields)


def shown(result: Result, laptop: str, key: str) -> dict[str, str] | None:
    local = local_of(result.simulation.store(laptop).get, "activity", f"activity {key}")
    return None if local is None or local.record is None else dict(local.record.fields)


def everywhere(result: Result, key: str) -> dict[str, str] | None:
    """Return a visit, after a look whether all show the same of it."""
    assert result.held, result.findings
    online = fields(result, "crm", key)
    assert [shown(result, laptop, key) for laptop in LAPTOPS] == [online, online]
    return online


def times(result: Result, kind: str, **wanted: object) -> list[int]:
    return [
        event.time_ns
        for event in result.journal.select(kind)
        if all(event.detail.get(name) == value for name, value in wanted.items())
    ]


def blames(result: Result, check) -> bool:
    return any(text.startswith(check.name) for text in result.findings)


CREATED = at(9, "create", "V2", "C1", **VISIT)
CUT = ("0d 17:50", Outage("station", under_way="drop"), {"for_": hours(3)})
"""Nobody can be called on the evening of day 0."""


# --- what is sent ---


def test_complaint_4_what_is_marked_as_sent_has_arrived(monkeypatch):
    """A row is marked as sent when it leaves, and is lost on the way.

    Here a change stays in the outbox until the server's receipt, so that every second message may
    be lost.
    """
    lossy = {"loss": Share(0.4)}
    diary = [at(9 + n / 9, "create", f"N{n}", "C1", **VISIT) for n in range(9)]
    assert run(*diary, line=lossy).held

    plain = MobileClient._transmit

    def forgets_at_once(self, session):
        plain(self, session)
        self._forget([one.number for one in getattr(session.request, "changes", ())])

    monkeypatch.setattr(MobileClient, "_transmit", forgets_at_once)
    result = run(*diary, line=lossy)
    assert blames(result, sessions.RECEIPTS_FIRST), result.findings


def test_complaint_5_a_failed_upload_needs_no_further_write_to_be_tried_again(monkeypatch):
    """An upload that failed waits until somebody writes something else.

    Here each session sends whatever is in the outbox.
    """
    result = run(CREATED, story=[CUT])
    [arrived_ns] = times(result, "confirmed")
    assert days(1) + hours(8) < arrived_ns < days(1) + hours(9)
    assert everywhere(result, "V2") == VISIT

    plain = MobileClient._send_next

    def only_after_a_write(self):
        written = self.store.get("rep", "saves", 0)
        if self._session.step == 1 and written == getattr(self, "tried", 0):
            self._leave(went_well=True)
        else:
            self.tried = written
            plain(self)

    monkeypatch.setattr(MobileClient, "_send_next", only_after_a_write)
    entered = run(CREATED).journal.select("entered", actor="laptop-1")
    begun_ns = [e.time_ns for e in entered if e.detail["phase"] == "SEND"][1]
    cut_in_the_middle = (begun_ns + milliseconds(1), *CUT[1:])
    result = run(CREATED, story=[cut_in_the_middle])
    assert not result.quiet.is_quiet
    assert times(result, "confirmed") == []


def test_complaint_8_what_changed_between_pull_and_push_is_not_overwritten(monkeypatch):
    """Somebody changes a row after it was pulled and before it is pushed; the push wipes that.

    Here a push says which save it had seen, and CRM compares field by field.
    """
    diary = (at(11, "change", "V1", subject="mine", place="here"),)
    story = [("0d 12:00", "change", *V1, {"subject": "ours", "time": "noon"})]
    result = run(*diary, story=story)
    assert everywhere(result, "V1") == {
        "type": "visit",
        "subject": "ours",
        "place": "here",
        "time": "noon",
    }
    [told] = result.simulation.store("laptop-1").table("rejections").values()
    assert [(one.wanted, one.kept) for one in told.overruled] == [("mine", "ours")]

    plain = records.resolve

    def takes_it_for_known(policy, thing, stamps, base, *others):
        return plain(policy, thing, stamps, base + 9, *others)

    monkeypatch.setattr(records, "resolve", takes_it_for_known)
    result = run(*diary, story=story)
    assert blames(result, answers.POLICY_HOLDS), result.findings


@pytest.mark.fires(answers.POLICY_HOLDS)
@pytest.mark.parametrize("policy", list(ConflictPolicy), ids=str)
def test_complaint_8_holds_for_deletions_and_for_every_policy(policy, monkeypatch):
    """The same, where the push deletes the row, or somebody else has changed another field."""
    crm = {"policies": Policies(conflict=policy)}
    blind = policy is ConflictPolicy.LAST_WRITER
    mine = (at(11, "delete", "V1"), at(11, "change", "V3", subject="mine"))
    story = [
        ("0d 06:00", "change", "activity", "V3", {"parent": "C1", **VISIT}),
        ("0d 12:00", "change", *V1, {"subject": "ours"}),
        ("0d 12:00", "change", "activity", "V3", {"place": "ours"}),
    ]
    result = run(*mine, story=story, crm=crm)
    assert result.held, result.findings
    assert (fields(result, "crm", "V1") is None) is blind
    whole = policy is ConflictPolicy.DOCUMENT
    assert everywhere(result, "V3")["subject"] == (VISIT["subject"] if whole else "mine")

    plain = records.resolve
    monkeypatch.setattr(
        records,
        "resolve",
        lambda policy, thing, stamps, base, *others: plain(policy, thing, {}, base, *others),
    )
    result = run(*mine, story=story, crm=crm)
    assert blames(result, answers.POLICY_HOLDS) is not blind, result.findings


def test_complaint_11_after_a_change_of_form_nothing_is_sent_round_and_round(monkeypatch):
    """After a change of the schema the same rows are sent again and again.

    Here what cannot be read goes back once, and is sent once more when it can be read.
    """
    story = [
        ("0d 12:00", "change_format", "activity", {"release": 2}),
        ("0d 13:00", "change", *V1, {"subject": "new"}),
        ("3d 12:00", "update_client", "laptop-1", {"release": 2}),
        ("3d 12:00", "update_client", "laptop-2", {"release": 2}),
    ]
    helped = {"operator_s": Constant(60.0)}
    result = run(story=story, crm=helped)
    assert everywhere(result, "V1")["subject"] == "new"
    assert len(times(result, "unread")) == len(times(result, "returned")) == 2
    assert min(times(result, "administered", action="send again")) > days(3) + hours(18)

    def all_of_it(self, get, site):
        rows = self._actor.store.table(self.TABLE).items()
        return [one for (of, _), one in rows if of == site]

    monkeypatch.setattr(Returned, "readable", all_of_it)
    result = run(story=story, crm=helped)
    assert len(times(result, "unread")) == 2 * 3, "once more every evening"


def test_complaint_14_who_is_told_yes_is_told_what_does_not_count(monkeypatch):
    """The answer says that all went well although some rows were refused.

    Here the answer names each field that was not taken over, and the rep can read it.
    """
    diary = (at(11, "change", "V1", subject="mine", place="here"),)
    story = [("0d 12:00", "change", *V1, {"subject": "ours"})]
    result = run(*diary, story=story)
    assert result.held, result.findings
    [answer] = [e for e in result.journal.select("imported") if e.detail["answers"]]
    assert (answer.detail["what"], answer.detail["told"]) == (
        "confirmation",
        ("header subject",),
    )

    plain = Answers.confirm

    def says_yes(self, change, bdoc, document, save, overruled=()):
        plain(self, change, bdoc, document, save)

    monkeypatch.setattr(Answers, "confirm", says_yes)
    result = run(*diary, story=story)
    assert blames(result, answers.NOTHING_SILENT), result.findings


MANY = 200


def test_complaint_22_hundreds_of_conflicts_at_once_are_all_answered(monkeypatch):
    """A device comes back with hundreds of conflicts, and the upload never gets through them.

    Here each change has its own answer; neither the next change nor anybody else waits for a
    decision on it.
    """
    created = [at(9 + n / 100, "create", f"N{n}", "C1", **VISIT) for n in range(MANY)]
    changed = [at(33 + n / 100, "change", f"N{n}", subject="mine") for n in range(MANY)]
    meanwhile = [
        ("1d 12:00", "change", "activity", f"N{n}", {"subject": "ours"}) for n in range(MANY)
    ]
    other = (at(33, "change", "V1", subject="done"),)
    result = run(*created, *changed, other=other, story=meanwhile)
    assert result.held, result.findings
    assert len(times(result, "rejected")) == MANY
    assert len(result.simulation.store("laptop-1").table("rejections")) == MANY
    assert {everywhere(result, f"N{n}")["subject"] for n in range(MANY)} == {"ours"}
    [healthy_ns] = times(result, "confirmed", site="laptop-2")
    [last_ns] = times(result, "rejected")[-1:]
    assert healthy_ns < last_ns < days(1) + hours(19)

    plain = Answers.reject
    refused: list[str] = []

    def stops_at_the_first(self, change, bdoc, *about):
        if not refused:
            plain(self, change, bdoc, *about)
        refused.append(bdoc.message)

    monkeypatch.setattr(Answers, "reject", stops_at_the_first)
    result = run(*created[:9], *changed[:9], story=meanwhile[:9])
    assert len(refused) == 9
    assert blames(result, answers.ANSWERED_ONCE), result.findings


def test_complaint_19_who_has_used_up_his_numbers_goes_on_working(monkeypatch):
    """A number range is used up while the device is offline, and nothing more can be written.

    Here an order then bears a temporary number, and gets its own when it reaches CRM.
    """
    orders = [
        DiaryEntry(hours(9 + n / 4), SalesOrder("", f"A{n}", "1", "C1", (TEA,))) for n in range(30)
    ]
    few = {"policies": Policies(numbering=Numbering.CLIENT_RANGES, range_size=10)}
    result = run(*orders, crm=few)
    assert result.held, result.findings
    rows = result.simulation.store("crm").table("orders")
    assert len(rows) == 30
    own = [number for number in rows if number.startswith("0007")]
    assert len(own) == 10, "the others are numbered by CRM"

    def none_left(change, store):
        raise BadValue("the number range is used up")

    plain = writing.next_number
    monkeypatch.setattr(
        writing,
        "next_number",
        lambda change, store: plain(change, store) or none_left(change, store),
    )
    assert "the number range is used up" in str(run(*orders, crm=few).findings)
