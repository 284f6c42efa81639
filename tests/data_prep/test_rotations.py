"""The 24 proper rotations of the cube."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data_prep.rotations import IDENTITY, compose, quarter_turn, random_rotation, rotate
from tests.support.cube_rotations import proper_rotations

ROTATIONS = proper_rotations()
rotations = st.sampled_from(ROTATIONS)


def test_there_are_24_and_the_first_is_the_identity():
    assert len(set(ROTATIONS)) == 24
    assert ROTATIONS[0] == IDENTITY


@given(rotations, rotations)
def test_they_form_a_group(first, second):
    assert compose(first, second) in ROTATIONS
    assert IDENTITY in {compose(first, other) for other in ROTATIONS}


@given(rotations, rotations)
def test_composition_is_one_array_rotation_after_the_other(first, second):
    maps = np.random.default_rng(0).random((4, 4, 4, 2))
    np.testing.assert_array_equal(rotate(rotate(maps, first), second), rotate(maps, compose(first, second)))


@given(rotations)
def test_rotating_moves_values_without_changing_them(rotation):
    maps = np.random.default_rng(1).random((5, 5, 5, 4))
    turned = rotate(maps, rotation)
    np.testing.assert_array_equal(np.sort(turned.reshape(-1, 4), axis=0), np.sort(maps.reshape(-1, 4), axis=0))


def test_a_quarter_turn_agrees_with_numpy_rot90():
    maps = np.random.default_rng(2).random((3, 3, 3))
    for axis, plane in enumerate([(1, 2), (2, 0), (0, 1)]):
        options = [np.rot90(maps, turns, plane) for turns in (1, 3)]
        assert any(np.array_equal(rotate(maps, quarter_turn(axis)), option) for option in options)


def test_three_quarter_turns_reach_the_odd_half_of_the_group():
    """A quarter turn is an odd permutation of the cube's diagonals, so three of them give 12 rotations (F9)."""
    rng = np.random.default_rng(3)
    reached = {random_rotation(rng) for _ in range(500)}
    assert len(reached) == 12
    assert reached <= set(ROTATIONS)
    assert IDENTITY not in reached
