"""Tests as coroutines, in virtual time: they need pytest-trio."""

import trio
from bakery import Bakery, CarefulBakery, Order, Thanks

from crmsim import Link
from crmsim.chance import Constant
from crmsim.testing.probe import Probe
from crmsim.units import days, hours, seconds


def town(simulation, bakery):
    simulation.add_site("tester")
    simulation.add_site("bakery")
    simulation.connect("tester", "bakery", Link(latency=Constant(0.1)))
    simulation.seat("bakery", bakery)
    return Probe(simulation, "tester", takes=(Thanks,))


async def test_thanks_comes_and_nothing_else(simulation):
    probe = town(simulation, CarefulBakery)
    async with simulation.running():
        probe.send("bakery", Order(7))
        assert (await probe.expect(Thanks, within=seconds(1))).message == Thanks(7)
        await probe.expect_nothing(within=days(30))
        await trio.sleep(3600)
        assert trio.current_time() == simulation.now_ns / 1e9 > 30 * 86_400


async def test_nothing_within_an_hour(simulation):
    probe = town(simulation, Bakery)
    async with simulation.running():
        probe.send("bakery", Order(7))
        await probe.expect_nothing(within=hours(1))
