"""What becomes of work that several people did on one document, offline?"""

from decimal import Decimal

import attrs
import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from crmsim.business.sales import OrderEdit, OrderItem, SalesOrder, with_lines
from crmsim.chance import Constant
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.checks.laptops import answers
from crmsim.errors import BadValue
from crmsim.formats.answer import Confirmation, Overruled, Rejection
from crmsim.formats.bdoc import Segment, Task, claims_of, order_of, segments_of, state_of
from crmsim.hunt.case import take_down
from crmsim.hunt.finding import all_findings_of
from crmsim.hunt.script import write_script
from crmsim.hunt.shrinking import shrink
from crmsim.lab.landscape import Landscape
from crmsim.lab.runs import load_scenario
from crmsim.lab.scenario import Result, scenario
from crmsim.middleware.replication import BY_CUSTOMER
from crmsim.mobile import imports
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.profiles import gprs, wan
from crmsim.online import answers as tell_laptop
from crmsim.online import orders
from crmsim.sync.conflict import ConflictPolicy, Stamp, resolve, stamped
from crmsim.sync.inbox import entry_for
from crmsim.systems.setup import Policies
from crmsim.units import hours, minutes

from .stories import changed_store, event, fired, history, rejudge, small_run

TEA = OrderItem("tea", 1, Decimal(2), line="a.1")
SALT = OrderItem("salt", 3, Decimal(1), line="a.2")
ORDER = SalesOrder("G", "A", "1", "C1", (TEA, SALT))
MERGE, DOCUMENT, LAST = ConflictPolicy


def change(line: str, **fields) -> Segment:
    return Segment("item", line, Task.UPDATE, tuple(fields.items()))


def settle(policy, segments, *, theirs=(), order=ORDER, base=1):
    """Settle a change of laptop b after changes of laptop a, each in a save of its own."""
    stamps: tuple = ()
    for save, one in enumerate(theirs, 2):
        stamps = stamped(stamps, order, (one,), Stamp(save, "a"))
        order = order_of("G", order, (one,))
    return resolve(policy, order, dict(stamps), base, "b", tuple(segments)), order


# --- the rules ---


def test_different_fields_do_not_hurt_each_other():
    found, _ = settle(MERGE, [change("a.1", discount=1)], theirs=[change("a.1", quantity=9)])
    assert (found.overruled, found.reason) == ((), None)
    assert found.segments == (change("a.1", discount=1),)


def test_of_the_same_field_the_value_of_the_server_stays_and_the_author_is_told():
    mine = [change("a.1", quantity=5, discount=1)]
    found, _ = settle(MERGE, mine, theirs=[change("a.1", quantity=9)])
    assert found.segments == (change("a.1", discount=1),)
    assert found.overruled == (Overruled("item", "a.1", "quantity", "5", "9"),)
    assert found.reason is None


def test_a_change_of_which_nothing_is_left_is_refused():
    found, _ = settle(MERGE, [change("a.1", quantity=5)], theirs=[change("a.1", quantity=9)])
    assert found.segments == ()
    assert found.reason == "somebody else has changed all of it meanwhile"
    assert len(found.overruled) == 1


def test_who_wants_the_same_is_in_no_conflict():
    found, _ = settle(MERGE, [change("a.1", quantity=9)], theirs=[change("a.1", quantity=9)])
    assert (found.overruled, found.reason) == ((), None)


def test_what_the_author_knew_or_changed_himself_is_no_conflict():
    theirs = [change("a.1", quantity=9)]
    assert settle(MERGE, [change("a.1", quantity=5)], theirs=theirs, base=2)[0].overruled == ()
    own = stamped((), ORDER, (change("a.1", quantity=9),), Stamp(7, "b"))
    assert resolve(MERGE, ORDER, dict(own), 1, "b", (change("a.1", quantity=5),)).reason is None


def test_an_item_that_somebody_took_out_cannot_be_changed_any_more():
    gone = Segment("item", "a.1", Task.DELETE)
    found, _ = settle(MERGE, [change("a.1", quantity=5), change("a.2", quantity=8)], theirs=[gone])
    assert found.segments == (change("a.2", quantity=8),)
    assert found.overruled == (Overruled("item", "a.1", "quantity", "5", None),)


def test_an_item_that_somebody_changed_is_not_taken_out():
    gone = Segment("item", "a.1", Task.DELETE)
    found, _ = settle(MERGE, [gone], theirs=[change("a.1", quantity=9)])
    assert found.overruled == (Overruled("item", "a.1", "quantity", None, "9"),)
    assert found.reason is not None


def test_items_that_two_people_add_are_both_there():
    mine = with_lines(
        OrderEdit("A", added=(OrderItem("rice", 1, Decimal(1)),)).applied(ORDER), None, "b 1"
    )
    theirs = with_lines(
        OrderEdit("A", added=(OrderItem("milk", 1, Decimal(1)),)).applied(ORDER), None, "a 1"
    )
    [added] = segments_of(ORDER, theirs)
    found, order = settle(MERGE, segments_of(ORDER, mine), theirs=[added])
    products = [item.product for item in order_of("G", order, found.segments).items]
    assert products == ["tea", "salt", "milk", "rice"]


def test_the_other_policies():
    theirs, mine = [change("a.1", quantity=9)], [change("a.2", quantity=5)]
    assert (
        settle(DOCUMENT, mine, theirs=theirs)[0].reason == "somebody else has changed it meanwhile"
    )
    assert settle(DOCUMENT, mine)[0].reason is None
    same = [change("a.1", quantity=5)]
    assert settle(LAST, same, theirs=theirs)[0].segments == tuple(same)


def test_with_the_last_writer_only_what_is_gone_cannot_be_changed():
    gone = Segment("item", "a.1", Task.DELETE)
    mine = [change("a.1", quantity=5), change("a.2", quantity=8)]
    found, _ = settle(LAST, mine, theirs=[gone])
    assert found.segments == (change("a.2", quantity=8),)
    assert [one.kept for one in found.overruled] == [None]


def test_what_two_people_take_out_is_out():
    gone = Segment("item", "a.1", Task.DELETE)
    found, _ = settle(MERGE, [gone], theirs=[gone])
    assert (found.overruled, found.reason) == ((), None)


def test_of_what_lies_under_an_unanswered_change_the_older_save_counts():
    mine = (change("a.1", quantity=8),)
    theirs = stamped((), ORDER, (change("a.1", quantity=5),), Stamp(2, "a"))
    now = order_of("G", ORDER, (change("a.1", quantity=5),))
    seen = {("item", "a.1", "quantity"): 1}
    assert resolve(MERGE, now, dict(theirs), 2, "b", mine).overruled == ()
    assert len(resolve(MERGE, now, dict(theirs), 2, "b", mine, seen).overruled) == 1


edits = st.lists(
    st.one_of(
        st.builds(
            lambda line, n: change(line, quantity=n),
            st.sampled_from(["a.1", "a.2"]),
            st.integers(1, 5),
        ),
        st.builds(lambda line: Segment("item", line, Task.DELETE), st.sampled_from(["a.1", "a.2"])),
        st.builds(
            lambda name: Segment("header", "", Task.UPDATE, (("customer", name),)),
            st.sampled_from(["C1", "C2", "C3"]),
        ),
    ),
    max_size=4,
    unique_by=lambda one: (one.name, one.key),
)


@given(edits, edits)
def test_every_field_is_taken_over_or_its_author_is_told(theirs, mine):
    found, order = settle(MERGE, mine, theirs=theirs)
    if found.reason is not None and not found.overruled:
        return
    told = {(one.segment, one.key, one.field) for one in found.overruled}
    after = order_of("G", order, found.segments)
    items = {item.line: item for item in after.items}
    for segment in mine:
        if segment.task is Task.DELETE:
            is_told = any(key == segment.key for _, key, _ in told)
            assert is_told is (segment.key in items)
        for name, value in segment.fields:
            holder = after if segment.name == "header" else items.get(segment.key)
            has_it = holder is not None and getattr(holder, name) == value
            assert has_it or (segment.name, segment.key, name) in told


# --- the inbox ---


def test_the_inbox_keeps_what_was_refused_and_names_what_is_overruled():
    lost = (Overruled("item", "a.1", "quantity", "5", "9"),)
    refused = entry_for(Rejection("m", "G", "no", None), "A", ORDER)
    assert (refused.reason, refused.content, refused.is_processed) == ("no", ORDER, False)
    document = attrs.evolve(small_document(), order=ORDER)
    part = entry_for(Confirmation("m", "G", document, 2, lost), "A", ORDER)
    assert (part.reason, part.overruled, part.content) == ("", lost, None)
    assert entry_for(Confirmation("m", "G", document, 2), "A", ORDER) is None


def small_document():
    rows = small_run().simulation.store("crm").table("orders").values()
    return next(iter(rows)).document


# --- stories ---


@frozen
class NoSettings:
    pass


def told(*edits: tuple[int, int, OrderEdit], policy=MERGE, **crm) -> Result:
    """Two reps with one order on both laptops since Monday night; each edit: rep, hour, what."""
    result = judged(*edits, policy=policy, **crm)
    assert result.findings == []
    return result


def judged(*edits: tuple[int, int, OrderEdit], policy=MERGE, **crm) -> Result:
    """Tell the same story and let the checks say what they find."""

    @scenario(NoSettings, checks=ALL_CHECKS)
    async def story(land: Landscape, _: NoSettings) -> None:
        """Whose work counts?"""
        land.replicate(BY_CUSTOMER)
        land.add_crm(policies=Policies(conflict=policy), **crm)
        land.add_erp(wan())
        land.add_station("station", wan())
        for rep, laptop in ((1, "laptop-1"), (2, "laptop-2")):
            mine = [DiaryEntry(hours(hour), edit) for who, hour, edit in edits if who == rep]
            new = attrs.evolve(ORDER, guid="", items=(TEA_NEW, SALT_NEW))
            born = [DiaryEntry(hours(9), new)] if rep == 1 else []
            habits = Habits(times=((hours(8 + rep), minutes(1)), (hours(18 + rep), minutes(1))))
            land.add_laptop(
                laptop,
                gprs(dial_up=True),
                rep=f"{rep}",
                diary=(*born, *mine),
                habits=habits,
                station="station",
            )
        land.add_subscription("all", "customer", ("laptop-1", "laptop-2"), region="N")
        land.add_record("customer", "C1", region="N")
        await land.run_until("4d")
        await land.settle()

    return story.run()


TEA_NEW, SALT_NEW = attrs.evolve(TEA, line=""), attrs.evolve(SALT, line="")


def quantities(result: Result) -> list[int]:
    """Return the quantities of the one order, the same everywhere."""
    [online] = result.simulation.store("crm").table("orders").values()
    for laptop in ("laptop-1", "laptop-2"):
        [local] = result.simulation.store(laptop).table("orders").values()
        assert local.document.order == online.document.order, "all hold what the policy chose"
    return [item.quantity for item in online.document.order.items]


def inbox(result: Result, laptop: str):
    return list(result.simulation.store(laptop).table("rejections").values())


def quantity(place: int, value: int) -> OrderEdit:
    return OrderEdit("A", items=((place, (("quantity", value),)),))


def test_two_reps_who_change_different_items_both_count():
    result = told((1, 36, quantity(1, 5)), (2, 36, quantity(2, 7)))
    assert quantities(result) == [5, 7]
    assert inbox(result, "laptop-1") == inbox(result, "laptop-2") == []


def test_of_two_who_change_the_same_the_first_to_call_counts_and_the_other_is_told():
    result = told((1, 36, quantity(1, 5)), (2, 36, quantity(1, 7)))
    assert quantities(result) == [5, 3]
    [entry] = inbox(result, "laptop-2")
    assert entry.reason == "somebody else has changed all of it meanwhile"
    [lost] = entry.overruled
    assert (lost.field, lost.wanted, lost.kept) == ("quantity", "7", "5")
    assert not entry.is_processed


def test_who_saves_again_after_a_refusal_has_dealt_with_it():
    result = told((1, 36, quantity(1, 5)), (2, 36, quantity(1, 7)), (2, 84, quantity(1, 9)))
    assert quantities(result) == [9, 3]
    assert [entry.is_processed for entry in inbox(result, "laptop-2")] == [True]
    assert result.quiet.aside == ()


def test_a_change_that_counts_in_part_is_confirmed_and_says_which_part_does_not():
    both = OrderEdit("A", items=((1, (("quantity", 7),)), (2, (("quantity", 8),))))
    result = told((1, 36, quantity(1, 5)), (2, 36, both))
    assert quantities(result) == [5, 8]
    [entry] = inbox(result, "laptop-2")
    assert (entry.reason, [one.wanted for one in entry.overruled]) == ("", ["7"])
    [overruled] = result.journal.select("overruled")
    assert overruled.detail["fields"] == ("item laptop-1 1.1 quantity",)


def test_who_writes_what_is_there_already_does_not_become_its_author():
    """Rep 2 writes the same 5 without knowing; then 7, still without having seen rep 1's."""
    result = told((1, 34, quantity(1, 5)), (2, 35, quantity(1, 5)), (2, 36, quantity(1, 7)))
    assert quantities(result) == [5, 3]
    assert len(inbox(result, "laptop-2")) == 1
    both = OrderEdit("A", items=((1, (("quantity", 5),)), (2, (("quantity", 9),))))
    result = told((1, 34, quantity(1, 5)), (2, 36, both), (1, 50, quantity(1, 6)))
    assert quantities(result) == [6, 9], "nobody but rep 1 has ever changed it"


def test_two_reps_who_take_the_same_item_out_are_in_no_conflict():
    edit = OrderEdit("A", removed=(2,))
    assert quantities(told((1, 36, edit), (2, 36, edit))) == [1]


def test_what_replaces_all_items_is_something_else():
    rice = OrderItem("rice", 1, Decimal(1))
    result = told((1, 34, OrderEdit("A", removed=(1, 2), added=(rice,))), (2, 36, quantity(1, 9)))
    assert quantities(result) == [1]
    assert [one.kept for one in inbox(result, "laptop-2")[0].overruled] == [None]


def test_an_order_that_is_empty_for_a_while_is_booked_when_it_is_not():
    rice = OrderItem("rice", 1, Decimal(1))
    edits = [(1, 34, (1,), ()), (2, 36, (2,), ()), (1, 60, (), (rice,))]
    result = told(
        *((rep, hour, OrderEdit("A", removed=gone, added=new)) for rep, hour, gone, new in edits)
    )
    assert quantities(result) == [1]


def test_a_change_on_top_of_ones_own_has_not_seen_what_came_underneath():
    """Rep 2 sees his own 7 all the time; rep 1's 5 has come in under it."""
    edits = [(1, 34, quantity(1, 5)), (2, 36, quantity(1, 7)), (2, 50, quantity(1, 8))]
    result = told(*edits, service_s=Constant(900.0))
    assert quantities(result) == [5, 3]
    assert len(inbox(result, "laptop-2")) == 2


def test_items_that_two_reps_add_and_take_out():
    rice, milk = (OrderItem(name, 1, Decimal(1)) for name in ("rice", "milk"))
    result = told(
        (1, 36, OrderEdit("A", added=(rice,), removed=(2,))),
        (2, 36, OrderEdit("A", added=(milk,))),
    )
    [online] = result.simulation.store("crm").table("orders").values()
    assert [item.product for item in online.document.order.items] == ["tea", "rice", "milk"]
    quantities(result)


def test_a_policy_for_the_whole_document_refuses_what_a_merge_takes():
    result = told((1, 36, quantity(1, 5)), (2, 36, quantity(2, 7)), policy=DOCUMENT)
    assert quantities(result) == [5, 3]
    [entry] = inbox(result, "laptop-2")
    assert entry.reason == "somebody else has changed it meanwhile"
    assert [item.quantity for item in entry.content.items] == [1, 7], "as it was written"


def test_with_the_last_writer_whatever_comes_last_counts_without_a_word():
    result = told((1, 36, quantity(1, 5)), (2, 36, quantity(1, 7)), policy=LAST)
    assert quantities(result) == [7, 3]
    assert inbox(result, "laptop-1") == inbox(result, "laptop-2") == []


def test_an_edit_of_what_is_not_there_is_missed():
    result = told((2, 9, quantity(1, 5)))
    assert [event.subject for event in result.journal.select("missed")] == ["A"]
    assert quantities(result) == [1, 3]


# --- the checks fire ---


PART = (
    (1, 36, quantity(1, 5)),
    (2, 36, OrderEdit("A", items=((1, (("quantity", 7),)), (2, (("discount", Decimal("0.1")),))))),
)
"""Of what rep 2 changes, one field counts and one does not."""


def says(result: Result, check) -> bool:
    return any(one.startswith(check.name) for one in result.findings)


@pytest.mark.fires(answers.NOTHING_SILENT)
@pytest.mark.parametrize("defect", ["dropped", "not told", "not filed", "not overruled"])
def test_a_field_that_gets_lost_without_a_word_is_found(monkeypatch, defect):
    assert not says(judged(*PART), answers.NOTHING_SILENT)
    if defect == "dropped":
        plain = orders.order_of

        def without_discount(guid, before, segments):
            kept = tuple(s for s in segments if "discount" not in dict(s.fields) or before is None)
            return plain(guid, before, kept)

        monkeypatch.setattr(orders, "order_of", without_discount)
    elif defect == "not told":
        answer = tell_laptop.Confirmation
        monkeypatch.setattr(tell_laptop, "Confirmation", lambda *told: answer(*told[:4]))
    elif defect == "not filed":
        monkeypatch.setattr(imports, "entry_for", lambda *told: None)
    else:
        settled = orders.resolve
        monkeypatch.setattr(
            orders, "resolve", lambda *told: attrs.evolve(settled(*told), overruled=())
        )
    assert says(judged(*PART), answers.NOTHING_SILENT)


@pytest.mark.fires(answers.POLICY_HOLDS)
def test_a_policy_that_is_not_kept_is_found(monkeypatch):
    plain, edits = orders.resolve, ((1, 36, quantity(1, 5)), (2, 36, quantity(1, 7)))
    apart = ((1, 36, quantity(1, 5)), (2, 36, quantity(2, 7)))
    for policy in ConflictPolicy:
        assert not says(judged(*edits, policy=policy), answers.POLICY_HOLDS)
    monkeypatch.setattr(orders, "resolve", lambda policy, *told: plain(LAST, *told))
    assert says(judged(*edits), answers.POLICY_HOLDS)
    monkeypatch.setattr(orders, "resolve", lambda policy, *told: plain(MERGE, *told))
    assert says(judged(*apart, policy=DOCUMENT), answers.POLICY_HOLDS)


def test_a_refusal_that_wipes_what_is_still_on_its_way_is_found(monkeypatch):
    """A trap: a refusal of one change must leave the next one on top."""
    plain = imports.after_import

    def wiping(local, content):
        after = plain(local, content)
        if after is None or not isinstance(content, Rejection):
            return after
        return attrs.evolve(after, changes=(), upload=0)

    edits = ((1, 34, quantity(1, 5)), (2, 36, quantity(1, 7)), (2, 50, quantity(2, 8)))
    assert judged(*edits, service_s=Constant(900.0)).findings == []
    monkeypatch.setattr(imports, "after_import", wiping)
    found = judged(*edits, service_s=Constant(900.0))
    assert says(found, answers.COUNTERS_ARE_TRUE)


@pytest.mark.fires(answers.COUNTERS_ARE_TRUE)
def test_a_laptop_that_counts_wrongly_is_found():
    check = answers.COUNTERS_ARE_TRUE
    saved = event("saved", actor="a", guid="G", message="m", version=1, pending=1)
    answer = {"guid": "G", "answers": "m", "what": "confirmation", "upload": 0}
    right = [saved, event("imported", actor="a", pending=0, **answer)]
    assert rejudge(check, right, is_quiet=False).held
    wrong = [saved, event("imported", actor="a", pending=1, **answer)]
    assert fired(rejudge(check, wrong, is_quiet=False), "there are 0")
    twice = event("saved", actor="a", guid="G", message="n", version=1, pending=1)
    assert fired(rejudge(check, [saved, twice], is_quiet=False), "there are 2")
    many = event("imported", actor="a", pending=0, **{**answer, "upload": 1})
    assert fired(rejudge(check, [saved, many], is_quiet=False), "1 of 0 changes as uploaded")
    gone = event("wiped", actor="a", disk=1)
    fresh = event("saved", actor="a", guid="G", message="o", version=1, pending=1)
    assert rejudge(check, [saved, gone, fresh], is_quiet=False).held

    def left(rows):
        key = next(iter(rows))
        rows[key] = attrs.evolve(rows[key], upload=1)

    stores = changed_store("laptop-1", "orders", left)
    assert fired(rejudge(check, history(), stores=stores), "counts changes of order")


@pytest.mark.fires(answers.REFUSED_LEAVES_NOTHING)
def test_what_a_refused_creation_leaves_behind_is_found():
    check = answers.REFUSED_LEAVES_NOTHING
    rows = small_run().simulation.store("crm").table("orders").values()
    guid = next(iter(rows)).document.order.guid
    saved = event("saved", actor="laptop-1", guid=guid, message="m", version=1, task="insert")
    refused = event("rejected", subject="m", guid=guid)
    found = rejudge(check, [saved, refused])
    assert fired(found, "m was refused, but")
    accepted = event("committed", guid=guid, version=1)
    assert not rejudge(check, [saved, refused, accepted]).violations
    elsewhere = event("saved", actor="laptop-1", guid="X", message="m", version=1, task="insert")
    assert rejudge(check, [elsewhere, refused]).held


def test_what_a_change_claims_and_what_an_order_has_of_it():
    gone = Segment("item", "a.2", Task.DELETE)
    new = Segment("item", "b.1", Task.INSERT, (("product", "x"),))
    head = Segment("header", "", Task.UPDATE, (("customer", "C2"),))
    segments = (head, change("a.1", quantity=2), gone, new)
    claims = claims_of(segments)
    assert claims == (
        ("header customer", "C2"),
        ("item a.1 quantity", "2"),
        ("item a.2", "gone"),
        ("item b.1", "there"),
    )
    assert state_of(ORDER, segments) == (
        ("header customer", "C1"),
        ("item a.1 quantity", "1"),
        ("item a.2", "there"),
        ("item b.1", "gone"),
    )


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: OrderEdit("A", header=(("version", 9),)), "'version' of an order cannot be edit"),
        (lambda: OrderEdit("A", header=(("reference", "B"),)), "'reference' of an order cannot"),
        (lambda: OrderEdit("A", items=((1, (("qty", 3),)),)), "an item has no 'qty'"),
        (lambda: quantity(1, 0), "quantity is 0"),
        (lambda: quantity(0, 1), "positions of items begin with 1"),
        (lambda: OrderEdit("A", removed=(0,)), "positions of items begin with 1"),
    ],
)
def test_an_edit_that_cannot_be_is_refused_where_it_is_written(make, text):
    with pytest.raises(BadValue, match=text):
        make()


# --- questions ---


def run(seed: int = 1, **settings: str) -> dict[str, float]:
    story = load_scenario("scenarios/two_reps_one_customer.py")
    return dict(story.run(seed=seed, **settings).must_hold().metrics)


def test_nothing_is_in_conflict_when_nobody_shares():
    metrics = run(team="1", changes="20")
    assert metrics["changes"] == metrics["changes_that_count"] > 0


def test_a_conflict_is_cut_down_to_the_edits_that_it_takes(monkeypatch):
    plain = orders.resolve
    monkeypatch.setattr(orders, "resolve", lambda policy, *told: plain(LAST, *told))
    story = load_scenario("scenarios/two_reps_one_customer.py")
    case = take_down(story, story.settings(team=3, orders=4, changes=4), 1)
    [finding, *_] = all_findings_of(case.run())
    small = shrink(case, finding, 400)
    diaries = [call.named["diary"] for call in small.case.built if call.verb == "add_laptop"]
    assert sorted(map(len, diaries)) == [1, 2], "one order, and an edit of each of two reps"
    assert "OrderEdit(" in write_script(small.case, "x", "why")
