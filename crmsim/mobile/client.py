"""What does a laptop do?

Its rep writes orders offline, when the diary says so. Twice a day it calls a station, sends what is
in its outbox, fetches what lies ready, hangs up and imports. Whatever breaks, it goes on from its
durable state next time: the outbox is emptied only by receipts, and what was fetched is confirmed
only when it is stored. Sources: CONTRIBUTING.md, S50, S51, S54, S55.
"""

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from crmsim.formats.bdoc import BulkPackage
from crmsim.kernel.actor import Actor, handles
from crmsim.kernel.message import Address, LineEnded
from crmsim.middleware.queue import RetryPolicy
from crmsim.mobile.calls import (
    Admitted,
    Busy,
    Dial,
    Fetch,
    Package,
    Refused,
    Upload,
    UploadReceipt,
)
from crmsim.mobile.correcting import Correcting
from crmsim.mobile.dialling import BUSY, TRIES, Dialling
from crmsim.mobile.holdings import numbers_left, take_range
from crmsim.mobile.imports import apply
from crmsim.mobile.receiving import store_package, take_out
from crmsim.mobile.reminders import (
    BreakOver,
    CorrectionDue,
    LineDrops,
    NetworkGone,
    NoAnswer,
    PhaseDue,
    RedialDue,
    Session,
    SessionDue,
    WriteDue,
)
from crmsim.mobile.rep import DiaryEntry, Habits
from crmsim.mobile.writing import Writing
from crmsim.qrfc.wire import Guarantees
from crmsim.sync.session import WAIT_AFTER_BREAK, Phase, next_phase
from crmsim.trace.kinds import (
    BROKEN,
    ENTERED,
    FINISHED,
    REDIALLED,
    RETRIED,
)
from crmsim.units import Duration, milliseconds

__all__ = ["MobileClient"]

UPLOAD_COUNT = 10
"""Changes of one upload (assumed)."""
START_UP: Duration = milliseconds(500)
"""How long the session program takes to open its database and to log its end (assumed)."""
IMPORT_TIME: Duration = milliseconds(50)
"""How long the import of one message takes (assumed)."""
RECORD_TIME: Duration = milliseconds(2)
"""How long the import of one record of a publication takes besides (assumed)."""


class MobileClient(Actor):
    """A laptop with its local database.

    Args:
        dialling: Which stations it calls, and when it calls again.
        diary: What the rep writes when, in order of time.
        habits: When the rep starts sessions, and how often the line breaks off.
        policy: When a request is sent again.
        guarantees: Which parts of "exactly once, in order" are on.
        parents: Kind of thing -> what it depends on; empty when on nothing.
        counts_parts: Whether it takes parts that its technician has used off the stock it shows.
    """

    def __init__(
        self,
        dialling: Dialling,
        diary: tuple[DiaryEntry, ...],
        habits: Habits,
        policy: RetryPolicy,
        guarantees: Guarantees,
        parents: Mapping[str, str],
        counts_parts: bool = False,
    ) -> None:
        self._dialling = dialling
        self._habits = habits
        self._policy = policy
        self._guarantees = guarantees
        self._session: Session | None = None
        self._parents = parents
        self._writing = Writing(self, diary, parents, counts_parts=counts_parts)
        self._correcting = Correcting(self, self._writing, habits.corrects_after)

    @property
    def is_drained(self) -> bool:
        """Whether nothing of what was written here is still to be sent."""
        return not (self.store.table("outbox") or self.store.is_writing or self._session)

    @property
    def left_to_write(self) -> int:
        """How many entries of the diary are still to be written, and refusals to be dealt with."""
        return self._writing.left + self._correcting.left

    def started(self) -> None:
        """Go on with the diary and the sessions that are still to come."""
        if self.store.get("rep", "disk", 0) != self.disk:
            self._begin_anew()
        self._writing.plan()
        self._correcting.started()
        self._plan_session()

    def _begin_anew(self) -> None:
        """Begin with an empty database: on a new disk, or on one that a backup was put back on.

        What is in such a backup has used up its numbers, and the server knows better by now.
        """
        written, release = (self.store.get("rep", name) for name in ("written", "release"))
        with self.commit() as change:
            for table in self.store:
                for key in self.store.table(table):
                    change.delete(table, key)
            change.put("rep", "disk", self.disk)
            change.put("rep", "written", written or 0)
            change.put("rep", "since", written or 0)
            change.put("rep", "release", release or 1)

    def update_programs(self, release: int, done: Callable[[], None]) -> None:
        """Get newer programs, which can read what the server sends by now."""
        with self.commit() as change:
            change.put("rep", "release", release)
            change.then(done)

    def stop_using(self) -> None:
        """Let the rep write nothing more here: another laptop is on its way."""
        if not self.store.get("rep", "stopped", False):
            with self.commit() as change:
                change.put("rep", "stopped", True)

    @handles(WriteDue)
    def write(self, message: WriteDue, sender: object) -> None:
        """Save what the rep writes: document and outbox in one commit."""
        self._writing.write(message.entry)

    @handles(CorrectionDue)
    def correct(self, message: CorrectionDue, sender: object) -> None:
        """Deal with what the inbox says about a change."""
        self._correcting.correct(message.message)

    # --- sessions ---

    def _plan_session(self) -> None:
        time_ns, number = self._habits.next_session(self.luck("session time"), self.now_ns)
        self.after(time_ns - self.now_ns, SessionDue(number))

    @handles(SessionDue)
    def begin(self, message: SessionDue, sender: object) -> None:
        """Begin a session, unless the last one is still going on."""
        self._plan_session()
        if self._session is not None:
            return
        session = self._session = Session(message.session, self._dialling.station(0))
        luck = self.luck("break off")
        session.break_phase = self._habits.break_phase(luck, session.number)
        gone_ns = self._habits.network_gone_ns(self.luck("session time"), session.number)
        if gone_ns is not None:
            self.after(max(gone_ns - self.now_ns, 0), NetworkGone(session.number))
        self.open_line(self.address(session.station))
        self._enter(Phase.INIT)

    def _enter(self, phase: Phase) -> None:
        session = self._session
        assert session is not None
        session.phase = phase
        session.request = None
        self.note(ENTERED, self._subject(session), phase=phase.value)
        if phase is session.break_phase and not session.is_broken:
            luck = self.luck("break moment")
            wait_ns = self._habits.break_wait_ns(luck, session.number, phase)
            self.after(wait_ns, LineDrops(session.number))
        if phase is Phase.AUTH:
            self._request(self._dial(session))
        elif phase is Phase.SEND:
            self._send_next()
        elif phase is Phase.RECEIVE:
            self._fetch_next()
        elif phase is Phase.IMPORT:
            self._import_next()
        else:
            self.after(START_UP, PhaseDue(session.number, phase))

    def _dial(self, session: Session) -> Dial:
        release = self.store.get("rep", "release", 1)
        left = numbers_left(self.store)
        return Dial(self.name, session.number, 0, self.disk, release, left)

    def _subject(self, session: Session) -> str:
        return f"{self.name} session {session.number}"

    @handles(PhaseDue)
    def work_done(self, message: PhaseDue, sender: object) -> None:
        """Go on when the work of a phase is done."""
        session = self._session
        if session is None or (session.number, session.phase) != (message.session, message.phase):
            return
        if message.phase is Phase.IMPORT:
            self._apply_first()
        else:
            self._leave(went_well=True)

    def _leave(self, *, went_well: bool) -> None:
        """Go on to the phase that follows, or end the session."""
        session = self._session
        assert session is not None
        phase = next_phase(session.phase, went_well=went_well)
        if phase is Phase.IMPORT and not session.is_broken:
            self.close_line(self.address(session.station))
        if phase is not None:
            self._enter(phase)
            return
        self._session = None
        if session.phase is Phase.FINAL and went_well and not session.is_broken:
            with self.commit() as change:
                change.put("rep", "finished", self.store.get("rep", "finished", 0) + 1)
                change.note(FINISHED, self._subject(session))

    @handles(LineDrops)
    def dropped(self, message: LineDrops, sender: object) -> None:
        """Lose the line, or be switched off in the middle of the offline work."""
        session = self._session
        if session is not None and session.number == message.session and not session.is_broken:
            self._break_off("the line broke off" if session.phase.is_on_line else "switched off")

    @handles(NetworkGone)
    def left_network(self, message: NetworkGone, sender: object) -> None:
        """Lose the line because there is no network any more; what is offline goes on."""
        session = self._session
        if session is not None and session.number == message.session and session.needs_line:
            self._break_off("the network was gone")

    @handles(LineEnded)
    def line_ended(self, message: LineEnded, sender: object) -> None:
        """Notice that the line to the station broke."""
        session = self._session
        if session is None or not session.needs_line or message.site != session.station:
            return
        if session.phase is not Phase.AUTH:
            self._break_off("the line broke off")
        elif session.request is not None:
            self._call_again("the line broke off")

    def _break_off(self, reason: str) -> None:
        session = self._session
        assert session is not None
        session.is_broken = True
        session.request = None
        self.note(BROKEN, self._subject(session), phase=session.phase.value, reason=reason)
        if session.phase.is_on_line:
            self.close_line(self.address(session.station))
        if next_phase(session.phase, went_well=False) is Phase.IMPORT:
            self.after(WAIT_AFTER_BREAK, BreakOver(session.number))
        else:
            self._session = None

    @handles(BreakOver)
    def waited(self, message: BreakOver, sender: object) -> None:
        """Import what came before the line broke."""
        session = self._session
        if session is not None and session.number == message.session:
            self._leave(went_well=False)

    # --- calls ---

    def _call_again(self, reason: str) -> None:
        """Hang up and call the next station, now or later; give the session up after the last."""
        session = self._session
        assert session is not None
        luck = self.luck("redial")
        wait_ns = self._dialling.wait_ns(luck, session.number, session.call, reason)
        if wait_ns is None:
            self._break_off(reason)
            return
        self.close_line(self.address(session.station))
        session.request = None
        session.call += 1
        self.after(wait_ns, RedialDue(session.number, session.call, reason))

    @handles(RedialDue)
    def redial(self, message: RedialDue, sender: object) -> None:
        """Call a station again, or another one."""
        session = self._session
        if session is None or session.is_broken:
            return
        if (session.number, session.call) != (message.session, message.call):
            return
        before, session.station = session.station, self._dialling.station(session.call)
        self.open_line(self.address(session.station))
        self.note(
            REDIALLED,
            self._subject(session),
            station=session.station,
            before=before,
            reason=message.reason,
        )
        self._request(self._dial(session), first_attempt=session.attempt + 1)

    @handles(Busy)
    def busy(self, message: Busy, sender: object) -> None:
        """Try another station, or later; in the middle of a session that breaks it off."""
        session = self._session
        if session is None or session.request is None:
            return
        if (session.number, session.step) != (message.session, message.step):
            return
        if session.phase is not Phase.AUTH:
            self._break_off("no connection left at the station")
        elif message.attempt >= session.first_attempt:
            self._call_again(BUSY)

    @handles(Refused)
    def refused(self, message: Refused, sender: object) -> None:
        """Learn that this laptop may not call."""
        session = self._session
        if session is None or session.number != message.session:
            return
        if isinstance(session.request, Dial):
            self._break_off(message.reason)

    # --- requests and answers ---

    def _request(self, request: Dial | Upload | Fetch, first_attempt: int = 0) -> None:
        """Send a request and wait for its answer."""
        session = self._session
        assert session is not None
        session.request = request
        session.attempt = session.first_attempt = first_attempt
        self._transmit(session)

    def _transmit(self, session: Session) -> None:
        to = self.address(session.station)
        request = attrs.evolve(session.request, attempt=session.attempt)
        with self.commit() as change:  # behind every save that is still being written
            change.send(to, request, attempt=session.attempt, if_open=True)
        self._be_patient(session)

    def _be_patient(self, session: Session) -> None:
        """Wait for the answer to a request, but not for ever."""
        request = session.request
        u = self.luck("patience").uniform(request.__identity__(), session.attempt)
        wait_ns = self._policy.wait_ns(session.attempt - session.first_attempt, u)
        self.after(wait_ns, NoAnswer(session.number, session.step, session.attempt))

    @handles(NoAnswer)
    def unanswered(self, message: NoAnswer, sender: object) -> None:
        """Send the request again, or give the session up."""
        session = self._session
        if session is None or session.request is None:
            return
        if (session.number, session.step, session.attempt) != (
            message.session,
            message.step,
            message.attempt,
        ):
            return
        is_call = isinstance(session.request, Dial)
        tries = self._dialling.tries if is_call else TRIES
        if session.attempt - session.first_attempt + 1 >= tries:
            if is_call:
                self._call_again("no answer")
            else:
                self._break_off("no answer")
            return
        session.attempt += 1
        name = type(session.request).__name__
        self.note(RETRIED, self._subject(session), message=name, attempt=session.attempt)
        self._transmit(session)

    def _expected(self, answer: Any, kind: type) -> Session | None:
        """Return the session if this is the answer it waits for."""
        session = self._session
        if session is None or session.number != answer.session:
            return None
        if not isinstance(session.request, kind) or getattr(answer, "step", 0) != getattr(
            session.request, "step", 0
        ):
            return None
        session.request = None
        session.step += 1
        return session

    @handles(Admitted)
    def admitted(self, message: Admitted, sender: Address[Dial]) -> None:
        """Learn what CRM holds of the session before, then send."""
        if self._expected(message, Dial) is None:
            return
        self._forget([n for n in self.store.table("outbox") if n <= message.received])
        if message.numbers is not None:
            with self.commit() as change:
                take_range(change, self.store, message.numbers)
        self._leave(went_well=True)

    def _forget(self, numbers: list[int]) -> None:
        """Take receipted changes out of the outbox."""
        present = [n for n in numbers if n in self.store.table("outbox")]
        if present:
            with self.commit() as change:
                take_out(change, self.store, present)

    def _send_next(self) -> None:
        session = self._session
        assert session is not None
        changes = tuple(self.store.table("outbox").values())[:UPLOAD_COUNT]
        unread = tuple(self.store.table("unread").values())[:UPLOAD_COUNT]
        if not (changes or unread):
            self._leave(went_well=True)
            return
        self._request(
            Upload(self.name, session.number, session.step, 0, changes, self.disk, unread)
        )
        if not self._guarantees.receipts:
            self._forget([bdoc.number for bdoc in changes])

    @handles(UploadReceipt)
    def receipted(self, message: UploadReceipt, sender: Address[Upload]) -> None:
        """Empty the outbox of what CRM holds durably."""
        if self._expected(message, Upload) is None:
            return
        outbox, unread = self.store.table("outbox"), self.store.table("unread")
        places = [place for place in message.places if place in unread]
        if not (places or any(number in outbox for number in message.numbers)):
            self._break_off("the server took nothing")
            return
        if places:
            with self.commit() as change:
                for place in places:
                    change.delete("unread", place)
        self._forget(list(message.numbers))
        self._send_next()

    def _fetch_next(self) -> None:
        session = self._session
        assert session is not None
        held: int = self.store.get("rep", "held", 0)
        self._request(self._fetch(session, held, dict(self.store.table("held bulk"))))

    def _fetch(self, session: Session, held: int, held_bulk: dict[str, int]) -> Fetch:
        bulk = tuple(sorted(held_bulk.items()))
        return Fetch(self.name, session.number, session.step, 0, held, bulk, self.disk)

    @handles(Package)
    def packaged(self, message: Package, sender: Address[Fetch]) -> None:
        """Store what came durably; the next request says so to the server."""
        session = self._expected(message, Fetch)
        if session is None:
            return
        if message.is_empty:
            self._leave(went_well=True)
            return
        with self.commit() as change:
            last, held_bulk = store_package(change, self.store, self.name, message)
            # The request for more is the receipt of what came, so it leaves with this commit.
            session.request = self._fetch(session, last, held_bulk)
            session.attempt = session.first_attempt = 0
            to = self.address(session.station)
            change.send(to, session.request, attempt=0, if_open=True)
        self._be_patient(session)

    # --- import ---

    def _import_next(self) -> None:
        session = self._session
        assert session is not None
        if not self.store.table("inbox"):
            self._leave(went_well=True)
            return
        first = next(iter(self.store.table("inbox").values()))
        many_ns = RECORD_TIME * len(first.records) if isinstance(first, BulkPackage) else 0
        lasts_ns = Duration(IMPORT_TIME + many_ns)
        self.after(lasts_ns, PhaseDue(session.number, Phase.IMPORT))
        self.working(lasts_ns, self._subject(session))

    def _apply_first(self) -> None:
        """Apply the first message of the inbox to the local database, in one commit."""
        inbox = self.store.table("inbox")
        place, content = next(iter(inbox.items()))
        with self.commit() as change:
            apply(change, self.store, self.name, self._parents, place, content)
            message = getattr(content, "message", "")
            if message:
                change.then(lambda: self._correcting.read(message))
        self._import_next()
