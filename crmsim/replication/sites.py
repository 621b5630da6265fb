"""What lies ready for a laptop until it fetches it?

Sources: CONTRIBUTING.md, S31, S44.
"""

from collections.abc import Callable
from typing import Any

import attrs
from pyrsistent import PDeque, pdeque

from crmsim.formats.answer import Confirmation, Rejection
from crmsim.formats.bdoc import Removal, Replica, Task, Update
from crmsim.kernel.durable import Change
from crmsim.middleware.queue import site_queue
from crmsim.trace.kinds import ENQUEUED

__all__ = ["Content", "SiteQueue", "gets_bulk", "place_of", "tell", "version_of", "what_of"]

Content = Confirmation | Rejection | Update | Replica | Removal


@attrs.frozen
class SiteQueue:
    """What lies ready for one laptop until it fetches it (SAP: an outbound queue CRM_SITE_*)."""

    last: int = 0
    """The position of the newest content there ever was."""
    contents: PDeque[tuple[int, Content]] = attrs.field(factory=pdeque)


def tell(change: Change, site: str, content: Content, above: str = "") -> None:
    """Put something into the queue of a laptop; `above` is what it depends on."""
    lying: SiteQueue = change.get("site queues", site, SiteQueue())
    place = lying.last + 1
    contents = lying.contents.append((place, content))
    change.put("site queues", site, SiteQueue(place, contents))
    out = site_queue(site) + " out"
    change.note(
        ENQUEUED,
        place_of(site, place),
        queue=out,
        guid=content.guid,
        what=what_of(content),
        version=version_of(content),
        above=above,
    )


def gets_bulk(get: Callable[..., Any], site: str, publication: str) -> bool:
    """Say whether a site may fetch a publication now; one that the model does not name is for all.

    Args:
        get: Table, key, default -> row of CRM's store.
        site: The laptop.
        publication: The name of the publication.
    """
    is_for_all = get("model", publication) is None
    return is_for_all or bool(get("opened", (site, publication), False))


def what_of(content: Content) -> str:
    """Return what something that lies ready for a laptop does there."""
    if isinstance(content, Removal):
        return Task.DELETE.value
    if isinstance(content, Update | Replica):
        return content.task.value
    return type(content).__name__.lower()


def version_of(content: Content) -> int:
    """Return the how-manieth save in CRM Online it carries; 0 where it carries none."""
    if isinstance(content, Update):
        return content.save
    return content.record.version if isinstance(content, Replica) else 0


def place_of(site: str, place: int) -> str:
    """Return the name of what lies at a place of a laptop's queue."""
    return f"news {place} for {site}"
