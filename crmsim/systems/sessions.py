"""What does CRM do in a session of a laptop?

It lets the laptop in or turns it away, stores what it sends before it receipts that, and hands out
what lies ready. It never calls a laptop itself. Sources: CONTRIBUTING.md, S18, S50, S54.
"""

from collections.abc import Callable
from itertools import islice, takewhile

import attrs

from crmsim.applications.numbering import Numbering, NumberRange
from crmsim.formats.bdoc import BulkPackage, SyncBDoc
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.kernel.message import Address
from crmsim.middleware.queue import Luw, site_queue
from crmsim.mobile.calls import Admitted, Dial, Fetch, Package, Refused, Upload, UploadReceipt
from crmsim.qrfc.inbound import InboundQueues
from crmsim.qrfc.wire import Guarantees
from crmsim.replication.realignment import Realignment
from crmsim.replication.receivers import Receivers
from crmsim.replication.returned import Returned
from crmsim.replication.sites import SiteQueue, gets_bulk, place_of
from crmsim.trace.kinds import CLEARED, REFUSED

__all__ = ["Sessions"]

PACKAGE_COUNT = 10
"""Contents of one package to a laptop (assumed)."""
BULK_COUNT = 100
"""Records of a publication in one package (assumed)."""


class Sessions:
    """CRM's side of the sessions of laptops.

    Args:
        actor: CRM's actor.
        inbound: The queues in which uploads are stored.
        guarantees: Which parts of "exactly once, in order" are on.
        numbering: When an order of a laptop gets its number.
        range_size: How many numbers a laptop gets at a time.
        receivers: Who gets what.
        realignment: Fills the new disk of a laptop.
        returned: What laptops could not read and gave back.
        take_upload: Begins the flow of a change that was handed in.
    """

    def __init__(
        self,
        actor: Actor,
        inbound: InboundQueues,
        guarantees: Guarantees,
        numbering: Numbering,
        range_size: int,
        receivers: Receivers,
        realignment: Realignment,
        returned: Returned,
        take_upload: Callable[[Change, SyncBDoc], None],
    ) -> None:
        self._actor = actor
        self._inbound = inbound
        self._guarantees = guarantees
        self._numbering = numbering
        self._range_size = range_size
        self._receivers = receivers
        self._realignment = realignment
        self._returned = returned
        self._take_upload = take_upload

    def dialled(self, message: Dial, sender: Address[Admitted | Refused]) -> None:
        """Open a session; say what is known of the session before, whose outcome may be unknown."""
        reason = self._why_refused(message.site)
        if reason:
            subject = f"{message.site} session {message.session}"
            self._actor.note(REFUSED, subject, laptop=message.site, reason=reason)
            no = Refused(message.site, message.session, message.attempt, reason)
            self._actor.send(sender, no, attempt=message.attempt)
            return
        row = message.site, message.disk
        if message.disk < self._actor.store.get("disks", message.site, 0):
            return
        known = self._actor.store.get("received", row, 0) if self._guarantees.dedup else 0
        with self._actor.commit() as change:
            if message.disk > self._actor.store.get("disks", message.site, 0):
                self._realignment.fill(change, message.site, message.disk)
            self._returned.learn(change, message.site, message.release)
            numbers = self._more_numbers(change, message)
            answer = Admitted(message.site, message.session, message.attempt, known, numbers)
            change.send(sender, answer, attempt=message.attempt)

    def _more_numbers(self, change: Change, dial: Dial) -> NumberRange | None:
        """Return further numbers for a laptop that has few left; the same for the same session."""
        size = self._range_size
        if self._numbering is not Numbering.CLIENT_RANGES or dial.numbers_left >= size:
            return None
        row = dial.site, dial.session
        granted: NumberRange | None = self._actor.store.get("ranges", row)
        if granted is None:
            first = int(self._actor.store.get("counts", "range numbers", 0))
            granted = NumberRange(first, size)
            change.put("counts", "range numbers", first + size)
            change.put("ranges", row, granted)
        return granted

    def _why_refused(self, site: str) -> str:
        if not self._receivers.is_laptop(site):
            return "site unknown"
        return "site deactivated" if self._actor.store.get("deactivated", site, False) else ""

    def uploaded(self, message: Upload, sender: Address[UploadReceipt]) -> None:
        """Store the changes of a laptop durably, in order, then receipt them."""
        if message.disk != self._actor.store.get("disks", message.site, 0):
            return  # it was still under way when another disk had taken its place
        queue, row = site_queue(message.site), (message.site, message.disk)
        expected = self._actor.store.get("received", row, 0) + 1
        guarded = self._guarantees.dedup and self._guarantees.receipts
        with self._actor.commit() as change:
            for bdoc in message.changes:
                if guarded and bdoc.number > expected:
                    break  # an earlier one is still missing: take nothing out of order
                if self._inbound.store(change, queue, Luw(bdoc.message, bdoc, bdoc.guid)):
                    self._take_upload(change, bdoc)
                    change.put("received", row, bdoc.number)
                    expected = bdoc.number + 1
            numbers = tuple(bdoc.number for bdoc in message.changes if bdoc.number < expected)
            self._returned.take(change, message.site, message.unread)
            places = tuple(one.place for one in message.unread)
            answer = UploadReceipt(
                message.site, message.session, message.step, message.attempt, numbers, places
            )
            change.send(sender, answer, attempt=message.attempt)

    def fetched(self, message: Fetch, sender: Address[Package]) -> None:
        """Forget what the laptop holds durably; hand out what comes next."""
        if message.disk != self._actor.store.get("disks", message.site, 0):
            return
        lying: SiteQueue = self._actor.store.get("site queues", message.site, SiteQueue())
        gone = list(takewhile(lambda row: row[0] <= message.held, lying.contents))
        left = lying.contents.popleft(len(gone))
        with self._actor.commit() as change:
            if gone:
                change.put("site queues", message.site, attrs.evolve(lying, contents=left))
                out = site_queue(message.site) + " out"
                for place, content in gone:
                    subject = place_of(message.site, place)
                    change.note(CLEARED, subject, queue=out, guid=content.guid)
            held = dict(message.held_bulk)
            for publication in self._actor.store.table("publications"):
                cursor, position = (message.site, publication), held.get(publication, 0)
                if position != self._actor.store.get("cursors", cursor, 0):
                    change.put("cursors", cursor, position)
            package = tuple(islice(left, PACKAGE_COUNT))
            bulk = None if package else self._next_bulk(message)
            releases = tuple(self._actor.store.table("formats").items()) if package else ()
            about = message.site, message.session, message.step, message.attempt
            answer = Package(*about, package, bulk, releases)
            change.send(sender, answer, attempt=message.attempt)

    def _next_bulk(self, message: Fetch) -> BulkPackage | None:
        """Return what a laptop has not got yet of the first publication that it lags behind."""
        held = dict(message.held_bulk)
        for name, publication in self._actor.store.table("publications").items():
            if not gets_bulk(self._actor.store.get, message.site, name):
                continue
            position = held.get(name, 0)
            records = publication.behind(position, BULK_COUNT)
            if records:
                return BulkPackage(name, position + 1, records)
        return None
