"""Quantities are read with their unit and shown so that they can be read again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmsim import units
from crmsim.errors import BadValue


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("45min", 2700), ("12h", 43_200), ("3d", 259_200), ("1_000s", 1000)],
)
def test_a_duration_is_read(text, seconds):
    assert units.parse_duration(text) == units.seconds(seconds)


@pytest.mark.parametrize("text", ["12", "", "h", "5 parsecs", "-3s", "1.2.3s", "one hour"])
def test_a_duration_without_sense_is_refused(text):
    with pytest.raises(BadValue, match=r"write|units|unit"):
        units.parse_duration(text)


def test_a_bare_number_is_no_duration():
    with pytest.raises(BadValue, match="has no unit"):
        units.parse_duration("90")


@pytest.mark.parametrize(("text", "size"), [("500B", 500), ("2kB", 2000), ("2KiB", 2048)])
def test_a_size_is_read(text, size):
    assert units.parse_size(text) == size


def test_a_rate_is_read_in_bits_and_kept_in_bytes():
    assert units.parse_rate("40kbit/s") == 5_000
    with pytest.raises(BadValue):
        units.parse_rate("0kbit/s")


@pytest.mark.parametrize(("text", "share"), [("10%", 0.1), ("0.5", 0.5), ("0%", 0), ("100%", 1)])
def test_a_share_is_read(text, share):
    assert units.parse_share(text) == share


@pytest.mark.parametrize("text", ["110%", "1.5", "-1%", "ten", "5ms"])
def test_a_share_out_of_range_is_refused(text):
    with pytest.raises(BadValue):
        units.parse_share(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("09:00", units.hours(9)),
        ("3d 10:30", units.days(3) + units.hours(10.5)),
        ("90min", units.hours(1.5)),
    ],
)
def test_a_moment_is_read(text, moment):
    assert units.parse_moment(text) == moment


def test_a_time_of_day_beyond_the_day_is_refused():
    with pytest.raises(BadValue):
        units.parse_moment("25:00")


@pytest.mark.parametrize("text", ["yes", "1", "true", ""])
def test_a_switch_is_on_or_off(text):
    with pytest.raises(BadValue, match="on or off"):
        units.parse_bool(text)


@given(st.integers(0, 10**19))
def test_a_shown_moment_keeps_every_nanosecond(time_ns):
    shown = units.show_moment(time_ns)
    day, rest = shown.split("d ")
    clock, _, fraction = rest.partition(".")
    hour, minute, second = map(int, clock.split(":"))
    back = (int(day) * 86_400 + hour * 3600 + minute * 60 + second) * 10**9
    assert back + int((fraction + "0" * 9)[:9]) == time_ns
