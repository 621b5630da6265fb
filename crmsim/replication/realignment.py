"""How is the lookup table put right, and what do the sites hear of it?

A site that something leaves is sent deletions, what depends on it first; a site that it enters is
sent all of it, parents first (an extract). Until then changes of it are not sent to that site: the
extract takes what is newest.

Every job compares what is with what should be, so a job that is done twice, or was overtaken by
another one, does no harm. Sources: CONTRIBUTING.md, S44 to S48, S59.
"""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from crmsim.formats.bdoc import Removal, Replica, Task, Update
from crmsim.kernel.actor import Actor
from crmsim.kernel.durable import Change
from crmsim.middleware.replication import (
    Framework,
    Job,
    Key,
    Kind,
    Model,
    Pattern,
    RrQueue,
    matches,
    united,
)
from crmsim.replication.demon import BLOCK_COUNT, Jobs
from crmsim.replication.receivers import Facts, above_of, facts_of_order, facts_of_record, wanting
from crmsim.replication.sites import Content, SiteQueue, gets_bulk, tell
from crmsim.trace.kinds import ADMINISTERED, REALIGNED, REPLACED
from crmsim.units import Duration, milliseconds

__all__ = ["Realignment"]

PER_MESSAGE: Duration = milliseconds(60)
"""How long the demon needs for a message, or for a block of them (assumed)."""
PER_RECEIVER: Duration = milliseconds(5)
"""And for each receiver of it (assumed)."""
PER_OBJECT: Duration = milliseconds(30)
"""And for each object that it realigns (assumed)."""


class Realignment:
    """What the demon's jobs do.

    Args:
        actor: The actor whose store holds the CDB.
        model: What is replicated.
        framework: How the demon works.
        demon: The name of the demon.
    """

    def __init__(self, actor: Actor, model: Model, framework: Framework, demon: str) -> None:
        self._actor = actor
        self._model = model
        self._framework = framework
        self.jobs = Jobs(actor, framework, demon, self._lasts_ns, self._perform)
        self._enqueue = self.jobs.enqueue

    def _lasts_ns(self, queue: RrQueue, jobs: tuple[Job, ...]) -> int:
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
        if queue in (RrQueue.AC_EXTRACT, RrQueue.EXTRACTBLK):
            return 1
        if queue is RrQueue.EXTRACT or (
            queue is RrQueue.REALIGN and self._framework is Framework.NEW
        ):
            return len(job.keys)
        store = self._actor.store
        return sum(1 + len(_below(store.get, key)) for key in job.keys)

    def _perform(self, change: Change, queue: RrQueue, job: Job) -> None:
        self._services[queue](self, change, job)

    def _subcheck(self, change: Change, job: Job) -> None:
        for about, _ in job.patterns:
            if self._model.of(about).kind is Kind.BULK:
                self._subcheck_bulk(change, about)
        for key in self._matching(job.patterns):
            if self._framework is Framework.OLD:
                self._enqueue(change, RrQueue.REALIGN, Job(0, (key,), since_ns=job.since_ns))
            else:
                self._realign_one(change, key, job.since_ns)

    def _subcheck_bulk(self, change: Change, publication: str) -> None:
        """Take a publication from sites that want it no more; new ones get it with an extract."""
        wanted = dict.fromkeys(change.get("wanted", (publication, ()), ()))
        rows = self._actor.store.table("opened")
        old = dict.fromkeys(sorted(site for site, name in rows if name == publication))
        for site in old:
            if site not in wanted:
                change.delete("opened", (site, publication))
                change.delete("cursors", (site, publication))
                tell(change, site, Removal(publication))
        entering = tuple(site for site in wanted if site not in old)
        if entering:
            self._enqueue(change, RrQueue.EXTRACTBLK, Job(0, ((publication, ""),), entering))

    def _extract_bulk(self, change: Change, job: Job) -> None:
        """Let sites that still want a publication fetch it from the beginning."""
        for publication, _ in job.keys:
            wanted = dict.fromkeys(change.get("wanted", (publication, ()), ()))
            for site in job.sites:
                if site in wanted:
                    change.put("opened", (site, publication), True)

    def _matching(self, wanted: Iterable[tuple[str, Pattern]]) -> list[Key]:
        """Return the instances in the CDB that match one of some patterns."""
        store = self._actor.store
        names = dict.fromkeys(about for about, _ in wanted)
        intelligent = [n for n in names if self._model.of(n).kind is Kind.INTELLIGENT]
        return [
            key
            for key in store.table("lookup")
            if key[0] in intelligent
            and any(
                about == key[0] and matches(pattern, self._facts(store.get, key).fields)
                for about, pattern in wanted
            )
        ]

    def _is_gone(self, get: Callable[[str, Any], Any], key: Key) -> bool:
        """Say whether an instance has been deleted meanwhile, or was never fit to be shown."""
        if key[0] != "order":
            return get("cdb records", key) is None
        row = get("cdb", key[1])
        return row is None or row.shown is None

    def _realign(self, change: Change, job: Job) -> None:
        for key in job.keys:
            if not self._is_gone(change.get, key):
                self._realign_one(change, key, job.since_ns)

    def _realign_one(self, change: Change, key: Key, since_ns: int) -> None:
        """Compute the sites of an instance anew; what depends on it follows, now or later."""
        leaving = self._compute(change, key, since_ns)
        if leaving is None:
            return
        has_dependents = bool(change.get("dependents", key, ()))
        if self._framework is Framework.NEW and has_dependents:
            self._enqueue(change, RrQueue.DEPENDENCY, Job(0, (key,), leaving, since_ns=since_ns))
        else:
            self._follow(change, key, leaving, since_ns)

    def _compute(self, change: Change, key: Key, since_ns: int) -> tuple[str, ...] | None:
        """Bring the lookup row of one instance up to date.

        Returns:
            The sites that held it and lose it; None when the row was up to date already.
        """
        old: tuple[str, ...] = change.get("lookup", key, ())
        new = wanting(change.get, self._model.of(key[0]), self._facts(change.get, key))
        if old == new:
            return None
        change.put("lookup", key, new)
        was, will = dict.fromkeys(old), dict.fromkeys(new)
        entering = tuple(site for site in new if site not in was)
        leaving = tuple(site for site in old if site not in will)
        waiting: tuple[str, ...] = change.get("extracting", key, ())
        still: tuple[str, ...] = change.get("still held", key, ())
        held = tuple(site for site in leaving if site not in waiting or site in still)
        self._keep(change, "still held", key, (site for site in still if site in will))
        self._wait(change, key, (*(site for site in waiting if site in will), *entering))
        change.note(
            REALIGNED,
            " ".join(key),
            object=key[0],
            entering=entering,
            leaving=leaving,
            asked_ns=since_ns,
        )
        return held

    def _wait(self, change: Change, key: Key, sites: tuple[str, ...]) -> None:
        """Keep which sites an instance has still to be extracted to."""
        self._keep(change, "extracting", key, sites)

    def _keep(self, change: Change, table: str, key: Key, sites: Iterable[str]) -> None:
        """Keep some sites of an instance, each once; no row when there are none."""
        kept = tuple(dict.fromkeys(sites))
        if kept:
            change.put(table, key, kept)
        elif change.get(table, key) is not None:
            change.delete(table, key)

    def _dependency(self, change: Change, job: Job) -> None:
        for key in job.keys:
            if self._is_gone(change.get, key):
                for site in job.sites:  # they had left it before it was deleted
                    tell(change, site, Removal(*key))
                continue
            now = dict.fromkeys(change.get("lookup", key, ()))
            leaving = tuple(site for site in job.sites if site not in now)
            # Who is back already has it still, though an extract is on its way as well.
            back = (site for site in job.sites if site in now)
            self._keep(change, "still held", key, (*change.get("still held", key, ()), *back))
            self._follow(change, key, leaving, job.since_ns)

    def _follow(self, change: Change, key: Key, leaving: tuple[str, ...], since_ns: int) -> None:
        """Realign what depends on a parent; delete from below, extract from above."""
        gone: list[tuple[Key, tuple[str, ...]]] = [(key, leaving)]
        for below in _below(change.get, key):
            lost = self._compute(change, below, since_ns)
            gone.append((below, lost or ()))
        for below, sites in reversed(gone):
            for site in sites:
                tell(change, site, Removal(*below), self._above(change, below))
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
        if job.again:
            self._extract_again(change, job)
            return
        for key in job.keys:
            if self._is_gone(change.get, key):
                continue
            waiting: tuple[str, ...] = change.get("extracting", key, ())
            facts = self._facts(change.get, key)
            about = self._model.of(key[0])
            above = change.get("extracting", (about.parent, facts.parent), ())
            ready = [site for site in waiting if site in job.sites and site not in above]
            for site in ready:
                tell(change, site, self._image(change, key), self._above(change, key))
            left = tuple(site for site in waiting if site not in ready)
            self._wait(change, key, left)
            still = change.get("still held", key, ())
            self._keep(change, "still held", key, (site for site in still if site not in ready))
            again = tuple(site for site in left if site in job.sites)
            if again:  # its parent is still to come; that stands in a queue already
                self._enqueue(change, RrQueue.EXTRACT, Job(0, (key,), again))

    def _extract_again(self, change: Change, job: Job) -> None:
        """Send all of some instances to sites that should have them already."""
        for key in job.keys:
            if self._is_gone(change.get, key):
                continue
            belongs = change.get("lookup", key, ())
            waiting = change.get("extracting", key, ())  # they get it by another job
            about, facts = self._model.of(key[0]), self._facts(change.get, key)
            above = change.get("extracting", (about.parent, facts.parent), ())
            again = [site for site in job.sites if site in belongs and site not in waiting]
            for site in again:
                if site not in above:
                    tell(change, site, self._image(change, key), self._above(change, key))
            late = tuple(site for site in again if site in above)
            if late:  # its parent is still to come; that stands in a queue already
                self._enqueue(change, RrQueue.EXTRACT, Job(0, (key,), late, again=True))

    def extract_all(self, change: Change, site: str) -> None:
        """Ask for a site to be sent everything again."""
        change.note(ADMINISTERED, site, queue="", action="extract")
        self._enqueue(change, RrQueue.AC_EXTRACT, Job(0, sites=(site,), again=True))

    def fill(self, change: Change, site: str, disk: int) -> None:
        """Let a laptop that calls with a new disk be sent everything that belongs to it.

        What lay ready for the old disk is thrown away, and changes wait until the extract has come.
        """
        lying: SiteQueue = change.get("site queues", site, SiteQueue())
        store = self._actor.store
        bulk = tuple(
            (name, publication.last)
            for name, publication in store.table("publications").items()
            if gets_bulk(store.get, site, name)
        )
        change.put("site queues", site, SiteQueue(lying.last))
        change.put("disks", site, disk)
        for row in store.table("cursors"):
            if row[0] == site:
                change.delete("cursors", row)
        for row in store.table("opened"):
            if row[0] == site:
                change.delete("opened", row)
                self._enqueue(change, RrQueue.EXTRACTBLK, Job(0, ((row[1], ""),), (site,)))
        keys = self._keys_of(site)
        for key in keys:
            self._wait(change, key, (*change.get("extracting", key, ()), site))
            still = change.get("still held", key, ())
            self._keep(change, "still held", key, (one for one in still if one != site))
        change.note(
            REPLACED,
            site,
            disk=disk,
            thrown_away=len(lying.contents),
            things=tuple(Removal(*key).guid for key in keys),
            bulk=bulk,
        )
        self._enqueue(change, RrQueue.AC_EXTRACT, Job(0, sites=(site,)))

    def _keys_of(self, site: str) -> list[Key]:
        """Return what the lookup table sends to a site, parents first."""
        names = [one.name for one in self._model.objects]
        rows = self._actor.store.table("lookup").items()
        return sorted(
            (key for key, sites in rows if site in sites), key=lambda key: names.index(key[0])
        )

    def _ac_extract(self, change: Change, job: Job) -> None:
        [site] = job.sites
        keys = self._keys_of(site)
        size = BLOCK_COUNT if self._framework is Framework.NEW else 1
        for start in range(0, len(keys), size):
            block = tuple(keys[start : start + size])
            self._enqueue(change, RrQueue.EXTRACT, Job(0, block, (site,), again=job.again))

    _services: ClassVar[dict[RrQueue, Callable[["Realignment", Change, Job], None]]] = {
        RrQueue.SUBCHECK: _subcheck,
        RrQueue.REALIGN: _realign,
        RrQueue.DEPENDENCY: _dependency,
        RrQueue.EXTRACT: _extract,
        RrQueue.EXTRACTBLK: _extract_bulk,
        RrQueue.AC_EXTRACT: _ac_extract,
    }

    def _facts(self, get: Callable[[str, Any], Any], key: Key) -> Facts:
        """Return what decides who gets an instance that the CDB holds."""
        if key[0] == "order":
            return facts_of_order(get("cdb", key[1]).shown)
        return facts_of_record(get("cdb records", key))

    def _above(self, change: Change, key: Key) -> str:
        return above_of(self._model.of(key[0]), self._facts(change.get, key))

    def _image(self, change: Change, key: Key) -> Content:
        """Return all of an instance, as the CDB holds it now."""
        if key[0] == "order":
            row = change.get("cdb", key[1])
            return Update(row.shown, row.shown_save, Task.INSERT)
        return Replica(change.get("cdb records", key), Task.INSERT)


def _below(get: Callable[..., Any], key: Key) -> list[Key]:
    """Return everything that depends on an instance, however far below, parents first."""
    found: list[Key] = []
    todo = [key]
    while todo:
        children: tuple[Key, ...] = get("dependents", todo.pop(0), ())
        found += children
        todo += children
    return found
