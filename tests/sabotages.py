"""Ways to break the machine that only measuring can find, and the case that must find each.

Each sabotage changes one thing that no error reveals. `tests/test_truths.py` applies them one by
one; `python -m tests.coverage` lists them.
"""

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from crmsim.chance import ODD_A, fold
from crmsim.kernel.life import Life
from crmsim.kernel.mailbox import Mailbox
from crmsim.middleware.queue import RetryPolicy
from crmsim.mobile.client import MobileClient
from crmsim.mobile.rep import Habits
from crmsim.network import fabric
from crmsim.network.fabric import LOW_24, Line
from crmsim.qrfc import inbound, outbound
from crmsim.qrfc.inbound import InboundQueues
from crmsim.qrfc.partner import QueuePartner
from crmsim.sync import conflict
from crmsim.units import Duration

__all__ = ["SABOTAGES", "Sabotage"]


@attrs.frozen
class Sabotage:
    """One way to break the machine."""

    apply: Callable[[pytest.MonkeyPatch], None]
    case: str
    """The name of the case that must find it."""
    figures: tuple[str, ...]
    """The figures of that case that must differ, by their names."""
    full: bool = False
    """Whether only the full level is sure to find it."""
    others_agree: bool = False
    """Whether all other figures of the case must still agree."""


def latency_drawn_twice(patch: pytest.MonkeyPatch) -> None:
    plain: Any = fabric._delay

    def twice(latency: Any) -> Callable[[int], int]:
        delay = plain(latency)
        return lambda word: delay(word) + delay(fold(word, ODD_A))

    patch.setattr(fabric, "_delay", twice)


def service_off_by_5_percent(patch: pytest.MonkeyPatch) -> None:
    plain = QueuePartner._service_ns
    patch.setattr(QueuePartner, "_service_ns", lambda self, luw: int(plain(self, luw) * 1.05))


def sleep_off_by_5_percent(patch: pytest.MonkeyPatch) -> None:
    plain = Life.sleep
    patch.setattr(Life, "sleep", lambda self, delay_ns: plain(self, int(delay_ns * 1.05)))


def last_in_first_out(patch: pytest.MonkeyPatch) -> None:
    def take(self: Mailbox, now_ns: int) -> Any:
        self._add_up(now_ns)
        return self.waiting.pop()  # type: ignore[union-attr]

    patch.setattr(Mailbox, "take", take)


def one_percent_more_lost(patch: pytest.MonkeyPatch) -> None:
    plain = Line.__init__

    def more(self: Line, *arguments: Any) -> None:
        plain(self, *arguments)
        self.loss_24 += LOW_24 // 100
        self._choose_way()

    patch.setattr(Line, "__init__", more)


def mailbox_takes_one_more(patch: pytest.MonkeyPatch) -> None:
    plain = Mailbox.__init__
    patch.setattr(Mailbox, "__init__", lambda self, bound: plain(self, bound + 1))


def doubles_take_effect(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(InboundQueues, "knows", lambda self, luw: False)


def back_off_stands_still(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RetryPolicy, "wait_ns", lambda self, attempt, u: Duration(self.first))


def queue_doubles(patch: pytest.MonkeyPatch) -> None:
    """What goes to the ERP or comes from there stands in its queue twice; only one is told of."""
    plain = inbound.append_row

    def doubling(actor: Any, change: Any, table: str, queue: str, luw: Any) -> Any:
        numbered = plain(actor, change, table, queue, luw)
        if not queue.startswith("R3A"):
            return numbered
        rows = change.writes[-1][2]
        twin = attrs.evolve(numbered, serial=numbered.serial + 10**9)
        change.put(table, queue, rows.append(twin))
        return numbered

    patch.setattr(inbound, "append_row", doubling)
    patch.setattr(outbound, "append_row", doubling)


def has_seen_one_save_more(patch: pytest.MonkeyPatch) -> None:
    """What a laptop says that it had seen is taken for one save more than it was."""
    plain = conflict.resolve

    def resolve(policy: Any, order: Any, stamps: Any, base: int, *others: Any) -> Any:
        return plain(policy, order, stamps, base + 1, *others)

    patch.setattr("crmsim.online.orders.resolve", resolve)


def one_call_in_five_left_out(patch: pytest.MonkeyPatch) -> None:
    """A laptop does not always call when it is due; nobody is told."""
    plain = Habits.next_session

    def next_session(self: Habits, luck: Any, now_ns: int) -> tuple[int, int]:
        time_ns, number = plain(self, luck, now_ns)
        return (time_ns, number) if number % 5 else next_session(self, luck, time_ns)

    patch.setattr(Habits, "next_session", next_session)


def import_in_every_third_session(patch: pytest.MonkeyPatch) -> None:
    """Two sessions of three end without the import; the third one makes up for it."""
    plain = MobileClient._import_next

    def import_next(self: MobileClient) -> None:
        if self._session.number % 3:  # type: ignore[union-attr]
            self._leave(went_well=True)
        else:
            plain(self)

    patch.setattr(MobileClient, "_import_next", import_next)


SABOTAGES: dict[str, Sabotage] = {
    "sabotage: latency drawn twice": Sabotage(
        latency_drawn_twice, "line, uniform latency", ("mean", "variance")
    ),
    "sabotage: service time off by 5 %": Sabotage(
        service_off_by_5_percent,
        "M/M/2 through the pool of work processes, load 0.8",
        ("wait",),
        full=True,
    ),
    "sabotage: sleep off by 5 %": Sabotage(
        sleep_off_by_5_percent, "M/M/1, load 0.5", ("wait", "busy"), full=True
    ),
    "sabotage: last in, first out": Sabotage(
        last_in_first_out, "M/M/1, load 0.8", ("stay_p95",), others_agree=True
    ),
    "sabotage: a line loses 1 % more": Sabotage(
        one_percent_more_lost, "line, independent loss of 10 %", ("lost",), others_agree=True
    ),
    "sabotage: a mailbox takes one more": Sabotage(
        mailbox_takes_one_more, "M/M/1/5 through a bounded mailbox, load 1.2", ("lost", "inside")
    ),
    "sabotage: doubles take effect": Sabotage(
        doubles_take_effect,
        "queued calls, calls lost 10%, receipts lost 10%",
        ("effects",),
        others_agree=True,
    ),
    "sabotage: back-off stands still": Sabotage(
        back_off_stands_still, "back-off of queued calls", ("wait_2", "wait_7")
    ),
    "sabotage: a laptop has seen one save more": Sabotage(
        has_seen_one_save_more, "hub that leads", ("refused", "settled")
    ),
    "sabotage: a queue doubles": Sabotage(
        queue_doubles, "every queue of a landscape", ("outbound", "inbound")
    ),
    "sabotage: one call in five is left out": Sabotage(
        one_call_in_five_left_out,
        "age of a laptop, at 8 and 10 o'clock every day",
        ("age_h",),
    ),
    "sabotage: two imports of three left out": Sabotage(
        import_in_every_third_session,
        "age of a laptop, at 8 and 10 o'clock every day",
        ("missed",),
        others_agree=True,
    ),
}
