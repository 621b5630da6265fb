"""What is it that a run did not hold?"""

import re

import attrs

from crmsim.checks.check import Outcome
from crmsim.lab.scenario import Result, told

__all__ = ["ENDED_EARLY", "QUIET", "Finding", "all_findings_of", "findings_of"]

QUIET = "all comes to rest"
"""The name of the finding that quiet was not reached."""
ENDED_EARLY = "the run comes to its end"
"""The name of the finding that something raised."""
NAME = re.compile(r"'[^']*'|\S*\d\S*|[A-Z]{2,}\S*")
"""What names a certain thing in a sentence: a quoted text, a word with a digit, an abbreviation."""


@attrs.frozen
class Finding:
    """Something that did not hold in a run."""

    check: str
    text: str

    @property
    def kind(self) -> str:
        """The sentence without the names of certain things: it tells the kind of object."""
        return " ".join(NAME.sub("*", self.text.split("; ")[0]).split())

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


def all_findings_of(result: Result) -> tuple[Finding, ...]:
    """Return what did not hold, with everything that the checks tell in full."""
    found = [
        Finding(check.name, evidence.text)
        for check, verdict in result.verdicts
        if verdict.outcome is Outcome.VIOLATED
        for evidence in verdict.evidence
    ]
    if result.error is not None:
        found.append(Finding(ENDED_EARLY, told(result.error)))
    elif result.quiet is not None and not result.quiet.is_quiet:
        found.append(Finding(QUIET, "; ".join(result.quiet.still_moving[:3])))
    return tuple(found)
