"""Customers complain. What comes back, what goes out again, and who gets his money?

A company sells tea machines. Some customers send goods back: what they may return is fetched, they
get another one free of charge or their money. Some machines are repaired: they come, the customer
gets one on loan, a part is reserved, and at the end the repaired one goes out and the loan comes
back; what cannot be repaired is thrown away. Some complaints are about the bill alone: then nothing
moves, and the ERP hears of it only by the memo that CRM bills.

The office writes all of it in CRM. What an item leads to in the ERP follows from its category. A
customer gets his money when somebody has approved it, and when what he sends back has come.

Why one should care: goods that come back are worth money only when somebody knows where they are,
and money that is paid twice seldom comes back.

Hypothesis: whatever crashes or comes twice, every step is done once; nothing comes back that never
left; no memo moves goods. A complaint about more than was delivered is refused, and so is a change
of what has moved already.

Runs in: 2 s.
"""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal

import attrs
from attrs import frozen

from crmsim.applications.exchange import SalesExchange
from crmsim.applications.logistics import Logistics
from crmsim.applications.pricing import exact_sum
from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.business.service import Category, ServiceItem, item_fields
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.measure.latency import quantile
from crmsim.middleware.replication import FIELD_SERVICE
from crmsim.mobile.rep import Habits
from crmsim.network.profiles import gprs, wan
from crmsim.online.clerk import ClerkHabits
from crmsim.qrfc.wire import Guarantees
from crmsim.units import Duration, Share, days, hours, minutes, to_seconds

FIRST_COMPLAINT = 9_000_000
CASES = ("return", "request", "credit", "debit", "repair", "scrap")


@frozen
class Settings:
    """What can be changed about the story."""

    complaints: int = setting(24, "complaints; each case as often as the others", low=1, high=900)
    too_many: int = setting(2, "complaints about more than was delivered", low=0, high=20)
    approval: Duration = setting(hours(6), "from a complaint to the approval of its memos")
    in_stock: int = setting(60, "machines in the warehouse at the beginning", low=0)
    partial: Share = setting(Share(0.3), "share of the complaints whose goods move in two parts")
    refuses: Share = setting(Share(0.0), "share of what CRM sends that the ERP refuses at first")
    crashes: bool = setting(True, "CRM and the ERP crash twice each")
    loss: Share = setting(Share(0.02), "share of messages that the lines lose")
    duplicate: Share = setting(Share(0.02), "share of messages that the lines double")
    impatience: int = setting(
        2, "how often somebody has work of the ERP begun anew that is being done", low=0
    )
    dedup: bool = setting(True, "systems remember what they have had before")


def return_metrics(result: Result) -> Mapping[str, object]:
    """Return what moved, what was posted, and how long the customers waited.

    `refused`: complaints that the ERP did not take. `too_late`: changes of what had moved already.
    `money_back_s`: from the complaint to the
    credit in the books; `another_one_s`: to the goods issue of what they get instead.
    """
    journal = result.journal
    begun: dict[str, int] = {}
    sorts: Counter[str] = Counter()
    values: list[Decimal] = []
    back_s: list[float] = []
    out_s: list[float] = []
    for event in journal.select("changed", "recorded"):
        if event.kind == "changed":
            begun.setdefault(event.subject, event.time_ns)
            continue
        sort = str(event.detail["document"])
        sorts[sort] += 1
        of = event.subject.removeprefix("bill ").replace("/", " ")
        if sort == "receivable":
            values.append(Decimal(str(event.detail["value"])))
            back_s.append(to_seconds(event.time_ns - begun[of]))
        elif sort == "goods issue":
            out_s.append(to_seconds(event.time_ns - begun[of]))
    errors = {e.subject for e in journal.select("distributed") if e.detail["status"] == "ERROR"}
    forbidden = [str(event.detail["reason"]) for event in journal.select("forbidden")]
    return {
        "complaints": sum(subject.startswith("complaint ") for subject in begun),
        "documents": dict(sorts),
        "receivable": str(exact_sum(values)),
        "refused": len(errors),
        "too_late": sum("delivered already" in reason for reason in forbidden),
        "money_back_s_p50": quantile(back_s, 0.5),
        "money_back_s_max": max(back_s, default=None),
        "another_one_s_p50": quantile(out_s, 0.5),
        "another_one_s_max": max(out_s, default=None),
    }


@scenario(Settings, checks=ALL_CHECKS, metrics=return_metrics)
async def return_of_goods(land: Landscape, settings: Settings) -> None:
    land.guarantees = Guarantees(dedup=settings.dedup)
    land.replicate(FIELD_SERVICE)
    land.exchange(SalesExchange())
    land.add_crm(service_clerk=ClerkHabits(working_days=7))
    line = wan(loss=settings.loss, duplicate=settings.duplicate)
    logistics = Logistics(lead=hours(20), picking=hours(2), partial=settings.partial)
    land.add_erp(line, logistics=logistics, refuses=settings.refuses)
    land.add_station("station", line)
    land.add_laptop(
        "laptop-1",
        gprs(dial_up=True),
        rep="1",
        station="station",
        habits=Habits(working_days=7),
        diary=(),
    )
    land.add_subscription("customers", "customer", ("laptop-1",), region="N")
    for number in range(6):
        land.add_record("customer", f"C{number}", name=f"tea house {number}", region="N")
    land.add_stock("main", "machine", settings.in_stock)
    land.check()
    for number in range(settings.complaints + settings.too_many):
        plan_order(land, number)
        plan_complaint(land, settings, number)
    if settings.crashes:
        for day in (3, 4):
            land.at(days(day) + hours(11), land.crash, "erp", down=minutes(30))
            land.at(days(day) + hours(15), land.crash, "crm", down=minutes(20))
    for number in range(settings.impatience):
        land.at(days(3) + hours(9 + 3 * number), land.start_anew, "erp", within=hours(3))
    await land.run_until(days(10))
    await land.settle()


def customer_of(number: int) -> str:
    """Return whose order it is."""
    return f"C{number % 6}"


def plan_order(land: Landscape, number: int) -> None:
    """Let the office write an order on the first day; it leaves on the next ones."""
    items = (OrderItem("machine", 2, Decimal(90)), OrderItem("filter", 4, Decimal(3)))
    order = SalesOrder("", f"R{number}", "1", customer_of(number), items)
    land.at(hours(9) + minutes(5) * number, land.create_order, order)


def plan_complaint(land: Landscape, settings: Settings, number: int) -> None:
    """Let a customer complain on the third day, and the office deal with it from then on."""
    luck = land.simulation.luck.stream("complaints")
    begin_ns = days(3) + hours(8) + luck.below(hours(9), number)
    is_too_much = number >= settings.complaints
    case = "too much" if is_too_much else CASES[number % len(CASES)]
    about = {"customer": customer_of(number), "order": f"R{number}"}
    first, later = items_of_case(case)
    key = f"{FIRST_COMPLAINT + number:010}"

    def change(at_ns: int, **fields: str) -> None:
        land.at(at_ns, land.change, "complaint", key, parent=about["customer"], **fields)

    change(begin_ns, status="released", type=case, order=about["order"], **item_fields(first))
    if any(item.category in (Category.CREDIT, Category.DEBIT) for item in first):
        change(begin_ns + settings.approval, approved="yes")
    if later:
        change(begin_ns + days(2), **item_fields(later))
    if case == "request":
        more = attrs.evolve(first[0], quantity=first[0].quantity + 1)
        change(begin_ns + days(3), **item_fields((more,)))  # too late: it has come


def items_of_case(case: str) -> tuple[tuple[ServiceItem, ...], tuple[ServiceItem, ...]]:
    """Return what a complaint is about, and what is added when the machine has come."""
    price = Decimal(90)
    returned = ServiceItem("10", Category.RETURN, "machine", 1, price, of="1")
    credit = ServiceItem("30", Category.CREDIT, "machine", 1, price)
    repair = ServiceItem("10", Category.REPAIR_IN, "machine", 1, price)
    cases = {
        "return": (returned, ServiceItem("20", Category.SUBSTITUTE, "machine", 1), credit),
        "request": (ServiceItem("10", Category.RETURN_REQUEST, "filter", 2, Decimal(3), "2"),),
        "credit": (credit,),
        "debit": (ServiceItem("10", Category.DEBIT, "freight", 1, Decimal(7)),),
        "repair": (
            repair,
            ServiceItem("20", Category.LOAN, "machine", 1),
            ServiceItem("30", Category.PART, "seal", 1, Decimal(5)),
        ),
        "scrap": (repair,),
        "too much": (ServiceItem("10", Category.RETURN, "machine", 3, price, of="1"),),
    }
    more = {
        "repair": (
            ServiceItem("40", Category.REPAIR_OUT, "machine", 1, price),
            ServiceItem("50", Category.LOAN_BACK, "machine", 1),
        ),
        "scrap": (ServiceItem("20", Category.SCRAP, "machine", 1, price),),
    }
    return cases[case], more.get(case, ())
