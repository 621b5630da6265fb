"""Where do people start loads and comparisons, and say how an object is exchanged?

SAP: the administration console and the transactions around it. Whatever they do is part of one
commit. Sources: CONTRIBUTING.md, S49, S63.
"""

from typing import Any

from crmsim.formats.loading import CompareAnswer, CompareQuestion, FilterSet, LoadBlock
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.loads.comparing import Comparing
from crmsim.loads.consolidated import CdbStep, Consolidated, Writing
from crmsim.loads.loads import LOADS, Loads, Saving
from crmsim.loads.repairing import Repairing
from crmsim.middleware.load import Filter, asking_queue
from crmsim.middleware.queue import Luw
from crmsim.middleware.replication import Model
from crmsim.online.online import Online
from crmsim.online.recovery import BDocMonitor, ErrorList, body_of
from crmsim.qrfc.inbound import InboundQueues
from crmsim.qrfc.outbound import OutboundQueues
from crmsim.trace.kinds import CUSTOMIZED
from crmsim.units import Duration

__all__ = ["Console", "LoadWork"]

LoadWork = LoadBlock | CdbStep | CompareAnswer | CompareQuestion
"""What CRM executes for a load or a comparison."""


class Console:
    """Loads, comparisons, repairs, and how objects are exchanged.

    Args:
        actor: The actor whose store holds both databases.
        model: What is replicated.
        online: Where records are saved.
        inbound: The queues that are executed here.
        outbound: The queues to the ERP.
        errors: The BDocs that wait for a person.
        monitor: What is known of every BDoc.
        saving: How that is saved which a load brings.
        writing: How something is written into the CDB.
        parallel: How many request loads run at once.
        per_record: How long the work on a record of a block takes.
    """

    def __init__(
        self,
        actor: Actor,
        model: Model,
        online: Online,
        inbound: InboundQueues,
        outbound: OutboundQueues,
        errors: ErrorList,
        monitor: BDocMonitor,
        saving: Saving,
        writing: Writing,
        parallel: int,
        per_record: Duration,
    ) -> None:
        self._actor = actor
        self._outbound = outbound
        self._per_record = per_record
        self._consolidated = Consolidated(
            actor,
            inbound,
            writing,
            lambda name: actor.store.get(LOADS, name),
            lambda change, load, count: self.loads.done(change, load, count),
            errors,
            monitor,
        )
        self.loads = Loads(
            actor,
            model,
            inbound,
            outbound,
            errors,
            monitor,
            saving,
            parallel,
            self._consolidated.begin,
        )
        self.comparing = Comparing(
            actor,
            model,
            inbound,
            outbound,
            self._is_loading,
            lambda change, report: self.repairing.compared(change, report),
        )
        self.repairing = Repairing(
            actor,
            online,
            outbound,
            self.comparing.report,
            self.comparing.is_comparing,
            self.loads.ask_for,
        )

    def _is_loading(self, about: str, target: str, key: str) -> bool:
        return any(
            load.about == about and load.way.endswith(target) and load.brings(key)
            for load in self._actor.store.table(LOADS).values()
        )

    def execute(self, change: Change, queue: str, luw: Luw) -> bool:
        """Do the work of a LUW; False when it was put into the error list."""
        body: LoadWork = body_of(luw)
        if isinstance(body, LoadBlock):
            return self.loads.take(change, queue, luw)
        if isinstance(body, CdbStep):
            return self._consolidated.take(change, queue, luw)
        self.comparing.take(change, body)
        return True

    def service_ns(self, body: Any) -> int:
        """Return how long the work on a block takes besides."""
        if isinstance(body, LoadBlock):
            count = len(body.keys)
        elif isinstance(body, CdbStep):
            count = body.count
        elif isinstance(body, CompareAnswer | CompareQuestion):
            question = body.question if isinstance(body, CompareAnswer) else body
            count = len(question.keys) or question.count
        else:
            count = 0
        return count * self._per_record

    def set_filter(self, change: Change, about: str, wanted: Filter) -> None:
        """Say what of an object is exchanged from now on; what is there stays as it is."""
        count = 1 + int(change.get("changes", ("filter", about), 0))
        change.put("changes", ("filter", about), count)
        name = f"filter {count} of {about}"
        luw = Luw(name, FilterSet(about, wanted.values), name)
        self._outbound.enqueue(change, asking_queue(about), luw)
        told = ", ".join(f"{field}={value}" for field, value in wanted.values)
        change.note(CUSTOMIZED, about, what="filter", value=told)

    def set_bridge(self, change: Change, about: str, *, is_on: bool) -> None:
        """Let what is saved of an object go on to the CDB, or not."""
        if is_on:
            change.delete("bridges off", about)
        else:
            change.put("bridges off", about, True)
        change.note(CUSTOMIZED, about, what="bridge", value="on" if is_on else "off")
