"""The pure rules of loads and comparisons: every pair of the table, blocks, filters, two looks."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmsim.errors import BadValue
from crmsim.middleware import load
from crmsim.middleware.compare import Difference, Sides, differences, judged_twice
from crmsim.middleware.replication import FIELD_SALES, Kind, Model, ReplicationObject

KEYS = st.lists(st.text("abc1", min_size=1, max_size=3), max_size=20, unique=True)
ROW = st.one_of(st.none(), st.sampled_from([(), (("name", "x"),), (("name", "y"),)]))
ROWS = st.dictionaries(st.sampled_from("abcdef"), ROW.filter(lambda row: row is not None))


@pytest.mark.parametrize(
    ("status", "event"), list(itertools.product(load.LoadStatus, load.LoadEvent))
)
def test_every_pair_of_the_table_of_loads(status, event):
    if (status, event) in load.TRANSITIONS:
        assert load.after_event(status, event) is load.TRANSITIONS[status, event]
    else:
        with pytest.raises(load.WrongLoadEvent, match=status.value):
            load.after_event(status, event)


def test_a_load_ends_once_and_nothing_follows():
    ends = {status for status in load.LoadStatus if status.is_over}
    assert ends == {load.LoadStatus.DONE, load.LoadStatus.ABORTED}
    assert not any(status in ends for status, _ in load.TRANSITIONS)
    assert set(load.TRANSITIONS.values()) == set(load.LoadStatus) - {load.LoadStatus.WAITING}


@given(KEYS, st.integers(1, 7))
def test_blocks_hold_each_key_once_in_order(keys, size):
    found, after, is_last = [], "", False
    while not is_last:
        block, is_last = load.block_of(keys, after, size)
        assert len(block) <= size
        assert is_last or len(block) == size
        found += block
        after = block[-1] if block else after
    assert found == sorted(keys)


@given(st.dictionaries(st.sampled_from("abc"), st.sampled_from("12")))
def test_a_filter_passes_what_has_its_values(values):
    wanted = load.filter_of(values)
    assert wanted.passes({**values, "other": "x"})
    assert wanted.passes({}) is (not values)
    for name in values:
        assert not wanted.passes({**values, name: "another"})
    assert load.NO_FILTER.passes(values)


def test_a_filter_of_what_is_no_text_is_refused():
    with pytest.raises(BadValue, match="texts"):
        load.filter_of({"region": 1})


def test_a_superior_is_the_next_thing_above_that_the_erp_has():
    assert load.superior_of(FIELD_SALES, "contract") == "customer"
    assert load.superior_of(FIELD_SALES, "note") == "customer"
    assert load.superior_of(FIELD_SALES, "customer") == ""
    assert load.superior_of(FIELD_SALES, "prices") == ""
    deep = Model(
        (
            ReplicationObject("area", Kind.INTELLIGENT, ("rep",), in_erp=True),
            ReplicationObject("customer", Kind.DEPENDENT, parent="area", in_erp=True),
        )
    )
    assert load.superior_of(deep, "customer") == "area"


@given(ROWS, ROWS)
def test_differences_are_what_is_not_the_same(here, there):
    found = differences(here, there)
    assert list(found) == sorted(found)
    for key in {*here, *there}:
        assert (key in found) is (here.get(key) != there.get(key))
    kinds = {key: sides.difference for key, sides in found.items()}
    for key, kind in kinds.items():
        assert (kind is Difference.ONLY_HERE) is (key not in there)
        assert (kind is Difference.ONLY_THERE) is (key not in here)
    plain = dict.fromkeys(here, ()), dict.fromkeys(there, ())
    assert Difference.DIFFERENT not in {one.difference for one in differences(*plain).values()}


@given(ROW, ROW, ROW, ROW, st.booleans())
def test_only_what_stands_still_and_differs_twice_is_a_difference(a, b, c, d, is_moving):
    first, second = Sides(a, b), Sides(c, d)
    found = judged_twice(first, second, is_moving=is_moving)
    if c == d:
        assert found is None
    elif is_moving or first != second:
        assert found is Difference.IN_FLIGHT
    else:
        assert found is second.difference
