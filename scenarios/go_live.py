"""A customer base is loaded into CRM while people go on changing it. Is anything lost?

On the evening before the go-live CRM knows no customer. The ERP sends all of them, in blocks. It
takes a while, and the people at the ERP go on working: they change customers that were sent
already, that are just being sent, and that are still to come. Each change is told to CRM too; but
while the load runs, these changes wait in their queues, and only then are they executed. A block
says how new each of its records is, so a change that is older than its record has nothing to say
any more.

In the middle of it both systems crash. Then the prices are loaded, and the contracts, which have to
wait until the customers are there. In the morning the reps call, and get what is theirs.

Why one should care: what is changed between the moment in which a record is read in one system and
the moment in which it is stored in the other is what a careless migration loses.

Hypothesis: nothing is lost, whatever the size of a block. The larger the blocks, and the fewer
requests run side by side, the longer the load, and the more changes wait when it is done.

Runs in: 8 s.
"""

from collections.abc import Iterator, Mapping

from attrs import frozen

from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.kernel.simulation import Simulation
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.middleware.replication import Kind, Model, ReplicationObject
from crmsim.mobile.rep import Habits
from crmsim.network.profiles import gprs, wan
from crmsim.systems.setup import Policies
from crmsim.trace.journal import Journal
from crmsim.units import Duration, days, hours, milliseconds, minutes, to_seconds

MODEL = Model(
    (
        ReplicationObject("prices", Kind.BULK, in_erp=True),
        ReplicationObject("customer", Kind.INTELLIGENT, ("region",), in_erp=True),
        ReplicationObject("contract", Kind.DEPENDENT, parent="customer"),
        ReplicationObject("order", Kind.DEPENDENT, parent="customer"),
    )
)
"""Reps get the customers of their region, with their contracts."""
BEGINS = hours(20)


@frozen
class Settings:
    """What can be changed about the story."""

    customers: int = setting(2_000, "customers that the ERP has", low=10, high=1_000_000)
    changes: int = setting(600, "customers that are changed there meanwhile", low=0, high=1_000_000)
    changing: Duration = setting(minutes(15), "over which span they are changed")
    block: int = setting(100, "customers in a block", low=1, high=100_000)
    requests: int = setting(
        0, "request loads among which they are divided; 0: one initial load", low=0, high=100
    )
    parallel: int = setting(4, "how many of these run at once", low=1, high=1_000)
    work_processes: int = setting(4, "work processes of CRM", low=1, high=100)
    reps: int = setting(2, "reps, each with a region", low=1, high=1_000)
    crashes: bool = setting(True, "both systems crash in the middle of the load")


def load_metrics(result: Result) -> Mapping[str, object]:
    """Return how long the load took, what was changed meanwhile, and what is lost.

    `changed_while_loading` are customers changed in the ERP while they were being loaded.
    `changed_under_way` are those of them that were changed between the moment in which they were
    read and the moment in which CRM stored them. `waiting_at_release` are changes that CRM had
    received and not executed when the load was done, `released_after_s` is how long the last of
    them took from there.
    """
    journal = result.journal
    begun_ns, done_ns = span_of_load(journal)
    while_loading, under_way = changed_meanwhile(journal, begun_ns, done_ns)
    waiting, drained_ns = backlog(journal, done_ns)
    lost = list(lost_customers(result.simulation))
    return {
        "load_s": to_seconds(done_ns - begun_ns),
        "blocks": sum(1 for event in journal.select("unpacked") if event.detail["count"]),
        "changed_while_loading": len(while_loading),
        "changed_under_way": len(under_way),
        "waiting_at_release": waiting,
        "released_after_s": to_seconds(max(drained_ns - done_ns, 0)),
        "customers_in_crm": len(result.simulation.store("crm").table("records")),
        "customers_lost": len(lost),
    }


def span_of_load(journal: Journal) -> tuple[int, int]:
    """Return when the loads of customers began, and when the last of them was done."""
    found = [event for event in journal.select("loaded") if event.detail["about"] == "customer"]
    begun = [event.time_ns for event in found if event.detail["status"] == "running"]
    done = [event.time_ns for event in found if event.detail["status"] == "done"]
    return min(begun, default=0), max(done, default=0)


def changed_meanwhile(journal: Journal, begun_ns: int, done_ns: int) -> tuple[set[str], set[str]]:
    """Return the customers changed while the load ran, and those changed while under way."""
    read_ns: dict[str, int] = {}
    blocks: dict[str, list[str]] = {}
    stored_ns: dict[str, int] = {}
    changed: list[tuple[str, int]] = []
    for event in journal.select("extracted", "unpacked", "maintained"):
        if event.kind == "extracted":
            keys = event.detail["keys"]
            assert isinstance(keys, tuple)
            block = f"block {event.detail['block']} of {event.subject}"
            blocks[block] = [f"customer {key}" for key in keys]
            read_ns |= dict.fromkeys(blocks[block], event.time_ns)
        elif event.kind == "unpacked":
            stored_ns |= dict.fromkeys(blocks[event.subject], event.time_ns)
        elif event.detail["by"] == "erp":
            changed.append((event.subject, event.time_ns))
    while_loading = {name for name, at_ns in changed if begun_ns < at_ns < done_ns}
    under_way = {
        name
        for name, at_ns in changed
        if name in stored_ns and read_ns[name] < at_ns < stored_ns[name]
    }
    return while_loading, under_way


def backlog(journal: Journal, done_ns: int) -> tuple[int, int]:
    """Return how many changes waited in CRM at a moment, and when the last of them was executed."""
    waiting: dict[str, None] = {}
    drained_ns = done_ns
    for event in journal.select("received", "effected"):
        is_delta = str(event.detail["queue"]).startswith("R3AD_customer")
        if not is_delta or event.actor != "crm":
            continue
        if event.time_ns <= done_ns:
            if event.kind == "received":
                waiting[event.subject] = None
            else:
                waiting.pop(event.subject, None)
        elif event.subject in waiting:
            drained_ns = event.time_ns
    return len(waiting), drained_ns


def lost_customers(simulation: Simulation) -> Iterator[str]:
    """Yield the customers that CRM has not got, or not as the ERP has them."""
    crm, erp = simulation.store("crm"), simulation.store("erp")
    for row, record in erp.table("records").items():
        held = crm.get("records", row)
        if held is None or held.fields != record.fields:
            yield row[1]


@scenario(Settings, checks=ALL_CHECKS, metrics=load_metrics)
async def go_live(land: Landscape, settings: Settings) -> None:
    land.replicate(MODEL)
    land.add_crm(
        policies=Policies(parallel_requests=settings.parallel, per_record=milliseconds(500)),
        work_processes=settings.work_processes,
    )
    land.add_erp(wan(), per_record=milliseconds(200))
    land.add_station("station", wan())
    for rep in range(1, settings.reps + 1):
        land.add_laptop(
            f"laptop-{rep}",
            gprs(dial_up=True),
            rep=f"{rep}",
            station="station",
            habits=Habits(),
            diary=(),
        )
        land.add_subscription(f"rep {rep}", "customer", (f"laptop-{rep}",), region=f"{rep}")
    laptops = [f"laptop-{rep}" for rep in range(1, settings.reps + 1)]
    land.add_subscription("prices", "prices", laptops)
    keys = [f"C{number:07}" for number in range(settings.customers)]
    for number, key in enumerate(keys):
        # Only some of the customers belong to a rep; the others are looked after by telephone.
        region = f"{number % (10 * settings.reps)}"
        land.add_record_in_erp("customer", key, name=key, region=region, phone="old")
    for number in range(20):
        land.add_record_in_erp("prices", f"product {number}", value="2.50")
    for number, key in enumerate(keys[:5]):
        land.add_contract_in_erp(f"40000000{number:02}", customer=key, target={"product 1": 100})
    land.check()
    await land.run_until(BEGINS)
    land.load("contract")
    land.load("prices")
    load_customers(land, settings, keys)
    plan_changes(land, settings, keys)
    if settings.crashes:
        land.at(BEGINS + minutes(3), land.crash, "erp", down=minutes(1))
        land.at(BEGINS + minutes(10), land.crash, "crm", down=minutes(2))
    await land.run_until(days(1) + hours(12))
    await land.settle()


def load_customers(land: Landscape, settings: Settings, keys: list[str]) -> None:
    """Load all customers, at once or divided among requests."""
    if not settings.requests:
        land.load("customer", block=settings.block)
        return
    # A load of nothing switches the telling of changes on; then everything is fetched by its key.
    land.set_filter("customer", key="none")
    land.load("customer", block=settings.block)
    land.set_filter("customer")
    for first in range(settings.requests):
        wanted = keys[first :: settings.requests]
        if wanted:
            land.at(
                BEGINS + minutes(1), land.request_load, "customer", wanted, block=settings.block
            )


def plan_changes(land: Landscape, settings: Settings, keys: list[str]) -> None:
    """Let people at the ERP change customers, each once, while the load runs."""
    luck = land.simulation.luck.stream("changes")
    chosen = sorted(keys, key=lambda key: luck.uniform(keys.index(key)))[: settings.changes]
    for number, key in enumerate(chosen):
        at_ns = BEGINS + luck.below(settings.changing, settings.customers + number)
        land.at(at_ns, land.change_in_erp, "customer", key, phone=f"new {number}")
