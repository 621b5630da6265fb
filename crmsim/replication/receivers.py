"""Which sites does something belong to, and what are they sent when it changes?

What is written into the CDB goes to the sites that the lookup table names. When a criterion, a
parent or a subscription changes, the lookup table is wrong for a while, until the demon has put it
right (`crmsim.replication.realignment`). Sources: CONTRIBUTING.md, S44 to S48.
"""

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from crmsim.business.document import OrderDocument
from crmsim.business.master import Record
from crmsim.formats.bdoc import Removal, Task
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.middleware.replication import (
    Job,
    Key,
    Kind,
    Model,
    Pattern,
    ReplicationObject,
    RrQueue,
    Subscription,
    patterns,
    united,
)
from crmsim.replication.sites import Content, tell
from crmsim.trace.kinds import SUBSCRIBED

__all__ = ["Facts", "Receivers", "above_of", "facts_of_order", "facts_of_record", "wanting"]


@attrs.frozen
class Facts:
    """What decides who gets an instance."""

    fields: Mapping[str, str]
    parent: str = ""
    """The key of what it depends on."""


class Receivers:
    """Who gets what, as far as CRM Enterprise is concerned.

    Args:
        actor: The actor whose store holds the CDB.
        model: What is replicated.
        laptops: Rep -> laptop.
        enqueue: Puts a job into a queue of replication and realignment.
    """

    def __init__(
        self,
        actor: Actor,
        model: Model,
        laptops: Mapping[str, str],
        enqueue: Callable[[Change, RrQueue, Job], None],
    ) -> None:
        self._actor = actor
        self.model = model
        self._laptops = laptops
        self._enqueue = enqueue
        self._sites: frozenset[str] = frozenset()

    def distribute(
        self,
        change: Change,
        key: Key,
        now: Facts,
        before: Facts | None,
        content: Callable[[Task], Content],
        origin: str,
    ) -> None:
        """Send what the CDB has just stored to the sites that it belongs to.

        Args:
            change: The commit that stores it.
            key: The instance.
            now: What decides who gets it.
            before: The same before this change; None when it is new.
            content: Task -> what is sent.
            origin: Who made the change; a laptop has it already, and gets the confirmation.
        """
        about = self.model.of(key[0])
        if about.kind is Kind.SIMPLE:
            for site in wanting(change.get, about, now):
                tell(change, site, content(Task.INSERT if before is None else Task.UPDATE))
            return
        if before is None:
            self._send_new(change, about, key, now, content, origin)
            return
        # Also sites that it is about to leave: they may be wanted again before they have.
        waiting = change.get("extracting", key, ())
        for site in change.get("lookup", key, ()):
            if site != origin and site not in waiting:
                tell(change, site, content(Task.UPDATE))
        is_moved = now.parent != before.parent if about.parent else _differ(about, now, before)
        if is_moved:
            if about.parent:
                self._depend(change, about, key, before.parent, now.parent)
            self._enqueue(change, RrQueue.REALIGN, Job(0, (key,)))

    def _send_new(
        self,
        change: Change,
        about: ReplicationObject,
        key: Key,
        now: Facts,
        content: Callable[[Task], Content],
        origin: str,
    ) -> None:
        sites = wanting(change.get, about, now)
        change.put("lookup", key, sites)
        if change.get("dependents", key, ()):  # they came before it, and belonged to nobody
            self._enqueue(change, RrQueue.DEPENDENCY, Job(0, (key,)))
        late: tuple[str, ...] = ()
        if about.parent:
            self._depend(change, about, key, "", now.parent)
            busy = change.get("extracting", (about.parent, now.parent), ())
            late = tuple(site for site in sites if site in busy and site != origin)
        for site in sites:
            if site != origin and site not in late:
                tell(change, site, content(Task.INSERT), above_of(about, now))
        if late:
            change.put("extracting", key, late)
            self._enqueue(change, RrQueue.EXTRACT, Job(0, (key,), late))
        author = self._author(key, now, origin)
        if author is not None and author not in sites:  # it made what does not belong to it
            tell(change, author, Removal(*key), above_of(about, now))

    def _author(self, key: Key, now: Facts, origin: str) -> str | None:
        """Return the laptop on which something new was made, if it was made on one."""
        if key[0] == "order":
            return self._laptops.get(now.fields.get("rep", ""))
        return origin if self.is_laptop(origin) else None

    def is_laptop(self, site: str) -> bool:
        """Say whether a site is a laptop that CRM knows."""
        if len(self._sites) != len(self._laptops):  # somebody has added one
            self._sites = frozenset(self._laptops.values())
        return site in self._sites

    def withdraw(self, change: Change, key: Key, was: Facts) -> None:
        """Take something that the CDB holds no more away from all sites that may have it.

        Whoever asked for it is told too: after its confirmation an older save may have come to it.

        Args:
            change: The commit that does it.
            key: The instance.
            was: What decided who gets it.
        """
        about = self.model.of(key[0])
        waiting = change.get("extracting", key, ())
        still = change.get("still held", key, ())
        for site in change.get("lookup", key, ()):
            if site not in waiting or site in still:
                tell(change, site, Removal(*key), above_of(about, was))
        for table in ("lookup", "extracting", "still held", "dependents"):
            change.delete(table, key)
        if about.parent:
            self._depend(change, about, key, was.parent, "")

    def take_back(self, change: Change, key: Key, was: Facts) -> None:
        """Take something that never came to the CDB away from who had made it.

        Args:
            change: The commit that does it.
            key: The instance.
            was: What it depended on.
        """
        about = self.model.of(key[0])
        for site in self._laptops.values():
            if change.get("latest", (" ".join(key), site)) is not None:
                tell(change, site, Removal(*key), above_of(about, was))

    def _depend(
        self, change: Change, about: ReplicationObject, key: Key, old: str, new: str
    ) -> None:
        """Keep the list of what depends on a parent."""
        for parent, is_new in ((old, False), (new, True)):
            if parent:
                row = (about.parent, parent)
                others = tuple(one for one in change.get("dependents", row, ()) if one != key)
                change.put("dependents", row, (*others, key) if is_new else others)

    def subscribe(self, change: Change, name: str, subscription: Subscription | None) -> None:
        """Create or change a subscription; None deletes it."""
        old: Subscription | None = change.get("subscriptions", name)
        if subscription is None:
            change.delete("subscriptions", name)
        else:
            change.put("subscriptions", name, subscription)
        touched = [one for one in (old, subscription) if one is not None]
        for one in touched:
            self._index(change, one.about, one.pattern)
        change.note(
            SUBSCRIBED,
            name,
            action="delete" if subscription is None else "create" if old is None else "change",
            about=touched[-1].about if touched else "",
            sites=() if subscription is None else subscription.sites,
        )
        if touched:
            wanted = tuple(dict.fromkeys((one.about, one.pattern) for one in touched))
            self._enqueue(change, RrQueue.SUBCHECK, Job(0, patterns=wanted))

    def _index(self, change: Change, about: str, pattern: Pattern) -> None:
        """Keep which sites want what matches a pattern."""
        rows = dict(self._actor.store.table("subscriptions"))
        for table, name, _ in change.writes:
            if table == "subscriptions":
                rows[name] = change.get(table, name)
        groups = (
            row.sites
            for row in rows.values()
            if row is not None and (row.about, row.pattern) == (about, pattern)
        )
        change.put("wanted", (about, pattern), united(groups))


def _differ(about: ReplicationObject, now: Facts, before: Facts) -> bool:
    """Say whether a criterion has changed."""
    return any(now.fields.get(name) != before.fields.get(name) for name in about.criteria)


def above_of(about: ReplicationObject, now: Facts) -> str:
    """Return what messages call the thing that an instance depends on; empty for none."""
    return f"{about.parent} {now.parent}" if about.parent else ""


def facts_of_order(document: OrderDocument) -> Facts:
    """Return what decides who gets an order."""
    order = document.order
    return Facts({"rep": order.rep, "customer": order.customer}, order.customer)


def facts_of_record(record: Record) -> Facts:
    """Return what decides who gets a customer, a contact, an activity."""
    return Facts(dict(record.fields), record.parent)


def wanting(get: Callable[..., Any], about: ReplicationObject, now: Facts) -> tuple[str, ...]:
    """Return the sites that an instance belongs to, computed from scratch.

    The cost does not depend on the number of sites, but on the number of criteria.
    """
    if about.kind is Kind.DEPENDENT:
        sites: tuple[str, ...] = get("lookup", (about.parent, now.parent), ())
        return sites
    return united(get("wanted", (about.name, one), ()) for one in patterns(about, now.fields))
