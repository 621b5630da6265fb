"""What does a script expect, in sentences?

`land.expect` is how a scenario asserts three things: topology (who reaches whom through what),
latency (how long from one kind of event to another), and ordering (what comes before what)::

    land.expect.path("laptop-1", "erp", through="crm")
    land.expect.latency("saved", "booked", p95=hours(12), per="rep")
    land.expect.same_order("saved", "booked", per="rep")

Each call judges what has happened up to that moment of the story, so most stand behind
`land.settle()`. An expectation that does not hold is a finding with evidence, like a check; the
story goes on. One that had nothing to judge says so.

An event is named by its kind and, if wanted, by what it says: ``"saved"``,
``"entered phase=SEND"``. Events that belong together share a key: the same document, version, rep,
queue, actor or subject (`crmsim.measure.road.KEYS`), or whatever a function of the event returns.
"""

import difflib
from collections.abc import Callable, Hashable, Iterator

import attrs

from crmsim.checks.check import EVIDENCE_KEPT, Evidence, Outcome, Verdict
from crmsim.errors import BadValue, Finding
from crmsim.kernel.simulation import Simulation
from crmsim.measure.latency import Limits, Pair, judge_limits
from crmsim.measure.road import KEYS, ROAD_KINDS, Names, Part, Road
from crmsim.network.ways import Ways
from crmsim.trace.journal import Event
from crmsim.trace.kinds import KINDS
from crmsim.units import Duration, show_duration, show_moment

__all__ = ["Expect", "Expectation"]

KeyName = str | Callable[[Event], Hashable | None]


@attrs.frozen
class Expectation:
    """What was expected."""

    sentence: str
    family: str
    """``topology``, ``latency`` or ``ordering``."""


class Expect:
    """The expectations of one run; `found` holds what became of each."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self.found: list[tuple[Expectation, Verdict]] = []

    # --- topology ---

    def path(self, source: str, target: str, *, through: str | tuple[str, ...] = ()) -> Verdict:
        """Expect a way from `source` to `target`, and that every way goes through `through`.

        Args:
            source: A site, or a kind of sites such as ``mobile``: then it holds for each.
            target: Likewise.
            through: Sites or kinds of sites; no way may avoid any of them.

        Raises:
            UnknownSite: there is no such site or kind.
        """
        must = (through,) if isinstance(through, str) else tuple(through)
        sentence = f"there is a way from {source} to {target}"
        if must:
            sentence = f"every way from {source} to {target} goes through {_and(must)}"
        return self._topology(sentence, self._ways.path(source, target, must))

    def no_path(self, source: str, target: str, *, without: str | tuple[str, ...] = ()) -> Verdict:
        """Expect that no way leads from `source` to `target`, or none once `without` are gone."""
        gone = (without,) if isinstance(without, str) else tuple(without)
        sentence = f"no way leads from {source} to {target}"
        if gone:
            sentence += f" without {_and(gone)}"
        return self._topology(sentence, self._ways.no_path(source, target, gone))

    def distance(self, source: str, target: str, *, lines: int) -> Verdict:
        """Expect that the shortest way from `source` to `target` crosses so many lines."""
        sentence = f"from {source} to {target} there are {lines} lines to cross"
        return self._topology(sentence, self._ways.distance(source, target, lines))

    def cut_off(self, failed: str, *, sites: tuple[str, ...], from_: str) -> Verdict:
        """Expect that exactly these sites lose every way to `from_` when `failed` fails.

        Args:
            failed: The site that fails.
            sites: Who is cut off then, by name or kind; an empty tuple for nobody.
            from_: What they cannot reach any more.
        """
        sentence = f"without {failed}, {_and(sites) or 'nobody'} cannot reach {from_}"
        return self._topology(sentence, self._ways.cut_off(failed, sites, from_))

    @property
    def _ways(self) -> Ways:
        return Ways(self._simulation.topology)

    def _topology(self, sentence: str, judged: tuple[int, list[str]]) -> Verdict:
        count, wrong = judged
        evidence = [Evidence(text) for text in wrong]
        return self._conclude(Expectation(sentence, "topology"), count, evidence)

    # --- latency ---

    def latency(
        self,
        start: str,
        end: str,
        *,
        of: KeyName = "document",
        per: KeyName | None = None,
        part: str | None = None,
        **limits: Duration,
    ) -> Verdict:
        """Expect that the time from `start` to `end` stays within limits.

        The time runs from the first `start` of a document to its first `end` after that. Quantiles
        are by nearest rank. What has not ended yet counts as longer than a limit once it is older
        than the limit; while it is younger, it is left undecided, and so is the expectation if that
        matters.

        Args:
            start: The event that starts the clock, such as ``saved``.
            end: The event that stops it, such as ``booked``.
            of: What is followed from one to the other.
            per: Within what the limits hold separately, such as ``rep``; None for all together.
            part: Measure only the time spent ``offline``, ``queued``, ``under way``, ``in service``
                or ``at rest``; needs ``of="document"`` (or ``"version"``).
            limits: ``p50=``, ``p95=``, ``p99_9=``, ``max=``, ``mean=``, ... as durations.

        Raises:
            BadValue: no limit, or one that is none; an unknown kind of event, key or part.
        """
        wanted = Limits.read(limits)
        which = _part(part)
        if which is not None and of not in ("document", "version"):
            raise BadValue(f"part={part!r} follows documents; say of='document', not {of!r}")
        pairs = self._pairs(start, end, of, per, which)
        what = "" if which is None else f" {which.value}"
        sentence = f"from {start} to {end}{what}: {wanted}{_per(per)}"
        expectation = Expectation(sentence, "latency")
        judged, evidence, is_open = judge_limits(pairs, wanted, self._simulation.now_ns)
        seen = (start, end) if which is None else (start, end, *ROAD_KINDS)
        return self._conclude(expectation, judged, evidence, seen, is_open=is_open)

    def _pairs(
        self, start: str, end: str, of: KeyName, per: KeyName | None, part: Part | None
    ) -> list[Pair]:
        names = Names(self._simulation.journal)
        key, group = _key(of, names), _key("actor", names) if per is None else _key(per, names)
        begun: dict[Hashable, Event] = {}
        ended: dict[Hashable, Event] = {}
        is_start, is_end = _matcher(start), _matcher(end)
        for event in self._select(start, end):
            thing = key(event)
            if thing is None:
                continue
            if is_start(event) and thing not in begun:
                begun[thing] = event
            elif is_end(event) and thing in begun:
                ended.setdefault(thing, event)
        road = Road(self._simulation.journal) if part is not None else None
        found = []
        for thing, event in begun.items():
            last = ended.get(thing)
            end_ns = self._simulation.now_ns if last is None else last.time_ns
            lasted_ns = end_ns - event.time_ns
            if road is not None and part is not None:
                lasted_ns = road.spent_ns(_guid_of(thing), event.time_ns, end_ns)[part]
            within = "" if per is None else group(event)
            if within is not None:
                found.append(Pair(names.show(thing), str(within), event, last, lasted_ns))
        return found

    # --- ordering ---

    def before(self, first: str, then: str, *, per: KeyName = "document") -> Verdict:
        """Expect that every `then` has a `first` before it, for the same document (or `per`)."""
        expectation = Expectation(f"{first} comes before {then}{_per(per)}", "ordering")
        names = Names(self._simulation.journal)
        key, is_first, is_then = _key(per, names), _matcher(first), _matcher(then)
        seen: dict[Hashable, None] = {}
        evidence, judged = [], 0
        for event in self._select(first, then):
            thing = key(event)
            if thing is None:
                continue
            if is_then(event):
                judged += 1
                if thing not in seen:
                    evidence.append(_at(event, f"{names.show(thing)}: {then} without {first}"))
            if is_first(event):
                seen.setdefault(thing)
        return self._conclude(expectation, judged, evidence, (first, then))

    def after(
        self,
        first: str,
        then: str,
        *,
        per: KeyName = "document",
        within: Duration | None = None,
    ) -> Verdict:
        """Expect that every `first` is followed by a `then`, within a span if one is given.

        A `first` that is younger than the span when this is judged is left undecided: it is not
        counted among the judged.
        """
        span = "" if within is None else f" within {show_duration(within)}"
        expectation = Expectation(f"{first} is followed by {then}{span}{_per(per)}", "ordering")
        names = Names(self._simulation.journal)
        key, is_first, is_then = _key(per, names), _matcher(first), _matcher(then)
        waiting: dict[Hashable, list[Event]] = {}
        late: list[tuple[Event, Hashable]] = []
        judged = 0
        for event in self._select(first, then):
            thing = key(event)
            if thing is None:
                continue
            if is_then(event):
                for earlier in waiting.pop(thing, ()):
                    judged += 1
                    if within is not None and event.time_ns - earlier.time_ns > within:
                        late.append((earlier, thing))
            if is_first(event):
                waiting.setdefault(thing, []).append(event)
        now_ns = self._simulation.now_ns
        for thing, events in waiting.items():
            for event in events:
                if within is None or now_ns - event.time_ns > within:
                    judged += 1
                    late.append((event, thing))
        late.sort(key=lambda pair: pair[0].number)
        evidence = [
            _at(event, f"{names.show(thing)}: no {then} followed this {first}{span}")
            for event, thing in late
        ]
        return self._conclude(expectation, judged, evidence, (first, then))

    def never_between(
        self, what: str, start: str, end: str, *, per: KeyName = "document"
    ) -> Verdict:
        """Expect that no `what` comes between a `start` and the next `end` of the same key."""
        sentence = f"no {what} comes between {start} and {end}{_per(per)}"
        names = Names(self._simulation.journal)
        key = _key(per, names)
        is_what, is_start, is_end = _matcher(what), _matcher(start), _matcher(end)
        inside: dict[Hashable, Event] = {}
        evidence, judged = [], 0
        for event in self._select(what, start, end):
            thing = key(event)
            if thing is None:
                continue
            if is_end(event) and inside.pop(thing, None) is not None:
                judged += 1
            elif is_what(event) and thing in inside:
                begun = inside[thing]
                text = f"{names.show(thing)}: {what} after the {start} of event {begun.number}"
                evidence.append(_at(event, text))
            if is_start(event):
                inside[thing] = event
        judged += len(inside)
        expectation = Expectation(sentence, "ordering")
        return self._conclude(expectation, judged, evidence, (what, start, end))

    def same_order(
        self, start: str, end: str, *, of: KeyName = "document", per: KeyName = "rep"
    ) -> Verdict:
        """Expect that what is first at `start` is first at `end`, within a rep (or `per`).

        Only things that reached both are compared, by their first `start` and first `end`.

        Raises:
            BadValue: `start` and `end` are the same event.
        """
        if start == end:
            raise BadValue(f"same_order compares two events; {start!r} is always in its own order")
        sentence = f"what is {start} first is {end} first{_per(per)}"
        names = Names(self._simulation.journal)
        key, group = _key(of, names), _key(per, names)
        places: dict[Hashable, dict[Hashable, int]] = {}
        latest: dict[Hashable, tuple[int, Hashable]] = {}
        done: dict[tuple[Hashable, Hashable], None] = {}
        is_start, is_end = _matcher(start), _matcher(end)
        evidence, judged = [], 0
        for event in self._select(start, end):
            thing, within = key(event), group(event)
            if thing is None or within is None:
                continue
            if is_start(event):
                row = places.setdefault(within, {})
                row.setdefault(thing, len(row))
            if is_end(event) and thing in places.get(within, {}) and (within, thing) not in done:
                done[within, thing] = None
                judged += 1
                place, (last, other) = places[within][thing], latest.get(within, (-1, ""))
                if place < last:
                    text = f"{names.show(thing)} was {end} after {names.show(other)}"
                    evidence.append(_at(event, f"{text}, though it was {start} before it"))
                else:
                    latest[within] = (place, thing)
        expectation = Expectation(sentence, "ordering")
        return self._conclude(expectation, judged, evidence, (start, end))

    # --- the verdict ---

    def _select(self, *events: str) -> Iterator[Event]:
        for event in events:
            self._must_be_said(event)
        kinds = [_kind(event) for event in events]
        return self._simulation.journal.select(*dict.fromkeys(kinds))

    def _must_be_said(self, event: str) -> None:
        """Refuse a detail that no event of the kind has: a slip of the pen would always hold."""
        for name, _ in _wanted(event):
            said: dict[str, None] = {}
            for candidate in self._simulation.journal.select(_kind(event)):
                said.update(dict.fromkeys(("actor", "subject", *candidate.detail)))
                if name in said:
                    break
            if said and name not in said:
                told = ", ".join(said)
                raise BadValue(f"{event!r}: no {_kind(event)} says {name!r}; it says {told}")

    def _conclude(
        self,
        expectation: Expectation,
        judged: int,
        evidence: list[Evidence],
        events: tuple[str, ...] = (),
        *,
        is_open: bool = False,
    ) -> Verdict:
        """Make the verdict; `events` are those that the journal must keep to judge at all."""
        journal = self._simulation.journal
        if not all(journal.keeps(KINDS[_kind(event)]) for event in events):
            judged, evidence = 0, []
        if evidence:
            outcome = Outcome.VIOLATED
        else:
            outcome = Outcome.HELD if judged and not is_open else Outcome.NOT_JUDGED
        verdict = Verdict(outcome, judged, tuple(evidence[:EVIDENCE_KEPT]), len(evidence))
        self.found.append((expectation, verdict))
        return verdict

    def must_hold(self) -> None:
        """Raise if an expectation did not hold; for runs that are no scenario.

        Raises:
            Finding: one did not hold, or had nothing to judge.
        """
        __tracebackhide__ = True  # pytest shows the line of the caller
        for expectation, verdict in self.found:
            if not verdict.held:
                seed = self._simulation.seed
                text = f"seed {seed}: {expectation.sentence}: {verdict}"
                raise Finding(text, verdict.first_event)


def _and(names: tuple[str, ...]) -> str:
    return " and ".join(names)


def _per(per: KeyName | None) -> str:
    if per is None:
        return ""
    return f", for each {per if isinstance(per, str) else getattr(per, '__name__', 'group')}"


def _at(event: Event, text: str) -> Evidence:
    return Evidence(f"{text} ({event.actor}, {show_moment(event.time_ns)})", event.number)


def _guid_of(thing: Hashable) -> str:
    return str(thing[0] if isinstance(thing, tuple) else thing)


def _part(part: str | None) -> Part | None:
    if part is None:
        return None
    try:
        return Part(part)
    except ValueError:
        known = ", ".join(one.value for one in Part)
        raise BadValue(f"part={part!r} is no part of the way; the parts are {known}") from None


def _key(key: KeyName, names: Names) -> Callable[[Event], Hashable | None]:
    if not isinstance(key, str):
        return key
    if key not in KEYS:
        raise BadValue(f"{key!r} is nothing that events share; write {', '.join(KEYS)}")
    return lambda event: KEYS[key](event, names)


def _kind(event: str) -> str:
    name = event.split()[0] if event.split() else ""
    if name not in KINDS:
        near = difflib.get_close_matches(name, list(KINDS), 1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; the kinds are {', '.join(KINDS)}"
        raise BadValue(f"{event!r} names no kind of event{hint}")
    return name


def _matcher(event: str) -> Callable[[Event], bool]:
    """Return what says whether an event is the one meant by ``kind name=value ...``."""
    kind, wanted = _kind(event), _wanted(event)

    def matches(candidate: Event) -> bool:
        return candidate.kind == kind and all(
            str(_said(candidate, name)) == value for name, value in wanted
        )

    return matches


def _wanted(event: str) -> list[tuple[str, str]]:
    """Return the details that ``kind name=value ...`` asks for; a value may hold blanks."""
    wanted: list[tuple[str, str]] = []
    for word in event.split()[1:]:
        name, equals, value = word.partition("=")
        if equals:
            wanted.append((name, value))
        elif wanted:
            wanted[-1] = (wanted[-1][0], f"{wanted[-1][1]} {word}")
        else:
            raise BadValue(f"{event!r}: write what the event says as name=value, not {word!r}")
    return wanted


def _said(event: Event, name: str) -> object:
    if name in ("actor", "subject"):
        return getattr(event, name)
    return event.detail.get(name)
