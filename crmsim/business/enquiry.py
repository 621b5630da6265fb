"""What do customers want to know?"""

import attrs

__all__ = ["Enquiry"]


@attrs.frozen
class Enquiry:
    """A customer asks how an order stands: whoever he asks looks it up."""

    reference: str
    """Which order, by its reference."""
