"""What does a rep read about changes that did not count, or not as a whole?

The inbox of rejections (SAP: in the order of components, with the states new and processed). An
entry holds what the rep had written, so that it can be restored, corrected and sent again. It stays
until the rep deletes it. Sources: CONTRIBUTING.md, S56, S57.
"""

import attrs

from crmsim.formats.answer import Confirmation, Overruled, Rejection
from crmsim.formats.bdoc import Thing

__all__ = ["InboxEntry", "entry_for"]


@attrs.frozen
class InboxEntry:
    """Something that the rep has to know."""

    message: str
    """The change that it is about."""
    guid: str
    reference: str
    reason: str
    """Why nothing of it counts; empty when the rest does."""
    overruled: tuple[Overruled, ...] = ()
    """Fields that do not count."""
    content: Thing | None = None
    """What the rep had written; for restoring what was refused."""
    is_processed: bool = False
    """Whether the rep has saved the document again since."""


def entry_for(
    answer: Confirmation | Rejection, reference: str, content: Thing | None
) -> InboxEntry | None:
    """Return the entry that an answer makes; None when all of the change counts."""
    if isinstance(answer, Rejection):
        return InboxEntry(
            answer.message, answer.guid, reference, answer.reason, answer.overruled, content
        )
    if answer.overruled:
        return InboxEntry(answer.message, answer.guid, reference, "", answer.overruled)
    return None
