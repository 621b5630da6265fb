"""What do people need to know, whatever they work on? Prices, products, customers, contacts."""

import attrs

__all__ = ["MasterRecord", "Record"]


@attrs.frozen
class MasterRecord:
    """One record of master data."""

    key: tuple[str, str]
    """Under which name it is published, and what it is about: a product, an entry of a table."""
    version: int
    """1 as first published, 2 after the first change, ..."""
    value: str = ""


@attrs.frozen
class Record:
    """One thing that some sites need and others do not: a customer, a contact, an activity."""

    object: str
    """What it is: the name of the replication object."""
    key: str
    fields: tuple[tuple[str, str], ...] = ()
    """(name, value), in order of the names."""
    parent: str = ""
    """The key of what it depends on; empty when it depends on nothing."""
    version: int = 1
    """1 as first saved in CRM Online, 2 after the first change, ..."""

    @property
    def identity(self) -> str:
        """What it is called wherever one name must do."""
        return f"{self.object} {self.key}"
