"""What does CRM Enterprise do?

It is the leading system of the laptops. It stores what they send durably before it receipts it,
validates the changes of each laptop in the order they were saved, and puts answers and news into
the queues that the laptops fetch. What happens in between: `crmsim.systems.inflow` before a save,
`crmsim.systems.outflow` after it.
Sources: CONTRIBUTING.md, S50, S54.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import attrs

from crmsim.applications.exchange import UNASKED, SalesExchange
from crmsim.applications.numbering import Numbering
from crmsim.business.document import OrderDocument
from crmsim.business.sales import SalesOrder
from crmsim.chance import Distribution, word_of
from crmsim.formats.bapi import (
    BapiChange,
    BapiMasters,
    BapiRecord,
    BapiRecordStored,
    BapiResult,
    BapiStatus,
)
from crmsim.formats.bdoc import MassBDoc, MessageBDoc, RecordBDoc, SyncBDoc
from crmsim.kernel.actor import handles
from crmsim.kernel.durable import Change
from crmsim.kernel.message import Address
from crmsim.middleware.flow import Breakage, Context, OnLock
from crmsim.middleware.queue import Luw, QueueKey, RetryPolicy
from crmsim.middleware.replication import Replication
from crmsim.mobile.calls import Admitted, Dial, Fetch, Package, Refused, Upload, UploadReceipt
from crmsim.online.answers import Answers
from crmsim.online.atp import Availability, CheckUnanswered, OnApoDown
from crmsim.online.clerk import ClerkHabits, Completed, Desk, LayAgain
from crmsim.online.online import OFFICE, Online
from crmsim.online.opening import (
    LeaseEnds,
    Openings,
    ThoughtOver,
)
from crmsim.online.orders import (
    ConfirmAfter,
    Orders,
)
from crmsim.online.records import Records
from crmsim.online.recovery import (
    BDocMonitor,
    ErrorList,
    OwnService,
    OwnServices,
    Recovery,
    Reprocess,
    body_of,
)
from crmsim.qrfc.inbound import Outcome
from crmsim.qrfc.partner import Poison, QueuePartner, Staff
from crmsim.qrfc.wire import Guarantees
from crmsim.replication.demon import DemonDone
from crmsim.replication.realignment import Realignment
from crmsim.replication.receivers import Receivers
from crmsim.replication.returned import Returned, SendAgain
from crmsim.rfc.asking import AskAgain, Asking
from crmsim.rfc.atp import AtpAnswer
from crmsim.rfc.lock import LockAnswer
from crmsim.sync.conflict import ConflictPolicy
from crmsim.systems.channels import TAKEN, Contact, ContactAnswered, Contacts, identified
from crmsim.systems.editing import Editing
from crmsim.systems.inflow import Inflow, OpenAgain, ParkedLong
from crmsim.systems.outflow import CdbOnError, Outflow
from crmsim.systems.repair import Repair
from crmsim.systems.sessions import Sessions
from crmsim.trace.kinds import FORBIDDEN
from crmsim.units import Duration, hours

__all__ = ["CrmEnterprise", "Policies"]

CONTEXTS: dict[type, Context] = {
    SyncBDoc: Context.SI0,
    MessageBDoc: Context.MO1,
    RecordBDoc: Context.MO1,
    MassBDoc: Context.MO2,
    BapiResult: Context.MI0,
    BapiStatus: Context.MI0,
    BapiChange: Context.MI0,
    BapiRecord: Context.MI0,
    BapiRecordStored: Context.MI0,
    BapiMasters: Context.MI0,
}
"""What comes through a queue -> where the flow takes it up."""


@attrs.frozen
class Policies:
    """How CRM decides where there is a choice."""

    on_lock: OnLock = OnLock.PARK
    """What becomes of a change of a document that is being distributed to the ERP."""
    park_limit: Duration = hours(2.5)
    """How long such a change waits aside at most; then it is refused (assumed: 30 times 5 min)."""
    conflict: ConflictPolicy = ConflictPolicy.FIELD_MERGE
    """What becomes of a change of what somebody else has changed meanwhile."""
    confirm_after: ConfirmAfter = ConfirmAfter.ONLINE
    """When a laptop is told that CRM has taken over its change of an order."""
    cdb_on_error: CdbOnError = CdbOnError.STORE
    """What becomes of orders with errors on their way to the laptops."""
    numbering: Numbering = Numbering.AT_TRANSFER
    """When an order of a laptop gets its number."""
    range_size: int = 100
    """How many numbers a laptop gets at a time; it gets more when it has fewer left (assumed)."""
    on_apo_down: OnApoDown = OnApoDown.WAIT
    """What becomes of an order when the planning system cannot say whether there is enough."""


class CrmEnterprise(QueuePartner):
    """CRM Enterprise as one actor that never waits in a handler.

    Args:
        erp: The name of the ERP's actor.
        laptops: Rep -> laptop.
        replication: What is replicated, and how.
        service_s: How long the validation of a change takes, in seconds.
        distribution_s: How long it takes to pass a saved document on, in seconds.
        staff: Work processes and operator of its site.
        policy: When a LUW for the ERP is tried again.
        guarantees: Which parts of "exactly once, in order" are on.
        queue_key: What shares a queue to the ERP.
        poisons: LUWs that it cannot digest.
        breakages: Which programs of the flow do not work, and when.
        own_services: What a customer has added to the flow.
        csa_key: What shares a queue inside CRM, on the way from a save to its receivers.
        connections: How many LUWs are on their way to the ERP at once; None for any number.
        policies: How it decides where SAP leaves a choice.
        clerk: When somebody completes and releases orders; None when nobody does.
        exchange: How CRM and the ERP share sales transactions.
        apo: The name of the planning system, once it has been added; empty while there is none.
    """

    def __init__(
        self,
        erp: str,
        laptops: dict[str, str],
        replication: Replication,
        service_s: Distribution,
        distribution_s: Distribution,
        staff: Staff,
        policy: RetryPolicy,
        guarantees: Guarantees,
        queue_key: QueueKey,
        poisons: tuple[Poison, ...] = (),
        breakages: tuple[Breakage, ...] = (),
        own_services: Mapping[Context, OwnService] = MappingProxyType({}),
        csa_key: QueueKey = QueueKey.PER_PARENT,
        connections: int | None = None,
        policies: Policies = Policies(),
        clerk: ClerkHabits | None = None,
        exchange: SalesExchange = UNASKED,
        apo: Sequence[str] = (),
    ) -> None:
        super().__init__(erp, service_s, staff, policy, guarantees, poisons, connections)
        self._distribution_s = distribution_s
        self._policies = policies
        monitor, own = BDocMonitor(self), OwnServices(own_services)
        self._errors = ErrorList(
            self,
            self._inbound,
            monitor,
            staff.operator,
            breakages,
            lambda queue, body: self._online.place_again(queue, body),
        )
        model, conflict = replication.model, policies.conflict
        self.realignment = Realignment(self, model, replication.framework, staff.demon)
        self._returned = Returned(self, staff.operator, self.realignment.jobs.enqueue)
        self.receivers = Receivers(self, model, laptops, self.realignment.jobs.enqueue)
        self._online = Online(self, model, self._inbound, monitor, csa_key)
        self._outflow = Outflow(
            self,
            self.receivers,
            self._outbound,
            self._errors,
            monitor,
            guarantees,
            queue_key,
            own,
            policies.cdb_on_error,
            exchange,
        )
        self._exchange = exchange
        self._asking = Asking(self, erp)
        self._openings = Openings(self, exchange, self._asking, erp)
        answers = Answers(self, monitor, own)
        self._desk = Desk(self, clerk)
        self._records = Records(self, model, self._online, answers, conflict)
        desk, after = self._desk, policies.confirm_after
        self._availability = Availability(
            self,
            self._online,
            apo,
            policies.on_apo_down,
            lambda change, number: self._orders.confirm_late(change, number),
        )
        self._orders = Orders(
            self,
            self._online,
            answers,
            conflict,
            desk,
            after,
            exchange,
            self._openings,
            self._availability,
        )
        contacts = Contacts(self, self._orders)
        self._editing = Editing(self, self._orders, self._openings, contacts, desk)
        self._inflow = Inflow(
            self,
            self._inbound,
            self._online,
            self._outflow,
            self._errors,
            monitor,
            guarantees,
            policies.on_lock,
            policies.park_limit,
            own,
            answers,
            self._records,
            self._orders,
            replication.taken_away,
            self._openings,
            exchange.on_erp_down,
        )
        self._repair = Repair(
            self, self._orders, self._asking, self._outflow.erp_answered, self._inflow.release
        )
        self._services = self._inflow.services | self._outflow.services
        self._sessions = Sessions(
            self,
            self._inbound,
            guarantees,
            policies.numbering,
            policies.range_size,
            self.receivers,
            self.realignment,
            self._returned,
            self._inflow.take_upload,
        )

    def started(self) -> None:
        """Take up all queues and the error list on the durable state."""
        if self._exchange.locks:
            self._asking.count_start()
        super().started()
        self._errors.started()
        self.realignment.jobs.started()
        self._desk.started()
        self._inflow.started()
        self._returned.started()
        self._availability.started()

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
        done: Callable[[], None],
    ) -> None:
        """Create a record in CRM Online, or change fields of it; the flow does the rest."""
        with self.commit() as change:
            change.then(done)
            reason = self._records.why_not_here((object_, key), fields, parent)
            if reason is not None:
                name = f"{object_} {key}"
                change.note(FORBIDDEN, name, guid=name, reason=reason)
                return
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
        order = identified(self, order, by)
        is_taken = self.store.get("by reference", order.reference) is not None
        with self.commit() as change:
            reason = TAKEN if is_taken else self._orders.create_here(change, order, by)
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
        self._availability.answered(message)

    @handles(CheckUnanswered)
    def check_unanswered(self, message: CheckUnanswered, sender: object) -> None:
        """The planning system has not answered in time."""
        self._availability.unanswered(message)

    @handles(Completed)
    def completed(self, message: Completed, sender: object) -> None:
        """Store an order as the clerk leaves it."""
        self._editing.complete(message)

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
            return super()._service_ns(luw)
        u = self.luck("distribution time").uniform(word_of(luw.luw))
        return int(self._distribution_s.at(u) * 1e9)
