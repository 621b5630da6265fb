"""What does CRM Enterprise do?

It is the leading system of the laptops. It stores what they send durably before it receipts it,
validates the changes of each laptop in the order they were saved, and puts answers and news into
the queues that the laptops fetch. What happens in between: `crmsim.systems.inflow` before a save,
`crmsim.systems.outflow` after it.
Sources: CONTRIBUTING.md, S50, S54.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import get_args

from crmsim.business.document import OrderDocument
from crmsim.business.sales import SalesOrder, identified
from crmsim.chance import word_of
from crmsim.formats.bapi import News
from crmsim.formats.bdoc import MassBDoc, MessageBDoc, RecordBDoc, SyncBDoc
from crmsim.formats.service import ServiceNews
from crmsim.kernel.actor import handles
from crmsim.kernel.durable import Change
from crmsim.kernel.message import Address
from crmsim.loads.console import Console, LoadWork
from crmsim.loads.consolidated import Writing
from crmsim.loads.loads import Saving
from crmsim.middleware.flow import Context
from crmsim.middleware.queue import Luw
from crmsim.mobile.calls import Admitted, Dial, Fetch, Package, Refused, Upload, UploadReceipt
from crmsim.online.answers import Answers
from crmsim.online.atp import Availability, Checks, CheckUnanswered
from crmsim.online.clerk import Completed, Desk, LayAgain
from crmsim.online.online import OFFICE, Online
from crmsim.online.opening import (
    LeaseEnds,
    Openings,
    ThoughtOver,
)
from crmsim.online.orders import (
    Orders,
)
from crmsim.online.records import Records
from crmsim.online.recovery import (
    BDocMonitor,
    ErrorList,
    OwnServices,
    Recovery,
    Reprocess,
    body_of,
)
from crmsim.online.service.atp import is_of_service
from crmsim.online.service.desk import ServiceDesk
from crmsim.online.service.transactions import ServiceTransactions
from crmsim.qrfc.inbound import Outcome
from crmsim.qrfc.partner import QueuePartner
from crmsim.replication.demon import DemonDone
from crmsim.replication.realignment import Realignment
from crmsim.replication.receivers import Receivers
from crmsim.replication.returned import Returned, SendAgain
from crmsim.rfc.asking import AskAgain, Asking
from crmsim.rfc.atp import AtpAnswer
from crmsim.rfc.lock import LockAnswer
from crmsim.systems.channels import Contact, ContactAnswered, Contacts
from crmsim.systems.editing import Editing
from crmsim.systems.erp_news import ErpNews
from crmsim.systems.inflow import Inflow, OpenAgain, ParkedLong
from crmsim.systems.outflow import Outflow
from crmsim.systems.repair import Repair
from crmsim.systems.sessions import Sessions
from crmsim.systems.setup import Setup
from crmsim.trace.kinds import FORBIDDEN

__all__ = ["CrmEnterprise"]

CONTEXTS: dict[type, Context] = {
    SyncBDoc: Context.SI0,
    MessageBDoc: Context.MO1,
    RecordBDoc: Context.MO1,
    MassBDoc: Context.MO2,
    **dict.fromkeys((*get_args(News), *get_args(ServiceNews)), Context.MI0),
}
"""What comes through a queue -> where the flow takes it up."""


class CrmEnterprise(QueuePartner):
    """CRM Enterprise as one actor that never waits in a handler.

    Args:
        setup: How it is set up.
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__(
            setup.erp,
            setup.service_s,
            setup.staff,
            setup.policy,
            setup.guarantees,
            setup.poisons,
            setup.connections,
        )
        self._setup = setup
        self._monitor, self._own = BDocMonitor(self), OwnServices(setup.own_services)
        self._errors = ErrorList(
            self,
            self._inbound,
            self._monitor,
            setup.staff.operator,
            setup.breakages,
            lambda queue, body: self._online.place_again(queue, body),
        )
        self._put_up_replication(setup)
        self._put_up_online(setup)
        self._put_up_flow(setup)
        self._sessions = Sessions(
            self,
            self._inbound,
            setup.guarantees,
            setup.policies.numbering,
            setup.policies.range_size,
            self.receivers,
            self.realignment,
            self._returned,
            self._inflow.take_upload,
        )

    def _put_up_replication(self, setup: Setup) -> None:
        """Put up what says which laptop gets what."""
        model, staff = setup.replication.model, setup.staff
        self.realignment = Realignment(self, model, setup.replication.framework, staff.demon)
        self._returned = Returned(self, staff.operator, self.realignment.jobs.enqueue)
        self.receivers = Receivers(self, model, setup.laptops, self.realignment.jobs.enqueue)

    def _put_up_online(self, setup: Setup) -> None:
        """Put up CRM Online: what decides on documents, and stores them."""
        model, policies = setup.replication.model, setup.policies
        self._online = Online(self, model, self._inbound, self._monitor, setup.csa_key)
        self._answers = Answers(self, self._monitor, self._own)
        self._checks = Checks(self, setup.apo)
        self._service_desk = ServiceDesk(self, setup.service_clerk)
        self.service = ServiceTransactions(
            self, self._online, self._service_desk, self._checks, policies.on_apo_down
        )
        self._records = Records(
            self, model, self._online, self._answers, policies.conflict, self.service
        )
        self._desk = Desk(self, setup.clerk)
        self._asking = Asking(self, setup.erp)
        self._openings = Openings(self, setup.exchange, self._asking, setup.erp)
        self._availability = Availability(
            self,
            self._online,
            self._checks,
            policies.on_apo_down,
            lambda change, number: self._orders.confirm_late(change, number),
        )
        self._orders = Orders(
            self,
            self._online,
            self._answers,
            policies.conflict,
            self._desk,
            policies.confirm_after,
            setup.exchange,
            self._openings,
            setup.guarantees,
            self._availability,
        )
        contacts = Contacts(self, self._orders)
        self._editing = Editing(
            self, self._online, self._orders, self._openings, contacts, self._desk
        )

    def _put_up_flow(self, setup: Setup) -> None:
        """Put up what comes before a save, and what follows it."""
        self._outflow = Outflow(
            self,
            self.receivers,
            self._outbound,
            self._errors,
            self._monitor,
            setup.guarantees,
            setup.queue_key,
            self._own,
            setup.policies.cdb_on_error,
            setup.exchange,
        )
        self._inflow = Inflow(
            self,
            self._inbound,
            self._errors,
            self._monitor,
            setup.guarantees,
            setup.policies.on_lock,
            setup.policies.park_limit,
            self._own,
            self._answers,
            self._records,
            self._orders,
            setup.replication.taken_away,
            self._openings,
            setup.exchange.on_erp_down,
            self.service,
        )
        self._repair = Repair(
            self,
            self._orders,
            self._asking,
            self._outflow.erp_answered,
            self._inflow.release,
            self.service,
        )
        news = ErpNews(
            self,
            self._online,
            self._outflow,
            self._errors,
            self._monitor,
            setup.guarantees,
            self._orders,
            self.service,
            lambda change, number: self._inflow.release(change, number),
        )
        self.console = Console(
            self,
            setup.replication.model,
            self._online,
            self._inbound,
            self._outbound,
            self._errors,
            self._monitor,
            Saving(
                news.take_record,
                news.take_masters,
                self._orders.contracts.take,
                self._outflow.spread,
            ),
            Writing(self._outflow.write_record, self._outflow.spread),
            setup.policies.parallel_requests,
            setup.policies.per_record,
        )
        self._services = self._inflow.services | self._outflow.services | {Context.MI0: news.take}

    def started(self) -> None:
        """Take up all queues and the error list on the durable state."""
        if self._setup.exchange.locks:
            self._asking.count_start()
        super().started()
        self._errors.started()
        self.realignment.jobs.started()
        self._desk.started()
        self._service_desk.started()
        self._inflow.started()
        self._returned.started()
        self._checks.started()

    # --- sessions of laptops ---

    @handles(Dial)
    def dialled(self, message: Dial, sender: Address[Admitted | Refused]) -> None:
        """Open a session."""
        self._sessions.dialled(message, sender)

    @handles(Upload)
    def uploaded(self, message: Upload, sender: Address[UploadReceipt]) -> None:
        """Store the changes of a laptop durably, in order, then receipt them."""
        self._sessions.uploaded(message, sender)

    @handles(Fetch)
    def fetched(self, message: Fetch, sender: Address[Package]) -> None:
        """Forget what the laptop holds durably; hand out what comes next."""
        self._sessions.fetched(message, sender)

    @handles(SendAgain)
    def sent_again(self, message: SendAgain, sender: object) -> None:
        """Send a laptop again what it gave back, now that it can read it."""
        with self.commit() as change:
            self._returned.send_again(change, message.site)

    # --- the work ---

    def change_format(self, object_: str, release: int, done: Callable[[], None]) -> None:
        """Send what is about a kind of thing in a form from now on that takes newer programs."""
        with self.commit() as change:
            change.put("formats", object_, release)
            change.then(done)

    def publish(
        self, publication: str, values: Mapping[str, str], done: Callable[[], None]
    ) -> None:
        """Store records in CRM Online that every laptop gets; the flow does the rest.

        `done` is called when they are durable.
        """
        with self.commit() as change:
            self._online.publish(change, publication, values)
            change.then(done)

    def change_record(
        self,
        object_: str,
        key: str,
        fields: Mapping[str, str],
        parent: str,
        end: Callable[..., None],
    ) -> None:
        """Create a record in CRM Online, or change fields of it; the flow does the rest.

        `end` is told `is_done`: False when it is being distributed, and has to be tried again.
        """
        with self.commit() as change:
            is_done = not self.service.is_being_distributed((object_, key))
            change.then(partial(end, is_done=is_done))
            reason = self._records.why_not_here((object_, key), fields, parent)
            reason = reason or self._orders.contracts.why_not_here((object_, key), fields)
            reason = reason or self.service.why_not_here((object_, key), fields)
            if reason is not None:
                name = f"{object_} {key}"
                change.note(FORBIDDEN, name, guid=name, reason=reason)
                return
            fields = self._orders.contracts.completed(change, (object_, key), fields)
            fields = self.service.completed(change, (object_, key), fields)
            self._online.change_record(change, (object_, key), fields, parent, OFFICE)

    def delete_record(self, object_: str, key: str, done: Callable[[], None]) -> None:
        """Delete a record in CRM Online with all that depends on it; the flow does the rest."""
        with self.commit() as change:
            change.then(done)
            if self.store.get("records", (object_, key)) is None:
                name = f"{object_} {key}"
                change.note(FORBIDDEN, name, guid=name, reason="there is none")
                return
            self._online.delete_record(change, (object_, key), OFFICE)

    def create_order(self, order: SalesOrder, by: str, done: Callable[[], None]) -> None:
        """Store an order that is born in CRM Online; the flow does the rest."""
        order = identified(order, self.luck("guid"), by)
        with self.commit() as change:
            reason = self._orders.create_here(change, order, by)
            if reason is not None:
                change.note(FORBIDDEN, order.reference, guid=order.guid, reason=reason)
            change.then(done)

    def edit_order(
        self,
        reference: str,
        edit: Callable[[OrderDocument], OrderDocument],
        by: str,
        lasts_ns: int,
        end: Callable[..., None],
    ) -> None:
        """Let somebody in the office change an order; see `Editing.edit`."""
        self._editing.edit(reference, edit, by, lasts_ns, end)

    @handles(Contact)
    def contacted(self, message: Contact, sender: Address[ContactAnswered]) -> None:
        """Serve a customer who turns to another channel."""
        self._editing.serve(message, sender)

    @handles(LockAnswer)
    def erp_answered(self, message: LockAnswer, sender: object) -> None:
        """The ERP says how far an order has got."""
        self._asking.answered(message)

    @handles(AskAgain)
    def ask_again(self, message: AskAgain, sender: object) -> None:
        """The ERP has not answered in time."""
        self._asking.again(message)

    @handles(ThoughtOver)
    def thought_over(self, message: ThoughtOver, sender: object) -> None:
        """Somebody saves what was open."""
        self._openings.thought_over(message)

    @handles(LeaseEnds)
    def lease_ends(self, message: LeaseEnds, sender: object) -> None:
        """A lock may be over in the ERP."""
        self._openings.lease_ends(message)

    @handles(OpenAgain)
    def open_again(self, message: OpenAgain, sender: object) -> None:
        """An order may be free by now."""
        self._inflow.open_again(message)

    @handles(LayAgain)
    def lay_again(self, message: LayAgain, sender: object) -> None:
        """The clerk tries again what was not to be had."""
        self._desk.lay_again(message)

    @handles(ParkedLong)
    def parked_long(self, message: ParkedLong, sender: object) -> None:
        """Refuse a change whose document does not get free."""
        self._inflow.parked_long(message.document)

    @handles(AtpAnswer)
    def availability_known(self, message: AtpAnswer, sender: object) -> None:
        """The planning system has checked an order."""
        if is_of_service(message.order):
            self.service.answered(message)
        else:
            self._availability.answered(message)

    @handles(CheckUnanswered)
    def check_unanswered(self, message: CheckUnanswered, sender: object) -> None:
        """The planning system has not answered in time."""
        if is_of_service(message.order):
            self.service.unanswered(message)
        else:
            self._availability.unanswered(message)

    @handles(Completed)
    def completed(self, message: Completed, sender: object) -> None:
        """Store a document as the clerk leaves it."""
        if self.store.get(ServiceDesk.TABLE, message.guid) is None:
            self._editing.complete(message)
            return
        with self.commit() as change:
            self.service.complete(change, message.guid, message.version)

    def check_distribution(self, done: Callable[[], None]) -> None:
        """Look for orders whose transfer to the ERP will never end, and set their status right."""
        self._repair.look()
        done()

    @handles(DemonDone)
    def demon_done(self, message: DemonDone, sender: object) -> None:
        """The demon is done with what it had in hand."""
        self.realignment.jobs.done()

    def administer_replication(
        self, do: Callable[[Change], None], done: Callable[[], None]
    ) -> None:
        """Do something about subscriptions, sites or the demon."""
        with self.commit() as change:
            do(change)
            change.then(done)

    def execute(self, change: Change, queue: str, luw: Luw) -> bool:
        """Do the work of a LUW; False when it was put aside, or broke off."""
        body = luw.body
        if isinstance(body_of(luw), LoadWork):
            return self.console.execute(change, queue, luw)
        context = body.context if isinstance(body, Reprocess) else CONTEXTS[type(body)]
        return self._services[context](change, queue, luw)

    def _trouble(self, luw: Luw) -> Outcome:
        """Say whether a LUW ends in a dump, or has to be tried again."""
        outcome = super()._trouble(luw)
        if outcome is Outcome.DONE and self._inflow.must_retry(luw):
            return Outcome.BUSY
        return outcome

    @handles(Recovery)
    def recovered(self, message: Recovery, sender: object) -> None:
        """A person does something about a BDoc of the error list."""
        with self.commit() as change:
            row = self._errors.administer(change, message)
            if row is not None and row.context is Context.SO1 and message.what == "set processed":
                self._outflow.give_up_cdb(change, body_of(row.luw))

    def _service_ns(self, luw: Luw) -> int:
        """Passing a document on takes less time than validating it."""
        body = body_of(luw)
        if not isinstance(body, MessageBDoc | MassBDoc | RecordBDoc):
            return super()._service_ns(luw) + self.console.service_ns(body)
        u = self.luck("distribution time").uniform(word_of(luw.luw))
        return int(self._setup.distribution_s.at(u) * 1e9)
