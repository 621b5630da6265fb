"""How does the ERP send what it has had all along, and which of its changes does it tell?

A load is asked for by CRM. The ERP then reads block after block, each of which takes time; how far
it has got is durable, so a crash costs no block. A block carries with each record the number of its
newest change, so whatever of an older change comes after it has nothing to say any more. Changes
are told as they happen (the delta), but only of objects whose delta is active, and only of what
passes the filter. Sources: CONTRIBUTING.md, S37, S63, S69; times are assumed.
"""

from collections.abc import Mapping

import attrs

from crmsim.business.master import Record
from crmsim.erp.contracts import CONTRACTS, FLOWS, ContractBook
from crmsim.formats.bapi import (
    BapiRecord,
)
from crmsim.formats.loading import (
    BapiValue,
    CompareAnswer,
    CompareQuestion,
    FilterSet,
    LoadBlock,
    LoadEnd,
    LoadRequest,
    Row,
    Wish,
    contract_facts,
    contract_row,
    keys_in,
    order_row,
)
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.kernel.message import message
from crmsim.middleware.load import NO_FILTER, Filter, block_of
from crmsim.middleware.queue import Luw
from crmsim.qrfc.outbound import OutboundQueues
from crmsim.trace.kinds import CUSTOMIZED, EXTRACTED
from crmsim.units import Duration

__all__ = ["EXTRACTIONS", "FILTERS", "BlockDue", "Extraction"]

EXTRACTIONS = "extractions"
"""Load -> how far it is."""
FILTERS = "filters"
"""Object -> what of it is exchanged."""


@message(about=("load", "block"))
class BlockDue:
    """The next block of a load has been read."""

    load: str
    block: int


@attrs.frozen
class _Position:
    """How far a load is."""

    request: LoadRequest
    after: str = ""
    """The last key that was sent."""
    blocks: int = 0
    """How many blocks were sent."""


class Extraction:
    """What the ERP sends of its master data, and when.

    Args:
        actor: The actor of the ERP; its store holds the data.
        outbound: The queues to CRM.
        contracts: Its contracts.
        per_record: How long it takes to read a record for a block.
    """

    def __init__(
        self, actor: Actor, outbound: OutboundQueues, contracts: ContractBook, per_record: Duration
    ) -> None:
        self._actor = actor
        self._outbound = outbound
        self._contracts = contracts
        self._per_record = per_record

    def started(self) -> None:
        """Go on with all loads after a crash."""
        for name in list(self._actor.store.table(EXTRACTIONS)):
            self._read_next(name)

    def service_ns(self, body: object) -> int:
        """Return how long the work on a unit takes besides."""
        if not isinstance(body, CompareQuestion):
            return 0
        return (len(body.keys) or body.count) * self._per_record

    def take(self, change: Change, wish: Wish) -> None:
        """Do what CRM asks for."""
        if isinstance(wish, LoadRequest):
            change.put(EXTRACTIONS, wish.load, _Position(wish))
            if wish.is_initial:
                change.put(FLOWS, wish.about, True)
            change.then(lambda: self._read_next(wish.load))
        elif isinstance(wish, LoadEnd):
            change.delete(EXTRACTIONS, wish.load)
        elif isinstance(wish, FilterSet):
            change.put(FILTERS, wish.about, Filter(wish.values))
        else:
            answer = self._answer(wish)
            name = f"answer {wish.number} of {wish.comparison}"
            queue = f"DIMA_{wish.about.upper()}"
            self._outbound.enqueue(change, queue, Luw(name, answer, wish.comparison))

    def set_delta(self, change: Change, about: str, *, is_active: bool) -> None:
        """Let CRM be told of the changes of an object from now on, or not."""
        change.put(FLOWS, about, is_active)
        change.note(CUSTOMIZED, about, what="delta", value="on" if is_active else "off")

    # --- the delta ---

    def told_of(self, held: Record, after: Row, changed: Row) -> Row | None:
        """Return what CRM is told of a change of a record; None for nothing.

        Where the exchange of an object was ever set up otherwise, CRM may not have what is not
        changed: then it is told all of it.

        Args:
            held: The record before.
            after: All its fields after the change.
            changed: The fields that are changed.
        """
        about = held.object
        if not self.is_told(about, {**dict(after), "key": held.key}):
            return None
        store = self._actor.store
        is_plain = store.get(FLOWS, about) is None and store.get(FILTERS, about) is None
        return changed if is_plain else after

    def is_told(self, about: str, facts: Mapping[str, str]) -> bool:
        """Say whether CRM is told of a change of something."""
        is_active = self._actor.store.get(FLOWS, about, about != "contract")
        return bool(is_active) and self.filter(about).passes(facts)

    def filter(self, about: str) -> Filter:
        """Return what of an object is exchanged."""
        found: Filter = self._actor.store.get(FILTERS, about, NO_FILTER)
        return found

    # --- loads ---

    def _read_next(self, name: str) -> None:
        """Read the next block; that takes its time."""
        position: _Position | None = self._actor.store.get(EXTRACTIONS, name)
        if position is None:
            return  # it was aborted
        keys, _ = self._block(position)
        wait_ns = int(len(keys) * self._per_record * self._actor.slowness)
        self._actor.after(wait_ns, BlockDue(name, position.blocks + 1))

    def due(self, message: BlockDue) -> None:
        """Send a block that has been read, as the records are now."""
        position: _Position | None = self._actor.store.get(EXTRACTIONS, message.load)
        if position is None or position.blocks + 1 != message.block:
            return
        request = position.request
        keys, is_last = self._block(position)
        block = self._filled(request, message.block, keys, is_last=is_last)
        with self._actor.commit() as change:
            name = f"block {message.block} of {request.load}"
            self._outbound.enqueue(change, request.queue, Luw(name, block, request.load))
            change.put("references", request.load, f"publication {request.about}")
            change.note(
                EXTRACTED, request.load, guid=request.load, block=message.block, keys=block.keys
            )
            if is_last:
                change.delete(EXTRACTIONS, request.load)
            else:
                following = _Position(request, keys[-1], message.block)
                change.put(EXTRACTIONS, request.load, following)
                change.then(lambda: self._read_next(request.load))

    def _block(self, position: _Position) -> tuple[tuple[str, ...], bool]:
        request = position.request
        passing = self._passing(request.about)
        wanted = passing if request.is_initial else request.keys
        return block_of((key for key in wanted if key in passing), position.after, request.block)

    def _filled(
        self, request: LoadRequest, number: int, keys: tuple[str, ...], *, is_last: bool
    ) -> LoadBlock:
        store, about = self._actor.store, request.about
        block = LoadBlock(request.load, about, number, is_last)
        if about == "contract":
            contracts = tuple(self._contracts.state(key) for key in keys)
            return attrs.evolve(block, contracts=contracts)
        if self._is_bulk(about):
            values = tuple(BapiValue(key, store.get("masters", (about, key))) for key in keys)
            return attrs.evolve(block, values=values, change=store.get("changes", about, 0))
        records = []
        for key in keys:
            held: Record = store.get("records", (about, key))
            newest = store.get("changes", held.identity, 0)
            records.append(BapiRecord(about, key, held.fields, held.version, newest))
        return attrs.evolve(block, records=tuple(records))

    def _is_bulk(self, about: str) -> bool:
        return any(name == about for name, _ in self._actor.store.table("masters"))

    def _passing(self, about: str) -> dict[str, Row]:
        """Return key -> fields of all of an object that passes its filter."""
        store, passing = self._actor.store, self.filter(about).passes
        if about == "contract":
            contracts = store.table(CONTRACTS).items()
            return {
                key: () for key, one in contracts if passing({**contract_facts(one), "key": key})
            }
        if about == "order":
            booked = [one.order for one in store.table("orders").values()]
            return {order.number: order_row(order.as_sales_order()) for order in booked}
        masters = store.table("masters").items()
        rows = {key: (("value", value),) for (name, key), value in masters if name == about}
        records = store.table("records").items()
        rows |= {key: one.fields for (name, key), one in records if name == about}
        return {key: row for key, row in rows.items() if passing({**dict(row), "key": key})}

    # --- comparisons ---

    def _answer(self, question: CompareQuestion) -> CompareAnswer:
        about, passing = question.about, self._passing(question.about)
        keys, is_last = block_of(passing, question.after, question.count)
        if question.keys:
            keys, is_last = tuple(key for key in question.keys if key in passing), False
        rows = [(key, self._row(about, key, passing[key])) for key in keys]
        if not question.is_detailed:
            rows = [(key, ()) for key, _ in rows]
        moving = self._moving(about) if question.keys else ()
        return CompareAnswer(question, tuple(rows), is_last, moving)

    def _row(self, about: str, key: str, row: Row) -> Row:
        return contract_row(self._contracts.state(key)) if about == "contract" else row

    def _moving(self, about: str) -> tuple[str, ...]:
        """Return the keys of what lies in a queue here."""
        store = self._actor.store
        queues = (*store.table("inbound").values(), *store.table("outbound").values())
        bodies = [luw.body for luws in queues for luw in luws]
        return tuple(dict.fromkeys(key for body in bodies for key in keys_in(body, about)))
