"""What does a rep do about a refusal?

He reads the inbox of rejections some time after the import. A thing that was refused when it was
new is gone from the laptop: he restores it from the inbox, completes what was missing, and sends it
again under a new identity. What hung on it has to be entered anew; that he leaves undone. If he can
see why it must be refused again (the customer is blocked), he lets it be. What was refused of a
change he takes as the server has it. Either way the entry counts as dealt with.
Sources: CONTRIBUTING.md, S56, S57; how long it takes, and what is written for what was missing, is
assumed.
"""

import attrs

from crmsim.applications.directions import lacks_of, why_not_so
from crmsim.business.master import Record, RecordEdit
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.mobile.holdings import local_of
from crmsim.mobile.reminders import CorrectionDue
from crmsim.mobile.writing import Writing
from crmsim.sync.inbox import InboxEntry
from crmsim.trace.kinds import RESTORED
from crmsim.units import Duration

__all__ = ["Correcting"]

AGREED = "as agreed"
"""What a rep writes into a field that he had left empty (assumed)."""
AGAIN = " again"
"""How the new identity of what is restored ends."""


class Correcting:
    """How a rep deals with refusals.

    Args:
        actor: The laptop.
        writing: What writes there.
        wait: How long after the import the rep gets round to it; None when he never does.
    """

    def __init__(self, actor: Actor, writing: Writing, wait: Duration | None) -> None:
        self._actor = actor
        self._writing = writing
        self._wait = wait

    @property
    def left(self) -> int:
        """How many refusals the rep still has to deal with."""
        return 0 if self._wait is None else len(self._open())

    def _open(self) -> list[InboxEntry]:
        told = self._actor.store.table("rejections").values()
        return [entry for entry in told if not entry.is_processed]

    def started(self) -> None:
        """Go on with what the rep has not dealt with."""
        for entry in self._open():
            self.read(entry.message)

    def read(self, message: str) -> None:
        """Remember what the inbox says about a change, if it says something."""
        entry: InboxEntry | None = self._actor.store.get("rejections", message)
        if self._wait is not None and entry is not None and not entry.is_processed:
            self._actor.after(self._wait, CorrectionDue(message))

    def correct(self, message: str) -> None:
        """Deal with a refusal."""
        store = self._actor.store
        entry: InboxEntry | None = store.get("rejections", message)
        if entry is None or entry.is_processed or store.get("rep", "stopped", False):
            return
        with self._actor.commit() as change:
            change.put("rejections", message, attrs.evolve(entry, is_processed=True))
            lost = entry.content if isinstance(entry.content, Record) else None
            object_ = "order" if lost is None else lost.object
            local = local_of(store.get, object_, entry.guid)
            if local is None and lost is not None and entry.reason:
                self._restore(change, message, lost)

    def _restore(self, change: Change, message: str, lost: Record) -> None:
        """Write what was refused anew, complete, unless it must be refused again."""
        missing = dict.fromkeys(lacks_of(lost), AGREED)
        fields = tuple(sorted({**dict(lost.fields), **missing}.items()))
        complete = attrs.evolve(lost, fields=fields)
        hopeless = lost.key.endswith(AGAIN) or not self._writing.has_above(lost)
        if hopeless or why_not_so(None, complete, self._customer_of(lost)):
            return
        edit = RecordEdit("create", lost.object, lost.key + AGAIN, fields, lost.parent)
        change.note(RESTORED, edit.reference, guid=edit.reference, message=message)
        self._writing.edit(change, edit)

    def _customer_of(self, record: Record) -> Record | None:
        """Return the customer that a thing hangs on, if it hangs on one directly."""
        found: Record | None = self._actor.store.get("records", ("customer", record.parent))
        return found
