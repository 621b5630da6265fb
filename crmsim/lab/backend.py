"""How is the back end of a landscape built: the one ERP, and what belongs to it?"""

from collections.abc import Mapping

from crmsim.applications.contracts import is_of_erp, must_be_target
from crmsim.applications.logistics import Logistics, Stock
from crmsim.chance import Distribution, Lognormal
from crmsim.erp.apo import Apo
from crmsim.erp.contracts import CONTRACTS, ErpContract
from crmsim.erp.erp import Erp
from crmsim.erp.service.warehouse import FIRST_STOCK, STOCK, stock_key
from crmsim.errors import BadValue
from crmsim.lab.building import WRITE, Building, staff_of
from crmsim.middleware.queue import QueueKey, RetryPolicy
from crmsim.network.link import Link
from crmsim.qrfc.partner import Poison
from crmsim.systems.people import Worklist
from crmsim.units import Duration, Share, milliseconds

__all__ = ["BackEnd"]

BOOKING_S = Lognormal.of_mean(0.8, 0.6)
"""Booking of an order in the ERP: mean 800 ms (assumed)."""

READING: Duration = milliseconds(10)
"""Reading of a record for a load or a comparison (assumed)."""

CHECK_S = Lognormal.of_mean(0.2, 0.6)
"""Availability check of an order in the planning system: mean 200 ms (assumed)."""


class BackEnd(Building):
    """A landscape with a back end."""

    def add_erp(
        self,
        link: Link,
        *,
        crm: str = "crm",
        ship_days: dict[str, int] | None = None,
        logistics: Logistics = Logistics(),
        refuses: Share = Share(0.0),
        work_processes: int = 2,
        service_s: Distribution = BOOKING_S,
        policy: RetryPolicy = RetryPolicy(),
        queue_key: QueueKey = QueueKey.PER_DOCUMENT,
        poisons: tuple[Poison, ...] = (),
        operator_s: Distribution | None = None,
        last_resort: str = "delete LUW",
        per_record: Duration = READING,
        name: str = "erp",
    ) -> None:
        """Add the one ERP and its line to CRM.

        Args:
            link: Both directions of the line between CRM and ERP.
            crm: The name of CRM Enterprise.
            ship_days: The warehouse's plan: reference of an order -> day of the run.
            logistics: How it delivers and bills; all at once on the planned day, and no bills, if
                left out.
            refuses: Share of what comes from CRM that it refuses for lack of master data; each
                version of an order has its own luck, so sending it again may help.
            work_processes: How many orders are booked at the same time.
            service_s: How long booking takes, in seconds.
            policy: When a report to CRM is tried again.
            queue_key: What shares a queue to CRM.
            poisons: Units of work that it cannot digest.
            operator_s: How long it takes until somebody looks at a stuck queue, in seconds; None
                when nobody ever does.
            last_resort: What that person does when activating did not help: ``delete LUW`` or
                ``park``.
            per_record: How long it takes to read a record for a load or a comparison.
            name: The name of the site and its actor.

        Raises:
            ForbiddenLink: there is an ERP already.
            BadValue: it refuses more than all, or less than nothing.
        """
        if not 0 <= refuses <= 1:
            raise BadValue(f"refuses is {refuses}; it is a share from 0 to 1, such as Share(0.02)")
        plan = {} if ship_days is None else ship_days
        poisons += self._trouble.poisons
        operator_s = self._needed(operator_s, is_needed=bool(self._trouble.poisons))
        self.simulation.add_site(name, "erp").write_ns = WRITE
        self.simulation.connect(crm, name, link)
        staff = staff_of(name, work_processes, operator_s)
        self.simulation.seat(
            name,
            lambda: Erp(
                crm,
                plan,
                logistics,
                service_s,
                staff,
                policy,
                self.guarantees,
                queue_key,
                poisons,
                self._exchange,
                refuses,
                per_record,
            ),
        )
        self._seat_staff(name, staff, operator_s, last_resort, Worklist.OLDEST_FIRST)

    def add_contract_in_erp(
        self,
        key: str,
        *,
        customer: str,
        target: Mapping[str, int],
        valid_to: int | None = None,
        erp: str = "erp",
    ) -> None:
        """Add a contract that the ERP has since before the run began, and nobody else.

        CRM hears of it by `load("contract")`. Contracts of CRM are added with `add_record`.

        Args:
            key: Its number; CRM will know it by the same.
            customer: Whose it is; must have been added before.
            target: Product -> pieces that can be called off it.
            valid_to: Last day of the run on which something can be called off; None for no end.
            erp: The name of the ERP, which must have been added before.

        Raises:
            BadValue: there is no such customer in the ERP, or the number is taken.
        """
        must_be_target(key, target)
        self._must_be_free(key, erp)
        store = self.simulation.store(erp)
        if store.get("records", ("customer", customer)) is None:
            raise BadValue(f"contract {key!r} is of customer {customer!r}; add that before")
        contract = ErpContract(key, customer, tuple(sorted(target.items())), valid_to)
        if store.get(CONTRACTS, key) is not None:
            raise BadValue(f"there is a contract {key!r} already")
        store.load(CONTRACTS, {key: contract})

    def _must_be_free(self, key: str, erp: str) -> None:
        """Refuse a number that a contract of CRM has.

        Raises:
            BadValue: it is taken, or no contract can be in the ERP.
        """
        if not isinstance(self.simulation.actor(erp), Erp):
            raise BadValue(f"{erp!r} is no ERP")
        self._model.of("contract")
        if not self._model.of("customer").in_erp:
            raise BadValue("the ERP has contracts only where the model gives it the customers")
        for crm in self.simulation.topology.sites("crm"):
            record = self.simulation.store(crm).get("records", ("contract", key))
            if record is not None and not is_of_erp(record):
                raise BadValue(f"contract {key!r} is one of CRM; number that of the ERP otherwise")

    def add_stock(
        self, place: str, product: str, pieces: int, *, technician: str = "", crm: str = "crm"
    ) -> None:
        """Keep a stock of parts, which is known everywhere already.

        Where none is kept, there is always enough.

        Args:
            place: Where they lie: a van, or ``main``, from which customers are served.
            product: Which parts.
            pieces: How many there are at the beginning.
            technician: Whose van it is; his laptop shows what is in it.
            crm: The name of CRM Enterprise, which must have been added before.

        Raises:
            BadValue: there are fewer than none, or the stock is kept already.
        """
        if pieces < 0:
            raise BadValue(f"{place!r} holds {pieces} {product}; write 0 or more")
        fields = {"pieces": str(pieces), "place": place, "product": product}
        key = stock_key(place, product)
        self.add_record(STOCK, key, crm=crm, technician=technician, **fields)
        for erp in self.simulation.topology.sites("erp"):
            self.simulation.store(erp).load(FIRST_STOCK, {key: pieces})

    def add_apo(
        self,
        link: Link,
        *,
        crm: str = "crm",
        stock: Stock,
        service_s: Distribution = CHECK_S,
        name: str = "apo",
    ) -> None:
        """Add the planning system and its line to CRM; from then on CRM has orders checked.

        Without one, nobody asks whether there is enough. What becomes of an order while it is out
        of reach: ``add_crm(policies=Policies(on_apo_down=...))``.

        Args:
            link: Both directions of the line between CRM and the planning system.
            crm: The name of CRM Enterprise, which must have been added before.
            stock: What it knows of the stock: how much there is of each product, and how it is
                filled up. Usually that of the ERP's logistics.
            service_s: How long a check takes, in seconds.
            name: The name of the site and its actor.

        Raises:
            ForbiddenLink: there is a planning system already.
            BadValue: CRM has not been added yet.
        """
        if crm not in self.simulation.topology.sites("crm"):
            raise BadValue(f"{name!r} is asked by CRM alone; add {crm!r} before it")
        self.simulation.add_site(name, "apo").write_ns = WRITE
        self.simulation.connect(crm, name, link)
        self.simulation.seat(name, lambda: Apo(crm, stock, service_s))
        self._apo.append(name)
