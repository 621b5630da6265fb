"""A shop orders bread from a bakery over a bad line. Nothing here knows anything of CRM."""

from crmsim import Actor, Address, Check, Judge, Link, Mood, Simulation, handles, message
from crmsim.chance import Constant
from crmsim.trace.kinds import NOTED
from crmsim.units import milliseconds, seconds


@message
class Order:
    number: int


@message
class Thanks:
    number: int


@message
class Impatient:
    number: int
    attempt: int


class Shop(Actor):
    """Orders three loaves; asks again after two seconds until the bakery says thanks."""

    def started(self) -> None:
        self.open = {1, 2, 3}
        for number in (1, 2, 3):
            self.order(Impatient(number, 0), None)

    @handles(Impatient)
    def order(self, due: Impatient, sender: object) -> None:
        if due.number in self.open:
            self.send(self.address("bakery"), Order(due.number))
            self.after(seconds(2), Impatient(due.number, due.attempt + 1))

    @handles(Thanks)
    def thanked(self, thanks: Thanks, sender: Address[Order]) -> None:
        self.open.discard(thanks.number)


class Bakery(Actor):
    """Bakes what is ordered. It has no memory of what it baked before."""

    @handles(Order)
    def bake(self, order: Order, sender: Address[Thanks]) -> None:
        self.note(NOTED, f"order {order.number}", what="baked")
        self.send(sender, Thanks(order.number))


class CarefulBakery(Actor):
    """Bakes each order once, even after a crash."""

    @handles(Order)
    def bake(self, order: Order, sender: Address[Thanks]) -> None:
        with self.commit() as change:
            if not self.store.get("baked", order.number):
                change.put("baked", order.number, True)
                change.note(NOTED, f"order {order.number}", what="baked")
            change.send(sender, Thanks(order.number))


class BakedOnce(Judge):
    """No order is baked twice, and in the end each is baked."""

    def __init__(self, scene) -> None:
        super().__init__(scene)
        self.baked: dict[str, int] = {}

    def on_noted(self, event) -> None:
        self.judged += 1
        self.baked[event.subject] = self.baked.get(event.subject, 0) + 1
        if self.baked[event.subject] > 1:
            self.blame(f"{event.subject} was baked a second time", event)

    def end(self, ending) -> None:
        if ending.is_quiet and len(self.baked) != 3:
            self.blame(f"{len(self.baked)} of 3 orders were baked")


BAKED_ONCE = Check("every order is baked once", Mood.EVENTUALLY, ("bakery",), BakedOnce)
LINE = Link(latency=Constant(0.1), loss=0.3)


def build(world: Simulation, bakery: type[Actor] = Bakery) -> Simulation:
    """Build the town: a shop, a bakery and a line between them."""
    world.add_site("shop")
    world.add_site("bakery").write_ns = milliseconds(5)
    world.connect("shop", "bakery", LINE)
    world.seat("shop", Shop)
    world.seat("bakery", bakery)
    return world


def town(seed: int) -> Simulation:
    """Return a town that has not run yet."""
    return build(Simulation(seed=seed), CarefulBakery)


def messy_town(seed: int) -> Simulation:
    """Return a town whose shop orders in the order of a set of texts."""

    class Messy(Actor):
        def started(self) -> None:
            for name in {"rye", "wheat", "spelt", "oat", "corn"}:
                self.note(NOTED, name, what="wanted")

    world = Simulation(seed=seed)
    world.add_site("shop")
    world.seat("shop", Messy)
    return world
