"""How does the CDB come to what CRM Online has already?

Block after block, through a queue of CRM's own (MO3): the initial load takes all, the
synchronisation load what differs, and a repair what was asked for. Each site is told then what
belongs to it. Sources: CONTRIBUTING.md, S31, S37, S63.
"""

from collections.abc import Callable, Mapping

import attrs

from crmsim.business.master import MasterRecord, Record
from crmsim.formats.bdoc import MassBDoc, RecordBDoc
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.middleware.load import Load, LoadEvent, LoadKind, block_of
from crmsim.middleware.queue import Luw
from crmsim.online.online import OFFICE
from crmsim.qrfc.inbound import InboundQueues

__all__ = ["CdbStep", "Consolidated", "Writing"]


@attrs.frozen
class CdbStep:
    """Take the next block to the CDB."""

    load: str
    number: int
    """The how-manieth block it is, from 1."""
    after: str
    """The last key of the block before."""
    count: int
    """How many things it is at most."""


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
    """

    def __init__(
        self,
        actor: Actor,
        inbound: InboundQueues,
        writing: Writing,
        load_of: Callable[[str], Load | None],
        done: Callable[[Change, Load, int], None],
    ) -> None:
        self._actor = actor
        self._inbound = inbound
        self._writing = writing
        self._load_of = load_of
        self._done = done

    def begin(self, change: Change, load: Load) -> None:
        """Take the first block."""
        self._put_in(change, load, CdbStep(load.name, 1, "", load.block))

    def _put_in(self, change: Change, load: Load, step: CdbStep) -> None:
        luw = Luw(f"block {step.number} of {load.name}", step, load.name)
        self._inbound.put_in(change, f"CDB_{load.about.upper()}", luw)

    def take(self, change: Change, step: CdbStep) -> None:
        """MO3: take a block to the CDB, then the next one."""
        load = self._load_of(step.load)
        if load is None:
            return  # it was aborted
        keys, is_last = block_of(self._wanted(load), step.after, step.count)
        name = f"block {step.number} of {load.name}"
        if self._is_bulk(load.about):
            self._spread(change, load, name, keys)
        else:
            for key in keys:
                self._write(change, name, (load.about, key))
        load = attrs.evolve(load, taken=(*load.taken, step.number))
        if is_last:
            self._done(change, load, step.number)
        else:
            change.put("loads", load.name, load.after(LoadEvent.BLOCK_TAKEN))
            self._put_in(change, load, CdbStep(load.name, step.number + 1, keys[-1], step.count))

    def _wanted(self, load: Load) -> tuple[str, ...]:
        """Return the keys that a load is about."""
        if load.kind is LoadKind.REQUEST:
            return load.keys
        table = "masters" if self._is_bulk(load.about) else "records"
        online: Mapping[tuple[str, str], object] = self._actor.store.table(table)
        return tuple(key for name, key in online if name == load.about)

    def _is_bulk(self, about: str) -> bool:
        return any(name == about for name, _ in self._actor.store.table("masters"))

    def _spread(self, change: Change, load: Load, name: str, keys: tuple[str, ...]) -> None:
        store = self._actor.store
        found: list[MasterRecord] = []
        for key in ((load.about, one) for one in keys):
            record: MasterRecord | None = store.get("masters", key)
            is_news = load.kind is LoadKind.INITIAL or record != store.get("cdb masters", key)
            if record is not None and is_news:
                found.append(record)
        if found:
            self._writing.spread(change, MassBDoc(name, load.about, tuple(found)))

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
