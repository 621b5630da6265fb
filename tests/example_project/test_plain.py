"""Tests as plain functions: they need nothing but pytest."""

import pytest
from bakery import BAKED_ONCE, Bakery, CarefulBakery, build, messy_town, town

from crmsim import judge
from crmsim.testing.repeat import assert_deterministic


@pytest.mark.seeds("1-6")
def test_a_careful_bakery(plain_simulation):
    build(plain_simulation, CarefulBakery).run()
    judge(plain_simulation, BAKED_ONCE).must_hold()


@pytest.mark.seeds(1, 2, 3)
def test_a_forgetful_bakery(plain_simulation):
    build(plain_simulation, Bakery).run()
    judge(plain_simulation, BAKED_ONCE).must_hold()


def test_own_assertion(plain_simulation):
    build(plain_simulation, CarefulBakery).run()
    assert plain_simulation.actor("shop").open == {4}


def test_one_seed_one_history():
    assert_deterministic(town, seed=5)


def test_a_set_of_texts_has_no_order():
    assert_deterministic(messy_town, seed=5)


def test_the_history_has_not_moved(plain_simulation, golden):
    build(plain_simulation, CarefulBakery).run()
    golden("town", plain_simulation)
