"""What is measured of a run of orders?

Everything comes from the journal and the final states. Quantiles are by nearest rank: the p95 of
100 numbers is the 95th smallest. What never arrived is counted apart (censored), not left out.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import attrs

from crmsim.applications.pricing import exact_sum
from crmsim.checks.check import is_order
from crmsim.kernel.durable import CrashPoint
from crmsim.lab.scenario import Result
from crmsim.lab.trouble import CRASH_KINDS
from crmsim.measure.latency import quantile
from crmsim.measure.road import ROAD_KINDS, Part, Road
from crmsim.mobile.dialling import BUSY
from crmsim.quiet.aside import lost_saves
from crmsim.sync.session import Phase
from crmsim.trace.journal import Event, Journal
from crmsim.trace.kinds import ENQUEUED, KINDS, SENT
from crmsim.units import to_seconds

__all__ = [
    "line_times_s",
    "order_metrics",
    "realignment_metrics",
    "replacement_metrics",
    "station_metrics",
    "sync_lags_s",
]

_OF_MESSAGES = (
    *("messages_sent", "messages_lost", "messages_lost_because"),
    *("messages_doubled", "messages_retried"),
)


def order_metrics(result: Result, warm_up_ns: int = 0) -> Mapping[str, object]:
    """Return what is measured of a run in which reps write orders.

    A metric whose events the journal did not keep is None, not zero.

    Args:
        result: The run.
        warm_up_ns: Orders that were written before are left out, and so is whatever else happened
            before.
    """
    journal = result.journal
    written = _written(journal, warm_up_ns)
    is_kept = journal.keeps(SENT)
    return {
        **_orders(result, written),
        **(_messages(journal, warm_up_ns) if is_kept else dict.fromkeys(_OF_MESSAGES)),
        **_sessions(journal, warm_up_ns),
        **_lags(journal, written),
        "shipped_late": sum(
            int(str(event.detail["day"])) > int(str(event.detail["planned"]))
            for event in journal.select("shipped")
            if str(event.detail["guid"]) in written
        ),
        "crashes": _crashes(journal, warm_up_ns),
    }


@attrs.define
class _WrittenOrder:
    """An order as it was written on a laptop."""

    first_ns: int
    items: int = 0
    value: Decimal = Decimal(0)


def _written(journal: Journal, warm_up_ns: int) -> dict[str, _WrittenOrder]:
    """Return GUID -> order, as it was saved last, of those that came to be after the warm-up."""
    found: dict[str, _WrittenOrder] = {}
    for event in _saved_orders(journal):
        order = found.setdefault(str(event.detail["guid"]), _WrittenOrder(event.time_ns))
        order.items = int(str(event.detail["items"]))
        order.value = Decimal(str(event.detail["value"]))
    return {guid: order for guid, order in found.items() if order.first_ns >= warm_up_ns}


def _saved_orders(journal: Journal) -> Iterator[Event]:
    return filter(is_order, journal.select("saved"))


def _orders(result: Result, written: Mapping[str, _WrittenOrder]) -> dict[str, object]:
    rows: list[Any] = list(result.simulation.store("erp").table("orders").values())
    booked = [row for row in rows if row.order.guid in written]
    by_rep: dict[str, Decimal] = {}
    for row in booked:
        by_rep[row.order.rep] = by_rep.get(row.order.rep, Decimal(0)) + row.net_value
    fates = Counter(
        record.document.fate.value
        for record in result.simulation.store("crm").table("orders").values()
        if record.document.order.guid in written
    )
    return {
        "orders_written": len(written),
        "orders_booked": len(booked),
        "items_written": sum(order.items for order in written.values()),
        "items_booked": sum(len(row.order.items) for row in booked),
        "orders_by_fate": dict(sorted(fates.items())),
        "value_written": _money(exact_sum(order.value for order in written.values())),
        "value_booked": _money(exact_sum(row.net_value for row in booked)),
        "value_booked_by_rep": {rep: _money(by_rep[rep]) for rep in sorted(by_rep)},
    }


def _money(amount: Decimal) -> str:
    """Return money as exact text with four decimals, more where the exact amount has more."""
    places = max(4, -int(amount.normalize().as_tuple().exponent))
    return f"{amount:.{places}f}"


def _messages(journal: Journal, warm_up_ns: int) -> dict[str, object]:
    counts = Counter(journal.kind_names(warm_up_ns))
    reasons = Counter(
        str(event.detail.get("reason"))
        for event in journal.select("lost")
        if event.time_ns >= warm_up_ns
    )
    return {
        "messages_sent": counts["sent"],
        "messages_lost": counts["lost"],
        "messages_lost_because": dict(sorted(reasons.items())),
        "messages_doubled": counts["duplicated"],
        "messages_retried": counts["retried"],
    }


def _sessions(journal: Journal, warm_up_ns: int) -> dict[str, object]:
    begun = finished = 0
    broken: Counter[str] = Counter()
    at: dict[str, str] = {}
    for event in journal.select("entered", "broken", "finished", "crashed"):
        if event.time_ns < warm_up_ns:
            continue
        if event.kind == "entered":
            phase = str(event.detail["phase"])
            begun += phase == Phase.INIT.value
            if phase == Phase.INIT.value or event.actor in at:
                at[event.actor] = phase  # after a break the session is counted already
        elif event.kind == "finished":
            finished += 1
            at.pop(event.actor, None)
        elif event.kind == "broken":
            broken[str(event.detail["phase"])] += 1
            at.pop(event.actor, None)
        elif event.actor in at:
            broken[at.pop(event.actor)] += 1
    return {
        "sessions": begun,
        "sessions_finished": finished,
        "sessions_broken": {phase.value: broken[phase.value] for phase in Phase},
    }


def _lags(journal: Journal, written: Mapping[str, _WrittenOrder]) -> dict[str, object]:
    saved, booked = _saved_and_booked(journal, written)
    lags = [to_seconds(booked[guid] - begin) for guid, begin in saved.items() if guid in booked]
    return {
        "sync_lag_spent_s_mean": _spent(journal, saved, booked),
        "sync_lag_s_p50": quantile(lags, 0.5),
        "sync_lag_s_p95": quantile(lags, 0.95),
        "sync_lag_s_max": max(lags, default=None),
        "sync_lag_censored": len(saved) - len(lags),
    }


def sync_lags_s(journal: Journal) -> tuple[list[float], int]:
    """Return how long orders took from the laptop to the ERP, and how many never got there."""
    saved, booked = _saved_and_booked(journal, _written(journal, 0))
    lags = [to_seconds(booked[guid] - begin) for guid, begin in saved.items() if guid in booked]
    return lags, len(saved) - len(lags)


def _saved_and_booked(
    journal: Journal, written: Mapping[str, _WrittenOrder]
) -> tuple[dict[str, int], dict[str, int]]:
    """Return GUID -> first save on the laptop, and GUID -> first booking in the ERP."""
    booked: dict[str, int] = {}
    for event in journal.select("booked"):
        booked.setdefault(str(event.detail["guid"]), event.time_ns)
    return {guid: order.first_ns for guid, order in written.items()}, booked


def _spent(
    journal: Journal, saved: Mapping[str, int], booked: Mapping[str, int]
) -> dict[str, float] | None:
    if not all(journal.keeps(KINDS[kind]) for kind in ROAD_KINDS):
        return None
    road = Road(journal)
    spent = Counter(dict.fromkeys(Part, 0))
    for guid, end_ns in booked.items():
        if guid in saved:
            spent.update(road.spent_ns(guid, saved[guid], end_ns))
    count = max(sum(guid in saved for guid in booked), 1)
    return {part.value: to_seconds(ns) / count for part, ns in spent.items()}


def _crashes(journal: Journal, warm_up_ns: int) -> dict[str, dict[str, int]]:
    table = {kind: {point.value: 0 for point in CrashPoint} for kind in CRASH_KINDS}
    for event in journal.select("crashed"):
        kind, point = str(event.detail["site_kind"]), str(event.detail["point"])
        if event.time_ns >= warm_up_ns and point in table.get(kind, {}):
            table[kind][point] += 1
    return table


def realignment_metrics(result: Result) -> Mapping[str, object]:
    """Return what is measured of a run in which things move from laptop to laptop.

    `exposure_s`: how long a laptop still held what was no longer its own, from the change in the
    CDB to the deletion on the laptop. `gap_s`: how long until the laptop that it went to had it.
    `lookup_bytes_each`: bytes of the lookup table for each (laptop, thing) that it names.
    """
    journal = result.journal
    queued = journal.select("enqueued")
    told = Counter(str(e.detail["what"]) for e in queued if "what" in e.detail)
    is_kept = journal.keeps(ENQUEUED)
    moved = list(journal.select("realigned"))
    worked = list(journal.select("worked"))
    exposure_s, gap_s = _moves(journal)
    begun_ns = min((_asked_ns(event) for event in moved), default=0)
    ended_ns = max((event.time_ns for event in worked), default=begun_ns)
    return {
        "moved": len(moved),
        "messages_inserted": told["insert"] if is_kept else None,
        "messages_deleted": told["delete"] if is_kept else None,
        "messages_updated": told["update"] if is_kept else None,
        "demon_turns": len(worked),
        "demon_done_after_s": to_seconds(ended_ns - begun_ns),
        "exposure_s_p50": quantile(exposure_s, 0.5),
        "exposure_s_max": max(exposure_s, default=None),
        "gap_s_p50": quantile(gap_s, 0.5),
        "gap_s_max": max(gap_s, default=None),
        "lookup_bytes_each": _lookup_bytes(result),
        "receive_nothing": _idle_sites(result),
    }


def replacement_metrics(result: Result) -> Mapping[str, object]:
    """Return what is measured of a run in which laptops lose their disks, or are replaced.

    `lost_changes`: saves that were on a lost disk alone. `missed_changes`: changes that a rep could
    not make, because the document was not on the laptop. `complete_after_s`: from the restart with
    a new disk until everything was there that belonged there at its first call; `never_complete`:
    disks of which that cannot be said.
    """
    journal = result.journal
    lost = list(lost_saves(result.simulation))
    replaced = list(journal.select("replaced"))
    filled_s = _filled_s(journal)
    full_s = [time_s for time_s in filled_s if time_s is not None]
    laptops = result.simulation.topology.sites("mobile")
    return {
        "new_disks": sum(event.actor in laptops for event in journal.select("wiped")),
        "lost_changes": len(lost),
        "lost_documents": len(dict.fromkeys(reference for _, reference in lost)),
        "missed_changes": len(list(journal.select("missed"))),
        "thrown_away": sum(int(str(event.detail["thrown_away"])) for event in replaced),
        "sent_anew": sum(len(_tuple(event, "things")) for event in replaced),
        "complete_after_s_p50": quantile(full_s, 0.5),
        "complete_after_s_max": max(full_s, default=None),
        "never_complete": len(filled_s) - len(full_s),
        "longest_call_s": max((time_s for _, time_s in line_times_s(journal)), default=None),
        "orders_written": len(dict.fromkeys(event.subject for event in _saved_orders(journal))),
        "orders_booked": len(result.simulation.store("erp").table("orders")),
    }


def _filled_s(journal: Journal) -> list[float | None]:
    """Return for each new disk how long after its start everything was on it; None for never.

    What went to another laptop meanwhile is not waited for.
    """
    begun: dict[str, int] = {}
    due: dict[str, dict[object, int]] = {}
    found: dict[tuple[str, int], float | None] = {}
    kinds = ("wiped", "restarted", "replaced", "realigned", "imported")
    for event in journal.select(*kinds):
        laptop, guid = event.actor, event.detail.get("guid")
        if event.kind == "wiped":
            due.pop(laptop, None)
            begun[laptop] = event.time_ns
        elif event.kind == "restarted" and laptop in begun and laptop not in due:
            begun[laptop] = event.time_ns
        elif event.kind == "replaced":
            laptop = event.subject
            due[laptop] = dict.fromkeys(_tuple(event, "things"), 0)
            due[laptop] |= dict(_tuple(event, "bulk"))
            found[laptop, begun[laptop]] = None
        elif event.kind == "realigned":
            for site in _tuple(event, "leaving"):
                due.get(site, {}).pop(event.subject.removeprefix("order "), None)
        elif event.detail.get("what") == "bulk":
            name = event.detail["publication"]
            if int(str(event.detail["position"])) >= due.get(laptop, {}).get(name, 0):
                due.get(laptop, {}).pop(name, None)
        elif event.detail.get("task") == "insert":
            due.get(laptop, {}).pop(guid, None)
        if laptop in due and not due[laptop] and found[laptop, begun[laptop]] is None:
            found[laptop, begun[laptop]] = to_seconds(event.time_ns - begun[laptop])
    return list(found.values())


def _tuple(event: Event, name: str) -> tuple[Any, ...]:
    value = event.detail[name]
    assert isinstance(value, tuple)
    return value


def line_times_s(journal: Journal) -> list[tuple[str, float]]:
    """Return (laptop, how long a session held the line): from dialling to the import."""
    begun: dict[str, int] = {}
    found = []
    for event in journal.select("entered"):
        if event.detail["phase"] == "AUTH":
            begun[event.subject] = event.time_ns
        elif event.detail["phase"] == "IMPORT" and event.subject in begun:
            found.append((event.actor, to_seconds(event.time_ns - begun.pop(event.subject))))
    return found


def _asked_ns(event: Event) -> int:
    """Return when what led to a realignment came to the CDB: a change, a subscription."""
    return int(str(event.detail["asked_ns"]))


def _moves(journal: Journal) -> tuple[list[float], list[float]]:
    left: dict[tuple[str, str], int] = {}
    entered: dict[tuple[str, str], int] = {}
    exposure_s: list[float] = []
    gap_s: list[float] = []
    for event in journal.select("realigned", "imported"):
        if event.kind == "realigned":
            guid, asked_ns = event.subject.removeprefix("order "), _asked_ns(event)
            for name, times in (("leaving", left), ("entering", entered)):
                sites = event.detail[name]
                assert isinstance(sites, tuple)
                times.update({(site, guid): asked_ns for site in sites})
            continue
        key = event.actor, str(event.detail.get("guid", ""))
        what = event.detail["what"]
        times, found = (left, exposure_s) if what == "removal" else (entered, gap_s)
        if key in times:
            found.append(to_seconds(event.time_ns - times.pop(key)))
    return exposure_s, gap_s


def _lookup_bytes(result: Result) -> float | None:
    """Return what the lookup table costs for each pair of a laptop and a thing."""
    total, pairs = 0, 0
    for crm in result.simulation.topology.sites("crm"):
        lookup = dict(result.simulation.store(crm).table("lookup"))
        groups = dict.fromkeys(lookup.values())  # things with the same sites share one list
        total += sys.getsizeof(lookup) + sum(map(sys.getsizeof, (*lookup, *groups)))
        pairs += sum(map(len, lookup.values()))
    return round(total / pairs, 1) if pairs else None


def _idle_sites(result: Result) -> list[str]:
    """Return the laptops that no subscription names: they get nothing, and nobody is told."""
    topology = result.simulation.topology
    named: dict[str, None] = {}
    for crm in topology.sites("crm"):
        for one in result.simulation.store(crm).table("subscriptions").values():
            named.update(dict.fromkeys(one.sites))
    return [laptop for laptop in topology.sites("mobile") if laptop not in named]


def station_metrics(
    result: Result, first_ns: int = 0, last_ns: int | None = None
) -> Mapping[str, object]:
    """Return what is measured of a run in which laptops compete for the connections of stations.

    `most_at_once`: station -> the most laptops that were let in and had not hung up. `wait_s`: from
    the first call of a session until it was let in; sessions that never were are counted as
    `sessions_given_up`. `session_s`: from the beginning to the end of the import.

    Args:
        result: The run.
        first_ns: From which moment on; only sessions that begin then or later count.
        last_ns: Up to which moment; None for the end of the run.
    """
    journal = result.journal
    sessions = _sessions_begun(journal, first_ns, last_ns)
    refused = Counter(
        str(event.detail["reason"])
        for event in journal.select("refused")
        if event.subject in sessions
    )
    redialled = [event for event in journal.select("redialled") if event.subject in sessions]
    moved = [one for one in redialled if one.detail["station"] != one.detail["before"]]
    wait_s, lasts_s, given_up = _session_spans_s(journal, sessions)
    return {
        "most_at_once": _most_at_once(result, sessions) if journal.keeps(SENT) else None,
        "calls_refused_busy": refused.pop(BUSY, 0),
        "calls_refused_otherwise": dict(sorted(refused.items())),
        "sessions_begun": len(sessions),
        "sessions_let_in": len(wait_s),
        "sessions_that_changed_station": len(dict.fromkeys(event.subject for event in moved)),
        "sessions_given_up": given_up,
        "wait_s_p50": quantile(wait_s, 0.5),
        "wait_s_p95": quantile(wait_s, 0.95),
        "wait_s_max": max(wait_s, default=None),
        "session_s_p95": quantile(lasts_s, 0.95),
    }


def _sessions_begun(journal: Journal, first_ns: int, last_ns: int | None) -> dict[str, int]:
    """Return session -> when it began, for those of a span."""
    return {
        event.subject: event.time_ns
        for event in journal.select("entered")
        if event.detail["phase"] == Phase.INIT.value
        and event.time_ns >= first_ns
        and (last_ns is None or event.time_ns <= last_ns)
    }


def _session_spans_s(
    journal: Journal, sessions: Mapping[str, int]
) -> tuple[list[float], list[float], int]:
    """Return how long sessions waited to be let in, how long they lasted, how many never were."""
    called: dict[str, int] = {}
    wait_s, lasts_s, given_up = [], [], 0
    for event in journal.select("entered", "broken", "finished"):
        phase, session = str(event.detail.get("phase", "")), event.subject
        if session not in sessions:
            continue
        if event.kind == "broken":
            given_up += phase == Phase.AUTH.value
        elif event.kind == "finished":
            lasts_s.append(to_seconds(event.time_ns - sessions[session]))
        elif phase == Phase.AUTH.value:
            called[session] = event.time_ns
        elif phase == Phase.SEND.value:
            wait_s.append(to_seconds(event.time_ns - called[session]))
    return wait_s, lasts_s, given_up


def _most_at_once(result: Result, sessions: Mapping[str, int]) -> dict[str, int]:
    """Count sessions from the answer that lets a laptop in to the end of its call."""
    stations = result.simulation.topology.sites("station")
    most = dict.fromkeys(stations, 0)
    at: dict[str, dict[str, None]] = {station: {} for station in stations}
    current: dict[str, str] = {}
    """Laptop -> its session."""
    for event in result.journal.select("sent", "entered", "broken", "crashed"):
        if event.kind == "sent":
            laptop = str(event.detail["to"])
            if event.actor in most and event.detail["message"] == "Admitted":
                at[event.actor][laptop] = None
                if current.get(laptop) in sessions:
                    most[event.actor] = max(most[event.actor], len(at[event.actor]))
        elif event.kind == "entered" and event.detail["phase"] != Phase.IMPORT.value:
            current[event.actor] = event.subject
        else:
            for laptops in at.values():
                laptops.pop(event.actor, None)
    return most
