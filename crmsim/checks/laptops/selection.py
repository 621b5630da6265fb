"""What belongs to which laptop, computed from scratch?

From what CRM Online and its subscriptions say; the lookup table of the server is not trusted.
"""

from collections.abc import Iterator
from typing import Any

from crmsim.middleware.replication import Kind, ReplicationObject

__all__ = ["Key", "Selection", "held_by"]

Key = tuple[str, str]
"""(replication object, key); an order by its GUID."""


class Selection:
    """What belongs to which site, computed from scratch."""

    def __init__(self, store: Any) -> None:
        self.model: dict[str, ReplicationObject] = dict(store.table("model"))
        self._records = dict(store.table("records"))
        self._orders = {
            record.document.order.guid: record for record in store.table("orders").values()
        }
        self._wanted: dict[str, dict[tuple[str, ...], dict[tuple[str, ...], list[str]]]] = {}
        """Object -> names of criteria -> their values -> sites; so many subscriptions name each."""
        for one in store.table("subscriptions").values():
            names = tuple(name for name, _ in one.pattern)
            values = tuple(value for _, value in one.pattern)
            groups = self._wanted.setdefault(one.about, {}).setdefault(names, {})
            groups.setdefault(values, []).extend(one.sites)
        self._known: dict[Key, tuple[str, ...]] = {}

    def gets_bulk(self, publication: str, site: str) -> bool:
        """Say whether a site gets a publication: all do that the model does not name."""
        groups = self._wanted.get(publication, {}).get((), {})
        return publication not in self.model or site in groups.get((), ())

    def everything(self) -> Iterator[Key]:
        """Yield everything in CRM Online that is kept in step, orders too."""
        kept = (Kind.INTELLIGENT, Kind.DEPENDENT)
        for key in self._records:
            if self.model[key[0]].kind in kept:
                yield key
        if "order" in self.model and self.model["order"].kind in kept:
            yield from (("order", guid) for guid in self._orders)

    def name_of(self, key: Key) -> str:
        """Return what people call it."""
        if key[0] == "order" and key[1] in self._orders:
            return f"order {self._orders[key[1]].document.order.reference}"
        return " ".join(key)

    def sites_of(self, key: Key) -> tuple[str, ...]:
        """Return the sites that something belongs to."""
        if key not in self._known:
            about = self.model[key[0]]
            if about.parent:
                found = self._sites_of_parent((about.parent, self.parent_of(key)))
            else:
                found = self._wanting(about, self._fields(key))
            self._known[key] = found
        return self._known[key]

    def _sites_of_parent(self, parent: Key) -> tuple[str, ...]:
        return self.sites_of(parent) if parent in self._records else ()

    def parent_of(self, key: Key) -> str:
        """Return the key of what something depends on; empty when that is nothing."""
        if key[0] == "order":
            return str(self._orders[key[1]].document.order.customer)
        return str(self._records[key].parent)

    def line_of(self, key: Key) -> Iterator[Key]:
        """Yield something and everything that it depends on."""
        yield key
        is_known = key in self._records or (key[0] == "order" and key[1] in self._orders)
        about = self.model.get(key[0])
        if is_known and about is not None and about.parent:
            yield from self.line_of((about.parent, self.parent_of(key)))

    def _fields(self, key: Key) -> dict[str, str]:
        if key[0] == "order":
            order = self._orders[key[1]].document.order
            return {"rep": order.rep, "customer": order.customer}
        return dict(self._records[key].fields)

    def _wanting(self, about: ReplicationObject, fields: dict[str, str]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for names, groups in self._wanted.get(about.name, {}).items():
            values = tuple(fields.get(name, "") for name in names)
            found.update(dict.fromkeys(groups.get(values, ())))
        return tuple(sorted(found))


def held_by(store: Any) -> dict[Key, Any]:
    """Return what a laptop holds: its records, and its orders by GUID."""
    orders = store.table("orders").values()
    held = {("order", local.document.order.guid): local for local in orders}
    return dict(store.table("records")) | held
