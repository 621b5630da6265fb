"""What do people need to know, whatever they work on? Prices, products, customers, contacts."""

import attrs

from crmsim.errors import BadValue

__all__ = ["MasterRecord", "Record", "RecordEdit", "key_of"]


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
    lacks: tuple[str, ...] = ()
    """What CRM finds missing in it; then it is incomplete (SAP: it contains errors)."""

    @property
    def reference(self) -> str:
        """What people call it."""
        return self.identity

    @property
    def identity(self) -> str:
        """What it is called wherever one name must do."""
        return f"{self.object} {self.key}"


def key_of(identity: str) -> tuple[str, str]:
    """Return (name of the replication object, key) of what is called so.

    >>> key_of("customer C1")
    ('customer', 'C1')
    """
    object_, _, key = identity.partition(" ")
    return object_, key


WAYS = ("create", "change", "delete")


@attrs.frozen
class RecordEdit:
    """What somebody does to one thing: a visit is noted down, moved to another day, dropped."""

    what: str
    """``create``, ``change`` or ``delete``."""
    object: str
    """What it is: the name of the replication object."""
    key: str
    fields: tuple[tuple[str, str], ...] = ()
    """(name, new value); what is left out stays as it is."""
    parent: str = ""
    """The key of what a new one depends on."""
    is_private: bool = False
    """It stays on the laptop: nobody else is to know of it."""

    def __attrs_post_init__(self) -> None:
        if self.what not in WAYS:
            raise BadValue(f"nobody can {self.what!r} a {self.object}; write {', '.join(WAYS)}")
        if not self.key or " " in self.object:
            raise BadValue(f"a {self.object!r} needs a key, and its kind is one word")
        if self.object == "order" and self.what != "delete":
            raise BadValue("an order is written as a SalesOrder and changed with an OrderEdit")
        if self.what == "delete" and (self.fields or self.is_private):
            raise BadValue(f"what is deleted gets no fields: {self.object} {self.key!r}")
        if self.what != "create" and self.parent:
            raise BadValue(f"only something new gets a parent: {self.object} {self.key!r}")
        if self.what == "change" and not self.fields:
            raise BadValue(f"say what of {self.object} {self.key!r} is changed")
        if not all(isinstance(text, str) for pair in self.fields for text in pair):
            raise BadValue(f"fields of a {self.object} are texts: {dict(self.fields)}")

    @property
    def reference(self) -> str:
        """What people call the thing."""
        return f"{self.object} {self.key}"
