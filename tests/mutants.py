"""Defects that a hunt must find: `python -m tests.mutants [NAME ...] [--json FILE]`.

Each mutant breaks the machine in one place, as a programmer would who was not careful. Most of them
do no harm as long as nothing goes wrong, so that an ordinary run finds nothing. For each one the
hunt runs the smallest landscape until a check fires, cuts the finding down, and replays the script
that comes out in a fresh process: with the mutant it must fail, without it must hold.

`tests/test_mutants.py` does this with a few of them; the whole matrix is a longer campaign.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs
import pytest
import trio

from crmsim.erp.erp import Erp
from crmsim.erp.extraction import EXTRACTIONS, Extraction
from crmsim.erp.service.goods import ServiceGoods
from crmsim.hunt.corpus import Found
from crmsim.hunt.hunting import Hunt, cut_all_down, different, hunt
from crmsim.lab.runs import load_scenario
from crmsim.lab.settings import read_settings
from crmsim.mobile import client as mobile
from crmsim.mobile.client import MobileClient
from crmsim.online.recovery import ErrorList
from crmsim.online.service import transactions
from crmsim.online.service.desk import ServiceDesk
from crmsim.qrfc.inbound import SUSPENDED, InboundQueues
from crmsim.qrfc.outbound import OutboundQueues
from crmsim.qrfc.partner import QueuePartner
from crmsim.qrfc.wire import Guarantees, Receipt
from crmsim.replication.realignment import Realignment
from crmsim.replication.sites import SiteQueue
from crmsim.systems import inflow
from crmsim.systems.erp_news import ErpNews
from crmsim.systems.inflow import Inflow
from crmsim.systems.outflow import Outflow

__all__ = ["MUTANTS", "SCENARIO", "Mutant", "measure"]

ROOT = Path(__file__).parent.parent
SCENARIO = str(ROOT / "scenarios" / "two_reps.py")
SMALL_BASE = {"customers": "40", "changes": "30", "changing": "30s", "block": "5", "reps": "1"}
SMALL_BASE |= {"crashes": "off", "work_processes": "2"}
MOST_RUNS = 200


@attrs.frozen
class Hunted:
    """Where a mutant is hunted: the smallest landscape in which it can do harm."""

    scenario: str
    settings: Mapping[str, str] = MappingProxyType({})
    calm: Mapping[str, str] = MappingProxyType({})
    """Settings with which nothing goes wrong, besides."""


ELSEWHERE = {
    "service": Hunted(
        str(ROOT / "scenarios" / "service_day.py"),
        calm={"crashes": "off", "impatience": "0", "loss": "0%", "duplicate": "0%"},
    ),
    "loads": Hunted(str(ROOT / "scenarios" / "go_live.py"), SMALL_BASE),
}
"""Area -> where its mutants are hunted, if not where the others are."""


@attrs.frozen
class Mutant:
    """One defect."""

    what: str
    """What the programmer got wrong, in a sentence."""
    area: str
    """Use of the kernel, sessions, queues, flow, disks, service or loads."""
    apply: Callable[[pytest.MonkeyPatch], None]

    @property
    def hunted(self) -> "Hunted":
        """Where it is hunted."""
        return ELSEWHERE.get(self.area, Hunted(SCENARIO))

    def survives_calm(self, seeds: range) -> bool:
        """Say whether its scenario holds as long as nothing goes wrong; to be applied before."""
        story = load_scenario(self.hunted.scenario)
        settings = read_settings(
            story.settings, {**self.hunted.settings, **self.hunted.calm}, "settings"
        )
        return all(story.run_with(settings, seed=seed).held for seed in seeds)


def new_handler(patch: pytest.MonkeyPatch, cls: Any, name: str, handler: Any) -> None:
    """Give an actor class another handler."""
    trio.lowlevel.disable_ki_protection(handler)
    patch.setattr(cls, name, handler)
    for kind, (method, _) in cls.handlers.items():
        if method == name and kind in cls.plain:
            patch.setitem(cls.plain, kind, handler)


# --- use of the kernel ---


def heads_are_not_tried_after_a_restart(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OutboundQueues, "started", lambda self: None)


def receipt_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    plain = InboundQueues.transferred

    def transferred(self: Any, transfer: Any, sender: Any) -> None:
        receipt = Receipt(transfer.queue, transfer.luw, transfer.attempt)
        self._actor.send(sender, receipt, attempt=transfer.attempt)
        plain(self, transfer, sender)

    patch.setattr(InboundQueues, "transferred", transferred)


def memory_of_what_was_seen_is_lost(patch: pytest.MonkeyPatch) -> None:
    plain = InboundQueues.started

    def started(self: Any) -> None:
        with self._actor.commit() as change:
            for name in list(self._actor.store.table("known")):
                change.delete("known", name)
        plain(self)

    patch.setattr(InboundQueues, "started", started)


def plan_of_the_warehouse_is_lost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Erp, "started", QueuePartner.started)


def no_session_after_a_restart(patch: pytest.MonkeyPatch) -> None:
    plain = MobileClient.started

    def started(self: Any) -> None:
        self._plan_writing()
        if not self.store.get("rep", "finished", 0):
            plain(self)

    trio.lowlevel.disable_ki_protection(started)
    patch.setattr(MobileClient, "started", started)


# --- sessions ---


def outbox_emptied_when_sent(patch: pytest.MonkeyPatch) -> None:
    plain = MobileClient._send_next

    def send_next(self: Any) -> None:
        self._guarantees = attrs.evolve(self._guarantees, receipts=False)
        plain(self)

    patch.setattr(MobileClient, "_send_next", send_next)


def confirmed_before_it_is_stored(patch: pytest.MonkeyPatch) -> None:
    plain = MobileClient.packaged

    def packaged(self: Any, message: Any, sender: Any) -> None:
        session = self._session
        if session is not None and message.contents:
            last = message.contents[-1][0]
            early = self._fetch(session, last, self._held_bulk())
            self.send(self.address(self._station), early, attempt=0)
        plain(self, message, sender)

    new_handler(patch, MobileClient, "packaged", packaged)


def no_patience(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MobileClient, "_be_patient", lambda self, session: None)


def gives_up_after_one_try(patch: pytest.MonkeyPatch) -> None:
    """A session is given up early, and its laptop thinks that it still goes on."""
    patch.setattr(mobile, "TRIES", 1)
    patch.setattr(MobileClient, "_break_off", lambda self, reason: None)


# --- queues ---


def running_queue_activated_runs_twice(patch: pytest.MonkeyPatch) -> None:
    plain = InboundQueues.executed

    def executed(self: Any, process: str) -> None:
        held, self._guarantees = self._guarantees, Guarantees(dedup=False)
        plain(self, process)
        self._guarantees = held

    patch.setattr(InboundQueues, "executed", executed)


def next_does_not_wait_for_the_receipt(patch: pytest.MonkeyPatch) -> None:
    plain = OutboundQueues.__init__

    def init(self: Any, actor: Any, target: Any, policy: Any, guarantees: Any, *more: Any) -> None:
        plain(self, actor, target, policy, attrs.evolve(guarantees, in_order=False), *more)

    patch.setattr(OutboundQueues, "__init__", init)


def gives_up_after_three_tries(patch: pytest.MonkeyPatch) -> None:
    plain = OutboundQueues.retry

    def retry(self: Any, due: Any) -> None:
        if due.attempt < 3:
            plain(self, due)

    patch.setattr(OutboundQueues, "retry", retry)


# --- flow ---


def error_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    plain = ErrorList.broke

    def broke(self: Any, change: Any, record: Any, *rest: Any) -> bool:
        if not plain(self, change, record, *rest):
            return False
        change.delete(self.TABLE, rest[-1].luw)
        return True

    patch.setattr(ErrorList, "broke", broke)


def late_overwrites_newer(patch: pytest.MonkeyPatch) -> None:
    for cls in (Inflow, ErpNews, Outflow):
        plain = cls.__init__

        def init(self: Any, *given: Any, plain: Any = plain) -> None:
            old = [
                attrs.evolve(one, newest_stays=False) if isinstance(one, Guarantees) else one
                for one in given
            ]
            plain(self, *old)

        patch.setattr(cls, "__init__", init)


def nobody_waits_for_the_distribution(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(inflow, "_is_locked", lambda record: False)


def parked_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Inflow, "release", lambda self, change, number: None)


# --- disks ---


def new_disk_stays_empty(patch: pytest.MonkeyPatch) -> None:
    def fill(self: Any, change: Any, site: str, disk: int) -> None:
        change.put("disks", site, disk)

    patch.setattr(Realignment, "fill", fill)


def new_disk_counts_like_the_old_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MobileClient, "disk", 0, raising=False)


def new_disk_goes_on_where_the_old_one_was(patch: pytest.MonkeyPatch) -> None:
    plain = Realignment.fill

    def fill(self: Any, change: Any, site: str, disk: int) -> None:
        lying = change.get("site queues", site, SiteQueue())
        plain(self, change, site, disk)
        change.put("site queues", site, lying)

    patch.setattr(Realignment, "fill", fill)


def service_desk_is_empty_after_a_restart(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ServiceDesk, "started", lambda self: None)


def goods_stand_still_after_a_restart(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ServiceGoods, "started", lambda self: None)


def late_news_take_back_what_was_delivered(patch: pytest.MonkeyPatch) -> None:
    """The last news that are processed count, also when they are old."""

    def plain(record: Any, news: Any) -> dict[str, str]:
        return {f"done {line}": f"{one} / {two}" for line, (one, two) in news.items()}

    patch.setattr(transactions, "done_fields", plain)


# --- loads ---


def crash_of_the_erp_skips_a_block(patch: pytest.MonkeyPatch) -> None:
    plain = Extraction.started

    def started(self: Any) -> None:
        for name, position in list(self._actor.store.table(EXTRACTIONS).items()):
            keys, is_last = self._block(position)
            if not is_last:
                with self._actor.commit() as change:
                    skipped = attrs.evolve(position, after=keys[-1])
                    change.put(EXTRACTIONS, name, skipped)
        plain(self)

    patch.setattr(Extraction, "started", started)


def stale_block_overwrites_a_newer_change(patch: pytest.MonkeyPatch) -> None:
    plain = ErpNews._still_new

    def still_new(self: Any, change: Any, what: Any, values: Any, number: int) -> Any:
        news = plain(self, change, what, values, number)
        is_block = len(values) > 1 and isinstance(what, tuple)
        return dict(values) if is_block and number == 0 else news

    patch.setattr(ErpNews, "_still_new", still_new)


def suspension_is_forgotten_in_a_crash(patch: pytest.MonkeyPatch) -> None:
    plain = InboundQueues.started

    def started(self: Any) -> None:
        with self._actor.commit() as change:
            for row in list(self._actor.store.table(SUSPENDED)):
                change.delete(SUSPENDED, row)
        plain(self)

    patch.setattr(InboundQueues, "started", started)


MUTANTS: dict[str, Mutant] = {
    apply.__name__: Mutant(what, area, apply)
    for what, area, apply in (
        (
            "After a restart a sender waits for something new in a queue before it tries the head.",
            "kernel",
            heads_are_not_tried_after_a_restart,
        ),
        (
            "A receipt leaves before what it receipts is durable.",
            "kernel",
            receipt_before_the_commit,
        ),
        (
            "What was seen before is remembered in memory only.",
            "kernel",
            memory_of_what_was_seen_is_lost,
        ),
        (
            "The ERP does not take its shipping dates up again after a restart.",
            "kernel",
            plan_of_the_warehouse_is_lost,
        ),
        (
            "A laptop that has called before plans no further session after a restart.",
            "kernel",
            no_session_after_a_restart,
        ),
        ("A laptop empties its outbox when it has sent it.", "session", outbox_emptied_when_sent),
        (
            "A laptop confirms what it fetched before it is stored.",
            "session",
            confirmed_before_it_is_stored,
        ),
        ("A session waits for an answer for ever.", "session", no_patience),
        ("A session that got no answer is never closed.", "session", gives_up_after_one_try),
        (
            "Work that two work processes have in hand takes effect twice.",
            "queue",
            running_queue_activated_runs_twice,
        ),
        (
            "The next unit of work leaves before the one in front is receipted.",
            "queue",
            next_does_not_wait_for_the_receipt,
        ),
        ("A sender gives up after three tries.", "queue", gives_up_after_three_tries),
        ("What ends in an error is not put on the error list.", "flow", error_is_forgotten),
        ("What is processed again overwrites what is newer.", "flow", late_overwrites_newer),
        (
            "A change does not wait for the distribution of the one before.",
            "flow",
            nobody_waits_for_the_distribution,
        ),
        ("What was parked never goes on.", "flow", parked_for_ever),
        ("A laptop with a new disk is sent only what is new.", "disk", new_disk_stays_empty),
        (
            "A laptop with a new disk counts its saves like the old one.",
            "disk",
            new_disk_counts_like_the_old_one,
        ),
        (
            "What lay ready for an old disk is sent to the new one.",
            "disk",
            new_disk_goes_on_where_the_old_one_was,
        ),
        (
            "After a crash the ERP goes on with the block after the one that it was reading.",
            "loads",
            crash_of_the_erp_skips_a_block,
        ),
        (
            "A block that is processed late overwrites what has changed since it was read.",
            "loads",
            stale_block_overwrites_a_newer_change,
        ),
        (
            "That queues are suspended while an object is loaded is remembered in memory only.",
            "loads",
            suspension_is_forgotten_in_a_crash,
        ),
        (
            "After a restart the service office finds nothing on its desk.",
            "service",
            service_desk_is_empty_after_a_restart,
        ),
        (
            "After a restart the ERP does not take up what it is to deliver.",
            "service",
            goods_stand_still_after_a_restart,
        ),
        (
            "Late news of the ERP take back what CRM knows of deliveries.",
            "service",
            late_news_take_back_what_was_delivered,
        ),
    )
}


def measure(name: str, most_runs: int = MOST_RUNS) -> dict[str, Any]:
    """Hunt one mutant, cut the first finding down and replay its script."""
    mutant = MUTANTS[name]
    row: dict[str, Any] = {"mutant": name, "area": mutant.area, "what": mutant.what}
    with pytest.MonkeyPatch.context() as patch:
        mutant.apply(patch)
        row["survives_calm"] = mutant.survives_calm(range(3))
        what = Hunt(mutant.hunted.scenario, dict(mutant.hunted.settings))
        row |= {"killed_by": [], "runs": most_runs, "deviations": None, "clients": None}
        for count, run in enumerate(hunt(what, range(1, most_runs + 1)), 1):
            if run.findings:
                row |= {"killed_by": [one.check for one in run.findings], "runs": count}
                [found] = cut_all_down(what, different([run]), 1)
                row |= _cut(found)
                break
        else:
            return row
    row |= _replayed(name, found)
    return row


def _cut(found: Found) -> dict[str, Any]:
    return {
        "check": found.check,
        "text": found.text,
        "deviations": len(found.deviations),
        "clients": found.clients,
        "orders": found.orders,
        "minimal": found.is_minimal,
        "candidates": found.runs,
        "what_is_left": list(found.deviations),
        "why_not": found.why_not,
    }


def _replayed(name: str, found: Found) -> dict[str, Any]:
    """Run the script alone in a fresh process, with the mutant and without."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{found.name or 'none'}.py"
        path.write_text(found.script, encoding="utf-8")
        codes = [_code(path, name), _code(path)]
    return {"fails_alone": codes[0] == 1, "holds_without": codes[1] == 0}


def _code(path: Path, mutant: str = "") -> int:
    words = ["--replay", str(path)] + ([mutant] if mutant else [])
    command = [sys.executable, "-m", "tests.mutants", *words]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True).returncode


def _replay(path: str, names: list[str]) -> int:
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            MUTANTS[name].apply(patch)
        return 0 if load_scenario(path).run().held else 1


def main() -> int:
    """Measure the mutants that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *MUTANTS], metavar="NAME")
    parser.add_argument("--json", metavar="FILE", help="write the matrix as JSON")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--replay", metavar="FILE", help="run a script with the mutants named")
    chosen = parser.parse_args()
    if chosen.replay:
        return _replay(chosen.replay, chosen.names)
    names = chosen.names or list(MUTANTS)
    rows = []
    with ProcessPoolExecutor(chosen.jobs) as pool:
        for row in pool.map(measure, names):
            rows.append(row)
            print(_line(row), flush=True)
    killed = [row for row in rows if row["killed_by"]]
    small = [row for row in killed if row["deviations"] <= 5 and (row["clients"] or 0) <= 3]
    print(
        f"{len(rows)} mutants; {sum(row['survives_calm'] for row in rows)} survive a run without "
        f"trouble; {len(killed)} killed; {len(small)} of them cut down to at most 5 deviations and "
        f"3 laptops; {sum(row.get('fails_alone', False) for row in rows)} scripts fail alone, "
        f"{sum(row.get('holds_without', False) for row in rows)} hold without the mutant"
    )
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0 if len(killed) == len(rows) else 1


def _line(row: dict[str, Any]) -> str:
    calm = "survives" if row["survives_calm"] else "dies"
    told = f"{row['mutant']:<38} {row['area']:<8} calm: {calm:<9}"
    if not row["killed_by"]:
        return f"{told} NOT KILLED in {row['runs']} runs"
    return (
        f"{told} run {row['runs']:>3}  deviations {row['deviations']}  laptops {row['clients']}  "
        f"orders {row['orders']}  candidates {row['candidates']:>3}  "
        f"{'minimal' if row['minimal'] else 'NOT MINIMAL'}  "
        f"{'alone' if row['fails_alone'] else 'NOT ALONE'}  "
        f"{'holds without' if row['holds_without'] else 'FAILS WITHOUT'}  {row['check']}"
    )


if __name__ == "__main__":
    sys.exit(main())
