"""What is it that a run did not hold?"""

import re
from collections.abc import Callable, Collection

import attrs

from crmsim.checks.check import Outcome
from crmsim.lab.scenario import Result, told

__all__ = ["ENDED_EARLY", "QUIET", "Finding", "all_findings_of", "finder", "findings_of", "kind_of"]

QUIET = "all comes to rest"
"""The name of the finding that quiet was not reached."""
ENDED_EARLY = "the run comes to its end"
"""The name of the finding that something raised."""
NAME = re.compile(r"'[^']*'|\S*\d\S*|[A-Z]{2,}\S*")
"""What names a certain thing in a sentence: a quoted text, a word with a digit, an abbreviation."""


def kind_of(text: str, names: Collection[str] = ()) -> str:
    """Return a sentence without the names of certain things: it tells the kind of object.

    Args:
        text: The sentence; of several behind each other, the first one.
        names: What things are called in this run, besides what looks like a name anyway.
    """
    words = NAME.sub("*", text.split("; ")[0]).split()
    masked = ["*" if word.strip(",.:()") in names else word for word in words]
    stars = [word for place, word in enumerate(masked) if not _repeats(masked, place)]
    return " ".join(stars)


def _repeats(words: list[str], place: int) -> bool:
    """Say whether a star follows a star: how many there are tells nothing about the kind."""
    return place > 0 and words[place].strip(",") == "*" == words[place - 1].strip(",")


@attrs.frozen
class Finding:
    """Something that did not hold in a run."""

    check: str
    text: str
    kind: str = attrs.field()
    """The sentence without the names of certain things."""

    @kind.default
    def _kind(self) -> str:
        return kind_of(self.text)

    def is_like(self, other: "Finding") -> bool:
        """Say whether the same check found the same about an object of the same kind."""
        return (self.check, self.kind) == (other.check, other.kind)


def findings_of(result: Result) -> tuple[Finding, ...]:
    """Return what did not hold: of each check what it found first.

    Expectations of the scenario are not asked: they say what is expected without trouble.
    """
    first: dict[str, Finding] = {}
    for finding in all_findings_of(result):
        first.setdefault(finding.check, finding)
    return tuple(first.values())


def finder(result: Result) -> Callable[[str, str], Finding]:
    """Return what makes a finding of a check and a sentence about a run."""
    names = {*result.simulation.actors, *result.simulation.sites}
    return lambda check, text: Finding(check, text, kind_of(text, names))


def all_findings_of(result: Result) -> tuple[Finding, ...]:
    """Return what did not hold, with everything that the checks tell in full."""
    finding = finder(result)

    found = [
        finding(check.name, evidence.text)
        for check, verdict in result.verdicts
        if verdict.outcome is Outcome.VIOLATED
        for evidence in verdict.evidence
    ]
    if result.error is not None:
        found.append(finding(ENDED_EARLY, told(result.error)))
    elif result.quiet is not None and not result.quiet.is_quiet:
        found.append(finding(QUIET, "; ".join(result.quiet.still_moving[:3])))
    return tuple(found)
