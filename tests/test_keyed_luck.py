"""Adding a client, a message or a retry moves nobody else's luck."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from crmsim import Actor, Address, Level, Link, Simulation, Topology, handles, message
from crmsim.chance import Lognormal
from crmsim.units import Share, seconds

LINK = Link(latency=Lognormal(0.1, 0.8), loss=Share(0.3), duplicate=Share(0.2), reorder=Share(0.2))


@message(about=("sender", "number"))
class Parcel:
    sender: str
    number: int
    attempt: int = 0


class Hub(Actor):
    def __init__(self) -> None:
        self.got: list[tuple[str, int, int, int]] = []

    @handles(Parcel)
    def take(self, message: Parcel, sender: Address[Any]) -> None:
        self.got.append((message.sender, message.number, message.attempt, self.now_ns))


@message
class Go:
    number: int
    attempt: int


def fates(plans: dict[str, list[tuple[int, int]]]) -> dict[tuple[str, int, int], list[int]]:
    """Return (client, number, attempt) -> delays of the copies that arrive."""

    def client(name: str, plan: list[tuple[int, int]]):
        class Client(Actor):
            def started(self) -> None:
                for number, attempt in plan:
                    self.after(seconds(number * 10 + attempt), Go(number, attempt))

            @handles(Go)
            def go(self, message: Go, sender: Address[Any]) -> None:
                parcel = Parcel(name, message.number, message.attempt)
                self.send(self.address("hub"), parcel, attempt=message.attempt)

        return Client

    topology = Topology()
    topology.add_site("hub")
    for name in plans:
        topology.add_site(name)
        topology.connect(name, "hub", LINK)
    world = Simulation(topology, seed=11, level=Level.OFF)
    world.seat("hub", Hub)
    for name, plan in plans.items():
        world.seat(name, client(name, plan))
    world.run()
    found: dict[tuple[str, int, int], list[int]] = {
        (name, number, attempt): [] for name, plan in plans.items() for number, attempt in plan
    }
    for name, number, attempt, time_ns in world.actor("hub").got:
        found[name, number, attempt].append(time_ns - seconds(number * 10 + attempt))
    return found


BASE = {"x": [(n, 0) for n in range(30)], "y": [(n, 0) for n in range(30)]}


def unchanged(more: dict[str, list[tuple[int, int]]]) -> bool:
    before, after = fates(BASE), fates(more)
    return all(after[key] == fate for key, fate in before.items())


def test_luck_is_rich_enough_for_this_test():
    copies = [len(fate) for fate in fates(BASE).values()]
    assert {0, 1, 2} <= set(copies)


def test_one_client_more():
    assert unchanged({"new": [(n, 0) for n in range(30)], **BASE})


def test_one_message_more_on_the_same_line():
    assert unchanged({**BASE, "x": sorted([*BASE["x"], (100, 0), (3, 7)])})


def test_a_retry_on_the_same_line():
    retried = {**BASE, "x": [*BASE["x"], *((n, 1) for n in range(0, 30, 2))]}
    assert unchanged(retried)
    found = fates(retried)
    again = [found["x", n, 1] == found["x", n, 0] for n in range(0, 30, 2)]
    assert not all(again), "a retry has luck of its own"


def test_one_message_less():
    after = fates({**BASE, "x": BASE["x"][1:]})
    before = fates(BASE)
    assert all(before[key] == fate for key, fate in after.items())


@settings(max_examples=15, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 40), st.integers(1, 3)), max_size=20))
def test_any_set_of_further_messages(extra):
    assert unchanged({**BASE, "x": [*BASE["x"], *sorted(extra)]})


def test_messages_that_are_counted_get_luck_of_their_own():
    @message
    class Beat:
        pass

    class Heart(Actor):
        def started(self) -> None:
            for _ in range(200):
                self.send(self.address("hub"), Beat())

    class Ear(Actor):
        heard = 0

        @handles(Beat)
        def hear(self, message: Beat, sender: Address[Any]) -> None:
            self.heard += 1

    topology = Topology()
    for name in ("heart", "hub"):
        topology.add_site(name)
    topology.connect("heart", "hub", Link(loss=Share(0.5)))
    world = Simulation(topology, seed=1)
    world.seat("hub", Ear)
    world.seat("heart", Heart)
    world.run()
    assert 70 < world.actor("hub").heard < 130
