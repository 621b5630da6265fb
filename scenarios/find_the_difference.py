"""CRM and the ERP have drifted apart. Does a comparison find where, and is it mended afterwards?

Over two days things go wrong that nobody notices. For some hours the ERP tells CRM nothing of what
is changed or created there, because somebody has switched that off. Changes made in CRM lie in a
queue of the ERP, and an administrator deletes them. For some hours nothing goes on to the CDB.

A job compares CRM with the ERP again and again. People go on working meanwhile, so at any moment
some change has reached one system and not yet the other. That looks like a difference and is none:
the job looks a second time, and asks both systems what lies in their queues. On the third morning
the leading system is taken for right, and everything that was found is fetched from there, or sent
from there, or taken out.

Why one should care: a difference that nobody knows of becomes an order for a wrong address.

Hypothesis: the comparison finds exactly what was lost, and nothing else; after the repair it finds
nothing. Comparing only the keys is cheaper and overlooks whatever is there with another content.
The more often one compares, the sooner one knows, and the more it costs.

Runs in: 4 s.
"""

import enum
from collections.abc import Mapping

from attrs import frozen

from crmsim.chance import Stream
from crmsim.checks.catalogue import ALL_CHECKS
from crmsim.errors import BadValue
from crmsim.lab.landscape import Landscape
from crmsim.lab.scenario import Result, scenario
from crmsim.lab.settings import setting
from crmsim.measure.latency import quantile
from crmsim.middleware.replication import Kind, Model, ReplicationObject
from crmsim.mobile.rep import Habits
from crmsim.network.profiles import gprs, wan
from crmsim.trace.journal import Event, Journal
from crmsim.units import Duration, days, hours, minutes, seconds, to_seconds

MODEL = Model((ReplicationObject("customer", Kind.INTELLIGENT, ("region",), in_erp=True),))
BEGINS = hours(9)
"""When things begin to go wrong."""
UNTOLD = hours(3)
"""For how long the ERP tells nothing."""
LAST = days(2) + hours(8)
"""When is compared for the last time before the repair."""


class Leading(enum.Enum):
    """Who is right."""

    ERP = "erp"
    CRM = "crm"


@frozen
class Settings:
    """What can be changed about the story."""

    customers: int = setting(300, "customers that both systems have", low=20, high=100_000)
    untold: int = setting(12, "customers changed in the ERP while CRM is told nothing", low=0)
    unborn: int = setting(6, "customers created in the ERP then", low=0)
    deleted: int = setting(5, "changes of CRM that an administrator of the ERP deletes", low=0)
    unsent: int = setting(4, "customers created in CRM of which the same becomes", low=0)
    unbridged: int = setting(7, "customers changed in CRM while nothing goes to the CDB", low=0)
    stopped: int = setting(3, "customers whose change waits in a locked queue meanwhile", low=0)
    busy: int = setting(60, "changes a day that go well", low=0, high=100_000)
    meanwhile: int = setting(10, "changes in the minute in which a comparison begins", low=0)
    detailed: bool = setting(True, "fields are compared too, not only keys")
    every: Duration = setting(
        hours(6), "how often CRM is compared with the ERP", low=minutes(15), high=days(2)
    )
    block: int = setting(50, "for how many customers one question asks", low=1)
    leading: Leading = setting(Leading.ERP, "who is right when it comes to the repair")


@frozen
class Injected:
    """The customers that something happens to."""

    untold: tuple[str, ...]
    unborn: tuple[str, ...]
    deleted: tuple[str, ...]
    unsent: tuple[str, ...]
    unbridged: tuple[str, ...]
    stopped: tuple[str, ...]
    others: tuple[str, ...]
    """Those to which nothing happens."""

    @property
    def different(self) -> tuple[str, ...]:
        """Keys of all in which CRM and the ERP end different."""
        return tuple(sorted((*self.untold, *self.unborn, *self.deleted, *self.unsent)))


def injected(settings: Settings, luck: Stream) -> Injected:
    """Return to which customers something happens.

    Raises:
        BadValue: there are too few customers.
    """
    keys = [f"C{number:06}" for number in range(settings.customers)]
    keys.sort(key=lambda key: luck.uniform(int(key[1:])))
    counts = (settings.untold, settings.deleted, settings.unbridged, settings.stopped)
    if sum(counts) >= len(keys):
        raise BadValue(f"{len(keys)} customers are too few for {sum(counts)} that are to differ")
    groups = []
    for count in counts:
        groups.append(tuple(keys[:count]))
        keys = keys[count:]
    unborn = tuple(f"E{number}" for number in range(settings.unborn))
    unsent = tuple(f"N{number}" for number in range(settings.unsent))
    untold, deleted, unbridged, stopped = groups
    return Injected(untold, unborn, deleted, unsent, unbridged, stopped, tuple(keys))


def difference_metrics(result: Result) -> Mapping[str, object]:
    """Return what was injected, what was found of it and when, and what that cost.

    `reported` and `overlooked` are about the last comparison with the ERP before the repair;
    `false_alarms` about all of them. `seemed_to_differ` counts what looked like a difference at the
    first look of any of them, `in_flight` what was still under way at the second look.
    `found_after_s` is from when a customer began to differ until a comparison that says so was
    done.
    """
    journal = result.journal
    found = [one for one in journal.select("compared") if one.detail["against"] == "erp"]
    before = [one for one in found if _began_ns(one) <= LAST]
    wanted = injected(result.settings, result.simulation.luck.stream("customers"))
    last = _reported(before[-1]) if before else ()
    delays_s, alarms = _delays(journal, before, wanted.different)
    cdb = [one for one in journal.select("compared") if one.detail["against"] == "cdb"]
    return {
        "injected": len(wanted.different),
        "reported": len(last),
        "overlooked": len({*wanted.different} - {*last}),
        "false_alarms": alarms,
        "seemed_to_differ": sum(int(str(one.detail["suspects"])) for one in before),
        "in_flight": sum(_count(one, "in_flight") for one in before),
        "left_after_repair": len(_reported(found[-1])) if found else None,
        "injected_cdb": len(wanted.unbridged),
        "reported_cdb": len(_reported(cdb[0])) if cdb else None,
        "left_after_repair_cdb": len(_reported(cdb[-1])) if cdb else None,
        "comparisons": len(found),
        "questions": sum(int(str(one.detail["questions"])) for one in found),
        "compare_s_max": max(
            (to_seconds(one.time_ns - _began_ns(one)) for one in found), default=None
        ),
        "found_after_s_p50": quantile(delays_s, 0.5),
        "found_after_s_max": max(delays_s, default=None),
        "never_found_censored": len(wanted.different) - len(delays_s),
    }


def _began_ns(event: Event) -> int:
    return int(str(event.detail["began_ns"]))


def _count(event: Event, name: str) -> int:
    keys = event.detail[name]
    assert isinstance(keys, tuple)
    return len(keys)


def _reported(event: Event) -> tuple[str, ...]:
    found: list[str] = []
    for name in ("only_here", "only_there", "different"):
        keys = event.detail[name]
        assert isinstance(keys, tuple)
        found += keys
    return tuple(sorted(found))


def _delays(
    journal: Journal, found: list[Event], wanted: tuple[str, ...]
) -> tuple[list[float], int]:
    """Return how long each difference took to be reported, in seconds, and the false alarms."""
    since_ns: dict[str, int] = {}
    for event in journal.select("maintained", "changed"):
        since_ns.setdefault(event.subject.removeprefix("customer "), event.time_ns)
    delays_s: dict[str, float] = {}
    alarms = 0
    for event in found:
        for key in _reported(event):
            if key in wanted:
                waited_ns = event.time_ns - since_ns[key]
                delays_s.setdefault(key, to_seconds(waited_ns))
            else:
                alarms += 1
    return list(delays_s.values()), alarms


@scenario(Settings, checks=ALL_CHECKS, metrics=difference_metrics)
async def find_the_difference(land: Landscape, settings: Settings) -> None:
    land.replicate(MODEL)
    land.add_crm()
    land.add_erp(wan())
    land.add_station("station", wan())
    line = gprs(dial_up=True)
    land.add_laptop("laptop", line, rep="1", station="station", habits=Habits(), diary=())
    land.add_subscription("mine", "customer", ("laptop",), region="1")
    chosen = injected(settings, land.simulation.luck.stream("customers"))
    for number in range(settings.customers):
        key = f"C{number:06}"
        land.add_record("customer", key, name=key, region=f"{number % 10}", phone="old")
    land.check()
    plan_work(land, settings, chosen)
    plan_losses(land, chosen)
    for at_ns in range(hours(8), LAST, settings.every):
        compare(land, settings, at_ns)
    compare(land, settings, LAST)
    await land.run_until(LAST + hours(1))
    land.repair("customer", leading=settings.leading.value)
    compare(land, settings, LAST + hours(3))
    await land.run_until(days(3))
    land.compare("customer", against="cdb", block=settings.block)
    land.at(days(3) + hours(1), land.repair, "customer", against="cdb")
    land.at(days(3) + hours(2), land.compare, "customer", against="cdb", block=settings.block)
    await land.run_until(days(4))
    await land.settle()


def compare(land: Landscape, settings: Settings, at_ns: int) -> None:
    """Compare with the ERP at a moment."""
    land.at(
        at_ns,
        land.compare,
        "customer",
        is_detailed=settings.detailed,
        block=settings.block,
    )


def plan_work(land: Landscape, settings: Settings, chosen: Injected) -> None:
    """Let people in both systems change customers day and night, to which nothing else happens."""
    luck = land.simulation.luck.stream("work")
    moments = [
        hours(8) + luck.below(days(2) - hours(1), number, 2) for number in range(2 * settings.busy)
    ]
    for begin_ns in (*range(hours(8), LAST, settings.every), LAST):
        moments += [
            begin_ns - seconds(15) + luck.below(minutes(1), begin_ns, number)
            for number in range(settings.meanwhile)
        ]
    for number, at_ns in enumerate(moments):
        key = chosen.others[luck.below(len(chosen.others), number, 0)]
        is_told = not BEGINS - minutes(1) < at_ns < BEGINS + UNTOLD + minutes(1)
        is_in_erp = is_told and luck.happens(0.5, number, 1)
        change = land.change_in_erp if is_in_erp else land.change
        land.at(at_ns, change, "customer", key, phone=f"{number}")


def plan_losses(land: Landscape, chosen: Injected) -> None:
    """Let go wrong what nobody notices."""
    land.at(BEGINS, land.set_delta, "customer", is_active=False)
    for number, key in enumerate(chosen.untold):
        land.at(BEGINS + minutes(1 + number), land.change_in_erp, "customer", key, phone="untold")
    for key in chosen.stopped:
        queue = f"R3AD_customer {key}"
        land.at(LAST - minutes(20), land.administer, "crm", "lock", queue)
        land.at(LAST - minutes(10), land.change_in_erp, "customer", key, phone="stopped")
        land.at(LAST + minutes(10), land.administer, "crm", "unlock", queue)
    for number, key in enumerate(chosen.unborn):
        at_ns = BEGINS + minutes(2 + number)
        land.at(at_ns, land.change_in_erp, "customer", key, name=key, region="1", phone="unborn")
    land.at(BEGINS + UNTOLD, land.set_delta, "customer", is_active=True)
    for key in (*chosen.deleted, *chosen.unsent):
        queue = f"R3AU_customer {key}"
        land.at(BEGINS, land.administer, "erp", "lock", queue)
        fields = {"phone": "lost"}
        if key in chosen.unsent:
            fields |= {"name": key, "region": "1"}
        land.at(BEGINS + hours(6), land.change, "customer", key, **fields)
        land.at(BEGINS + hours(8), land.administer, "erp", "delete queue", queue)
        land.at(BEGINS + hours(8), land.administer, "erp", "unlock", queue)
    land.at(days(2) + hours(12), land.set_bridge, "customer", is_on=False)
    for key in chosen.unbridged:
        land.at(days(2) + hours(13), land.change, "customer", key, phone="unbridged")
    land.at(days(2) + hours(14), land.set_bridge, "customer", is_on=True)
