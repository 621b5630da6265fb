"""What does everybody need to know, whatever they work on? Prices, products, customizing."""

import attrs

__all__ = ["MasterRecord"]


@attrs.frozen
class MasterRecord:
    """One record of master data."""

    key: tuple[str, str]
    """Under which name it is published, and what it is about: a product, an entry of a table."""
    version: int
    """1 as first published, 2 after the first change, ..."""
    value: str = ""
