"""What is measured of a run in which people do many things with documents?

Everything comes from the journal and the final states. What was refused, overruled, put off or out
of date is counted; how old an answer to a customer was is measured against all that anybody had
written by then, on whatever channel.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from crmsim.lab.scenario import Result
from crmsim.measure.latency import quantile
from crmsim.trace.journal import Event, Journal
from crmsim.trace.kinds import OUTDATED
from crmsim.units import to_seconds

__all__ = ["field_metrics", "read_metrics"]

CONFLICT = "somebody else has changed"
"""How the reason of a refusal begins that is for a conflict."""


def field_metrics(result: Result, warm_up_ns: int = 0) -> Mapping[str, object]:
    """Return what became of the work of a field force.

    `conflicts`: changes that were overruled in part or refused because somebody else had changed
    the same meanwhile. `numbers_changed`: orders whose number is not the one that the rep had told
    the customer when he wrote them. `clerk_wait_s`: from the save with errors to the one that put
    it right.

    Args:
        result: The run.
        warm_up_ns: What happened before is left out; what is counted in the end (`orders_in_crm`,
            `orders_in_erp`, `numbers_changed`) is not.
    """
    journal = result.journal
    refused = _since(warm_up_ns, journal.select("rejected"))
    reasons = Counter(_sort_of(event) for event in refused)
    kinds = Counter(journal.kind_names(warm_up_ns))
    waits_s = [wait_s for since_ns, wait_s in _clerk_waits_s(journal) if since_ns >= warm_up_ns]
    saved = _since(warm_up_ns, journal.select("saved"))
    return {
        "saved": dict(sorted(Counter(map(_object_of, saved)).items())),
        "sessions_finished": kinds["finished"],
        "sessions_broken": kinds["broken"],
        "conflicts": kinds["overruled"] + reasons["conflict"],
        "rejections": sum(reasons.values()),
        "rejections_because": dict(sorted(reasons.items())),
        "restored": kinds["restored"],
        "parked": kinds["parked"],
        "realigned": kinds["realigned"],
        "missed": kinds["missed"],
        "kept_at_home": kinds["kept"],
        "repriced": kinds["repriced"],
        "made_under_old": kinds["outdated"] if journal.keeps(OUTDATED) else None,
        "numbers_changed": _numbers_changed(result),
        "orders_in_crm": len(result.simulation.store("crm").table("orders")),
        "orders_in_erp": len(result.simulation.store("erp").table("orders")),
        "put_right_by_the_clerk": len(waits_s),
        "clerk_wait_s_p50": quantile(waits_s, 0.5),
        "clerk_wait_s_p95": quantile(waits_s, 0.95),
        **read_metrics(result, warm_up_ns),
    }


def _since(moment_ns: int, events: Iterator[Event]) -> Iterator[Event]:
    return (event for event in events if event.time_ns >= moment_ns)


def _numbers_changed(result: Result) -> int:
    """Return how many orders have got another number than the one that their rep had told."""
    simulation = result.simulation
    return sum(
        local.base is not None and local.base.number != local.temporary
        for laptop in simulation.topology.sites("mobile")
        for local in simulation.store(laptop).table("orders").values()
    )


def _object_of(event: Event) -> str:
    return str(event.detail.get("object", "order"))


def _sort_of(event: Event) -> str:
    """Return in a word or two why a change was refused."""
    reason = str(event.detail["reason"])
    if reason.startswith(CONFLICT):
        return "conflict"
    for words in ("is blocked", "needs a", "CRM knows no", "deleted", "being distributed"):
        if words in reason:
            return words
    return "other"


def _clerk_waits_s(journal: Journal) -> Iterator[tuple[int, float]]:
    """Yield since when an order waited for the clerk, and how long."""
    since: dict[str, int] = {}
    for event in journal.select("committed"):
        guid = str(event.detail["guid"])
        if event.detail.get("by") == "clerk" and guid in since:
            since_ns = since.pop(guid)
            yield since_ns, to_seconds(event.time_ns - since_ns)
        elif event.detail.get("errors") or event.detail.get("locked"):
            since.setdefault(guid, event.time_ns)


Written = dict[str, tuple[int, int | None]]
"""What has been written about a document: change -> (when, the save of CRM Online it became)."""


def read_metrics(result: Result, warm_up_ns: int = 0) -> Mapping[str, object]:
    """Return how often customers got an answer that was out of date, and by how much.

    An answer is out of date if anybody had written something about the document by then that who
    answered could not see: another rep on a laptop, the office, the shop. `.._behind_s`: since when
    the oldest of that was written. A refused change never counts. `rep`: the rep answered, by the
    laptop; `other`: somebody on the telephone or the shop, by CRM.

    Args:
        result: The run.
        warm_up_ns: Questions that were asked before are left out.
    """
    asked: Counter[str] = Counter()
    stale: Counter[str] = Counter()
    behind_s: dict[str, list[float]] = {"rep": [], "other": []}
    known: dict[str, Written] = {}
    kinds = ("saved", "committed", "rejected", "read")
    for event in result.journal.select(*kinds):
        guid = str(event.detail.get("guid", ""))
        if event.kind != "read":
            _note(known.setdefault(guid, {}), event)
            continue
        if event.time_ns < warm_up_ns:
            continue
        channel = "rep" if event.detail["channel"] == "rep" else "other"
        asked[channel] += 1
        unseen = list(_unseen(known.get(guid, {}), event))
        if unseen:
            stale[channel] += 1
            behind_s[channel].append(to_seconds(event.time_ns - min(unseen)))
    found: dict[str, object] = {}
    for channel in ("rep", "other"):
        found |= {
            f"asked_{channel}": asked[channel],
            f"out_of_date_{channel}": stale[channel],
            f"behind_s_p50_{channel}": quantile(behind_s[channel], 0.5),
            f"behind_s_max_{channel}": max(behind_s[channel], default=None),
        }
    return found


def _note(written: Written, event: Event) -> None:
    """Remember what was written, which save it became, or that it does not count."""
    if event.kind == "rejected":
        written.pop(event.subject, None)
        return
    message = str(event.detail["message"])
    if event.kind == "saved":
        written[message] = event.time_ns, None
        return
    since_ns = written.get(message, (event.time_ns, None))[0]
    written[message] = since_ns, int(str(event.detail["save"]))


def _unseen(written: Written, read: Event) -> Iterator[int]:
    """Yield when each change was written that a reader could not see."""
    save, pending = (int(str(read.detail[name])) for name in ("save", "pending"))
    own = f"{read.actor} "
    for message, (since_ns, made) in written.items():
        is_own = pending > 0 and message.startswith(own)
        if not is_own and (made is None or made > save):
            yield since_ns
