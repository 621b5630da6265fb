"""Random stories of orders that everybody changes: reps, the office, the shop, the ERP."""

from decimal import Decimal

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from crmsim.applications.exchange import OnErpDown, SalesExchange, SalesScenario
from crmsim.applications.logistics import Billing, Logistics
from crmsim.business.document import Owner
from crmsim.business.sales import OrderEdit, OrderItem
from crmsim.kernel.durable import CrashPoint
from crmsim.network.faults import NthMessage, Outage, Partition
from crmsim.online.clerk import ClerkHabits
from crmsim.units import Share, days, hours, minutes, seconds

from .telling import do, edit, order, tell

CUP = OrderItem("cup", 2, Decimal(5))
CLERK = ClerkHabits(releases=False, opens=hours(0), closes=days(1), working_days=7)
NAMES = ("A", "B", "E")
"""Orders of a rep, of the office, of the ERP."""

changes = st.one_of(
    st.builds(lambda n: ("quantity", n), st.integers(1, 9)),
    st.builds(lambda n: ("text", f"note {n}"), st.integers(1, 3)),
    st.sampled_from((("add", 0), ("remove", 1), ("blocked", 1), ("free", 0))),
)
acts = st.tuples(
    st.sampled_from(("rep", "shop", "office", "erp")),
    st.sampled_from(NAMES),
    changes,
    st.floats(0, 40),
)
exchanges = st.builds(
    SalesExchange,
    st.sampled_from(SalesScenario),
    locks=st.booleans(),
    lease=st.sampled_from((minutes(5), minutes(30))),
    on_erp_down=st.sampled_from(OnErpDown),
)
TROUBLE = (
    do(34, "fault", Outage("erp", under_way="drop"), for_=hours(2)),
    do(36.5, "fault", Partition("crm", "erp", under_way="hold"), for_=hours(1)),
    do(38, "fault", Partition("erp", "crm", under_way="drop", one_way=True), for_=hours(0.5)),
    do(33, "strike", NthMessage("Transfer", range(1, 60, 2), "double", seconds(90))),
    do(33, "strike", NthMessage("LockAnswer", range(1, 30, 2), "drop", seconds(0))),
    do(33, "strike", NthMessage("LockRequest", range(1, 30, 2), "double", seconds(40))),
    do(33.5, "crash", "erp", down=minutes(10)),
    do(35, "crash", "crm", down=minutes(10)),
    do(40, "crash", "crm", down=minutes(10), point=CrashPoint.AFTER_COMMIT),
    do(39, "crash", "erp", down=minutes(10), point=CrashPoint.BEFORE_COMMIT),
    do(60, "check_distribution"),
)


def edit_of(name: str, what: str, value: object) -> OrderEdit:
    if what == "quantity":
        return OrderEdit(name, items=((1, (("quantity", value),)),))
    if what == "add":
        return OrderEdit(name, added=(CUP,))
    if what == "remove":
        return OrderEdit(name, removed=(2,))
    return edit(name, text=str(value) if what == "text" else what)


def step(who: str, name: str, change: tuple[str, object], hour: float):
    """Return what somebody does, as a step of a story; None for reps and the shop."""
    if change[0] in ("blocked", "free") and who == "erp":
        return do(hour, "change_in_erp", "customer", "C1", blocked="yes" if change[1] else "no")
    wanted = edit_of(name, *change)
    if who == "office":
        return do(hour, "change_order", wanted, lasts=minutes(3))
    return do(hour, "change_order_in_erp", wanted, lasts=minutes(3)) if who == "erp" else None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(acts, max_size=14),
    exchanges,
    st.sets(st.integers(0, len(TROUBLE) - 1), max_size=4),
    st.sampled_from((Logistics(), Logistics(lead=hours(14), billing=Billing.DELIVERIES))),
    st.sampled_from((0.0, 0.3)),
)
def test_whatever_everybody_does_the_systems_agree_in_the_end(
    acts, exchange, trouble, logistics, refuses
):
    """What holds is judged by the checks; `tell` asserts them."""
    told = tell(
        do(9, "create_order", order("B", "C2")),
        do(9.5, "create_order_in_erp", order("E")),
        *(one for act in acts if (one := step(*act[:3], 32 + act[3] / 4)) is not None),
        *(TROUBLE[place] for place in sorted(trouble)),
        do(70, "change_in_erp", "customer", "C1", blocked="no"),
        diaries={
            1: (
                (9, order("A")),
                *written(acts, "rep"),
            ),
            "shop": written(acts, "shop"),
        },
        exchange=exchange,
        crm={"clerk": CLERK},
        erp={"logistics": logistics, "refuses": Share(refuses)},
    )
    for name, one in told.crm.items():
        if name not in told.aside and name in told.erp:
            there = told.erp[name].as_sales_order()
            assert attrs.evolve(there, is_released=False) == attrs.evolve(one, is_released=False)
    rows = told.result.simulation.store("crm").table("orders").values()
    owners = {row.document.order.reference: row.document.owner for row in rows}
    if exchange.scenario is SalesScenario.A:
        assert set(owners.values()) == {Owner.BOTH}
    else:
        assert owners["E"] is Owner.ERP


def written(acts, who: str):
    """Return what somebody writes in a diary."""
    found = [
        (32 + hour / 4, edit_of(name, *change)) for by, name, change, hour in acts if by == who
    ]
    return tuple(sorted(found, key=lambda entry: entry[0]))
