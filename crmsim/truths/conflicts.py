"""How much offline work does a leading system refuse?

Many laptops have the same copy of many documents. Each changes some of them offline, then they call
one after another; a change counts if nobody else has changed its document since. So of all that
change a document, the first to call wins, and how many lose follows from how many different
documents are changed at all.
"""

from decimal import Decimal

from attrs import frozen

from crmsim.business.sales import OrderEdit, OrderItem, SalesOrder
from crmsim.kernel.simulation import Simulation
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import scenario
from crmsim.middleware.replication import BY_CUSTOMER
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.profiles import gprs, wan
from crmsim.sync.conflict import ConflictPolicy
from crmsim.systems.setup import Policies
from crmsim.truths.case import Case, Effort, Figure, Sample, sample_of
from crmsim.units import days, hours, minutes

__all__ = ["CASES"]

SOURCE = (
    "an occupancy count (Feller 1968, vol. I, II.5), in the setting of Gray et al. 1996, section 5"
)
LAPTOPS, CHANGES, DOCUMENTS = 8, 4, 40
"""How many laptops, changes of each, and documents that all of them have."""
DIFFERENT = DOCUMENTS * (1 - (1 - CHANGES / DOCUMENTS) ** LAPTOPS)
"""How many different documents are changed, on average."""


@frozen
class Settings:
    """Which policy settles conflicts."""

    policy: ConflictPolicy = ConflictPolicy.DOCUMENT


@scenario(Settings, checks=())
async def one_cycle(land: Landscape, settings: Settings) -> None:
    """How much is refused in one offline cycle?"""
    land.replicate(BY_CUSTOMER)
    land.add_crm(policies=Policies(conflict=settings.policy))
    land.add_erp(wan())
    land.add_station("station", wan())
    names = [f"laptop-{number}" for number in range(LAPTOPS)]
    for number, name in enumerate(names):
        diary = (*(_created() if number == 0 else ()), *_changed(land, number))
        line = gprs(dial_up=True)
        land.add_laptop(
            name, line, rep=f"{number}", diary=diary, habits=Habits(), station="station"
        )
    land.add_subscription("all", "customer", names)
    land.add_record("customer", "C1", rep="0")
    await land.run_until("4d")
    await land.settle()


def _created() -> tuple[DiaryEntry, ...]:
    item = OrderItem("tea", 1, Decimal(1))
    return tuple(
        DiaryEntry(hours(9) + minutes(number), SalesOrder("", f"A-{number}", "0", "C1", (item,)))
        for number in range(DOCUMENTS)
    )


def _changed(land: Landscape, laptop: int) -> tuple[DiaryEntry, ...]:
    """Return changes of different documents, all of the same field, each to another value."""
    luck = land.simulation.luck.stream("which documents", f"laptop {laptop}")
    chosen = sorted(range(DOCUMENTS), key=luck.uniform)[:CHANGES]
    return tuple(
        DiaryEntry(
            days(2) + hours(12) + minutes(place),
            OrderEdit(f"A-{number}", items=((1, (("quantity", 10 + laptop),)),)),
        )
        for place, number in enumerate(chosen)
    )


def _refused(policy: ConflictPolicy, seed: int) -> tuple[int, int, Simulation]:
    """Return how many changes are refused, how many orders are changed, and the run."""
    result = one_cycle.run(seed=seed, policy=policy)
    refused = len(list(result.journal.select("rejected")))
    rows = result.simulation.store("crm").table("orders").values()
    changed = sum(row.document.order.items[0].quantity > 1 for row in rows)
    return refused, changed, result.simulation


def _replicate(seed: int, size: int) -> Sample:
    refused, changed, simulation = _refused(ConflictPolicy.DOCUMENT, seed)
    overwritten, _, _ = _refused(ConflictPolicy.LAST_WRITER, seed)
    return sample_of(
        simulation,
        refused=refused,
        changed=changed,
        settled=refused + changed,
        overwritten=overwritten,
    )


CASES: tuple[Case, ...] = (
    Case(
        "hub that leads",
        SOURCE,
        (
            Figure("refused", "changes refused in a cycle", LAPTOPS * CHANGES - DIFFERENT),
            Figure("changed", "different documents changed", DIFFERENT),
            Figure("settled", "every change counts or is refused", LAPTOPS * CHANGES, exact=True),
            Figure("overwritten", "with the last writer nothing is refused", 0, exact=True),
        ),
        _replicate,
        Effort(20, 1),
        Effort(200, 1),
    ),
)
