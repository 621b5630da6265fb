"""How does CRM take over what the ERP tells it?

News of the ERP are validated (MI0) like what laptops send. What is about an order that CRM has not
got yet, or has another one in place of, goes into the error list: it can be processed again when
the order is there. Sources: CONTRIBUTING.md, S37, S63, S69; the error list for these is assumed.
"""

from collections.abc import Callable

import attrs

from crmsim.applications.status import OrderRecord
from crmsim.business.document import Fate
from crmsim.business.master import Record
from crmsim.formats.bapi import (
    BapiChange,
    BapiContract,
    BapiMasters,
    BapiRecord,
    BapiRecordStored,
    BapiResult,
    BapiStatus,
    News,
)
from crmsim.formats.service import BapiServiceProgress, BapiServiceResult, ServiceNews
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.middleware.flow import BDocRecord, Context, begin, step
from crmsim.middleware.queue import Luw
from crmsim.middleware.status import BDocEvent
from crmsim.online.erp_orders import ErpOrders
from crmsim.online.online import BOTH, ERP, Online
from crmsim.online.orders import Orders
from crmsim.online.recovery import BEGUN, OUTDATED_NEWS, BDocMonitor, ErrorList, Reprocess, body_of
from crmsim.online.service.transactions import ServiceTransactions
from crmsim.qrfc.wire import Guarantees
from crmsim.systems.outflow import Outflow
from crmsim.trace.kinds import PROGRESSED

__all__ = ["ErpNews"]


class ErpNews:
    """What comes from the ERP.

    Args:
        actor: The actor whose store holds both databases.
        online: Where it is saved.
        outflow: What follows a save.
        errors: The BDocs that wait for a person.
        monitor: What is known of every BDoc.
        guarantees: Whether what is newest stays.
        orders: Decides on orders.
        service: Decides on service orders and what belongs to them.
        release: Lets go on what has waited for the end of a distribution.
    """

    def __init__(
        self,
        actor: Actor,
        online: Online,
        outflow: Outflow,
        errors: ErrorList,
        monitor: BDocMonitor,
        guarantees: Guarantees,
        orders: Orders,
        service: ServiceTransactions,
        release: Callable[[Change, str], None],
    ) -> None:
        self._actor = actor
        self._online = online
        self._outflow = outflow
        self._errors = errors
        self._monitor = monitor
        self._guarantees = guarantees
        self._orders = orders
        self._service = service
        self._release = release
        self._erp_orders = ErpOrders(actor, online, orders)

    def take(self, change: Change, queue: str, luw: Luw) -> bool:
        """MI0 for the ERP adapter: take over what the ERP says."""
        news: News | ServiceNews = body_of(luw)
        mbdoc = self._news_record(luw, news)
        if self._errors.broke(change, mbdoc, Context.MI0, queue, luw):
            return False
        if self._is_of_none_here(luw, news):
            self._errors.put(change, mbdoc, Context.MI0, queue, luw)
            return False
        self._monitor.put(change, step(mbdoc, *BEGUN, BDocEvent.VALIDATED))
        if self._actor.store.get(OUTDATED_NEWS, luw.luw, False):
            return True
        if isinstance(news, BapiServiceResult | BapiServiceProgress):
            self._take_service(change, news)
        elif isinstance(news, BapiRecord):
            self.take_record(change, news)
        elif isinstance(news, BapiRecordStored):
            key = f"{news.object} {news.key}", news.version
            self._outflow.erp_answered(change, key, is_ok=True)
        elif isinstance(news, BapiMasters):
            self.take_masters(change, news)
        elif isinstance(news, BapiChange):
            self._take_change(change, news)
        elif isinstance(news, BapiContract):
            self._orders.contracts.take(change, news)
        else:
            self._take_order_news(change, news)
        return True

    def _take_service(self, change: Change, news: BapiServiceResult | BapiServiceProgress) -> None:
        """Show what the ERP has done about a service order, or what belongs to one."""
        if isinstance(news, BapiServiceProgress):
            self._service.progress(change, news)
            return
        name = f"{news.object} {news.key}"
        self._outflow.erp_answered(change, (name, news.version), is_ok=news.is_posted)
        if self._service.settle(change, news):
            self._release(change, name)

    def _is_of_none_here(self, luw: Luw, news: News | ServiceNews) -> bool:
        """Say whether news are about an order that CRM has not got, or has another one in place of.

        It may come yet: when what the ERP has told of it before is processed again.
        """
        if not isinstance(news, BapiResult | BapiStatus | BapiChange):
            return False
        record: OrderRecord | None = self._actor.store.get("orders", news.number)
        if record is None:
            return not isinstance(news, BapiChange)
        return record.document.order.guid != luw.guid

    def _take_change(self, change: Change, news: BapiChange) -> None:
        """Store what people at the ERP did to an order; what waited for it goes on."""
        before: OrderRecord | None = self._actor.store.get("orders", news.number)
        self._erp_orders.take(change, news)
        after: OrderRecord = change.get("orders", news.number)
        if before is not None and before.is_under_way and not after.is_under_way:
            self._release(change, news.number)
            self._orders.confirm_late(change, news.number)

    def _take_order_news(self, change: Change, news: BapiResult | BapiStatus) -> None:
        record: OrderRecord = self._actor.store.get("orders", news.number)
        if isinstance(news, BapiStatus):
            self._take_status(change, record, news)
            return
        answered = news.number, news.version
        self._outflow.erp_answered(change, answered, is_ok=news.is_booked)
        is_newest = news.version >= record.document.order.version  # else a merged one follows it
        if record.is_under_way and is_newest:
            self._release(change, news.number)
            self._orders.settle(change, record, news)

    def _take_status(self, change: Change, record: OrderRecord, news: BapiStatus) -> None:
        """Show how far an order has got; what comes late, and says less, changes nothing."""
        document = record.document.after(news.progress)
        if news.shipped_day is not None:
            document = attrs.evolve(document, fate=Fate.SHIPPED, shipped_day=news.shipped_day)
        if document != record.document:
            order = document.order
            change.note(
                PROGRESSED,
                order.reference,
                guid=order.guid,
                lines=tuple(
                    (one.line, one.delivered, one.issued, one.billed) for one in document.progress
                ),
            )
            self._online.store_order(change, attrs.evolve(record, document=document), ERP)

    def _news_record(self, luw: Luw, news: News | ServiceNews) -> BDocRecord:
        """Return the mBDoc that the ERP adapter makes of news, or the one it made before."""
        if isinstance(luw.body, Reprocess):
            return self._monitor.record(luw.luw)
        version = news.order.version if isinstance(news, BapiChange) else 1
        if isinstance(news, BapiResult | BapiStatus):
            record: OrderRecord | None = self._actor.store.get("orders", news.number)
            version = 1 if record is None else record.document.order.version
        return begin(luw.luw, luw.guid, version, Context.MI0)

    def take_record(
        self, change: Change, news: BapiRecord, load: str = "", ours: int | None = None
    ) -> None:
        """Take over what the ERP changed of a record, but for what was changed here meanwhile.

        If the two have crossed, the ERP is told what became of both. What comes late, because its
        BDoc is processed again, leaves alone what a later change has changed.

        Args:
            change: The commit that does it.
            news: The record: what was changed of it, or all of it.
            load: The block of a load that it came in; empty for none.
            ours: Of a repair: what CRM had changed up to this version does not count, not even
                fields that the ERP has not got.
        """
        key, store = (news.object, news.key), self._actor.store
        held: Record | None = store.get("records", key)
        before = {} if held is None else dict(held.fields)
        here: dict[str, int] = dict(store.get("changed here", key, ()))
        known = news.version if ours is None else max(news.version, ours)
        open_to_erp = {n: value for n, value in news.fields if here.get(n, 0) <= known}
        fields = self._still_new(change, key, open_to_erp, news.number)
        if ours is not None and held is not None:
            kept = self._kept(change, key, here, (news.version, known), news.number)
            fields = {n: value for n, value in before.items() if n in kept} | fields
            if fields == before:
                return
        elif load and held is not None:
            fields = {name: value for name, value in fields.items() if before.get(name) != value}
        if fields or held is None:
            has_crossed = change.get("ours", key, 0) > news.version
            origin = BOTH if has_crossed else ERP
            self._online.change_record(
                change,
                key,
                fields,
                "",
                origin,
                number=news.number,
                load=load,
                is_whole=ours is not None,
            )

    def _kept(
        self,
        change: Change,
        key: tuple[str, str],
        here: dict[str, int],
        lost: tuple[int, int],
        number: int,
    ) -> tuple[str, ...]:
        """Forget what CRM had changed and the ERP never got; return the fields that are newer.

        Args:
            change: The commit that repairs it.
            key: Which record.
            here: Field -> the version in which CRM has changed it.
            lost: The last version of CRM that the ERP has got, and the last that does not count.
            number: The change of the ERP that the record is repaired to.
        """
        got, known = lost
        left = {n: version for n, version in here.items() if not got < version <= known}
        change.put("changed here", key, tuple(left.items()))
        if self._actor.store.get("ours", key, 0) <= known:
            change.delete("ours", key)
        later = [name for name, version in left.items() if version > known]
        there: dict[str, int] = dict(change.get("changed there", key, ()))
        return (*later, *(name for name, change_ in there.items() if change_ > number))

    def take_masters(self, change: Change, news: BapiMasters, load: str = "") -> None:
        """Publish what the ERP changed, but for what a later change has changed again.

        Of a load, only what is not so already.
        """
        values = self._still_new(change, news.publication, dict(news.values), news.number)
        if load:
            held = self._actor.store.table("masters")
            rows = ((n, v, held.get((news.publication, n))) for n, v in values.items())
            values = {n: v for n, v, one in rows if one is None or one.value != v}
        if values:
            self._online.publish(change, news.publication, values)

    def _still_new(
        self, change: Change, what: object, values: dict[str, str], number: int
    ) -> dict[str, str]:
        """Return what no later change of the ERP has changed again, and remember its number."""
        known: dict[str, int] = dict(self._actor.store.get("changed there", what, ()))
        if self._guarantees.newest_stays:
            values = {name: v for name, v in values.items() if known.get(name, 0) <= number}
        known |= dict.fromkeys(values, number)
        change.put("changed there", what, tuple(known.items()))
        return values
