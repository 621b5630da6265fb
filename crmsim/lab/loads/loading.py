"""How does a story load things from one system to another, compare systems, and repair them?

All these verbs are work of people in the office: they happen now, or as soon as the system is up.
"""

from collections.abc import Callable, Sequence

from crmsim.business.master import Record
from crmsim.erp.contracts import FLOWS
from crmsim.errors import BadValue
from crmsim.kernel.durable import Change
from crmsim.lab.back_office import BackOffice
from crmsim.loads.console import Console
from crmsim.loads.loads import UNLOADED
from crmsim.middleware.compare import Report
from crmsim.middleware.load import (
    CRM_TO_CDB,
    ERP_TO_CDB,
    ERP_TO_CRM,
    LoadKind,
    filter_of,
)
from crmsim.middleware.replication import Kind
from crmsim.systems.enterprise import CrmEnterprise

__all__ = ["Loading"]

WAYS = {"crm": {"erp": ERP_TO_CRM}, "cdb": {"crm": CRM_TO_CDB, "erp": ERP_TO_CDB}}
"""Target -> source -> way of a load."""


class Loading(BackOffice):
    """A landscape in which things are loaded, compared and repaired."""

    def add_record_in_erp(
        self, about: str, key: str, *, crm: str = "crm", erp: str = "erp", **fields: str
    ) -> None:
        """Add a customer, a product, a price that the ERP has, and nobody else.

        CRM gets it with the first `load` of its kind; before that, it hears of no change of any of
        them.

        Args:
            about: The name of a replication object that the ERP has.
            key: Its key.
            crm: The name of CRM Enterprise, which must have been added before.
            erp: The name of the ERP, which must have been added before.
            fields: Field -> value; of what is bulk, `value` alone.

        Raises:
            BadValue: the ERP has no such thing, or the key is taken.
        """
        self._must_be_of_erp(about)
        if about == "contract":
            raise BadValue(f"contract {key!r} is added with add_contract_in_erp")
        self._must_be_erp(erp)
        self._must_be_crm(crm)
        is_bulk = self._model.of(about).kind is Kind.BULK
        table = "masters" if is_bulk else "records"
        store, row = self.simulation.store(erp), (about, key)
        if store.get(table, row) is not None:
            raise BadValue(f"there is a {about} {key!r} already")
        if is_bulk:
            if tuple(fields) != ("value",):
                raise BadValue(f"of {about} {key!r} only a value can be said, such as value='2.50'")
            store.load(table, {row: fields["value"]})
        else:
            self._kind_of_record(about, key, "", fields)
            record = Record(about, key, tuple(sorted(fields.items())), version=0)
            store.load(table, {row: record})
        store.load(FLOWS, {about: False})
        self.simulation.store(crm).load(UNLOADED, {about: True})

    def _must_be_of_erp(self, about: str) -> None:
        if not (self._model.of(about).in_erp or about == "contract"):
            raise BadValue(f"the ERP has no {about}")

    def load(
        self,
        about: str,
        *,
        block: int = 100,
        target: str = "crm",
        source: str | None = None,
        crm: str = "crm",
    ) -> None:
        """Begin the initial load of all things of a kind now.

        From then on the ERP tells every change of them. While the load runs, single changes of them
        wait in their queues. It waits itself until what its things depend on has been loaded.

        Args:
            about: The name of the replication object.
            block: Records of a block.
            target: ``crm`` (from the ERP to CRM Online, and from there on), or ``cdb``.
            source: Of a load to the CDB: ``crm`` if left out; or ``erp``, for what is bulk: then
                CRM Online does not get it.
            crm: The name of CRM Enterprise.

        Raises:
            BadValue: there is no such way, or a block holds nothing.
        """
        _must_be_block(block)
        way = WAYS.get(target, {}).get(source or ("crm" if target == "cdb" else "erp"))
        if way is None:
            raise BadValue(
                f"nothing is loaded to {target!r} from {source or 'anywhere'!r}; write "
                "target='crm', or target='cdb' with source='crm' or 'erp'"
            )
        self._model.of(about)
        if about == "order":
            raise BadValue("orders are not loaded: they flow as they are written")
        if way != CRM_TO_CDB:
            self._must_be_of_erp(about)
        if way == ERP_TO_CDB and self._model.of(about).kind is not Kind.BULK:
            raise BadValue(f"only what is bulk goes past CRM Online; {about!r} is not")
        self._ask_for(crm, about, LoadKind.INITIAL, way, block)

    def _ask_for(
        self,
        crm: str,
        about: str,
        kind: LoadKind,
        way: str,
        block: int,
        keys: tuple[str, ...] = (),
    ) -> None:
        self._at_console(
            crm, lambda it, change: it.loads.ask_for(change, about, kind, way, block, keys)
        )

    def request_load(
        self, about: str, keys: Sequence[str], *, block: int = 100, crm: str = "crm"
    ) -> None:
        """Fetch some things from the ERP once more now, by their keys.

        Args:
            about: The name of the replication object.
            keys: Which of them; what does not pass the filter is left out.
            block: Records of a block.
            crm: The name of CRM Enterprise.

        Raises:
            BadValue: nothing is asked for, or the ERP has no such things.
        """
        _must_be_block(block)
        self._must_be_of_erp(about)
        if isinstance(keys, str) or not keys:
            raise BadValue(f"keys is {keys!r}; name one or more, in a tuple")
        self._ask_for(crm, about, LoadKind.REQUEST, ERP_TO_CRM, block, tuple(keys))

    def synchronise(self, publication: str, *, block: int = 100, crm: str = "crm") -> None:
        """Compare CRM Online with the CDB now, and spread what differs.

        Args:
            publication: The name of a replication object that is bulk.
            block: Records of a block.
            crm: The name of CRM Enterprise.

        Raises:
            BadValue: it is not bulk.
        """
        _must_be_block(block)
        if self._model.of(publication).kind is not Kind.BULK:
            raise BadValue(f"{publication!r} is not bulk: load it, or compare and repair")
        self._ask_for(crm, publication, LoadKind.SYNCHRONISATION, CRM_TO_CDB, block)

    def abort_load(self, about: str, *, crm: str = "crm") -> None:
        """Abort every load of a kind of things now; what has been taken over stays."""
        self._model.of(about)
        self._at_console(crm, lambda it, change: it.loads.abort(change, about))

    def set_filter(self, about: str, *, crm: str = "crm", **values: str) -> None:
        """Say which things the ERP sends from now on: those whose fields have these values.

        What CRM has already stays there. Without values, all are sent.

        Args:
            about: The name of a replication object that the ERP has.
            crm: The name of CRM Enterprise.
            values: Field -> value; `key` is the key.
        """
        self._must_be_of_erp(about)
        wanted = filter_of(values)
        self._at_console(crm, lambda it, change: it.set_filter(change, about, wanted))

    def set_bridge(self, about: str, *, is_on: bool, crm: str = "crm") -> None:
        """Let what is saved in CRM Online go on to the CDB and the laptops, or not, from now on."""
        self._model.of(about)
        self._at_console(crm, lambda it, change: it.set_bridge(change, about, is_on=is_on))

    def set_delta(self, about: str, *, is_active: bool, erp: str = "erp") -> None:
        """Let the ERP tell CRM of changes, or not, from now on.

        What was changed while it was off is not told later.
        """
        self._must_be_of_erp(about)
        self._at_erp(
            erp,
            lambda it, done: it.administer_exchange(
                lambda change: it.extraction.set_delta(change, about, is_active=is_active), done
            ),
        )

    def compare(
        self,
        about: str,
        *,
        against: str = "erp",
        is_detailed: bool = True,
        block: int = 100,
        crm: str = "crm",
    ) -> None:
        """Begin to compare what CRM has with another system now; `report` says what was found.

        Args:
            about: The name of the replication object.
            against: ``erp``, or ``cdb``.
            is_detailed: Whether fields are compared too, or only which keys there are.
            block: For how many things one question asks.
            crm: The name of CRM Enterprise.

        Raises:
            BadValue: there is nothing to be compared.
        """
        _must_be_block(block)
        self._must_be_comparable(about, against)
        self._at_console(
            crm,
            lambda it, change: it.comparing.begin(
                change, about, against, block, is_detailed=is_detailed
            ),
        )

    def _must_be_comparable(self, about: str, against: str) -> None:
        if against not in ("erp", "cdb"):
            raise BadValue(f"CRM is compared with the 'erp' or the 'cdb', not {against!r}")
        self._model.of(about)
        if against == "erp" and about != "order":
            self._must_be_of_erp(about)

    def report(self, about: str, *, against: str = "erp", crm: str = "crm") -> Report | None:
        """Return what the last comparison that is done has found; None when there was none."""
        actor = self.simulation.actor(crm)
        assert isinstance(actor, CrmEnterprise)
        return actor.console.comparing.report(about, against)

    def repair(
        self,
        about: str,
        *,
        against: str = "erp",
        leading: str = "erp",
        block: int = 100,
        crm: str = "crm",
    ) -> None:
        """Put right now what the last comparison has found; if one goes on, as soon as it is done.

        Args:
            about: The name of the replication object.
            against: With what it was compared.
            leading: Who is right: ``erp`` or ``crm``; against the CDB always CRM.
            block: Records of a block of what is fetched again.
            crm: The name of CRM Enterprise.

        Raises:
            BadValue: nobody else can lead.
        """
        _must_be_block(block)
        self._must_be_comparable(about, against)
        if about == "order":
            raise BadValue(
                "no order is repaired by a load: change_order sends it again, check_distribution "
                "sets it right that is stuck"
            )
        if leading not in ("erp", "crm"):
            raise BadValue(f"'erp' or 'crm' leads, not {leading!r}")
        is_erp_alone = self._model.of(about).kind is Kind.BULK or about == "contract"
        if against == "erp" and leading == "crm" and is_erp_alone:
            raise BadValue(f"CRM has each {about} from the ERP: there the ERP leads")
        self._at_console(
            crm, lambda it, change: it.repairing.begin(change, about, against, leading, block)
        )

    def _at_console(self, crm: str, do: Callable[[Console, Change], None]) -> None:
        self._in_crm(
            crm,
            lambda it, done: it.administer_replication(lambda change: do(it.console, change), done),
        )


def _must_be_block(block: int) -> None:
    if block < 1:
        raise BadValue(f"a block holds one record or more, not {block}")
