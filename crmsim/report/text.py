"""How is a run told on a terminal, to somebody who sees it for the first time?"""

import re
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from crmsim.checks.check import Evidence, Outcome, Verdict
from crmsim.lab.scenario import Result, told
from crmsim.quiet.settle import Quiet
from crmsim.trace.journal import show_event
from crmsim.trace.kinds import Level
from crmsim.units import seconds, show_duration

__all__ = ["is_in_seconds", "named_metric", "show_run", "show_seeds", "show_verdicts"]

MARKS = {
    Outcome.HELD: ("held", "green"),
    Outcome.VIOLATED: ("VIOLATED", "bold red"),
    Outcome.NOT_JUDGED: ("not judged", "yellow"),
}
NOT_JUDGED = Outcome.NOT_JUDGED.value
CAUSES_SHOWN = 8
STORY_OF_ORDERS = ("orders_written", "orders_by_fate", "sync_lag_s_p50", "crashes")
"""Metrics by which the report knows the story of `crmsim.lab.metrics.order_metrics`."""


def show_run(console: Console, result: Result, wall_s: float) -> None:
    """Print a run: what happened, what was measured, what was judged, how to repeat it."""
    lasted = show_duration(result.simulation.now_ns)
    _line(console, f"{result.scenario}: {result.seed=}".replace("result.seed=", "seed "))
    _pair(console, "virtual time", f"{lasted} in {show_duration(seconds(wall_s))}")
    _pair(console, "events", f"{len(result.journal):,}")
    if result.journal.level < Level.BUSINESS:
        level = result.journal.level.name.lower()
        _line(
            console,
            f"  trace level {level}: what it does not keep is left out or counts as 0 below",
            "yellow",
        )
    show_metrics(console, result.metrics)
    for active in result.simulation.fabric.faults:
        touched = f"touched {active.touched:,} messages" if active.touched else "touched NOTHING"
        _pair(console, "fault", f"{active.name}: {touched}")
    _show_quiet(console, result)
    console.print()
    show_verdicts(console, [(check.name, verdict) for check, verdict in result.verdicts])
    if result.expectations:
        _line(console, "\n  Expected by the scenario:", "dim")
        expected = [(one.sentence, verdict) for one, verdict in result.expectations]
        show_verdicts(console, expected)
    for check, verdict in result.verdicts:
        about = f"{check.name} ({', '.join(check.invariants)})"
        _show_evidence(console, result, f"Violated: {about}", check.explanation, verdict)
    for expectation, verdict in result.expectations:
        _show_evidence(console, result, f"Not as expected: {expectation.sentence}", "", verdict)
    for names in result.raw_turns:
        _line(console, f"order left to trio: {', '.join(names)} (may not be repeatable)", "yellow")
    if result.error is not None:
        _line(console, f"The run ended early: {told(result.error)}", "bold red")
    console.print()
    _pair(console, "fingerprint", str(result.fingerprint))
    _pair(console, "again", result.command)


def _line(console: Console, text: str, style: str = "bold") -> None:
    console.print(Text(text, style=style), soft_wrap=True)


def _pair(console: Console, name: str, value: str) -> None:
    console.print(Text(f"  {name:<22} ", style="dim") + Text(value), soft_wrap=True)


def _show_quiet(console: Console, result: Result) -> None:
    if result.quiet is None:
        return
    if result.quiet.kept_still:
        _pair(console, "kept still", ", ".join(result.quiet.kept_still))
    _show_aside(console, result.quiet)
    if result.quiet.is_quiet:
        _pair(console, "in the end", "all is quiet: nothing left to write, send or import")
        return
    _line(console, "  Quiet was not reached. Still moving:", "bold red")
    for what in result.quiet.still_moving[:8]:
        _line(console, f"    {what}", "red")


def _show_aside(console: Console, quiet: Quiet) -> None:
    """Name the documents that final states are not judged by, reason by reason."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for one in quiet.documents_aside:
        how = "judged in part" if one.is_partial else "not judged"
        by_reason.setdefault((how, one.reason), []).append(one.name)
    for (how, reason), names in by_reason.items():
        shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        _pair(console, how, f"{len(names)} documents ({reason}): {shown}")


def show_metrics(console: Console, metrics: Mapping[str, Any]) -> None:
    """Print what was measured; the words of the orders' story where they are known."""
    rest = dict(metrics)
    if all(name in rest for name in STORY_OF_ORDERS):
        _show_orders(console, rest)
    for name, value in rest.items():
        _pair(console, *_told_metric(name, value))


def is_in_seconds(metric: str) -> bool:
    """Say whether a metric is a span of time; its name tells.

    >>> is_in_seconds("sync_lag_s_p95"), is_in_seconds("orders_booked")
    (True, False)
    """
    return re.search(r"_s(?=_|\.|$)", metric) is not None


def named_metric(metric: str) -> str:
    """Return the name of a metric as one reads it.

    >>> named_metric("sync_lag_s_p95")
    'sync lag p95'
    """
    return re.sub(r"_s(?=_|\.|$)", "", metric).replace("_", " ")


def _told_metric(name: str, value: Any) -> tuple[str, str]:
    """Tell a metric by its name: one in seconds is shown as a duration."""
    if is_in_seconds(name) and isinstance(value, int | float):
        return named_metric(name), show_duration(seconds(value))
    return named_metric(name), _value(value)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_value(part)}" for name, part in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value)) or "none"
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _show_orders(console: Console, m: dict[str, Any]) -> None:
    """Print the metrics of a run of orders, and take them out of what is left to print."""
    take = m.pop
    fates = _value(take("orders_by_fate"))
    _pair(
        console,
        "orders",
        f"{take('orders_written'):,} written ({take('items_written'):,} items), "
        f"{take('orders_booked'):,} booked ({take('items_booked'):,} items)",
    )
    _pair(console, "what CRM knows", fates)
    _pair(
        console,
        "value",
        f"{_money(take('value_written'))} written, "
        f"{_money(take('value_booked'))} booked in the ERP",
    )
    by_rep = take("value_booked_by_rep")
    if len(by_rep) <= 12:
        shown = ", ".join(f"{rep}: {_money(value)}" for rep, value in by_rep.items())
        _pair(console, "booked by rep", shown)
    counts = {word: take(f"messages_{word}") for word in ("sent", "lost", "doubled", "retried")}
    because = take("messages_lost_because")
    if None not in counts.values():
        _pair(console, "messages", ", ".join(f"{counts[word]:,} {word}" for word in counts))
        _pair(console, "lost because", _value(because))
    broken = take("sessions_broken")
    _pair(
        console,
        "sessions",
        f"{take('sessions'):,} begun, {take('sessions_finished'):,} finished, "
        f"{sum(broken.values()):,} broken off",
    )
    _pair(console, "broken off in", _value(broken))
    lag = [take(f"sync_lag_s_{name}") for name in ("p50", "p95", "max")]
    told = ["-" if value is None else show_duration(seconds(value)) for value in lag]
    _pair(
        console,
        "written to booked",
        f"half within {told[0]}, 95 % within {told[1]}, "
        f"all within {told[2]}; never booked: {take('sync_lag_censored')}",
    )
    spent = take("sync_lag_spent_s_mean")
    if spent is not None:
        told = [f"{name} {show_duration(seconds(mean))}" for name, mean in spent.items()]
        _pair(console, "of that, on average", ", ".join(told))
    _pair(console, "shipped late", f"{take('shipped_late')} orders")
    show_crashes(console, take("crashes"))


def _money(text: str) -> str:
    whole, _, part = text.partition(".")
    return f"{int(whole):,}.{part}"


def show_crashes(console: Console, crashes: Mapping[str, Mapping[str, int]]) -> None:
    """Print how often each kind of site crashed at each named point."""
    points = list(next(iter(crashes.values()))) if crashes else []
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("  crashes", style="dim")
    for kind in crashes:
        table.add_column("laptop" if kind == "mobile" else kind, justify="right")
    for point in points:
        table.add_row(f"    {point}", *(f"{counts[point]:,}" for counts in crashes.values()))
    console.print(table)


def show_verdicts(console: Console, verdicts: list[tuple[str, Verdict]]) -> None:
    """Print each check or expectation with its verdict and how much it judged.

    Those that had nothing to judge share a line in the end.
    """
    idle = [name for name, verdict in verdicts if verdict.outcome is Outcome.NOT_JUDGED]
    for name, verdict in verdicts:
        if verdict.outcome is Outcome.NOT_JUDGED:
            continue
        mark, style = MARKS[verdict.outcome]
        judged = f"{verdict.judged:>9,} judged"
        more = _times(verdict.violations)
        console.print(
            Text(f"  {mark:<11}", style=style) + Text(f"{judged}  {name}{more}"),
            soft_wrap=True,
        )
    if idle:
        mark, style = MARKS[Outcome.NOT_JUDGED]
        told = f"{len(idle):>9,} had nothing to judge: {'; '.join(idle)}"
        console.print(Text(f"  {mark:<11}", style=style) + Text(told), soft_wrap=True)


def _times(violations: int) -> str:
    if violations < 2:
        return " (once)" if violations else ""
    return f" ({violations:,} times)"


def _show_evidence(
    console: Console, result: Result, headline: str, asked: str, verdict: Verdict
) -> None:
    if verdict.outcome is not Outcome.VIOLATED:
        return
    console.print()
    _line(console, headline, "bold red")
    if asked:
        _line(console, f"  What is asked: {asked}", "dim")
    for evidence in verdict.evidence[:3]:
        _line(console, f"  {evidence.text}", "red")
        _show_causes(console, result, evidence)
    if verdict.violations > 3:
        _line(console, f"  ... and {verdict.violations - 3:,} more", "dim")


def _show_causes(console: Console, result: Result, evidence: Evidence) -> None:
    if not evidence.event:
        return
    chain = result.journal.causes(evidence.event)
    if len(chain) > CAUSES_SHOWN:
        _line(console, f"      ... {len(chain) - CAUSES_SHOWN} earlier causes", "dim")
    for event in chain[-CAUSES_SHOWN:]:
        _line(console, f"      {show_event(event)}", "")


def show_seeds(console: Console, runs: list[dict[str, Any]], sums: Mapping[str, Any]) -> None:
    """Print the sum over many runs, after the lines of the failing ones."""
    held = sum(run["held"] for run in runs)
    style = "green" if held == len(runs) else "bold red"
    _line(console, f"{len(runs)} runs: {held} held, {len(runs) - held} failed", style)
    _pair(console, "events", f"{sum(run['events'] for run in runs):,}")
    for name in ("value_booked", "orders_booked", "items_booked"):
        values = list(dict.fromkeys(run["metrics"].get(name) for run in runs))
        if values != [None]:
            shown = ", ".join(map(_plain, values[:4])) + (" ..." if len(values) > 4 else "")
            every = " in every run" if len(values) == 1 else f" ({len(values)} different values)"
            _pair(console, name.replace("_", " "), shown + every)
    for name, value in sums.items():
        if name == "crashes":
            show_crashes(console, value)
        else:
            _pair(console, name.replace("_", " "), _value(value))
    judged = sum_judged(runs)
    idle = [c for c, (outcomes, _) in judged.items() if list(outcomes) == [NOT_JUDGED]]
    for check, (outcomes, count) in judged.items():
        if check in idle:
            continue
        told = ", ".join(f"{outcome} in {n}" for outcome, n in outcomes.items())
        console.print(Text(f"  {count:>13,} judged  {check}: {told}"), soft_wrap=True)
    if idle:
        told = f"  {len(idle):>13,} had nothing to judge in any run: {'; '.join(idle)}"
        console.print(Text(told), soft_wrap=True)


def _plain(value: object) -> str:
    return _money(value) if isinstance(value, str) else _value(value)


def sum_judged(runs: list[dict[str, Any]]) -> dict[str, tuple[dict[str, int], int]]:
    """Return check -> (verdict -> in how many runs, how much was judged in all)."""
    found: dict[str, tuple[dict[str, int], int]] = {}
    for run in runs:
        for check in (*run["checks"], *run["expectations"]):
            outcomes, count = found.get(check["name"], ({}, 0))
            outcomes[check["verdict"]] = outcomes.get(check["verdict"], 0) + 1
            found[check["name"]] = (outcomes, count + check["judged"])
    return found
