"""Splits without leaks."""

import numpy as np
import pandas as pd
import pytest

from data_prep.errors import InputError
from data_prep.splits import limit_crystals, split_crystals, spread_evenly
from tests.support.made_up_crystals import made_up_crystals
from tests.support.real_structures import table_crystals


@pytest.mark.slow
def test_no_formula_is_on_two_sides_of_the_real_split(shared):
    """80/20 by reduced formula, before augmentation, the families in equal shares (F10)."""
    crystals = table_crystals(shared)
    parts = split_crystals(crystals, "formula", 0.2, 0.05, seed=0)
    frame = pd.DataFrame(
        {"formula": [c.formula for c in crystals], "family": [c.family for c in crystals], "part": parts}
    )
    assert (frame.groupby("formula").part.nunique() == 1).all()
    shares = frame.groupby("family").part.value_counts(normalize=True).unstack()
    np.testing.assert_allclose(shares["test"], 0.2, atol=0.015)
    assert (parts == "validation").sum() == pytest.approx(0.04 * len(crystals), abs=20)


@pytest.mark.slow
def test_a_split_by_id_can_part_polymorphs(shared):
    crystals = table_crystals(shared)
    parts = split_crystals(crystals, "id", 0.2, 0.05, seed=0)
    by_formula = pd.Series(parts).groupby([c.formula for c in crystals]).nunique()
    assert (by_formula > 1).any()


def test_the_split_depends_on_the_seed_alone():
    crystals = made_up_crystals(60)
    first, again, other = (split_crystals(crystals, "formula", 0.2, 0.1, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_too_few_crystals_to_split_is_said():
    with pytest.raises(InputError, match="too few to split"):
        split_crystals(made_up_crystals(3), "formula", 0.2, 0.05, seed=0)


def test_a_limit_keeps_the_families():
    limited = limit_crystals(made_up_crystals(60), 30, seed=0)
    assert {family: sum(c.family == family for c in limited) for family in ("AB", "ABX3", "ABX2")} == {
        "AB": 10,
        "ABX3": 10,
        "ABX2": 10,
    }


def test_a_few_of_many_are_spread_over_all_with_both_ends():
    assert spread_evenly(10, 4).tolist() == [0, 3, 6, 9]
    assert spread_evenly(3, 10).tolist() == [0, 1, 2] and spread_evenly(0, 5).tolist() == []
