"""How is a landscape built?

One CRM Enterprise, stations, laptops and the lines between them; what stands behind CRM is put up
by `crmsim.lab.backend`. Whatever the permitted channels rule out is refused at once, with the
reason.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType

import attrs

from crmsim.applications.contracts import must_be_contract, pieces_of, progress_fields
from crmsim.applications.directions import direction_of, lacks_of
from crmsim.applications.exchange import UNASKED, SalesExchange
from crmsim.applications.service import must_be_service
from crmsim.business.master import Record, RecordEdit
from crmsim.chance import Distribution, Exponential, Lognormal
from crmsim.errors import BadValue
from crmsim.kernel.simulation import Simulation
from crmsim.lab.trouble import NO_TROUBLE, Trouble
from crmsim.middleware.flow import Breakage, Context
from crmsim.middleware.queue import QueueKey, RetryPolicy
from crmsim.middleware.replication import (
    ORDERS_BY_REP,
    Framework,
    Kind,
    Model,
    Replication,
    ReplicationObject,
    Subscription,
    TakenAway,
    pattern_of,
    united,
)
from crmsim.mobile.client import MobileClient
from crmsim.mobile.dialling import REDIAL_POLICY, Dialling
from crmsim.mobile.rep import DiaryEntry, Habits, why_not_in_diary
from crmsim.mobile.station import Station
from crmsim.network.link import Link
from crmsim.online.clerk import Clerk, ClerkHabits, Desk, clerk_of
from crmsim.online.recovery import OwnService
from crmsim.online.service.desk import ServiceDesk
from crmsim.qrfc.partner import Poison, Staff
from crmsim.qrfc.processes import WorkProcess, work_process_names
from crmsim.qrfc.wire import Guarantees
from crmsim.replication.demon import QueueDemon
from crmsim.replication.receivers import facts_of_record, wanting
from crmsim.systems.channels import Channel
from crmsim.systems.enterprise import CrmEnterprise
from crmsim.systems.people import Operator, Worklist
from crmsim.systems.setup import Policies, Setup
from crmsim.units import Duration, milliseconds, minutes

__all__ = ["REACTION_S", "WRITE", "Building", "staff_of"]

VALIDATION_S = Lognormal.of_mean(0.3, 0.6)
"""Validation of a change in CRM: mean 300 ms (assumed)."""
DISTRIBUTION_S = Lognormal.of_mean(0.05, 0.6)
"""Passing a saved document on to its receivers: mean 50 ms (assumed)."""
REACTION_S = Exponential(7_200.0)
"""Reaction of an operator whom only trouble brings along: two hours on average (assumed)."""
WRITE: Duration = milliseconds(5)
"""A durable write of a server (assumed)."""
SESSION_POLICY = RetryPolicy(first=minutes(0.25), factor=1.5, most=minutes(1))
"""When a laptop repeats a request within a session (assumed)."""


class Building:
    """The systems of one run, as they are put up."""

    def __init__(self, simulation: Simulation, trouble: Trouble = NO_TROUBLE) -> None:
        self.simulation = simulation
        self.guarantees = Guarantees()
        self._trouble = trouble
        self._laptops: dict[str, str] = {}
        self._stations: dict[str, list[str]] = {}
        self._apo: list[str] = []
        """The name of the planning system; empty while there is none."""
        self._replication = Replication(ORDERS_BY_REP)
        self._exchange = UNASKED

    @property
    def _model(self) -> Model:
        return self._replication.model

    def replicate(
        self,
        model: Model,
        framework: Framework = Framework.NEW,
        taken_away: TakenAway = TakenAway.ACCEPT,
    ) -> None:
        """Say what the landscape replicates, and how; to be said before the systems are added.

        Without it, each laptop gets the orders of its rep.

        Args:
            model: What is replicated, and how the sites of it are found.
            framework: How the demon works through what is to be realigned.
            taken_away: What becomes of a change of something that does not belong to its author
                any more.
        """
        if self.simulation.topology.sites("crm"):
            raise BadValue("say what is replicated before CRM is added")
        self._replication = Replication(model, framework, taken_away)

    def exchange(self, exchange: SalesExchange) -> None:
        """Say how CRM and the ERP share sales transactions; before the systems are added.

        Without it, orders belong to the system in which they were born, quotations stay in CRM, and
        CRM changes what the ERP has without asking it.

        Args:
            exchange: Who may change what, whether it is locked meanwhile, and so on.
        """
        if self.simulation.topology.sites("crm") or self.simulation.topology.sites("erp"):
            raise BadValue("say how CRM and the ERP share orders before they are added")
        self._exchange = exchange

    def add_subscription(
        self, name: str, about: str, sites: Sequence[str], *, crm: str = "crm", **values: str
    ) -> None:
        """Let sites get what matches some values; it has been so since before the run began.

        Args:
            name: What the subscription is called.
            about: The name of the replication object.
            sites: Names of laptops.
            crm: The name of CRM Enterprise, which must have been added before.
            values: Criterion -> value; what is left out may have any value.

        Raises:
            BadValue: there is no such object or criterion, or the name is taken.
        """
        store = self.simulation.store(crm)
        if store.table("records"):
            raise BadValue(f"add the subscription {name!r} before the first record")
        if store.get("subscriptions", name) is not None:
            raise BadValue(f"there is a subscription {name!r} already")
        pattern = pattern_of(self._model.of(about), values)
        self._must_be_laptops(sites)
        subscription = Subscription(name, about, pattern, tuple(sites))
        store.load("subscriptions", {name: subscription})
        others = store.get("wanted", (about, pattern), ())
        store.load("wanted", {(about, pattern): united((others, subscription.sites))})
        if self._model.of(about).kind is Kind.BULK:
            store.load("opened", {(site, about): True for site in subscription.sites})

    def _must_be_laptops(self, sites: Sequence[str]) -> None:
        if isinstance(sites, str):
            raise BadValue(f"sites is {sites!r}; write a tuple: ({sites!r},)")
        for site in sites:
            if site not in self._laptops.values():
                raise BadValue(f"{site!r} is no laptop")

    def _kind_of_record(
        self, about: str, key: str, parent: str, fields: Mapping[str, str]
    ) -> ReplicationObject:
        """Return the kind of a record that somebody wants to have.

        Raises:
            BadValue: there can be no such record.
        """
        kind = self._model.of(about)
        if not isinstance(key, str) or not key:
            raise BadValue(f"the key of a {about} is a text: {key!r}")
        if about == "order":
            raise BadValue("orders are written by reps, in their diaries")
        if kind.kind is Kind.BULK:
            raise BadValue(f"{about!r} is bulk: publish it")
        if parent and not kind.parent:
            raise BadValue(f"a {about} depends on nothing, so it has no parent {parent!r}")
        if not all(isinstance(value, str) for value in fields.values()):
            raise BadValue(f"fields of a {about} are texts: {dict(fields)}")
        if about == "contract":
            must_be_contract(key, fields)
        must_be_service(about, fields)
        return kind

    def add_record(
        self, about: str, key: str, *, parent: str = "", crm: str = "crm", **fields: str
    ) -> None:
        """Add a customer, a contact, an activity that is in its place everywhere already.

        Args:
            about: The name of the replication object.
            key: Its key.
            parent: The key of what it depends on, which must have been added before.
            crm: The name of CRM Enterprise, which must have been added before.
            fields: Field -> value.

        Raises:
            BadValue: there is no such object, its parent is missing, or the key is taken.
        """
        kind = self._kind_of_record(about, key, parent, fields)
        store, row = self.simulation.store(crm), (about, key)
        if store.get("records", row) is not None:
            raise BadValue(f"there is a {about} {key!r} already")
        above = kind.parent, parent
        if kind.parent and store.get("records", above) is None:
            raise BadValue(f"{about} {key!r} depends on {kind.parent} {parent!r}; add that before")
        if about == "contract" and "target" in fields:
            fields |= progress_fields(pieces_of(fields["target"]), ())
        record = Record(about, key, tuple(sorted(fields.items())), parent)
        if direction_of(about).is_kept_incomplete:
            record = attrs.evolve(record, lacks=lacks_of(record))
        if kind.in_erp:
            for erp in self._erp_of(about):
                self.simulation.store(erp).load("records", {row: attrs.evolve(record, parent="")})
        sites = wanting(store.get, kind, facts_of_record(record))
        for table in ("records", "cdb records"):
            store.load(table, {row: record})
        if about == "contract":
            store.load("contracts", {parent: (*store.get("contracts", parent, ()), key)})
        if "delete" in direction_of(kind.parent).from_laptops:
            store.load("below", {above: (*store.get("below", above, ()), row)})
        if kind.kind is not Kind.SIMPLE:
            store.load("lookup", {row: sites})
        if kind.parent:
            store.load("dependents", {above: (*store.get("dependents", above, ()), row)})
        for site in sites:
            self.simulation.store(site).load("records", {row: record})

    def _erp_of(self, about: str) -> Sequence[str]:
        """Return the ERP, which has some records too.

        Raises:
            BadValue: it has not been added yet.
        """
        found = self.simulation.topology.sites("erp")
        if not found:
            raise BadValue(f"the ERP has each {about} too; add the ERP before, with add_erp")
        return found

    def add_crm(
        self,
        *,
        erp: str = "erp",
        work_processes: int = 2,
        service_s: Distribution = VALIDATION_S,
        distribution_s: Distribution = DISTRIBUTION_S,
        policy: RetryPolicy = RetryPolicy(),
        queue_key: QueueKey = QueueKey.PER_DOCUMENT,
        csa_key: QueueKey = QueueKey.PER_PARENT,
        connections: int | None = None,
        poisons: tuple[Poison, ...] = (),
        breakages: tuple[Breakage, ...] = (),
        policies: Policies = Policies(),
        clerk: ClerkHabits | None = None,
        service_clerk: ClerkHabits | None = None,
        own_services: Mapping[Context, OwnService] = MappingProxyType({}),
        operator_s: Distribution | None = None,
        last_resort: str = "delete LUW",
        worklist: Worklist = Worklist.OLDEST_FIRST,
        name: str = "crm",
    ) -> None:
        """Add CRM Enterprise.

        Args:
            erp: The name that the ERP will have.
            work_processes: How many changes are validated at the same time.
            service_s: How long a validation takes, in seconds.
            distribution_s: How long it takes to pass a saved document on, in seconds.
            policy: When a transfer to the ERP is tried again.
            queue_key: What shares a queue to the ERP.
            csa_key: What shares a queue inside CRM, on the way from a save to its receivers.
            connections: How many orders are on their way to the ERP at once; None for any number.
            poisons: Units of work that it cannot digest.
            breakages: Which programs of the flow do not work.
            policies: How it decides where there is a choice: conflicts, locks, errors.
            clerk: When somebody completes and releases orders; None when nobody does.
            service_clerk: When the service office works; None when nobody does.
            own_services: Calls of one's own, as part of the commit: SI1, SOA, SOB; see `Context`.
            operator_s: Seconds until somebody looks at what is stuck or failed; None for nobody.
            last_resort: What that person does when activating did not help; see `add_erp`.
            worklist: In which way that person works off the error list.
            name: The name of the site and its actor.
        """
        operator_s = self._needed(operator_s, is_needed=bool(self._trouble.breakages))
        self.simulation.add_site(name, "crm").write_ns = WRITE
        staff = staff_of(name, work_processes, operator_s, f"{name}-demon")
        setup = Setup(
            erp=erp,
            laptops=self._laptops,
            replication=self._replication,
            service_s=service_s,
            distribution_s=distribution_s,
            staff=staff,
            policy=policy,
            guarantees=self.guarantees,
            queue_key=queue_key,
            poisons=poisons,
            breakages=breakages + self._trouble.breakages,
            own_services=own_services,
            csa_key=csa_key,
            connections=connections,
            policies=policies,
            clerk=clerk,
            service_clerk=service_clerk,
            exchange=self._exchange,
            apo=self._apo,
        )
        self._seat_crm(name, setup)
        self._seat_staff(name, staff, operator_s, last_resort, worklist)

    def _seat_crm(self, name: str, setup: Setup) -> None:
        self.simulation.seat(name, lambda: CrmEnterprise(setup))
        self.simulation.store(name).load("policies", setup.told)
        clerks = {Desk.ROLE: setup.clerk, ServiceDesk.ROLE: setup.service_clerk}
        for role, habits in clerks.items():
            if habits is not None:
                self.simulation.seat(name, partial(Clerk, name, habits), clerk_of(name, role))

    def _seat_staff(
        self,
        site: str,
        staff: Staff,
        reaction_s: Distribution | None,
        last_resort: str,
        worklist: Worklist,
    ) -> None:
        for name in staff.work_processes:
            self.simulation.seat(site, WorkProcess, name)
        if staff.demon:
            self.simulation.seat(site, QueueDemon, staff.demon)
            model = {one.name: one for one in self._model.objects}
            self.simulation.store(site).load("model", model)
        if staff.operator is not None and reaction_s is not None:
            self.simulation.seat(
                site, lambda: Operator(site, reaction_s, last_resort, worklist), staff.operator
            )

    @staticmethod
    def _needed(operator_s: Distribution | None, *, is_needed: bool) -> Distribution | None:
        """Return the operator's reaction; trouble that needs a person brings one along."""
        return REACTION_S if operator_s is None and is_needed else operator_s

    def add_station(
        self, name: str, link: Link, *, crm: str = "crm", connections: int | None = None
    ) -> None:
        """Add a communication station and its line to CRM.

        Args:
            name: The name of the site and its actor.
            link: Both directions of the line between station and CRM.
            crm: The name of CRM Enterprise.
            connections: How many laptops it serves at the same time; None for any number.

        Raises:
            BadValue: it could not serve a single laptop.
        """
        if connections is not None and connections < 1:
            raise BadValue(
                f"{name!r} has {connections} connections; it needs one or more, or None for any "
                "number"
            )
        self.simulation.add_site(name, "station").write_ns = WRITE
        self.simulation.connect(name, crm, link)
        users = self._stations.setdefault(name, [])
        self.simulation.seat(name, lambda: Station(crm, users, connections))

    def add_laptop(
        self,
        name: str,
        link: Link,
        *,
        rep: str,
        diary: tuple[DiaryEntry, ...],
        habits: Habits,
        station: str | tuple[str, ...],
        policy: RetryPolicy = SESSION_POLICY,
        redial: RetryPolicy = REDIAL_POLICY,
        counts_parts: bool = False,
    ) -> None:
        """Add a laptop and its line to each of its stations.

        Args:
            name: The name of the site and its actor.
            link: Both directions of each line.
            rep: Who works on it.
            diary: What the rep writes when.
            habits: When sessions begin.
            station: The station that it calls; or several, in the order in which it tries them.
            policy: When a request is repeated within a session.
            redial: How long it waits after it has called all its stations in vain.
            counts_parts: Whether it takes parts that its technician has confirmed off the stock
                that it shows, before the ERP has posted them.

        Raises:
            BadValue: the rep has a laptop already, it has no station, or the line is no dial-up
                line.
        """
        stations = (station,) if isinstance(station, str) else tuple(station)
        if not stations or len(dict.fromkeys(stations)) < len(stations):
            raise BadValue(
                f"{name!r} calls {station!r}; name one station, or a tuple of different ones"
            )
        for entry in diary:
            if isinstance(entry.what, RecordEdit):
                must_be_service(entry.what.object, dict(entry.what.fields))
            reason = why_not_in_diary(self._model, entry.what)
            if reason is not None:
                raise BadValue(f"{name!r} {reason}")
        if rep in self._laptops:
            raise BadValue(f"rep {rep!r} works on {self._laptops[rep]!r} already")
        if not link.dial_up:
            raise BadValue(f"{name!r} calls its station; its line needs dial_up=True")
        site = self.simulation.add_site(name, "mobile")
        site.write_ns = WRITE
        site.kept_in_mind = (("rep", "written"), ("rep", "release"))
        for one in stations:
            self.simulation.connect(name, one, link)
        self._laptops[rep] = name
        if self._model is ORDERS_BY_REP:
            self.add_subscription(f"orders of {rep}", "order", (name,), rep=rep)
        for one in stations:
            self._stations[one].append(name)
        dialling = Dialling(stations, redial)
        self.simulation.seat(
            name,
            lambda: MobileClient(
                dialling,
                diary,
                habits,
                policy,
                self.guarantees,
                self._model.parents,
                counts_parts,
            ),
        )

    def add_channel(
        self,
        name: str,
        link: Link,
        *,
        diary: tuple[DiaryEntry, ...],
        crm: str = "crm",
        policy: RetryPolicy = SESSION_POLICY,
    ) -> None:
        """Add another channel by which customers reach CRM: the Internet shop, the telephone.

        Args:
            name: The name of the site and its actor; it also says who wrote what.
            link: Both directions of the line to CRM.
            diary: Orders, changes of orders and enquiries, in order of time.
            crm: The name of CRM Enterprise.
            policy: When something is sent again that CRM has not answered.

        Raises:
            BadValue: the diary is about something that customers have no say in.
        """
        for entry in diary:
            if isinstance(entry.what, RecordEdit):
                what = entry.what.object
                raise BadValue(f"{name!r} is a channel for orders; no {what} is written there")
        self.simulation.add_site(name, "channel").write_ns = WRITE
        self.simulation.connect(name, crm, link)
        self.simulation.seat(name, lambda: Channel(crm, diary, policy))

    def check(self) -> None:
        """Judge the finished landscape.

        Raises:
            ForbiddenLink: a system is missing, or a site has no line that it cannot do without.
        """
        self.simulation.topology.check()


def staff_of(
    site: str, work_processes: int, operator_s: Distribution | None, demon: str = ""
) -> Staff:
    """Return the names of who works at a system."""
    operator = None if operator_s is None else f"{site}-operator"
    return Staff(work_process_names(site, work_processes), operator, demon)
