"""How does a test talk to actors?

A probe is a stranger with a seat of its own: the test sends through it, and waits for what comes
back. Time is virtual and nothing else goes on, so "nothing comes within an hour" is exact: it does
not mean that nothing came in time to be noticed.

::

    probe = Probe(simulation, "tester", takes=(Pong,))      # a site that is there already
    async with simulation.running():
        probe.send("echo", Ping(1))
        assert (await probe.expect(Pong, within=seconds(1))).message == Pong(1)
        await probe.expect_nothing(within=hours(1))
"""

from collections import deque
from typing import Any

import attrs

from crmsim.errors import BadValue, Finding
from crmsim.kernel.actor import Actor, handles, span_ns
from crmsim.kernel.driving import Turn
from crmsim.kernel.message import Address
from crmsim.kernel.simulation import Simulation
from crmsim.units import Duration, show_duration, show_moment

__all__ = ["Probe", "Received"]


@attrs.frozen
class Received:
    """A message that reached a probe."""

    message: Any
    sender: Address[Any]
    time_ns: int
    """Virtual time of its arrival."""

    def __str__(self) -> str:
        """Say what came, from whom and when."""
        return f"{self.message} from {self.sender.name!r} at {show_moment(self.time_ns)}"


class Probe:
    """A seat for a test.

    Args:
        simulation: The world, not running yet.
        site: Where the probe sits: a site that is there already.
        takes: The message types that it accepts.
        name: The name of its actor; that of the site when not given.

    Raises:
        UnknownSite: there is no such site.
        BadMessage: one of the types was not made by `@message`.
        BadValue: it takes no message type, or the name is taken.
    """

    def __init__(
        self,
        simulation: Simulation,
        site: str,
        *,
        takes: tuple[type, ...],
        name: str | None = None,
    ) -> None:
        if not takes:
            raise BadValue("a probe takes one message type or more: Probe(..., takes=(Pong,))")
        self.name = site if name is None else name
        self.unread: deque[Received] = deque()
        """What came and was not asked for yet, oldest first."""
        self._simulation = simulation
        self._turn: Turn | None = None
        simulation.seat(site, self._seat_for(takes), self.name)

    def _seat_for(self, kinds: tuple[type, ...]) -> type[Actor]:
        probe = self

        class Prober(Actor):
            @handles(*kinds)
            def take(self, message: Any, sender: Address[Any]) -> None:
                probe._take(Received(message, sender, self.now_ns))

        return Prober

    def _take(self, received: Received) -> None:
        self.unread.append(received)
        if self._turn is not None:
            self._simulation.turns.give(self._turn)

    def send(self, to: str | Address[Any], message: Any) -> None:
        """Send a message to an actor, by name or by the address of a sender."""
        actor: Actor = self._simulation.actor(self.name)
        actor.send(actor.address(to) if isinstance(to, str) else to, message)

    async def expect(self, kind: type, *, within: Duration) -> Received:
        """Wait for the next message, which must be of a type; return it.

        Raises:
            Finding: nothing came within the time, or something else did.
            BadValue: another task waits for this probe.
        """
        __tracebackhide__ = True  # pytest shows the line of the caller
        await self._wait(within)
        if not self.unread:
            raise self._finding(f"expected {kind.__name__} {_within(within)}, but nothing came")
        received = self.unread.popleft()
        if not isinstance(received.message, kind):
            raise self._finding(f"expected {kind.__name__}, but there came {received}")
        return received

    async def expect_nothing(self, *, within: Duration) -> None:
        """Let virtual time go on for exactly this span; no message may come, nor lie unread.

        Raises:
            Finding: a message came, at the latest at the very end of the span.
            BadValue: another task waits for this probe.
        """
        __tracebackhide__ = True  # pytest shows the line of the caller
        await self._wait(within)
        if self.unread:
            raise self._finding(
                f"expected nothing {_within(within)}, but there came {self.unread[0]}"
            )

    async def _wait(self, within: Duration) -> None:
        """Wait until something lies unread, or the span is over with all that is due at its end."""
        if self.unread:
            return
        if self._turn is not None:
            raise BadValue(f"another task waits for {self.name!r} already; use a probe for each")
        turns = self._simulation.turns
        end_ns = self._simulation.now_ns + span_ns(within, f"{self.name!r} waits")
        self._turn = turns.plan(end_ns, last=True)
        try:
            await turns.take(self._turn)
        finally:
            turns.drop(self._turn)
            self._turn = None

    def _finding(self, text: str) -> Finding:
        now = show_moment(self._simulation.now_ns)
        return Finding(f"{self.name!r} {text} (at {now}, seed {self._simulation.seed})")


def _within(span_ns: int) -> str:
    return f"within {show_duration(span_ns)}"
