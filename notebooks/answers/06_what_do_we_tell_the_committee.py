"""The answer to the exercise of lesson 6: put this into the cell of the exercise."""


def says_often_is_faster(committee):
    """The same six Tuesdays for both, compared day by day."""
    seeds = draw(committee, "both")
    return mean(SELDOM[seed] - OFTEN[seed] for seed in seeds) > 0
