"""A small landscape in which short stories are told, and what can be asked of them afterwards."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from attrs import frozen

from crmsim.applications.exchange import SalesExchange
from crmsim.business.master import RecordEdit
from crmsim.business.sales import OrderEdit, OrderItem, SalesOrder
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.errors import BadValue
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.middleware.replication import FIELD_SALES
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.network.profiles import gprs, wan
from crmsim.units import hours

TEA = OrderItem("tea", 5, Decimal(20))
FREE = OrderItem("tea", 5, Decimal(0))
VISIT = {"type": "visit", "subject": "old"}


@frozen
class Nothing:
    """No settings."""


@frozen
class Told:
    """What a story ended with."""

    result: Result

    @property
    def crm(self) -> dict[str, SalesOrder]:
        """The orders in CRM Online, by reference."""
        rows = self.result.simulation.store("crm").table("orders").values()
        return {row.document.order.reference: row.document.order for row in rows}

    @property
    def erp(self) -> dict[str, SalesOrder]:
        rows = self.result.simulation.store("erp").table("orders").values()
        return {row.order.reference: row.order for row in rows}

    def laptop(self, rep: int) -> dict[str, SalesOrder]:
        """The orders that a rep sees."""
        rows = self.result.simulation.store(f"laptop-{rep}").table("orders").values()
        return {row.document.order.reference: row.document.order for row in rows}

    def errors(self, reference: str) -> tuple[str, ...]:
        rows = self.result.simulation.store("crm").table("orders").values()
        return next(r.document.errors for r in rows if r.document.order.reference == reference)

    def record(self, site: str, object_: str, key: str) -> dict[str, str] | None:
        """The fields of a record at a site, with what it belongs to; None when it is not there."""
        found = self.result.simulation.store(site).get("records", (object_, key))
        return None if found is None else {"parent": found.parent, **dict(found.fields)}

    def sites_of(self, object_: str, key: str) -> list[str]:
        """Where a record is: CRM Online, the CDB, laptops."""
        stores = {name: site.store for name, site in self.result.simulation.sites.items()}
        found = [n for n, store in stores.items() if store.get("records", (object_, key))]
        in_cdb = stores["crm"].get("cdb records", (object_, key)) is not None
        return sorted(found + ["cdb"] * in_cdb)

    def inbox(self, rep: int) -> list[tuple[str, str]]:
        """(reference, reason) of each refusal that a rep has to read."""
        rows = self.result.simulation.store(f"laptop-{rep}").table("rejections").values()
        return [(row.reference, row.reason) for row in rows]

    @property
    def forbidden(self) -> list[tuple[str, str]]:
        """(what, why) of what CRM forbade, each once."""
        found = self.result.journal.select("forbidden")
        return list(dict.fromkeys((e.subject, str(e.detail["reason"])) for e in found))

    @property
    def aside(self) -> dict[str, str]:
        """What waits for a person -> why."""
        assert self.result.quiet is not None
        return {one.name: one.reason for one in self.result.quiet.documents_aside}


def do(hour: float, verb: str, *arguments: object, **named: object) -> tuple[Any, ...]:
    return hour, verb, arguments, named


def plan(land: Landscape, steps: Iterable[tuple[Any, ...]]) -> None:
    """Let happen what `do` says."""
    for hour, verb, arguments, named in steps:
        what = () if verb == "fault" else (getattr(land, verb),)
        land.at(hours(hour), *what, *arguments, **named)


def tell(
    *steps: tuple[Any, ...],
    diaries: Mapping[int | str, tuple[tuple[float, Any], ...]] = {},
    records: Mapping[tuple[str, str], dict[str, str]] = {},
    laptops: int = 1,
    crm: Mapping[str, Any] = {},
    erp: Mapping[str, Any] = {},
    exchange: SalesExchange | None = None,
    holds: bool = True,
    contracts: Mapping[str, dict[str, Any]] = {},
    until: float = 96,
    apo: Mapping[str, Any] = {},
) -> Told:
    """Customers C1 and C2 are of territory T, which all laptops have; C3 is for laptop 1 alone.

    Args:
        steps: What happens when; see `do`.
        diaries: Rep or channel -> (hour, what is written).
        records: What there is besides.
        laptops: How many; laptop 1 is of rep 1, and so on.
        crm: More about CRM.
        erp: More about the ERP.
        exchange: How CRM and the ERP share orders.
        holds: Whether all checks must hold.
        contracts: Contracts of the ERP; CRM has them from the beginning.
        until: Hour in which the story ends.
        apo: About the planning system; without it there is none.
    """
    entries = {
        name: tuple(DiaryEntry(hours(hour), what) for hour, what in diary)
        for name, diary in diaries.items()
    }

    @scenario(Nothing, checks=ALL_CHECKS)
    async def story(land: Landscape, settings: Nothing) -> None:
        land.replicate(FIELD_SALES)
        if exchange is not None:
            land.exchange(exchange)
        land.add_crm(**crm)
        land.add_erp(wan(), **erp)
        if apo:
            land.add_apo(wan(), **apo)
        land.add_station("station", wan())
        names = tuple(f"laptop-{rep}" for rep in range(1, laptops + 1))
        for rep, name in enumerate(names, start=1):
            land.add_laptop(
                name,
                gprs(dial_up=True),
                rep=str(rep),
                station="station",
                habits=Habits(working_days=7),
                diary=entries.get(rep, ()),
            )
        for name in ("shop", "phone"):
            if name in entries:
                land.add_channel(name, wan(), diary=entries[name])
        land.add_subscription("all", "territory", names, rep="1")
        land.add_subscription("one", "territory", names[:1], rep="2")
        for territory, rep in (("T", "1"), ("U", "2")):
            land.add_record("territory", territory, rep=rep)
        for customer, territory in (("C1", "T"), ("C2", "T"), ("C3", "U")):
            land.add_record("customer", customer, parent=territory, name=f"name of {customer}")
        for (object_, key), fields in records.items():
            land.add_record(object_, key, **fields)
        for key, fields in contracts.items():
            land.add_contract_in_erp(key, **{"customer": "C1", **fields})
        if contracts:
            land.at(0, land.load, "contract", block=2)
        land.check()
        plan(land, steps)
        await land.run(hours(until))
        await land.settle()

    result = story.run(seed=1)
    if isinstance(result.error, BadValue):
        raise result.error
    assert result.held or not holds, result.findings
    assert result.quiet is not None
    assert result.quiet.is_quiet
    return Told(result)


def order(reference: str, customer: str = "C1", *items: OrderItem, **more: Any) -> SalesOrder:
    return SalesOrder("", reference, "1", customer, items or (TEA,), **more)


def edit(reference: str, **header: Any) -> OrderEdit:
    return OrderEdit(reference, header=tuple(header.items()))


def visit(key: str, customer: str = "C1", *, is_private: bool = False) -> RecordEdit:
    return RecordEdit("create", "activity", key, tuple(VISIT.items()), customer, is_private)


def rewrite(object_: str, key: str, **fields: str) -> RecordEdit:
    return RecordEdit("change", object_, key, tuple(fields.items()))


def drop(key: str) -> RecordEdit:
    return RecordEdit("delete", "activity", key)
