"""A run can be driven from outside, action by action."""

import pytest

from crmsim import Actor, handles
from crmsim.errors import ActorFailed, BadValue
from crmsim.units import seconds

from .worlds import Echo, Ping, Sink, events, pair, sends


def test_steps_stop_between_actions():
    world = pair(sends(3, every_ns=seconds(1)), Sink)
    with world.stepping() as steps:
        assert world.now_ns == 0
        assert world.actor("b").got == []
        while not world.actor("b").got:
            steps.step()
        assert world.now_ns == seconds(0.01)
        assert world.actor("b").numbers == [0]
        assert steps.run_until(seconds(1.5)) == seconds(1.5)
        assert world.actor("b").numbers == [0, 1]
        steps.step(100)
        assert steps.is_done
        assert steps.step() == world.now_ns
    assert world.actor("b").numbers == [0, 1, 2]


def test_a_stepped_run_has_the_same_history():
    plain, stepped = pair(sends(3), Echo), pair(sends(3), Echo)
    plain.run()
    with stepped.stepping() as steps:
        while not steps.is_done:
            steps.step()
    assert events(plain) == events(stepped)


def test_steps_can_be_left_early_and_across_calls():
    world = pair(sends(3, every_ns=seconds(1)), Sink)
    steps = world.stepping().open()
    steps.run_until(seconds(0.5))
    steps.close()
    steps.close()
    assert world.actor("b").numbers == [0]


def test_an_error_comes_out_of_the_step_that_met_it():
    class Broken(Actor):
        @handles(Ping)
        def ping(self, message, sender):
            raise ValueError("here")

    with pair(sends(1), Broken).stepping() as steps, pytest.raises(ActorFailed, match="here"):
        steps.step(50)


def test_steps_must_be_open_and_go_forward():
    world = pair(sends(1), Sink)
    with pytest.raises(BadValue, match="not open"):
        world.stepping().step()
    with world.stepping() as steps, pytest.raises(BadValue, match="one step or more"):
        steps.step(0)
