"""What a landscape can be set up to do wrong, so that the checks must notice it.

Each line is a configuration in which an invariant does not hold, or in which it holds and people
are disappointed all the same. A test marked ``@pytest.mark.fires("configuration: ...")`` shows that
it is noticed: a check is violated, or the result names what is lost.
"""

__all__ = ["CONFIGURATIONS", "configuration"]

CONFIGURATIONS: dict[str, tuple[str, ...]] = {
    "the numbers of CRM and the ERP do not match": ("I-78",),
    "the delta load is switched off": ("I-86", "I-88"),
    "a filter is changed": ("I-86",),
    "an administrator deletes a queue or what stands in it": ("I-10", "I-88"),
    "nobody remembers what was there before": ("I-9", "I-72"),
    "a laptop is lost with what it had not sent": ("I-29",),
    "a subscription is missing": ("I-37",),
    "old news are processed late, and nothing protects the newer": ("I-21",),
}
"""Configuration -> the invariants that it breaks or makes worthless."""


def configuration(name: str) -> str:
    """Return how a mark names a configuration."""
    assert name in CONFIGURATIONS, name
    return f"configuration: {name}"
