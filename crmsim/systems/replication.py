"""How does the CRM server see to it that every laptop holds what belongs to it, and nothing else?

What is written into the CDB goes to the sites that the lookup table names. When a criterion, a
parent or a subscription changes, the lookup table is wrong for a while: jobs in the queues of
replication and realignment (SAP: R&R queues, SMOHQUEUE) put it right, one after the other, as the
queue demon gets round to them. A site that an object leaves is sent deletions, what depends on it
first; a site that it enters is sent all of it, parents first (an extract). Until then changes of
the object are not sent to that site: the extract takes what is newest.

Everything is durable, and every job compares what is with what should be, so a job that is done
twice, or was overtaken by another one, does no harm. Sources: CONTRIBUTING.md, S44 to S48, S59.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import attrs
from pyrsistent import PDeque, pdeque

from crmsim.business.document import OrderDocument
from crmsim.business.master import Record
from crmsim.formats.answer import Confirmation, Rejection
from crmsim.formats.bdoc import Removal, Replica, Task, Update
from crmsim.kernel.actor import Actor, handles
from crmsim.kernel.durable import Change
from crmsim.kernel.message import Address, message
from crmsim.middleware.queue import site_queue
from crmsim.middleware.replication import (
    Framework,
    Job,
    Key,
    Kind,
    Model,
    Pattern,
    ReplicationObject,
    RrQueue,
    Subscription,
    matches,
    patterns,
    united,
)
from crmsim.trace.kinds import ADMINISTERED, ENQUEUED, REALIGNED, SUBSCRIBED, WORKED
from crmsim.units import Duration, milliseconds

__all__ = [
    "Content",
    "DemonDone",
    "Facts",
    "QueueDemon",
    "Replication",
    "SiteQueue",
    "place_of",
]

Content = Confirmation | Rejection | Update | Replica | Removal
BLOCK_COUNT = 50
"""Jobs that the new framework takes at once (assumed)."""
PER_MESSAGE: Duration = milliseconds(60)
"""How long the demon needs for a message, or for a block of them (assumed)."""
PER_RECEIVER: Duration = milliseconds(5)
"""And for each receiver of it (assumed)."""
PER_OBJECT: Duration = milliseconds(30)
"""And for each object that it realigns (assumed)."""


@message(about=("number",))
class DemonWork:
    """A turn of the demon begins."""

    number: int
    lasts_ns: int


@message(about=("number",))
class DemonDone:
    """The demon has done its work."""

    number: int


class QueueDemon(Actor):
    """The one pair of hands that works through the queues of replication and realignment."""

    @handles(DemonWork)
    async def work(self, message: DemonWork, sender: Address[DemonDone]) -> None:
        """Work for as long as it lasts, then say so."""
        await self.sleep(message.lasts_ns)
        self.send(sender, DemonDone(message.number))


@attrs.frozen
class SiteQueue:
    """What lies ready for one laptop until it fetches it (SAP: an outbound queue CRM_SITE_*)."""

    last: int = 0
    """The position of the newest content there ever was."""
    contents: PDeque[tuple[int, Content]] = attrs.field(factory=pdeque)


@attrs.frozen
class Facts:
    """What decides who gets an instance."""

    fields: Mapping[str, str]
    parent: str = ""
    """The key of what it depends on."""


@attrs.frozen
class _Moved:
    """What a realignment of one instance brought about."""

    entering: tuple[str, ...]
    leaving: tuple[str, ...]
    """Sites that held it."""


class Replication:
    """Who gets what, as far as CRM Enterprise is concerned.

    Args:
        actor: The actor whose store holds the CDB.
        model: What is replicated.
        framework: How the demon works.
        laptops: Rep -> laptop.
        demon: The name of the demon.
    """

    def __init__(
        self,
        actor: Actor,
        model: Model,
        framework: Framework,
        laptops: Mapping[str, str],
        demon: str,
    ) -> None:
        self._actor = actor
        self.model = model
        self._framework = framework
        self._laptops = laptops
        self._demon = demon
        self._in_hand: tuple[RrQueue, tuple[Job, ...]] | None = None
        """What the demon is working at; not durable."""
        self._turns = 0

    def started(self) -> None:
        """Let the demon begin again after a crash."""
        self._in_hand = None
        self._go_on()

    # --- site queues ---

    def tell(self, change: Change, site: str, content: Content) -> None:
        """Put something into the queue of a laptop."""
        lying: SiteQueue = change.get("site queues", site, SiteQueue())
        place = lying.last + 1
        contents = lying.contents.append((place, content))
        change.put("site queues", site, SiteQueue(place, contents))
        out = site_queue(site) + " out"
        change.note(
            ENQUEUED,
            place_of(site, place),
            queue=out,
            guid=content.guid,
            what=what_of(content),
            version=version_of(content),
        )

    # --- what is written into the CDB ---

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
            for site in self._wanting(change, about, now):
                self.tell(change, site, content(Task.INSERT if before is None else Task.UPDATE))
            return
        if before is None:
            self._send_new(change, about, key, now, content, origin)
            return
        waiting = change.get("extracting", key, ())
        for site in change.get("lookup", key, ()):
            if site != origin and site not in waiting:
                self.tell(change, site, content(Task.UPDATE))
        if about.parent and now.parent != before.parent:
            self._depend(change, about, key, before.parent, now.parent)
        elif all(now.fields.get(name) == before.fields.get(name) for name in about.criteria):
            return
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
        sites = self._wanting(change, about, now)
        change.put("lookup", key, sites)
        late: tuple[str, ...] = ()
        if about.parent:
            self._depend(change, about, key, "", now.parent)
            busy = change.get("extracting", (about.parent, now.parent), ())
            late = tuple(site for site in sites if site in busy and site != origin)
        for site in sites:
            if site != origin and site not in late:
                self.tell(change, site, content(Task.INSERT))
        if late:
            change.put("extracting", key, late)
            self._enqueue(change, RrQueue.EXTRACT, Job(0, (key,), late))
        if origin not in sites and origin in self._laptops.values():
            self.tell(change, origin, self._removal(key))  # it made what does not belong to it

    def _depend(
        self, change: Change, about: ReplicationObject, key: Key, old: str, new: str
    ) -> None:
        """Keep the list of what depends on a parent."""
        for parent, is_new in ((old, False), (new, True)):
            if parent:
                row = (about.parent, parent)
                others = tuple(one for one in change.get("dependents", row, ()) if one != key)
                change.put("dependents", row, (*others, key) if is_new else others)

    def _wanting(self, change: Change, about: ReplicationObject, now: Facts) -> tuple[str, ...]:
        """Return the sites that an instance belongs to, computed from scratch.

        The cost does not depend on the number of sites, but on the number of criteria.
        """
        if about.kind is Kind.DEPENDENT:
            sites: tuple[str, ...] = change.get("lookup", (about.parent, now.parent), ())
            return sites
        found = (change.get("wanted", (about.name, p), ()) for p in patterns(about, now.fields))
        return united(found)

    # --- subscriptions ---

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

    # --- the demon ---

    def _enqueue(self, change: Change, queue: RrQueue, job: Job) -> None:
        number = 1 + int(change.get("counts", "jobs", 0))
        change.put("counts", "jobs", number)
        jobs = change.get("rr", queue.value, pdeque())
        since_ns = self._actor.now_ns
        change.put("rr", queue.value, jobs.append(attrs.evolve(job, number=number, since_ns=since_ns)))
        change.then(self._go_on)

    @property
    def is_running(self) -> bool:
        """Whether the demon works."""
        return not self._actor.store.get("demon", "stopped", False)

    def set_running(self, change: Change, *, is_running: bool) -> None:
        """Let the demon stand still, or work again."""
        change.put("demon", "stopped", not is_running)
        action = "start the demon" if is_running else "stop the demon"
        change.note(ADMINISTERED, "R&R", queue="", action=action)
        change.then(self._go_on)

    def _go_on(self) -> None:
        if self._in_hand is not None or not self.is_running:
            return
        for queue in RrQueue:
            jobs = self._actor.store.get("rr", queue.value, pdeque())
            if jobs:
                count = BLOCK_COUNT if self._framework is Framework.NEW else 1
                taken = tuple(islice(jobs, count if queue is not RrQueue.SUBCHECK else 1))
                self._in_hand = queue, taken
                self._turns += 1
                lasts_ns = int(self._lasts_ns(queue, taken) * self._actor.slowness)
                demon: Address[Any] = self._actor.address(self._demon)
                self._actor.send(demon, DemonWork(taken[0].number, lasts_ns))
                return

    def _lasts_ns(self, queue: RrQueue, jobs: Sequence[Job]) -> int:
        """Return how long a turn takes: by message in the old framework, by block in the new."""
        objects = sum(self._size(queue, job) for job in jobs)
        receivers = sum(len(job.keys) * len(job.sites) for job in jobs)
        per_object = PER_OBJECT if queue is not RrQueue.EXTRACT else 0
        messages = objects if self._framework is Framework.OLD else 1
        return PER_MESSAGE * messages + per_object * objects + PER_RECEIVER * receivers

    def _size(self, queue: RrQueue, job: Job) -> int:
        """Return how many instances a job is about."""
        if queue is RrQueue.SUBCHECK:
            return len(self._matching(job.patterns)) if self._framework is Framework.NEW else 1
        if queue is RrQueue.AC_EXTRACT:
            return 1
        if queue is RrQueue.EXTRACT or (
            queue is RrQueue.REALIGN and self._framework is Framework.NEW
        ):
            return len(job.keys)
        store = self._actor.store
        return sum(1 + len(_below(store.get, key)) for key in job.keys)

    def done(self) -> None:
        """Make the effect of a turn durable; then the next one begins."""
        if self._in_hand is None:
            return
        queue, jobs = self._in_hand
        with self._actor.commit() as change:
            left = change.get("rr", queue.value, pdeque())
            change.put("rr", queue.value, left.popleft(len(jobs)))
            before = len(change.notes)
            for job in jobs:
                self._services[queue](self, change, job)
            told = sum(kind is ENQUEUED for kind, _, _ in change.notes[before:])
            change.note(WORKED, queue.value, jobs=len(jobs), messages=told)
            change.then(self._turn_over)

    def _turn_over(self) -> None:
        self._in_hand = None
        self._go_on()

    # --- the work ---

    def _subcheck(self, change: Change, job: Job) -> None:
        for key in self._matching(job.patterns):
            if self._framework is Framework.OLD:
                self._enqueue(change, RrQueue.REALIGN, Job(0, (key,)))
            else:
                self._realign_one(change, key)

    def _matching(self, wanted: Iterable[tuple[str, Pattern]]) -> list[Key]:
        """Return the instances in the CDB that match one of some patterns."""
        store = self._actor.store
        names = dict.fromkeys(about for about, _ in wanted)
        intelligent = [n for n in names if self.model.of(n).kind is Kind.INTELLIGENT]
        return [
            key
            for key in store.table("lookup")
            if key[0] in intelligent
            and any(
                about == key[0] and matches(pattern, self.facts(store.get, key).fields)
                for about, pattern in wanted
            )
        ]

    def _realign(self, change: Change, job: Job) -> None:
        for key in job.keys:
            self._realign_one(change, key)

    def _realign_one(self, change: Change, key: Key) -> None:
        """Compute the sites of an instance anew; what depends on it follows, now or later."""
        moved = self._compute(change, key)
        if moved is None:
            return
        has_dependents = bool(change.get("dependents", key, ()))
        if self._framework is Framework.NEW and has_dependents:
            self._enqueue(change, RrQueue.DEPENDENCY, Job(0, (key,), moved.leaving))
        else:
            self._follow(change, key, moved.leaving)

    def _compute(self, change: Change, key: Key) -> _Moved | None:
        """Bring the lookup row of one instance up to date; None when it is so already."""
        old: tuple[str, ...] = change.get("lookup", key, ())
        new = self._wanting(change, self.model.of(key[0]), self.facts(change.get, key))
        if old == new:
            return None
        change.put("lookup", key, new)
        was, will = dict.fromkeys(old), dict.fromkeys(new)
        entering = tuple(site for site in new if site not in was)
        leaving = tuple(site for site in old if site not in will)
        waiting: tuple[str, ...] = change.get("extracting", key, ())
        held = tuple(site for site in leaving if site not in waiting)
        self._wait(change, key, (*(site for site in waiting if site in will), *entering))
        change.note(
            REALIGNED, " ".join(key), object=key[0], entering=entering, leaving=leaving
        )
        return _Moved(entering, held)

    def _wait(self, change: Change, key: Key, sites: tuple[str, ...]) -> None:
        """Keep which sites an instance has still to be extracted to."""
        if sites:
            change.put("extracting", key, tuple(dict.fromkeys(sites)))
        else:
            change.delete("extracting", key)

    def _dependency(self, change: Change, job: Job) -> None:
        for key in job.keys:
            now = dict.fromkeys(change.get("lookup", key, ()))
            leaving = tuple(site for site in job.sites if site not in now)
            self._follow(change, key, leaving)

    def _follow(self, change: Change, key: Key, leaving: tuple[str, ...]) -> None:
        """Realign what depends on a parent; delete from below, extract from above."""
        gone: list[tuple[Key, tuple[str, ...]]] = [(key, leaving)]
        for below in _below(change.get, key):
            moved = self._compute(change, below)
            gone.append((below, () if moved is None else moved.leaving))
        for below, sites in reversed(gone):
            for site in sites:
                self.tell(change, site, self._removal(below))
        entering = [(below, change.get("extracting", below, ())) for below, _ in gone]
        if self._framework is Framework.OLD:
            for below, sites in entering:
                if sites:
                    self._enqueue(change, RrQueue.EXTRACT, Job(0, (below,), sites))
            return
        keys = tuple(below for below, sites in entering if sites)
        if keys:
            sites = united(sites for _, sites in entering)
            self._enqueue(change, RrQueue.EXTRACT, Job(0, keys, sites))

    def _extract(self, change: Change, job: Job) -> None:
        """Send all of some instances to sites that do not have them yet."""
        for key in job.keys:
            waiting: tuple[str, ...] = change.get("extracting", key, ())
            facts = self.facts(change.get, key)
            about = self.model.of(key[0])
            above = change.get("extracting", (about.parent, facts.parent), ())
            ready = [site for site in waiting if site in job.sites and site not in above]
            for site in ready:
                self.tell(change, site, self._image(change, key))
            left = tuple(site for site in waiting if site not in ready)
            self._wait(change, key, left)
            again = tuple(site for site in left if site in job.sites)
            if again:  # its parent is still to come; that stands in a queue already
                self._enqueue(change, RrQueue.EXTRACT, Job(0, (key,), again))

    def extract_all(self, change: Change, site: str) -> None:
        """Ask for a site to be sent everything again."""
        change.note(ADMINISTERED, site, queue="", action="extract")
        self._enqueue(change, RrQueue.AC_EXTRACT, Job(0, sites=(site,)))

    def _ac_extract(self, change: Change, job: Job) -> None:
        [site] = job.sites
        names = [one.name for one in self.model.objects]
        rows = self._actor.store.table("lookup").items()
        keys = sorted(
            (key for key, sites in rows if site in sites), key=lambda key: names.index(key[0])
        )
        for key in keys:
            self._wait(change, key, (*change.get("extracting", key, ()), site))
        size = BLOCK_COUNT if self._framework is Framework.NEW else 1
        for start in range(0, len(keys), size):
            block = tuple(keys[start : start + size])
            self._enqueue(change, RrQueue.EXTRACT, Job(0, block, (site,)))

    def replaced(self, change: Change, site: str) -> None:
        """Forget what lies ready for a laptop whose disk is new, and send it everything again."""
        lying: SiteQueue = change.get("site queues", site, SiteQueue())
        change.put("site queues", site, SiteQueue(lying.last))
        self.extract_all(change, site)

    _services = {
        RrQueue.SUBCHECK: _subcheck,
        RrQueue.REALIGN: _realign,
        RrQueue.DEPENDENCY: _dependency,
        RrQueue.EXTRACT: _extract,
        RrQueue.AC_EXTRACT: _ac_extract,
    }

    # --- what is in the CDB ---

    def facts(self, get: Callable[[str, Any], Any], key: Key) -> Facts:
        """Return what decides who gets an instance that the CDB holds."""
        if key[0] == "order":
            return facts_of_order(get("cdb", key[1]).document)
        return facts_of_record(get("cdb records", key))

    def _image(self, change: Change, key: Key) -> Content:
        """Return all of an instance, as the CDB holds it now."""
        if key[0] == "order":
            row = change.get("cdb", key[1])
            return Update(row.document, row.save, Task.INSERT)
        return Replica(change.get("cdb records", key), Task.INSERT)

    @staticmethod
    def _removal(key: Key) -> Removal:
        return Removal(*key)


def facts_of_order(document: OrderDocument) -> Facts:
    """Return what decides who gets an order."""
    order = document.order
    return Facts({"rep": order.rep, "customer": order.customer}, order.customer)


def facts_of_record(record: Record) -> Facts:
    """Return what decides who gets a customer, a contact, an activity."""
    return Facts(dict(record.fields), record.parent)


def _below(get: Callable[..., Any], key: Key) -> list[Key]:
    """Return everything that depends on an instance, however far below, parents first."""
    found: list[Key] = []
    todo = [key]
    while todo:
        children: tuple[Key, ...] = get("dependents", todo.pop(0), ())
        found += children
        todo += children
    return found


def what_of(content: Content) -> str:
    """Return what something that lies ready for a laptop does there."""
    if isinstance(content, Removal):
        return Task.DELETE.value
    if isinstance(content, Update | Replica):
        return content.task.value
    return type(content).__name__.lower()


def version_of(content: Content) -> int:
    """Return the how-manieth save in CRM Online it carries; 0 where it carries none."""
    if isinstance(content, Update):
        return content.save
    return content.record.version if isinstance(content, Replica) else 0


def place_of(site: str, place: int) -> str:
    """Return the name of what lies at a place of a laptop's queue."""
    return f"news {place} for {site}"
