"""What does the kernel keep for one actor, and how do messages reach and leave it?

A seat is the place that an actor takes in a simulation: its life, its mailbox, its addresses, and
the number of its incarnation. The actor object comes and goes with crashes; the seat and its
addresses stay.
"""

from typing import Any

from crmsim.chance import ODD_A, Stream
from crmsim.errors import BadValue, NoRoute, TimedOut, Unreachable
from crmsim.kernel.actor import span_ns
from crmsim.kernel.durable import Change, CrashPoint
from crmsim.kernel.life import EXPIRED, NOBODY, Life, Timer
from crmsim.kernel.message import Address, Inside, LineEnded, is_counted, is_message, refuse
from crmsim.network.fabric import LOW_24, Arrival, Line, Loss
from crmsim.trace.kinds import DELIVERED, DUPLICATED, FIRED, HANDED, HELD, LOST, SENT, Kind

__all__ = ["Seat"]


class Seat(Life):
    """The kernel's side of one actor."""

    __slots__ = ()

    # --- taking messages in turn ---

    async def serve(self) -> None:
        """Handle message after message by the handlers of the actor."""
        while True:
            waiting = self.mailbox.waiting
            action = self.mailbox.take(self.schedule.now_ns) if waiting else await self._idle()
            result = self._handle(action)
            if result is not None:
                await result

    async def _idle(self) -> Any:
        if not self.site.is_paused:
            self.direct = self._plain
        action = await self._wait("serve")
        self.direct = NOBODY
        return action

    def _handle(self, action: Any) -> Any:
        """Call the handler of a message; return its coroutine when it is async."""
        self.cause = action[5]
        message, address = action[3], action[4]
        self.handled = message
        try:
            name, _ = self._names[message.__class__]
        except KeyError:
            raise refuse(message, address.owner.name, self.name) from None
        return getattr(self.actor, name)(message, address.reply)

    async def receive(self, timeout_ns: int | None) -> Any:
        """See `Actor.receive`."""
        if timeout_ns is not None:
            span_ns(timeout_ns, f"{self.name!r} waits")
        if self.mailbox.waiting:
            action = self.mailbox.take(self.schedule.now_ns)
        else:
            if timeout_ns is not None:
                self._alarm(timeout_ns, EXPIRED)
            action = await self._wait("receive")
            self._token += 1
        if action is EXPIRED:
            raise TimedOut(f"{self.name!r} got no message within its time")
        self.cause = action[5]
        self.handled = action[3]
        self.sender = action[4].reply
        return action[3]

    async def put_question(
        self, to: Address[Any], message: Any, expect: type, timeout_ns: int | None
    ) -> Any:
        """See `Actor.ask`."""
        to = self.own(to)
        if timeout_ns is not None:
            span_ns(timeout_ns, f"{self.name!r} waits")
        identity = message.__identity__()
        self.question = (to, identity, to.count(identity ^ ODD_A))
        self._must_be_reachable(to)
        self._ask_count += 1
        self.asked = self._ask_count
        self.actor.send(to.asking(self.asked, {expect: is_counted(expect)}), message)
        self._token += 1
        if timeout_ns is not None:
            self._alarm(timeout_ns, EXPIRED)
        try:
            answer = await self._wait(f"answer from {to.target.name!r}")
        finally:
            self.asked = 0
            self._token += 1
        if answer is EXPIRED:
            raise TimedOut(f"{self.name!r} got no answer from {to.name!r} to {message} in time")
        return answer

    def _must_be_reachable(self, to: Address[Any]) -> None:
        _, identity, attempt = self.question
        if to.line.is_down:
            raise Unreachable(f"the line from {self.name!r} to {to.name!r} is down")
        if self.luck("call").happens(to.line.link.call_failure, identity, attempt):
            raise Unreachable(f"the call from {self.name!r} to {to.name!r} failed")

    def answer(self, action: Any) -> None:
        """Take an answer to a question; it bypasses the mailbox."""
        self.simulation.other_count += 1
        address = action[4]
        if not self._passes(action):
            return
        if address.ask != self.asked:
            self.simulation.late_answer_count += 1
            return
        if self.site.is_paused:
            self.site.late.append(action)
            return
        _, identity, attempt = self.question
        if self.luck("answer").happens(address.line.link.answer_loss, identity, attempt):
            self._lose(action, "the call broke before the answer")
            self._alarm(0, EXPIRED)
            return
        self.asked = 0
        self.cause = action[5]
        self.resume(action[3])

    def broken(self, line: Line) -> None:
        """Notice that a stream line broke: nobody knows what became of a question over it."""
        if self.asked:
            to = self.question[0]
            if line in (to.line, to.reply.line):
                self._alarm(0, EXPIRED)
        if line.link.dial_up and line.is_open:
            self.hear_end(line.target if line.source == self.site.name else line.source)

    def hear_end(self, site: str) -> None:
        """Let the actor know that a dial-up line has ended, if it asks for that."""
        if self.alive and LineEnded in self.accepts:
            schedule = self.simulation.schedule
            schedule.push(schedule.now_ns, self._heard, LineEnded(site), self.me, self.cause)

    def _heard(self, action: Any) -> None:
        if self.alive:
            self._accept(action, always=True)
        else:
            self.simulation.stale_count += 1

    # --- getting messages ---

    def deliver(self, action: Any) -> None:
        """Take a message off the line, unless the clock could hand it to a plain handler itself."""
        if action[6] == action[4].epoch and self.direct is not NOBODY and not self.mailbox.waiting:
            handler = self.direct.get(type(action[3]))
            self.cause = action[5]
            if handler is not None:
                handler(self.actor, action[3], action[4].reply)
                return
            self.simulation.other_count += 1
            self.direct = NOBODY
            self.body.resume(action, self.simulation)
        elif self._passes(action):
            self._accept(action, always=action[4].is_inside)

    def deliver_noted(self, action: Any) -> None:
        """Take a message off the line and write that down."""
        message, address = action[3], action[4]
        if (action[6] != address.epoch or not self.alive) and not self._passes(action):
            return
        cause = self.simulation.journal.note_passage(
            self.schedule.now_ns, DELIVERED, address, message, action[5], 0, 0
        )
        handler = self.direct.get(type(message))
        if handler is None:
            self._accept((*action[:5], cause, action[6]), always=address.is_inside)
        else:
            self.cause = cause
            handler(self.actor, message, address.reply)

    def _accept(self, action: Any, *, always: bool) -> None:
        """Handle an action now, or let it wait in the mailbox."""
        handler = self.direct.get(action[3].__class__)
        if handler is not None:
            self.cause = action[5]
            handler(self.actor, action[3], action[4].reply)
            return
        self.simulation.other_count += 1
        if self.waits_for in ("serve", "receive") and not self.site.is_paused and not self.mailbox:
            self.resume(action)
        elif not self.mailbox.put(action, self.schedule.now_ns, always=always):
            self._lose(action, "mailbox_full")

    def rest(self) -> None:
        """Take nothing by direct call until the next `drain`."""
        self.direct = NOBODY

    def drain(self, action: Any) -> None:
        """Handle what piled up in the mailbox, one message a turn."""
        self.simulation.other_count += 1
        if not self.alive or self.site.is_paused:
            return
        if self.waits_for in ("serve", "receive") and self.mailbox.waiting:
            schedule = self.simulation.schedule
            schedule.push(schedule.now_ns, self.drain)
            self._accept_waiting()
        elif self.waits_for == "serve":
            self.direct = self._plain

    def _accept_waiting(self) -> None:
        action = self.mailbox.take(self.schedule.now_ns)
        handler = self._plain.get(action[3].__class__)
        if handler is None or self.waits_for != "serve":
            self.resume(action)
        else:
            self.cause = action[5]
            handler(self.actor, action[3], action[4].reply)

    def _passes(self, action: Any) -> bool:
        """Judge a message at the far end of its line."""
        passes = self._judge(action)
        self.simulation.other_count += not passes
        return passes

    def _judge(self, action: Any) -> bool:
        line = action[4].line
        if action[6] != line.epoch:
            arrival = line.arrival(action[6])
            if arrival is Arrival.LOST:
                self._lose(action, Loss.CUT_OFF.value)
                return False
            if arrival is Arrival.HELD:
                line.hold(action)
                self._note_way(HELD, action, {})
                return False
        if not self.alive:
            reason = "the actor had ended" if self.site.is_up else "the site was down"
            self._lose(action, reason)
            return False
        return True

    def release(self, action: Any) -> None:
        """Deliver a message that a fault held back."""
        schedule = self.simulation.schedule
        line = action[4].line
        perform = action[2]
        schedule.push(schedule.now_ns, perform, action[3], action[4], action[5], line.stamp)

    def _lose(self, action: Any, reason: str) -> None:
        self.simulation.lost_count += 1
        self._note_way(LOST, action, {"reason": reason})

    def _note_way(self, kind: Kind, action: Any, detail: dict[str, object]) -> int:
        message, address = action[3], action[4]
        said = {
            "message": type(message).__name__,
            "from": address.owner.name,
            "to": address.target.name,
            **detail,
        }
        return self.simulation.note_for(address.owner.name, kind, message.subject, action[5], said)

    # --- sending ---

    def send_carefully(self, to: Any, message: Any, identity: int, attempt: int, word: int) -> None:
        """Send with a trace, or over a line that does more than delay."""
        line = to.line
        if self.draws is not None and line.lucky:
            self.draws.append(word)
            witness = self.simulation.luck.witness
            if witness is not None:
                witness("way", f"{self.name}>{to.name}", identity, attempt, word)
        schedule = self.schedule
        now_ns = schedule.now_ns
        quick = line.quick
        if quick is not None and word & LOW_24 >= line.loss_24:
            fate: Any = (quick(word),)
        else:
            fate = line.carry(now_ns, message, word)
        cause = 0
        if self.draws is not None:
            kind = HANDED if to.is_inside else SENT
            cause = self.simulation.journal.note_passage(
                now_ns, kind, to, message, self.cause, attempt, identity
            )
            if fate.__class__ is not tuple or len(fate) > 1:
                self._note_fate(to, message, cause, fate)
        if fate.__class__ is not tuple:
            self.simulation.lost_count += 1
            return
        for delay_ns in fate:
            schedule.push(now_ns + delay_ns, to.deliver, message, to, cause, line.stamp)

    def _note_fate(self, to: Any, message: Any, cause: int, fate: Any) -> None:
        action = (0, 0, None, message, to, cause, 0)
        if fate.__class__ is tuple:
            self._note_way(DUPLICATED, action, {})
        else:
            self._note_way(LOST, action, {"reason": fate.value})

    def own(self, address: Any, message: object = None) -> Address[Any]:
        """Return this actor's own address of the actor that a foreign address leads to."""
        if not isinstance(address, Address):
            raise BadValue(f"{self.name!r} sends to {address!r}; use an address, not a name")
        if address.owner is self:
            return address
        return self.address_of(address.target.name)

    def address_of(self, name: str) -> Address[Any]:
        """See `Actor.address`."""
        address = self._addresses.get(name)
        if address is None:
            target = self.simulation.seat_of(name)
            address = self._join(target)
        return address

    def _join(self, target: "Seat") -> Address[Any]:
        """Make the pair of addresses between this actor and another one."""
        if target is self:
            address = Address[Any](self, self, self.site.inside)
            address.reply = address
            self._addresses[self.name] = address
            return address
        forth: Line | Inside = self.site.inside
        back = forth
        if target.site is not self.site:
            forth, back = self.simulation.lines(self.site.name, target.site.name)
        address, address_back = Address[Any](self, target, forth), Address[Any](target, self, back)
        address.reply, address_back.reply = address_back, address
        self._addresses[target.name] = address
        target._addresses[self.name] = address_back
        return address

    @property
    def me(self) -> Address[Any]:
        """The address of the actor itself."""
        return self.address_of(self.name)

    # --- the other verbs ---

    def after(self, delay_ns: int, message: Any) -> Timer:
        """See `Actor.after`."""
        span_ns(delay_ns, f"{self.name!r} sets a timer of")
        if not is_message(type(message)) or message.__class__ not in self.accepts:
            raise refuse(message, self.name, self.name)
        schedule = self.simulation.schedule
        timer = Timer(schedule.now_ns + delay_ns, self.incarnation, self.me, message)
        schedule.push(timer.due_ns, self._ring, timer, None, self.cause)
        return timer

    def _ring(self, action: Any) -> None:
        timer: Timer = action[3]
        if not timer.is_live or timer.incarnation != self.incarnation or not self.alive:
            self.simulation.stale_count += 1
            return
        if self.site.is_paused:
            self.site.late.append(action)
            return
        timer.is_live = False
        message = timer.message
        simulation = self.simulation
        cause = simulation.note_for(self.name, FIRED, type(message).__name__, action[5], {})
        self._accept((action[0], action[1], None, message, timer.address, cause, 0), always=True)

    def note(self, kind: Kind, subject: str, detail: dict[str, object]) -> int:
        """See `Actor.note`; the event becomes the cause of what the actor does next."""
        self.cause = self.simulation.note_for(self.name, kind, subject, self.cause, detail)
        return self.cause

    def change(self) -> Change:
        """See `Actor.commit`."""
        return Change(self.site, self.actor, self.cause)

    def working(self, lasts_ns: int, subject: str) -> None:
        """See `Actor.working`."""
        self.site.strike(CrashPoint.DURING_IMPORT, max(lasts_ns // 2, 1))

    def luck(self, purpose: str) -> Stream:
        """See `Actor.luck`."""
        if self._lucks is None:
            self._lucks = {}
        if purpose not in self._lucks:
            self._lucks[purpose] = self.simulation.luck.stream(purpose, self.name)
        return self._lucks[purpose]

    def open_line(self, to: Address[Any]) -> None:
        """See `Actor.open_line`."""
        to = self.own(to)
        for line in self._dial_up_lines(to):
            line.open()
        self.site.open_lines.append(to)

    def close_line(self, to: Address[Any]) -> None:
        """See `Actor.close_line`."""
        to = self.own(to)
        self._dial_up_lines(to)
        self.end_call(to)
        if to in self.site.open_lines:
            self.site.open_lines.remove(to)

    def end_call(self, to: Address[Any]) -> None:
        """Close both directions of a dial-up line; a fault can keep that from the other end."""
        forth, back = to.line, to.reply.line
        assert isinstance(forth, Line)
        assert isinstance(back, Line)
        is_noticed = forth.is_open and forth.is_clear
        self.simulation.hang_up(forth)
        self.simulation.hang_up(back)
        if is_noticed:
            to.target.hear_end(self.site.name)

    def _dial_up_lines(self, to: Address[Any]) -> tuple[Line, Line]:
        """Return both directions of a line that is dialled."""
        forth, back = to.line, to.reply.line
        if isinstance(forth, Inside) or not forth.link.dial_up:
            raise NoRoute(f"the line from {self.name!r} to {to.name!r} is no dial-up line")
        return forth, back
