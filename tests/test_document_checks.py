"""Each check about documents, answers and reads fires when its property is hurt."""

import attrs
import pytest

from crmsim.business.master import RecordEdit
from crmsim.checks.check import Ending, Verdict
from crmsim.checks.laptops import answers, documents, reads
from crmsim.errors import BadValue
from crmsim.kernel.durable import Change, Store

from .stories import event, fired, rejudge
from .test_laptop_records import at
from .test_laptop_records import run as run_records
from .test_sales import TEA, order, result_scene
from .test_sales import run as run_sales


def judged(check, result, hurt=None, extra=()) -> Verdict:
    """Judge a run whose final states may have been changed."""
    judge = check.judge(result_scene(result))
    feeds = judge.feeds()
    for one in (*result.journal.select(), *extra):
        if one.kind in feeds:
            feeds[one.kind](one)
    stores = {name: site.store for name, site in result.simulation.sites.items()}
    if hurt is not None:
        site, table, key, value = hurt
        copy = Store()
        edit = Change(None, None, 0)  # type: ignore[arg-type]
        for name, rows in stores[site].snapshot():
            for row, held in dict(rows).items():
                edit.put(name, row, held)
        edit.put(table, key, value) if value is not None else edit.delete(table, key)
        copy.apply(edit)
        stores[site] = copy
    return judge.finish(Ending(result.journal, stores, is_quiet=True))


def opportunities():
    return run_records(
        at(9, "create", "opportunity", "O1", "C1", phase="first", authority="boss"),
        at(10, "create", "activity", "P1", "C1", is_private=True, type="visit", subject="x"),
        at(10, "create", "activity", "V1", "C1", type="visit", subject="x"),
    )


@pytest.mark.fires(documents.PRIVATE_STAYS_HOME)
@pytest.mark.parametrize("kind", ["saved", "enqueued"])
def test_a_private_appointment_that_leaves_is_found(kind):
    kept = event("kept", actor="a", guid="activity P", private=True, fields=())
    leaves = event(kind, actor="a", guid="activity P", queue="CRM_SITE_a")
    assert fired(rejudge(documents.PRIVATE_STAYS_HOME, [kept, leaves]), "is private")
    public = event("kept", actor="a", guid="activity P", private=False, fields=())
    assert rejudge(documents.PRIVATE_STAYS_HOME, [kept, public, leaves]).held


@pytest.mark.fires(documents.NEVER_IN_THE_ERP)
@pytest.mark.parametrize("kind", documents.NOT_FOR_ERP)
def test_a_document_that_the_erp_has_no_use_for_is_found_on_its_way_there(kind):
    sent = event("enqueued", queue="R3AU_x", guid=f"{kind} 1")
    assert fired(rejudge(documents.NEVER_IN_THE_ERP, [sent]), "on its way to the ERP")
    assert rejudge(documents.NEVER_IN_THE_ERP, [event("enqueued", queue="R3AU_x", guid="G")]).held


@pytest.mark.fires(documents.TYPES_ARE_FROZEN)
def test_a_type_that_changes_is_found():
    born = event("changed", subject="activity V", version=1, fields=("type", "subject"))
    moved = event("changed", subject="activity V", version=2, fields=("type",))
    assert rejudge(documents.TYPES_ARE_FROZEN, [born]).held
    assert fired(rejudge(documents.TYPES_ARE_FROZEN, [born, moved]), "type of activity V")


@pytest.mark.fires(documents.ERRORS_STAY_UP)
def test_an_order_with_errors_that_is_sent_down_is_found():
    saved = event("committed", guid="G", save=2, errors=("no price",))
    sent = event("enqueued", queue="CRM_SITE_a out", what="update", guid="G", version=2)
    assert fired(rejudge(documents.ERRORS_STAY_UP, [saved, sent]), "contains errors")
    answer = event("enqueued", queue="CRM_SITE_a out", what="confirmation", guid="G", version=2)
    before = event("enqueued", queue="CRM_SITE_a out", what="update", guid="G", version=1)
    assert rejudge(documents.ERRORS_STAY_UP, [saved, answer, before]).held


@pytest.mark.fires(documents.CONTRACTS_ARE_FOUND)
@pytest.mark.parametrize(
    ("contracts", "words"), [(("K1",), "does not draw on"), (("K1", "K2"), "nobody was asked")]
)
def test_a_contract_that_is_passed_over_is_found(contracts, words):
    result = run_sales((9, order("A")), contracts=contracts)
    [(number, row)] = result.simulation.store("crm").table("orders").items()
    bare = attrs.evolve(row.document.order, contract="")
    document = attrs.evolve(row.document, order=bare, errors=())
    hurt = ("crm", "orders", number, attrs.evolve(row, document=document))
    assert judged(documents.CONTRACTS_ARE_FOUND, result).held
    assert fired(judged(documents.CONTRACTS_ARE_FOUND, result, hurt), words)


@pytest.mark.fires(documents.FLAGS_ARE_TRUE)
@pytest.mark.parametrize("site", ["crm", "laptop-2"])
def test_a_mark_that_is_wrong_is_found(site):
    result = opportunities()
    key = "opportunity", "O1"
    record = result.simulation.store(site).get("records", key)
    hurt = (site, "records", key, attrs.evolve(record, lacks=()))
    assert judged(documents.FLAGS_ARE_TRUE, result).held
    assert fired(judged(documents.FLAGS_ARE_TRUE, result, hurt), f"{site} marks")


@pytest.mark.fires(documents.OWN_FIELDS_SURVIVE)
def test_a_field_of_ones_own_that_is_lost_is_found():
    result = opportunities()
    hurt = ("laptop-1", "own fields", "opportunity O1", None)
    assert judged(documents.OWN_FIELDS_SURVIVE, result).held
    assert fired(judged(documents.OWN_FIELDS_SURVIVE, result, hurt), "has lost authority")


@pytest.mark.fires(documents.NUMBERS_ARE_UNIQUE)
@pytest.mark.parametrize(
    ("second", "words"),
    [
        (("committed", "H", "1"), "two documents"),
        (("booked", "G", "2"), "was number 1, now 2"),
    ],
)
def test_a_number_that_is_not_unique_is_found(second, words):
    first = event("committed", guid="G", number="1")._replace(detail={"guid": "G", "number": "1"})
    kind, guid, number = second
    other = event(kind)._replace(detail={"guid": guid, "number": number})
    assert rejudge(documents.NUMBERS_ARE_UNIQUE, [first]).held
    assert fired(rejudge(documents.NUMBERS_ARE_UNIQUE, [first, other]), words)


@pytest.mark.fires(documents.REFERENCES_RESOLVE)
def test_a_document_that_is_not_found_by_its_name_is_found():
    result = run_sales((9, order("A")))
    hurt = ("laptop-1", "references", "A", None)
    assert judged(documents.REFERENCES_RESOLVE, result).held
    assert fired(judged(documents.REFERENCES_RESOLVE, result, hurt), "does not find order A")


@pytest.mark.fires(answers.OWN_ANSWERS)
def test_an_answer_to_another_laptop_is_found():
    saved = event("saved", actor="a", message="m")
    mine = event("imported", actor="a", answers="m")
    yours = event("imported", actor="b", answers="m")
    assert rejudge(answers.OWN_ANSWERS, [saved, mine]).held
    assert fired(rejudge(answers.OWN_ANSWERS, [saved, yours]), "which is a's")


@pytest.mark.fires(answers.BEFORE_IMAGES)
def test_a_refusal_that_restores_something_else_is_found():
    told = {"before": (("header x", "1"),), "shows": (("header x", "2"),), "again": ()}
    wrong = event("imported", actor="a")._replace(detail=told)
    again = event("imported", actor="a")._replace(detail=told | {"again": ("header x",)})
    right = event("imported", actor="a")._replace(detail=told | {"shows": told["before"]})
    assert fired(rejudge(answers.BEFORE_IMAGES, [wrong]), "the server has 1")
    assert rejudge(answers.BEFORE_IMAGES, [right, again]).held


@pytest.mark.fires(reads.OWN_WRITES_ARE_SEEN)
def test_a_read_that_misses_what_was_written_there_is_found():
    stored = event("committed", guid="G", save=3)
    shop = event("read", channel="shop", guid="G", save=2, pending=0)
    assert fired(rejudge(reads.OWN_WRITES_ARE_SEEN, [stored, shop]), "though CRM Online had save 3")
    saved = event("saved", actor="a", guid="G", message="m", task="update")
    rep = event("read", actor="a", channel="rep", guid="G", save=2, pending=0)
    assert fired(rejudge(reads.OWN_WRITES_ARE_SEEN, [saved, rep]), "saw 0 of 1 changes")
    told = event("imported", actor="a", guid="G", answers="m", what="confirmation")
    assert rejudge(reads.OWN_WRITES_ARE_SEEN, [saved, told, rep]).held


@pytest.mark.fires(reads.STALENESS_IS_BOUNDED)
def test_a_read_that_is_older_than_the_last_session_is_found():
    ready = event("enqueued", number=1, queue="CRM_SITE_a out", what="update", guid="G", version=3)
    began = event("entered", actor="a", number=2, phase="RECEIVE")
    done = event("finished", actor="a", number=3)
    rep = event("read", actor="a", number=4, channel="rep", guid="G", save=2, pending=0)
    story = [ready, began, done, rep]
    assert fired(rejudge(reads.STALENESS_IS_BOUNDED, story), "though save 3 lay ready")
    assert rejudge(reads.STALENESS_IS_BOUNDED, [ready, began, rep]).held, "no whole session yet"
    replaced = event("replaced", subject="a", number=2)
    assert rejudge(reads.STALENESS_IS_BOUNDED, [ready, replaced, began, done, rep]).held
    later = ready._replace(number=5)
    assert rejudge(reads.STALENESS_IS_BOUNDED, [began, done, later, rep]).held


@pytest.mark.fires(reads.WITHIN_THE_CDB)
@pytest.mark.parametrize("table", ["cdb", "cdb records"])
def test_a_laptop_that_holds_more_than_the_cdb_is_found(table):
    result = run_sales((9, order("A", TEA)))
    key = next(iter(result.simulation.store("crm").table(table)))
    if table == "cdb records":
        key = "customer", "C1"
    assert judged(reads.WITHIN_THE_CDB, result).held
    assert fired(
        judged(reads.WITHIN_THE_CDB, result, ("crm", table, key, None)), "the CDB does not"
    )


def test_an_edit_says_what_is_wrong_with_it():
    for wrong in (
        {"what": "burn"},
        {"what": "change"},
        {"what": "delete", "fields": (("a", "b"),)},
        {"what": "create", "key": ""},
        {"what": "create", "fields": (("a", 1),)},
    ):
        with pytest.raises(BadValue):
            RecordEdit(**{"object": "activity", "key": "V"} | wrong)
