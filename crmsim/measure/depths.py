"""How much lay in which queues, and when?

What waits is counted by where it waits: on laptops, in CRM for validation, on its way inside CRM,
for the ERP, in the ERP, back from the ERP, ready for laptops.
"""

from collections.abc import Iterator, Mapping

from crmsim.trace.journal import Event, Journal

__all__ = ["PLACES", "depths", "place_of_queue"]

PLACES = (
    "on laptops, not sent",
    "in CRM, to be validated",
    "in CRM, to be passed on",
    "in CRM, for the ERP",
    "in the ERP",
    "from the ERP",
    "in CRM, for laptops",
)
Depths = dict[str, list[tuple[int, int]]]
"""Place -> (time in ns, how much lies there from then on)."""


def place_of_queue(queue: str, kind: str) -> str:
    """Return where what stands in a queue waits.

    Args:
        queue: Its name.
        kind: The kind of the site that it is at.

    >>> place_of_queue("R3AU_SALESDO0005000001", "erp")
    'in the ERP'
    """
    if queue == "outbox":
        return PLACES[0]
    if queue.startswith("CRM_SITE_"):
        return PLACES[6] if queue.endswith(" out") else PLACES[1]
    if queue.startswith("R3AU_"):
        return PLACES[4] if kind == "erp" else PLACES[3]
    return PLACES[5] if queue.startswith("R3AD_") else PLACES[2]


def depths(journal: Journal, kinds: Mapping[str, str]) -> Depths:
    """Return how much lay where, change by change.

    Args:
        journal: What happened; of level ``business`` or more.
        kinds: Site -> its kind.
    """
    now = dict.fromkeys(PLACES, 0)
    of_outbox: dict[str, int] = {}
    found: Depths = {place: [(0, 0)] for place in PLACES}
    for event, queue, change in _changes(journal, of_outbox):
        place = place_of_queue(queue, kinds.get(event.actor, ""))
        now[place] += change
        found[place].append((event.time_ns, now[place]))
    return found


def _changes(journal: Journal, of_outbox: dict[str, int]) -> Iterator[tuple[Event, str, int]]:
    """Yield the events that put something into a queue or take it out, and how much."""
    kinds = ("saved", "enqueued", "ended", "cleared", "administered", "wiped", "replaced")
    for event in journal.select(*kinds):
        queue = str(event.detail.get("queue", ""))
        if event.kind == "saved":
            of_outbox[event.actor] = of_outbox.get(event.actor, 0) + 1
            yield event, "outbox", 1
        elif event.kind == "enqueued":
            yield event, queue, 1
        elif event.kind == "ended" or (event.kind == "administered" and "serial" in event.detail):
            yield event, queue, -1
        elif event.kind == "cleared" and (queue == "outbox" or queue.endswith(" out")):
            if queue == "outbox":
                of_outbox[event.actor] -= 1
            yield event, queue, -1
        elif event.kind == "wiped":
            yield event, "outbox", -of_outbox.pop(event.actor, 0)
        elif event.kind == "replaced":
            queue = f"CRM_SITE_{event.subject} out"
            yield event, queue, -int(str(event.detail["thrown_away"]))
