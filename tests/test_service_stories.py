"""Random stories of service: what everybody does and suffers, and what is in the books then."""

from collections import Counter
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from crmsim.applications.exchange import SalesExchange
from crmsim.applications.logistics import Logistics, Stock
from crmsim.business.master import RecordEdit
from crmsim.business.sales import OrderItem
from crmsim.business.service import Category, ServiceItem, item_fields
from crmsim.chance import Constant
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.kernel.durable import CrashPoint
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import scenario
from crmsim.middleware.flow import Breakage, Context, OnLock
from crmsim.middleware.replication import FIELD_SERVICE
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.faults import NthMessage, Outage, Partition
from crmsim.network.profiles import gprs, wan
from crmsim.online.atp import OnApoDown
from crmsim.online.clerk import ClerkHabits
from crmsim.systems.setup import Policies
from crmsim.units import Share, hours, minutes, seconds

from .telling import Nothing, Told, do, order

ORDERS = ("S1", "S2", "S3")
"""Service orders: of the office, of the office, of technician 1."""
COMPLAINTS = ("Q1", "Q2")
PLACES = ("van-1", "van-2", "main", "")
PRODUCTS = ("pump", "seal")
LINES = ("10", "20", "30")
FIRST = {"van-1": 3, "van-2": 3, "main": 4}
"""Place -> pieces of each product in it at the beginning."""
LATE = 50
"""Pieces of each product that come to each place in the end."""

OF_ORDERS = ("sales", "service", "part", "expense")
OF_CONFIRMATIONS = ("service", "part", "expense")
OF_COMPLAINTS = tuple(
    one.value for one in Category if one.value not in ("sales", "service", "expense")
)
FAMILIES = (
    OF_COMPLAINTS,
    ("return", "return request", "credit"),
    ("for repair", "repaired", "scrap"),
    ("loan", "loan back"),
    ("substitute", "part", "debit"),
)
POSTED = {
    "service": ("time record", "cost posting"),
    "part": ("goods issue", "cost posting"),
    "expense": ("cost posting",),
}
"""Category of a confirmed item -> what it leads to in the ERP."""
OUT = ("sales", "substitute", "loan")
BACK = ("return", "return request", "loan back")
CUSTOMERS_OWN = ("for repair", "repaired")


def items(*categories: str):
    """Items, each of another line."""
    one = st.builds(
        lambda category, product, quantity, price: (category, product, quantity, price),
        st.sampled_from(categories),
        st.sampled_from(PRODUCTS),
        st.integers(1, 3),
        st.sampled_from((0, 1, "2.50")),
    )
    return st.dictionaries(st.sampled_from(LINES), one, min_size=1, max_size=3)


hour = st.integers(0, 600).map(lambda tenth: tenth / 10)
EDITS = st.one_of(
    items(*OF_ORDERS),
    items(*OF_ORDERS),
    st.sampled_from(LINES),
    st.sampled_from(
        (
            {"status": "released"},
            {"status": "completed"},
            {"status": "open"},
            {"technician": "1"},
            {"technician": "2"},
            {"note": "hurry"},
        )
    ),
)
order_acts = st.tuples(
    st.just("order"), st.sampled_from(("office", "1", "2")), st.sampled_from(ORDERS), EDITS, hour
)
confirm_acts = st.tuples(
    st.just("confirm"),
    st.sampled_from(("office", "1", "1", "2")),
    st.sampled_from(ORDERS),
    st.tuples(items(*OF_CONFIRMATIONS), st.sampled_from(PLACES)),
    hour,
)
reverse_acts = st.tuples(
    st.just("reverse"),
    st.sampled_from(("office", "1", "1", "2")),
    st.integers(0, 4),
    st.sampled_from((True, True, True, False)),
    hour,
)
complaint_acts = st.tuples(
    st.just("complain"),
    st.just("office"),
    st.sampled_from(COMPLAINTS),
    st.one_of(
        *(items(*family) for family in FAMILIES),
        st.sampled_from(LINES),
        st.sampled_from(({"status": "released"}, {"approved": "yes"}, {"status": "open"})),
    ),
    hour,
)
other_acts = st.tuples(
    st.just("other"),
    st.just("office"),
    st.sampled_from(("block", "free", "refill", "check")),
    st.sampled_from(("van-1", "main")),
    hour,
)
acts = st.one_of(
    order_acts, confirm_acts, confirm_acts, reverse_acts, complaint_acts, complaint_acts, other_acts
)

NEWS = "R3AD_confirmation c0"
TROUBLE = (
    (do(34, "fault", Outage("erp", under_way="drop"), for_=hours(2)),),
    (do(36.5, "fault", Partition("crm", "erp", under_way="hold"), for_=hours(1)),),
    (do(38, "fault", Partition("erp", "crm", under_way="drop", one_way=True), for_=hours(1)),),
    (do(8, "fault", Outage("apo", under_way="drop"), for_=hours(30)),),
    (do(33, "strike", NthMessage("Transfer", range(1, 200, 2), "double", seconds(90))),),
    (do(9, "strike", NthMessage("Transfer", range(1, 200, 3), "drop", seconds(0))),),
    (do(9, "strike", NthMessage("AtpAnswer", range(1, 60, 2), "drop", seconds(0))),),
    (do(9, "strike", NthMessage("Upload", range(1, 60, 2), "double", seconds(40))),),
    (do(33.5, "crash", "erp", down=minutes(10)),),
    (do(35, "crash", "crm", down=minutes(10)),),
    (do(31, "crash", "laptop-1", down=minutes(40)),),
    (do(40, "crash", "crm", down=minutes(10), point=CrashPoint.AFTER_COMMIT),),
    (do(39, "crash", "erp", down=minutes(10), point=CrashPoint.BEFORE_COMMIT),),
    (do(30, "crash", "laptop-2", down=minutes(10), point=CrashPoint.AFTER_COMMIT),),
    (do(33, "crash", "crm", down=minutes(10), point=CrashPoint.BEFORE_COMMIT),),
    (do(30, "start_anew", "erp", within=hours(8)),),
    (do(33, "start_anew", "crm", within=hours(8)),),
    (do(9, "pause", "erp", lasts=hours(3)),),
    (do(31, "crash", "laptop-1", down=hours(1), wipe=True),),
    *(
        (
            do(at, "administer", "erp", "lock", queue),
            do(at + span, "administer", "erp", what, queue),
            do(at + span + 0.1, "administer", "erp", "unlock", queue),
            do(at + span + look, "check_distribution"),
        )
        for at, span, look, queue, what in (
            (9, 20, 5, "R3AU_service_order S1", "delete queue"),
            (25, 30, 5, "R3AU_confirmation c0", "delete LUW"),
            (25, 30, 1, "R3AU_complaint Q1", "delete LUW"),
            (9, 40, -10, "R3AU_service_order S2", "activate"),
        )
    ),
)
BREAKAGES = tuple(
    (Breakage(context, hours(begin), hours(begin + 3)),)
    for context in (Context.MO1, Context.MI0, Context.SO1, Context.SI0)
    for begin in (9, 33)
)
worlds = st.fixed_dictionaries(
    {
        "apo": st.sampled_from((None, None, Stock(50, 50), Stock(1, 2))),
        "on_down": st.sampled_from(OnApoDown),
        "on_lock": st.sampled_from(OnLock),
        "refuses": st.sampled_from((0.0, 0.3)),
        "partial": st.sampled_from((0.0, 0.6)),
        "lead": st.sampled_from((hours(2), hours(10), hours(2), None)),
        "every": st.sampled_from((None, hours(3))),
        "loss": st.sampled_from((0.0, 0.0, 0.1)),
        "breakages": st.sampled_from(((), (), *BREAKAGES)),
        "has_office": st.sampled_from((True, True, True, False)),
    }
)


class Written:
    """What the people of a story do, as steps of it and as entries of diaries."""

    def __init__(self, acts) -> None:
        self.steps = []
        self.diaries = {"1": [], "2": []}
        self.confirmations = {}
        for act in sorted(acts, key=lambda act: act[4]):
            getattr(self, act[0])(act[1], act[2], act[3], 10 + act[4])

    def order(self, who, key, edit, at):
        self._change("service_order", who, key, _fields(edit), at)

    def complain(self, who, key, edit, at):
        fields = {"parent": "C1", "order": "R1", **_fields(edit)}
        self._change("complaint", who, key, fields, at)

    def confirm(self, who, parent, told, at):
        key = f"c{len(self.confirmations)}"
        wanted, place = told
        self.confirmations[key] = parent, wanted, place
        self._confirm(who, key, parent, {"place": place, **_fields(wanted)}, at)

    def reverse(self, who, number, is_the_same, at):
        key = f"c{number}"
        if key in self.confirmations:
            parent, wanted, place = self.confirmations[key]
            if not is_the_same:
                wanted = {"10": ("part", "pump", 1, 1)}
            new = f"c{len(self.confirmations)}"
            self.confirmations[new] = parent, wanted, place
            fields = {"reverses": key, "place": place, **_fields(wanted)}
            self._confirm(who, new, parent, fields, at)

    def other(self, who, what, place, at):
        if what == "refill":
            self.steps.append(do(at, "receive_goods", place, "pump", 2))
        elif what == "check":
            self.steps.append(do(at, "check_distribution"))
        else:
            blocked = "yes" if what == "block" else "no"
            self.steps.append(do(at, "change_in_erp", "customer", "C1", blocked=blocked))

    def _confirm(self, who, key, parent, fields, at):
        fields = {"technician": who if who != "office" else "1", **fields}
        if who == "office":
            done = {"status": "completed"}
            self.steps.append(
                do(at, "change", "confirmation", key, parent=parent, **{**fields, **done})
            )
        else:
            told = tuple(sorted(fields.items()))
            self._note(who, at, RecordEdit("create", "confirmation", key, told, parent=parent))

    def _change(self, object_, who, key, fields, at):
        if who == "office":
            self.steps.append(do(at, "change", object_, key, **fields))
        else:
            told = tuple(sorted(fields.items()))
            self._note(who, at, RecordEdit("change", object_, key, told))

    def _note(self, who, at, edit):
        self.diaries[who].append(DiaryEntry(hours(at), edit))


def _fields(edit) -> dict[str, str]:
    if isinstance(edit, str):
        return {f"item {edit}": ""}
    if all(isinstance(value, str) for value in edit.values()):
        return dict(edit)
    return item_fields(
        ServiceItem(
            line,
            Category(category),
            product,
            quantity,
            Decimal(price),
            of=str(1 + PRODUCTS.index(product)) if category in ("return", "return request") else "",
        )
        for line, (category, product, quantity, price) in edit.items()
    )


def told_of(written: Written, world, steps) -> Told:
    @scenario(Nothing, checks=ALL_CHECKS)
    async def story(land: Landscape, settings: Nothing) -> None:
        land.replicate(FIELD_SERVICE)
        land.exchange(SalesExchange())
        habits = ClerkHabits(
            working_days=7, handling_s=Constant(60.0), every=world["every"], opens=hours(6)
        )
        land.add_crm(
            service_clerk=habits if world["has_office"] else None,
            policies=Policies(on_lock=world["on_lock"], on_apo_down=world["on_down"]),
            operator_s=Constant(1_800.0),
            breakages=world["breakages"],
        )
        logistics = Logistics(lead=world["lead"], picking=hours(1), partial=Share(world["partial"]))
        land.add_erp(
            wan(loss=Share(world["loss"]), duplicate=Share(world["loss"])),
            logistics=logistics,
            refuses=Share(world["refuses"]),
            operator_s=Constant(1_800.0),
        )
        if world["apo"] is not None:
            land.add_apo(wan(), stock=world["apo"])
        land.add_station("station", wan())
        for number in ("1", "2"):
            born = ()
            if number == "1":
                fields = {
                    "customer": "C2",
                    "technician": "1",
                    "status": "released",
                    **_fields({"10": ("sales", "seal", 1, 1), "20": ("service", "pump", 3, 1)}),
                }
                told = tuple(sorted(fields.items()))
                edit = RecordEdit("create", "service_order", "S3", told)
                born = (DiaryEntry(hours(9), edit),)
            land.add_laptop(
                f"laptop-{number}",
                gprs(dial_up=True),
                rep=number,
                station="station",
                habits=Habits(working_days=7),
                diary=(*born, *written.diaries[number]),
            )
        names = ("laptop-1", "laptop-2")
        for number, name in zip("12", names, strict=True):
            land.add_subscription(f"of {number}", "service_order", (name,), technician=number)
            land.add_subscription(f"van {number}", "stock", (name,), technician=number)
        land.add_subscription("all", "customer", names, region="N")
        for customer in ("C1", "C2"):
            land.add_record("customer", customer, region="N")
        for place, pieces in FIRST.items():
            for product in PRODUCTS:
                land.add_stock(place, product, pieces, technician=place.removeprefix("van-"))
        land.check()
        for at, verb, arguments, named in steps:
            if verb == "fault" and arguments[0] == Outage("apo", under_way="drop"):
                if world["apo"] is not None:
                    land.at(hours(at), *arguments, **named)
            elif verb == "fault":
                land.at(hours(at), *arguments, **named)
            else:
                land.at(hours(at), getattr(land, verb), *arguments, **named)
        await land.run(hours(110))
        await land.settle()

    result = story.run(seed=1)
    if result.error is not None:
        raise result.error
    assert result.held, result.findings
    assert result.quiet is not None
    assert result.quiet.is_quiet, result.quiet
    return Told(result)


GIVEN_OUT = {"status": "released", "customer": "C1"}
BEGIN = (
    do(
        2,
        "create_order",
        order("R1", "C1", OrderItem("pump", 4, Decimal(2)), OrderItem("seal", 3, Decimal(2))),
    ),
    do(
        8,
        "change",
        "service_order",
        "S1",
        technician="1",
        **GIVEN_OUT,
        **_fields({"10": ("service", "pump", 3, 1), "20": ("sales", "pump", 3, 2)}),
    ),
    do(
        8.1,
        "change",
        "service_order",
        "S2",
        technician="2",
        customer="C2",
        **_fields({"10": ("part", "pump", 1, 2)}),
    ),
    do(8.2, "change", "complaint", "Q1", parent="C1", order="R1", status="released"),
    do(8.3, "change", "complaint", "Q2", parent="C1", order="R1"),
)
END = (
    do(90, "change_in_erp", "customer", "C1", blocked="no"),
    *(do(92, "receive_goods", place, product, LATE) for place in FIRST for product in PRODUCTS),
)


def parsed(record: dict[str, str]) -> dict[str, tuple[str, int, str, Decimal]]:
    """Line -> (category, pieces, product, price) of a record, read without crmsim's help."""
    found = {}
    for name, text in record.items():
        if name.startswith("item ") and text:
            category, _, rest = text.partition(": ")
            quantity, product, _, price = rest.split(" ")[:4]
            found[name[5:]] = category, int(quantity), product, Decimal(price)
    return found


def all_of(told: Told, object_: str) -> dict[str, dict[str, str]]:
    rows = told.result.simulation.store("crm").table("records").items()
    return {
        key: {"parent": record.parent, **dict(record.fields)}
        for (kind, key), record in rows
        if kind == object_
    }


def posted(told: Told) -> dict[str, Counter]:
    """Document -> what was posted for it: (sort, line, pieces, value) -> how often."""
    found: dict[str, Counter] = {}
    for event in told.result.journal.select("recorded"):
        detail = event.detail
        row = detail["document"], detail["line"], detail["pieces"], Decimal(str(detail["value"]))
        found.setdefault(event.subject, Counter())[row] += 1
    return found


def wanted_of(record: dict[str, str], sign: int = 1) -> Counter:
    """What a confirmation must lead to, each once."""
    return Counter(
        (sort, line, sign * pieces, sign * pieces * price)
        for line, (category, pieces, _, price) in parsed(record).items()
        for sort in POSTED[category]
    )


def judge_confirmations(told: Told, books: dict[str, Counter]) -> None:
    confirmations = all_of(told, "confirmation")
    for key, record in confirmations.items():
        rows = books.get(f"confirmation {key}", Counter())
        sign = 1
        if record.get("reverses"):
            sign, record_ = -1, confirmations[record["reverses"]]
        else:
            record_ = record
        wanted = wanted_of(record_, sign)
        if record.get("transfer") == "distributed":
            assert rows == wanted, key
            if sign < 0:
                assert record_["status"] == "cancelled"
        else:
            assert rows <= wanted, key
            assert record.get("transfer") is None or record["status"] == "completed"
            for line, (category, *_) in parsed(record).items():
                count = sum(n for row, n in rows.items() if row[1] == line)
                assert count in (0, len(POSTED[category])), "a line is posted as a whole"
            assert record.get("status") != "completed" or record.get("refusal") or told.aside
        if record.get("status", "open") == "open":
            assert not rows


def judge_bills(told: Told, books: dict[str, Counter]) -> None:
    bills, complaints = all_of(told, "bill"), all_of(told, "complaint")
    confirmations = all_of(told, "confirmation")
    wanted = {}
    for key, record in confirmations.items():
        if record.get("transfer") == "distributed":
            sign = -1 if record.get("reverses") else 1
            of = confirmations[record["reverses"]] if sign < 0 else record
            values = [pieces * price for _, pieces, _, price in parsed(of).values()]
            wanted[f"confirmation/{key}"] = sign * sum(values, Decimal(0))
    for key, record in complaints.items():
        memos = [row for row in parsed(record).values() if row[0] in ("credit", "debit")]
        if f"complaint/{key}" in bills:
            assert record["approved"] == "yes"
            signs = {"credit": -1, "debit": 1}
            values = [signs[row[0]] * row[1] * row[3] for row in memos]
            wanted[f"complaint/{key}"] = sum(values, Decimal(0))
        elif memos and record.get("approved") == "yes" and record.get("status", "open") != "open":
            lacks = [
                line
                for line, (category, pieces, *_) in parsed(record).items()
                if category in (*BACK, "for repair") and moved(record, line) < pieces
            ]
            assert lacks, f"{key} is approved and nothing is missing"
    assert set(wanted) == set(bills)
    for key, value in wanted.items():
        rows = books.get(f"bill {key}", Counter())
        if bills[key]["transfer"] == "distributed":
            assert rows == {("receivable", "", 1, value): 1, ("revenue", "", 1, value): 1}
        else:
            assert not rows


def moved(record: dict[str, str], line: str) -> int:
    """How many pieces of a line have left or come, as CRM shows it."""
    return int(record.get(f"done {line}", "0 / 0").partition(" / ")[2])


def judge_stocks(told: Told, books: dict[str, Counter], refills: Counter) -> None:
    wanted = Counter(
        {(place, product): first + LATE for place, first in FIRST.items() for product in PRODUCTS}
    )
    wanted.update(refills)
    confirmations = all_of(told, "confirmation")
    for key, record in confirmations.items():
        rows = books.get(f"confirmation {key}", Counter())
        of = confirmations.get(record.get("reverses", ""), record)
        for (sort, line, pieces, _), count in rows.items():
            if sort == "goods issue":
                place, product = of.get("place", ""), parsed(of)[line][2]
                wanted[place, product] -= pieces * count
    for object_ in ("service_order", "complaint"):
        for key, record in all_of(told, object_).items():
            if record.get("transfer") == "distributed":
                for line, (category, _, product, _) in parsed(record).items():
                    sign = -1 if category in OUT else 1 if category in BACK else 0
                    wanted["main", product] += sign * moved(record, line)
            else:  # what CRM has is not what the ERP has: only the history knows
                for event in told.result.journal.select("recorded"):
                    if event.subject == f"{object_} {key}" and event.detail["place"] == "main":
                        sign = -1 if event.detail["document"] == "goods issue" else 1
                        pieces = sign * int(str(event.detail["pieces"]))
                        wanted["main", str(event.detail["product"])] += pieces
    for place in FIRST:
        for product in PRODUCTS:
            there = told.record("erp", "stock", f"{place}/{product}")
            assert int(there["pieces"]) == wanted[place, product], (place, product)
            assert told.record("crm", "stock", f"{place}/{product}")["pieces"] == there["pieces"]


def judge_goods(told: Told, world) -> None:
    """In the end there is enough of everything, so whatever can move has moved."""
    for object_ in ("service_order", "complaint"):
        for key, record in all_of(told, object_).items():
            if record.get("transfer") != "distributed":
                continue
            rows = parsed(record)

            def total(category: str, product: str, *, is_moved: bool) -> int:
                return sum(
                    moved(record, line) if is_moved else row[1]
                    for line, row in rows.items()
                    if row[0] == category and row[2] == product
                )

            for line, (category, pieces, *_) in rows.items():
                if category in (*OUT, "return", "return request", "for repair"):
                    assert moved(record, line) == (pieces if world["lead"] is not None else 0), key
            for product in PRODUCTS:
                come = total("for repair", product, is_moved=True)
                scrapped = total("scrap", product, is_moved=False)
                out = total("repaired", product, is_moved=True)
                assert out <= come
                if world["lead"] is not None and not scrapped:
                    assert out == min(come, total("repaired", product, is_moved=False))
                lent = total("loan", product, is_moved=True)
                if world["lead"] is not None:
                    back = total("loan back", product, is_moved=True)
                    assert back == min(lent, total("loan back", product, is_moved=False))


def judge_checks(told: Told, world) -> None:
    """Of what came to the ERP, the planning system was asked last about just what is wanted."""
    if world["apo"] is None or world["on_down"] is OnApoDown.ACCEPT:
        return
    asked: dict[str, Counter] = {}
    for event in told.result.journal.select("promised"):
        asked[event.subject] = Counter({row[0]: row[1] for row in event.detail["products"]})
    for key, record in all_of(told, "service_order").items():
        if record.get("transfer") == "distributed":
            wanted = Counter()
            for category, pieces, product, _ in parsed(record).values():
                wanted[product] += pieces if category == "sales" else 0
            assert asked.get(f"service_order {key}", Counter()) == wanted, key


def judge_nothing_vanished(told: Told, written: Written) -> None:
    """Whatever a technician saved is in CRM, or he has read why not."""
    there = {f"confirmation {key}" for key in all_of(told, "confirmation")}
    refused = {str(event.detail["guid"]) for event in told.result.journal.select("rejected")}
    saved = {
        event.subject
        for event in told.result.journal.select("saved")
        if event.subject.startswith("confirmation ")
    }
    lost = {name for name, why in told.aside.items() if "lost with a disk" in why}
    assert saved <= there | refused | lost


@settings(max_examples=60, deadline=None)
@given(
    st.lists(acts, min_size=4, max_size=20),
    worlds,
    st.sets(st.integers(0, len(TROUBLE) - 1), max_size=4),
)
def test_whatever_happens_the_books_are_right_in_the_end(acts, world, trouble):
    tell_and_judge(acts, world, trouble)


def tell_and_judge(acts, world, trouble) -> None:
    written = Written(acts)
    chosen = (one for place in sorted(trouble) for one in TROUBLE[place])
    steps = [*BEGIN, *written.steps, *chosen, *END]
    told = told_of(written, world, steps)
    books = posted(told)
    refills = Counter()
    for _, verb, arguments, _ in written.steps:
        if verb == "receive_goods":
            refills[arguments[:2]] += arguments[2]
    judge_nothing_vanished(told, written)
    judge_confirmations(told, books)
    judge_bills(told, books)
    judge_stocks(told, books, refills)
    judge_goods(told, world)
    judge_checks(told, world)
