"""Does every laptop hold what belongs to it, and was it told so in the right order?

What belongs to a laptop is computed from scratch (`crmsim.checks.laptops.selection`).
"""

import abc
from collections.abc import Iterator
from typing import Any

from crmsim.checks.check import Check, Ending, Judge, Mood, Scene, forget
from crmsim.checks.laptops.selection import Key, Selection, held_by
from crmsim.middleware.queue import laptop_of
from crmsim.middleware.replication import Kind
from crmsim.trace.journal import Event

__all__ = [
    "ANSWERED_THOUGH",
    "IN_PLACE",
    "LOOKUP_IS_TRUE",
    "NEVER_BACK",
    "ORDER_OF_EXTRACTS",
    "PARENTS_THERE",
    "REALIGNED_ONLY",
    "REPEATABLE",
    "SAME_AS_CDB",
    "TAKEN_BACK",
    "TOLD_WHAT_IS_THEIRS",
]


class _Selected(Judge, abc.ABC):
    """Judges final states against the selection."""

    def end(self, ending: Ending) -> None:
        servers = self.scene.topology.sites("crm")
        if ending.is_quiet and servers and ending.stores[servers[0]].table("model"):
            store = ending.stores[servers[0]]
            self.compare(ending, store, Selection(store))

    def laptops(self, ending: Ending) -> Iterator[tuple[str, dict[Key, Any]]]:
        """Yield each laptop that is judged, and what it holds."""
        for laptop in self.scene.topology.sites("mobile"):
            if laptop not in ending.set_aside:
                yield laptop, held_by(ending.stores[laptop])

    @abc.abstractmethod
    def compare(self, ending: Ending, store: Any, selection: Selection) -> None:
        """Judge; all is quiet."""


class _InPlace(_Selected):
    """I-37: when all is quiet, a laptop holds exactly what its subscriptions select in CRM Online:
    nothing is missing, and nothing is there that does not belong there.
    """

    def compare(self, ending: Ending, store: Any, selection: Selection) -> None:
        wanted: dict[str, dict[Key, None]] = {}
        for key in selection.everything():
            for site in selection.sites_of(key):
                wanted.setdefault(site, {})[key] = None
        for laptop, held in self.laptops(ending):
            mine = wanted.get(laptop, {})
            for key in mine:
                self.judged += 1
                if key not in held and not _aside(selection, key, ending):
                    self.blame(f"{laptop} lacks {selection.name_of(key)}, which belongs there")
            for key in held:
                about = selection.model.get(key[0])
                if about is None or about.kind is Kind.SIMPLE or key in mine:
                    continue
                self.judged += 1
                name = selection.name_of(key)
                if not _aside(selection, key, ending) and not _is_unanswered(held[key]):
                    self.blame(f"{laptop} holds {name}, which does not belong there")


def _aside(selection: Selection, key: Key, ending: Ending) -> bool:
    """Say whether something waits for a person, or what it depends on does."""
    names = [selection.name_of(one) for one in selection.line_of(key)]
    return any(name.removeprefix("order ") in ending.waiting for name in names)


def _is_unanswered(thing: Any) -> bool:
    """Say whether something was made on the laptop and refused, or not answered yet."""
    return getattr(thing, "base", thing) is None


class _SameAsCdb(_Selected):
    """I-38: when all is quiet, whatever a laptop holds is as the CDB holds it."""

    def compare(self, ending: Ending, store: Any, selection: Selection) -> None:
        records, orders = store.table("cdb records"), store.table("cdb")
        for laptop, held in self.laptops(ending):
            for key, thing in held.items():
                name, about = selection.name_of(key), selection.model.get(key[0])
                if about is not None and about.kind is Kind.SIMPLE:
                    continue  # it was right when it was sent
                if _aside(selection, key, ending) or _is_unanswered(thing):
                    continue
                self.judged += 1
                if key[0] == "order":
                    row = orders.get(key[1])
                    is_same = row is not None and thing.base == row.document
                else:
                    is_same = records.get(key) == thing
                if not is_same:
                    self.blame(f"{name} is not the same on {laptop} and in the CDB")


class _LookupIsTrue(_Selected):
    """I-39: when all is quiet, the lookup table names for everything in the CDB the very sites that
    the subscriptions select.
    """

    def compare(self, ending: Ending, store: Any, selection: Selection) -> None:
        lookup = store.table("lookup")
        for key in selection.everything():
            if _aside(selection, key, ending):
                continue
            in_cdb = key[1] in store.table("cdb") if key[0] == "order" else True
            if not in_cdb:
                continue
            self.judged += 1
            named, wanted = lookup.get(key, ()), selection.sites_of(key)
            if tuple(named) != wanted:
                self.blame(
                    f"the lookup table sends {selection.name_of(key)} to {_names(named)}, "
                    f"the subscriptions to {_names(wanted)}"
                )


def _names(sites: Any) -> str:
    return ", ".join(sites) or "nobody"


class _ParentsThere(_Selected):
    """I-43: when all is quiet, whatever depends on something is nowhere without it."""

    def compare(self, ending: Ending, store: Any, selection: Selection) -> None:
        known = dict.fromkeys(selection.everything())
        for laptop, held in self.laptops(ending):
            for key in held:
                about = selection.model.get(key[0])
                if key not in known or about is None or not about.parent:
                    continue
                self.judged += 1
                parent = about.parent, selection.parent_of(key)
                if parent not in held and not _aside(selection, key, ending):
                    name = selection.name_of(key)
                    self.blame(f"{laptop} holds {name} without {' '.join(parent)}")


class _Told(Judge):
    """I-40, I-41: nothing but deletions and answers goes into the queue of a laptop about what has
    left it; the first thing that it hears of what has come to it is all of it. A laptop with a new
    disk hears of everything anew, but of what it writes there.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._on_new_disk: dict[str, dict[str, None]] = {}
        """Laptop with a new disk -> what it has got since, or written."""
        self._has_called: dict[str, None] = {}
        """Laptops that have called with a new disk."""
        self._left: dict[tuple[str, str], Event] = {}
        self._entered: dict[tuple[str, str], Event] = {}

    def on_realigned(self, event: Event) -> None:
        guid = _guid_of(event)
        for site in _sites(event, "leaving"):
            self._left[site, guid] = event
            self._entered.pop((site, guid), None)
        for site in _sites(event, "entering"):
            self._entered[site, guid] = event
            self._left.pop((site, guid), None)

    def on_enqueued(self, event: Event) -> None:
        what = event.detail.get("what")
        if what not in ("insert", "update", "delete"):
            return
        self.judged += 1
        key = _laptop_of(event), str(event.detail["guid"])
        there = self._on_new_disk.get(key[0]) if key[0] in self._has_called else None
        if what == "insert":
            self._entered.pop(key, None)
        if there is not None:
            if what == "update" and key[1] not in there:
                self.blame(f"{key[0]} is told of a change of {key[1]}, lost with its disk", event)
            there[key[1]] = None
        if what != "delete" and key in self._left:
            self.blame(f"{key[0]} is told of {key[1]}, which has left it", event)
        if what == "update" and key in self._entered:
            self.blame(f"{key[0]} is told of a change of {key[1]} before it has it", event)

    def on_saved(self, event: Event) -> None:
        if event.actor in self._on_new_disk:
            self._on_new_disk[event.actor][str(event.detail["guid"])] = None

    def on_wiped(self, event: Event) -> None:
        self._on_new_disk[event.actor] = {}
        self._has_called.pop(event.actor, None)

    def on_replaced(self, event: Event) -> None:
        self._has_called[event.subject] = None
        for table in (self._left, self._entered):
            forget(table, event.subject)


class _OrderOfExtracts(Judge):
    """I-42: in the queue of a laptop, what depends on something is inserted after it, and deleted
    before it. What was carried from one parent to another meanwhile is not judged. A laptop with a
    new disk gets parents first too.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._last: dict[tuple[str, str], str] = {}
        """(laptop, name) -> what was done to it last."""
        self._entering: dict[tuple[str, str], None] = {}
        self._leaving: dict[tuple[str, str], None] = {}
        self._carried: dict[str, None] = {}
        self._customers: dict[str, str] = {}
        self._on_new_disk: dict[str, dict[str, None]] = {}
        """Laptop with a new disk -> what it has got since."""

    def on_changed(self, event: Event) -> None:
        if event.detail["carried"]:
            self._carried[str(event.detail["guid"])] = None

    def on_committed(self, event: Event) -> None:
        guid, customer = str(event.detail["guid"]), str(event.detail["customer"])
        if self._customers.setdefault(guid, customer) != customer:
            self._carried[guid] = None

    def on_realigned(self, event: Event) -> None:
        for site in _sites(event, "entering"):
            self._entering[site, _guid_of(event)] = None
        for site in _sites(event, "leaving"):
            self._entering.pop((site, _guid_of(event)), None)
            self._leaving[site, _guid_of(event)] = None

    def on_enqueued(self, event: Event) -> None:
        what = event.detail.get("what")
        if what not in ("insert", "delete"):
            return
        laptop, name = _laptop_of(event), str(event.detail["guid"])
        above = laptop, str(event.detail.get("above", ""))
        self._last[laptop, name] = str(what)
        there = self._on_new_disk.get(laptop)
        if what == "insert":
            self._entering.pop((laptop, name), None)
            if there is not None:
                there[name] = None
        if not above[1] or name in self._carried:
            return
        self.judged += 1
        if what == "insert" and above in self._entering:
            self.blame(f"{laptop} gets {name} before {above[1]}, on which it depends", event)
        elif what == "insert" and there is not None and above[1] not in there:
            self.blame(f"{laptop} gets {name}, but not {above[1]}, with its new disk", event)
        was_there = self._leaving.pop((laptop, name), 0) is None  # not only just written there
        if what == "delete" and was_there and self._last.get(above) == "delete":
            self.blame(f"{laptop} loses {name} after {above[1]}, on which it depends", event)

    def on_saved(self, event: Event) -> None:
        if event.actor in self._on_new_disk:
            self._on_new_disk[event.actor][str(event.detail["guid"])] = None

    def on_replaced(self, event: Event) -> None:
        self._on_new_disk[event.subject] = {}
        for table in (self._last, self._entering, self._leaving):
            forget(table, event.subject)


def _laptop_of(event: Event) -> str:
    return laptop_of(str(event.detail["queue"]))


def _guid_of(event: Event) -> str:
    """Return the name that messages about it carry: orders go by their GUID alone."""
    return event.subject.removeprefix("order ")


def _sites(event: Event, name: str) -> tuple[str, ...]:
    sites = event.detail[name]
    return tuple(map(str, sites)) if isinstance(sites, tuple | list) else ()


class _RealignedOnly(Judge):
    """I-46: only intelligent objects and what depends on them are ever realigned."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._seen: dict[str, Event] = {}

    def on_realigned(self, event: Event) -> None:
        self.judged += 1
        self._seen.setdefault(str(event.detail["object"]), event)

    def end(self, ending: Ending) -> None:
        for crm in self.scene.topology.sites("crm"):
            model = ending.stores[crm].table("model")
            for name, event in self._seen.items():
                kind = model[name].kind if name in model else None
                if kind not in (Kind.INTELLIGENT, Kind.DEPENDENT):
                    self.blame(f"{name} was realigned, though it is not kept in step", event)


class _NeverBack(Judge):
    """I-49: a laptop imports the saves of one thing in the order in which they were made, unless
    the thing left it and came again.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._last: dict[tuple[str, str], int] = {}

    def on_imported(self, event: Event) -> None:
        if event.detail["what"] == "removal":
            self._last.pop((event.actor, str(event.detail["guid"])), None)
            return
        version = int(str(event.detail.get("version", 0)))
        if not version:
            return
        self.judged += 1
        key = event.actor, str(event.detail["guid"])
        last = self._last.get(key, 0)
        if version < last:
            self.blame(f"{key[0]} imported save {version} of {key[1]} after save {last}", event)
        self._last[key] = max(last, version)


class _Repeatable(_Selected):
    """I-44: what is extracted to a laptop once more, also between changes, does no harm: when all
    is quiet, the laptop holds the newest save that it ever got of it.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._newest: dict[tuple[str, str], int] = {}
        """(laptop, name) -> the newest save that it got."""
        self._repeated: dict[tuple[str, str], None] = {}

    def on_wiped(self, event: Event) -> None:
        forget(self._newest, event.actor)
        forget(self._repeated, event.actor)

    def on_imported(self, event: Event) -> None:
        key = event.actor, str(event.detail.get("guid", ""))
        if event.detail["what"] == "removal":
            self._newest.pop(key, None)
            self._repeated.pop(key, None)
        version = int(str(event.detail.get("version", 0)))
        if not version:
            return
        if event.detail["task"] == "insert" and key in self._newest:
            self._repeated[key] = None
        self._newest[key] = max(version, self._newest.get(key, 0))

    def compare(self, ending: Ending, store: Any, selection: Selection) -> None:
        for laptop, held in self.laptops(ending):
            for key, thing in held.items():
                row = laptop, key[1] if key[0] == "order" else " ".join(key)
                if row not in self._repeated:
                    continue
                self.judged += 1
                save = thing.save if key[0] == "order" else thing.version
                if save < self._newest[row]:
                    self.blame(
                        f"{laptop} holds save {save} of {selection.name_of(key)} after an extract, "
                        f"though it had got save {self._newest[row]}"
                    )


class _AnsweredThough(Judge):
    """I-47: what a rep changed of something that is taken away from the laptop gets its answer, yes
    or no; it is never lost without a word. What went down with a disk is left out.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._open: dict[tuple[str, str], dict[str, None]] = {}
        """(laptop, GUID) -> changes without an answer."""
        self._leaving: dict[tuple[str, str], None] = {}
        self._due: dict[str, str] = {}
        """Change of what is taken away -> its laptop."""

    def on_saved(self, event: Event) -> None:
        key, message = (event.actor, str(event.detail["guid"])), str(event.detail["message"])
        self._open.setdefault(key, {})[message] = None
        if key in self._leaving:
            self._due[message] = event.actor

    def on_realigned(self, event: Event) -> None:
        guid = _guid_of(event)
        for site in _sites(event, "entering"):
            self._leaving.pop((site, guid), None)
        for site in _sites(event, "leaving"):
            self._leaving[site, guid] = None
            self._due |= dict.fromkeys(self._open.get((site, guid), {}), site)

    def on_imported(self, event: Event) -> None:
        key = event.actor, str(event.detail.get("guid", ""))
        message = str(event.detail.get("answers", ""))
        if message:
            self._open.get(key, {}).pop(message, None)
            self.judged += self._due.pop(message, None) is not None
        elif event.detail["what"] == "removal":
            self._leaving.pop(key, None)

    on_unread = on_imported

    def on_wiped(self, event: Event) -> None:
        self._due = {one: site for one, site in self._due.items() if site != event.actor}
        forget(self._open, event.actor)

    def end(self, ending: Ending) -> None:
        if not ending.is_quiet:
            return
        for message, site in self._due.items():
            if message not in ending.set_aside and site not in ending.set_aside:
                self.judged += 1
                self.blame(f"{message} was of what {site} had to give up, and nobody answered it")


class _TakenBack(_Selected):
    """I-48: a subscription that was created and deleted again leaves nothing behind on its laptops,
    and a laptop that no subscription names ends empty, but for what its rep wrote and nobody has
    accepted.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._sites: dict[str, tuple[str, ...]] = {}
        self._deleted: dict[str, None] = {}
        """Laptops that a subscription was taken from."""

    def on_subscribed(self, event: Event) -> None:
        had = self._sites.pop(event.subject, ())
        if event.detail["action"] == "delete":
            self._deleted |= dict.fromkeys(had)
        else:
            self._sites[event.subject] = _sites(event, "sites")

    def compare(self, ending: Ending, store: Any, selection: Selection) -> None:
        named = {site for one in store.table("subscriptions").values() for site in one.sites}
        for laptop, held in self.laptops(ending):
            if laptop in named and laptop not in self._deleted:
                continue
            self.judged += 1
            for key, thing in held.items():
                about = selection.model.get(key[0])
                is_kept = about is None or about.kind is Kind.SIMPLE or _is_unanswered(thing)
                if is_kept or _aside(selection, key, ending):
                    continue
                if laptop not in selection.sites_of(key):
                    name = selection.name_of(key)
                    self.blame(f"{laptop} still holds {name}, which no subscription brings there")


IN_PLACE = Check(
    "every laptop holds what belongs to it, and nothing else",
    Mood.EVENTUALLY,
    ("I-37",),
    _InPlace,
)
SAME_AS_CDB = Check(
    "what a laptop holds is as the CDB holds it", Mood.EVENTUALLY, ("I-38",), _SameAsCdb
)
LOOKUP_IS_TRUE = Check("the lookup table is true", Mood.EVENTUALLY, ("I-39",), _LookupIsTrue)
TOLD_WHAT_IS_THEIRS = Check(
    "laptops are told only of what is theirs, all of it first",
    Mood.ALWAYS,
    ("I-40", "I-41"),
    _Told,
)
ORDER_OF_EXTRACTS = Check(
    "parents come first and go last", Mood.ALWAYS, ("I-42",), _OrderOfExtracts
)
PARENTS_THERE = Check(
    "nothing is anywhere without what it depends on", Mood.EVENTUALLY, ("I-43",), _ParentsThere
)
REALIGNED_ONLY = Check(
    "only what is kept in step is realigned", Mood.ALWAYS, ("I-46",), _RealignedOnly
)
REPEATABLE = Check("what is sent once more does no harm", Mood.EVENTUALLY, ("I-44",), _Repeatable)
ANSWERED_THOUGH = Check(
    "a change of what is taken away gets its answer", Mood.EVENTUALLY, ("I-47",), _AnsweredThough
)
TAKEN_BACK = Check(
    "a subscription that ends leaves nothing behind", Mood.EVENTUALLY, ("I-48",), _TakenBack
)
NEVER_BACK = Check("no laptop goes back in time", Mood.ALWAYS, ("I-49",), _NeverBack)
