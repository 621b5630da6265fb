"""Which of two policies is better, and by how much?

Both are run with the same seeds. A replication of one is compared with the same replication of the
other, which met the same luck; so the difference is known much better than either mean.
"""

from collections.abc import Sequence

import attrs

from crmsim.errors import BadInput
from crmsim.study.estimates import PairedEstimate, estimate_difference
from crmsim.study.study import CellResult, StudyResult

__all__ = ["Comparison", "compare_cells", "compare_studies"]


@attrs.frozen
class Comparison:
    """Two cells, metric by metric."""

    first: str
    second: str
    held: tuple[tuple[int, int], tuple[int, int]]
    """(runs that held, runs) of both."""
    censored: tuple[int, int]
    metrics: dict[str, PairedEstimate]

    @property
    def differing(self) -> dict[str, PairedEstimate]:
        """The metrics whose difference is not 0 with 95 % confidence; parts of tables left out.

        Of one pair alone nobody can say, so these are all that differ at all.
        """
        plain = {name: one for name, one in self.metrics.items() if "." not in name}
        if self.is_one_pair:
            return {name: one for name, one in plain.items() if one.difference.mean}
        return {name: one for name, one in plain.items() if is_shown(one)}

    @property
    def is_one_pair(self) -> bool:
        """Whether there are no two pairs of anything, so that no interval can be told."""
        counts = [one.difference.count for one in self.metrics.values()]
        return max(counts, default=0) == 1


def is_shown(found: PairedEstimate) -> bool:
    """Say whether the interval of a difference leaves out 0."""
    low, high = found.difference.low, found.difference.high
    if low is None or high is None:
        return False
    return low > 0 or high < 0


def compare_cells(
    first: CellResult, second: CellResult, titles: tuple[str, str], metrics: Sequence[str]
) -> Comparison:
    """Compare two cells, replication by replication.

    Raises:
        BadInput: they have no replication in common.
    """
    seeds = [{row.seed for row in cell.rows} for cell in (first, second)]
    if not seeds[0] & seeds[1]:
        raise BadInput(f"{titles[0]} and {titles[1]} have no seed in common, so there are no pairs")
    found: dict[str, PairedEstimate] = {}
    for metric in metrics:
        before, after = first.values(metric), second.values(metric)
        common = [replication for replication in before if replication in after]
        if common:
            found[metric] = estimate_difference(
                [before[one] for one in common], [after[one] for one in common]
            )
    return Comparison(
        *titles,
        ((first.held, len(first.rows)), (second.held, len(second.rows))),
        (first.censored, second.censored),
        found,
    )


def compare_studies(
    first: StudyResult, second: StudyResult, names: tuple[str, str]
) -> list[Comparison]:
    """Compare two studies of one scenario, cell by cell.

    Cells belong together if they are the only ones, or if what is varied is the same in both.

    Args:
        first: One study.
        second: The other.
        names: What they are called.

    Raises:
        BadInput: they are about different scenarios or seeds, or their cells do not fit together.
    """
    for name in ("scenario", "first_seed", "warm_up"):
        values = [getattr(study.origin, name) for study in (first, second)]
        if values[0] != values[1]:
            told = name.replace("_", " ")
            raise BadInput(f"the studies have another {told}: {values[0]} and {values[1]}")
    ours, theirs = ({study.label(cell): cell for cell in study.cells} for study in (first, second))
    if len(ours) == len(theirs) == 1:
        return [compare_cells(first.cells[0], second.cells[0], names, first.metrics)]
    if ours.keys() != theirs.keys():
        raise BadInput(
            f"the studies vary different things: {', '.join(ours)}; and {', '.join(theirs)}; "
            "name one cell of each, such as FILE#1"
        )
    return [
        compare_cells(
            ours[label],
            theirs[label],
            (f"{names[0]}\n{label}", f"{names[1]}\n{label}"),
            first.metrics,
        )
        for label in ours
    ]
