"""The parts of the kernel, one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmsim import Simulation, message
from crmsim.errors import BadValue
from crmsim.kernel.durable import Change, CrashAt, CrashPoint, Store
from crmsim.kernel.mailbox import Mailbox
from crmsim.kernel.message import size_of
from crmsim.kernel.schedule import Schedule
from crmsim.units import seconds


def drain(schedule: Schedule) -> list[tuple[int, object]]:
    found = []
    while (due := schedule.next_due_ns()) is not None:
        action = schedule.current[schedule.position]
        schedule.position += 1
        schedule.now_ns = due
        found.append((due, action[3]))
    return found


def nothing(action: object) -> None: ...


@given(st.lists(st.integers(0, 10**15), max_size=400))
def test_the_schedule_is_a_stable_sort_by_time(times):
    schedule = Schedule()
    for index, time in enumerate(times):
        schedule.push(time, nothing, index)
    assert len(schedule) == len(times)
    expected = sorted((time, index) for index, time in enumerate(times))
    assert drain(schedule) == expected


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)), max_size=300))
def test_what_is_inserted_on_the_way_finds_its_place(pairs):
    schedule = Schedule()
    for index, (first, _) in enumerate(pairs):
        schedule.push(first, nothing, index)
    found = []
    while (due := schedule.next_due_ns()) is not None:
        action = schedule.current[schedule.position]
        schedule.position += 1
        schedule.now_ns = due
        found.append(due)
        if isinstance(action[3], int):
            schedule.push(due + pairs[action[3]][1], nothing, None)
    assert found == sorted(found)
    assert len(found) == 2 * len(pairs)


def test_the_width_of_buckets_adapts_without_changing_the_order():
    for spread in (10, 10**6, 10**12):
        schedule = Schedule()
        times = [(i * 7919) % 10_007 * spread for i in range(60_000)]
        for index, time in enumerate(times):
            schedule.push(time, nothing, index)
        assert drain(schedule) == sorted((time, index) for index, time in enumerate(times))


def test_last_is_behind_everything_of_its_instant():
    schedule = Schedule()
    schedule.push_last(5, nothing, "last")
    schedule.push(5, nothing, "first")
    assert [what for _, what in drain(schedule)] == ["first", "last"]


def test_a_pending_action_can_be_taken_out():
    schedule = Schedule()
    for time in (3, 10**9, 10**12):
        schedule.push(time, nothing, time)
    schedule.next_due_ns()
    for action in schedule.pending():
        schedule.remove(action)
    assert len(schedule) == 0
    assert schedule.next_due_ns() is None


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5))
def test_a_mailbox_is_first_in_first_out_and_bounded(puts, bound):
    mailbox = Mailbox(bound)
    model: list[int] = []
    for number, is_put in enumerate(puts):
        if is_put:
            assert mailbox.put(number, 0) == (len(model) < bound)
            if len(model) < bound:
                model.append(number)
        elif model:
            assert mailbox.take(0) == model.pop(0)
    assert len(mailbox) == len(model)
    assert mailbox.clear(0) == len(model)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 50)), max_size=60))
def test_the_depth_of_a_mailbox_adds_up_to_the_time_spent_waiting(steps):
    mailbox, now_ns, waited_ns = Mailbox(4), 0, 0
    for is_put, pause_ns in steps:
        now_ns += pause_ns
        if is_put:
            mailbox.put(now_ns, now_ns)
        elif len(mailbox):
            waited_ns += now_ns - mailbox.take(now_ns)
    still_ns = sum(now_ns - arrived_ns for arrived_ns in mailbox.waiting)
    statistics = mailbox.statistics(now_ns)
    assert statistics.area_ns == waited_ns + still_ns
    assert statistics.mean_waiting == (statistics.area_ns / now_ns if now_ns else 0)


writes = st.lists(
    st.tuples(st.sampled_from(["put", "delete"]), st.integers(0, 4), st.integers()), max_size=6
)


@given(st.lists(writes, max_size=6), st.integers(0, 6))
def test_a_crash_undoes_exactly_what_was_not_written(changes, hardened):
    store, model = Store(), {}
    applied = []
    for rows in changes:
        change = Change(None, None, 0)  # type: ignore[arg-type]
        for what, key, value in rows:
            if what == "put":
                change.put("t", key, value)
            else:
                change.delete("t", key)
        store.apply(change)
        applied.append((change, rows))
    for change, rows in applied[:hardened]:
        store.harden(change)
        for what, key, value in rows:
            if what == "put":
                model[key] = value
            else:
                model.pop(key, None)
    assert store.lose_unsafe() == max(len(changes) - hardened, 0)
    assert dict(store.table("t")) == model


@given(st.lists(st.integers(0, 30), unique=True), st.data())
def test_a_deletion_that_is_undone_brings_a_row_back_to_its_place(keys, data):
    """A laptop that crashes in an import must import the same message first again."""

    def apply(*writes, is_durable: bool) -> None:
        change = Change(None, None, 0)  # type: ignore[arg-type]
        for what, *arguments in writes:
            getattr(change, what)("t", *arguments)
        store.apply(change)
        if is_durable:
            store.harden(change)

    store, order = Store(), list(keys)
    apply(*(("put", key, key) for key in keys), is_durable=True)
    for _ in range(data.draw(st.integers(0, 4))):
        gone = data.draw(st.sampled_from(order)) if order else None
        if gone is not None:
            apply(("delete", gone), is_durable=True)
            order.remove(gone)
        new = 100 + len(order) + data.draw(st.integers(0, 9)) * 50
        if new not in order:
            apply(("put", new, 0), is_durable=True)
            order.append(new)
    for key in data.draw(st.lists(st.sampled_from(order), unique=True)) if order else []:
        apply(("delete", key), is_durable=False)
    apply(("put", 999, 0), is_durable=False)
    store.lose_unsafe()
    assert list(store.table("t")) == order


def test_a_table_is_read_only():
    with pytest.raises(TypeError):
        Store().table("t")["x"] = 1


def test_equal_stores_have_equal_snapshots():
    one, other = Store(), Store()
    for store in (one, other):
        change = Change(None, None, 0)  # type: ignore[arg-type]
        change.put("t", 1, "x")
        store.apply(change)
    assert one.snapshot() == other.snapshot()
    hash(one.snapshot())


def test_a_crash_without_a_span_is_refused():
    world = Simulation()
    world.add_site("a")
    with pytest.raises(BadValue, match="longer than zero"):
        world.plan_crash(CrashAt("a", CrashPoint.IN_COMMIT, 0, 0))


def test_a_message_knows_its_identity_size_and_subject():
    @message(about=("order", "version"))
    class Edit:
        order: str
        version: int
        text: str = "x"

    one, same, other = Edit("A", 1), Edit("A", 1, "longer"), Edit("A", 2)
    assert one.__identity__() == same.__identity__() != other.__identity__()
    assert one.subject == "A/1"
    assert one.size_bytes == 40 + 1 + 8 + 1
    assert one == Edit("A", 1)
    hash(one)
    with pytest.raises(AttributeError):
        one.version = 3


def test_a_message_cannot_be_about_a_field_it_does_not_have():
    with pytest.raises(BadValue, match="'colour'"):

        @message(about=("colour",))
        class Wrong:
            number: int


def test_a_message_may_say_its_own_size():
    @message
    class Big:
        @property
        def size_bytes(self) -> int:
            return 10**6

    assert Big().size_bytes == 10**6
    assert size_of((1, "abc", None, True, b"xy", 2.5)) == 8 + 3 + 1 + 1 + 2 + 8


def test_keyword_only_and_validated_fields_work():
    import attrs

    @message
    class Strict:
        a: int
        b: int = attrs.field(default=2, validator=attrs.validators.ge(0))

    @message
    class Keyed:
        a: int
        b: int = attrs.field(default=3, kw_only=True)

    assert Strict(1).b == 2
    with pytest.raises(ValueError, match="b"):
        Strict(1, -1)
    assert Keyed(1, b=5).b == 5
    with pytest.raises(TypeError):
        Keyed(1, 5)


def test_writing_takes_the_time_of_the_disk():
    world = Simulation()
    world.add_site("a").write_ns = seconds(2)
    assert world.site("a").write_ns == seconds(2)
