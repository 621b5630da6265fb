"""Where are small cases kept, so that what was found once is looked for ever after?

A corpus is a folder of scenario files, one for each thing that a hunt found and cut down. Each
holds its own test too: it fails as long as the defect is there.
"""

import hashlib
import math
import re
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import attrs

from crmsim.errors import BadInput, ModelError
from crmsim.hunt.case import Case, as_it_is, take_down
from crmsim.hunt.finding import Finding, all_findings_of, findings_of
from crmsim.hunt.script import can_name, write_script
from crmsim.hunt.shrinking import Shrunk, shrink
from crmsim.hunt.tale import tell_case
from crmsim.lab.runs import load_scenario
from crmsim.lab.scenario import Scenario
from crmsim.lab.trouble import Trouble

__all__ = ["Found", "Replayed", "cut_down", "replay_corpus", "store"]

ONLY_TROUBLE = (
    "the story decides by what it sees, or has actors of its own; only its trouble can be left out"
)


@attrs.frozen
class Found:
    """A finding, cut down; plain values."""

    seed: int
    """The run of the hunt that it was found in."""
    check: str
    text: str
    deviations: tuple[str, ...] = ()
    """What is left of the trouble; without any one of it, all is well."""
    clients: int | None = None
    orders: int | None = None
    """How many are left; None where they cannot be counted."""
    runs: int = 0
    """How many candidates were run."""
    is_minimal: bool = False
    also: tuple[Finding, ...] = ()
    """Everything that goes wrong in the small case."""
    tale: tuple[str, ...] = ()
    """How it happens, a line for each step."""
    name: str = ""
    """Of the file that shows it."""
    script: str = ""
    """The text of a scenario file that shows it; empty when there is none."""
    why_not: str = ""
    """Why there is no script, if there is none."""


def cut_down(
    scenario: Scenario,
    settings: object,
    luck_seed: int,
    trouble: Trouble,
    seed: int,
    finding: Finding,
    until_s: float = math.inf,
) -> Found:
    """Cut a finding of a run down, and write it as a scenario file.

    Args:
        scenario: What was run.
        settings: With which settings.
        luck_seed: With whose luck.
        trouble: What went wrong besides.
        seed: The run of the hunt.
        finding: What did not hold.
        until_s: When to stop, by `time.perf_counter`.
    """
    plain = Found(seed, finding.check, finding.text)
    small = shrink(take_down(scenario, settings, luck_seed, trouble), finding, until_s=until_s)
    if small is None:
        small = shrink(as_it_is(scenario, settings, luck_seed, trouble), finding, until_s=until_s)
        if small is None:
            return attrs.evolve(plain, why_not="run again, it does not fail")
        return attrs.evolve(_told(plain, small), why_not=ONLY_TROUBLE)
    found = _told(plain, small)
    failing = next((one for one in scenario.checks if one.name == finding.check), None)
    if failing is not None and not can_name(failing):
        why = f"the check {failing.name!r} stands in no module of crmsim, so no script can name it"
        return attrs.evolve(found, why_not=why)
    try:
        script = _script(small.case, found)
    except BadInput as error:
        return attrs.evolve(found, why_not=str(error))
    if not _shows(script, small.finding):
        return attrs.evolve(found, why_not="what was written down does not fail in the same way")
    return attrs.evolve(found, script=script)


def _shows(script: str, finding: Finding) -> bool:
    """Run a script and say whether it shows what it was written for."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "script.py"
        path.write_text(script, encoding="utf-8")
        return any(one.is_like(finding) for one in all_findings_of(load_scenario(str(path)).run()))


def _told(plain: Found, small: Shrunk) -> Found:
    case = small.case
    tale = tell_case(case, small.finding)
    slug = re.sub(r"\W+", "_", small.finding.check.lower()).strip("_")
    digest = hashlib.sha256(repr(case).encode()).hexdigest()[:6]
    return attrs.evolve(
        plain,
        text=small.finding.text,
        deviations=tuple(without.what for without in small.without),
        clients=len(case.laptops) if case.story is None else None,
        orders=len(case.orders) if case.story is None else None,
        runs=small.runs,
        is_minimal=small.is_minimal,
        tale=tuple(tale),
        also=all_findings_of(case.run()),
        name=f"{case.scenario}_{slug}_{digest}",
    )


def _script(case: Case, found: Found) -> str:
    name = f"found_{found.name.rpartition('_')[2]}"
    return write_script(case, name, _doc(case.scenario, found))


def _doc(scenario: str, found: Found) -> str:
    needed = found.deviations or ("nothing: it fails without any trouble",)
    title = "Without any one of these it does not happen:" if found.is_minimal else "It needs:"
    what = textwrap.fill(found.text, 96)
    return "\n".join(
        [
            f"Found by hunting in {scenario}: {found.check}",
            "",
            what,
            "",
            title,
            *(
                line
                for told in needed
                for line in textwrap.wrap(
                    told, 96, initial_indent="- ", subsequent_indent="  ", break_long_words=False
                )
            ),
            "",
            "How it happens:",
            "",
            *(f"    {line}"[:100].rstrip() for line in found.tale),
        ]
    )


def store(folder: Path, found: Found) -> Path:
    """Write a case into a corpus; return the file. One that is there already stays as it is.

    Raises:
        BadInput: it cannot be written there.
    """
    path = folder / f"{found.name}.py"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(found.script, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"--corpus {folder}: cannot be written ({error.strerror})") from None
    return path


@attrs.frozen
class Replayed:
    """What became of a case of the corpus."""

    path: Path
    findings: tuple[Finding, ...]


def replay_corpus(folder: Path) -> Iterator[Replayed]:
    """Run every case of a corpus; a folder that is not there holds none.

    Raises:
        BadInput: a file is no scenario.
    """
    for path in sorted(folder.glob("*.py")):
        if path.name in ("conftest.py", "__init__.py"):
            continue
        try:
            yield Replayed(path, findings_of(load_scenario(str(path)).run()))
        except ModelError as error:
            told = str(error)
            raise BadInput(told if str(path) in told else f"{path}: {told}") from error
