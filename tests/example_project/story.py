"""Is one order booked once?

Hypothesis: yes, unless systems forget what they have seen.

Runs in: a moment.
"""

from decimal import Decimal

from attrs import frozen

from crmsim import ALL_CHECKS, Landscape, scenario, setting
from crmsim.business.sales import OrderItem, SalesOrder
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.faults import NthMessage
from crmsim.network.profiles import gprs, wan
from crmsim.qrfc.wire import Guarantees
from crmsim.units import days, hours


@frozen
class Settings:
    dedup: bool = setting(True, "whether systems recognise what they have seen")


@scenario(Settings, checks=ALL_CHECKS)
async def one_order(land: Landscape, settings: Settings) -> None:
    land.guarantees = Guarantees(dedup=settings.dedup)
    order = SalesOrder("", "A-1", "1", "customer", (OrderItem("tea", 3, Decimal("2.50")),))
    diary = (DiaryEntry(hours(10), order),)
    land.add_crm()
    land.add_erp(wan(), ship_days={"A-1": 2})
    land.add_station("station", wan())
    land.add_laptop(
        "laptop", gprs(dial_up=True), rep="1", station="station", habits=Habits(), diary=diary
    )
    land.check()
    land.strike(NthMessage("Receipt", 1, source="erp"))
    await land.run(days(3))
    await land.settle()
