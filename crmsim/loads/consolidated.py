"""How does the CDB come to what CRM Online has already?

Block after block, through a queue of CRM's own: the initial load takes all, the synchronisation
load what differs, and a repair what was asked for. Each block is a BDoc in a flow context of its
own (MO3); one whose program breaks off waits in the error list, and the load goes on without it.
Each site is told then what belongs to it. Sources: CONTRIBUTING.md, S31, S37, S63; what becomes of
such a block is assumed.
"""

from collections.abc import Callable, Mapping

import attrs

from crmsim.business.master import MasterRecord, Record
from crmsim.formats.bdoc import MassBDoc, RecordBDoc
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.middleware.flow import BDocRecord, Context, begin, handed_over, step
from crmsim.middleware.load import Load, LoadEvent, LoadKind, block_of
from crmsim.middleware.queue import Luw
from crmsim.online.online import OFFICE
from crmsim.online.recovery import BEGUN, BDocMonitor, ErrorList, Reprocess, body_of
from crmsim.qrfc.inbound import InboundQueues

__all__ = ["CdbStep", "Consolidated", "Writing"]


@attrs.frozen
class CdbStep:
    """Take the next block to the CDB."""

    load: str
    about: str
    """The name of what is loaded."""
    is_initial: bool
    """Whether all of it goes, or only what differs."""
    number: int
    """The how-manieth block it is, from 1."""
    after: str
    """The last key of the block before."""
    count: int
    """How many things it is at most."""
    keys: tuple[str, ...] = ()
    """Of a block that waits in the error list: what was to be in it."""


@attrs.frozen
class Writing:
    """How something is written into the CDB."""

    record: Callable[[Change, RecordBDoc], None]
    spread: Callable[[Change, MassBDoc], None]


class Consolidated:
    """What takes CRM Online to the CDB, many things at once.

    Args:
        actor: The actor whose store holds both databases.
        inbound: The queues that work processes execute.
        writing: How something is written into the CDB.
        load_of: Returns a load that is not over; None when it is.
        done: Ends a load of which all has been taken.
        errors: The BDocs that wait for a person.
        monitor: What is known of every BDoc.
    """

    def __init__(
        self,
        actor: Actor,
        inbound: InboundQueues,
        writing: Writing,
        load_of: Callable[[str], Load | None],
        done: Callable[[Change, Load, int], None],
        errors: ErrorList,
        monitor: BDocMonitor,
    ) -> None:
        self._actor = actor
        self._inbound = inbound
        self._writing = writing
        self._load_of = load_of
        self._done = done
        self._errors = errors
        self._monitor = monitor

    def begin(self, change: Change, load: Load) -> None:
        """Take the first block."""
        self._put_in(change, load, 1, "")

    def _put_in(self, change: Change, load: Load, number: int, after: str) -> None:
        is_initial = load.kind is LoadKind.INITIAL
        work = CdbStep(load.name, load.about, is_initial, number, after, load.block)
        luw = Luw(f"block {number} of {load.name}", work, load.name)
        self._inbound.put_in(change, f"CDB_{load.about.upper()}", luw)

    def take(self, change: Change, queue: str, luw: Luw) -> bool:
        """MO3: take a block to the CDB, then the next one; False when it is in the error list."""
        work: CdbStep = body_of(luw)
        if isinstance(luw.body, Reprocess):
            return self._take(change, queue, luw, work, self._monitor.record(luw.luw))
        load = self._load_of(work.load)
        if load is None:
            return True  # it was aborted
        keys, is_last = block_of(self._wanted(load), work.after, work.count)
        work = attrs.evolve(work, keys=keys)
        record = begin(luw.luw, luw.guid, 1, Context.MO3)
        is_taken = self._take(change, queue, attrs.evolve(luw, body=work), work, record)
        if is_taken:
            load = attrs.evolve(load, taken=(*load.taken, work.number))
        if is_last:
            self._done(change, load, work.number)
        else:
            change.put("loads", load.name, load.after(LoadEvent.BLOCK_TAKEN))
            self._put_in(change, load, work.number + 1, keys[-1])
        return is_taken

    def _take(
        self, change: Change, queue: str, luw: Luw, work: CdbStep, record: BDocRecord
    ) -> bool:
        """Write what is in a block, unless the program breaks off."""
        if self._errors.broke(change, record, Context.MO3, queue, luw):
            return False
        self._monitor.put(change, handed_over(step(record, *BEGUN), ()))
        if self._is_bulk(work.about):
            self._spread(change, work, luw.luw)
        else:
            for key in work.keys:
                self._write(change, luw.luw, (work.about, key))
        return True

    def _wanted(self, load: Load) -> tuple[str, ...]:
        """Return the keys that a load is about."""
        if load.kind is LoadKind.REQUEST:
            return load.keys
        table = "masters" if self._is_bulk(load.about) else "records"
        online: Mapping[tuple[str, str], object] = self._actor.store.table(table)
        return tuple(key for name, key in online if name == load.about)

    def _is_bulk(self, about: str) -> bool:
        return any(name == about for name, _ in self._actor.store.table("masters"))

    def _spread(self, change: Change, work: CdbStep, name: str) -> None:
        store = self._actor.store
        found: list[MasterRecord] = []
        for key in ((work.about, one) for one in work.keys):
            record: MasterRecord | None = store.get("masters", key)
            is_news = work.is_initial or record != store.get("cdb masters", key)
            if record is not None and is_news:
                found.append(record)
        if found:
            self._writing.spread(change, MassBDoc(name, work.about, tuple(found)))

    def _write(self, change: Change, name: str, key: tuple[str, str]) -> None:
        """Write a record as CRM Online has it; take it out of the CDB where there is none."""
        online: Record | None = self._actor.store.get("records", key)
        held: Record | None = self._actor.store.get("cdb records", key)
        if online is not None and online != held:
            self._writing.record(change, RecordBDoc(name, online, held, OFFICE, 0))
        elif online is None and held is not None:
            version = self._actor.store.get("deleted", key, held.version)
            last = attrs.evolve(held, version=max(version, held.version))
            gone = RecordBDoc(name, last, held, OFFICE, 0, is_deletion=True)
            self._writing.record(change, gone)
