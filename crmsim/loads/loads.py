"""Which loads are under way in CRM, and what does it do with their blocks?

CRM asks the ERP for a load and takes over block after block: what is in one is validated (MI0) and
saved in CRM Online like other news of the ERP, so it goes on to the CDB and to the laptops. While
an initial load runs, the queues with single changes of its object are suspended; they are released
when its last block has been taken over, or somebody aborts it. A dependent object waits for its
superior. Of request loads so many run at once as are allowed; the others wait.
Sources: CONTRIBUTING.md, S31, S37, S63; what becomes of a block that cannot be processed is
assumed: the load goes on without it, and it waits in the error list.
"""

from collections.abc import Callable

import attrs

from crmsim.business.master import MasterRecord
from crmsim.formats.bapi import BapiContract, BapiMasters, BapiRecord
from crmsim.formats.bdoc import MassBDoc
from crmsim.formats.loading import LoadBlock, LoadEnd, LoadRequest
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.middleware.flow import Context, begin, step
from crmsim.middleware.load import (
    CRM_TO_CDB,
    ERP_TO_CDB,
    ERP_TO_CRM,
    Load,
    LoadEvent,
    LoadKind,
    LoadStatus,
    asking_queue,
    load_queue,
    superior_of,
)
from crmsim.middleware.queue import Luw
from crmsim.middleware.replication import Model
from crmsim.middleware.status import BDocEvent
from crmsim.online.recovery import BEGUN, BDocMonitor, ErrorList, Reprocess, body_of
from crmsim.qrfc.inbound import InboundQueues
from crmsim.qrfc.outbound import OutboundQueues
from crmsim.trace.kinds import FORBIDDEN, LOADED, UNPACKED

__all__ = ["LOADS", "UNLOADED", "Loads", "Saving"]

LOADS = "loads"
"""Name -> a load that is not over."""
OPEN = "open loads"
"""Their names, in the order in which they were asked for, under one key."""
ABORTED = "aborted loads"
"""Names of loads of which nothing is taken over any more."""
UNLOADED = "unloaded"
"""Objects that only the ERP has, because their first load is not done."""


@attrs.frozen
class Saving:
    """How that is saved which a load brings."""

    record: Callable[[Change, BapiRecord, str, int | None], None]
    """Takes over a record of a block; the last argument is the version that may be overwritten."""
    masters: Callable[[Change, BapiMasters, str], None]
    contract: Callable[[Change, BapiContract, str], None]
    spread: Callable[[Change, MassBDoc], None]
    """Writes records for everybody into the CDB."""


class Loads:
    """The loads of one CRM.

    Args:
        actor: The actor whose store holds both databases.
        model: What is replicated.
        inbound: The queues that are suspended meanwhile.
        outbound: The queues to the ERP.
        errors: The BDocs that wait for a person.
        monitor: What is known of every BDoc.
        saving: How that is saved which a load brings.
        parallel: How many request loads run at once.
        to_cdb: Begins to take a load from CRM Online to the CDB.
    """

    def __init__(
        self,
        actor: Actor,
        model: Model,
        inbound: InboundQueues,
        outbound: OutboundQueues,
        errors: ErrorList,
        monitor: BDocMonitor,
        saving: Saving,
        parallel: int,
        to_cdb: Callable[[Change, Load], None],
    ) -> None:
        self._actor = actor
        self._model = model
        self._inbound = inbound
        self._outbound = outbound
        self._errors = errors
        self._monitor = monitor
        self._saving = saving
        self._parallel = parallel
        self._to_cdb = to_cdb

    # --- what people ask for ---

    def ask_for(
        self,
        change: Change,
        about: str,
        kind: LoadKind,
        way: str,
        block: int,
        keys: tuple[str, ...] = (),
        versions: tuple[tuple[str, int], ...] = (),
    ) -> None:
        """Begin a load, or let it wait until it may begin; the history says if it cannot be.

        Args:
            change: The commit that does it.
            about: The name of what is loaded.
            kind: What is taken along.
            way: From where to where.
            block: Records of a block.
            keys: What is asked for by its key.
            versions: Of a repair: key -> the version in CRM that the leading system may overwrite.
        """
        count = 1 + int(change.get("changes", LOADS, 0))
        change.put("changes", LOADS, count)
        load = Load(f"{kind.value} {count} of {about}", about, kind, way, block, keys=keys)
        load = attrs.evolve(load, versions=versions)
        family = load.suspends
        if any(family and one.suspends == family for one in self._about(change, about)):
            reason = f"an initial load of {about} is under way"
            change.note(FORBIDDEN, load.name, guid=load.name, reason=reason)
            return
        change.put("references", load.name, f"publication {about}")
        change.put(LOADS, load.name, load)
        change.put(OPEN, "", (*change.get(OPEN, "", ()), load.name))
        self._tell(change, load)
        self._begin_waiting(change)

    def abort(self, change: Change, about: str) -> None:
        """Abort every load of an object that is not over; what was taken over stays."""
        found = self._about(change, about)
        if not found:
            name = f"load of {about}"
            change.note(FORBIDDEN, name, guid=name, reason="nothing of it is being loaded")
        for load in found:
            change.put(ABORTED, load.name, True)
            if load.status is LoadStatus.RUNNING and load.way != CRM_TO_CDB:
                luw = Luw(f"end of {load.name}", LoadEnd(load.name), load.name)
                self._outbound.enqueue(change, asking_queue(about), luw)
            self._end(change, load, LoadEvent.ABORTED)

    def _about(self, change: Change, about: str) -> list[Load]:
        return [load for load in self._open(change) if load.about == about]

    def _open(self, change: Change) -> list[Load]:
        return [change.get(LOADS, name) for name in change.get(OPEN, "", ())]

    # --- how they begin and end ---

    def _begin_waiting(self, change: Change) -> None:
        for load in self._open(change):
            if load.status is LoadStatus.WAITING and self._may_begin(change, load):
                self._begin(change, load)

    def _may_begin(self, change: Change, load: Load) -> bool:
        """Say whether a load may begin: its superior is there, and there is room for it."""
        others = [one for one in self._open(change) if one.name != load.name]
        if load.kind is LoadKind.REQUEST:
            running = [one for one in others if one.status is LoadStatus.RUNNING]
            return sum(one.kind is LoadKind.REQUEST for one in running) < self._parallel
        superior = self._superior(load)
        is_there = load.way != ERP_TO_CRM or not change.get(UNLOADED, superior, False)
        return is_there and not any(
            (one.about, one.way, one.kind) == (superior, load.way, LoadKind.INITIAL)
            for one in others
        )

    def _superior(self, load: Load) -> str:
        """Return what is to be loaded before; empty for nothing."""
        if load.way == CRM_TO_CDB:
            return self._model.of(load.about).parent
        return superior_of(self._model, load.about)

    def _begin(self, change: Change, load: Load) -> None:
        running = load.after(LoadEvent.STARTED)
        change.put(LOADS, load.name, running)
        self._tell(change, running)
        if load.suspends:
            self._inbound.suspend(change, load.suspends, load.about)
        if load.way == CRM_TO_CDB:
            self._to_cdb(change, running)
            return
        queue = load_queue(load.kind, load.about, load.name)
        is_initial = load.kind is LoadKind.INITIAL
        request = LoadRequest(load.name, load.about, queue, load.block, is_initial, load.keys)
        luw = Luw(f"begin of {load.name}", request, load.name)
        self._outbound.enqueue(change, asking_queue(load.about), luw)

    def done(self, change: Change, load: Load, count: int) -> None:
        """End a load of which the last block has come.

        Args:
            change: The commit that does it.
            load: The load.
            count: How many blocks there were.
        """
        if load.way == ERP_TO_CRM and load.kind is LoadKind.INITIAL:
            change.delete(UNLOADED, load.about)
        self._end(change, load, LoadEvent.LAST_TAKEN, count)

    def _end(self, change: Change, load: Load, event: LoadEvent, count: int = 0) -> None:
        ended = load.after(event)
        change.delete(LOADS, load.name)
        left = tuple(name for name in change.get(OPEN, "", ()) if name != load.name)
        change.put(OPEN, "", left)
        taken = len(load.taken)
        self._tell(change, ended, blocks=taken, missing=max(count - taken, 0))
        if load.suspends and load.status is LoadStatus.RUNNING:
            self._inbound.release(change, load.suspends, load.about)
        self._begin_waiting(change)

    def _tell(self, change: Change, load: Load, **more: object) -> None:
        change.note(
            LOADED,
            load.name,
            guid=load.name,
            status=load.status.value,
            about=load.about,
            load_kind=load.kind.value,
            way=load.way,
            superior=self._superior(load),
            **more,
        )

    # --- blocks ---

    def take(self, change: Change, queue: str, luw: Luw) -> bool:
        """MI0: take over a block of the ERP; False when it was put into the error list."""
        block: LoadBlock = body_of(luw)
        if change.get(ABORTED, block.load, False):
            return True
        load: Load | None = self._actor.store.get(LOADS, block.load)
        if isinstance(luw.body, Reprocess):
            mbdoc = self._monitor.record(luw.luw)
        else:
            mbdoc = begin(luw.luw, luw.guid, 1, Context.MI0)
        is_broken = self._errors.broke(change, mbdoc, Context.MI0, queue, luw)
        if not is_broken:
            self._monitor.put(change, step(mbdoc, *BEGUN, BDocEvent.VALIDATED))
            self._unpack(change, luw.luw, block, load)
        if load is not None:
            self._count(change, load, block, is_taken=not is_broken)
        return not is_broken

    def _count(self, change: Change, load: Load, block: LoadBlock, *, is_taken: bool) -> None:
        if is_taken and block.number not in load.taken:
            load = attrs.evolve(load, taken=(*load.taken, block.number))
        if block.is_last:
            self.done(change, load, block.number)
        else:
            change.put(LOADS, load.name, load.after(LoadEvent.BLOCK_TAKEN))

    def _unpack(self, change: Change, luw: str, block: LoadBlock, load: Load | None) -> None:
        versions = {} if load is None else dict(load.versions)
        for record in block.records:
            self._saving.record(change, record, luw, versions.get(record.key))
        for contract in block.contracts:
            self._saving.contract(change, contract, luw)
        if block.values and load is not None and load.way == ERP_TO_CDB:
            self._consolidate(change, luw, block)
        elif block.values:
            values = tuple((one.key, one.value) for one in block.values)
            self._saving.masters(change, BapiMasters(block.about, values, block.change), luw)
        superior = superior_of(self._model, block.about)
        change.note(
            UNPACKED,
            luw,
            guid=block.load,
            about=block.about,
            block=block.number,
            count=len(block.keys),
            superior=superior,
        )

    def _consolidate(self, change: Change, luw: str, block: LoadBlock) -> None:
        """Write a block into the CDB that is not saved in CRM Online."""
        records = []
        for one in block.values:
            key = block.about, one.key
            online: MasterRecord | None = self._actor.store.get("masters", key)
            held: MasterRecord | None = self._actor.store.get("cdb masters", key)
            if online is None or online.value != one.value:
                version = 1 if held is None else held.version + 1
                online = MasterRecord(key, version, one.value)
            records.append(online)
        self._saving.spread(change, MassBDoc(luw, block.about, tuple(records)))
