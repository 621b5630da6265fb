"""Draws the state tables of the product into CONTRIBUTING.md, from the data that the code runs on.

`python -m tests.statetables` writes them; a test fails when they are not what the code has.
"""

import enum
import re
from collections.abc import Mapping
from pathlib import Path

from crmsim.applications.status import DISTRIBUTION
from crmsim.middleware import load, queue, status
from crmsim.middleware.flow import SERVICES
from crmsim.sync.session import FOLLOWS

PAGE = Path(__file__).parent.parent / "CONTRIBUTING.md"
MANY = 4
"""From how many states an event must lead to one state to be drawn as one arrow."""
Table = Mapping[tuple[str, str], str]


def _name(state: enum.Enum) -> str:
    if isinstance(state, status.BDocState):
        return f"{state.value} {state.name.lower().replace('_', ' ')}"
    return str(state.value)


def tables() -> dict[str, Table]:
    """Return title -> (state, event) -> following state, in words."""
    plain = {
        "bdoc": status.TRANSITIONS,
        "queue": queue.TRANSITIONS,
        "distribution": DISTRIBUTION,
        "load": load.TRANSITIONS,
    }
    found: dict[str, Table] = {
        title: {(_name(a), _name(event)): _name(b) for (a, event), b in table.items()}  # type: ignore[attr-defined]
        for title, table in plain.items()
    }
    found["session"] = {
        (phase.value, "went well" if went_well else "broke off"): following.value
        if following
        else "(over)"
        for (phase, went_well), following in FOLLOWS.items()
    }
    return found


def rows(table: Table) -> list[str]:
    """Return a Markdown table: a state a line, with all that can happen in it."""
    by_state: dict[str, dict[str, list[str]]] = {}
    for (state, event), following in table.items():
        by_state.setdefault(state, {}).setdefault(following, []).append(event)
    lines = ["| in state | what can happen, and what follows |", "|---|---|"]
    for state, ways in by_state.items():
        told = "; ".join(f"{', '.join(events)} → {following}" for following, events in ways.items())
        lines.append(f"| {state} | {told} |")
    ends = sorted(set(table.values()) - set(by_state))
    if ends:
        lines.append(f"| {', '.join(ends)} | nothing any more |")
    return lines


def drawing(table: Table) -> list[str]:
    """Return the table as a diagram that Mermaid draws, as on the page of a code host."""
    sources: dict[tuple[str, str], list[str]] = {}
    for (state, event), following in table.items():
        sources.setdefault((event, following), []).append(state)
    arrows: dict[tuple[str, str], list[str]] = {}
    for (event, following), states in sources.items():
        whole = ["any of " + ", ".join(state.split()[0] for state in states)]
        for state in whole if len(states) >= MANY else states:
            arrows.setdefault((state, following), []).append(event)
    ids: dict[str, str] = {}
    lines = ["```mermaid", "flowchart LR"]
    for (state, following), events in arrows.items():
        ends = [_node(end, ids) for end in (state, following)]
        lines.append(f'    {ends[0]} -->|"{", ".join(events)}"| {ends[1]}')
    return [*lines, "```"]


def _node(name: str, ids: dict[str, str]) -> str:
    """Return a node, with its text where it first occurs."""
    if name in ids:
        return ids[name]
    ids[name] = f"s{len(ids)}"
    return f'{ids[name]}["{name}"]'


def contexts() -> list[str]:
    """Return a Markdown table of the contexts of the flow."""
    lines = ["| context | what is done, in order |", "|---|---|"]
    for context, services in SERVICES.items():
        lines.append(f"| {context.value} | {', '.join(services) or 'what a customer adds'} |")
    return lines


def drawn(page: str) -> str:
    """Return a page with all tables as they are in the code."""
    blocks = {title: [*rows(table), "", *drawing(table)] for title, table in tables().items()}
    for title, lines in (blocks | {"contexts": contexts()}).items():
        block = "\n".join(lines)
        mark = rf"(<!-- states: {title} -->\n).*?(\n<!-- end -->)"
        page, count = re.subn(mark, lambda m, b=block: m[1] + b + m[2], page, flags=re.DOTALL)  # type: ignore[misc]
        assert count == 1, f"the page has {count} places for {title}"
    return page


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
