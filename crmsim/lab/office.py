"""What do people in the office do while the story goes on?

They work in CRM Online: change customers and orders, publish prices, say who gets what. Whatever
they do goes the same way as everything else from there. If the system is down, or loses what they
did in a crash, they try again ten minutes later. What people do at the ERP:
`crmsim.lab.back_office`.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from crmsim.applications.directions import direction_of, named
from crmsim.applications.service import SERVICE_OBJECTS
from crmsim.business.document import OrderDocument
from crmsim.business.sales import OrderEdit, SalesOrder
from crmsim.errors import BadValue
from crmsim.kernel.durable import Change, SiteCrashed
from crmsim.kernel.simulation import Simulation
from crmsim.lab.backend import BackEnd
from crmsim.lab.trouble import NO_TROUBLE, Trouble
from crmsim.middleware.replication import Kind, Subscription, pattern_of
from crmsim.quiet.settle import LeftToDo
from crmsim.systems.channels import edited_by
from crmsim.systems.enterprise import CrmEnterprise
from crmsim.units import Duration, minutes, show_duration

__all__ = ["Office", "must_be_texts"]


class Office(BackEnd):
    """A landscape with an office."""

    def __init__(self, simulation: Simulation, trouble: Trouble = NO_TROUBLE) -> None:
        super().__init__(simulation, trouble)
        self._office: dict[tuple[str, str], list[Callable[[Any, Callable[[], None]], None]]] = {}
        """(system, order that it is about, or none) -> what the office wants, in order; the first
        is being done."""
        self._tried: dict[tuple[str, str], int] = {}
        """The same -> after how many crashes of the system the first thing was tried last."""

    def publish(self, publication: str, values: Mapping[str, str], *, crm: str = "crm") -> None:
        """Publish records now: prices, products, customizing.

        Every laptop gets them; if the model has them as bulk, every laptop that subscribes.
        If CRM is down, or loses it in a crash, whoever does it tries again ten minutes later.

        Args:
            publication: Under which name.
            values: Key of a record -> its new value.
            crm: The name of CRM Enterprise.
        """
        must_be_texts(publication, values)
        for one in self._model.objects:
            if one.name == publication and one.kind is not Kind.BULK:
                raise BadValue(f"{publication!r} is {one.kind.value}: change it")
            if one.name == publication and one.in_erp:
                raise BadValue(f"{publication!r} comes from the ERP: publish_in_erp")
        self._in_crm(crm, lambda it, done: it.publish(publication, values, done))

    def _in_crm(
        self, crm: str, do: Callable[[CrmEnterprise, Callable[[], None]], None], order: str = ""
    ) -> None:
        self._must_be_crm(crm)
        self._in_office(crm, do, order)

    def _must_be_crm(self, crm: str) -> None:
        if not isinstance(self.simulation.actor(crm), CrmEnterprise):
            raise BadValue(f"{crm!r} is no CRM Enterprise")

    def _in_office(
        self, site: str, do: Callable[[Any, Callable[[], None]], None], order: str = ""
    ) -> None:
        """Do something in a system, behind what its office wanted before of the same order.

        If it is down, or loses it in a crash, whoever does it tries again ten minutes later.
        """
        line = site, order
        waiting = self._office.setdefault(line, [])
        waiting.append(do)
        if len(waiting) == 1:
            self._begin_next(line)

    def _begin_next(self, line: tuple[str, str]) -> None:
        """Begin with the first thing that the office wants, and look every ten minutes after it."""
        do = self._office[line][0]

        def look() -> None:
            if do in self._office[line][:1]:
                self._attempt(line)
                self.simulation.at(self.simulation.now_ns + minutes(10), look)

        self._tried.pop(line, None)
        look()

    def _attempt(self, line: tuple[str, str]) -> None:
        """Do the first thing that the office wants, unless that is under way since no crash."""
        name, _ = line
        site, do = self.simulation.site(name), self._office[line][0]
        if site.is_up and not site.is_paused and site.crash_count != self._tried.get(line):
            self._tried[line] = site.crash_count
            self.simulation.seat_of(name).cause = 0  # nothing in the run brought it about
            with suppress(SiteCrashed):
                do(self.simulation.actor(name), lambda: self._done(line, do))

    def _done(self, line: tuple[str, str], do: object) -> None:
        """Go on with what the office wants next."""
        if do in self._office[line][:1]:
            del self._office[line][0]
            if self._office[line]:
                self._begin_next(line)

    def _until_done(
        self, site: str, order: str, do: Callable[[Any, Callable[..., None]], None]
    ) -> None:
        """Do something about an order, and again ten minutes later when it could not be done."""
        line = site, order

        def attempt(it: Any, done: Callable[[], None]) -> None:
            def end(*, is_done: bool) -> None:
                if is_done:
                    done()
                else:
                    self.simulation.at(self.simulation.now_ns + minutes(10), again)

            do(it, end)

        def again() -> None:
            if attempt in self._office[line][:1]:
                self._tried.pop(line, None)
                self._attempt(line)

        self._in_office(site, attempt, order)

    def change(
        self, about: str, key: str, *, parent: str = "", crm: str = "crm", **fields: str
    ) -> None:
        """Let somebody in the office create or change a customer, a contact, an activity now.

        While a service order, or what belongs to one, is being distributed to the ERP nobody can;
        then it is tried again ten minutes later, and later changes of the same wait behind it.

        Args:
            about: The name of the replication object.
            key: Its key.
            parent: The key of what it depends on; left out, that stays as it is.
            crm: The name of CRM Enterprise.
            fields: Field -> new value; the others stay as they are.
        """
        kind = self._kind_of_record(about, key, parent, fields)
        store, row = self.simulation.store(crm), (about, key)
        is_known = any(store.get(table, row) is not None for table in ("records", "deleted"))
        if kind.parent and not (parent or is_known or self._office.get((crm, ""))):
            raise BadValue(f"{about} {key!r} is new; name the {kind.parent} it depends on")
        self._must_be_crm(crm)

        def change(it: CrmEnterprise, end: Callable[..., None]) -> None:
            it.change_record(about, key, fields, parent, end)

        if about in SERVICE_OBJECTS:
            self._until_done(crm, f"{about} {key}", change)
        else:
            self._in_crm(crm, lambda it, done: change(it, lambda *, is_done: done()))

    def delete(self, about: str, key: str, *, crm: str = "crm") -> None:
        """Let somebody in the office delete a visit, a note, an attachment now.

        What depends on it goes with it. What is not there is left alone, and the history says so.

        Args:
            about: The name of the replication object.
            key: Its key.
            crm: The name of CRM Enterprise.

        Raises:
            BadValue: nobody deletes such a thing.
        """
        self._kind_of_record(about, key, "", {})
        if "delete" not in direction_of(about).from_laptops:
            raise BadValue(
                f"nobody deletes {named(about)}; a customer is blocked with "
                "change('customer', key, blocked='yes')"
            )
        self._in_crm(crm, lambda it, done: it.delete_record(about, key, done))

    def create_order(self, order: SalesOrder, *, by: str = "office", crm: str = "crm") -> None:
        """Let somebody in the office write an order or a quotation in CRM Online now.

        Args:
            order: Without a GUID; CRM makes one.
            by: Who writes it.
            crm: The name of CRM Enterprise.
        """
        self._in_crm(crm, lambda it, done: it.create_order(order, by, done), order.reference)

    def change_order(
        self,
        edit: OrderEdit,
        *,
        by: str = "office",
        lasts: Duration = minutes(2),
        crm: str = "crm",
    ) -> None:
        """Let somebody in the office change an order in CRM Online now.

        While the order is being distributed to the ERP nobody can, nor while it cannot be locked
        there; then it is tried again ten minutes later, and later changes of the same order wait
        behind it. What is final, or not there, is left alone, and the history says so.

        Args:
            edit: What is changed.
            by: Who changes it.
            lasts: How long it is open before it is saved, if it is locked in the ERP meanwhile.
            crm: The name of CRM Enterprise.

        Raises:
            BadValue: it would be open for longer than the ERP keeps it locked.
        """
        if self._exchange.locks and lasts >= self._exchange.lease:
            lease = show_duration(self._exchange.lease)
            raise BadValue(
                f"{edit.reference} is open for {show_duration(lasts)}, but its lock lasts {lease}: "
                "it would never be saved. Open it for less, or make the lease longer"
            )
        prefix = f"{by} at {self.simulation.now_ns}"
        self._must_be_crm(crm)

        def edited(document: OrderDocument) -> OrderDocument:
            return edited_by(edit, document, prefix)

        def change(it: CrmEnterprise, end: Callable[..., None]) -> None:
            it.edit_order(edit.reference, edited, by, lasts, end)

        self._until_done(crm, edit.reference, change)

    def check_distribution(self, *, crm: str = "crm") -> None:
        """Let somebody run the report now that finds orders stuck on their way to the ERP.

        Those that the ERP has are distributed; the others can be changed, and so sent, once more.
        """
        self._in_crm(crm, lambda it, done: it.check_distribution(done))

    def left_to_do(self) -> list[LeftToDo]:
        """Return what the office wants and has not done yet."""
        return [
            LeftToDo(site, len(left), order) for (site, order), left in self._office.items() if left
        ]

    def lock_user(self, laptop: str) -> None:
        """Lock the user of a laptop at all its stations now: they take no call of it any more.

        A session that is under way goes on. A station that loses its disk forgets who was locked.
        """
        self._users(laptop, is_locked=True)

    def unlock_user(self, laptop: str) -> None:
        """Let the stations of a laptop take its calls again."""
        self._users(laptop, is_locked=False)

    def _users(self, laptop: str, *, is_locked: bool) -> None:
        self._must_be_laptops((laptop,))
        for name, users in self._stations.items():
            if laptop in users:
                self._in_office(
                    name, lambda it, done: it.set_locked(laptop, is_locked=is_locked, done=done)
                )

    def deactivate_site(self, laptop: str, *, crm: str = "crm") -> None:
        """Deactivate a laptop in CRM now: it is let into no session; what is for it piles up."""
        self._sites(laptop, crm, lambda change: change.put("deactivated", laptop, True))

    def activate_site(self, laptop: str, *, crm: str = "crm") -> None:
        """Let CRM admit a laptop again."""
        self._sites(laptop, crm, lambda change: change.delete("deactivated", laptop))

    def _sites(self, laptop: str, crm: str, do: Callable[[Change], None]) -> None:
        self._must_be_laptops((laptop,))
        self._in_crm(crm, lambda it, done: it.administer_replication(do, done))

    def change_format(self, about: str, *, release: int, crm: str = "crm") -> None:
        """Let CRM send a kind of thing from now on in a form that takes newer programs to read.

        Args:
            about: An order, or the name of another replication object; not one that is bulk.
            release: Which release of the programs it takes; laptops begin with 1.
            crm: The name of CRM Enterprise.

        Raises:
            BadValue: there is no such thing, or any programs could read it.
        """
        if self._model.of(about).kind is Kind.BULK:
            raise BadValue(f"{about!r} is bulk; its form does not change")
        if release < 2:
            raise BadValue(f"release is {release}; all laptops have 1, so write 2 or more")
        self._in_crm(crm, lambda it, done: it.change_format(about, release, done))

    def update_client(self, site: str, *, release: int) -> None:
        """Give a laptop newer programs now, or as soon as it is up.

        Args:
            site: The laptop.
            release: Which release they are.
        """
        self._must_be_laptops((site,))
        if release < 1:
            raise BadValue(f"release is {release}; laptops begin with 1")
        self._in_office(site, lambda it, done: it.update_programs(release, done))

    def subscribe(
        self, name: str, about: str, sites: Sequence[str], *, crm: str = "crm", **values: str
    ) -> None:
        """Create a subscription now, or give it other values and sites; see `add_subscription`."""
        pattern = pattern_of(self._model.of(about), values)
        self._must_be_laptops(sites)
        self._subscribed(crm, name, Subscription(name, about, pattern, tuple(sites)))

    def unsubscribe(self, name: str, *, crm: str = "crm") -> None:
        """Delete a subscription now."""
        self._subscribed(crm, name, None)

    def _subscribed(self, crm: str, name: str, subscription: Subscription | None) -> None:
        self._in_crm(
            crm,
            lambda it, done: it.administer_replication(
                lambda change: it.receivers.subscribe(change, name, subscription), done
            ),
        )

    def set_demon(self, *, is_running: bool, crm: str = "crm") -> None:
        """Let the demon of replication and realignment stand still, or work again."""
        self._in_crm(
            crm,
            lambda it, done: it.administer_replication(
                lambda change: it.realignment.jobs.set_running(change, is_running=is_running), done
            ),
        )

    def extract(self, site: str, *, crm: str = "crm") -> None:
        """Let a laptop be sent everything that belongs to it once more."""
        self._must_be_laptops((site,))
        self._in_crm(
            crm,
            lambda it, done: it.administer_replication(
                lambda change: it.realignment.extract_all(change, site), done
            ),
        )


def must_be_texts(publication: str, values: Mapping[str, str]) -> None:
    """Refuse what is no table of records."""
    if not isinstance(values, Mapping) or not values:
        raise BadValue(f"what is published as {publication!r} is no table, such as {{'tea': '2'}}")
    for pair in values.items():
        if not all(isinstance(text, str) for text in pair):
            raise BadValue(f"keys and values of {publication!r} are texts: {pair}")
